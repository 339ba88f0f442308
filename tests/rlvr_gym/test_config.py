import pytest
from pydantic import Field

from rlvr_gym.config import Config, merge, parse_overrides, read_yaml, validate
from rlvr_gym.environments.settings import EnvConfig
from rlvr_gym.errors import ConfigError


class Clip(Config):
    low: float = Field(default=0.2, gt=0)
    high: float = 0.28


class Recipe(Config):
    env: EnvConfig
    clip: Clip = Clip()
    steps: int = 10


def test_overrides_become_nested_settings():
    assert parse_overrides(["env.id=gsm8k", "env.digits=3", "steps=5", "clip.low=0.1"]) == {
        "env": {"id": "gsm8k", "digits": 3},
        "steps": 5,
        "clip": {"low": 0.1},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-6", 1e-6),
        ("1E5", 100_000.0),
        ("-.5", -0.5),
        ("012", 12),
        ("100_000", 100_000),
        ("true", True),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ('"12"', "12"),
        ("'1e-6'", "1e-6"),
        ("null", None),
        ("", ""),
        ("a=b", "a=b"),
        ("[1e-3, 2, x]", [0.001, 2, "x"]),
        ("{a: 1e-3}", {"a": 0.001}),
    ],
)
def test_values_are_read_as_what_they_look_like(text, value):
    found = parse_overrides([f"key={text}"])["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("argument", ["steps", "=3", "a..b=1", ".a=1", "a.=1"])
def test_an_override_that_is_not_key_equals_value_says_what_one_looks_like(argument):
    with pytest.raises(ConfigError, match=r"settings look like key\.sub=value"):
        parse_overrides([argument])


@pytest.mark.parametrize("value", ["[1, 2", "{a: 1, a: 2}"])
def test_a_value_that_is_not_yaml_names_the_override(value):
    with pytest.raises(ConfigError, match="cannot read the value of 'key="):
        parse_overrides([f"key={value}"])


def test_merging_lays_one_mapping_on_another():
    base = {"a": {"x": 1, "y": 2}, "b": 1}
    assert merge(base, {"a": {"y": 3}, "b": {"z": 1}}) == {"a": {"x": 1, "y": 3}, "b": {"z": 1}}
    assert base == {"a": {"x": 1, "y": 2}, "b": 1}


def test_a_recipe_file_is_read_like_overrides(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("steps: 5\nclip: {low: 1e-2}\nrates: [1e-6, 3e-4]\nname: '1e5'\n")
    assert read_yaml(path) == {"steps": 5, "clip": {"low": 0.01}, "rates": [1e-6, 3e-4], "name": "1e5"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n- 2\n", "must hold a mapping"),
        ("a: [1\n", "is not valid YAML"),
        ("a: 1\nb: 2\na: 3\n", "the key 'a' stands there twice"),
        ("", "must hold a mapping"),
    ],
)
def test_a_recipe_file_that_cannot_be_read_is_named(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        read_yaml(path)
    assert str(path) in str(raised.value)


def test_a_recipe_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*none\.yaml: No such file"):
        read_yaml(tmp_path / "none.yaml")


def test_an_unknown_key_is_named_with_its_path_and_what_was_meant():
    with pytest.raises(
        ConfigError, match=r"clip\.lo: no such setting; did you mean 'low'\? possible: high, low"
    ):
        validate(Recipe, {"env": {"id": "gsm8k"}, "clip": {"lo": 0.1}})


def test_every_wrong_setting_is_listed_at_once():
    with pytest.raises(ConfigError) as raised:
        validate(Recipe, {"clip": {"low": -1}, "steps": "many"})
    message = str(raised.value)
    assert "env: Field required" in message
    assert "clip.low: Input should be greater than 0 (found -1)" in message
    assert "steps: Input should be a valid integer" in message


def test_the_environment_options_of_a_recipe_are_checked_by_the_environment():
    recipe = validate(Recipe, {"env": {"id": "arithmetic", "digits": 3}})
    assert recipe.env.options == {"digits": 3}
    assert recipe.env.make().reset(options={"task": 0})[0].startswith("What is")
    with pytest.raises(ConfigError, match="no option 'digit'; possible: split, seed, digits"):
        validate(Recipe, {"env": {"id": "arithmetic", "digit": 3}}).env.make()


@pytest.mark.parametrize("text", ["-", "*", "+-*", "a: b.jsonl", "- 1", "%"])
def test_a_value_that_is_no_yaml_on_one_line_is_text(text: str):
    assert parse_overrides([f"env.operations={text}"]) == {"env": {"operations": text}}
