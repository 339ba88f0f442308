"""Instructions: requests about a response that code can check."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import final

from rlvr_sandbox.installing import pip_install

from rlvr_gym.errors import ConfigError
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.answers import without_thinking
from rlvr_gym.verifiers.base import Verifier

MAX_CHARACTERS = 100_000
"""A longer response follows no instruction: this bounds the time of every check, eight variants included."""

Fault = str | None
"""The reason why a response breaks an instruction, or None."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Constraint(Verifier):
    """One instruction, and the verifier of whether a response follows it.

    The response is what a completion says outside of its thinking. A response in which nothing can be seen,
    or which is longer than `MAX_CHARACTERS`, follows no instruction.

    `id` names the kind, `request` is a sentence that asks for it, to put into prompts, and `find_fault` says
    what is wrong with a text. With `loose`, one of the eight `variants` of the response has to follow it.
    """

    open_ended = True

    id: str
    request: str
    find_fault: Callable[[str], Fault]
    loose: bool = False

    def loosely(self) -> Constraint:
        """The same instruction, judged loosely."""
        return replace(self, loose=True)

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Judge the response. The task plays no part."""
        response = response_of(completion.text)
        if reason := unusable(response):
            return Verdict.malformed(reason)
        fault = self.loose_fault(response) if self.loose else self.find_fault(response)
        return Verdict.right() if fault is None else Verdict.wrong(fault)

    def loose_fault(self, response: str) -> Fault:
        """Return the fault of the response as written, or None if any of its variants follows the instruction."""
        fault = self.find_fault(response)
        if fault is None or any(self.find_fault(variant) is None for variant in variants(response)):
            return None
        return fault


def response_of(text: str) -> str:
    """Return a completion without its thinking; unchanged if it has none."""
    response = without_thinking(text)
    return text if response == text else response.strip()


def unusable(response: str) -> Fault:
    """Return why a response cannot follow any instruction."""
    if not visible(response):
        return "nothing is said"
    if len(response) > MAX_CHARACTERS:
        return f"longer than {MAX_CHARACTERS:,} characters"
    return None


def visible(text: str) -> bool:
    """Return whether anything can be seen: white space and characters without width or glyph do not count."""
    return any(sign.isprintable() and not sign.isspace() for sign in text)


def variants(response: str) -> Iterator[str]:
    """Yield the variants that loose judging tries.

    They lack the first line, the last, or both, each with and without asterisks. Only those that differ from the
    response and show something.
    """
    lines = response.split("\n")
    cut = [response, *("\n".join(kept).strip() for kept in (lines[1:], lines[:-1], lines[1:-1]))]
    for variant in dict.fromkeys([*cut, *(text.replace("*", "") for text in cut)]):
        if variant != response and visible(variant):
            yield variant


def count_fault(count: int, noun: str, *, at_least: int | None = None, less_than: int | None = None) -> Fault:
    """Describe a wrong count, or return None; `noun` is the plural of the thing counted."""
    if at_least is not None and count < at_least:
        return f"{count} {noun}, not at least {at_least}"
    if less_than is not None and count >= less_than:
        return f"{count} {noun} or more, not less than {less_than}"
    return None


def range_words(at_least: int | None, less_than: int | None) -> str:
    """`at least 3`, `less than 5`, or both. Raises ConfigError where neither is given or nothing lies between."""
    if at_least is None and less_than is None:
        raise ConfigError("give at_least, less_than or both")
    for name, bound in (("at_least", at_least), ("less_than", less_than)):
        if bound is not None:
            whole(name, bound, smallest=0)
    if at_least is not None and less_than is not None and at_least >= less_than:
        raise ConfigError(f"nothing is at least {at_least} and less than {less_than}")
    wanted = (("at least", at_least), ("less than", less_than))
    return " and ".join(f"{relation} {bound}" for relation, bound in wanted if bound is not None)


def needs(module: str, distribution: str, *, to: str) -> None:
    """Raise ConfigError where what an instruction is judged with is not installed: it is refused when it is made."""
    if importlib.util.find_spec(module) is None:
        raise ConfigError(f"{to} needs {distribution}: {pip_install('ifeval')}")


def whole(name: str, value: int, *, smallest: int = 1) -> int:
    """`value`, where it is a whole number that makes sense, else ConfigError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        raise ConfigError(f"{name} must be a whole number of at least {smallest}, not {value!r}")
    return value


def text(name: str, value: str) -> str:
    """`value` without the space around it, where something is left, else ConfigError."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name} must be text, not {value!r}")
    return value.strip()
