import sys
import types
from typing import Any

import gymnasium
import pytest
from gymnasium.envs import registration

import rlvr_gym as rg
from rlvr_gym import registry
from rlvr_gym.registry import discover, find, list_environments, make, options, register, short_name


@pytest.fixture
def clean_registry(monkeypatch):
    """Names registered by a test are gone after it."""
    monkeypatch.setattr(registry, "_cards", dict(registry._cards))
    monkeypatch.setattr(registration, "registry", dict(registration.registry))


def tasks():
    return rg.TaskSet.from_tasks([rg.Task(prompt="1?", reference="1")], name="ones")


def ones(size: int = 1, label: str = "x", name: str = "y"):
    return rg.Environment(tasks(), rg.FunctionVerifier(lambda task, completion: True))


def needs_data(data: str):
    return ones()


def not_an_environment() -> Any:
    return gymnasium.Env()


class OnesEnvironment(rg.Environment):
    def __init__(self, size: int = 1):
        super().__init__(tasks(), rg.FunctionVerifier(lambda task, completion: True))


def spec_of(env):
    assert env.spec is not None
    return env.spec


CARD = rg.EnvironmentCard(summary="Say one.", source="here", licence="none", answer="anything")


@pytest.fixture
def module(monkeypatch):
    """This file, importable by name as the module that its factories say they are from."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, types.ModuleType(__name__)))
    vars(sys.modules[__name__]).update(globals())


pytestmark = pytest.mark.usefixtures("clean_registry", "module")


def test_an_environment_is_made_by_short_name_full_id_or_module_and_id():
    register("test/Ones-v0", card=CARD)(ones)
    for name in ("ones", "ONES", "test/Ones-v0", "rlvr_gym:test/Ones-v0", "rlvr_gym:ones"):
        env = make(name, size=2, name="z")
        assert isinstance(env, rg.Environment)
        assert env.card is CARD
        assert (spec_of(env).id, spec_of(env).kwargs) == ("test/Ones-v0", {"size": 2, "name": "z"})
    assert list_environments()["test/Ones-v0"] is CARD
    assert short_name("test/Ones-v0") == "ones"


def test_a_class_is_registered_like_a_function():
    register("test/Class-v0")(OnesEnvironment)
    assert isinstance(make("class", size=3), OnesEnvironment)
    assert list(options("class")) == ["size"]


def test_a_short_name_is_the_latest_version():
    register("test/Ones-v2")(ones)
    register("test/Ones-v10")(ones)
    assert find("ones") == "test/Ones-v10"
    assert find("test/Ones-v2") == "test/Ones-v2"


def test_a_misspelt_name_is_answered_with_the_nearest_and_all_others():
    with pytest.raises(
        rg.ConfigError, match=r"no environment 'gsm9k'; did you mean 'gsm8k'\? registered: aime24"
    ):
        make("gsm9k")
    with pytest.raises(rg.ConfigError, match=r"no environment 'xyzzy'; registered: aime24, .*\barithmetic, "):
        make("xyzzy")


def test_a_short_name_in_two_namespaces_asks_for_the_full_id():
    register("one/Ones-v0")(ones)
    register("two/Ones-v0")(ones)
    with pytest.raises(
        rg.ConfigError, match="'ones' is ambiguous: one/Ones-v0, two/Ones-v0; give the full id"
    ):
        make("ones")
    assert spec_of(make("two/Ones-v0")).id == "two/Ones-v0"


def test_a_module_that_cannot_be_imported_is_named():
    with pytest.raises(rg.ConfigError, match="cannot import 'no_such_module'"):
        make("no_such_module:ns/Thing-v0")
    with pytest.raises(rg.ConfigError, match="cannot import ''"):
        make(":ns/Thing-v0")


def test_options_are_checked_before_anything_is_built():
    register("test/Ones-v0")(ones)
    register("test/Data-v0")(needs_data)
    with pytest.raises(rg.ConfigError, match="'ones' has no option 'sise'; possible: size, label, name"):
        make("ones", sise=3)
    with pytest.raises(rg.ConfigError, match="environment 'data' needs 'data'"):
        make("data")
    with pytest.raises(rg.ConfigError, match="options of environment 'ones' must be JSON values"):
        make("ones", label={1, 2})


def test_what_is_no_environment_of_ours_is_refused():
    register("test/Other-v0")(not_an_environment)
    with pytest.raises(rg.ConfigError, match="'test/Other-v0' built a Env, not an rlvr_gym Environment"):
        make("other")


@pytest.mark.parametrize("id", ["Ones", "Ones-v0", "test/Ones"])
def test_an_id_without_namespace_or_version_is_refused(id):
    with pytest.raises(rg.ConfigError, match="ids look like 'namespace/Name-v0'"):
        register(id)


def test_what_cannot_be_imported_by_name_cannot_be_registered():
    def local():
        return ones()

    with pytest.raises(rg.ConfigError, match=r"move .*local to the top level"):
        register("test/Local-v0")(local)


class Point:
    """An entry point whose module does what it is told."""

    name, value = "theirs", "their_module"

    def __init__(self, load):
        self.load = load


def test_a_package_that_cannot_be_imported_is_a_warning_and_costs_nobody_else(monkeypatch):
    loaded = []

    def fails():
        raise ImportError("needs a newer numpy")

    points = [Point(fails), Point(lambda: loaded.append("other"))]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    with pytest.warns(
        UserWarning, match=r"'theirs' \(their_module\) are missing: ImportError: needs a newer"
    ):
        discover()
    assert loaded == ["other"]


def test_the_bundled_environments_come_through_the_entry_point():
    assert {short_name(id) for id in list_environments() if id.startswith("rlvr/")} >= {
        "ambiguous",
        "arithmetic",
        "countdown",
        "gsm8k",
        "guess",
        "jsonl",
        "math500",
        "reverse",
    }


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [("digits", "abc", "int"), ("digits", 2.0, "int"), ("seed", True, "int"), ("split", 1, "str")],
)
def test_an_option_of_the_wrong_type_is_refused_by_name(option, value, expected):
    with pytest.raises(
        rg.ConfigError,
        match=f"option '{option}' of environment 'arithmetic' must be {expected}, not {value!r}",
    ):
        rg.make("arithmetic", **{option: value})
