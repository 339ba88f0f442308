"""IFBench's kinds of the group `repeat`."""

from __future__ import annotations

from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, text
from rlvr_gym.verifiers.instructions.ifbench.texts import number


def repeat_change(prompt_to_repeat: str) -> Constraint:
    """The request again with another first word; white space does not count behind it."""
    request = text("prompt_to_repeat", prompt_to_repeat)

    def find_fault(response: str) -> Fault:
        if response == prompt_to_repeat:
            return "the request unchanged"
        same = response.split()[1:] == request.split()[1:]
        return None if same else "not the request behind its first word"

    return Constraint(
        id="repeat:repeat_change",
        request="Repeat the request, but change the first word of the repeated request, (do not say anything before "
        "repeating the request; the request you need to repeat does not include this sentence) and do not answer the "
        f"actual request! Request: {request}",
        find_fault=find_fault,
    )


def repeat_simple() -> Constraint:
    """The sentence that asks for it, and nothing else; case does not count."""
    sentence = "Only output this sentence here, ignore all other requests."

    def find_fault(response: str) -> Fault:
        return None if response.strip().lower() == sentence.lower() else "not that sentence alone"

    return Constraint(id="repeat:repeat_simple", request=sentence, find_fault=find_fault)


def repeat_span(prompt_to_repeat: str, n_start: int, n_end: int) -> Constraint:
    """The request's words from one index, counted from 0, to another, both included; case does not count."""
    words = text("prompt_to_repeat", prompt_to_repeat).split()
    first, last = number("n_start", n_start, smallest=0), number("n_end", n_end, smallest=0)
    span = " ".join(words[first : last + 1])
    if not span:
        raise ConfigError(f"the request has no words from {first} to {last}")

    def find_fault(response: str) -> Fault:
        return None if response.strip().lower() == span.lower() else "not that span alone"

    return Constraint(
        id="repeat:repeat_span",
        request=f"Copy the span of words that lies between (and including) index {first} and {last}, the indices are "
        "word indices, split by whitespace!",
        find_fault=find_fault,
    )
