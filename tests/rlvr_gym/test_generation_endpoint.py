import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.evaluation import Sample, read_samples
from rlvr_gym.generation.endpoint import EndpointGenerator
from rlvr_gym.seeding import derive_rng, derive_seed
from tests.rlvr_gym.endpoint_server import Body, EndpointServer, Mishap
from tests.rlvr_gym.scripted import ScriptedGenerator, coin, echo_env, echo_tasks, same_text

SAMPLING = rg.SamplingParams(temperature=0.6, max_tokens=16)
NOBODY = "http://127.0.0.1:9/v1"


def parrot(body: Body) -> str:
    """Right in about half of its answers, decided by the request's seed."""
    right = derive_rng("parrot", body["seed"]).random() < 0.5
    return body["messages"][0]["content"] if right else "no"


@contextmanager
def asking(server: EndpointServer, **options: Any) -> Iterator[EndpointGenerator]:
    options = {"backoff_seconds": 0.001, "concurrency": 8, "timeout_seconds": 10, **options}
    with server:
        generator = EndpointGenerator(server.url, "parrot", **options)
        try:
            yield generator
        finally:
            for thread in threading.enumerate():
                if thread.name.startswith(
                    "rlvr-player"
                ):  # still in a request, where another one ended the run
                    thread.join()
            generator.close()


def one(generator: EndpointGenerator, sampling: rg.SamplingParams = SAMPLING) -> rg.Completion:
    prompt = rg.GenerationRequest(messages=(rg.Message(role="user", content="say 1"),), seed=5)
    ((_, (completion,)),) = generator.generate([prompt], 1, sampling)
    return completion


def without_time(samples: list[Sample]) -> dict[tuple[str, int], dict]:
    return {s.key: s.model_dump(exclude={"seconds", "judging_seconds"}) for s in samples}


def test_a_hostile_server_loses_no_sample_doubles_none_and_makes_none_wrong(tmp_path: Path):
    passing = [mishap for mishap in Mishap if mishap not in (Mishap.LATE, Mishap.DRIP)]

    def mishap(body: Body, attempt: int) -> Mishap | None:
        rng = derive_rng("mishap", body["seed"], attempt)
        return rng.choice(passing) if attempt < 4 and rng.random() < 0.5 else None

    def draw(server: EndpointServer, folder: Path) -> list[Sample]:
        with asking(server) as generator:
            result = rg.evaluate(echo_env(20), generator, n=8, k=(1, 8), sampling=SAMPLING, run_dir=folder)
        assert result.unscored == 0
        lines = (folder / "samples.jsonl").read_text().splitlines()
        keys = [(row["task"], row["sample"]) for row in map(json.loads, lines)]
        assert sorted(keys) == sorted((f"t{task}", sample) for task in range(20) for sample in range(8))
        return read_samples(folder / "samples.jsonl")

    calm, hostile = EndpointServer(parrot), EndpointServer(parrot, mishap)
    expected = without_time(draw(calm, tmp_path / "calm"))
    assert without_time(draw(hostile, tmp_path / "hostile")) == expected
    assert len(calm.bodies) == 160
    assert len(hostile.bodies) > 200
    right = Counter(row["verdict"]["outcome"] for row in expected.values())
    assert 50 < right["correct"] < 110


def test_a_request_that_finally_fails_is_unscored_and_asked_again_by_the_same_command(tmp_path: Path):
    broken = True

    def mishap(body: Body, attempt: int) -> Mishap | None:
        return Mishap.BROKEN if broken and body["messages"][0]["content"] == "say 2" else None

    server = EndpointServer(lambda body: body["messages"][0]["content"], mishap)
    with asking(server, tries=3) as generator:
        run = lambda: rg.evaluate(  # noqa: E731
            echo_env(6), generator, n=4, sampling=SAMPLING, run_dir=tmp_path, max_unscored_share=0.5
        )
        result = run()
        assert (result.unscored, result.outcomes[rg.Outcome.INCORRECT]) == (4, 0)
        assert result.avg_at_n.value == 1.0
        assert (result.avg_at_n.at_least, result.avg_at_n.problems) == (pytest.approx(5 / 6), 5)
        assert result.fault == f"{server.url} answered 500: <html>out of order</html> (3 tries)"
        assert len(server.bodies) == 20 + 4 * 3
        failed = [sample for sample in result.samples if sample.failed]
        assert {(sample.finish_reason, sample.completion) for sample in failed} == {("error", "")}
        assert not any(sample.truncated for sample in failed)
        broken = False
        assert run().unscored == 0
        assert len(server.bodies) == 20 + 4 * 3 + 4


