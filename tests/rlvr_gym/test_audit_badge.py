"""A badge is shown while the code that was audited is the code that there is, and never after."""

import json
import sys

import gymnasium
import pytest

import rlvr_gym as rg
from rlvr_gym import registry
from rlvr_gym.audit import badge as badges
from rlvr_gym.audit.report import AuditReport, Failure, FamilyResult, Rate
from rlvr_gym.cli.main import main

MODULE = """
import rlvr_gym as rg

@rg.register("badgetest/Fixed-v0")
def fixed() -> rg.Environment:
    task = rg.Task(id="life", prompt="6 * 7?", reference="42")
    return rg.Environment(rg.TaskSet.from_tasks([task], name="fixed"), rg.verifiers.Exact("boxed"))
"""
ID = "badgetest/Fixed-v0"


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "badgetest"
    folder.mkdir()
    (folder / "__init__.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    badges._code_hash.cache_clear()
    yield folder
    badges._code_hash.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "badgetest"]:
        del sys.modules[name]
    gymnasium.registry.pop(ID, None)
    registry._cards.pop(ID, None)


def report(failures=None):
    rate = Rate.of_trials(len(failures or ()), 200)
    family = FamilyResult(
        name="hedges",
        about="",
        attacks=200,
        left_out=0,
        false_positives=rate,
        false_negatives=None,
        paid=0.0,
        failures=failures or {},
        examples=(),
    )
    return AuditReport(
        environment=ID, options={}, tasks=5, tasks_fingerprint="f", families=(family,), untried=()
    )


def test_a_kept_badge_is_shown_beside_the_environment(package, monkeypatch, capsys):
    rg.make("badgetest:badgetest/Fixed-v0")
    assert badges.badge(ID) is None
    assert badges.record(report()) == package / "audits.json"
    badge = badges.badge(ID)
    assert badge is not None
    assert str(badge) == "200 attacks on 5 tasks, false positives 0 of 200 (0.0% to 1.9%)"
    for arguments in ([], [ID]):
        with pytest.raises(SystemExit):
            main(["envs", *arguments])
        assert "✓" in next(
            line for line in capsys.readouterr().out.splitlines() if "fixed ✓" in line or "audited:" in line
        )


def test_no_badge_is_shown_once_the_code_has_changed(package):
    rg.make("badgetest:badgetest/Fixed-v0")
    badges.record(report())
    (package / "__init__.py").write_text(MODULE + "\n# changed\n")
    badges._code_hash.cache_clear()
    assert badges.badge(ID) is None


def test_a_badge_outlives_what_is_not_code(package):
    rg.make("badgetest:badgetest/Fixed-v0")
    badges.record(report())
    (package / "__pycache__").mkdir(exist_ok=True)
    (package / "__pycache__" / "other.cpython-311.pyc").write_bytes(b"cached")
    (package / "tasks.jsonl").write_text("{}\n")
    badges._code_hash.cache_clear()
    assert badges.badge(ID) is not None


def test_recording_is_deterministic_and_keeps_the_badges_of_others(package):
    rg.make("badgetest:badgetest/Fixed-v0")
    path = badges.record(report())
    first = path.read_bytes()
    rows = json.loads(first)
    path.write_text(json.dumps({"another/Env-v0": rows[ID], **rows}))
    badges.record(report())
    assert set(json.loads(path.read_text())) == {ID, "another/Env-v0"}
    path.unlink()
    assert badges.record(report()).read_bytes() == first


@pytest.mark.parametrize("file", ["family/fixed.py", "family/deeper/fixed.py"])
def test_an_environment_in_a_folder_of_its_package_has_its_badge_with_the_package(package, file):
    module = package / file
    module.parent.mkdir(parents=True)
    for folder in (package / "family", module.parent):
        (folder / "__init__.py").write_text("")
    module.write_text(MODULE)
    (package / "__init__.py").write_text("")
    rg.make(f"badgetest.{file.removesuffix('.py').replace('/', '.')}:badgetest/Fixed-v0")
    assert badges.record(report()) == package / "audits.json"
    assert badges.badge(ID) is not None
    (package / "__init__.py").write_text("# changed\n")
    badges._code_hash.cache_clear()
    assert badges.badge(ID) is None


def test_a_package_within_a_namespace_keeps_its_own_badges(package):
    inner = package / "inner"
    inner.mkdir()
    (package / "__init__.py").rename(inner / "__init__.py")
    rg.make("badgetest.inner:badgetest/Fixed-v0")
    assert badges.record(report()) == inner / "audits.json"
    assert badges.badge(ID) is not None
    (inner / "__init__.py").write_text(MODULE + "\n# changed\n")
    badges._code_hash.cache_clear()
    assert badges.badge(ID) is None


def test_an_unsound_verifier_earns_no_badge(package):
    rg.make("badgetest:badgetest/Fixed-v0")
    with pytest.raises(rg.ConfigError, match="earns no badge: 1 x false positive"):
        badges.record(report({Failure.FALSE_POSITIVE: 1}))
    assert not (package / "audits.json").exists()


def test_a_broken_file_of_badges_is_no_badge(package):
    rg.make("badgetest:badgetest/Fixed-v0")
    (package / "audits.json").write_text("{")
    assert badges.badge(ID) is None
