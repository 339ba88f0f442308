"""`rlvr view`: the live report, as a browser and as an attacker meet it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rlvr_gym.cli.main import main
from rlvr_gym.files import append_lines
from tests.rlvr_gym import report_runs
from tests.rlvr_gym.browsers import chromium
from tests.rlvr_gym.report_pages import Page

pytest.importorskip("uvicorn", reason="`rlvr view` needs pip install 'rlvr-gym[view]'")
pytest.importorskip("starlette", reason="`rlvr view` needs pip install 'rlvr-gym[view]'")


@contextmanager
def viewing(*runs: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """`rlvr view` in a process of its own, and the port that it says."""
    command = "from rlvr_gym.cli.main import main; main()"
    server = subprocess.Popen(
        [sys.executable, "-c", command, "view", *map(str, runs), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert server.stdout
        said = server.stdout.readline()
        assert "http://127.0.0.1:" in said, said
        port = int(said.split("127.0.0.1:")[1].split("/")[0])
        _until_it_answers(port)
        yield port, server
    finally:
        if server.poll() is None:
            server.kill()
        server.communicate()


def _until_it_answers(port: int) -> None:
    for _ in range(300):
        try:
            ask(port, "/data.json")
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """A request with these headers and no others: the status, headers and text of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_runs.rich_training(tmp_path_factory.mktemp("view") / "grpo")


@pytest.fixture(scope="module")
def port(run: Path) -> Iterator[int]:
    with viewing(run) as (port, _):
        yield port


def test_the_page_is_the_report_and_may_ask_its_own_server_alone(port: int):
    status, headers, text = ask(port)
    assert status == 200
    assert "<title>rlvr report</title>" in text
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
    data = json.loads(ask(port, "/data.json")[2])
    assert [one["name"] for one in data["runs"]] == ["grpo"]
    assert "grpo" in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": "127.0.0.1:1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/data.json", "/events", "/nothing"])
def test_what_another_site_makes_a_browser_ask_is_refused(port: int, path: str, headers: dict[str, str]):
    status, _, text = ask(port, path, **{name: value.format(port=port) for name, value in headers.items()})
    assert status == 403
    assert "grpo" not in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_sent(port: int, method: str):
    assert ask(port, "/", method)[0] == 403


def test_its_own_page_is_let_in_by_both_of_its_names(port: int):
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}"):
        assert ask(port, "/data.json", Host=host)[0] == 200
    assert ask(port, "/data.json", Origin=f"http://localhost:{port}", Sec_Fetch_Site="same-origin")[0] == 200


def test_it_listens_on_this_machine_alone(port: int):
    listening = "0A"
    sockets = [
        line.split()[1:4]
        for family in ("tcp", "tcp6")
        for line in Path("/proc/net", family).read_text().splitlines()[1:]
    ]
    assert [own for own, _, state in sockets if own.endswith(f":{port:04X}") and state == listening] == [
        f"0100007F:{port:04X}"
    ]


def test_the_page_follows_a_run_and_keeps_what_was_chosen(tmp_path: Path):
    run = report_runs.rich_training(tmp_path / "grpo")
    with viewing(run) as (port, _), chromium() as browser:
        browser.get(f"http://127.0.0.1:{port}/#run=grpo&step=2&task=clips&sample=2")
        page = Page(browser)
        assert page.becomes(lambda: page.text("#live").startswith("live"))
        assert page.text("#count") == "24 of 24 samples"
        page.type("#filter", "answer = 1")
        assert page.selected == "How many clips did Natalia sell? step 2 · #2 · incorrect"
        new = [
            json.loads(line) | {"step": 7} for line in (run / "samples.jsonl").read_text().splitlines()[:4]
        ]
        append_lines(run / "samples.jsonl", new)
        append_lines(run / "metrics.jsonl", [{"step": 7, "reward/mean": 0.5}])
        assert page.becomes(lambda: page.text("#count") == "14 of 28 samples")
        assert page.selected == "How many clips did Natalia sell? step 2 · #2 · incorrect"
        assert page.find("#filter")[0].get_attribute("value") == "answer = 1"
        page.click("#show-summary")
        assert "7 of 20" in page.text("#summary")
        assert page.errors() == []


def test_a_run_without_a_step_is_waited_for_and_a_broken_line_is_said(tmp_path: Path):
    source = report_runs.training(tmp_path / "source")
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text((source / "config.yaml").read_text())
    with viewing(run) as (port, _), chromium() as browser:
        browser.get(f"http://127.0.0.1:{port}/")
        page = Page(browser)
        assert page.becomes(lambda: "no step of this run is finished yet" in page.text("#live"))
        (run / "metrics.jsonl").write_text((source / "metrics.jsonl").read_text())
        assert page.becomes(lambda: "dapo" in page.text("#summary"))
        with (run / "metrics.jsonl").open("a") as lines:
            lines.write("{broken\n")
        assert page.becomes(lambda: "line 14 is broken" in page.text("#live"))
        assert "dapo" in page.text("#summary")
        assert page.errors() == []


def test_it_only_reads_and_leaves_the_machine_to_the_run(tmp_path: Path):
    run = report_runs.training(tmp_path / "run")
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(tmp_path.rglob("*"))
        if path.is_file()
    }
    with viewing(run) as (port, server):
        ask(port)
        assert os.getpriority(os.PRIO_PROCESS, server.pid) == 19
    after = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(tmp_path.rglob("*"))
        if path.is_file()
    }
    assert before == after


def test_ctrl_c_ends_it_at_once_though_a_page_is_open(tmp_path: Path):
    with viewing(report_runs.training(tmp_path / "run")) as (port, server):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/events")
        assert connection.getresponse().readline() == b"event: changed\n"
        began = time.monotonic()
        server.send_signal(signal.SIGINT)
        said, _ = server.communicate(timeout=20)
        assert time.monotonic() - began < 10
        assert "Traceback" not in said
        assert said.strip() in ("", "interrupted")
        connection.close()


def test_what_cannot_be_viewed_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for arguments, said in (
        ([str(tmp_path / "none")], "is no folder"),
        ([str(tmp_path)], "holds no evaluation and no training run"),
        ([str(report_runs.training(tmp_path / "run"))] * 2, "a run is named twice"),
    ):
        with pytest.raises(SystemExit) as exited:
            main(["view", *arguments])
        assert exited.value.code == 2
        assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(port: int, run: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exited:
        main(["view", str(run), "--port", str(port)])
    assert exited.value.code == 2
    assert f"cannot serve at port {port}" in capsys.readouterr().err


def test_what_must_be_installed_is_said(run: Path):
    program = "import sys; sys.modules['starlette'] = None\nfrom rlvr_gym.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", program, "view", str(run), "--port", "0"], capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert "error: `rlvr view` needs starlette" in ran.stderr
    assert "[view]" in ran.stderr
    assert "http://" not in ran.stdout
