"""SFT runs: what a tiny model learns from rows of chats, what it does not, and what is refused before any work."""

import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer
from transformers import LlamaForCausalLM

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.config import parse_overrides
from rlvr_gym.errors import TasksLeftOut
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.tiny import tiny_model
from rlvr_gym.seeding import derive_rng
from rlvr_gym.verifiers.base import FunctionVerifier
from tests.rlvr_gym.tokenizer_families import tokenizer_of
from tests.rlvr_trainers.test_trainer import same_weights, without_times

SMALL = [
    *["model.path=tiny:0123456789>", "sampling.max_tokens=6", "batch.prompts=4", "run.steps=4"],
    *["optimizer.learning_rate=1e-3", "run.checkpoint_every=2"],
]
REVERSE = ["eval.env.id=reverse", "eval.env.digits=2", "eval.env.style=symbols", "eval.env.split=test"]


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("sft", parse_overrides([*SMALL, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return list(read_lines(run_dir / file))


def chat(*turns: str, system: str | None = None) -> dict[str, Any]:
    """A row: turns of user and assistant, one after the other."""
    roles = ["user", "assistant"] * len(turns)
    messages = [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=False)]
    return {"messages": [*([{"role": "system", "content": system}] if system else []), *messages]}


def write(folder: Path, data: Sequence[dict[str, Any]], name: str = "chat.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")
    return f"data.path={path}"


def some_chats(count: int = 10) -> list[dict[str, Any]]:
    return [chat(f"{n}>", str(n) * (1 + n % 3), f"{n + 1}>", str(n)) for n in range(count)]


def reversals(*, shuffled: bool = False) -> list[dict[str, Any]]:
    """Every training task of `reverse` with its answer or, `shuffled`, with that of another."""
    env = rg.make("reverse", digits=2, style="symbols")
    tasks = env.tasks.take(80)
    answers = [str(env.solution(task)) for task in tasks]
    if shuffled:
        derive_rng("shuffle").shuffle(answers)
    return [chat(task.text, answer) for task, answer in zip(tasks, answers, strict=True)]


def learned(run_dir: Path, data: list[dict[str, Any]], *, seed: int) -> tuple[float, float]:
    """Held-out pass@1 before and after so many passes over the data."""
    run_dir.mkdir()
    more = [*REVERSE, "eval.every=1000", "eval.temperature=0", "eval.tasks=20", f"run.seed={seed}"]
    budget = [
        "batch.prompts=20",
        "data.epochs=50",
        "optimizer.learning_rate=3e-3",
        "run.checkpoint_every=1000",
    ]
    result = Trainer(config(run_dir / "run", write(run_dir, data), *more, *budget)).run()
    assert result.before is not None
    assert result.after is not None
    return result.before.value, result.after.value


def test_what_was_shown_is_learned_and_carries_over_to_what_was_not(tmp_path: Path) -> None:
    before, after = learned(tmp_path / "right", reversals(), seed=0)
    assert before <= 0.1
    assert after >= 0.7
    assert learned(tmp_path / "shuffled", reversals(shuffled=True), seed=0)[1] <= 0.2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_more_seeds_learn_from_right_answers_and_not_from_shuffled_ones(
    seed: int, tmp_path: Path
) -> None:
    before, after = learned(tmp_path / "right", reversals(), seed=seed)
    assert before <= 0.1
    assert after >= 0.7
    assert learned(tmp_path / "shuffled", reversals(shuffled=True), seed=seed)[1] <= 0.2


def test_a_step_learns_the_assistants_tokens_and_their_ends_and_no_others(tmp_path: Path) -> None:
    data = some_chats(4)
    Trainer(config(tmp_path / "run", write(tmp_path, data), "run.steps=1")).run()
    (step,) = [row for row in rows(tmp_path / "run") if row["step"]]
    said = [
        message["content"] for row in data for message in row["messages"] if message["role"] == "assistant"
    ]
    assert step["tokens/trained"] == sum(len(text) + 1 for text in said)
    assert step["length/mean"] == step["tokens/trained"] / 4
    assert not {"reward/mean", "pass_rate/all", "sampler/mismatch", "ratio/mean"} & step.keys()


def test_what_was_shown_can_be_read_and_has_no_verdict(tmp_path: Path) -> None:
    Trainer(config(tmp_path / "run", write(tmp_path, some_chats(4)), "run.steps=1")).run()
    shown = {row["task"]: row for row in rows(tmp_path / "run", "samples.jsonl")}
    assert set(shown) == {"row 1", "row 2", "row 3", "row 4"}
    assert [message["content"] for message in shown["row 3"]["messages"]] == ["222", "3>", "2"]
    assert (shown["row 3"]["prompt"], shown["row 3"]["reward"]) == ("2>", None)
    assert shown["row 3"]["verdict"]["outcome"] == "unscored"


def test_epochs_are_whole_passes_over_all_rows(tmp_path: Path) -> None:
    more = ["data.epochs=2", "run.samples_per_step=100"]
    result = Trainer(config(tmp_path / "run", write(tmp_path, some_chats(10)), *more)).run()
    assert result.step == 5
    shown = [row["task"] for row in rows(tmp_path / "run", "samples.jsonl")]
    everything = sorted(f"row {n}" for n in range(1, 11))
    assert sorted(shown[:10]) == sorted(shown[10:]) == everything
    assert shown[:10] != shown[10:]


def test_an_environments_own_solutions_are_shown_where_no_data_is_named(tmp_path: Path) -> None:
    more = ["env.id=reverse", "env.digits=2", "env.style=symbols", "eval.every=2", "eval.tasks=5"]
    result = Trainer(config(tmp_path, *more)).run()
    assert result.after is not None
    for row in rows(tmp_path, "samples.jsonl"):
        assert row["messages"][0]["content"] == row["prompt"].rstrip(">")[::-1] == row["expected"]


def test_four_steps_are_two_steps_and_two_more(tmp_path: Path) -> None:
    whole, parts, data = tmp_path / "whole", tmp_path / "parts", write(tmp_path, some_chats())
    Trainer(config(whole, data)).run()
    Trainer(config(parts, data, "run.steps=2")).run()
    again = Trainer(config(parts, data))
    assert again.resumed_from == 2
    again.run()
    assert same_weights(whole / "model", parts / "model")
    for file in ("metrics.jsonl", "samples.jsonl"):
        assert list(map(without_times, rows(whole, file))) == list(map(without_times, rows(parts, file)))
    states = [json.loads((run / "checkpoints/step-4/trainer.json").read_text()) for run in (whole, parts)]
    assert without_times(states[0]) == without_times(states[1])


def test_two_epochs_are_one_and_another(tmp_path: Path) -> None:
    data = write(tmp_path, some_chats(8))
    Trainer(config(tmp_path / "whole", data, "data.epochs=2")).run()
    Trainer(config(tmp_path / "parts", data, "data.epochs=1")).run()
    result = Trainer(config(tmp_path / "parts", data, "data.epochs=2")).run()
    assert result.step == 4
    assert same_weights(tmp_path / "whole" / "model", tmp_path / "parts" / "model")


def test_a_resumed_run_notices_another_row(tmp_path: Path) -> None:
    Trainer(config(tmp_path / "run", write(tmp_path, some_chats()), "run.steps=2")).run()
    with pytest.raises(rg.ConfigError, match="training tasks"):
        Trainer(config(tmp_path / "run", write(tmp_path, [*some_chats(9), chat("9>", "other")])))


@pytest.mark.parametrize("other", ["batch.microbatch_tokens=8", "batch.save_compute=false"])
def test_microbatches_and_shared_prefixes_change_no_weight(other: str, tmp_path: Path) -> None:
    data = write(tmp_path, [chat("1>" * 20, "1" * n) for n in range(1, 11)])
    for name, more in (("one", []), ("other", [other])):
        Trainer(config(tmp_path / name, data, "batch.prompts=10", "run.steps=2", *more)).run()
    one, changed = (load_model(tmp_path / name / "model")[0].state_dict() for name in ("one", "other"))
    for name, weight in one.items():
        # The gradient of the keys' bias is zero, and Adam makes steps out of its rounding errors.
        atol = 2e-3 if name.endswith("attn.c_attn.bias") else 2e-5
        torch.testing.assert_close(changed[name], weight, rtol=0, atol=atol)


def refused(message: str, run_dir: Path, *more: str) -> None:
    """Building the trainer fails in one line like this, and nothing is written."""
    with pytest.raises((rg.ConfigError, rg.DataError), match=message) as refusal:
        Trainer(config(run_dir, *more))
    assert "\n" not in str(refusal.value)
    assert not run_dir.exists()


def test_rows_that_are_too_long_are_counted_and_refused_or_left_out(tmp_path: Path) -> None:
    data = write(tmp_path, [*some_chats(4), chat("1>", "1" * 30), chat("2>", "2" * 300)])
    counted = (
        r"1 of 6 rows of 'chat.jsonl' are longer than the model's context of 256 tokens; the longest, 'row 6'"
    )
    refused(
        f"{counted}, has 303: shorten them, or leave them out with data.too_long=leave_out",
        tmp_path / "a",
        data,
    )
    refused(r"2 of 6 rows .* longer than data.max_tokens of 20", tmp_path / "a", data, "data.max_tokens=20")
    with pytest.warns(TasksLeftOut, match=r"2 of 6 rows .*'row 6', has 303; they are left out"):
        run = Trainer(config(tmp_path / "b", data, "data.max_tokens=20", "data.too_long=leave_out"))
    run.run()
    shown = {row["task"] for row in rows(tmp_path / "b", "samples.jsonl")}
    assert shown == {"row 1", "row 2", "row 3", "row 4"}


def test_a_budget_that_leaves_no_row_or_is_none_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path, some_chats(4))
    tight = ["data.max_tokens=3", "data.too_long=leave_out"]
    refused(r"4 of 4 rows .* and no row is left", tmp_path / "run", data, *tight)
    refused(
        r"data.max_tokens=999 is more than the model's context of 256",
        tmp_path / "run",
        data,
        "data.max_tokens=999",
    )


def test_a_row_whose_prompt_is_empty_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path, [*some_chats(3), chat("", "1")])
    refused(r"'row 4' of 'chat.jsonl': the prompt has no tokens", tmp_path / "run", data)


