"""Puzzles on boards whose pieces are moved: knights, boxes, vehicles, cubes, words."""

from __future__ import annotations

import csv
import importlib.util
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from rlvr_envs.reasoning.values import Fault, json_of

Facts = dict[str, Any]


def knights(gold: str, facts: Facts, said: str) -> Fault:
    """Moves in turn that swap the knights, as few as the known solution has; `No` where none do."""
    if not facts["is_possible"] or said.strip().lower() == "no":
        return None if not facts["is_possible"] and said.strip().lower() == "no" else "possible or not"
    moves = json_of(said)
    if not isinstance(moves, list) or not 0 < len(moves) <= facts["num_steps"]:
        return "not so few moves"
    pieces, turn = dict(facts["pieces"]), facts["start_turn"]
    for move in moves:
        colour, start, end, *more = (*str(move).split(","), "", "", "")
        free = end in facts["board"].get(start, ()) and pieces.get(end) is None
        if any(more) or colour != turn or pieces.get(start) != colour or not free:
            return f"{str(move)[:40]!r} is no legal move"
        pieces[start], pieces[end] = None, colour
        turn = "B" if turn == "w" else "w"
    swapped = {"w": "B", "B": "w", None: None}
    wanted = {square: swapped[piece] for square, piece in facts["pieces"].items()}
    return None if pieces == wanted else "the knights are not swapped"


_STEPS = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}


def sokoban(gold: str, facts: Facts, said: str) -> Fault:
    """Steps of which the last pushes the last box onto a goal. A step that is blocked moves nothing."""
    rows = [line.split() for line in facts["gamestr"].strip().split("\n")]
    cells = {(y, x): cell for y, row in enumerate(rows) for x, cell in enumerate(row)}
    walls = {place for place, cell in cells.items() if cell == "+"}
    goals = {place for place, cell in cells.items() if cell in "X%$"}
    boxes = {place for place, cell in cells.items() if cell in "@$"}
    at = next(place for place, cell in cells.items() if cell in "*%")
    steps = said.strip().upper()
    if not set(steps) <= set(_STEPS) or len(steps) > 10_000:
        return "something else than L, R, U and D"
    for step in steps:
        if goals <= boxes:
            return "it was solved before the last step"
        y, x = _STEPS[step]
        ahead, behind = (at[0] + y, at[1] + x), (at[0] + 2 * y, at[1] + 2 * x)
        if ahead in walls or (ahead in boxes and (behind in walls or behind in boxes)):
            continue
        if ahead in boxes:
            boxes = boxes - {ahead} | {behind}
        at = ahead
    return None if goals <= boxes else f"{len(goals - boxes)} goals without a box"


def cube(gold: str, facts: Facts, said: str) -> Fault:
    """Turns in Singmaster's notation that solve the scrambled cube."""
    from magiccube.cube import Cube

    turns = said.split()
    if len(turns) > 2000 or not all(re.fullmatch(r"[UDLRFB]'?", turn) for turn in turns):
        return "something else than turns, each written out"
    turned = Cube(facts["cube_size"])
    turned.rotate(facts["scramble_moves"])
    turned.rotate(" ".join(turns))
    return None if turned.is_done() else "the cube is not solved"


def ladder(gold: str, facts: Facts, said: str) -> Fault:
    """English words from the first to the last, each another one, with one letter changed at a time."""
    words = [word.strip().upper() for word in said.split(",")]
    if (words[0], words[-1]) != (facts["start_word"], facts["end_word"]) or len(set(words)) < len(words):
        return "not from the first word to the last, or a word comes twice"
    for before, after in pairwise(words):
        if len(before) != len(after) or sum(a != b for a, b in zip(before, after, strict=True)) != 1:
            return f"from {before[:20]!r} to {after[:20]!r} is more than one letter"
    strange = next((word for word in words if word not in _words()), None)
    return None if strange is None else f"{strange[:20]!r} is not in the list of words"


@cache
def _words() -> frozenset[str]:
    """The words that reasoning-gym takes for English, read from its file without importing it."""
    spec = importlib.util.find_spec("reasoning_gym")
    assert spec is not None
    assert spec.origin is not None
    with (Path(spec.origin).parent / "data" / "words.csv").open(encoding="utf-8") as lines:
        return frozenset(word.upper() for row in csv.DictReader(lines) for word in row.values() if word)
