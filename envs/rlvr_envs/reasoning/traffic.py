"""Rush Hour: vehicles on a board of six by six, of which the first must reach the exit on the right."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from rlvr_envs.reasoning.values import Fault

_SIDE, _EXIT = 6, 16
"""The exit is where the first vehicle's left end is on the third row's last square but one."""
Shape = tuple[int, int]
"""The length of a vehicle, and the squares between its parts: 1 where it stands across, 6 where it stands down."""
Places = tuple[int, ...]
"""The first square of each vehicle."""


class Board:
    """The vehicles and walls of a board, written as a letter a square, `o` where nothing stands, `x` for a wall."""

    def __init__(self, written: str) -> None:
        self.walls = frozenset(place for place, sign in enumerate(written) if sign == "x")
        labels = sorted(set(written) - {"o", "x"})
        squares = [[place for place, sign in enumerate(written) if sign == label] for label in labels]
        self.shapes: list[Shape] = [(len(each), each[1] - each[0]) for each in squares]
        self.places: Places = tuple(each[0] for each in squares)

    def stepped(self, places: Places, vehicle: int, direction: int) -> Places | None:
        """The places once a vehicle has moved one square, None where it cannot."""
        length, stride = self.shapes[vehicle]
        first = places[vehicle] + direction * stride
        squares = [first + part * stride for part in range(length)]
        rows = {square // _SIDE for square in squares}
        if min(squares) < 0 or max(squares) >= _SIDE**2 or (stride == 1 and len(rows) > 1):
            return None
        if not self.walls.isdisjoint(squares) or not self._taken(places, vehicle).isdisjoint(squares):
            return None
        return (*places[:vehicle], first, *places[vehicle + 1 :])

    def _taken(self, places: Places, but: int) -> set[int]:
        return {
            place + part * self.shapes[vehicle][1]
            for vehicle, place in enumerate(places)
            if vehicle != but
            for part in range(self.shapes[vehicle][0])
        }

    def slides(self, places: Places) -> Iterator[tuple[str, Places]]:
        """Every move of one vehicle by any number of squares."""
        for vehicle in range(len(self.shapes)):
            for direction, sign in ((1, "+"), (-1, "-")):
                squares, after = 1, self.stepped(places, vehicle, direction)
                while after is not None:
                    yield f"{chr(ord('A') + vehicle)}{sign}{squares}", after
                    squares, after = squares + 1, self.stepped(after, vehicle, direction)


def moves(gold: str, facts: dict[str, Any], said: str) -> Fault:
    """Moves of free vehicles over free squares, of which the last brings the first vehicle to the exit."""
    board = Board(facts["board_config"])
    places = board.places
    said_moves = said.split()
    if len(said_moves) > 1000:
        return "more than a thousand moves"
    for move in said_moves:
        found = re.fullmatch(r"([A-Z])([+-])([1-5])", move)
        vehicle = ord(found[1]) - ord("A") if found else len(board.shapes)
        if not found or vehicle >= len(board.shapes):
            return f"{move[:20]!r} is no move"
        if places[0] == _EXIT:
            return "it was solved before the last move"
        for _ in range(int(found[3])):
            after = board.stepped(places, vehicle, 1 if found[2] == "+" else -1)
            if after is None:
                return f"{move} is blocked"
            places = after
    return None if places[0] == _EXIT else "the first vehicle is not at the exit"


def solved(metadata: dict[str, Any]) -> str:
    """A shortest solution of a problem, empty where there is none."""
    board = Board(metadata["board_config"])
    came: dict[Places, tuple[Places, str] | None] = {board.places: None}
    waiting = deque([board.places])
    while waiting:
        places = waiting.popleft()
        if places[0] == _EXIT:
            return " ".join(reversed(list(_way(came, places))))
        for move, after in board.slides(places):
            if after not in came:
                came[after] = (places, move)
                waiting.append(after)
    return ""


def _way(came: dict[Places, tuple[Places, str] | None], places: Places) -> Iterator[str]:
    while (before := came[places]) is not None:
        places, move = before
        yield move
