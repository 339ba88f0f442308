"""IFBench's kinds of the group `count`."""

from __future__ import annotations

import re

from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.instructions import tokens
from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, count_fault, text
from rlvr_gym.verifiers.instructions.ifbench.texts import bare, number, stripped


def word_count_range(min_words: int, max_words: int) -> Constraint:
    r"""From `min_words` to `max_words` runs of letters, digits and underscores."""
    low, high = number("min_words", min_words, smallest=0), number("max_words", max_words, smallest=0)
    if low > high:
        raise ConfigError(f"max_words must be at least min_words, not {high} with {low}")

    def find_fault(response: str) -> Fault:
        count = tokens.count_words(response)
        return None if low <= count <= high else f"{count} words, not {low} to {high}"

    return Constraint(
        id="count:word_count_range",
        request=f"The response must contain between {low} and {high} words.",
        find_fault=find_fault,
    )


def unique_word_count(N: int) -> Constraint:  # noqa: N803 - as its rows name it
    """At least so many different words, parted by white space, without the signs around them."""
    least = number("N", N)

    def find_fault(response: str) -> Fault:
        return count_fault(
            len({stripped(word) for word in response.lower().split()}), "unique words", at_least=least
        )

    return Constraint(
        id="count:unique_word_count",
        request=f"Use at least {least} unique words in the response.",
        find_fault=find_fault,
    )


_CONJUNCTIONS = frozenset(("and", "but", "for", "nor", "or", "so", "yet"))


def conjunctions(small_n: int) -> Constraint:
    """At least so many different coordinating conjunctions.

    Unlike upstream, which takes `and`, `And` and `and,` for three, one is one however it is written.
    """
    least = number("small_n", small_n)

    def find_fault(response: str) -> Fault:
        found = _CONJUNCTIONS.intersection(stripped(word).lower() for word in response.split())
        return count_fault(len(found), "different conjunctions", at_least=least)

    return Constraint(
        id="count:conjunctions",
        request=f"Use at least {least} different coordinating conjunctions in the response.",
        find_fault=find_fault,
    )


_PEOPLE = (
    "Emma, Liam, Sophia, Jackson, Olivia, Noah, Ava, Lucas, Isabella, Mason, Mia, Ethan, Charlotte, Alexander, Amelia, "
    "Benjamin, Harper, Leo, Zoe, Daniel, Chloe, Samuel, Lily, Matthew, Grace, Owen, Abigail, Gabriel, Ella, Jacob, "
    "Scarlett, Nathan, Victoria, Elijah, Layla, Nicholas, Audrey, David, Hannah, Christopher, Penelope, Thomas, Nora, "
    "Andrew, Aria, Joseph, Claire, Ryan, Stella, Jonathan"
)
_PERSON = re.compile(rf"\b(?:{_PEOPLE.replace(', ', '|')})\b")


def person_names(N: int) -> Constraint:  # noqa: N803
    """At least so many different names of a list."""
    least = number("N", N)

    def find_fault(response: str) -> Fault:
        return count_fault(len(set(_PERSON.findall(response))), "different names of the list", at_least=least)

    return Constraint(
        id="count:person_names",
        request=f"Mention at least {least} different person names in the response, from this list of person names: "
        f"{_PEOPLE}.",
        find_fault=find_fault,
    )


_DIGITS = re.compile(r"\d+")


def numbers(N: int) -> Constraint:  # noqa: N803
    """Exactly so many runs of digits once punctuation is left out: `1,234.5` is one, and so is `3-4`."""
    exactly = number("N", N, smallest=0)

    def find_fault(response: str) -> Fault:
        count = len(_DIGITS.findall(bare(response)))
        return None if count == exactly else f"{count} numbers, not {exactly}"

    return Constraint(
        id="count:numbers",
        request=f"Include exactly {exactly} numbers in the response.",
        find_fault=find_fault,
    )


def punctuation() -> Constraint:
    """All of `.,!?;:`, and besides an interrobang: `?!`, `!?` or `‽`."""

    def find_fault(response: str) -> Fault:
        if not any(sign in response for sign in ("?!", "!?", "‽")):
            return "no interrobang"
        rest = response.replace("?!", "", 1)
        rest = rest if rest != response else response.replace("!?", "", 1)
        missing = [sign for sign in ".,!?;:" if sign not in rest]
        return f"without {' '.join(missing)}" if missing else None

    return Constraint(
        id="count:punctuation",
        request="Use every standard punctuation mark at least once, including semicolons, colons, and the interrobang "
        "(?!).",
        find_fault=find_fault,
    )


_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def words_japanese(N: int) -> Constraint:  # noqa: N803
    """Every N-th word, parted by white space, has a Japanese sign; digits and punctuation need none."""
    each = number("N", N)

    def find_fault(response: str) -> Fault:
        for word in map(stripped, response.split()[each - 1 :: each]):
            if word and not word.isdigit() and not _JAPANESE.search(word):
                return f"{word[:40]!r} is not in Japanese"
        return None

    return Constraint(
        id="count:words_japanese",
        request=f"Every {each}th word of your response must be in Japanese.",
        find_fault=find_fault,
    )


_LISTED_PRONOUNS = """
i me we us you he him she her it they them my mine our ours your yours his hers its their theirs
myself ourselves yourself yourselves himself herself itself themselves this that these those who
whom whose which what whoever whomever whatever whichever anybody anyone anything everybody everyone
everything nobody nothing somebody someone something each either neither both all some any none
"""
_PRONOUNS = frozenset(_LISTED_PRONOUNS.split())


def pronouns(N: int) -> Constraint:  # noqa: N803
    """At least so many pronouns among the Penn Treebank's tokens; `she/her` is two."""
    tokens.check_installed()
    least = number("N", N)

    def find_fault(response: str) -> Fault:
        words = tokens.word_tokens(response.replace("/", " ").lower())
        return count_fault(sum(word in _PRONOUNS for word in words), "pronouns", at_least=least)

    return Constraint(
        id="count:pronouns",
        request=f"The response should include at least {least} pronouns.",
        find_fault=find_fault,
    )


_TIMES = (1, 2, 3, 5, 7)


def keywords_multiple(
    keyword1: str, keyword2: str, keyword3: str, keyword4: str, keyword5: str
) -> Constraint:
    """Five keywords, as words of their own, once, twice, three, five and seven times; case does not count."""
    given = (keyword1, keyword2, keyword3, keyword4, keyword5)
    keywords = [text(f"keyword{place}", keyword) for place, keyword in enumerate(given, start=1)]
    patterns = [re.compile(rf"\b{re.escape(keyword)}\b", re.IGNORECASE) for keyword in keywords]

    def find_fault(response: str) -> Fault:
        for keyword, pattern, times in zip(keywords, patterns, _TIMES, strict=True):
            count = sum(1 for _ in pattern.finditer(response))
            if count != times:
                return f"{count} of {keyword!r}, not {times}"
        return None

    return Constraint(
        id="count:keywords_multiple",
        request="Include keyword {} once in your response, keyword {} twice in your response, keyword {} three times "
        "in your response, keyword {} five times in your response, and keyword {} seven times in your "
        "response.".format(*keywords),
        find_fault=find_fault,
    )
