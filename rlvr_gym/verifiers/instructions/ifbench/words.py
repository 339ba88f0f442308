"""IFBench's kinds of the group `words`."""

from __future__ import annotations

import string
from collections import Counter
from itertools import pairwise

from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.instructions import tokens
from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, needs, text
from rlvr_gym.verifiers.instructions.ifbench.texts import SIGNS, bare, bare_words, number, stripped


def alphabet() -> Constraint:
    """The words begin with one letter of the alphabet after the other, `a` after `z`; the first may have any."""

    def find_fault(response: str) -> Fault:
        words = bare(response).lower().split()
        if not words or words[0][0] not in string.ascii_lowercase:
            return "no first word that begins with a letter"
        first = string.ascii_lowercase.index(words[0][0])
        for place, word in enumerate(words):
            wanted = string.ascii_lowercase[(first + place) % 26]
            if word[0] != wanted:
                return f"word {place + 1}, {word[:40]!r}, does not begin with {wanted}"
        return None

    return Constraint(
        id="words:alphabet",
        request="Each word must start with the next letter of the alphabet, looping back to 'A' after 'Z'.",
        find_fault=find_fault,
    )


def vowel() -> Constraint:
    """One line with at most three of the vowels a, e, i, o, u."""

    def find_fault(response: str) -> Fault:
        if "\n" in response.strip():
            return "more than one paragraph"
        vowels = sorted(set("aeiou").intersection(response.lower()))
        return None if len(vowels) <= 3 else f"the vowels {', '.join(vowels)}"

    return Constraint(
        id="words:vowel",
        request="Write a paragraph using words that contain only three types of vowels.",
        find_fault=find_fault,
    )


_CONSONANTS = frozenset("bcdfghjklmnpqrstvwxyz")


def consonants() -> Constraint:
    """Two consonants side by side in each word; whatever white space parts is one, signs alone too."""

    def find_fault(response: str) -> Fault:
        for word in response.lower().split():
            if not any(one in _CONSONANTS and other in _CONSONANTS for one, other in pairwise(word)):
                return f"{word[:40]!r} has no two consonants together"
        return None

    return Constraint(
        id="words:consonants",
        request="Ensure each word in your response has at least one consonant cluster (two or more consonants "
        "together).",
        find_fault=find_fault,
    )


def palindrome() -> Constraint:
    """At least ten palindromes of at least five signs; the same one may come again."""

    def find_fault(response: str) -> Fault:
        count = sum(len(word) >= 5 and word == word[::-1] for word in bare_words(response))
        return None if count >= 10 else f"{count} palindromes, not at least 10"

    return Constraint(
        id="words:palindrome",
        request="Include at least 10 single-word palindromes, each at least 5 characters long.",
        find_fault=find_fault,
    )


_PRIMES = frozenset(n for n in range(2, 100) if all(n % d for d in range(2, n)))


def prime_lengths() -> Constraint:
    """Every word has a prime number of signs below a hundred; ASCII punctuation does not count."""

    def find_fault(response: str) -> Fault:
        odd = next((word for word in bare(response).split() if len(word) not in _PRIMES), None)
        return None if odd is None else f"{odd[:40]!r} has {len(odd)} signs"

    return Constraint(
        id="words:prime_lengths",
        request="Use only words with lengths that are prime numbers.",
        find_fault=find_fault,
    )


def start_verb() -> Constraint:
    """Raise ConfigError: which words are verbs is decided upstream by nltk's tagger, whose weights no package has."""
    raise ConfigError(
        "instruction 'words:start_verb' cannot be judged here: it asks nltk's tagger of parts of speech, whose weights "
        "come in no package"
    )


def repeats(small_n: int) -> Constraint:
    """No word more often than so many times; case and ASCII punctuation do not count."""
    most = number("small_n", small_n)

    def find_fault(response: str) -> Fault:
        (word, count), *_ = [*Counter(bare_words(response)).most_common(1), ("", 0)]
        return None if count <= most else f"{word[:40]!r} comes {count} times"

    return Constraint(
        id="words:repeats",
        request=f"The response should not repeat any word more than {most} times.",
        find_fault=find_fault,
    )


