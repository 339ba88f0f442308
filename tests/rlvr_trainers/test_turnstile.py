"""One engine for many threads: calls do not mix, and each samples under one version of the weights."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from rlvr_trainers.sampling.collector import usable_weights
from rlvr_trainers.sampling.schedule import Schedule
from rlvr_trainers.sampling.turnstile import NotLoaded, Stopped, Turnstile

from rlvr_gym import (
    Completion,
    ConfigError,
    DataError,
    GenerationRequest,
    Message,
    SamplingParams,
    TrainingError,
)
from rlvr_gym.files import read_lines
from rlvr_gym.generation.base import TakesTools

ASKED = [GenerationRequest(messages=(Message(role="user", content="?"),), seed=0)]


class Engine:
    """Says which weights it has; a call takes as long as it is told."""

    concurrency = 1

    def __init__(self, seconds: float = 0.0) -> None:
        self.weights, self.seconds, self.inside, self.called_off = -1, seconds, 0, False
        self.computing = False

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        self.inside += 1
        assert self.inside == 1, "two calls at once"
        for index in range(len(prompts)):
            self.computing = True
            time.sleep(self.seconds)
            self.computing = False
            yield index, [Completion(text=str(self.weights))] * n
            if self.called_off:
                self.inside -= 1
                raise TrainingError("called off")
        self.inside -= 1

    def stop(self) -> None:
        self.called_off = True

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        return (7,)


def posted(engine: Engine, turnstile: Turnstile, version: int) -> None:
    def load() -> None:
        assert engine.inside == 0, "new weights in the middle of a call"
        engine.weights = version

    turnstile.post(version, load)


def said(generator: object, prompts: int = 1) -> list[str]:
    groups = generator.generate(ASKED * prompts, 1, SamplingParams())  # type: ignore[attr-defined]
    return [completion.text for _, (completion,) in groups]


@pytest.mark.parametrize("shown", [False, True])
def test_tools_are_shown_where_the_engine_shows_them(shown: bool):
    class Knowing(Engine):
        def takes_tools(self) -> bool:
            return True

    turnstile = Turnstile(Knowing() if shown else Engine())
    for generator in (turnstile, turnstile.for_round(0, Schedule(None))):
        assert isinstance(generator, TakesTools)
        assert generator.takes_tools() is shown


def test_a_call_samples_under_the_latest_weights_from_its_beginning_to_its_end():
    engine = Engine(0.02)
    turnstile = Turnstile(engine)
    posted(engine, turnstile, 0)
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(said(turnstile, 5))) for _ in range(4)]
    for version, thread in enumerate(threads, start=1):
        thread.start()
        time.sleep(0.03)
        posted(engine, turnstile, version)
    for thread in threads:
        thread.join()
    assert [len(set(texts)) for texts in found] == [1] * 4
    assert len({texts[0] for texts in found}) > 1
    assert said(turnstile) == ["4"]


def test_before_any_weights_a_call_waits():
    engine = Engine()
    turnstile = Turnstile(engine)
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(said(turnstile)))
    thread.start()
    time.sleep(0.1)
    assert found == []
    posted(engine, turnstile, 3)
    thread.join(10)
    assert found == [["3"]]


def test_calls_write_down_which_weights_they_met_and_meet_them_again(tmp_path: Path):
    engine, file = Engine(), tmp_path / "schedule-0.jsonl"
    turnstile = Turnstile(engine)
    schedule = Schedule(file)
    first, second = turnstile.for_round(0, schedule), turnstile.for_round(1, schedule)
    posted(engine, turnstile, 0)
    assert said(first) == ["0"]
    posted(engine, turnstile, 1)
    assert said(second) == ["1"]
    posted(engine, turnstile, 2)
    assert said(first) == ["2"]
    assert list(read_lines(file)) == [
        {"round": 0, "call": 0, "version": 0},
        {"round": 1, "call": 0, "version": 1},
        {"round": 0, "call": 1, "version": 2},
    ]

    replayed, again = Engine(), Schedule(None, follow=file)
    turnstile = Turnstile(replayed, keeps_all=True)
    for version in range(4):
        posted(replayed, turnstile, version)
    first, second = turnstile.for_round(0, again), turnstile.for_round(1, again)
    assert [said(second), said(first), said(first)] == [["1"], ["0"], ["2"]]
    assert said(second) == ["3"], "what the schedule does not know is sampled under the latest"


def test_a_call_of_a_schedule_waits_for_weights_to_come_while_others_go_on(tmp_path: Path):
    file = tmp_path / "schedule-0.jsonl"
    Schedule(file).met(0, 0, 5)
    engine = Engine()
    turnstile = Turnstile(engine, keeps_all=True)
    posted(engine, turnstile, 4)
    found: list[list[str]] = []
    waiting = turnstile.for_round(0, Schedule(None, follow=file))
    thread = threading.Thread(target=lambda: found.append(said(waiting)))
    thread.start()
    assert said(turnstile) == ["4"]
    assert found == []
    posted(engine, turnstile, 5)
    thread.join(10)
    assert found == [["5"]]


def test_weights_that_do_not_load_are_no_weights_to_sample_from():
    engine = Engine()
    turnstile = Turnstile(engine)

    def broken() -> None:
        raise TrainingError("the sampler does not have the weights")

    posted(engine, turnstile, 0)
    turnstile.post(1, broken)
    for _ in range(2):
        with pytest.raises(NotLoaded, match="does not have the weights"), usable_weights(1):
            said(turnstile)
    posted(engine, turnstile, 2)
    assert said(turnstile) == ["2"]


def test_the_same_number_for_other_weights_loads_them():
    engine = Engine()
    turnstile = Turnstile(engine)
    posted(engine, turnstile, 0)
    assert said(turnstile) == ["0"]
    turnstile.post(0, lambda: setattr(engine, "weights", 100))
    assert said(turnstile) == ["100"]


def test_stopping_ends_calls_that_wait_and_calls_that_sample():
    engine = Engine(0.05)
    turnstile = Turnstile(engine)
    posted(engine, turnstile, 0)
    ended: list[BaseException] = []

    def sample() -> None:
        try:
            said(turnstile, 1000)
        except Stopped as error:
            ended.append(error)

    threads = [threading.Thread(target=sample) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    turnstile.stop()
    assert not engine.computing
    for thread in threads:
        thread.join(10)
    assert len(ended) == 2
    with pytest.raises(Stopped):
        said(turnstile)


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, ConfigError), ('{"round": 0}\n', ConfigError), ("[1]\n", ConfigError), ("not json\n", DataError)],
)
def test_what_is_no_schedule_cannot_be_followed(tmp_path: Path, content: str | None, error: type[Exception]):
    file = tmp_path / "schedule-0.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(error, match=r"schedule-0\.jsonl"):
        Schedule(None, follow=file)
