"""A hub that is not reached is said at once, and what is stored here is used all the same."""

import contextlib
import http.server
import importlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from huggingface_hub import constants

import rlvr_gym as rg
from rlvr_gym import hub
from rlvr_gym.cli.main import main
from rlvr_gym.environments.suites import find_suite
from rlvr_gym.errors import HubUnreached
from rlvr_gym.hub import reaching
from rlvr_gym.rows import hub_rows

SECONDS = 15.0
"""One answer's time limit and some work; the hub's client would retry for some 25 s, for each set."""

RUN = "from rlvr_gym.cli.main import main; main()"


@pytest.fixture(autouse=True)
def _no_proxy_and_nothing_stored(monkeypatch, tmp_path):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    datasets = importlib.import_module("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)


@contextlib.contextmanager
def listening():
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def closed() -> str:
    """An address that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    began = time.monotonic()
    with pytest.raises(SystemExit) as exited:
        main(["eval", *arguments, "model.path=tiny", "--limit", "2"])
    said = capsys.readouterr()
    assert (exited.value.code, said.out) == (2, "")
    assert time.monotonic() - began < SECONDS
    return said.err


def test_a_suite_whose_hub_refuses_names_every_member_and_how_to_give_its_data(monkeypatch, capsys):
    endpoint = closed()
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    said = refusal(capsys, "suite=math")
    assert f"the hub at {endpoint} is not reached (Connection refused)" in said
    for name in find_suite("math").members:
        assert f"{name}.data=PATH" in said
    assert said.count("is not reached") == 1
    assert not Path("runs").exists()


def test_a_suite_whose_hub_never_answers_waits_once(monkeypatch, capsys):
    monkeypatch.setattr(reaching, "ANSWER_SECONDS", 0.5)
    with listening() as endpoint:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        assert "is not reached (" in refusal(capsys, "suite=math")


def test_other_troubles_of_a_suite_are_said_beside_its_hub(monkeypatch, capsys):
    monkeypatch.setattr(constants, "ENDPOINT", closed())
    said = refusal(capsys, "suite=math", "math500.data=nothing.jsonl")
    assert "math500: cannot read tasks from nothing.jsonl" in said
    assert "gsm8k.data=PATH" in said
    assert "math500.data=PATH" not in said


@pytest.mark.parametrize(("name", "split"), [("gsm8k", "test"), ("bigcodebench", "v0.1.4")])
def test_one_set_whose_hub_refuses_is_one_line(monkeypatch, capsys, name, split):
    monkeypatch.setattr(constants, "ENDPOINT", closed())
    said = refusal(capsys, name)
    assert said.count("\n") == 1
    assert f"(split '{split}'): the hub at " in said
    assert "works with data=PATH" in said


def test_a_hub_that_its_user_turned_off_is_named_so(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreached, match="HF_HUB_OFFLINE is set"):
        next(hub_rows("someone/set", None, "test"))


def test_what_was_stored_is_read_while_the_hub_is_not_reached(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "ENDPOINT", closed())
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "test.jsonl").write_text('{"prompt": "1?", "answer": 1}\n')
    read = [row for _, row in hub_rows(str(tmp_path / "set"), None, "test")]
    # As the hub's client stores a set: by its name, and then by its contents.
    (stored,) = (path.parent for path in (tmp_path / "cache").rglob("dataset_info.json"))
    kept = tmp_path / "cache" / "someone___set" / "default" / "0.0.0" / "0123456789abcdef"
    kept.parent.mkdir(parents=True)
    stored.rename(kept)
    for path in kept.glob("*-test.arrow"):
        path.rename(kept / "set-test.arrow")
    assert (
        [row for _, row in hub_rows("someone/set", None, "test")] == read == [{"prompt": "1?", "answer": 1}]
    )


def test_the_settings_of_the_hubs_client_are_the_users_afterwards(monkeypatch):
    datasets = importlib.import_module("datasets")
    monkeypatch.setattr(constants, "ENDPOINT", closed())
    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    with hub.stored_if_unreached() as why:
        assert why
        assert constants.HF_HUB_OFFLINE
        assert datasets.config.HF_HUB_OFFLINE
    assert before == (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE)


class _Busy(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(503)

    def log_message(self, format, *args): ...


class _Forbidding(_Busy):
    def do_HEAD(self):
        self.send_error(403)


def test_a_hub_that_answers_is_reached_whatever_it_says(monkeypatch):
    with http.server.HTTPServer(("127.0.0.1", 0), _Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        assert hub.unreached() is None
        server.shutdown()


def test_a_hub_that_answers_and_gives_nothing_is_said_of_a_suite_once():
    with http.server.HTTPServer(("127.0.0.1", 0), _Forbidding) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # The hub's client reads its address once, when it is imported.
        ended = subprocess.run(
            [sys.executable, "-c", RUN, "eval", "suite=math", "model.path=tiny"],
            env={**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        server.shutdown()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert "olympiadbench.data=PATH" in ended.stderr


def test_a_model_whose_hub_refuses_is_said_at_once(monkeypatch, capsys):
    monkeypatch.setattr(constants, "ENDPOINT", closed())
    began = time.monotonic()
    with pytest.raises(rg.ConfigError, match="no model 'someone/model'"):
        rg.load_model("someone/model")
    assert time.monotonic() - began < SECONDS


def test_behind_a_proxy_only_the_hubs_client_can_tell(monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", closed())
    assert hub.unreached()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert hub.unreached() is None


def test_a_set_whose_splits_are_releases_is_evaluated_in_its_own_default():
    from rlvr_gym.cli.settings import make_environment

    assert make_environment("bigcodebench", []).tasks.split == "v0.1.4"
    assert make_environment("gsm8k", []).tasks.split == "test"
    assert make_environment("humaneval", []).tasks.split == "test"
    assert rg.make("gsm8k").tasks.split == "train"