def odd_even_syllables() -> Constraint:
    """Words of odd and of even numbers of syllables in turn, counted as syllapy does."""
    needs("syllapy", "syllapy", to="counting syllables")

    def find_fault(response: str) -> Fault:
        import syllapy

        words = bare_words(response)
        odd = [syllapy.count(word) % 2 for word in words]
        same = next((place for place, (one, other) in enumerate(pairwise(odd)) if one == other), None)
        return (
            None
            if same is None
            else f"{words[same][:40]!r} and {words[same + 1][:40]!r} are both odd or both even"
        )

    return Constraint(
        id="words:odd_even_syllables",
        request="Alternate between words with odd and even numbers of syllables.",
        find_fault=find_fault,
    )


def last_first() -> Constraint:
    """Each sentence begins with the word that the one before ended with."""
    tokens.check_installed()

    def find_fault(response: str) -> Fault:
        for before, after in pairwise(tokens.sentences(response)):
            last, first = before.rstrip(f"{SIGNS} ").split()[-1:], after.lstrip(f"{SIGNS} ").split()[:1]
            if not last or not first:
                return "a sentence without words"
            if last[0].lower() != first[0].lower():
                return f"{first[0][:40]!r} follows {last[0][:40]!r}"
        return None

    return Constraint(
        id="words:last_first",
        request="The last word of each sentence must become the first word of the next sentence.",
        find_fault=find_fault,
    )


def paragraph_last_first() -> Constraint:
    """Each line ends with the word that it begins with; one of signs alone does not count."""

    def find_fault(response: str) -> Fault:
        for line in response.lower().split("\n"):
            words = stripped(line.strip()).split()
            if words and words[0] != words[-1]:
                return f"a paragraph from {words[0][:40]!r} to {words[-1][:40]!r}"
        return None

    return Constraint(
        id="words:paragraph_last_first",
        request="Each paragraph must end with the same word it started with, separate paragraphs with a newline.",
        find_fault=find_fault,
    )


def no_consecutive() -> Constraint:
    """No word begins as the word before it does."""

    def find_fault(response: str) -> Fault:
        for one, other in pairwise(bare_words(response)):
            if one[0] == other[0]:
                return f"{one[:40]!r} and {other[:40]!r}"
        return None

    return Constraint(
        id="words:no_consecutive",
        request="No two consecutive words can share the same first letter.",
        find_fault=find_fault,
    )


def keywords_specific_position(keyword: str, n: int, m: int) -> Constraint:
    """The keyword is token `m` of sentence `n`, tokens of signs alone left out; case does not count."""
    tokens.check_installed()
    keyword, sentence, place = text("keyword", keyword), number("n", n), number("m", m)

    def find_fault(response: str) -> Fault:
        found = tokens.sentences(response)
        words = _words(found[sentence - 1]) if len(found) >= sentence else []
        if len(words) < place:
            return f"{len(found)} sentences, {len(words)} words in sentence {sentence}"
        said = words[place - 1]
        return (
            None
            if said.lower() == keyword.lower()
            else f"word {place} of sentence {sentence} is {said[:40]!r}"
        )

    return Constraint(
        id="words:keywords_specific_position",
        request=f"Include keyword {keyword} in the {sentence}-th sentence, as the {place}-th word of that sentence.",
        find_fault=find_fault,
    )


def words_position(keyword: str) -> Constraint:
    """The second token and the last but one are the keyword, tokens of signs alone left out; case does not count."""
    tokens.check_installed()
    keyword = text("keyword", keyword)

    def find_fault(response: str) -> Fault:
        words = [word.lower() for word in _words(response)]
        if len(words) < 2:
            return f"{len(words)} words"
        held = words[1] == words[-2] == keyword.lower()
        return None if held else f"{words[1][:40]!r} and {words[-2][:40]!r}"

    return Constraint(
        id="words:words_position",
        request="The second word in your response and the second to last word in your response should be the word "
        f"{keyword}.",
        find_fault=find_fault,
    )


def _words(response: str) -> list[str]:
    return [token for token in tokens.word_tokens(response) if any(sign.isalnum() for sign in token)]
