"""The order of the data, and dynamic sampling with a scripted policy."""

from collections.abc import Sequence

import pytest
from rlvr_trainers.credit.outcomes import degenerate
from rlvr_trainers.sampling.buffer import Buffer, Play, StepNeeds, StepRollouts
from rlvr_trainers.sampling.starvation import Solved
from rlvr_trainers.sampling.stream import TaskStream

from rlvr_gym import (
    ConfigError,
    FinishReason,
    Message,
    Rollout,
    Task,
    TaskSet,
    TooManyUnscored,
    TrainingError,
    Verdict,
)
from rlvr_gym.rollouts import Group

GROUP_SIZE = 4


def finite(count: int) -> TaskSet:
    tasks = [Task(id=f"t{i}", prompt=f"prompt {i}", reference=i) for i in range(count)]
    return TaskSet.from_tasks(tasks, name="finite")


def rollout(task: Task, sample: int, verdict: Verdict) -> Rollout:
    return Rollout(
        task=task,
        sample=sample,
        prompt_ids=(1,),
        token_ids=(2, 3),
        action_mask=(True, True),
        logprobs=(-0.5, -0.25),
        messages=(Message(role="assistant", content="x"),),
        finish_reason=FinishReason.STOP,
        verdict=verdict,
    )


def group(task: Task, right: int) -> Group:
    verdicts = [Verdict.right()] * right + [Verdict.wrong()] * (GROUP_SIZE - right)
    return tuple(rollout(task, i, verdict) for i, verdict in enumerate(verdicts))


class Scripted:
    """Plays tasks by a table from task number to how many samples are right, and remembers what it played."""

    def __init__(self, right_of: dict[int, int] | None = None, otherwise: int = 2) -> None:
        self.right_of, self.otherwise = right_of or {}, otherwise
        self.rounds: list[list[str]] = []

    def __call__(self, tasks: Sequence[Task], round_number: int) -> list[Group]:
        assert round_number == len(self.rounds)
        self.rounds.append([task.id for task in tasks])
        return [group(task, self.right_of.get(int(task.id[1:]), self.otherwise)) for task in tasks]


class Source:
    """A buffer, and what plays the tasks that it draws."""

    def __init__(
        self, stream: TaskStream, play: Play, *, wanted: int, max_rounds: int | None, max_unscored: float
    ) -> None:
        self.buffer = Buffer(
            stream,
            StepNeeds(
                groups=wanted,
                keeps=lambda group: not degenerate(group),
                max_rounds=max_rounds,
                max_unscored=max_unscored,
            ),
        )
        self.play = play

    def draw(self, version: int) -> StepRollouts:
        return self.buffer.take(version, self.play)


def source(play: Play, tasks: TaskSet, *, wanted: int = 4, max_rounds: int | None = 10) -> Source:
    return Source(TaskStream(tasks, seed=0), play, wanted=wanted, max_rounds=max_rounds, max_unscored=0.1)


def test_an_epoch_has_every_task_once_and_the_next_another_order() -> None:
    stream = TaskStream(finite(10), seed=3)
    first = [stream.draw(1)[0].id for _ in range(10)]
    second = [stream.draw(1)[0].id for _ in range(10)]
    assert sorted(first) == sorted(second) == sorted(f"t{i}" for i in range(10))
    assert first != second
    again = TaskStream(finite(10), seed=3)
    assert [task.id for task in again.draw(10)] == first


def test_a_stream_goes_on_from_its_state_as_if_it_had_never_stopped() -> None:
    stream = TaskStream(finite(10), seed=3)
    stream.draw(7)
    later = TaskStream(finite(10), seed=3)
    later.state = stream.state
    assert [t.id for t in later.draw(6)] == [t.id for t in stream.draw(6)]


def test_no_prompt_stands_twice_in_a_batch_even_across_the_end_of_an_epoch() -> None:
    stream = TaskStream(finite(5), seed=0)
    for _ in range(20):
        drawn = [task.id for task in stream.draw(4)]
        assert len(set(drawn)) == 4


def test_a_batch_larger_than_the_task_set_is_refused_with_the_number_there_is() -> None:
    with pytest.raises(ConfigError, match="only about 3 different tasks"):
        TaskStream(finite(3), seed=0).draw(4)


