import pytest
from rlvr_envs.math.problems import answer

import rlvr_gym as rg
from rlvr_gym.errors import TasksLeftOut
from tests.rlvr_envs.problem_rows import aime, hendrycks, matharena


def outcome(env, answer, task: int | str = 0):
    env.reset(options={"task": task})
    return env.step(answer)[4]["verdict"].outcome


def made(write_rows, name, rows, **options):
    return rg.make(name, data=write_rows(rows), **options)


def test_leading_zeros_and_trailing_ones_do_not_count(published, write_rows):
    aime24 = made(write_rows, "aime24", published["aime24"])
    assert aime24.tasks["61"].reference == "25"
    assert [outcome(aime24, f"\\boxed{{{said}}}", 1) for said in ("25", "025", "25.0")] == ["correct"] * 3
    amc23 = made(write_rows, "amc23", published["amc23"])
    assert [task.reference for task in amc23.tasks] == ["27", "-1"]
    assert [outcome(amc23, f"\\boxed{{{said}}}") for said in ("27", "27.0", "270")] == [
        "correct",
        "correct",
        "incorrect",
    ]


@pytest.mark.parametrize("name", ["aime24", "aime25", "aime26"])
def test_every_year_is_read_in_both_published_formats(name, write_rows):
    rows = [aime(60, "What is $3^6$?", "729"), matharena(1, "What is $2+3$?", 5)]
    env = made(write_rows, name, rows)
    assert [task.id for task in env.tasks] == ["60", "1"]
    assert outcome(env, "\\boxed{5}", "1") == "correct"


@pytest.mark.parametrize("said", ["3^6", "3^{6}", "700+29", "1458/2"])
def test_the_question_again_is_no_answer_where_a_number_is_asked_for(write_rows, said):
    env = made(write_rows, "aime24", [aime(60, "What is $3^6$?", "729")])
    assert outcome(env, f"\\boxed{{{said}}}") == "incorrect"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("1000", "from 0 to 999, found 1000"),
        ("-1", "from 0 to 999"),
        ("12.5", "a whole number"),
        ("", "no gold answer"),
    ],
)
def test_an_answer_that_no_aime_has_is_named_with_its_line(write_rows, answer, message):
    path = write_rows([aime(60, "One?", "1"), aime(61, "Two?", answer)])
    with pytest.raises(rg.DataError, match=message) as raised:
        _ = rg.make("aime24", data=path).tasks.size
    assert str(raised.value).startswith(f"{path}, line 2: ")


def test_the_last_of_several_boxes_decides(published, write_rows):
    env = made(write_rows, "aime24", published["aime24"])
    assert outcome(env, "\\boxed{729}. No, it is \\boxed{728}.") == "incorrect"
    assert outcome(env, "\\boxed{728}. No, it is \\boxed{729}.") == "correct"
    assert outcome(env, "\\boxed{729} or \\boxed{728}") == "incorrect"
    assert outcome(env, "The answer is 729.") == "malformed"


@pytest.mark.parametrize(
    ("solution", "gold"),
    [
        ("Thus \\boxed{7}.", "7"),
        ("First \\boxed{3}, in the end \\boxed{4}.", "4"),
        ("So $\\boxed{\\frac{1}{\\sqrt{2}}}$, as asked.", "\\frac{1}{\\sqrt{2}}"),
        ("So $x = \\fbox{12}$.", "12"),
        ("So $\\boxed 9$ ways.", "9"),
        ("So $\\boxed{\\{1, 2\\}}$.", "\\{1, 2\\}"),
    ],
)
def test_the_gold_answer_is_the_last_box_of_the_solution(write_rows, solution, gold):
    env = made(write_rows, "math", [hendrycks("What?", solution)])
    assert env.tasks[0].reference == gold
    solved = env.solution(env.tasks[0])
    assert solved is not None
    assert outcome(env, solved) == "correct"


@pytest.mark.parametrize("solution", ["It is 7.", "It is \\boxed{7.", "It is \\boxed{}."])
def test_a_solution_without_a_box_is_left_out_and_named(published, write_rows, solution):
    path = write_rows([*published["math"], hendrycks("What is left?", solution)])
    with pytest.warns(TasksLeftOut, match=rf"1 rows are left out.*{path}, line 3: "):
        assert rg.make("math", data=path).tasks.size == 2


def test_a_subject_is_chosen_in_a_file_as_it_is_on_the_hub(published, write_rows):
    env = made(write_rows, "math", published["math"], subject="counting_and_probability")
    assert [task.metadata["subject"] for task in env.tasks] == ["counting_and_probability"]
    with pytest.raises(rg.ConfigError, match="no subject 'topology'; possible: algebra, "):
        made(write_rows, "math", published["math"], subject="topology")


def test_every_subject_of_a_folder_is_read_one_after_the_other(published, write_rows, tmp_path):
    pytest.importorskip("datasets")
    write_rows([published["math"][0]], "algebra/train.jsonl")
    write_rows([published["math"][1]], "counting_and_probability/train.jsonl")
    tasks = rg.make("math", data=str(tmp_path)).tasks
    assert [task.metadata["subject"] for task in tasks] == ["algebra", "counting_and_probability"]
    assert rg.make("math", data=str(tmp_path), subject="algebra").tasks.size == 1


def test_a_folder_without_subjects_is_read_once(published, write_rows, tmp_path):
    pytest.importorskip("datasets")
    write_rows(published["math"], "train.jsonl")
    assert rg.make("math", data=str(tmp_path)).tasks.size == 2


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        (27.0, "27"),
        ("27.0", "27"),
        ("-1.00", "-1"),
        (7, "7"),
        (" 2.50 ", "2.50"),
        (4.5e33, "4.5e+33"),
        ("1e-8", "1e-8"),
    ],
)
def test_a_gold_answer_is_the_text_of_its_value(gold, text):
    assert answer(gold) == text


@pytest.mark.parametrize("gold", [None, "", " ", True, float("nan")])
def test_nothing_is_no_gold_answer(gold):
    with pytest.raises(rg.DataError, match="there is no gold answer"):
        answer(gold)
