"""`rlvr eval` with a draft: the same answers for less, and what cannot draft."""

import re
from pathlib import Path

import pytest

from rlvr_gym.cli.main import main
from rlvr_gym.evaluation import read_samples
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.transformers.multi_token import MultiTokenModule

ASKED = [
    *[
        "eval",
        "reverse",
        "env.digits=2",
        "env.style=symbols",
        "sampling.max_tokens=6",
        "--limit",
        "5",
        "--n",
        "2",
    ],
    *["generator.draft_tokens=3"],
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A model, another with the same tokens, and one with others."""
    found: dict[str, str] = {}
    for seed, (name, alphabet) in enumerate(
        {"model": "0123456789>", "draft": "0123456789>", "other": "ab>"}.items()
    ):
        folder = tmp_path_factory.mktemp(name)
        model, tokenizer = load_model(f"tiny:{alphabet}", seed=seed)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        MultiTokenModule(model).save(folder)
        found[name] = str(folder)
    return found


def run(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main([*ASKED, *arguments])
    return ended.value.code


def texts(folder: Path) -> dict[tuple[str, int], str]:
    return {sample.key: sample.completion for sample in read_samples(folder / "samples.jsonl")}


def test_greedy_answers_are_those_without_a_draft_and_the_share_accepted_is_told(
    models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    greedy = ["--model", models["model"], "sampling.temperature=0"]
    assert run(*greedy, "--out", str(tmp_path / "alone")) in (0, None)
    assert "of drafted tokens were accepted" not in capsys.readouterr().err
    drafts = {"draft": models["draft"], "itself": models["model"], "module": "mtp"}
    for name, draft in drafts.items():
        assert run(*greedy, f"generator.draft={draft}", "--out", str(tmp_path / name)) in (0, None)
        said = " ".join(capsys.readouterr().err.split())
        share = re.search(r"reverse: ([\d.]+)% of drafted tokens were accepted, ([\d.]+) tokens a pass", said)
        assert share, said
        assert (float(share[1]) == 100.0) == (name == "itself")
        assert float(share[2]) >= 1.0
        assert texts(tmp_path / name) == texts(tmp_path / "alone")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["generator.draft=OTHER"], "the draft has other tokens: id"),
        (["generator.draft=DRAFT", "generator.engine=vllm"], "is for generator.engine=transformers, not for vllm"),
        (["generator.draft=nowhere/at all"], "no model 'nowhere/at all'"),
        (["generator.draft=DRAFT", "generator.draft_tokens=0"], "generator.draft_tokens"),
    ],
)  # fmt: skip
def test_what_cannot_draft_is_refused_before_anything_is_sampled(
    more: list[str], message: str, models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [re.sub("(OTHER|DRAFT)$", lambda found: models[found[0].lower()], word) for word in more]
    assert run("--model", models["model"], "--out", str(tmp_path / "run"), *named) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