def test_without_dynamic_sampling_whatever_comes_is_trained_on() -> None:
    drawn = source(Scripted(otherwise=0), finite(20), max_rounds=None).draw(0)
    assert len(drawn.groups) == 4
    assert drawn.metrics()["groups/degenerate_share"] == 1.0
    assert drawn.rounds == 1


def test_dynamic_sampling_replaces_groups_that_are_all_right_or_all_wrong_by_new_prompts() -> None:
    play = Scripted({i: (0 if i % 2 else 4) for i in range(0, 40, 3)})
    drawn = source(play, finite(40), wanted=8).draw(0)
    assert len(drawn.groups) == 8
    assert not any(map(degenerate, drawn.groups))
    kept = [g[0].task.id for g in drawn.groups]
    assert len(set(kept)) == 8
    assert drawn.rounds == len(play.rounds) >= 2
    assert len(drawn.everything) == sum(map(len, play.rounds))


def test_dynamic_sampling_filters_on_the_outcome_and_reports_the_pass_rate_of_everything_drawn() -> None:
    play = Scripted(dict.fromkeys(range(10), 4), otherwise=1)
    drawn = source(play, finite(20), wanted=8).draw(0)
    everything = [r for g in drawn.everything for r in g]
    share = sum(r.verdict.correct for r in everything) / len(everything)
    assert drawn.metrics()["pass_rate/all"] == pytest.approx(share)
    assert share > 0.25
    informative = sum(not degenerate(g) for g in drawn.everything) / len(drawn.everything)
    assert drawn.metrics()["groups/keep_share"] == pytest.approx(informative)


def test_the_expected_keep_share_is_one_minus_p_to_the_g_minus_q_to_the_g() -> None:
    drawn = source(Scripted(otherwise=1), finite(20)).draw(0)
    assert drawn.metrics()["groups/keep_share_expected"] == pytest.approx(1 - 0.25**4 - 0.75**4)


def test_a_starved_batch_says_what_the_groups_were_and_what_to_change() -> None:
    with pytest.raises(
        TrainingError, match=r"0 of 4 informative groups in 40 prompts over 10 rounds: 0% .* 100% all"
    ):
        source(Scripted(otherwise=0), finite(50)).draw(0)
    with pytest.raises(TrainingError, match=r"100% of the groups were all right.*harder tasks"):
        source(Scripted(otherwise=4), finite(50)).draw(0)


def equal(*scores: float | None) -> Source:
    """Every sample of task i gets score i of these, taken in turn."""

    def play(tasks: Sequence[Task], round_number: int) -> list[Group]:
        return [tuple(rollout(task, i, judged(scores, task)) for i in range(GROUP_SIZE)) for task in tasks]

    return Source(TaskStream(finite(40), seed=0), play, wanted=8, max_rounds=5, max_unscored=1.0)


def judged(scores: Sequence[float | None], task: Task) -> Verdict:
    score = scores[int(task.id[1:]) % len(scores)]
    if score is None:
        return Verdict.unscored("gone")
    return Verdict.right() if score == 1 else Verdict.wrong(score=score)


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ([0.3], r"0% all wrong, 100% all at 0\.3\. Try a score that tells these equal answers apart"),
        (
            [0.3, 0.3, 0.0, 1.0],
            r"25% of the groups were all right, 25% all wrong, 50% all at 0\.3\. Try a score",
        ),
        ([0.1, 0.3, 0.5, 0.7, 0.9], r"20% all at 0\.\d, 20% all at 0\.\d, 20% .*, 40% all at another score"),
        ([1 / 3], r"100% all at 0\.333333\."),
        ([None], r"100% with fewer than two judged samples\. Try a verifier that can judge"),
        ([0.0, 0.0, None, 0.5], r"50% all wrong, 25% all at 0\.5, 25% with fewer .*Try easier tasks"),
    ],
)
def test_a_starved_batch_names_scores_that_were_neither_right_nor_wrong(
    scores: list[float | None], says: str
) -> None:
    with pytest.raises(TrainingError, match=says) as starved:
        equal(*scores).draw(0)
    assert not isinstance(starved.value, Solved)
    assert "harder tasks" not in str(starved.value)