def test_only_the_samples_that_are_missing_are_asked_for(tmp_path: Path):
    server = EndpointServer(parrot)
    with asking(server) as generator:
        arguments = {"n": 8, "sampling": SAMPLING, "run_dir": tmp_path}
        whole = rg.evaluate(echo_env(4), generator, **arguments)
        lines = (tmp_path / "samples.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / "samples.jsonl").write_text("".join(lines[::2]) + lines[1][:40])
        again = rg.evaluate(echo_env(4), generator, **arguments)
    assert len(server.bodies) == 32 + 16
    assert without_time(list(again.samples)) == without_time(list(whole.samples))


def test_a_reply_that_is_late_is_not_asked_for_again():
    server = EndpointServer(parrot, lambda body, attempt: Mishap.LATE)
    with asking(server, timeout_seconds=0.2) as generator:
        completion = one(generator)
    assert completion.failed
    assert completion.fault == f"{server.url} had not answered after 0.2 s"
    assert len(server.bodies) == 1


def test_a_reply_that_drips_is_late_as_a_whole():
    server = EndpointServer(parrot, lambda body, attempt: Mishap.DRIP)
    with asking(server, timeout_seconds=0.3) as generator:
        began = time.monotonic()
        assert "had not answered after 0.3 s" in one(generator).fault
        assert time.monotonic() - began < 2


def test_no_more_requests_are_under_way_than_allowed():
    server = EndpointServer(parrot, seconds=0.01)
    with asking(server, concurrency=3) as generator:
        rg.evaluate(echo_env(10), generator, n=4, sampling=SAMPLING)
        assert server.most == 3
        prompts = [rg.GenerationRequest(messages=task.prompt, seed=1) for task in echo_tasks(8)]
        groups = dict(generator.generate(prompts, 4, SAMPLING))
        assert server.most == 3
    assert {index: len(group) for index, group in groups.items()} == dict.fromkeys(range(8), 4)


def test_the_wait_that_the_server_asks_for_is_kept():
    server = EndpointServer(parrot, lambda body, attempt: None if attempt else Mishap.TOO_MANY)
    with asking(server) as generator:
        began = time.monotonic()
        assert not one(generator).failed
        assert time.monotonic() - began >= 0.2


def test_every_sample_is_a_request_of_its_own_with_a_seed_of_its_own():
    server = EndpointServer(parrot)
    with asking(server) as generator:
        rg.evaluate(echo_env(3), generator, n=4, sampling=SAMPLING, seed=9)
    assert len({body["seed"] for body in server.bodies}) == 12
    seeds = {derive_seed(derive_seed(derive_seed("evaluate", 9), "t1"), s) % 2**31 for s in range(4)}
    assert seeds == {b["seed"] for b in server.bodies if b["messages"][0]["content"] == "say 1"}
    expected = {"model": "parrot", "temperature": 0.6, "top_p": 1.0, "max_tokens": 16}
    assert all(expected.items() <= body.items() for body in server.bodies)
    assert not any({"n", "top_k"} & body.keys() for body in server.bodies)


def test_a_cut_off_top_k_is_sent_because_servers_cannot_guess_it():
    server = EndpointServer(parrot)
    with asking(server) as generator:
        one(generator, rg.SamplingParams(top_k=20))
    assert server.bodies[0]["top_k"] == 20


@pytest.mark.parametrize(
    ("fields", "text", "reason", "tokens"),
    [
        ({"content": "a b c"}, "a b c", "stop", 3),
        ({"content": "a b", "finish_reason": "length"}, "a b", "length", 2),
        ({"content": "a", "finish_reason": "eos_token"}, "a", "stop", 1),
        ({"content": "a", "usage": None}, "a", "stop", None),
    ],
)
def test_replies_are_read_as_the_server_means_them(fields, text, reason, tokens):
    with asking(EndpointServer(lambda body: fields)) as generator:
        completion = one(generator)
    assert (completion.text, completion.finish_reason) == (text, reason)
    assert completion.usage is not None
    assert completion.usage.completion_tokens == tokens


def test_tokens_that_nobody_counted_are_unknown_and_not_none():
    with asking(EndpointServer(lambda body: {"content": "say 0", "usage": None})) as generator:
        result = rg.evaluate(echo_env(1), generator, n=2, sampling=SAMPLING)
    assert [sample.completion_tokens for sample in result.samples] == [None, None]
    assert result.mean_completion_tokens is None


def test_a_completion_that_the_server_withholds_is_unscored():
    with asking(EndpointServer(lambda body: {"content": "", "finish_reason": "content_filter"})) as generator:
        assert one(generator).fault == "the server withheld the completion: content_filter"


def test_one_prompt_that_the_server_cannot_take_does_not_end_the_others():
    say = lambda body: (  # noqa: E731
        {"status": 400, "message": "this model's maximum context length is 8 tokens"}
        if body["messages"][0]["content"] == "say 3"
        else body["messages"][0]["content"]
    )
    server = EndpointServer(say)
    with asking(server) as generator:
        result = rg.evaluate(echo_env(10), generator, n=2, sampling=SAMPLING)
    assert result.unscored == 2
    assert result.fault == f"{server.url} answered 400: this model's maximum context length is 8 tokens"
    assert len(server.bodies) == 20


def test_a_prompt_of_many_samples_that_the_server_cannot_take_does_not_end_the_others():
    say = lambda body: (  # noqa: E731
        {"status": 400, "message": "too long"}
        if body["messages"][0]["content"] == "say 3"
        else body["messages"][0]["content"]
    )
    with asking(EndpointServer(say)) as generator:
        result = rg.evaluate(echo_env(10), generator, n=80, sampling=SAMPLING)
    assert (result.unscored, result.avg_at_n.value) == (80, 1.0)


def test_a_server_that_wants_the_newer_name_of_the_budget_gets_it():
    def say(body: Body) -> str | dict[str, Any]:
        if "max_tokens" in body:
            return {"status": 400, "message": "Unsupported parameter: use 'max_completion_tokens' instead."}
        return f"budget {body['max_completion_tokens']}"

    with asking(EndpointServer(say)) as generator:
        assert one(generator).text == "budget 16"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"answered 401 with the key that was given: bad key \*\*\*"),
        (404, r"answered 404 to model 'parrot' \(most addresses end in /v1\): bad key \*\*\*"),
    ],
)
def test_what_no_request_survives_ends_the_evaluation_and_never_shows_the_key(tmp_path, status, message):
    server = EndpointServer(lambda body: {"status": status, "message": "bad key sk-secret"})
    with asking(server, api_key="sk-secret") as generator, pytest.raises(rg.ConfigError, match=message):
        rg.evaluate(echo_env(4), generator, n=4, sampling=SAMPLING, run_dir=tmp_path)
    assert server.keys == {"Bearer sk-secret"}
    assert not any(b"sk-secret" in path.read_bytes() for path in tmp_path.iterdir())


