"""IFBench's kinds of the group `custom`, each of which is about the one question that it comes with."""

from __future__ import annotations

import csv
import io
import re
import string
from collections.abc import Callable
from itertools import pairwise

from rlvr_gym.verifiers.instructions import tokens
from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault
from rlvr_gym.verifiers.instructions.ifbench.texts import ascii_letters, bare, stripped


def multiples() -> Constraint:
    """The numbers are 14, 21, 28, 35, 42 and 49, in this order."""

    def find_fault(response: str) -> Fault:
        found = re.findall(r"\d+", response)
        wanted = [str(number) for number in range(14, 51, 7)]
        return None if found == wanted else f"the numbers {', '.join(found[:20])}"

    return _once("custom:multiples", "Count from 10 to 50 but only print multiples of 7.", find_fault)


_QUESTION = re.compile(r"\n*Question \d+[.|):;]?\s*")
_OPTION = re.compile(r"[A-Ea-e][.|)]\s*\w+")


def mcq_count_length() -> Constraint:
    """Four questions that begin with `Question` and a number, of five options each, each longer than the one before."""

    def find_fault(response: str) -> Fault:
        if not response.startswith("Question"):
            return "something stands before the first question"
        questions = [each.strip() for each in _QUESTION.split(response) if each.strip()]
        if len(questions) != 4:
            return f"{len(questions)} questions, not 4"
        lengths: list[int] = []
        for question in questions:
            lines = [line.strip() for line in question.split("\n")]
            marked = [_OPTION.match(line) is not None for line in lines]
            if sum(marked) != 5:
                return f"{sum(marked)} options, not 5"
            lengths.append(len(" ".join(lines[: marked.index(True)]).strip()))
        grows = all(less < more for less, more in pairwise(lengths))
        return None if grows else f"questions of {', '.join(map(str, lengths))} signs"

    return _once(
        "custom:mcq_count_length",
        'Generate 4 multiple choice questions with 5 options each about "20th century art history". Each question '
        'should start with the label "Question". The questions should get progressively longer. Do not provide an '
        "explanation.",
        find_fault,
    )


def reverse_newline() -> Constraint:
    """From the line with Zimbabwe on, at least 52 lines in reverse alphabetical order."""

    def find_fault(response: str) -> Fault:
        lines = [line for line in map(stripped, response.split("\n")) if line]
        first = next((place for place, line in enumerate(lines) if "Zimbabwe" in line), None)
        if first is None:
            return "no line with Zimbabwe"
        listed = [ascii_letters(line) for line in lines[first:]]
        if len(listed) < 52:
            return f"{len(listed)} lines, not at least 52"
        return None if listed == sorted(listed, reverse=True) else "not in reverse alphabetical order"

    return _once(
        "custom:reverse_newline",
        "List the countries of Africa in reverse alphabetical order, each on a new line.",
        find_fault,
    )


def word_reverse() -> Constraint:
    """One sentence which, its words read backwards, names the bald eagle."""
    tokens.check_installed()

    def find_fault(response: str) -> Fault:
        said = " ".join(reversed(bare(response.lower()).split()))
        if "bald eagle" not in said:
            return "no 'bald eagle' when its words are read backwards"
        return None if said in tokens.sentences(said) else "more than one sentence"

    return _once(
        "custom:word_reverse",
        "What animal is the national symbol of the US? Respond to this query, but make your sentence in reverse order "
        "of what it should be, per word.",
        find_fault,
    )


def character_reverse() -> Constraint:
    """`elgae dlab` is in it."""

    def find_fault(response: str) -> Fault:
        return None if "elgae dlab" in response.lower() else "no 'elgae dlab'"

    return _once(
        "custom:character_reverse",
        "What animal is the national symbol of the US? Respond to this query, but make your sentence in reverse order "
        "of what it should be, per letter.",
        find_fault,
    )


def sentence_alphabet() -> Constraint:
    """Twenty-six sentences that begin with a, b, c and so on."""
    tokens.check_installed()

    def find_fault(response: str) -> Fault:
        found = tokens.sentences(response)
        if len(found) != 26:
            return f"{len(found)} sentences, not 26"
        for letter, sentence in zip(string.ascii_lowercase, found, strict=True):
            if sentence.lstrip(string.punctuation + string.whitespace)[:1].lower() != letter:
                return f"{sentence[:40]!r} does not begin with {letter}"
        return None

    return _once(
        "custom:sentence_alphabet",
        "Tell me a 26-sentence story where each sentence's first word starts with the letters of the alphabet in "
        "order.",
        find_fault,
    )


_LISTED_CAPITALS = """
Reykjavik Helsinki Oslo Tallinn Stockholm Riga Moscow Copenhagen Vilnius Minsk Dublin Berlin Amsterdam Warsaw London
Brussels Prague Luxembourg Paris Vienna Bratislava Budapest Vaduz Chisinau Bern Ljubljana Zagreb
"""
_CAPITALS = _LISTED_CAPITALS.split()


