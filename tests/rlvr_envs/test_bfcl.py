"""BFCL: calls match the possible answers one to one, by name, type and value."""

import json

import pytest

import rlvr_gym as rg
from rlvr_gym.errors import TasksLeftOut
from rlvr_gym.tools import MalformedCall, ToolCall
from tests.rlvr_envs.bfcl_rows import BFCL


@pytest.fixture
def env(write_rows):
    return rg.make("bfcl", data=write_rows(BFCL))


def called(*calls):
    return "\n".join(
        f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"
        for name, arguments in calls
    )


def score(env, id, text, **options):
    return env.verifier.verify(env.tasks[id], rg.Completion(text=text, **options)).score


AREA = {"width": 3, "height": 2.5}


@pytest.mark.parametrize(
    ("arguments", "earned"),
    [
        (AREA, 1.0),
        ({**AREA, "unit": "M 2"}, 1.0),
        ({**AREA, "unit": "Square-Metres"}, 1.0),
        ({**AREA, "unit": "feet"}, 0.0),
        ({**AREA, "unit": ""}, 1.0),
        ({"width": 3}, 0.0),
        ({**AREA, "width": 4}, 0.0),
        ({**AREA, "width": 3.0}, 0.0),
        ({**AREA, "width": "3"}, 0.0),
        ({**AREA, "width": True}, 0.0),
        ({**AREA, "height": [2.5]}, 0.0),
        ({**AREA, "depth": 1}, 0.0),
        ({}, 0.0),
    ],
)
def test_arguments_are_those_expected_of_their_types(env, arguments, earned):
    assert score(env, "simple_python_0", called(("geometry.area", arguments))) == earned


def test_the_function_is_called_by_its_name_and_once(env):
    right = called(("geometry.area", AREA))
    assert score(env, "simple_python_0", f"I call it.\n{right}") == 1.0
    for wrong in (f"{right}{right}", called(("area", AREA)), called(("geometry_area", AREA)), "7.5", ""):
        assert score(env, "simple_python_0", wrong) == 0.0
    assert score(env, "simple_python_0", f"<think>{right}</think>7.5") == 0.0


BOOKED = {"date": "May 1", "guests": ["Ann", "Bo"]}


@pytest.mark.parametrize(
    ("booking", "earned"),
    [
        (BOOKED, 1.0),
        ({**BOOKED, "date": "MAY-1", "guests": ["ann", "bo."]}, 1.0),
        ({**BOOKED, "guests": ["Bo", "Ann"]}, 0.0),
        ({**BOOKED, "guests": ["Ann", "Bo", "Cy"]}, 0.0),
        ({**BOOKED, "guests": "Ann, Bo"}, 0.0),
        ({**BOOKED, "guests": []}, 0.0),
        ({**BOOKED, "options": {"window": True}}, 1.0),
        ({**BOOKED, "options": {"window": True, "smoking": False}}, 1.0),
        ({**BOOKED, "options": {"window": 1}}, 0.0),
        ({**BOOKED, "options": {"smoking": False}}, 0.0),
        ({**BOOKED, "options": {"window": True, "view": True}}, 0.0),
        ({**BOOKED, "outside": 0}, 0.0),
        ({"date": "May 1"}, 0.0),
    ],
)
def test_lists_and_objects_are_compared_by_their_parts(env, booking, earned):
    text = called(
        ("geometry.area", {"width": 1, "height": 2}),
        ("geometry.area", {"width": 2, "height": 2}),
        ("book_table", booking),
    )
    assert score(env, "parallel_multiple_0", text) == earned


def test_calls_and_answers_are_matched_one_to_one_in_any_order(env):
    # The first answer takes both areas, the second one of them alone: taking the first that fits is not enough.
    one, two, table = (
        ("geometry.area", {"width": 1, "height": 2}),
        ("geometry.area", {"width": 2, "height": 2}),
        ("book_table", BOOKED),
    )
    for calls in ((one, two, table), (two, table, one), (table, one, two), (one, one, table)):
        assert score(env, "parallel_multiple_0", called(*calls)) == 1.0
    for calls in ((two, two, table), (one, two), (one, two, table, table), (one, table, table)):
        assert score(env, "parallel_multiple_0", called(*calls)) == 0.0


