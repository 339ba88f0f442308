"""reasoning-gym's generators, each with the check that its answers get."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import rlvr_gym as rg
from rlvr_envs.reasoning import boards, puzzles, traffic, values
from rlvr_envs.reasoning.values import Fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A way to judge answers. `facts` are what it needs of a problem's metadata beside the gold answer.

    `example` is the fact that holds a right answer, or what finds one, where the problem has no other.
    """

    fault: Callable[[str, dict[str, Any], str], Fault]
    facts: tuple[str, ...] = ()
    example: str | Callable[[dict[str, Any]], str] = ""

    def gold(self, answer: str | None, metadata: dict[str, Any]) -> str:
        """A right answer to a problem, empty where it has none."""
        if not self.example:
            return answer or ""
        example = metadata[self.example] if isinstance(self.example, str) else self.example(metadata)
        return example if isinstance(example, str) else json.dumps(example)


def integral(gold: str, facts: dict[str, Any], said: str) -> Fault:
    """A function that differs from the known antiderivative by a constant, whatever it is called."""
    if not _is_formula(said):
        return "no formula"
    variable = facts["variable"]
    same = _math().verify(
        rg.Task(prompt="?", reference=_growth(gold, variable)), rg.Completion(text=_growth(said, variable))
    )
    return None if same.correct else "another function"


def product(gold: str, facts: dict[str, Any], said: str) -> Fault:
    """The same polynomial, multiplied out: there is no bracket in it."""
    if "(" in said or not _is_formula(said):
        return "no formula that is multiplied out"
    same = _math().verify(rg.Task(prompt="?", reference=gold), rg.Completion(text=said))
    return None if same.correct else "another polynomial"


_WORDS = re.compile(r"[A-Za-z]{2,}")
_FUNCTIONS = re.compile(
    r"a?(?:rc)?(?:sin|cos|tan)h?|exp|ln|log|sqrt|pi|[dt]?frac|left|right|cdot|times|quad|mathrm|text"
)


def _is_formula(said: str) -> bool:
    """Return whether an answer is a formula from its beginning to its end, with no words around it."""
    ends = said.strip()[-1:]
    return ends not in "+-*/^,;=" and all(_FUNCTIONS.fullmatch(word) for word in _WORDS.findall(said))


@cache
def _math() -> rg.verifiers.Math:
    return rg.verifiers.Math("whole")


_FROM = "(1/20)"
"""A place where the roots, logarithms and inverse functions of the generators' answers all have values."""


def _growth(function: str, variable: str) -> str:
    """A function less its value at one place, in which a constant cancels out."""
    readable = re.sub(r"\ba(sin|cos|tan)(h?)\b", r"arc\1\2", function.strip().strip("$"))
    readable = re.sub(r"(?<![A-Za-z])C(?![A-Za-z])", "(0)", readable)
    there = re.sub(rf"(?<![A-Za-z]){variable}(?![A-Za-z])", _FROM, readable)
    return f"({readable}) - ({there})"


TEXT, WORD, PARTS = (Kind(fault=fault) for fault in (values.text, values.word, values.parts))
NUMBER, GRID, JSON = (Kind(fault=fault) for fault in (values.number, values.grid, values.json_value))
NUMBERS = Kind(fault=values.numbers)
EXPRESSION = Kind(fault=puzzles.expression, facts=("numbers", "target"))

KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        (
            *(
                "ab",
                "arc_1d",
                "arc_agi",
                "bf",
                "binary_matrix",
                "caesar_cipher",
                "emoji_mystery",
                "manipulate_matrix",
            ),
            *("modulo_grid", "path_star", "rearc", "rotate_matrix", "sentence_reordering", "spiral_matrix"),
            *("string_insertion", "string_manipulation", "string_splitting", "string_synthesis"),
        ),
        TEXT,
    ),
    **dict.fromkeys(
        (
            *(
                "acre",
                "aiw",
                "base_conversion",
                "calendar_arithmetic",
                "circuit_logic",
                "color_cube_rotation",
            ),
            *(
                "course_schedule",
                "family_relationships",
                "figlet_font",
                "game_of_life_halting",
                "isomorphic_strings",
            ),
            *("letter_jumble", "mahjong_puzzle", "maze", "needle_haystack", "ransom_note", "spell_backward"),
            *("syllogism", "time_intervals", "tsumego", "zebra_puzzles"),
        ),
        WORD,
    ),
    **dict.fromkeys(
        (
            *("basic_arithmetic", "binary_alternation", "chain_sum", "count_bits", "count_primes"),
            *("decimal_arithmetic", "decimal_chain_sum", "gcd", "gsm_symbolic", "largest_island", "lcm"),
            *("leg_counting", "letter_counting", "number_sequence", "products", "rectangle_count"),
            *("rotten_oranges", "self_reference", "simple_equations", "simple_geometry"),
        ),
        NUMBER,
    ),
    **dict.fromkeys(("word_sequence_reversal", "word_sorting"), PARTS),
    **dict.fromkeys(("mini_sudoku", "sudoku"), GRID),
    **dict.fromkeys(("codeio", "game_of_life", "list_functions"), JSON),
    **dict.fromkeys(("number_filtering", "number_sorting"), NUMBERS),
    **dict.fromkeys(("countdown", "puzzle24"), EXPRESSION),
    **dict.fromkeys(
        ("intermediate_integration", "simple_integration"), Kind(fault=integral, facts=("variable",))
    ),
    **dict.fromkeys(("dice", "fraction_simplification"), Kind(fault=values.reduced_fraction)),
    "advanced_geometry": Kind(fault=values.geometry),
    "bitwise_arithmetic": Kind(fault=values.hexadecimal),
    "coin_flip": Kind(fault=partial(values.near, relative=0.001)),
    "complex_arithmetic": Kind(fault=values.complex_number),
    "cryptarithm": Kind(
        fault=puzzles.cryptarithm, facts=("words_letters", "result_letters", "allow_leading_zero")
    ),
    "futoshiki": Kind(fault=values.signed_grid),
    "graph_color": Kind(fault=puzzles.colouring, facts=("puzzle",), example="possible_answer"),
    "group_anagrams": Kind(fault=partial(values.json_lists, inner_order=False)),
    "jugs": Kind(fault=puzzles.jugs, facts=("puzzle",)),
    "kakurasu": Kind(fault=puzzles.kakurasu, facts=("n_rows", "n_cols", "row_sums", "col_sums")),
    "knight_swap": Kind(
        fault=boards.knights, facts=("is_possible", "num_steps", "pieces", "board", "start_turn")
    ),
    "knights_knaves": Kind(fault=values.who_is_what),
    "n_queens": Kind(fault=puzzles.queens, facts=("puzzle",)),
    "number_format": Kind(fault=partial(values.near, absolute=0.0001)),
    "palindrome_generation": Kind(fault=puzzles.palindrome, facts=("letters",)),
    "palindrome_partitioning": Kind(fault=values.json_lists),
    "polynomial_equations": Kind(fault=partial(values.numbers, absolute=0.0001, ordered=False)),
    "polynomial_multiplication": Kind(fault=product),
    "pool_matrix": Kind(fault=partial(values.grid, absolute=0.01)),
    "power_function": Kind(fault=values.three_figures),
    "prime_factorization": Kind(fault=values.factors),
    "quantum_lock": Kind(
        fault=puzzles.lock,
        facts=("buttons", "solution_path", "initial_value", "initial_state", "target_value"),
    ),
    "rubiks_cube": Kind(
        fault=boards.cube, facts=("cube_size", "scramble_moves"), example="example_correct_answer"
    ),
    "rush_hour": Kind(fault=traffic.moves, facts=("board_config",), example=traffic.solved),
    "shortest_path": Kind(fault=puzzles.path, facts=("matrix",)),
    "sokoban": Kind(fault=boards.sokoban, facts=("gamestr",)),
    "survo": Kind(fault=puzzles.survo, facts=("puzzle", "candidate_numbers")),
    "tower_of_hanoi": Kind(
        fault=puzzles.hanoi, facts=("num_disks", "num_pegs", "start_peg", "target_peg", "solution_length")
    ),
    "word_ladder": Kind(fault=boards.ladder, facts=("start_word", "end_word")),
}

REFUSED = {
    "boxnet": "its problems come with no right answer to check the checker by",
    "composite": "give several names, with commas between them",
    "propositional_logic": "a premise said again is a valid conclusion",
}
"""Generators that are not used, and why."""
