"""Tasks of one's own, from a file of prompts and answers."""

from __future__ import annotations

from functools import partial

import rlvr_gym as rg
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.verifiers import AnswerContract, Choice, Exact, Numeric, Regex, Verifier
from rlvr_gym.verifiers.process_reward import Aggregate

CARD = rg.EnvironmentCard(
    summary="Whatever a file of your own asks.",
    detail="Each row has a `prompt` (text or chat messages) and an `answer`; files as verl and TRL have them name it "
    "`reward_model.ground_truth`, `ground_truth` or `solution`.",
    source="data=PATH, a .jsonl, .jsonl.gz or .parquet file (or a hub id)",
    licence="the file's own",
    answer="Where answer= says (boxed, tag, hashes, line or whole), compared by the verifier that the row's "
    "`verifier` or verifier= names. Prompts are shown as they stand: they must say where the answer goes.",
)


@rg.register("rlvr/JSONL-v0", card=CARD)
def jsonl(
    data: str,
    split: str = "train",
    verifier: str = "math",
    answer: str = "boxed",
    reward_model: str = "",
    process_reward_model: str = "",
    aggregate: Aggregate = "product",
) -> rg.Environment:
    """`verifier` judges rows that name none: math, exact, choice, numeric or regex (the answer is a pattern).

    `reward_model` names the folder of a reward model, which scores completions in place of these: rows need no answer.
    So does `process_reward_model`, which scores their steps, and the whole by the `aggregate` of these: product,
    minimum or last.
    """
    if reward_model and process_reward_model:
        raise rg.ConfigError("reward_model and process_reward_model both score completions: name one of them")
    if reward_model or process_reward_model:
        scoring = (
            rg.verifiers.RewardModel(reward_model)
            if reward_model
            else rg.verifiers.ProcessRewardModel(process_reward_model, aggregate=aggregate)
        )
        to_question = partial(_question, scored_by=scoring.fingerprint)
        return rg.Environment(stored_tasks(data, to_question, scoring, name=data, split=split), scoring)
    contract = AnswerContract(answer)
    chosen = PerTask(
        {
            "math": rg.verifiers.Math(contract),
            "exact": Exact(contract),
            "choice": Choice(contract),
            "numeric": Numeric(contract),
            "regex": Regex(contract=contract),
        },
        default=verifier,
    )
    return rg.Environment(stored_tasks(data, to_task, chosen, name=data, split=split), chosen)


def to_task(row: Row) -> rg.Task:
    """A row as a task; fields of the row's own become its metadata."""
    name, answer = _answer(row)
    own = {key: value for key, value in row.items() if key not in ("prompt", name, "id")}
    return rg.Task(
        id=str(row["id"]) if row.get("id") is not None else "",
        prompt=row["prompt"],
        reference=answer,
        metadata=own,
    )


def _question(row: Row, *, scored_by: str) -> rg.Task:
    """A row as a task without an answer; all but its prompt becomes its metadata.

    A run on tasks that another model scores is another run, so they say which one does.
    """
    own = {key: value for key, value in row.items() if key not in ("prompt", "id")}
    return rg.Task(
        id=str(row["id"]) if row.get("id") is not None else "",
        prompt=row["prompt"],
        metadata={**own, "scored_by": scored_by},
    )


def _answer(row: Row) -> tuple[str, object]:
    """The answer, and the field that holds it; raises KeyError where none does."""
    for name in ("answer", "ground_truth", "solution"):
        if row.get(name) is not None:
            return name, row[name]
    stated = row.get("reward_model")
    if isinstance(stated, dict) and stated.get("ground_truth") is not None:
        return "reward_model", stated["ground_truth"]
    return "answer", row["answer"]


class PerTask(Verifier):
    """Judges each task by the verifier that its metadata names under `verifier`, else by the default."""

    def __init__(self, verifiers: dict[str, Verifier], *, default: str) -> None:
        self.verifiers = verifiers
        if default not in verifiers:
            raise rg.ConfigError(f"no verifier '{default}'; possible: {', '.join(verifiers)}")
        self.default = default

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        """Ask the task's verifier."""
        return self._of(task).verify(task, completion)

    def solution(self, task: rg.Task) -> str | None:
        """A right answer, where the task's own verifier knows one."""
        return self._of(task).solution(task)

    def check(self, task: rg.Task) -> None:
        """Check that the task's verifier exists and can use its answer."""
        self._of(task).check(task)

    def audit_parts(self, task: rg.Task) -> tuple[Verifier, ...]:
        """The task's verifier."""
        return (self._of(task),)

    def _of(self, task: rg.Task) -> Verifier:
        name = task.metadata.get("verifier") or self.default
        if name not in self.verifiers:
            raise rg.VerifierFault(f"no verifier '{name}'; possible: {', '.join(self.verifiers)}")
        return self.verifiers[str(name)]