def test_a_long_solution_of_an_endless_environment_is_refused_when_it_comes(tmp_path: Path) -> None:
    count = itertools.count()

    def generate(rng: random.Random) -> rg.Task:
        number = rng.randrange(10**6)
        return rg.Task(id=str(number), prompt="1>", reference="1" * (3 if next(count) < 400 else 40))

    tasks = rg.TaskSet.procedural("growing", generate)
    known = FunctionVerifier(lambda task, completion: True, solution=lambda task: str(task.reference))
    more = ["env.id=growing", "data.max_tokens=20", "run.steps=100", "batch.prompts=20"]
    trainer = Trainer(config(tmp_path / "run", *more), env=rg.Environment(tasks, known))
    with pytest.raises(rg.TrainingError, match=r"row '\d+' is longer than data.max_tokens of 20 tokens"):
        trainer.run()
    tight = ["data.max_tokens=3", "data.too_long=leave_out"]
    with pytest.raises(rg.ConfigError, match=r"64 of 64 rows .* none can be left out"):
        Trainer(config(tmp_path / "b", *more, *tight), env=rg.Environment(tasks, known))
    with pytest.raises(rg.ConfigError, match=r"is endless: give run.steps"):
        Trainer(config(tmp_path / "b", *more, "data.epochs=2"), env=rg.Environment(tasks, known))