def test_a_group_that_is_right_but_for_an_unjudged_sample_is_all_right() -> None:
    def play(tasks: Sequence[Task], round_number: int) -> list[Group]:
        verdicts = [Verdict.unscored("gone"), *[Verdict.right()] * (GROUP_SIZE - 1)]
        return [tuple(rollout(task, i, verdict) for i, verdict in enumerate(verdicts)) for task in tasks]

    stream = TaskStream(finite(40), seed=0)
    with pytest.raises(Solved, match="100% of the groups were all right"):
        Source(stream, play, wanted=4, max_rounds=2, max_unscored=0.5).draw(0)


@pytest.mark.parametrize(
    ("right_of", "otherwise", "max_rounds", "solved"),
    [
        ({}, 4, 5, True),
        (dict.fromkeys(range(3), 3), 4, 5, True),  # 37 of 40 groups all right, 99 % of the samples
        (dict.fromkeys(range(4), 0), 4, 5, False),  # 90 % all right; what is wrong stays wrong
        (dict.fromkeys(range(20), 0), 4, 5, False),
        (dict.fromkeys(range(40), 3) | {7: 4}, 4, 1, False),  # a budget too small, and nearly all informative
    ],
)
def test_a_starved_batch_is_a_success_only_where_nearly_all_is_right(
    right_of: dict[int, int], otherwise: int, max_rounds: int, solved: bool
) -> None:
    starving = source(
        Scripted(right_of, otherwise), finite(40), wanted=40 // max_rounds, max_rounds=max_rounds
    )
    with pytest.raises(TrainingError) as starved:
        starving.draw(0)
    assert isinstance(starved.value, Solved) == solved


def test_a_success_has_its_figures() -> None:
    with pytest.raises(Solved) as solved:
        source(Scripted({0: 3}, otherwise=4), finite(40), wanted=8, max_rounds=5).draw(0)
    assert solved.value.figures == (
        "of 40 prompts, 97.50% were answered right by all of their samples, and 99.38% of all samples are right"
    )


def surplus_source() -> tuple[Source, Scripted]:
    """Three of the first four groups are no use, so the second round draws more than it needs."""
    order = [int(task.id[1:]) for task in TaskStream(finite(40), seed=0).draw(40)]
    play = Scripted(dict.fromkeys(order[:3], 0))
    return source(play, finite(40)), play


def test_surplus_groups_serve_the_next_step_only_if_the_weights_are_still_the_same() -> None:
    same, play = surplus_source()
    first = same.draw(7)
    left_over = sum(not degenerate(g) for g in first.everything) - 4
    assert left_over > 0
    played = len(play.rounds)
    play.rounds.clear()
    second = same.draw(7)
    assert second.stale == 0
    assert len(second.everything) < 4
    assert played >= 2

    changed, play = surplus_source()
    changed.draw(7)
    play.rounds.clear()
    assert changed.draw(8).stale == left_over


def test_the_state_keeps_position_and_surplus_through_json() -> None:
    import json

    original, play = surplus_source()
    original.draw(7)
    restored, _ = surplus_source()
    restored.buffer.state = json.loads(json.dumps(original.buffer.state))
    play.rounds.clear()
    assert [g[0].task.id for g in restored.draw(7).groups] == [g[0].task.id for g in original.draw(7).groups]


def test_the_end_of_the_data_loses_no_accepted_group() -> None:
    play = Scripted(dict.fromkeys(range(6), 0))
    drawn = source(play, finite(10), wanted=4).draw(0)
    assert {g[0].task.id for g in drawn.groups} == {"t6", "t7", "t8", "t9"}


def test_too_many_unscored_samples_stop_the_run_and_name_the_commonest_cause() -> None:
    def broken(tasks: Sequence[Task], round_number: int) -> list[Group]:
        verdicts = [
            Verdict.right(),
            Verdict.wrong(),
            Verdict.unscored("worker died"),
            Verdict.unscored("worker died"),
        ]
        return [tuple(rollout(task, i, v) for i, v in enumerate(verdicts)) for task in tasks]

    stream = TaskStream(finite(10), seed=0)
    failing = Source(stream, broken, wanted=2, max_rounds=None, max_unscored=0.4)
    with pytest.raises(TooManyUnscored, match=r"4 of 8 samples \(50%\).*worker died"):
        failing.draw(0)
    assert Source(stream, broken, wanted=2, max_rounds=None, max_unscored=0.5).draw(0).groups
