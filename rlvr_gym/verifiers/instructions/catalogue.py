"""Instructions by name: ids and arguments, as task sets store them, to constraints."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.instructions import case, form, frame, further, ifbench, length, words
from rlvr_gym.verifiers.instructions.constraint import Constraint


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of instruction: what builds it, and what its arguments are called where it is stored.

    `names` maps stored names to those of `constraint`; `threshold` are the stored names of a number and of the
    relation to it, `at least` or `less than`.
    """

    constraint: Callable[..., Constraint]
    names: Mapping[str, str] = field(default_factory=dict)
    threshold: tuple[str, str] | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The stored names of all arguments; each has to be given."""
        return (*self.names, *(self.threshold or ()))


def build(id: str, arguments: Mapping[str, Any]) -> Constraint:
    """The constraint that an id and its stored arguments stand for. Raises ConfigError where there is none."""
    if id not in KINDS:
        raise ConfigError(f"no instruction '{id}'; possible: {', '.join(KINDS)}")
    kind = KINDS[id]
    if set(arguments) != set(kind.arguments):
        raise ConfigError(
            f"instruction '{id}' takes {', '.join(kind.arguments) or 'no arguments'}; "
            f"given: {', '.join(arguments) or 'none'}"
        )
    ours = {name: arguments[stored] for stored, name in kind.names.items()}
    if kind.threshold:
        number, relation = (arguments[stored] for stored in kind.threshold)
        if relation not in _RELATIONS:
            raise ConfigError(f"{kind.threshold[1]} must be 'at least' or 'less than', not {relation!r}")
        ours[_RELATIONS[relation]] = number
    return kind.constraint(**ours)


_RELATIONS = {"at least": "at_least", "less than": "less_than"}


IFEVAL: dict[str, Kind] = {
    "change_case:capital_word_frequency": Kind(
        constraint=case.capital_words, threshold=("capital_frequency", "capital_relation")
    ),
    "change_case:english_capital": Kind(constraint=case.english_capitals),
    "change_case:english_lowercase": Kind(constraint=case.english_lowercase),
    "combination:repeat_prompt": Kind(constraint=frame.repeat_prompt, names={"prompt_to_repeat": "prompt"}),
    "combination:two_responses": Kind(constraint=frame.two_responses),
    "detectable_content:number_placeholders": Kind(
        constraint=form.placeholder_count, names={"num_placeholders": "at_least"}
    ),
    "detectable_content:postscript": Kind(constraint=form.postscript, names={"postscript_marker": "marker"}),
    "detectable_format:constrained_response": Kind(constraint=form.constrained_response),
    "detectable_format:json_format": Kind(constraint=form.json_only),
    "detectable_format:multiple_sections": Kind(
        constraint=form.section_count, names={"section_spliter": "splitter", "num_sections": "at_least"}
    ),
    "detectable_format:number_bullet_lists": Kind(
        constraint=form.bullet_count, names={"num_bullets": "exactly"}
    ),
    "detectable_format:number_highlighted_sections": Kind(
        constraint=form.highlight_count, names={"num_highlights": "at_least"}
    ),
    "detectable_format:title": Kind(constraint=form.title),
    "keywords:existence": Kind(constraint=words.keywords, names={"keywords": "words"}),
    "keywords:forbidden_words": Kind(constraint=words.forbidden_words, names={"forbidden_words": "words"}),
    "keywords:frequency": Kind(
        constraint=words.keyword_frequency,
        names={"keyword": "keyword"},
        threshold=("frequency", "relation"),
    ),
    "keywords:letter_frequency": Kind(
        constraint=words.letter_frequency,
        names={"letter": "letter"},
        threshold=("let_frequency", "let_relation"),
    ),
    "language:response_language": Kind(constraint=case.language, names={"language": "code"}),
    "length_constraints:nth_paragraph_first_word": Kind(
        constraint=length.paragraph_first_word,
        names={"num_paragraphs": "paragraphs", "nth_paragraph": "paragraph", "first_word": "word"},
    ),
    "length_constraints:number_paragraphs": Kind(
        constraint=length.paragraph_count, names={"num_paragraphs": "exactly"}
    ),
    "length_constraints:number_sentences": Kind(
        constraint=length.sentence_count, threshold=("num_sentences", "relation")
    ),
    "length_constraints:number_words": Kind(
        constraint=length.word_count, threshold=("num_words", "relation")
    ),
    "punctuation:no_comma": Kind(constraint=words.no_comma),
    "startend:end_checker": Kind(constraint=frame.end_phrase, names={"end_phrase": "phrase"}),
    "startend:quotation": Kind(constraint=frame.quotation),
}
"""The 25 kinds of IFEval (arXiv 2311.07911) by their published ids, with the published names of arguments."""


def _of_function(constraint: Callable[..., Constraint]) -> Kind:
    return Kind(
        constraint=constraint, names={name: name for name in inspect.signature(constraint).parameters}
    )


FURTHER: dict[str, Kind] = {id: _of_function(constraint) for id, constraint in further.BY_ID.items()}
"""Kinds of our own, whose ids begin with `rlvr:` and whose stored arguments are those of the functions."""

IFBENCH: dict[str, Kind] = {id: _of_function(constraint) for id, constraint in ifbench.BY_ID.items()}
"""The 58 kinds of IFBench by their published ids, with the published names of arguments."""

KINDS: dict[str, Kind] = {**IFEVAL, **FURTHER, **IFBENCH}
