"""Constraints on the beginning and end of a response, on what wraps it, and on its parts."""

from __future__ import annotations

from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, text


def end_phrase(phrase: str) -> Constraint:
    """The response ends with the phrase; case does not count, nor quotation marks (`"`) after it."""
    phrase = text("phrase", phrase)

    def find_fault(response: str) -> Fault:
        ending = response.strip().strip('"').lower()
        return None if ending.endswith(phrase.lower()) else f"ends with {ending[-40:]!r}"

    return Constraint(
        id="startend:end_checker",
        request=f"Finish with this exact phrase, and with no words after it: {phrase}",
        find_fault=find_fault,
    )


def quotation() -> Constraint:
    """The whole response stands between double quotation marks (`"`)."""

    def find_fault(response: str) -> Fault:
        body = response.strip()
        wrapped = len(body) > 1 and body[0] == '"' and body[-1] == '"'
        return None if wrapped else 'not between " and "'

    return Constraint(
        id="startend:quotation",
        request="Wrap the whole answer in double quotation marks.",
        find_fault=find_fault,
    )


def repeat_prompt(prompt: str) -> Constraint:
    """The response begins with the prompt, word for word; case does not count."""
    prompt = text("prompt", prompt)

    def find_fault(response: str) -> Fault:
        begins = response.strip().lower().startswith(prompt.lower())
        return None if begins else "does not begin with the request"

    return Constraint(
        id="combination:repeat_prompt",
        request=f"First repeat the following request word for word, then answer it: {prompt}",
        find_fault=find_fault,
    )


def two_responses() -> Constraint:
    """Two responses that differ, parted by `******`. A divider may also stand first or last; two in a row may not."""

    def find_fault(response: str) -> Fault:
        parts = [part.strip() for part in response.split("******")]
        if not all(parts[1:-1]):
            return "an empty response between two dividers"
        said = [part for part in parts if part]
        if len(said) != 2:
            return f"{len(said)} responses, not 2"
        return None if said[0] != said[1] else "the same response twice"

    return Constraint(
        id="combination:two_responses",
        request="Give two different responses, separated by 6 asterisks (******) and by nothing else.",
        find_fault=find_fault,
    )
