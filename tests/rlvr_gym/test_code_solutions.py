"""Solutions are run when tasks load, and their results are remembered."""

import json
import logging
import threading

import pytest

from rlvr_gym.verifiers.code import solutions
from rlvr_gym.verifiers.code.remembered import Remembered, cache_folder
from rlvr_gym.verifiers.code.solutions import PASSES, Answer, refused

pytestmark = pytest.mark.usefixtures("runs_programs")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RLVR_CACHE", str(tmp_path))
    return tmp_path


def asking(answers):
    """A function that says what came of a solution, and the list of those it was asked about."""
    asked = []

    def ask(id):
        asked.append(id)
        said = answers[id]
        return said.pop(0) if isinstance(said, list) else said

    return ask, asked


def test_what_came_of_a_solution_is_asked_once():
    ask, asked = asking({"a": Answer(reason=PASSES), "b": Answer(reason="it is wrong")})
    for _ in range(3):
        assert refused({"a": "1", "b": "2"}, ask) == {"b": "it is wrong"}
    assert sorted(asked) == ["a", "b"]


def test_a_task_that_changed_is_asked_about_anew_and_no_other():
    ask, asked = asking({"a": Answer(reason=PASSES), "b": [Answer(reason="wrong"), Answer(reason=PASSES)]})
    assert refused({"a": "1", "b": "2"}, ask) == {"b": "wrong"}
    assert refused({"a": "1", "b": "3"}, ask) == {}
    assert sorted(asked) == ["a", "b", "b"]


def test_a_solution_that_was_late_beside_others_is_run_once_more_alone():
    late = Answer(reason="out of time", late=True)
    ask, asked = asking(
        {"slow": [late, Answer(reason=PASSES)], "endless": late, "quick": Answer(reason=PASSES)}
    )
    assert refused({id: id for id in ("slow", "endless", "quick")}, ask) == {"endless": "out of time"}
    assert sorted(asked) == ["endless", "endless", "quick", "slow", "slow"]


def test_a_task_on_which_the_sandbox_failed_is_kept_and_not_remembered():
    ask, asked = asking({"a": [Answer(reason=None), Answer(reason="wrong")]})
    assert refused({"a": "1"}, ask) == {}
    assert refused({"a": "1"}, ask) == {"a": "wrong"}
    assert asked == ["a", "a"]


def test_another_backend_is_another_sandbox(monkeypatch):
    ask, asked = asking({"a": Answer(reason=PASSES)})
    refused({"a": "1"}, ask)
    monkeypatch.setenv("RLVR_SANDBOX", "nosuch")
    assert refused({"a": "2"}, ask) == {}
    assert asked == ["a"]


def test_what_was_learnt_is_kept_when_a_later_solution_breaks_off_the_loading():
    ask, asked = asking({"a": Answer(reason="wrong")})
    assert refused({"a": "1"}, ask) == {"a": "wrong"}

    def interrupted(id):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refused({"a": "1", "b": "2"}, interrupted)
    assert refused({"a": "1"}, ask) == {"a": "wrong"}
    assert asked == ["a"]
    with pytest.raises(KeyboardInterrupt), Remembered.of("s").written_at_the_end():
        raise KeyboardInterrupt


def test_progress_is_told_when_it_takes_long(monkeypatch, caplog):
    monkeypatch.setattr(solutions, "_FIRST_WORD_SECONDS", 0.0)
    ask, _ = asking(dict.fromkeys("abc", Answer(reason=PASSES)))
    with caplog.at_level(logging.WARNING):
        refused({id: id for id in "abc"}, ask)
    assert len(caplog.messages) == 1  # the next word is due ten seconds later
    assert caplog.messages[0].startswith("running the tasks' own solutions: 1 of 3 after 0 s")


@pytest.mark.parametrize("content", ["", "{torn", "[]", '{"a": 1}', "\x00", "[" * 100_000, '{"a": "b"'])
def test_a_file_that_is_none_is_taken_for_an_empty_one_and_replaced(cache, content):
    with Remembered.of("s").written_at_the_end():
        pass
    (file,) = (cache / "solutions").iterdir()
    file.write_text(content)
    kept = Remembered.of("s")
    assert kept.reasons == {}
    with kept.written_at_the_end():
        kept.reasons["key"] = "why"
    assert json.loads(file.read_text()) == {"key": "why"} == Remembered.of("s").reasons


def test_a_file_that_is_not_text_is_taken_for_an_empty_one(cache):
    with Remembered.of("s").written_at_the_end():
        pass
    (file,) = (cache / "solutions").iterdir()
    file.write_bytes(b"\xff\xfe\x00")
    assert Remembered.of("s").reasons == {}


def test_writers_at_the_same_time_leave_a_whole_file_and_nothing_else(cache):
    whole = dict.fromkeys(map(str, range(2000)), "x" * 50)

    def write(name):
        for _ in range(20):
            kept = Remembered.of("s")
            assert not kept.reasons or kept.reasons.items() >= whole.items()
            with kept.written_at_the_end():
                kept.reasons |= {**whole, name: "mine"}

    failed = []

    def run(name):
        try:
            write(name)
        except BaseException as error:  # noqa: BLE001 - a thread's failure must become the test's
            failed.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    (file,) = (cache / "solutions").iterdir()
    assert json.loads(file.read_text()).items() >= whole.items()


def test_two_writers_in_turn_keep_what_the_other_wrote():
    one, other = Remembered.of("s"), Remembered.of("s")
    for kept, name in ((one, "one"), (other, "other")):
        with kept.written_at_the_end():
            kept.reasons[name] = "why"
    assert Remembered.of("s").reasons == {"one": "why", "other": "why"}
    assert Remembered.of("another sandbox").reasons == {}


def test_a_folder_that_cannot_be_made_only_means_that_nothing_is_remembered(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RLVR_CACHE", str(tmp_path / "file" / "below"))
    ask, asked = asking({"a": Answer(reason="wrong")})
    assert refused({"a": "1"}, ask) == refused({"a": "1"}, ask) == {"a": "wrong"}
    assert asked == ["a", "a"]


def test_a_sandbox_that_nobody_can_name_has_no_file(cache):
    with Remembered.of(None).written_at_the_end():
        pass
    assert not (cache / "solutions").exists()


def test_the_folder_is_the_one_that_is_asked_for_else_the_users_cache(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path
    monkeypatch.delenv("RLVR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert str(cache_folder()) == "/caches/rlvr-gym"