def test_where_no_function_fits_words_are_right_and_calls_are_not(env):
    assert score(env, "irrelevance_0", "Goethe did.") == 1.0
    for wrong in (
        "",
        " \n",
        "\u200b",
        "<think>Goethe</think>",
        called(("geometry.area", AREA)),
        "<tool_call>{",
    ):
        assert score(env, "irrelevance_0", wrong) == 0.0


def test_calls_that_a_server_hands_over_are_judged_like_those_in_the_text(env):
    call = ToolCall(name="geometry.area", arguments=AREA)
    broken = MalformedCall(name="geometry.area", text="{", fault="cut off")
    assert score(env, "simple_python_0", "", calls=(call,), calls_in_text=False) == 1.0
    assert score(env, "simple_python_0", "", calls=(), calls_in_text=False) == 0.0
    assert score(env, "simple_python_0", "", calls=(call, broken), calls_in_text=False) == 0.0


def test_the_prompt_tells_of_the_functions_in_json_schemas_types(env):
    task = env.tasks["parallel_multiple_0"]
    assert [message.role for message in task.prompt] == ["system", "user"]
    about = task.prompt[0].content
    assert about.startswith("Be quick.\n\nYou may call these tools.")
    assert '"type": "object"' in about
    assert '"type": "number"' in about
    assert '"type": "dict"' not in about


def test_answers_in_files_of_their_own_are_found_beside_the_questions(write_rows, tmp_path):
    questions = [{key: value for key, value in row.items() if key != "ground_truth"} for row in BFCL]
    answers = [{"id": row["id"], "ground_truth": row["ground_truth"]} for row in BFCL]
    for name in ("BFCL_v4_simple_python.json", "BFCL_v3_multiple.json"):
        write_rows(questions[:1], name=f"data/{name}")
        (tmp_path / "data" / "possible_answer").mkdir(exist_ok=True)
        (tmp_path / "data" / "possible_answer" / name).write_text(json.dumps(answers[0]) + "\n")
    write_rows(questions[2:], name="data/BFCL_v4_irrelevance.json")
    folder = str(tmp_path / "data")
    for category in ("simple_python", "multiple", "irrelevance"):
        assert rg.make("bfcl", data=folder, category=category).tasks.size == 1
    with pytest.raises(
        rg.DataError, match=r"it has neither BFCL_v4_parallel\.json nor BFCL_v3_parallel\.json"
    ):
        _ = rg.make("bfcl", data=folder, category="parallel").tasks.size
    write_rows(questions[:2], name="data/BFCL_v4_simple_python.json")
    with pytest.raises(rg.DataError, match="line 2: no possible answer for 'parallel_multiple_0'"):
        _ = rg.make("bfcl", data=folder).tasks.size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": [[], []]}, "2 turns, not one"),
        ({"ground_truth": [{"volume": {}}]}, "the answer calls 'volume', which the question does not offer"),
        ({"ground_truth": [{"geometry.area": {"width": 3}}]}, "width"),
    ],
)
def test_a_broken_row_is_named(write_rows, change, message):
    with pytest.raises(rg.DataError, match=message) as raised:
        _ = rg.make("bfcl", data=write_rows([BFCL[2], {**BFCL[0], **change}])).tasks.size
    assert "line 2: " in str(raised.value)


def test_types_of_other_languages_are_refused_by_name(write_rows):
    function = json.loads(json.dumps(BFCL[0]["function"]).replace("integer", "HashMap"))
    with pytest.raises(
        rg.DataError, match=r"'width' of 'geometry\.area' has the type 'HashMap', not one of Python's"
    ):
        _ = rg.make("bfcl", data=write_rows([{**BFCL[0], "function": function}])).tasks.size
    with pytest.raises(rg.ConfigError, match=r"category must be one of simple_python, .*, not 'simple_java'"):
        rg.make("bfcl", data="nowhere", category="simple_java")


def test_a_row_that_no_call_is_right_for_is_left_out_by_name(write_rows):
    broken = {
        **BFCL[0],
        "id": "b",
        "ground_truth": [{"geometry.area": {"width": [3], "height": [2.5], "depth": [1]}}],
    }
    tasks = rg.make("bfcl", data=write_rows([broken, BFCL[0]])).tasks
    with pytest.warns(TasksLeftOut, match="task 'b': no call is right: .*without the argument 'depth'"):
        assert tasks.size == 1


def test_the_first_possible_values_are_right(env):
    assert [
        env.verifier.verify(task, rg.Completion(text=env.solution(task) or "")).score for task in env.tasks
    ] == [1.0] * 3
