"""DAPO-17k: problems of competitions whose answers were made whole numbers, to train on."""

from __future__ import annotations

import re

import rlvr_gym as rg
from rlvr_envs.math.problems import LEFT_OUT, WHOLE_NUMBER, environment, problem
from rlvr_gym.rows import Row

CARD = rg.EnvironmentCard(
    summary="Solve a competition problem whose answer is a whole number.",
    detail="About 17,400 problems, for training, 14,100 of them in English; language= chooses en or cn. The first "
    "edition, BytedTsinghua-SIA/DAPO-Math-17k, repeats each a hundred times and asks for a line 'Answer:'; it is read "
    f"as well, each problem once and asked as here. {LEFT_OUT}",
    source="open-r1/DAPO-Math-17k-Processed on the Hugging Face hub, or a file in its format given with data=PATH; "
    "arXiv 2503.14476",
    licence="Apache-2.0",
    answer=WHOLE_NUMBER,
    # As in the published training.
    sampling=rg.SamplingParams(temperature=1.0, top_p=1.0, max_tokens=20480),
    overlap_groups=("AIME", "AMC", "olympiads"),
)
PROCESSED = "open-r1/DAPO-Math-17k-Processed"
ORIGINAL = "BytedTsinghua-SIA/DAPO-Math-17k"


@rg.register("rlvr/DAPO-17k-v0", card=CARD)
def dapo_17k(data: str = PROCESSED, language: str = "all") -> rg.Environment:
    """`data` is a hub id, or a file or folder with `prompt` and `reward_model`; `language` is all, en or cn."""
    if language not in ("all", "en", "cn"):
        raise rg.ConfigError(f"no language '{language}'; possible: all, en, cn")

    def chosen(row: Row) -> rg.Task | None:
        task = to_task(row)
        return task if language in ("all", language_of(task.text)) else None

    configs = [None] if data == ORIGINAL else ["all"]
    return environment(data, chosen, name="dapo-17k", configs=configs, require_simplified=True)


def to_task(row: Row) -> rg.Task:
    """A row of either edition as a task, without the instructions of the first one."""
    prompt = row["prompt"]
    text = prompt if isinstance(prompt, str) else prompt[-1]["content"]
    question = _REMINDER.sub("", _INSTRUCTION.sub("", text.strip()))
    return problem(question, row["reward_model"]["ground_truth"])


def language_of(text: str) -> str:
    """`cn` for a text with a Chinese character, else `en`, as the second edition tells them apart."""
    return "cn" if re.search("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]", text) else "en"


_INSTRUCTION = re.compile(
    r"^Solve the following math problem step by step\. The last line of your response should be of the form "
    r"Answer: \$Answer \(without quotes\) where \$Answer is the answer to the problem\.\s*"
)
_REMINDER = re.compile(r"\s*Remember to put your answer on its own line after \"Answer:\"\.$")
