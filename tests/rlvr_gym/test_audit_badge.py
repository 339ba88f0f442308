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
    (package / "__init__.py").write_text("import json\njson.loads = None\n")
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


def write(package, files):
    for name, content in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


FAMILY = {
    "__init__.py": "from badgetest.family.fixed import fixed\n__all__ = ['fixed']\n",
    "family/__init__.py": "",
    "family/fixed.py": "from ..shared import near\n" + MODULE,
    "shared/__init__.py": "",
    "shared/near.py": "def read():\n    import badgetest.shared.far as far\n    return far\n",
    "shared/far.py": "",
    "family/other.py": "",
}


@pytest.fixture
def in_a_family(package):
    write(package, FAMILY)
    rg.make("badgetest.family.fixed:badgetest/Fixed-v0")
    badges.record(report())
    assert badges.badge(ID) is not None
    return package


@pytest.mark.parametrize(
    "changed",
    [
        {"family/other.py": "VALUE = 1\n"},
        {"family/new.py": "VALUE = 1\n"},
        {
            "__init__.py": "from badgetest.family import other\n" + FAMILY["__init__.py"],
            "family/other.py": "VALUE = 1\n",
        },
    ],
)
def test_a_badge_outlives_changes_to_environments_beside_its_own(in_a_family, changed):
    write(in_a_family, changed)
    assert badges.badge(ID) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"family/fixed.py": FAMILY["family/fixed.py"] + "\n"},
        {"shared/near.py": FAMILY["shared/near.py"] + "\n"},
        {"shared/far.py": "VALUE = 1\n"},
        {"shared/__init__.py": "print('imported')\n"},
        {"family/fixed/__init__.py": MODULE},
    ],
)
def test_a_badge_is_lost_with_a_change_to_anything_that_its_environment_imports(in_a_family, changed):
    write(in_a_family, changed)
    assert badges.badge(ID) is None


@pytest.mark.parametrize(
    "start",
    [
        {"__init__.py": "from badgetest.family import other\nother.patch = 1\n"},
        {"__init__.py": "from .family.other import *\n"},
        {"__init__.py": "if True:\n    from badgetest.family import other\n"},
        {"family/fixed.py": "import importlib\nimportlib.import_module('badgetest.family.other')\n" + MODULE},
        {"family/fixed.py": MODULE + "\n\ndef around(tasks):\n    return rg.make(tasks)\n"},
        {"family/fixed.py": "import badgetest\n" + MODULE, "__init__.py": "from .family import other\n"},
        {
            "family/fixed.py": "from badgetest import offered\n" + MODULE,
            "__init__.py": "from badgetest.family import other as offered\n",
        },
    ],
    ids=[
        "used outside",
        "star",
        "on a condition",
        "by name",
        "made by name",
        "whole package",
        "through the package",
    ],
)
def test_a_badge_is_lost_with_a_change_that_reaches_its_environment_another_way(package, start):
    write(package, {**FAMILY, **start})
    rg.make("badgetest.family.fixed:badgetest/Fixed-v0")
    badges.record(report())
    assert badges.badge(ID) is not None
    write(package, {"family/other.py": "VALUE = 1\n"})
    assert badges.badge(ID) is None


def test_one_bundled_environment_uses_no_other_and_each_its_own_module():
    used = {
        id: badges.code_used(badges._module(id), bundled())
        for id in registry.list_environments()
        if badges._package(id) == "rlvr_envs"
    }
    assert all({badges._module(id), "__init__.py"} & {*names} for id, names in used.items())
    assert "rlvr_envs.code.mbpp" not in used["rlvr/GSM8K-v0"]
    assert "code/mbpp.py" in used["rlvr/Repair-v0"]  # its option names another environment
    assert "rlvr_envs.math.expressions" in used["rlvr/Countdown-v0"]


def bundled():
    folder = badges._folder("rlvr/GSM8K-v0")
    assert folder is not None
    return badges.Package(name="rlvr_envs", folder=folder)
