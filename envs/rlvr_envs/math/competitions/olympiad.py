"""OlympiadBench: problems of olympiads, with several answers, units and tolerances."""

from __future__ import annotations

from pydantic import JsonValue

import rlvr_gym as rg
from rlvr_envs.math.problems import FORMAT, LEFT_OUT, answer, environment
from rlvr_gym.rows import Row
from rlvr_gym.verifiers.math.text.brackets import split

CARD = rg.EnvironmentCard(
    summary="Solve a problem of an olympiad.",
    detail="674 problems in mathematics without pictures, in English, for testing; subset= chooses another of the "
    "published configurations, such as OE_TO_physics_en_COMP. Proofs and problems with pictures are left out. "
    f"{LEFT_OUT}",
    source="Hothan/OlympiadBench on the Hugging Face hub, or a file in its format given with data=PATH; "
    "arXiv 2402.14008",
    licence="Apache-2.0",
    answer="Everything that is asked for in one \\boxed{}, compared for mathematical equivalence: several answers in "
    "any order, each of them named, and no other. A unit may be left out, but must not contradict. Where the set "
    "states a tolerance, a number may differ by that much.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=32768),
    samples_per_task=4,
    overlap_groups=("olympiads",),
)
SEVERAL = "There are several answers: put all of them in one \\boxed{}, with commas between them."


@rg.register("rlvr/OlympiadBench-v0", card=CARD)
def olympiadbench(data: str = "Hothan/OlympiadBench", subset: str = "OE_TO_maths_en_COMP") -> rg.Environment:
    """`data` is a hub id, or a file or folder with `question`, `final_answer` and `is_multiple_answer`.

    `subset` names a configuration of the hub id or folder; a file is one already.
    """
    # There is one split to test on, which the hub calls "train".
    return environment(data, to_task, name="olympiadbench", split="train", configs=[subset])


def to_task(row: Row) -> rg.Task:
    """A published row as a task. Raises DataError for a proof, and for a problem with a picture."""
    if any(value is not None for name, value in row.items() if name.startswith("image_")):
        raise rg.DataError("it asks about a picture")
    unit = (row.get("unit") or "").strip()
    context = (row.get("context") or "").strip()
    asked = [context, row["question"].strip(), FORMAT]
    asked += [SEVERAL] if row["is_multiple_answer"] else []
    asked += [f"The unit of the answer is {unit}."] if unit else []
    return rg.Task(
        id=str(row["id"]),
        prompt="\n\n".join(part for part in asked if part),
        reference=reference(row, unit),
        metadata={key: row.get(key) for key in ("subfield", "subject", "answer_type")},
    )


def reference(row: Row, unit: str) -> JsonValue:
    """The gold answers, each with its unit, as one list; with their tolerances where the row states any."""
    stated = row["final_answer"]
    if not stated:
        raise rg.DataError("there is no final answer: it is a proof")
    if row.get("answer_type") == "Need_human_evaluate":
        raise rg.DataError("its answer is for people to judge")
    texts = [stated] if isinstance(stated, str) else stated
    golds = [answer(gold).strip("$ ") for text in texts for gold in _each(text, row["is_multiple_answer"])]
    if len(golds) > 1 and not row["is_multiple_answer"]:
        raise rg.DataError(f"{len(golds)} final answers where one is asked for")
    joined = ", ".join(_with_units(golds, unit))
    error = str(row.get("error") or "").strip()
    return {"answer": joined, "tolerance": _tolerances(error)} if error else joined


def _each(text: str, several: bool) -> list[str]:
    return split(text.replace("$", ""), ",") if several else [text]


def _with_units(golds: list[str], unit: str) -> list[str]:
    units = [one.replace("$", "").strip() for one in unit.split(",")]
    if len(units) not in (1, len(golds)):
        raise rg.DataError(f"{len(golds)} final answers with {len(units)} units")
    units = units * len(golds) if len(units) == 1 else units
    written = [one if not one or "\\" in one or "^" in one else f"\\text{{{one}}}" for one in units]
    return [f"{gold} {one}".strip() for gold, one in zip(golds, written, strict=True)]


def _tolerances(error: str) -> list[JsonValue]:
    """The tolerance of each answer; 0 where none is stated between two commas."""
    return [float(one) if one.strip() else 0.0 for one in error.split(",")]
