import pytest
import torch

import rlvr_gym as rg
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.rewards import new_head
from rlvr_gym.generation.step_scores import save_step_head
from rlvr_gym.verifiers import ProcessRewardModel


def reward(env, text, task: int | str | rg.Task = 0):
    env.reset(options={"task": task})
    return env.step(text)[1]


def test_a_file_of_prompts_and_answers_is_an_environment(write_rows):
    env = rg.make("jsonl", data=write_rows([{"prompt": "1 + 1?", "answer": "2", "level": 1}]))
    assert env.reset(options={"task": 0})[0] == "1 + 1?"
    assert env.tasks[0].metadata == {"level": 1}
    assert reward(env, "\\boxed{4/2}") == 1.0
    assert reward(env, "\\boxed{3}") == 0.0


def test_a_row_may_name_its_verifier_and_its_id(write_rows):
    rows = [
        {"prompt": "1 + 1?", "answer": "2", "id": "sum"},
        {"prompt": "Capital of France?", "answer": "Paris", "verifier": "exact", "id": 7},
        {"prompt": "Which?", "answer": "B", "verifier": "choice"},
        {"prompt": "How much?", "answer": 1.5, "verifier": "numeric"},
        {"prompt": "A word?", "answer": "[a-z]+", "verifier": "regex"},
    ]
    env = rg.make("jsonl", data=write_rows(rows), answer="line")
    assert reward(env, "Answer: 4/2", "sum") == 1.0
    assert reward(env, "Answer: Paris", "7") == 1.0
    assert reward(env, "Answer: paris", "7") == 0.0
    assert reward(env, "Answer: (B)", 2) == 1.0
    assert reward(env, "Answer: 1.50", 3) == 1.0
    assert reward(env, "Answer: word", 4) == 1.0
    assert reward(env, "Answer: word 2", 4) == 0.0


def test_one_verifier_may_judge_the_whole_file(write_rows):
    env = rg.make(
        "jsonl", data=write_rows([{"prompt": "?", "answer": "4/2"}]), verifier="exact", answer="whole"
    )
    assert reward(env, "4/2") == 1.0
    assert reward(env, "2") == 0.0


def test_a_prompt_may_be_chat_messages(write_rows):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"}]
    env = rg.make("jsonl", data=write_rows([{"prompt": messages, "answer": "2"}]))
    assert [m.role for m in env.tasks[0].prompt] == ["system", "user"]


GOOD = {"prompt": "1 + 1?", "answer": "2"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"prompt": "?", "answer": "2", "verifier": "maths"},
            "no verifier 'maths'; possible: math, exact, choice",
        ),
        ({"prompt": "?", "answer": "2", "verifier": ["math"]}, "line 2"),
        ({"prompt": "?", "answer": "E", "verifier": "choice"}, "expected one of A, B, C, D"),
        ({"prompt": "?", "answer": "x", "verifier": "numeric"}, "expected a finite decimal number"),
        ({"prompt": "?", "answer": "(?=x)", "verifier": "regex"}, "RE2 cannot compile"),
        ({"prompt": "?", "answer": "", "verifier": "exact"}, "expected an answer as text"),
        ({"prompt": "?", "answer": "42 \\foo"}, "the reference .* cannot be read"),
        ({"prompt": "?", "answer": ""}, "line 2"),
        ({"prompt": "?", "answer": None}, "line 2"),
        ({"prompt": "?"}, "no field 'answer'; the row has prompt"),
        ({"question": "?", "answer": "2"}, "no field 'prompt'; the row has answer, question"),
        ({"prompt": [{"role": "judge", "content": "?"}], "answer": "2"}, "not a task of"),
    ],
)
def test_a_row_that_cannot_be_judged_is_named_when_the_file_is_loaded(write_rows, row, message):
    path = write_rows([GOOD, row])
    with pytest.raises(rg.DataError, match=message) as raised:
        _ = rg.make("jsonl", data=path).tasks.size
    assert str(raised.value).startswith(f"{path}, line 2: ")


def test_options_that_cannot_work_say_what_would(write_rows):
    path = write_rows([GOOD])
    with pytest.raises(
        rg.ConfigError, match="no verifier 'maths'; possible: math, exact, choice, numeric, regex"
    ):
        rg.make("jsonl", data=path, verifier="maths")
    with pytest.raises(rg.ConfigError, match="no answer marker 'box'; possible: boxed, tag"):
        rg.make("jsonl", data=path, answer="box")
    with pytest.raises(rg.ConfigError, match="environment 'jsonl' needs 'data'"):
        rg.make("jsonl")


