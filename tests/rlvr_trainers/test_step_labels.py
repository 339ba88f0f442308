"""Labelled steps of files: PRM800K's rows as published, rows of steps, rows with places, and rows that are none."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rlvr_trainers.data.steps.labels import labelled_in, step_labels
from rlvr_trainers.data.steps.reading import Reading

import rlvr_gym as rg
from rlvr_gym.errors import TasksLeftOut

Answer = list[tuple[str, float | None]]
"""Texts of steps, and their labels."""


def write(folder: Path, *rows: Any) -> str:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / "rows.jsonl")


def read(folder: Path, *rows: Any, **reading: Any) -> list[tuple[str, list[tuple[str, Answer]]]]:
    """The prompt of each row, and its answers: text, and steps with their labels."""
    tasks = step_labels(write(folder, *rows), Reading(**reading)).tasks.take(None)
    return [
        (
            task.prompt[0].content,
            [
                (said.messages[0].content, steps(said.messages[0].content, said.verdict))
                for said in labelled_in(task)
            ],
        )
        for task in tasks
    ]


def steps(text: str, verdict: rg.Verdict) -> Answer:
    return [(text[step.span[0] : step.span[1]], step.score) for step in verdict.steps if step.span]


def rated(text: str, rating: int | None) -> dict[str, Any]:
    return {"text": text, "rating": rating, "flagged": None}


def published(*steps: dict[str, Any], reason: str = "found_error") -> dict[str, Any]:
    return {
        "labeler": "a",
        "question": {"problem": "Find x.", "ground_truth_answer": "2", "pre_generated_steps": []},
        "label": {"steps": list(steps), "total_time": 1, "finish_reason": reason},
    }


def step(
    completions: Sequence[dict[str, Any]] | None, chosen: int | None, written: Any = None
) -> dict[str, Any]:
    return {"completions": completions, "human_completion": written, "chosen_completion": chosen}


def test_a_row_of_the_second_phase_is_one_answer_and_one_for_each_alternative_at_its_error(
    tmp_path: Path,
) -> None:
    row = published(
        step([rated("x + 1 = 3", 1)], 0),
        step([rated("Think.", 0)], 0),
        step([rated("x = 4", -1), rated("x = 2", 1), rated("Hm.", 0)], None),
    )
    ((prompt, answers),) = read(tmp_path, row)
    assert prompt == "Find x."
    before: Answer = [("x + 1 = 3", None), ("Think.", None)]
    assert answers == [
        ("x + 1 = 3\nThink.\nx = 4", [*before, ("x = 4", 0.0)]),
        ("x + 1 = 3\nThink.\nx = 2", [*before, ("x = 2", 1.0)]),
        ("x + 1 = 3\nThink.\nHm.", [*before, ("Hm.", 1.0)]),
        ("x + 1 = 3\nThink.", [("x + 1 = 3", 1.0), ("Think.", 1.0)]),
    ]


def test_nothing_is_learned_after_the_first_error_and_each_label_once(tmp_path: Path) -> None:
    row = published(step([rated("a", 1)], 0), step([rated("b", -1)], 0), step([rated("c", 1)], 0))
    ((_, answers),) = read(tmp_path, row)
    assert answers == [("a\nb", [("a", 1.0), ("b", 0.0)])]


def test_a_step_that_a_person_wrote_goes_on_and_is_right(tmp_path: Path) -> None:
    bad = [rated("wrong", -1), rated("wronger", -1)]
    for written in ("better", {"text": "better", "rating": None, "source": "human"}):
        row = published(step(bad, None, written), step([rated("b", 1)], 0), reason="solution")
        ((_, answers),) = read(tmp_path, row)
        assert answers == [
            ("wrong", [("wrong", 0.0)]),
            ("wronger", [("wronger", 0.0)]),
            ("better\nb", [("better", 1.0), ("b", 1.0)]),
        ]
    ((_, answers),) = read(tmp_path, published(step(None, None, "better"), step([rated("b", -1)], 0)))
    assert answers == [("better\nb", [("better", 1.0), ("b", 0.0)])]


@pytest.mark.parametrize(("neutral", "label"), [("right", 1.0), ("wrong", 0.0), ("left_out", None)])
def test_a_neutral_step_is_what_the_settings_say_and_ends_no_answer(
    neutral: str, label: float | None, tmp_path: Path
) -> None:
    row = published(step([rated("a", 0)], 0), step([rated("b", 1)], 0))
    ((_, answers),) = read(tmp_path, row, neutral=neutral)
    assert answers == [("a\nb", [("a", label), ("b", 1.0)])]


def test_a_step_without_a_rating_stands_there_and_teaches_nothing(tmp_path: Path) -> None:
    row = published(step([rated("a", None), rated("z", None)], 0), step([rated("b", 1)], 0))
    ((_, answers),) = read(tmp_path, row)
    assert answers == [("a\nb", [("a", None), ("b", 1.0)])]


def test_problems_reported_as_bad_and_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    good = published(step([rated("a", 1)], 0))
    bad = published(step([rated("a", 1)], 0), reason="bad_problem")
    empty = published(reason="give_up")
    with pytest.warns(TasksLeftOut, match=r"2 of 3 rows of rows\.jsonl have no labelled step"):
        assert len(read(tmp_path, bad, good, empty)) == 1
    with pytest.raises(rg.DataError, match="holds no labelled steps: 2 rows"):
        read(tmp_path, bad, empty)


@pytest.mark.parametrize(
    ("by", "text"), [("line", "a\nb"), ("paragraph", "a\n\nb"), ("tag", "<step>a</step>\n<step>b</step>")]
)
def test_texts_of_steps_are_joined_as_completions_will_be_cut(by: Any, text: str, tmp_path: Path) -> None:
    row = {"prompt": "?", "completions": ["a", "b"], "labels": [True, False]}
    ((_, answers),) = read(tmp_path, row, by=by)
    ((said, found),) = answers
    assert said == text
    assert [label for _, label in found] == [1.0, 0.0]
    assert [one.text for one in rg.verifiers.Steps(rg.verifiers.Equations(), by=by).split(said)] == ["a", "b"]


def test_an_answer_with_places_stays_as_it_was_written(tmp_path: Path) -> None:
    row = {"prompt": "?", "completion": "a\n\nb  c", "spans": [[0, 1], [3, 4]], "labels": [0.25, None]}
    assert read(tmp_path, row) == [("?", [("a\n\nb  c", [("a", 0.25), ("b", None)])])]
    assert read(tmp_path, row, labels="hard")[0][1][0][1] == [("a", 1.0), ("b", None)]


STEPS = {"prompt": "?", "completions": ["a", "b"], "labels": [1, 0]}
PLACES = {"prompt": "?", "completion": "a\nb", "spans": [[0, 1], [2, 3]], "labels": [1, 0]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"prompt": "?", "answer": "1"},
            "no labelled steps: neither PRM800K's .*; the row has answer, prompt",
        ),
        ({**STEPS, "labels": [1]}, "`completions` has 2 steps, and `labels` 1 labels"),
        (
            {**STEPS, "labels": [1, 2]},
            "`labels` has 2: a label is true, false, null, or a number from 0 to 1",
        ),
        ({**STEPS, "labels": [1, "+"]}, r"`labels` has '\+'"),
        ({**STEPS, "labels": "+-"}, "`labels` is str, not a list"),
        ({**STEPS, "completions": ["a", " "]}, r"`completions\.1` is ' ', not the text of a step"),
        ({**STEPS, "completions": None}, "`completions` is NoneType, not a list"),
        ({**STEPS, "prompt": []}, "`prompt` is empty"),
        ({**PLACES, "spans": [[0, 1]]}, "`spans` has 1 steps, and `labels` 2 labels"),
        ({**PLACES, "spans": [[0, 2], [1, 3]]}, r"`spans` has \[1, 3\]"),
        (
            {**PLACES, "spans": [[0, 1], [2, 4]]},
            r"`spans` has \[2, 4\]: each is the place .* in the 3 characters",
        ),
        ({**PLACES, "spans": [[0, 1], [2]]}, r"`spans` has \[2\]"),
        ({**PLACES, "completion": None}, "`spans` need the answer that they are places in"),
        (published(step([rated("a", 2)], 0)), r"`label\.steps\.0` has the rating 2"),
        (published(step([rated("a", 1)], 1)), r"`label\.steps\.0\.chosen_completion` is 1, and there are 1"),
        (published(step([rated("", 1)], 0)), r"`label\.steps\.0` is '', not the text of a step"),
        (published(step([rated("a", 1)], "0")), r"`label\.steps\.0\.chosen_completion` is '0'"),  # pyright: ignore[reportArgumentType]
        (published("a"), r"`label\.steps\.0` is 'a', not a step"),  # pyright: ignore[reportArgumentType]
        (published(step(["a"], 0)), r"`label\.steps\.0` has the completion 'a'"),  # pyright: ignore[reportArgumentType]
        ({"question": {}, "label": {}}, r"`question\.problem` and `label\.steps` are not"),
    ],
)
def test_a_row_that_is_no_labelled_answer_is_refused_with_its_line(
    row: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(rg.DataError, match=message) as raised:
        read(tmp_path, STEPS, row)
    assert "line 2" in str(raised.value)
