"""Whatever a program writes to its tests is a value, or the program's own fault: never an error of the tests' side."""

import json
import random

import pytest
from rlvr_sandbox.image.sides.remote import ProgramGone, Remote

TAGS = (  # noqa: SIM905
    "s n i h k o m e g x view path module chain tuple frozenset scalar int complex bytes range slice decimal "
    "fraction datetime date time timedelta ellipsis notimplemented c list dict set read_only"
).split()
WORDS = (  # noqa: SIM905
    "list dict set ndarray deque array defaultdict Counter keys items __eq__ __call__ __iter__ __len__ __hash__ "
    "builtins exec len int os system collections namedtuple <f8 O f8 0x10 -0x1 1/0 nan 2020-01-01 __globals__ send "
    "Enum IntFlag f value raised ask on with changed gone name module qualname base bases specials missing methods "
    "meta abcs fields named exception enum"
).split()


class Said:
    """A link on which a program has said everything already."""

    def __init__(self, frames):
        self.frames = list(frames)

    def send_bytes(self, data):
        json.loads(data)

    def receive(self):
        return self.frames.pop(0) if self.frames else None


def anything(draw: random.Random, depth: int = 0):
    """Some JSON value, of the shape of a reference more often than chance would have it."""
    kind = draw.random()
    if depth > 5 or kind < 0.25:
        return draw.choice(
            [None, True, 0, 1, 2, 3, -1, 1 << 60, 0.5, float("nan"), "", *draw.sample(WORDS, 3)]
        )
    if kind < 0.8:
        return [draw.choice(TAGS), *(anything(draw, depth + 1) for _ in range(draw.randrange(5)))]
    if kind < 0.88:
        return shape(draw, depth)
    if kind < 0.94:
        return {draw.choice(WORDS): anything(draw, depth + 1) for _ in range(draw.randrange(4))}
    return [anything(draw, depth + 1) for _ in range(draw.randrange(4))]


def shape(draw: random.Random, depth: int):
    """A description of a class, right in most places."""
    said = {
        "name": "C", "module": draw.choice(["solution", "re", "builtins"]), "qualname": "C", "bases": [],
        "base": draw.choice([None, "int", "list", "tuple", "str"]), "specials": draw.sample(WORDS, 4),
        "missing": [], "methods": draw.sample(WORDS, 2), "meta": [], "abcs": draw.choice([[], ["Mapping"]]),
    }  # fmt: skip
    for key in draw.sample([*said, "fields", "named", "exception", "enum"], draw.randrange(3)):
        said[key] = anything(draw, depth + 1)
    return said


def frame(draw: random.Random):
    """A message: a value, an error, a question, or none of these."""
    key = draw.choice(["value", "value", "value", "raised", "ask", "names"])
    said = {key: anything(draw)}
    if key == "ask":
        said = {
            "ask": draw.choice(["call", "get", "method", "special", "next", "ruin"]),
            "on": anything(draw),
            "with": [anything(draw)],
        }
    if draw.random() < 0.3:
        said[draw.choice(["changed", "gone", "printed", "random", "keywords"])] = anything(draw)
    return said if draw.random() < 0.97 else anything(draw)


def try_frames(count: int, seed: str) -> None:
    draw = random.Random(seed)
    for _ in range(count // 4):
        frames = [{"names": [["f", ["h", 0, ["k", 1, shape(draw, 4)]]]]}, *(frame(draw) for _ in range(3))]
        remote = Remote(Said(frames), "")  # type: ignore[arg-type]
        try:
            f = remote.load(["f"]).get("f")
            if f is not None:
                use(remote, f)
        except ProgramGone:
            continue


def use(remote: Remote, f: object) -> None:
    """Ask the program, and look at what it answers as tests do."""
    raised: list[Exception] = []
    for what in ("call", "next", "get"):
        try:
            value = remote.ask(what, f, "x")
            _ = value == [1], [value] == [2]
        except ProgramGone:
            raise
        except Exception as error:  # noqa: BLE001 - the program may raise whatever it can say
            raised.append(error)
    assert [
        error for error in raised if not (hasattr(error, "__program_raised__") or type(error) is TypeError)
    ] == []


def test_a_sample_of_malformed_frames_raises_nothing_but_the_programs_own_end():
    try_frames(4_000, "sample")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_thousand_malformed_frames_raise_nothing_but_the_programs_own_end():
    try_frames(100_000, "whole")
