"""Capitals and language."""

from __future__ import annotations

from rlvr_gym.verifiers.instructions import languages, tokens
from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, count_fault, range_words, text


def capital_words(*, at_least: int | None = None, less_than: int | None = None) -> Constraint:
    """Ask for a number of words in capitals, among nltk's word tokens: `A` and `U.S.` are one each, `DON'T` is two."""
    tokens.check_installed()
    wanted = range_words(at_least, less_than)

    def find_fault(response: str) -> Fault:
        return count_fault(
            tokens.count_capital_words(response), "words in capitals", at_least=at_least, less_than=less_than
        )

    return Constraint(
        id="change_case:capital_word_frequency",
        request=f"Words in all capital letters should appear {wanted} times.",
        find_fault=find_fault,
    )


def english_capitals() -> Constraint:
    """English, with no letter in lower case."""
    languages.check_installed()

    def find_fault(response: str) -> Fault:
        return _not_in("en", response) if response.isupper() else "not all in capitals"

    return Constraint(
        id="change_case:english_capital",
        request="Answer in English, in capital letters only.",
        find_fault=find_fault,
    )


def english_lowercase() -> Constraint:
    """English, with no capital letter."""
    languages.check_installed()

    def find_fault(response: str) -> Fault:
        return _not_in("en", response) if response.islower() else "not all in lower case"

    return Constraint(
        id="change_case:english_lowercase",
        request="Answer in English, in lowercase letters only.",
        find_fault=find_fault,
    )


def language(code: str) -> Constraint:
    """langdetect takes the response for that language (a code such as `de`), or for none at all."""
    languages.check_installed()
    code = text("code", code)

    def find_fault(response: str) -> Fault:
        return _not_in(code, response)

    return Constraint(
        id="language:response_language",
        request=f"Answer in the language with the ISO code {code} only.",
        find_fault=find_fault,
    )


def _not_in(code: str, response: str) -> Fault:
    """As in IFEval, a response whose language cannot be told (digits alone, say) is in any language."""
    found = languages.detect_language(response)
    return None if found in (code, None) else f"in the language '{found}', not '{code}'"
