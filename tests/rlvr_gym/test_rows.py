import pytest

from rlvr_gym.errors import DataError
from rlvr_gym.rows import reader_of


def read(path, text):
    path.write_text(text, encoding="utf-8")
    return list(reader_of(path)(path))


def test_a_table_has_a_row_a_record_whatever_stands_in_its_cells(tmp_path):
    path = tmp_path / "a.csv"
    rows = read(path, 'Question,Correct Answer\n"Which, then?\nSay ""it"".",7\nWhat?,\n')
    assert rows == [
        (f"{path}, row 1", {"Question": 'Which, then?\nSay "it".', "Correct Answer": "7"}),
        (f"{path}, row 2", {"Question": "What?", "Correct Answer": ""}),
    ]


@pytest.mark.parametrize("line", ["one,2,3", "one"])
def test_a_record_with_more_or_fewer_values_than_columns_is_named(tmp_path, line):
    with pytest.raises(DataError, match=r"a\.csv, row 2: it has not as many values as there are columns"):
        read(tmp_path / "a.csv", f"question,answer\nx,1\n{line}\n")


def test_a_quote_that_is_never_closed_breaks_a_table(tmp_path):
    with pytest.raises(DataError, match=r"a\.csv is broken: "):
        read(tmp_path / "a.csv", 'question,answer\n"x,1\n')


def test_a_list_of_objects_has_a_row_an_object(tmp_path):
    path = tmp_path / "a.json"
    assert read(path, '[{"a": 1}, {"a": null}]') == [
        (f"{path}, row 1", {"a": 1}),
        (f"{path}, row 2", {"a": None}),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}', "expected a list of JSON objects, found dict"),
        ('[{"a": 1}, 2]', r"a\.json, row 2: expected a JSON object, found int"),
        ('[{"a": 1},', r"a\.json is broken: "),
    ],
)
def test_what_is_no_list_of_objects_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.json", text)


@pytest.mark.parametrize("name", ["a.csv", "a.json"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(DataError, match=f"cannot read tasks from .*{name}: No such file"):
        list(reader_of(tmp_path / name)(tmp_path / name))