def test_the_fingerprint_changes_with_the_verifier(write_rows):
    def fingerprint(name, **more):
        return rg.make("jsonl", data=write_rows([{**GOOD, **more}], name)).tasks.fingerprint

    assert fingerprint("a.jsonl") != fingerprint("b.jsonl", verifier="exact")


@pytest.mark.parametrize(
    ("stated", "metadata"),
    [
        ({"answer": "4", "solution": "see below"}, {"solution": "see below"}),
        ({"solution": "4"}, {}),
        ({"ground_truth": "4", "answer": None}, {"answer": None}),
        (
            {
                "data_source": "mine",
                "ability": "math",
                "reward_model": {"style": "rule", "ground_truth": "4"},
                "extra_info": {"index": 0, "split": "train"},
            },
            {"data_source": "mine", "ability": "math", "extra_info": {"index": 0, "split": "train"}},
        ),
    ],
)
def test_the_answer_may_stand_where_verl_and_trl_have_it(write_rows, stated, metadata):
    env = rg.make("jsonl", data=write_rows([{"prompt": [{"role": "user", "content": "2 + 2?"}], **stated}]))
    assert reward(env, "\\boxed{4}") == 1.0
    assert reward(env, "\\boxed{5}") == 0.0
    assert env.tasks[0].metadata == metadata


def test_a_reward_model_needs_no_answers(write_rows, tmp_path):
    from rlvr_gym.generation.loading import load_model
    from rlvr_gym.generation.rewards import new_head, save_head

    model, tokenizer = load_model("tiny:0123456789>")
    head = new_head(model)
    head.weight.data.fill_(0.1)
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "rewards")
    save_head(head, tmp_path / "rewards")
    data = write_rows([{"prompt": "12>"}, {"prompt": "34>", "id": "second", "source": "mine"}])
    env = rg.make("jsonl", data=data, reward_model=str(tmp_path / "rewards"))
    assert [task.reference for task in env.tasks.take(None)] == [None, None]
    assert env.tasks["second"].metadata["source"] == "mine"
    verdicts = [env.verifier.verify(env.tasks["second"], rg.Completion(text=text)) for text in ("43", "5")]
    assert all(verdict.scored and not verdict.correct for verdict in verdicts)
    assert verdicts[0].score != verdicts[1].score
    head.weight.data.fill_(0.2)
    save_head(head, tmp_path / "rewards")
    another = rg.make("jsonl", data=data, reward_model=str(tmp_path / "rewards"))
    assert another.tasks.fingerprint != env.tasks.fingerprint
    with pytest.raises(rg.ConfigError, match="is no folder of a reward model"):
        rg.make("jsonl", data=data, reward_model=str(tmp_path / "none"))


def test_a_process_reward_model_scores_the_steps_of_rows_without_answers(write_rows, tmp_path):
    model, tokenizer = load_model("tiny:0123456789>\n")
    head = new_head(model, bias=True)
    head.weight.data.uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    save_step_head(head, tmp_path, "line")
    data = write_rows([{"prompt": "12>"}])
    scores = {}
    for aggregate in ("product", "minimum", "last"):
        env = rg.make("jsonl", data=data, process_reward_model=str(tmp_path), aggregate=aggregate)
        verdict = env.verifier.verify(env.tasks[0], rg.Completion(text="1\n22"))
        steps = [step.score or 0.0 for step in verdict.steps]
        scores[aggregate] = verdict.score
    assert len(steps) == 2
    assert scores == {
        "product": pytest.approx(steps[0] * steps[1]),
        "minimum": min(steps),
        "last": steps[1],
    }
    plain = rg.make("jsonl", data=data, process_reward_model=str(tmp_path))
    assert plain.tasks[0].metadata["scored_by"] == ProcessRewardModel(tmp_path).fingerprint
    with pytest.raises(rg.ConfigError, match="both score completions: name one of them"):
        rg.make("jsonl", data=data, process_reward_model=str(tmp_path), reward_model=str(tmp_path))
    with pytest.raises(rg.ConfigError, match="aggregate"):
        rg.make("jsonl", data=data, process_reward_model=str(tmp_path), aggregate="mean")


def test_tasks_of_ones_own_are_a_family_and_keep_their_names():
    from rlvr_envs import jsonl
    from rlvr_envs.jsonl import jsonl as by_module

    from rlvr_gym import registry

    assert by_module is jsonl
    assert registry.find("jsonl") == "rlvr/JSONL-v0"
    assert registry.family("rlvr/JSONL-v0") == "files"


def test_no_bundled_environment_has_its_package_for_a_family():
    from rlvr_gym import registry

    bundled = [id for id in registry.list_environments() if id.startswith("rlvr/")]
    assert len(bundled) > 30
    assert [id for id in bundled if registry.family(id).startswith("rlvr")] == []
