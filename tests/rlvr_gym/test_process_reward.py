"""Process reward models as verifiers: aggregates, what a step is worth, and what cannot be scored."""

import pickle
from pathlib import Path

import pytest
import torch

import rlvr_gym as rg
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.generation.chat import decode, turn_frame
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.prompts import end_of_sequence_ids
from rlvr_gym.generation.rewards import new_head
from rlvr_gym.generation.step_scores import encode_steps, save_step_head
from rlvr_gym.verifiers import ProcessRewardModel, RewardModel, judge
from rlvr_gym.verifiers.process_reward import Aggregate, aggregated

AGGREGATES: tuple[Aggregate, ...] = ("product", "minimum", "last")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose probabilities mean nothing, and differ."""
    folder = tmp_path_factory.mktemp("steps")
    model, tokenizer = load_model("tiny:0123456789>\n")
    head = new_head(model, bias=True)
    head.weight.data = torch.linspace(-1, 1, head.weight.numel())[None]
    head.bias.data.fill_(0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_step_head(head, folder, "line")
    return folder


def verdict(model: ProcessRewardModel, text: str, prompt: str = "12>") -> rg.Verdict:
    return judge(model, rg.Task(prompt=prompt), rg.Completion(text=text))


@pytest.mark.parametrize(("how", "score"), [("product", 0.9 * 0.5 * 0.8), ("minimum", 0.5), ("last", 0.8)])
def test_three_steps_are_aggregated_by_hand(how: Aggregate, score: float) -> None:
    assert aggregated([0.9, 0.5, 0.8], how) == pytest.approx(score, rel=1e-15)


def test_the_product_prefers_the_shorter_of_two_answers_whose_steps_are_equally_sure() -> None:
    """And the last step's probability does not. The minimum does where steps vary, for more have more low ones."""
    short, long = [0.9] * 2, [0.9] * 6
    assert aggregated(short, "product") > 1.5 * aggregated(long, "product")
    assert aggregated(short, "minimum") == aggregated(long, "minimum")
    assert aggregated(short, "last") == aggregated(long, "last")
    drawn = torch.rand(4_000, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.2 + 0.8
    means = {
        how: [
            torch.tensor([aggregated(row[:steps].tolist(), how) for row in drawn]).mean().item()
            for steps in (2, 6)
        ]
        for how in AGGREGATES
    }
    fall = {how: before - after for how, (before, after) in means.items()}
    assert fall["product"] > 3 * fall["minimum"] > 0.1
    assert abs(fall["last"]) < 0.01


def test_steps_are_parts_with_their_places_and_the_whole_is_their_aggregate(folder: Path) -> None:
    text = "1\n\n22\n3"
    found = {how: verdict(ProcessRewardModel(folder, aggregate=how), text) for how in AGGREGATES}
    steps = [step.score or 0.0 for step in found["last"].steps]
    assert [text[step.span[0] : step.span[1]] for step in found["last"].steps if step.span] == [
        "1",
        "22",
        "3",
    ]
    assert len(set(steps)) == 3
    for how in AGGREGATES:
        given = found[how]
        assert given.score == pytest.approx(aggregated(steps, how))
        assert given.outcome == "incorrect"
        assert [step.score for step in given.steps] == steps


def test_the_contract_holds(folder: Path) -> None:
    check_verifier(ProcessRewardModel(folder), [rg.Task(id="a", prompt="12>")], seconds=30.0)


def test_steps_within_a_composed_verdict_are_found_wherever_they_stand(folder: Path) -> None:
    """As a trainer finds them that pays steps beside the answer."""
    steps = ProcessRewardModel(folder)
    right = rg.FunctionVerifier(lambda task, completion: True)
    both = rg.verifiers.WeightedSum({"answer": (right, 0.5), "steps": (steps, 0.5)})
    task, completion = rg.Task(prompt="12>"), rg.Completion(text="1\n22")
    assert both.verify(task, completion).steps == steps.verify(task, completion).steps


def test_a_step_said_again_pays_nothing_and_counts_in_the_whole_as_any_other(folder: Path) -> None:
    given = verdict(ProcessRewardModel(folder, aggregate="minimum"), "1\n2\n1")
    assert given.steps[2].score == 0.0
    assert given.score is not None
    assert given.score > 0


def test_no_id_up_to_the_end_of_a_step_depends_on_what_comes_after_it() -> None:
    """A tokenizer may join a line break to what stands before or after it."""
    _, tokenizer = load_model("tiny:0123456789>\n")
    frame = turn_frame(tokenizer, end_of_sequence_ids(tokenizer, None))
    asked = rg.Message(role="user", content="12>")

    def encoded(text: str, ends: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        found = encode_steps(tokenizer, [asked, rg.Message(role="assistant", content=text)], ends, frame)
        return found.token_ids, found.ends

    ids, ends = encoded("1\n\n22\n3", [1, 5, 7])
    for count, end in ((1, 1), (2, 5)):
        some, places = encoded("1\n\n22\n3"[:end], [1, 5, 7][:count])
        assert some == ids[: len(some)]
        assert places == ends[:count]
    assert [decode(tokenizer, ids[: end + 1]) for end in ends] == ["1", "1\n\n22", "1\n\n22\n3"]


def test_steps_of_a_later_turn_are_read_behind_the_earlier_ones() -> None:
    _, tokenizer = load_model("tiny:0123456789>\n")
    frame = turn_frame(tokenizer, end_of_sequence_ids(tokenizer, None))
    said = [
        rg.Message(role="user", content="1>"),
        rg.Message(role="assistant", content="2"),
        rg.Message(role="user", content="3>"),
        rg.Message(role="assistant", content="4\n5"),
    ]
    found = encode_steps(tokenizer, said, [1, 3], frame)
    assert decode(tokenizer, found.prompt_ids) == "1>"
    assert decode(tokenizer, found.token_ids) == f"2{tokenizer.eos_token}3>4\n5"
    assert len(found.ends) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no step in it"),
        (" \n\n", "there is no step in it"),
        ("<think>1\n2</think>", "there is no step in it"),
        ("\n".join("123456789"), "9 steps, and 8 are the most"),
        ("7" * 300, "303 tokens with its prompt, and the process reward model reads 256"),
        ("1\n" * 60_000, "longer than 100,000 characters"),
    ],
)
def test_what_has_no_steps_to_score_is_one_step_worth_nothing(folder: Path, text: str, reason: str) -> None:
    given = verdict(ProcessRewardModel(folder, most=8), text)
    assert given.outcome == "malformed"
    assert given.detail == reason
    assert [(step.score, step.span) for step in given.steps] == [(0.0, (0, len(text)))]


