import json

import pytest

import rlvr_gym as rg
from rlvr_gym.errors import TasksLeftOut
from rlvr_gym.overlap import known_overlap
from rlvr_gym.registry import find
from tests.rlvr_envs.problem_rows import PROBLEMS, big_math, dapo, eurus, numina, processed


def test_a_set_that_repeats_its_rows_a_hundred_times_has_each_problem_once(write_rows):
    rows = [dapo("Find $2+2$.", "4"), dapo("Find $2+3$.", "5")] * 100
    with pytest.warns(TasksLeftOut, match="'dapo-17k': 198 rows repeat a question and are dropped"):
        tasks = rg.make("dapo-17k", data=write_rows(rows)).tasks.take(None)
    assert [task.reference for task in tasks] == ["4", "5"]


def test_both_editions_ask_the_same_question_in_the_same_words(write_rows):
    first, second = (
        rg.make("dapo-17k", data=write_rows([row("Find $2+2$.", "4")], f"{row.__name__}.jsonl")).tasks[0]
        for row in (dapo, processed)
    )
    assert first == second
    assert first.text.startswith("Find $2+2$.\n\nReason step by step")
    assert "Answer:" not in first.text


def test_a_language_is_chosen_by_its_letters(write_rows):
    path = write_rows([processed("Find $2+2$.", "4"), processed("求 $2+3$。", "5")])
    chosen = {name: rg.make("dapo-17k", data=path, language=name).tasks for name in ("all", "en", "cn")}
    assert {name: [task.reference for task in tasks] for name, tasks in chosen.items()} == {
        "all": ["4", "5"],
        "en": ["4"],
        "cn": ["5"],
    }
    with pytest.raises(rg.ConfigError, match="no language 'fr'; possible: all, en, cn"):
        rg.make("dapo-17k", data=path, language="fr")


def test_a_question_with_two_different_gold_answers_is_not_used_at_all(write_rows):
    rows = [
        dapo("Find $2+2$.", "4"),
        dapo("Find $2+3$.", "5"),
        dapo("Find $2+2$.", "22"),
        dapo("Find $2+2$.", "4"),
    ]
    path = write_rows(rows)
    said = rf"1 questions are left out, as their gold answers differ: {path}, line 1 and {path}, line 3"
    with pytest.warns(TasksLeftOut, match=said):
        tasks = rg.make("dapo-17k", data=path).tasks.take(None)
    assert [task.reference for task in tasks] == ["5"]


def test_two_spellings_of_one_gold_answer_do_not_differ(write_rows):
    rows = [big_math("Halve $1$.", "\\frac{1}{2}"), big_math("Halve  $1$.", "0.5")]
    with pytest.warns(TasksLeftOut, match="1 rows repeat a question"):
        assert rg.make("big-math", data=write_rows(rows)).tasks.size == 1


@pytest.mark.parametrize("answer", [None, "", "}", "  "])
def test_rows_without_a_usable_answer_are_left_out_and_named(write_rows, answer):
    rows = [*PROBLEMS["deepscaler"], {"problem": "What then?", "answer": answer, "solution": ""}]
    path = write_rows(rows)
    with pytest.warns(
        TasksLeftOut, match=rf"1 rows are left out, as they cannot be judged: {path}, line 3: "
    ):
        assert rg.make("deepscaler", data=path).tasks.size == 2


def test_a_file_of_another_set_is_an_error_and_not_left_out_row_by_row(write_rows):
    path = write_rows(PROBLEMS["amc23"])
    with pytest.raises(
        rg.DataError, match=r"line 1: no field 'problem'; the row has answer, id, question, url"
    ):
        _ = rg.make("deepscaler", data=path).tasks.size


def test_a_file_of_unusable_rows_alone_is_an_error(write_rows):
    path = write_rows([{"problem": f"Question {n}?", "answer": "", "solution": ""} for n in range(7)])
    with pytest.raises(rg.DataError, match=r"'deepscaler' holds no tasks: 7 rows are left out.*and 2 more"):
        _ = rg.make("deepscaler", data=path).tasks.size


