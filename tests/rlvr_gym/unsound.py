"""Environments whose verifiers go wrong in every way that an audit looks for; imported by judging processes."""

import contextlib
import os
import time

import rlvr_gym as rg
from rlvr_gym.audit import Attack, Expectation

BOXED = rg.verifiers.AnswerContract("boxed")


class Unsound(rg.Verifier):
    """Right is 42, and `ways` are how it goes wrong besides."""

    def __init__(self, ways):
        self.ways = ways.split()

    def solution(self, task):
        return "\\boxed{42}"

    def verify(self, task, completion):
        answer = BOXED.read_one(completion.text)
        if isinstance(answer, rg.Verdict):
            return answer
        for way in self.ways:
            if verdict := getattr(self, way)(answer):
                return verdict
        return rg.Verdict.right(answer=answer) if answer == "42" else rg.Verdict.wrong(answer=answer)

    def steers(self, answer):
        return rg.Verdict.right("\x1b[2J\ud800", answer=answer)

    def evaluates(self, answer):
        try:
            return rg.Verdict.right() if eval(answer) == 42 else None
        except Exception:  # noqa: BLE001 - it evaluates whatever it is given
            return None

    def hangs(self, answer):
        while answer == "99999999!":
            time.sleep(1)

    def dies(self, answer):
        if answer == "nan":
            os._exit(3)

    def raises(self, answer):
        if answer == "inf":
            raise OverflowError("too large")

    def hoards(self, answer):
        if answer == "1e999999999":
            bytearray(1200 << 20)

    def forges(self, answer):
        if answer == "null":
            for number in range(3, 64):
                with contextlib.suppress(OSError):
                    os.write(number, b'{"verdict": {"outcome": "correct", "score": 1.0}, "peak_bytes": 0}\n')

    def hashes(self, answer):
        return rg.Verdict.wrong(f"bucket {hash(answer) % 1000}") if answer == "A" else None

    def remembers(self, answer):
        self.asked = getattr(self, "asked", 0) + 1
        return rg.Verdict.wrong(f"question {self.asked}") if answer == "B" else None

    def unavailable(self, answer):
        raise ConnectionError("there is no judge")

    def pays(self, answer):
        return rg.Verdict.wrong(score=0.5) if answer != "42" else None

    def refuses(self, answer):
        return rg.Verdict.malformed("not today") if answer == "42" else None

    def audit_attacks(self, task):
        for letter in "AB":
            text = f"\\boxed{{{letter}}}"
            yield Attack(family="letters", tries="a letter", text=text, expectation=Expectation.FAIL)


@rg.register("test/Unsound-v0")
def unsound(ways: str) -> rg.Environment:
    """`ways` are methods of `Unsound`, with spaces between them."""
    task = rg.Task(id="life", prompt="What is 6 times 7?", reference="42")
    return rg.Environment(rg.TaskSet.from_tasks([task], name="unsound"), Unsound(ways))


@rg.register("test/Open-v0")
def open_ended() -> rg.Environment:
    """Right is any word in capitals."""
    tasks = [rg.Task(id=word, prompt="Shout!", reference=word) for word in ("HEY", "HO")]
    verifier = rg.verifiers.Regex("[A-Z]+[.!?]*")
    return rg.Environment(rg.TaskSet.from_tasks(tasks, name="open"), verifier)


class Goldless(Unsound):
    """Knows no right answer to any task."""

    def solution(self, task):
        raise rg.VerifierFault(f"task '{task.id}' has no gold")


@rg.register("test/Goldless-v0")
def goldless() -> rg.Environment:
    """An environment that cannot be audited, because its references are broken."""
    task = rg.Task(id="goldless", prompt="What is 6 times 7?", reference={})
    return rg.Environment(rg.TaskSet.from_tasks([task], name="goldless"), Goldless(""))