def test_nobody_at_the_address_is_found_out_before_anything_else():
    generator = EndpointGenerator(NOBODY, "parrot")
    with pytest.raises(
        rg.ConfigError, match=r"no answer from http://127\.0\.0\.1:9/v1: ConnectError.*end in /v1"
    ):
        generator.check()
    generator.close()


def test_a_server_that_went_away_ends_the_evaluation_long_before_every_sample_has_failed(tmp_path: Path):
    generator = EndpointGenerator(NOBODY, "parrot", tries=2, backoff_seconds=0.001, concurrency=4)
    with pytest.raises(
        rg.TooManyUnscored, match=r"the last \d+ samples could not be had.*no answer from.*2 tries"
    ):
        rg.evaluate(echo_env(500), generator, n=8, sampling=SAMPLING, run_dir=tmp_path)
    # Those that were had in one moment with the 64th are kept too.
    assert 64 <= len(read_samples(tmp_path / "samples.jsonl")) <= 64 + 32
    generator.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:8000/v1", "an endpoint looks like http://localhost:8000/v1, not 'localhost:8000/v1'"),
        ("ftp://host/v1", "an endpoint looks like"),
        ("http://me:secret@host/v1", "leave user and password out"),
    ],
)
def test_an_address_that_cannot_work_is_refused(url: str, message: str):
    with pytest.raises(rg.ConfigError, match=message):
        EndpointGenerator(url, "parrot")


class Twice(rg.Environment):
    def respond(self, task, replies):
        return "again" if len(replies) < 2 else None


def test_a_conversation_goes_on_and_its_tokens_are_added_up():
    server = EndpointServer(lambda body: body["messages"][0]["content"])
    env = Twice(echo_tasks(3), rg.FunctionVerifier(same_text), max_turns=2)
    with asking(server) as generator:
        result = rg.evaluate(env, generator, n=2, sampling=SAMPLING)
    assert result.avg_at_n.value == 1.0
    assert {sample.completion_tokens for sample in result.samples} == {4}
    assert {sample.prompt_tokens for sample in result.samples} == {7}
    later = [body["messages"] for body in server.bodies if len(body["messages"]) > 1]
    assert len(later) == 6
    assert [(m["role"], m["content"]) for m in later[0][1:]] == [
        ("assistant", later[0][0]["content"]),
        ("user", "again"),
    ]


