"""Instructions on how to write: IFEval's 25 kinds and IFBench's 58 with their decisions, and further kinds.

Each function gives a `Constraint`, a verifier that stands alone or as a part of others:
`AllOf({"length": word_count(at_least=300), "answer": Math("boxed")})`.
"""

from rlvr_gym.verifiers.instructions.case import (
    capital_words,
    english_capitals,
    english_lowercase,
    language,
)
from rlvr_gym.verifiers.instructions.catalogue import FURTHER, IFBENCH, IFEVAL, KINDS, build
from rlvr_gym.verifiers.instructions.constraint import Constraint
from rlvr_gym.verifiers.instructions.form import (
    bullet_count,
    constrained_response,
    highlight_count,
    json_only,
    placeholder_count,
    postscript,
    section_count,
    title,
)
from rlvr_gym.verifiers.instructions.frame import end_phrase, quotation, repeat_prompt, two_responses
from rlvr_gym.verifiers.instructions.further import (
    acrostic,
    capitalised,
    different_words,
    exactly_once,
    growing_lines,
    nested_brackets,
    nth_word,
    number_count,
    numbered_list,
    same_ends,
    short_words,
    without_letter,
    words_between,
    words_in_order,
)
from rlvr_gym.verifiers.instructions.length import (
    paragraph_count,
    paragraph_first_word,
    sentence_count,
    word_count,
)
from rlvr_gym.verifiers.instructions.per_task import (
    Accuracies,
    Instructed,
    Instruction,
    Instructions,
    accuracies,
    constraints_of,
)
from rlvr_gym.verifiers.instructions.signs import question_count, table
from rlvr_gym.verifiers.instructions.words import (
    forbidden_words,
    keyword_frequency,
    keywords,
    letter_frequency,
    no_comma,
)

__all__ = [
    "FURTHER",
    "IFBENCH",
    "IFEVAL",
    "KINDS",
    "Accuracies",
    "Constraint",
    "Instructed",
    "Instruction",
    "Instructions",
    "accuracies",
    "acrostic",
    "build",
    "bullet_count",
    "capital_words",
    "capitalised",
    "constrained_response",
    "constraints_of",
    "different_words",
    "end_phrase",
    "english_capitals",
    "english_lowercase",
    "exactly_once",
    "forbidden_words",
    "growing_lines",
    "highlight_count",
    "json_only",
    "keyword_frequency",
    "keywords",
    "language",
    "letter_frequency",
    "nested_brackets",
    "no_comma",
    "nth_word",
    "number_count",
    "numbered_list",
    "paragraph_count",
    "paragraph_first_word",
    "placeholder_count",
    "postscript",
    "question_count",
    "quotation",
    "repeat_prompt",
    "same_ends",
    "section_count",
    "sentence_count",
    "short_words",
    "table",
    "title",
    "two_responses",
    "without_letter",
    "word_count",
    "words_between",
    "words_in_order",
]
