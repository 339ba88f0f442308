"""Settings as a table, from pydantic models of any shape."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from rlvr_gym.cli.display.settings_table import REQUIRED, kind_of, meaning_of, sections
from rlvr_gym.config import Config


class Circle(Config):
    """A circle."""

    shape: Literal["circle"] = "circle"
    radius: float = Field(default=1.0, gt=0, description="How large it is.")


class Square(Config):
    """A square."""

    shape: Literal["square"] = "square"
    side: int = Field(default=2, ge=1)
    """The length of one side."""


class Extra(Config):
    """More of it. `times` says how often."""

    times: int = 3


class Drawing(Config):
    """Settings of a drawing. `name` is written below; `colours` are used in turn."""

    name: str
    colours: tuple[str, ...] = ("red",)
    what: Annotated[Circle | Square, Field(discriminator="shape")] = Circle()
    extra: Extra | None = None


def rows(values: dict) -> dict[str, tuple[str, str, str, bool]]:
    return {
        row.key: (row.value, row.kind, row.meaning, row.changed)
        for section in sections(Drawing, values)
        for row in section.rows
    }


def test_every_setting_has_its_value_type_and_meaning():
    assert rows({"name": "a"}) == {
        "name": ("a", "text", "`name` is written below.", True),
        "colours": ("[red]", "list of text", "`colours` are used in turn.", False),
        "extra": ("off", "group", "More of it. Set with extra.times.", False),
        "what.shape": ("circle", "circle | square", "", False),
        "what.radius": ("1", "float, > 0", "How large it is.", False),
    }


def test_of_a_union_of_groups_the_one_that_its_tag_names_is_shown():
    found = rows({"name": "a", "what": {"shape": "square", "side": 5}})
    assert found["what.side"] == ("5", "int, >= 1", "The length of one side.", True)
    assert found["what.shape"][0] == "square"
    assert "what.radius" not in found


def test_of_a_union_without_a_tag_the_group_is_shown_whose_settings_are_given():
    assert "what.side" in rows({"name": "a", "what": {"side": 5}})


def test_a_group_that_is_off_is_one_line_and_on_all_of_its_settings():
    assert rows({"name": "a", "extra": {}})["extra.times"] == ("3", "int", "`times` says how often.", False)


def test_a_setting_without_a_value_is_told_to_be_required():
    assert rows({})["name"][0] == REQUIRED


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (str, "text"), (Path | None, "path or null"), (bool, "true | false"), (float, "float"),
        (Literal["a", "b"], "a | b"), (tuple[str, ...], "list of text"), (tuple[float, float], "[float, float]"),
        (tuple[str, ...] | Literal["all"], "list of text or all"), (dict[str, int], "settings"),
        (Annotated[int, Field(ge=2, lt=9)], "int"), (list[int], "list of int"),
    ],
)  # fmt: skip
def test_a_type_is_told_as_people_say_it(annotation: object, told: str):
    assert kind_of(annotation) == told


def test_every_setting_of_a_training_run_is_in_the_table():
    from rlvr_trainers.config import TrainConfig

    every = {name: {} for name in TrainConfig.model_fields}
    found = {row.key for section in sections(TrainConfig, every) for row in section.rows}
    assert {
        "batch.group_size",
        "dynamic_sampling.max_rounds",
        "warmup.steps",
        "eval.tasks",
        "run.dir",
    } <= found
    assert meaning_of(TrainConfig.model_fields["run"].annotation, "keep")  # pyright: ignore[reportArgumentType]


def test_every_setting_of_a_training_run_has_a_line_of_meaning():
    from rlvr_trainers.config import TrainConfig

    every = {name: {} for name in TrainConfig.model_fields}
    rows = [row for section in sections(TrainConfig, every) for row in section.rows]
    assert [row.key for row in rows if not row.meaning] == []
