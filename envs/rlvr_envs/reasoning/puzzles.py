"""Puzzles with several right answers, each checked by its rules. Nothing is evaluated."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from rlvr_envs.math.expressions import evaluate
from rlvr_envs.reasoning.values import Fault, grid_of, json_of

Facts = dict[str, Any]


def expression(gold: str, facts: Facts, said: str) -> Fault:
    """An expression over exactly the given numbers whose value is the target."""
    try:
        value, used = evaluate(said)
    except (ValueError, ZeroDivisionError) as error:
        return str(error)
    if Counter(used) != Counter(facts["numbers"]):
        return f"uses {used}"
    return None if value == facts.get("target", 24) else f"is {value}"


def cryptarithm(gold: str, facts: Facts, said: str) -> Fault:
    """A digit of its own for each letter, with which the sum is right and no word begins with zero."""
    pairs = [re.fullmatch(r"\s*([A-Z])\s*=\s*([0-9])\s*", pair) for pair in said.split(",")]
    digits = {pair[1]: int(pair[2]) for pair in pairs if pair}
    words = [*facts["words_letters"], facts["result_letters"]]
    letters = set("".join(words))
    if len(digits) < len(pairs) or set(digits) != letters or len(set(digits.values())) < len(letters):
        return "not a digit of its own for each letter"
    if not facts.get("allow_leading_zero") and any(len(word) > 1 and digits[word[0]] == 0 for word in words):
        return "a word begins with zero"
    *terms, total = (int("".join(str(digits[letter]) for letter in word)) for word in words)
    return None if sum(terms) == total else "the sum is wrong"


def colouring(gold: str, facts: Facts, said: str) -> Fault:
    """A colour for each vertex, another at both ends of each edge."""
    colours, puzzle = json_of(said), facts["puzzle"]
    if not isinstance(colours, dict) or set(colours) != set(map(str, puzzle["vertices"])):
        return "not a colour for each vertex"
    if any(isinstance(colour, bool) or colour not in puzzle["color_options"] for colour in colours.values()):
        return "a colour that there is none of"
    clash = next((edge for edge in puzzle["edges"] if colours[str(edge[0])] == colours[str(edge[1])]), None)
    return None if clash is None else f"{clash[0]} and {clash[1]} have one colour"


def jugs(gold: str, facts: Facts, said: str) -> Fault:
    """Moves after which a jug holds the target."""
    moves, puzzle = json_of(said), facts["puzzle"]
    sizes: list[int] = puzzle["jug_capacities"]
    if not isinstance(moves, list) or not 0 < len(moves) <= 10_000:
        return "no list of moves"
    held = [0] * len(sizes)
    for move in moves:
        found = re.fullmatch(r"(fill|empty|pour) ([A-Z])(?:->([A-Z]))?", str(move))
        named = (
            ["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(jug) for jug in found.groups()[1:] if jug] if found else []
        )
        wanted = 2 if found and found[1] == "pour" else 1
        if not found or len(named) != wanted or len(set(named)) != wanted or max(named) >= len(sizes):
            return f"{str(move)[:40]!r} is no move"
        jug, other = named[0], named[-1]
        if wanted == 1:
            held[jug] = sizes[jug] if found[1] == "fill" else 0
            continue
        poured = min(held[jug], sizes[other] - held[other])
        held[jug], held[other] = held[jug] - poured, held[other] + poured
    return None if puzzle["target"] in held else f"the jugs hold {held}"


def queens(gold: str, facts: Facts, said: str) -> Fault:
    """The board with a queen more on empty squares until there is one in each row, none attacking another."""
    board, given = [line.split() for line in said.strip().split("\n")], facts["puzzle"]
    if [len(row) for row in board] != [len(row) for row in given] or any(
        {*row} - {"_", "Q"} for row in board
    ):
        return "no board of that size"
    if any(cell == "Q" != board[y][x] for y, row in enumerate(given) for x, cell in enumerate(row)):
        return "a queen was moved"
    placed = [(x, y) for y, row in enumerate(board) for x, cell in enumerate(row) if cell == "Q"]
    lines = (
        {x for x, _ in placed},
        {y for _, y in placed},
        {x + y for x, y in placed},
        {x - y for x, y in placed},
    )
    return (
        None
        if len(placed) == len(given) == min(map(len, lines))
        else "queens are missing or attack each other"
    )


def hanoi(gold: str, facts: Facts, said: str) -> Fault:
    """Legal moves that bring all disks to the target, as few as the known solution has."""
    moves = [line.strip() for line in said.strip().split("\n") if line.strip()]
    if len(moves) > facts["solution_length"]:
        return f"{len(moves)} moves where {facts['solution_length']} do"
    pegs: dict[int, list[int]] = {peg: [] for peg in range(1, facts["num_pegs"] + 1)}
    pegs[facts["start_peg"]] = list(range(facts["num_disks"], 0, -1))
    for move in moves:
        found = re.fullmatch(r"Move disk ([0-9]{1,3}) from Peg ([0-9]{1,3}) to Peg ([0-9]{1,3})\.?", move)
        if not found:
            return f"{move[:40]!r} is no move"
        disk, source, target = map(int, found.groups())
        if source not in pegs or target not in pegs or pegs[source][-1:] != [disk]:
            return f"disk {disk} cannot be taken from peg {source}"
        if pegs[target] and pegs[target][-1] < disk:
            return f"disk {disk} cannot lie on disk {pegs[target][-1]}"
        pegs[target].append(pegs[source].pop())
    return None if len(pegs[facts["target_peg"]]) == facts["num_disks"] else "not all disks are there"


def lock(gold: str, facts: Facts, said: str) -> Fault:
    """As few presses as the known solution has, with which the value becomes the target."""
    presses = [part.strip() for part in re.split(r"→|->|,|\s", said) if part.strip()]
    buttons = {button["name"]: button for button in facts["buttons"]}
    if not set(presses) <= set(buttons) or len(presses) > len(facts["solution_path"]):
        return "not so few presses of the buttons"
    value, colour = facts["initial_value"], facts["initial_state"]
    for press in presses:
        button = buttons[press]
        if button["active_state"] not in (colour, "any"):
            continue
        amount = button["value"]
        value = {"add": value + amount, "subtract": value - amount, "multiply": value * amount}[
            button["type"]
        ]
        colour = "green" if colour == "red" else "red"
    return None if value == facts["target_value"] else f"the value is {value}"


_STEPS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


def path(gold: str, facts: Facts, said: str) -> Fault:
    """Steps from `*` to `#` through open cells, as few as the known path has; `infeasible` where there is none."""
    steps, shortest = said.lower().split(), gold.split()
    if "infeasible" in (*shortest, *steps):
        return None if steps == shortest else "there is a path or there is none"
    matrix: list[list[str]] = facts["matrix"]
    if not set(steps) <= set(_STEPS) or len(steps) > len(shortest):
        return "not so few steps"
    y, x = next((y, x) for y, row in enumerate(matrix) for x, cell in enumerate(row) if cell == "*")
    for step in steps:
        y, x = y + _STEPS[step][0], x + _STEPS[step][1]
        if not (0 <= y < len(matrix) and 0 <= x < len(matrix[0])) or matrix[y][x] == "X":
            return "a step that leaves the grid or is blocked"
    return None if matrix[y][x] == "#" else "the path ends elsewhere"


def palindrome(gold: str, facts: Facts, said: str) -> Fault:
    """All of the letters, in an order that reads the same backwards."""
    answer = said.strip().lower()
    same = answer == answer[::-1] and sorted(answer) == sorted(facts["letters"])
    return None if same else "no palindrome of these letters"


def kakurasu(gold: str, facts: Facts, said: str) -> Fault:
    """Ones and zeros whose weighted sums are those asked for."""
    rows, width = grid_of(said), facts["n_cols"]
    if rows is None or len(rows) != facts["n_rows"] or any(len(row) != width for row in rows):
        return "no grid of that size"
    if not {cell for row in rows for cell in row} <= {0, 1}:
        return "a cell that is neither 0 nor 1"
    across = [sum(place * cell for place, cell in enumerate(row, start=1)) for row in rows]
    down = [sum(place * row[x] for place, row in enumerate(rows, start=1)) for x in range(width)]
    return None if [across, down] == [facts["row_sums"], facts["col_sums"]] else "other sums"


def survo(gold: str, facts: Facts, said: str) -> Fault:
    """The grid with the given numbers in its empty cells, all sums right."""
    rows, given = grid_of(said), facts["puzzle"]
    if rows is None or [len(row) for row in rows] != [len(row) for row in given]:
        return "no grid of that size"
    cells = [pair for row, others in zip(given, rows, strict=True) for pair in zip(row, others, strict=True)]
    if any(cell not in (0, held) for cell, held in cells):
        return "a given number was changed"
    if sorted(held for cell, held in cells if cell == 0) != sorted(facts["candidate_numbers"]):
        return "other numbers than those to place"
    columns = [list(column) for column in zip(*rows, strict=True)]
    return None if all(sum(line[:-1]) == line[-1] for line in (*rows, *columns)) else "a sum is wrong"