def test_a_conversation_that_the_template_refuses_is_named_by_its_row(tmp_path: Path) -> None:
    model, tokenizer = tiny_model(seed=0)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
        "{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    )
    data = write(tmp_path, [*some_chats(3), chat("1>", "1", system="Count.")])
    with pytest.raises(
        rg.ConfigError, match=r"'row 4' of 'chat.jsonl': .* refuses .*: no system here"
    ) as refusal:
        Trainer(config(tmp_path / "run", data), model=(model, tokenizer))
    assert "\n" not in str(refusal.value)


def test_an_environment_without_solutions_has_nothing_to_show(tmp_path: Path) -> None:
    tasks = rg.TaskSet.from_tasks([rg.Task(id=n, prompt="1>", reference=1) for n in "abcd"], name="mute")
    env = rg.Environment(tasks, FunctionVerifier(lambda task, completion: True))
    with pytest.raises(rg.ConfigError, match=r"knows no solution to task 'a'.*data.path=FILE"):
        Trainer(config(tmp_path / "run", "env.id=mute"), env=env)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["warmup.steps=3"], "nothing is sampled by algorithm.kind=sft here, so warmup has no meaning"),
        (["dynamic_sampling.max_rounds=3"], "so dynamic_sampling has no meaning"),
        (["buffer.max_staleness=1"], "so buffer.max_staleness has no meaning"),
        (["overlong.filter=true"], "overlong has no meaning with algorithm.kind=sft"),
        (["reward.steps=added"], "reward.steps=added has no meaning with algorithm.kind=sft"),
        (["data.runs=[a]"], "path and runs are two kinds of data"),
        (["eval.every=2"], "eval needs an environment to measure on: name one with eval.env.id"),
        (["batch.prompts=20"], "batch.prompts=20 different prompts a step, but 'chat.jsonl' has 10 tasks"),
        (["data.max_tokens=1"], "data.max_tokens: Input should be greater than or equal to 2"),
    ],
)
def test_settings_that_have_no_meaning_are_refused(more: list[str], message: str, tmp_path: Path) -> None:
    refused(message, tmp_path / "run", write(tmp_path, some_chats()), *more)