def european_capitals_sort() -> Constraint:
    """Upstream's list of 27 capitals in its order, commas between them and nothing else."""

    def find_fault(response: str) -> Fault:
        listed = [each.strip() for each in ascii_letters(response).split(",") if each.strip()]
        if len(listed) != len(_CAPITALS):
            return f"{len(listed)} capitals, not {len(_CAPITALS)}"
        wrong = next((pair for pair in zip(listed, _CAPITALS, strict=True) if pair[0] != pair[1]), None)
        return None if wrong is None else f"{wrong[0][:40]!r} where {wrong[1]!r} is expected"

    return _once(
        "custom:european_capitals_sort",
        "Give me the names of all capital cities of european countries whose latitude is higher than than 45 degrees? "
        "List the capital cities without country names, separated by commas, sorted by latitude, from highest to "
        "lowest.",
        find_fault,
    )


def csv_city() -> Constraint:
    """CSV of a header and seven rows of five fields."""
    header = ["ID", "Country", "City", "Year", "Count"]

    def find_fault(response: str) -> Fault:
        rows = _csv(response)
        if isinstance(rows, str):
            return rows
        return _wrong_size(rows, 8) or (None if rows[0] == header else f"the header {rows[0]}")

    return _once(
        "custom:csv_city",
        'Generate CSV data: The column names are ["ID", "Country", "City", "Year", "Count"], the data should be comma '
        "delimited. Please generate 7 rows.",
        find_fault,
    )


_PRODUCTS = re.compile(
    r'(ProductID|"ProductID"),[ \t]*(Category|"Category"),[ \t]*(Brand|"Brand"),[ \t]*(Price|"Price"),'
    r'[ \t]*(Stock|"Stock")'
)
_SPECIAL = re.compile(r'".*[^\d\w\s].*"')


def csv_special_character() -> Constraint:
    """CSV of a header and fourteen rows; one field, of those up to the first such, is quoted and has a sign in it."""

    def find_fault(response: str) -> Fault:
        if not _PRODUCTS.fullmatch(response.split("\n")[0].strip()):
            return "another header"
        rows = _csv(response, keeps_quotes=True)
        if isinstance(rows, str):
            return rows
        if len(rows) != 15:
            return f"{len(rows)} lines, not 15"
        for row in rows[1:]:
            if len(row) != 5:
                return f"a row of {len(row)} fields"
            if any(_SPECIAL.match(field) for field in row):
                return None
        return "no quoted field with a special character"

    return _once(
        "custom:csv_special_character",
        'Generate CSV data: The column names are ["ProductID", "Category", "Brand", "Price", "Stock"], the data should '
        "be comma delimited. Please generate 14 rows. Add one field which contains a special character and enclose it "
        "in double quotes.",
        find_fault,
    )


_STUDENTS = re.compile(
    r'(StudentID|"StudentID")\t *(Subject|"Subject")\t *(Grade|"Grade")\t *(Semester|"Semester")\t *(Score|"Score")'
)


def csv_quotes() -> Constraint:
    """A header and three rows, tabs between the fields, each field quoted."""

    def find_fault(response: str) -> Fault:
        if not _STUDENTS.fullmatch(response.split("\n")[0].strip()):
            return "another header"
        rows = _csv(response, delimiter="\t", keeps_quotes=True)
        if isinstance(rows, str):
            return rows
        quoted = all(
            field.strip().startswith('"') and field.strip().endswith('"') for row in rows for field in row
        )
        return _wrong_size(rows, 4) or (None if quoted else "a field without quotes")

    return _once(
        "custom:csv_quotes",
        'Generate CSV data: The column names are ["StudentID", "Subject", "Grade", "Semester", "Score"], the data '
        "should be tab delimited. Please generate 3 rows and enclose each single field in double quotes.",
        find_fault,
    )


_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_DAYS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


def date_format_list() -> Constraint:
    """Dates from 1769 to 1821 as YYYY-MM-DD, commas between them, and nothing else. History is not judged."""

    def find_fault(response: str) -> Fault:
        for said in map(str.strip, response.strip().split(",")):
            date = _DATE.fullmatch(said)
            if not date:
                return f"{said[:40]!r} is no date"
            year, month, day = map(int, date.groups())
            if not (1769 <= year <= 1821 and month <= 12 and day <= _DAYS.get(month, 31)):
                return f"{said} is no day of those years"
        return None

    return _once(
        "custom:date_format_list",
        "List the start dates of all the battles Napoleon fought separated by commas, use the following date format: "
        "YYYY-MM-DD. Do not provide an explanation.",
        find_fault,
    )


def _once(id: str, request: str, find_fault: Callable[[str], Fault]) -> Constraint:
    return Constraint(id=id, request=request, find_fault=find_fault)


def _csv(response: str, *, delimiter: str = ",", keeps_quotes: bool = False) -> list[list[str]] | str:
    """The rows, or why there are none. Quotes around a field are kept by doubling each into a pair and one."""
    text = response.replace('"', '"""') if keeps_quotes else response
    try:
        return list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        return f"no CSV: {error}"


def _wrong_size(rows: list[list[str]], lines: int) -> Fault:
    if len(rows) != lines:
        return f"{len(rows)} lines, not {lines}"
    odd = next((row for row in rows if len(row) != 5), None)
    return None if odd is None else f"a row of {len(odd)} fields"