def test_the_published_file_of_one_list_is_read(tmp_path):
    (tmp_path / "deepscaler.json").write_text(json.dumps(PROBLEMS["deepscaler"]))
    assert rg.make("deepscaler", data=str(tmp_path / "deepscaler.json")).tasks.size == 2


def test_problems_are_chosen_by_source_and_by_how_often_they_were_solved(write_rows):
    rows = [
        big_math("One?", "1", source="MATH", rate=0.0),
        big_math("Two?", "2", source="olympiads", rate=0.25),
        big_math("Three?", "3", source="MATH", rate=1.0),
        big_math("Four?", "4", source="MATH", rate=None),
    ]
    path = write_rows(rows)

    def chosen(**options):
        return [task.reference for task in rg.make("big-math", data=path, **options).tasks]

    assert chosen() == ["1", "2", "3", "4"]
    assert chosen(source="MATH") == ["1", "3", "4"]
    assert chosen(min_solve_rate=0.25, max_solve_rate=0.75) == ["2"]
    assert chosen(max_solve_rate=0.5) == ["1", "2"]
    with pytest.raises(rg.ConfigError, match="expected 0 <= min_solve_rate <= max_solve_rate <= 1"):
        rg.make("big-math", data=path, min_solve_rate=0.5, max_solve_rate=0.25)


def test_programs_and_the_published_format_are_left_to_others(write_rows):
    path = write_rows([eurus("Find $2+2$.", "4"), eurus("Write a program.", '{"inputs": []}', "code")])
    (task,) = rg.make("eurus-2", data=path).tasks
    assert task.text == "Find $2+2$.\n\nReason step by step, and put your final answer in \\boxed{}."
    assert len(task.prompt) == 1
    assert task.metadata == {"source": "numina_olympiads"}


@pytest.mark.parametrize(
    "row",
    [
        numina("Prove it.", "proof", question_type="proof"),
        numina("Prove that, too.", "proof"),
        numina("Which?", "B", question_type="MCQ"),
        numina("What is shown in the picture?", "3", problem_is_valid="Incomplete"),
        numina("What is it?", "3", solution_is_valid="Problem not solved"),
        numina("What?", "notfound"),
        numina("What now?", None),
    ],
)
def test_what_has_no_answer_to_compare_is_not_trained_on(write_rows, row):
    env = rg.make("numinamath", data=write_rows([*PROBLEMS["numinamath"], row]))
    assert [task.reference for task in env.tasks] == ["720", "(x-2)(x+2)"]


def test_one_source_of_many_is_chosen_by_its_name(write_rows):
    env = rg.make("numinamath", data=write_rows(PROBLEMS["numinamath"]), source="cn_k12")
    assert [task.reference for task in env.tasks] == ["(x-2)(x+2)"]


@pytest.mark.parametrize("name", ["dapo-17k", "deepscaler", "big-math", "eurus-2", "numinamath"])
@pytest.mark.parametrize(("benchmark", "contest"), [("aime24", "AIME"), ("aime26", "AIME"), ("amc23", "AMC")])
def test_every_set_to_train_on_is_known_to_hold_problems_of_the_contests(name, benchmark, contest):
    cards = rg.list_environments()
    assert known_overlap(cards[find(name)], cards[find(benchmark)]) == f"both hold problems of {contest}"


def test_nothing_is_known_of_sets_of_different_collections():
    cards = rg.list_environments()
    assert known_overlap(cards[find("deepscaler")], cards[find("gpqa")]) is None
    assert known_overlap(cards[find("arithmetic")], cards[find("aime24")]) is None
    assert known_overlap(cards[find("math")], cards[find("math")]) is None
    assert known_overlap(None, cards[find("aime24")]) is None
