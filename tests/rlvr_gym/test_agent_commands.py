"""Agents that are commands, in the sandbox."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import rlvr_gym as rg
from tests.rlvr_gym.agent_play import TASK, echo, env_of, played, sampled, speak

ASK = """
import json, os, sys, urllib.request

def ask(*messages, **body):
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        json.dumps({"messages": [*messages], **body}).encode(),
        {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]

def user(text):
    return {"role": "user", "content": text}
"""


def command(source: str, *, memory_bytes: int = 1 << 30) -> rg.AgentCommand:
    return rg.AgentCommand(
        command=("python3", "agent.py"),
        files={"agent.py": source, "lib/asking.py": ASK},
        memory_bytes=memory_bytes,
    )


def asking(source: str) -> rg.AgentCommand:
    return command(f"import sys\nsys.path.insert(0, 'lib')\nfrom asking import ask, user\n{source}")


def test_a_command_asks_the_policy_and_its_output_is_judged():
    agent = asking(
        "first = ask(user('one'))\n"
        "print(ask(user('one'), {'role': 'assistant', 'content': first}, user('42')))"
    )
    rollout = played(agent)
    assert rollout.verdict.correct
    assert not rollout.further
    assert len(sampled(rollout)) == 2


def test_a_command_is_told_its_task_and_not_the_answer():
    agent = command(
        "import json, sys\n"
        "task = json.load(open('task.json'))\n"
        "print(sys.stdin.read(), task['id'], task['prompt'][0]['content'], sorted(task))"
    )
    told = played(agent).text
    assert told == f"{TASK.text} t {TASK.text} ['id', 'metadata', 'prompt']"


def test_a_command_in_any_language_will_do():
    agent = rg.AgentCommand(command=("sh", "-c", "cat > /dev/null; echo 42"))
    assert played(agent).verdict.correct


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise SystemExit(3)", "status 3"),
        ("1 / 0", "ZeroDivisionError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
        ("while True: print('x' * 10000)", "more than an answer may have"),
        ("b = bytearray(3 << 30); b[:] = b'x' * len(b)", "it ended with"),
        ("import os\ntry:\n    while True: os.fork()\nexcept OSError:\n    raise SystemExit(5)", "status 5"),
    ],
)
def test_a_command_that_dies_has_given_no_answer(source: str, said: str):
    rollout = played(command(source, memory_bytes=256 << 20))
    assert rollout.verdict.outcome is rg.Outcome.MALFORMED
    assert said in rollout.verdict.detail


def test_a_command_that_hangs_has_timed_out_and_ends_with_all_that_it_started():
    agent = command("import os, time\nos.fork()\nos.setsid()\ntime.sleep(31.4159)")
    began = time.monotonic()
    rollout = played(agent, seconds=3.0)
    assert rollout.verdict.outcome is rg.Outcome.TIMEOUT
    assert time.monotonic() - began < 20
    deadline = time.monotonic() + 10
    while _running("agent.py") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _running("agent.py")


def test_a_command_reaches_nothing_but_its_own_session():
    agent = command(
        "import os, socket\n"
        "found = []\n"
        "for address in (('127.0.0.1', 22), ('1.1.1.1', 53), ('169.254.169.254', 80)):\n"
        "    try:\n"
        "        socket.create_connection(address, timeout=2)\n"
        "        found.append(address)\n"
        "    except OSError:\n"
        "        pass\n"
        "for path in ('/proc/1/fd', '/proc/1/environ', '/root', '/home', '/opt/rlvr/reach'):\n"
        "    try:\n"
        "        found.append((path, os.listdir(path) if os.path.isdir(path) else open(path).read()))\n"
        "    except OSError:\n"
        "        pass\n"
        "try:\n"
        "    open('/usr/written', 'w')\n"
        "    found.append('written')\n"
        "except OSError:\n"
        "    pass\n"
        "print([one for one in found if one != ('/opt/rlvr/reach', ['socket'])])"
    )
    assert played(agent).text == "[]"


def test_a_command_that_does_not_exist_is_our_fault():
    rollout = played(rg.AgentCommand(command=("no-such-agent",)))
    assert rollout.verdict.outcome is rg.Outcome.UNSCORED
    assert "cannot run no-such-agent" in rollout.verdict.detail


def test_commands_run_side_by_side():
    tasks = [rg.Task(id=str(n), prompt=f"say {n}", reference=f"say {n}") for n in range(3)]
    agent = asking("print(ask(user(sys.stdin.read())))")
    groups = rg.rollout(
        env_of(agent, tasks=tasks), speak(echo), tasks, rg.SamplingParams(max_tokens=50), group_size=2, seed=0
    )
    assert all(one.verdict.correct for group in groups for one in group)


def test_a_command_is_one_or_more_words():
    for words in ((), "python3 agent.py"):
        with pytest.raises(rg.ConfigError, match="one or more words"):
            rg.AgentCommand(command=words)  # pyright: ignore[reportArgumentType]


def _running(name: str) -> bool:
    """Return whether a process of the sandbox runs a file of that name."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            if words[-2:-1] == [name.encode()] and b"OPENAI_BASE_URL=http://127.0.0.1:8000" in environment:
                return True
    return False