def test_a_conversation_whose_second_turn_fails_is_unscored_and_not_judged_by_its_first():
    say: Callable[[Body], str | dict[str, Any]] = lambda body: (  # noqa: E731
        "say 0" if len(body["messages"]) == 1 else {"status": 400, "message": "too long"}
    )
    env = Twice(echo_tasks(1), rg.FunctionVerifier(same_text), max_turns=2)
    with asking(EndpointServer(say)) as generator:
        result = rg.evaluate(env, generator, n=1, sampling=SAMPLING, max_unscored_share=1.0)
    (sample,) = result.samples
    assert (sample.verdict.outcome, sample.completion) == (rg.Outcome.UNSCORED, "")
    assert [message.content for message in sample.conversation] == ["say 0", "again"]


def test_a_sample_is_kept_as_soon_as_it_is_judged_whatever_the_others_do(tmp_path: Path):
    """Also with one slow request in flight: nothing waits for it but itself."""
    say = lambda body: body["messages"][0]["content"]  # noqa: E731
    server = EndpointServer(say, lambda body, _: Mishap.LATE if say(body) == "say 0" else None)
    file = tmp_path / "samples.jsonl"
    with (
        asking(server, timeout_seconds=60, concurrency=2, tries=1) as generator,
        ThreadPoolExecutor(1) as thread,
    ):
        done = thread.submit(rg.evaluate, echo_env(30), generator, n=1, sampling=SAMPLING, run_dir=tmp_path)
        while not done.done() and (not file.exists() or len(read_samples(file)) < 29):
            time.sleep(0.01)
        assert not done.done()
        server.stopping.set()
        assert done.result().unscored == 1
    assert json.loads(file.read_text().splitlines()[-1])["task"] == "t0"


def test_one_sample_is_the_same_whether_drawn_alone_or_with_others():
    one_by_one = rg.evaluate(echo_env(5), ScriptedGenerator(coin(0.5), concurrency=4), n=4, sampling=SAMPLING)
    together = rg.evaluate(echo_env(5), ScriptedGenerator(coin(0.5)), n=4, sampling=SAMPLING)
    assert without_time(list(one_by_one.samples)) == without_time(list(together.samples))


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["eval", *arguments])
    said = capsys.readouterr()
    return int(exited.value.code or 0), said.out, said.err


def test_the_command_asks_an_endpoint_with_the_key_that_a_variable_holds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARROT_KEY", "sk-1")
    server = EndpointServer(lambda body: "\\boxed{7}")
    with server:
        code, out, err = command(
            capsys, "arithmetic", "--endpoint", server.url, "--model", "org/parrot", "--api-key-env", "PARROT_KEY",
            "--limit", "5", "--n", "2", "env.digits=1",
        )  # fmt: skip
    assert code == 0, err
    assert "rlvr/Arithmetic-v0, org/parrot: 5 tasks x 2 samples" in " ".join(out.split())
    assert server.keys == {"Bearer sk-1"}
    assert {body["model"] for body in server.bodies} == {"org/parrot"}
    folder = tmp_path / "runs" / "eval-arithmetic-parrot"
    assert f"endpoint: {server.url}" in (folder / "config.yaml").read_text()
    assert len(read_samples(folder / "samples.jsonl")) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--endpoint", NOBODY], "which model? give model.path=FOLDER"),
        (["--endpoint", NOBODY, "--model", "x"], "no answer from http://127.0.0.1:9/v1"),
        (["--endpoint", NOBODY, "--model", "x", "model.dtype=float32"], "leave model.dtype out"),
        (
            ["--endpoint", NOBODY, "--model", "x", "--api-key-env", "NO_SUCH"],
            "names NO_SUCH, and there is nothing",
        ),
        (["--model", "tiny", "--api-key-env", "HOME"], "--api-key-env is for an endpoint"),
        (["--model", "tiny", "model.path=tiny"], "the model is named twice"),
    ],
)
def test_what_cannot_work_with_an_endpoint_is_said_first(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    code, _, err = command(capsys, "arithmetic", "--limit", "2", *arguments)
    assert code == 2
    assert message in err
    assert not list(tmp_path.rglob("samples.jsonl"))
