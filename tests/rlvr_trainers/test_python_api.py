"""Training from Python, with names and with objects."""

import json
from pathlib import Path
from typing import Any

import pytest
import rlvr_trainers
import torch

import rlvr_gym as rg

SMALL: dict[str, Any] = {
    "batch": {"prompts": 4, "group_size": 4},
    "sampling": {"max_tokens": 4},
    "progress": False,
}


def run(folder: Path, steps: int = 1, **more: Any) -> dict[str, Any]:
    return {"run": {"dir": folder, "steps": steps}, "algorithm": "dr_grpo", **SMALL, **more}


def double() -> rg.Environment:
    tasks = [rg.Task(id=str(n), prompt=f"{n}>", reference=str(n)) for n in range(8)]
    longer = rg.FunctionVerifier(lambda task, completion: min(len(completion.text), 9) / 10)
    return rg.Environment(rg.TaskSet.from_tasks(tasks, name="longer"), longer)


def test_names_are_enough_and_the_same_call_resumes(tmp_path: Path) -> None:
    env = {"id": "reverse", "digits": 2, "style": "symbols"}
    for steps in (1, 2):
        result = rlvr_trainers.train(model="tiny:0123456789>", env=env, **run(tmp_path, steps))
        assert (result.step, result.finished) == (steps, True)


def test_an_environment_and_a_model_can_be_objects(tmp_path: Path) -> None:
    model, tokenizer = rg.load_model("tiny:0123456789>", "float32")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    optimizer = {"learning_rate": 1e-2}
    result = rlvr_trainers.train(
        model=model, tokenizer=tokenizer, env=double(), **run(tmp_path, 2, optimizer=optimizer)
    )
    assert result.finished
    assert not all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    finished, _ = rg.load_model(tmp_path / "model", "float32")
    assert all(
        torch.equal(weight, model.state_dict()[name]) for name, weight in finished.state_dict().items()
    )


def test_data_takes_the_place_of_an_environment(tmp_path: Path) -> None:
    chat = tmp_path / "chat.jsonl"
    row = {"messages": [{"role": "user", "content": "1>"}, {"role": "assistant", "content": "11"}]}
    chat.write_text(f"{json.dumps(row)}\n" * 4)
    settings = run(
        tmp_path / "run", data={"path": str(chat)}, eval={"every": 1, "tasks": 4, "allow_overlap": True}
    )
    settings["algorithm"] = "sft"
    result = rlvr_trainers.train(model="tiny:0123456789>", held_out=double(), **settings)
    assert result.finished
    assert result.after is not None


def test_a_held_out_environment_goes_with_settings_of_evaluation(tmp_path: Path) -> None:
    held_out = double()
    tasks = [rg.Task(id=f"h{n}", prompt=f"{n}{n}>", reference=str(n)) for n in range(4)]
    held_out.tasks = rg.TaskSet.from_tasks(tasks, name="held out")
    result = rlvr_trainers.train(
        model="tiny:0123456789>",
        env=double(),
        held_out=held_out,
        **run(tmp_path, eval={"every": 1, "tasks": 4}),
    )
    assert result.after is not None
    with pytest.raises(rg.ConfigError, match="belong together"):
        rlvr_trainers.train(
            model="tiny:0123456789>", env=double(), held_out=held_out, **run(tmp_path / "other")
        )


def test_a_model_object_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    model, _ = rg.load_model("tiny:0123456789>", "float32")
    with pytest.raises(rg.ConfigError, match="needs its tokenizer"):
        rlvr_trainers.train(model=model, env="reverse", **run(tmp_path))


def test_a_setting_that_is_none_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(rg.ConfigError, match=r"batch\.prompt: no such setting; did you mean 'prompts'"):
        rlvr_trainers.train(model="tiny", env="reverse", batch={"prompt": 3}, run={"dir": tmp_path})