def test_data_is_refused_where_samples_are_what_is_learned(tmp_path: Path) -> None:
    settings = parse_overrides([*SMALL, "env.id=reverse", write(tmp_path, some_chats())])
    with pytest.raises(
        rg.ConfigError, match=r"data is for algorithm.kind=sft, rft and dpo, and this is grpo"
    ):
        load_recipe("grpo", settings)


def test_held_out_prompts_that_stand_in_the_data_are_refused(tmp_path: Path) -> None:
    env = rg.make("reverse", split="test", digits=2, style="symbols")
    data = [chat(task.text, str(env.solution(task))) for task in env.tasks.take(5)]
    refused("eval.allow_overlap=true", tmp_path / "run", write(tmp_path, data), *REVERSE)


def test_the_command_says_what_it_shows_and_what_is_wrong_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "sft", *SMALL, f"run.dir={tmp_path / 'run'}", write(tmp_path, some_chats())]
    with pytest.raises(SystemExit) as exited:
        main([*command, "--dry-run"])
    out, _ = capsys.readouterr()
    assert (exited.value.code or 0) == 0
    assert "chat.jsonl" in out
    assert "4 rows, 1 updates" in out
    with pytest.raises(SystemExit) as exited:
        main([*command, write(tmp_path, [{"messages": [{"role": "user", "content": "1>"}]}], "odd.jsonl")])
    _, err = capsys.readouterr()
    assert exited.value.code == 2
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert "odd.jsonl, line 1: no turn of the assistant says anything" in err


def test_a_model_trained_on_data_alone_is_evaluated_where_its_user_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    with pytest.raises(SystemExit):
        main(["train", "sft", *SMALL, f"run.dir={run}", write(tmp_path, some_chats()), "run.steps=1"])
    assert f"eval ENV model.path={run}/model" in capsys.readouterr().out
    with pytest.raises(SystemExit) as exited:
        main(["eval", str(run)])
    assert exited.value.code == 2
    assert f"names none: rlvr eval ENV model.path={run}/model" in capsys.readouterr().err


def test_a_model_with_a_chat_template_learns_its_turns_and_nothing_of_the_template(
    tmp_path: Path, tiny_llama: Callable[..., LlamaForCausalLM]
) -> None:
    tokenizer = tokenizer_of("ChatML")
    model = tiny_llama(vocab_size=len(tokenizer), max_position_embeddings=256).float()
    data = [chat("What is 12 + 30?", "42", "Guess.", "higher", system="You are helpful.")] * 4
    Trainer(config(tmp_path / "run", write(tmp_path, data), "run.steps=1"), model=(model, tokenizer)).run()
    (step,) = [row for row in rows(tmp_path / "run") if row["step"]]
    said = [*tokenizer.encode("42"), *tokenizer.encode("higher")]
    assert step["tokens/trained"] == 4 * (len(said) + 2)
    assert step["length/max"] == len(said) + 2


def test_no_environment_is_none_where_data_is_named() -> None:
    for env in ([], ["env=null"]):
        settings = load_recipe("sft", parse_overrides(["model.path=tiny", "data.path=chat.jsonl", *env]))
        assert (settings.trains_on, settings.samples, settings.held_out) == ("chat.jsonl", False, None)
        assert settings.trained_model is None
    named = ["env.id=reverse", "env.digits=2", "eval.every=1"]
    settings = load_recipe("sft", parse_overrides(["model.path=tiny", "data.path=chat.jsonl", *named]))
    assert settings.held_out is not None
    assert (settings.held_out.id, settings.held_out.options) == ("reverse", {"digits": 2, "split": "test"})
    assert settings.trained_model is not None


def test_an_environment_beside_data_is_what_is_measured_on() -> None:
    measured = ["env.id=jsonl", "env.data=held_out.jsonl", "eval.every=1"]
    settings = load_recipe("sft", parse_overrides(["model.path=tiny", "data.path=chat.jsonl", *measured]))
    assert settings.held_out is not None
    assert settings.held_out.options["data"] == "held_out.jsonl"
    with pytest.raises(rg.ConfigError, match="is what the model trains on"):
        load_recipe("sft", parse_overrides(["model.path=tiny", *measured]))


def test_nothing_to_show_is_said_before_anything_else() -> None:
    with pytest.raises(rg.ConfigError, match=r"data.path=FILE.*env.id=ENV"):
        load_recipe("sft", parse_overrides(["model.path=tiny"]))
