"""Steps labelled by completing them: shares by hand, what is not labelled, and the command that writes them."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.files import read_lines
from rlvr_gym.generation.base import GenerationRequest
from rlvr_gym.play.steps import Completing, LabelledSteps, label_steps

SAMPLING = rg.SamplingParams(max_tokens=64)


class Scripted:
    """Says what a function of what was said so far and the stream's number says, a token for each character."""

    concurrency = 1

    def __init__(self, say: Callable[[str, int], str]) -> None:
        self.say, self.asked = say, list[str]()

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: rg.SamplingParams
    ) -> Iterator[tuple[int, list[rg.Completion]]]:
        for index, prompt in enumerate(prompts):
            begun = prompt.token_ids[-prompt.begun :] if prompt.begun and prompt.token_ids else ()
            if begun:
                self.asked.append(self.text(begun))
            said = [
                self.say(self.text(begun), number)
                for number in range(prompt.first_sample, prompt.first_sample + n)
            ]
            yield index, [self._completion(one, sampling.max_tokens - len(begun)) for one in said]

    def _completion(self, text: str, budget: int) -> rg.Completion:
        ids = (*map(ord, text), 0)[:budget]
        return rg.Completion(
            text=self.text(ids),
            token_ids=ids,
            logprobs=(0.0,) * len(ids),
            prompt_token_ids=(1,),
            finish_reason=rg.FinishReason.STOP if ids[-1] == 0 else rg.FinishReason.LENGTH,
        )

    @staticmethod
    def text(ids: Sequence[int]) -> str:
        return "".join(chr(id) for id in ids if id)

    def encode_reply(self, completion: rg.Completion, messages: Sequence[rg.Message]) -> tuple[int, ...]:
        raise AssertionError("there are no further turns")


def env(judge: Callable[[str], rg.Verdict | bool] = lambda text: text.endswith("right")) -> rg.Environment:
    tasks = [rg.Task(id=name, prompt=f"Do {name}.") for name in "ab"]
    return rg.Environment(
        rg.TaskSet.from_tasks(tasks, name="two"), rg.FunctionVerifier(lambda task, said: judge(said.text))
    )


def labelled(
    say: Callable[[str, int], str], environment: rg.Environment | None = None, most: int = 64
) -> tuple[list[LabelledSteps], Scripted]:
    generator, environment = Scripted(say), environment or env()
    found = label_steps(
        environment, generator, list(environment.tasks.take(1)), SAMPLING,
        how=Completing(solutions=1, completions=4, most=most), seed=0, decode=generator.text,
    )  # fmt: skip
    return found, generator


def alternating() -> Callable[[str, int], str]:
    """Goes on right after `x` every second time, and never after `y`."""
    counts: dict[str, int] = {}

    def say(begun: str, sample: int) -> str:
        if not begun:
            return "x\ny\nwrong"
        counts[begun] = counts.get(begun, 0) + 1
        return "\nright" if begun == "x" and counts[begun] % 2 else "\nwrong"

    return say


def test_a_steps_label_is_the_share_of_right_completions_from_its_end_and_the_lasts_is_its_own() -> None:
    (one,), generator = labelled(alternating())
    assert one.labels == (0.5, 0.0, 0.0)
    assert generator.asked == ["x"] * 4 + ["x\ny"] * 4  # and nothing after the last step
    assert one.row | {"prompt": ""} == {
        "task": "a", "solution": 0, "prompt": "", "completion": "x\ny\nwrong", "spans": [[0, 1], [2, 3], [4, 9]],
        "labels": [0.5, 0.0, 0.0], "correct": False,
    }  # fmt: skip
    (right,), _ = labelled(lambda begun, sample: "\nright" if begun else "x\nright")
    assert right.labels == (1.0, 1.0)


def test_completions_that_could_not_be_judged_do_not_count() -> None:
    def judge(text: str) -> rg.Verdict | bool:
        return rg.Verdict.unscored("no judge") if text.endswith("?") else text.endswith("right")

    ends = iter(["?", "right", "?", "wrong", *"????"])
    (one,), _ = labelled(lambda begun, sample: f"\n{next(ends)}" if begun else "x\ny\nright", env(judge))
    assert one.labels == (0.5, None, 1.0)


def test_a_last_step_that_was_cut_off_has_no_label() -> None:
    (one,), _ = labelled(lambda begun, sample: "\nright" if begun else "x\n" + "y" * 100)
    assert one.labels == (1.0, None)


@pytest.mark.parametrize("said", ["", "\n\n", "<think>x\ny</think>", "x\n" * 9])
def test_solutions_without_steps_or_with_too_many_are_left_out(said: str) -> None:
    assert labelled(lambda begun, sample: said, most=8)[0] == []


def test_no_two_steps_share_a_stream_and_what_is_asked_with_a_task_changes_nothing() -> None:
    seeds: list[tuple[int, int]] = []

    class Noting(Scripted):
        def generate(self, prompts: Sequence[GenerationRequest], n: int, sampling: rg.SamplingParams):
            seeds.extend((prompt.seed, prompt.first_sample) for prompt in prompts)
            yield from super().generate(prompts, n, sampling)

    def of(tasks: int) -> list[tuple[int, int]]:
        seeds.clear()
        generator, environment = Noting(lambda begun, sample: "\nright" if begun else "x\ny\nright"), env()
        chosen = list(environment.tasks.take(tasks))
        how = Completing(solutions=2, completions=3)
        label_steps(environment, generator, chosen, SAMPLING, how=how, seed=0, decode=generator.text)
        return list(seeds)

    both, first = of(2), of(1)
    assert len(set(both)) == len(both) == 2 * (1 + 2 * 2 * 3)  # the solutions of a task are one request
    assert set(first) < set(both)


def test_environments_of_several_turns_and_impossible_numbers_are_refused() -> None:
    guess = rg.make("guess")
    with pytest.raises(rg.ConfigError, match="steps are labelled of one turn without tools"):
        labelled(lambda begun, sample: "x", guess)
    with pytest.raises(rg.ConfigError, match="completions must be at least 1, not 0"):
        Completing(completions=0)


ASKED = [
    *["label-steps", "reverse", "env.digits=2", "env.style=symbols", "model.path=tiny:0123456789>\n"],
    *["sampling.max_tokens=24", "--solutions", "2", "--completions", "2"],
]


def run(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main([*ASKED, *arguments])
    return ended.value.code


def test_the_command_goes_on_where_it_was_and_ends_with_what_it_would_have_written_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    assert run("--limit", "6", "--out", str(whole)) in (0, None)
    assert f"rlvr train prm data.path={whole}" in capsys.readouterr().out
    for limit in ("3", "6"):
        assert run("--limit", limit, "--out", str(parts)) in (0, None)
    one, other = ([json.dumps(row) for row in read_lines(file)] for file in (whole, parts))
    assert sorted(one) == sorted(other)
    assert {row["task"] for row in read_lines(whole)} == {
        t.id for t in rg.make("reverse", digits=2, style="symbols", split="train").tasks.take(6)
    }
    assert run("--limit", "6", "--seed", "1", "--out", str(parts)) == 2
    assert "must not be mixed" in " ".join(capsys.readouterr().err.split())
