"""Look up: notes that point to other notes and to values; small enough for a model of 100,000 parameters."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

import rlvr_gym as rg
from rlvr_envs.styles import answer_contract, in_range
from rlvr_gym.seeding import derive_seed
from rlvr_gym.verifiers import Exact, Marker
from rlvr_gym.verifiers.answers import without_thinking

CARD = rg.EnvironmentCard(
    summary="Find a value by looking up notes, one after the other.",
    detail="Each task has `notes` notes of its own. A note is a key of two digits and what it says: another key "
    "(k17:k42) or a value (k42:x9). The question is a key, and its value is `hops` notes away. A turn `?k17` looks a "
    "note up, and any other is final; a model whose chat template knows tools calls `look_up`. Without looking "
    "anything up, right is one answer in `values`. results=blank and results=permuted are controls: notes that say "
    "nothing, and notes that say each value's successor.",
    turns=4,
    source="Generated from the seed. Which tasks are held out does not depend on the seed.",
    licence="Apache-2.0, like the generator",
    answer="The last turn is = and the value (=x9), and nothing else.",
    sampling=rg.SamplingParams(max_tokens=64),
)
_FIRST_KEY, _LAST_KEY = 10, 99


class Results(StrEnum):
    """The notes that a policy is shown."""

    TOLD = "told"
    BLANK = "blank"
    PERMUTED = "permuted"


@rg.register("rlvr/Lookup-v0", card=CARD)
def lookup(
    split: str = "train",
    seed: int = 0,
    notes: int = 32,
    hops: int = 1,
    values: int = 10,
    results: str = "told",
    style: str = "words",
    max_turns: int = 4,
) -> rg.Environment:
    """`hops` is from 1 to 8, `values` from 2 to 10; `max_turns` must leave one turn more than hops."""
    in_range("hops", hops, 1, 8)
    in_range("notes", notes, hops, _LAST_KEY - _FIRST_KEY + 1)
    in_range("values", values, 2, 10)
    in_range("max_turns", max_turns, hops + 1, 20)
    if results not in set(Results):
        raise rg.ConfigError(f"results must be one of {', '.join(Results)}, not '{results}'")
    answer_contract(style)  # which refuses other styles
    tasks = rg.TaskSet.procedural(
        "lookup", problem, split=split, seed=seed, notes=notes, hops=hops, values=values, style=style
    )
    return Lookup(tasks, results=Results(results), values=values, max_turns=max_turns)


def problem(rng: random.Random, notes: int, hops: int, values: int, style: str) -> rg.Task:
    """Draw the notes of a task, and the key that is asked for."""
    keys = [f"k{key}" for key in rng.sample(range(_FIRST_KEY, _LAST_KEY + 1), notes)]
    chain, others = keys[:hops], keys[hops:]
    value = f"x{rng.randrange(values)}"
    said = dict(zip(chain, [*chain[1:], value], strict=True))
    for key in others:
        points = hops > 1 and rng.random() < 0.5
        said[key] = rng.choice([one for one in keys if one != key]) if points else f"x{rng.randrange(values)}"
    asked = chain[0]
    id = derive_seed("lookup", asked, *(f"{key}:{said[key]}" for key in sorted(said)))
    return rg.Task(
        id=f"{asked}-{id:016x}",
        prompt=f"{asked}>" if style == "symbols" else _in_words(asked, values),
        reference=f"={value}",
        metadata={"asked": asked, "notes": dict(sorted(said.items()))},
    )


def _in_words(asked: str, values: int) -> str:
    return (
        f"Notes have keys from k{_FIRST_KEY} to k{_LAST_KEY}. A note says either another key or a value, from x0 to "
        f"x{values - 1}. Follow the notes from {asked} to a value. To look up the note of a key, let your turn be ? "
        f"and the key, as ?k17; you will be told what it says. When you know the value, let your turn be = and the "
        "value, as =x4. Write nothing else."
    )


class Notes:
    """The notes of an episode as a policy is shown them."""

    def __init__(self, said: Mapping[str, str], results: Results, values: int) -> None:
        self.said, self.results, self.values = said, results, values

    def told(self, key: str) -> str:
        """A note: its key and what it says, a question mark where there is none or it is kept blank."""
        note = self.said.get(key, "?")
        match self.results:
            case Results.TOLD:
                return f"{key}:{note}"
            case Results.BLANK:
                return f"{key}:?"
            case Results.PERMUTED:
                return f"{key}:{permuted(note, self.values)}"


def permuted(note: str, values: int) -> str:
    """The successor of a value, after the last the first; a key is what it was."""
    return f"x{(int(note[1:]) + 1) % values}" if note.startswith("x") else note


@rg.tool(name="look_up")
def ask(key: str, notes: rg.State[Notes]) -> str:
    """Look up what a note says.

    Args:
        key: the note's key, such as k17
    """
    return notes.told(key)


_ASKS = re.compile(r"\?(k[0-9]{2})")


class Lookup(rg.Environment):
    """Answers a turn that is ? and a key with that note."""

    own_protocol = True

    def __init__(self, tasks: rg.TaskSet, *, results: Results, values: int, max_turns: int) -> None:
        super().__init__(
            tasks,
            Exact(Marker.WHOLE),
            max_turns=max_turns,
            tools=[ask],
            limits=rg.EpisodeLimits(calls=max_turns - 1),
            state=self.notes,
        )
        self.results, self.values = results, values

    def notes(self, task: rg.Task) -> Notes:
        """The notes of a task as they are shown."""
        said = task.metadata["notes"]
        assert isinstance(said, dict)
        return Notes({key: str(note) for key, note in said.items()}, self.results, self.values)

    def prompt(self, task: rg.Task, *, native_tools: bool) -> tuple[rg.Message, ...]:
        """Ask for calls of the tool, if there is one."""
        if not native_tools:
            return task.prompt
        asked = (
            f"Notes have keys from k{_FIRST_KEY} to k{_LAST_KEY}. A note says either another key or a value. "
            f"Follow the notes from {task.metadata['asked']} to a value with the tool `{ask.name}`. Then let your turn "
            "be = and the value, as =x4, and nothing else."
        )
        return (rg.Message(role="user", content=asked),)

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> str | None:
        """The note that the latest turn looks up; None for any other turn, or where notes are looked up by calls."""
        asked = _ASKS.fullmatch(without_thinking(replies[-1].text).strip())
        if self.native_tools or asked is None:
            return None
        return f"{self.notes(task).told(asked[1])}>"
