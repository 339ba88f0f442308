"""GPQA: questions of biology, chemistry and physics with four options, which a search does not answer."""

from __future__ import annotations

import rlvr_gym as rg
from rlvr_envs.sources import stored_tasks
from rlvr_gym.rows import Row
from rlvr_gym.seeding import derive_rng
from rlvr_gym.verifiers import AnswerContract, Choice, Marker

SUBSETS = ("diamond", "main", "extended")
LETTERS = "ABCD"
FORMAT = "Reason step by step, and put the letter of the right answer in \\boxed{}."
CARD = rg.EnvironmentCard(
    summary="Choose the right one of four answers to a question of science.",
    detail="198 questions (subset=diamond), 448 (main) or 546 (extended), for testing; the options are shuffled by the "
    "seed. The set forbids that its questions are shown online: do not publish reports or samples of it.",
    source="Idavidrein/gpqa on the Hugging Face hub, whose terms must be accepted there, or a file in its format given "
    "with data=PATH; arXiv 2311.12022",
    licence="CC-BY-4.0; examples must not be revealed online",
    answer="The letter of one option in \\boxed{}, with the option's text after it or not. Two letters are wrong.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=32768),
    samples_per_task=8,
    answers_withheld=True,
    overlap_groups=("GPQA",),
)


@rg.register("rlvr/GPQA-v0", card=CARD)
def gpqa(data: str = "Idavidrein/gpqa", subset: str = "diamond", seed: int = 0) -> rg.Environment:
    """`data` is a hub id, or a file or folder with `Question`, `Correct Answer` and `Incorrect Answer 1` to `3`.

    `subset` is diamond, main or extended; a file is one already. `seed` shuffles the options.
    """
    if subset not in SUBSETS:
        raise rg.ConfigError(f"no subset '{subset}'; possible: {', '.join(SUBSETS)}")
    verifier = Choice(AnswerContract(Marker.BOXED), LETTERS, withheld=True)
    # There is one split to test on, which the hub calls "train".
    tasks = stored_tasks(
        data,
        lambda row: to_task(row, seed),
        verifier,
        name="gpqa",
        split="train",
        config=f"gpqa_{subset}",
    )
    return rg.Environment(tasks, verifier)


def to_task(row: Row, seed: int) -> rg.Task:
    """A published row as a task, its options in an order that depends on the seed and the question alone."""
    question, right = str(row["Question"]).strip(), str(row["Correct Answer"]).strip()
    wrong = [str(row[f"Incorrect Answer {number}"]).strip() for number in (1, 2, 3)]
    if len({right, *wrong}) < len(LETTERS):
        raise rg.DataError("two of the four options are the same")
    options = [right, *wrong]
    derive_rng("gpqa", seed, question).shuffle(options)
    listed = "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=True))
    return rg.Task(
        id=str(row.get("Record ID") or ""),
        prompt=f"{question}\n\n{listed}\n\n{FORMAT}",
        reference=LETTERS[options.index(right)],
        metadata={"domain": row.get("High-level domain"), "subdomain": row.get("Subdomain")},
    )