def test_a_folder_of_another_kind_leaves_samples_unscored_and_says_so(folder: Path, tmp_path: Path) -> None:
    model, tokenizer = load_model("tiny:0123456789>\n")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for place, reason in ((tmp_path, "rlvr train prm writes one"), (tmp_path / "none", "no model")):
        given = verdict(ProcessRewardModel(place), "1")
        assert given.outcome == "unscored"
        assert reason in given.detail
    swapped = judge(RewardModel(folder), rg.Task(prompt="1>"), rg.Completion(text="1"))
    assert swapped.outcome == "unscored"
    assert "rlvr train reward_model writes one" in swapped.detail
    with pytest.raises(rg.ConfigError, match="is no folder of a process reward model"):
        _ = ProcessRewardModel(tmp_path).fingerprint


def test_it_travels_to_another_process_with_all_that_it_was_told(folder: Path) -> None:
    model = ProcessRewardModel(folder, aggregate="minimum", by="paragraph", most=3)
    there = pickle.loads(pickle.dumps(model))
    for text in ("1\n2\n\n3", "1\n\n2\n\n3\n\n4"):
        assert verdict(there, text) == verdict(model, text)


def test_ways_that_there_are_none_of_are_refused(folder: Path) -> None:
    for settings, message in (
        ({"aggregate": "mean"}, "aggregate must be one of product, minimum, last, not 'mean'"),
        ({"by": "word"}, "by must be one of line, paragraph, tag, not 'word'"),
        ({"most": 0}, "most must be at least 1, not 0"),
    ):
        with pytest.raises(rg.ConfigError, match=message):
            ProcessRewardModel(folder, **settings)  # pyright: ignore[reportArgumentType]
