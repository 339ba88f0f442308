import json
import math
from pathlib import Path

import pytest

import rlvr_gym as rg
from rlvr_gym.evaluation import ModelName, estimate, g_pass_at_k, read_history, read_run, summarize, tally
from tests.rlvr_gym.scripted import ScriptedGenerator, coin, echo_env

SAMPLING = rg.SamplingParams(temperature=0.6, max_tokens=16)


def run(folder: Path, n: int = 4) -> rg.EvaluationResult:
    env = echo_env(5, subject=["a", "b", "a", "b", "a"])
    return rg.evaluate(
        env,
        ScriptedGenerator(coin(0.5)),
        n=n,
        k=(1, n),
        sampling=SAMPLING,
        run_dir=folder,
        model=ModelName(name="parrot", weights="ff", endpoint="http://host/v1"),
    )


def test_a_run_is_opened_as_it_was_written(tmp_path: Path):
    result = run(tmp_path)
    opened = read_run(tmp_path)
    assert opened.samples == result.samples
    assert opened.conditions == result.conditions
    assert (opened.config["n"], opened.config["k"], opened.config["endpoint"]) == (
        4,
        [1, 4],
        "http://host/v1",
    )
    assert summarize(opened.samples, k=(1, 4)) == result


def test_a_run_reports_every_k_that_it_was_asked_for_and_has_the_samples_for(tmp_path: Path):
    run(tmp_path)
    assert (read_run(tmp_path).n, read_run(tmp_path).ks) == (4, [1, 4])
    file = tmp_path / "samples.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if json.loads(line)["sample"] != 1))
    assert (read_run(tmp_path).n, read_run(tmp_path).ks) == (3, [1])


def test_an_unfinished_run_is_opened_too(tmp_path: Path):
    run(tmp_path)
    file = tmp_path / "samples.jsonl"
    file.write_bytes(file.read_bytes()[:-100])
    (tmp_path / "config.yaml").unlink()
    opened = read_run(tmp_path)
    assert (len(opened.samples), opened.config, opened.ks) == (19, {}, [])


def test_a_later_line_replaces_an_earlier_one_and_the_file_keeps_both(tmp_path: Path):
    run(tmp_path)
    file = tmp_path / "samples.jsonl"
    row = json.loads(file.read_text().splitlines()[3])
    row["verdict"] = {"outcome": "unscored", "score": None, "detail": "later"}
    with file.open("a") as lines:
        lines.write(json.dumps(row) + "\n")
    opened = read_run(tmp_path)
    assert len(opened.samples) == 20
    assert opened.samples[3].verdict.detail == "later"
    assert [s.verdict.detail for s in read_history(file) if s.key == opened.samples[3].key][-1] == "later"
    assert len(list(read_history(file))) == 21


def test_half_a_surrogate_pair_in_a_file_is_read(tmp_path: Path):
    run(tmp_path)
    file = tmp_path / "samples.jsonl"
    row = json.loads(file.read_text().splitlines()[0])
    row["verdict"]["detail"] = "\ud800"
    with file.open("a") as lines:
        lines.write(json.dumps(row) + "\n")
    assert read_run(tmp_path).samples[0].verdict.detail == "\ud800"


def test_a_folder_without_an_evaluation_says_what_it_holds(tmp_path: Path):
    with pytest.raises(rg.ConfigError, match="no such folder"):
        read_run(tmp_path / "nowhere")
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(rg.ConfigError, match=r"holds no evaluation.*found: metrics\.jsonl"):
        read_run(tmp_path)


def test_results_come_as_tables(tmp_path: Path):
    pytest.importorskip("pyarrow")
    result = run(tmp_path)
    estimates = result.estimates_table().to_pylist()
    assert [(row["metric"], row["k"]) for row in estimates[:3]] == [
        ("avg_at_n", 4),
        ("pass_at_k", 1),
        ("pass_at_k", 4),
    ]
    assert estimates[2]["value"] == result.pass_at_k[4].value
    assert (estimates[2]["low"], estimates[2]["high"]) == (result.pass_at_k[4].low, result.pass_at_k[4].high)
    table = result.samples_table()
    rows = table.to_pylist()
    assert len(rows) == 20
    assert sum(row["score"] for row in rows) == result.outcomes[rg.Outcome.CORRECT]
    assert json.loads(rows[0]["metadata"]) == {"subject": "a"}
    assert rows[0]["completion"] == result.samples[0].completion
    assert "model" not in table.column_names


def test_a_table_is_a_data_frame(tmp_path: Path):
    pytest.importorskip("pyarrow")
    pytest.importorskip("pandas")
    frame = run(tmp_path).samples_table().to_pandas()
    assert frame.groupby("task")["score"].mean().between(0, 1).all()


def test_g_pass_is_estimated_from_stored_samples(tmp_path: Path):
    run(tmp_path)
    tallies = tally(read_run(tmp_path).samples)
    half = estimate(tallies, lambda t, k: g_pass_at_k(t.scored, t.correct, k, 0.5), 4)
    share = sum(t.correct >= 2 for t in tallies) / 5
    assert half.value == pytest.approx(share)
    assert not math.isnan(half.low)
