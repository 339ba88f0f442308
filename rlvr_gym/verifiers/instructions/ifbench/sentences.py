"""IFBench's kinds of the groups `ratio` and `sentence`; Punkt's English model finds the sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from rlvr_gym.verifiers.instructions import tokens
from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, text
from rlvr_gym.verifiers.instructions.ifbench.texts import SIGNS, bare, bare_words, checked_percentage, number

_LISTED_STOP_WORDS = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her
hers herself it its itself they them their theirs themselves what which who whom this that these
those am is are was were be been being have has had having do does did doing a an the and but if or
because as until while of at by for with about against between into through during before after
above below to from up down in out on off over under again further then once here there when where
why how all any both each few more most other some such no nor not only own same so than too very s
t can will just don should now d ll m o re ve y ain aren couldn didn doesn hadn hasn haven isn ma
mightn mustn needn shan shouldn wasn weren won wouldn
"""
_STOP_WORDS = frozenset(_LISTED_STOP_WORDS.split())
"""nltk's for English, but for those with an apostrophe, which no run of letters can be."""
_WORD = re.compile(r"\w+")


def stop_words(percentage: float) -> Constraint:
    """No more than this share of the words, runs of letters and digits, are stop words."""
    most = checked_percentage(percentage)

    def find_fault(response: str) -> Fault:
        words = _WORD.findall(response)
        if not words:
            return "no words"
        share = sum(word.lower() in _STOP_WORDS for word in words) / len(words) * 100
        return None if share <= most else f"{share:.1f} % stop words, not at most {most:g} %"

    return Constraint(
        id="ratio:stop_words",
        request=f"Ensure that stop words constitute no more than {most:g}% of the total words in your response.",
        find_fault=find_fault,
    )


def overlap(reference_text: str, percentage: float) -> Constraint:
    """The share of the response's different trigrams of tokens that the reference has, within two points."""
    tokens.check_installed()
    wanted = checked_percentage(percentage)
    reference = _trigrams(tokens.word_tokens(text("reference_text", reference_text)))

    def find_fault(response: str) -> Fault:
        trigrams = _trigrams(tokens.word_tokens(response))
        if not trigrams:
            return "fewer than three words"
        share = len(trigrams & reference) / len(trigrams) * 100
        return (
            None if wanted - 2 <= share <= wanted + 2 else f"{share:.1f} % of the trigrams, not {wanted:g} %"
        )

    return Constraint(
        id="ratio:overlap",
        request=f"Maintain a trigram overlap of {wanted:g}% (±2%) with the provided reference text.",
        find_fault=find_fault,
    )


def _trigrams(words: Sequence[str]) -> set[tuple[str, str, str]]:
    return set(zip(words, words[1:], words[2:], strict=False))


def sentence_type() -> Constraint:
    """Twice as many sentences that end with `.` as with `?`."""
    tokens.check_installed()

    def find_fault(response: str) -> Fault:
        periods, questions, _ = _ends(response)
        return None if periods == 2 * questions else f"{periods} statements and {questions} questions"

    return Constraint(
        id="ratio:sentence_type",
        request="Maintain a 2:1 ratio of declarative to interrogative sentences.",
        find_fault=find_fault,
    )


def sentence_balance() -> Constraint:
    """Equal numbers of sentences that end with `.`, with `?` and with `!`."""
    tokens.check_installed()

    def find_fault(response: str) -> Fault:
        periods, questions, calls = _ends(response)
        balanced = periods == questions == calls
        return None if balanced else f"{periods} statements, {questions} questions, {calls} exclamations"

    return Constraint(
        id="ratio:sentence_balance",
        request="Ensure that the ratio of sentence types (declarative, interrogative, exclamatory) is balanced.",
        find_fault=find_fault,
    )


def _ends(response: str) -> tuple[int, int, int]:
    found = tokens.sentences(response)
    periods, questions, calls = (sum(each.endswith(sign) for each in found) for sign in ".?!")
    return periods, questions, calls


def sentence_words() -> Constraint:
    """Three sentences, each as long in characters as the others, in which no word comes twice."""
    tokens.check_installed()

    def find_fault(response: str) -> Fault:
        found = tokens.sentences(response)
        if len(found) != 3:
            return f"{len(found)} sentences, not 3"
        lengths = [len(sentence.strip()) for sentence in found]
        if len(set(lengths)) > 1:
            return f"sentences of {', '.join(map(str, lengths))} characters"
        words = bare_words(" ".join(found))
        return None if len(words) == len(set(words)) else "a word comes twice"

    return Constraint(
        id="ratio:sentence_words",
        request="Respond with three sentences, all containing the same number of characters but using all different "
        "words.",
        find_fault=find_fault,
    )


def alliteration_increment() -> Constraint:
    """Each sentence has more words in runs of one first letter than the sentence before."""
    tokens.check_installed()

    def find_fault(response: str) -> Fault:
        counts = [_alliterative(sentence) for sentence in tokens.sentences(response)]
        grows = all(less < more for less, more in pairwise(counts))
        return None if grows else f"{', '.join(map(str, counts[:20]))} alliterative words"

    return Constraint(
        id="sentence:alliteration_increment",
        request="Each sentence must have a longer sequence of consecutive alliterative words than the previous one.",
        find_fault=find_fault,
    )


def _alliterative(sentence: str) -> int:
    """Count the words that begin as a neighbour does."""
    words = [word for word in (word.lstrip(f"{SIGNS} ") for word in sentence.lower().split()) if word]
    alike = [one[0] == other[0] for one, other in pairwise(words)]
    return sum(before or after for before, after in zip([False, *alike], [*alike, False], strict=True))


def keyword(word: str, N: int) -> Constraint:  # noqa: N803
    """The keyword, as a word of its own, in the N-th sentence; case does not count."""
    tokens.check_installed()
    word, place = text("word", word), number("N", N)
    pattern = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)

    def find_fault(response: str) -> Fault:
        found = tokens.sentences(response)
        if len(found) < place:
            return f"{len(found)} sentences"
        return None if pattern.search(found[place - 1]) else f"sentence {place} is without {word!r}"

    return Constraint(
        id="sentence:keyword",
        request=f'The response must include keyword "{word}" in the {place}-th sentence.',
        find_fault=find_fault,
    )


def increment(small_n: int) -> Constraint:
    """Each sentence has exactly so many words more than the one before."""
    tokens.check_installed()
    more = number("small_n", small_n)

    def find_fault(response: str) -> Fault:
        counts = [len(bare(sentence).split()) for sentence in tokens.sentences(response)]
        grows = all(after == before + more for before, after in pairwise(counts))
        return None if grows else f"sentences of {', '.join(map(str, counts[:20]))} words"

    return Constraint(
        id="sentence:increment",
        request=f"Each sentence must contain exactly {more} more words than the previous one.",
        find_fault=find_fault,
    )
