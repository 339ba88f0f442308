import gymnasium
import pytest

import rlvr_gym as rg


def reward(env, text, task: int | str | rg.Task = 0):
    env.reset(options={"task": task})
    return env.step(text)[1]


def test_the_gold_answer_is_what_stands_after_the_hashes(published, write_rows):
    env = rg.make("gsm8k", data=write_rows(published["gsm8k"]))
    assert [task.reference for task in env.tasks] == ["7", "1234"]
    assert env.tasks[0].text == (
        "Tom has 3 apples and buys 4. How many?\n\nReason step by step, and put your final answer in \\boxed{}."
    )


@pytest.mark.parametrize(
    "text", ["\\boxed{1234}", "\\boxed{1,234}", "\\boxed{\\$1234.00}", "So \\boxed{\\text{1234}}."]
)
def test_the_answer_is_compared_by_value(published, write_rows, text):
    assert reward(rg.make("gsm8k", data=write_rows(published["gsm8k"])), text, 1) == 1.0


@pytest.mark.parametrize(
    "text", ["1234", "#### 1234", "\\boxed{34}", "\\boxed{11234}", "\\boxed{1200} and \\boxed{1234}", ""]
)
def test_other_answers_earn_nothing(published, write_rows, text):
    assert reward(rg.make("gsm8k", data=write_rows(published["gsm8k"])), text, 1) == 0.0


def test_gymnasium_makes_it_by_module_and_id(published, write_rows):
    env = gymnasium.make("rlvr_gym:rlvr/GSM8K-v0", data=write_rows(published["gsm8k"]), split="test")
    observation, _ = env.reset(seed=0, options={"task": 0})
    assert observation.startswith("Tom has 3 apples")
    assert env.step("It is \\boxed{7}.")[1:4] == (1.0, True, False)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "?", "answer": "It is 7."}, "the answer has no '#### '"),
        ({"question": "?", "answer": "It is 7.\n####"}, "expected a number after '####', found ''"),
        ({"question": "?", "answer": "It is 7.\n#### seven"}, "found 'seven'"),
        ({"question": "?", "answer": None}, "not a task of 'gsm8k'"),
        ({"answer": "#### 7"}, "no field 'question'; the row has answer"),
        ({"question": "?"}, "no field 'answer'"),
    ],
)
def test_a_broken_gold_answer_is_named_with_file_and_line(published, write_rows, row, message):
    path = write_rows([*published["gsm8k"], row])
    with pytest.raises(rg.DataError, match=message) as raised:
        _ = rg.make("gsm8k", data=path).tasks.size
    assert str(raised.value).startswith(f"{path}, line 3: ")


def test_it_is_read_from_a_folder_in_hub_format_and_from_parquet(
    published, write_rows, tmp_path, monkeypatch
):
    datasets, parquet = pytest.importorskip("datasets"), pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    plain = rg.make("gsm8k", data=write_rows(published["gsm8k"], "hub/test.jsonl"))
    parquet.write_table(pyarrow.Table.from_pylist(published["gsm8k"]), tmp_path / "a.parquet")
    folder = rg.make("gsm8k", data=str(tmp_path / "hub"), split="test")
    columns = rg.make("gsm8k", data=str(tmp_path / "a.parquet"))
    assert list(plain.tasks) == list(folder.tasks) == list(columns.tasks)
    (tmp_path / "clone" / "main").mkdir(parents=True)
    parquet.write_table(
        pyarrow.Table.from_pylist(published["gsm8k"]),
        tmp_path / "clone" / "main" / "test-00000-of-00001.parquet",
    )
    (tmp_path / "clone" / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: test\n    path: main/test-*\n---\n"
    )
    clone = rg.make("gsm8k", data=str(tmp_path / "clone"), split="test")
    assert list(clone.tasks) == list(plain.tasks)


def test_the_published_files_load_and_every_gold_answer_is_right(real_data):
    for split, size in (("train", 7473), ("test", 1319)):
        env = rg.make("gsm8k", split=split, data=str(real_data / "gsm8k" / f"{split}.jsonl"))
        assert env.tasks.size == size
        assert all(reward(env, f"\\boxed{{{task.reference}}}", task) == 1.0 for task in env.tasks.take(300))
