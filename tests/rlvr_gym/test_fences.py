"""Fenced blocks in lists and block quotes, as CommonMark reads them."""

import time

import pytest

from rlvr_gym.verifiers.fences import Block, fenced_blocks, last_fenced

ADD = "def add(a, b):\n    return a + b"


def inside(first, later, source=ADD, fence="```", language="python"):
    """A fenced block whose first line begins with `first` and whose others do with `later`."""
    lines = [f"{fence}{language}", *source.split("\n"), fence]
    return "\n".join((first if i == 0 else later) + line for i, line in enumerate(lines))


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("- ", "  "),
        ("* ", "  "),
        ("+ ", "  "),
        ("1. ", "   "),
        ("12) ", "    "),
        ("-   ", "    "),
        ("-\t", "\t"),
        ("- - ", "    "),
        ("  * ", "    "),
        ("> ", "> "),
        (">\t", "> \t"),
        ("   > ", "  > "),
        ("> > ", ">> "),
        ("> - ", ">   "),
        ("- > ", "  > "),
        ("1. > ", "   > "),
        ("> 1. - ", ">      "),
        ("      > ", "      > "),
    ],
)
@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_the_marks_of_lists_and_quotes_are_not_the_blocks(first, later, fence):
    text = f"So:\n\n{inside(first, later, fence=fence)}\n\nThat is all."
    assert list(fenced_blocks(text)) == [Block("python", ADD, True)]


def test_a_blank_line_in_a_list_item_needs_no_indentation():
    text = "- ```python\n  x = 1\n\n  y = 2\n  ```"
    assert list(fenced_blocks(text)) == [Block("python", "x = 1\n\ny = 2", True)]


def test_indentation_beyond_the_items_is_the_blocks_own():
    assert list(fenced_blocks("1. ```\n     x\n    y\n   ```")) == [Block("", "  x\n y", True)]
    assert list(fenced_blocks("-\t```\n\t\tx\n\t```")) == [Block("", "\tx", True)]
    assert list(fenced_blocks("- ```\n\tx\n  ```")) == [Block("", "  x", True)]
    assert list(fenced_blocks(">```\n>x\n>  y\n>```")) == [Block("", "x\n y", True)]


@pytest.mark.parametrize(
    "text",
    [
        "> ```python\n> x\n\nno quote",
        "> ```python\n> x\nno quote",
        "> ```python\n> x\n```\n\nMore.",
        "- ```python\n  x\nno item",
        "- ```python\n  x\n```\n\nMore.",
        "> > ```python\n> > x\n> ```\n\nMore.",
        "- > ```python\n  > x\n  more",
    ],
)
def test_a_quote_or_an_item_that_ends_closes_its_block(text):
    assert list(fenced_blocks(text)) == [Block("python", "x", True)]


def test_what_stands_behind_a_quote_may_open_another_block():
    text = "> ```python\n> x\n```python\ny\n```"
    assert list(fenced_blocks(text)) == [Block("python", "x", True), Block("python", "y", True)]


@pytest.mark.parametrize("text", ["> ```python\n> x", "- ```python\n  x\n", "> - ```python\n>   x\n>   ~~~"])
def test_a_block_that_the_text_ends_in_is_not_closed(text):
    assert [block.closed for block in fenced_blocks(text)] == [False]


@pytest.mark.parametrize("first", ["- ", "1. ", "> ", "> - ", "Answer: "])
def test_a_fence_of_python_behind_other_text_needs_no_marks_on_its_other_lines(first):
    assert list(fenced_blocks(inside(first, ""))) == [Block("python", ADD, True)]


def test_a_mark_inside_of_a_block_is_the_blocks_own():
    source = "x = '''\n> ```\n- ```\n'''"
    assert list(fenced_blocks(f"```python\n{source}\n```")) == [Block("python", source, True)]
    assert list(fenced_blocks("> ```\n> > x\n> ```")) == [Block("", "> x", True)]


@pytest.mark.parametrize("first", ["-", "1234567890. ", "a) ", "** ", "#. "])
def test_what_is_no_mark_opens_no_block(first):
    assert list(fenced_blocks(f"{first}```\nx")) == []


def test_the_last_block_of_an_answer_may_stand_in_a_list_or_a_quote():
    assert last_fenced("- ```sql\n  SELECT 1\n  ```") == "SELECT 1"
    assert last_fenced("> ~~~\n> SELECT 1\n> ~~~\n\nas asked") == "SELECT 1"
    assert last_fenced(" SELECT 1 ") == "SELECT 1"
    with pytest.raises(ValueError, match="never closed"):
        last_fenced("> ```sql\n> SELECT 1")


def seconds_to_read(text):
    began = time.process_time()
    list(fenced_blocks(text))
    return time.process_time() - began


@pytest.mark.parametrize(
    "text",
    [
        "> " * 300_000 + "```\n" + "> " * 300_000,
        ("> " * 40 + "```\n") * 10_000,
        ("- " * 40 + "```\n") * 10_000,
        "- " * 300_000 + "\n",
        "> - " * 20 + "```\n" + ("> " * 20 + " " * 100 + "\n") * 5_000,
        "- ```\n" + "\n" * 500_000,
        "> ```\n\n" * 100_000,
        "- ```\n \n" * 100_000,
        "\t" * 500_000 + "```\n" + "\t" * 500_000,
    ],
    ids=lambda text: repr(text[:9]) + str(len(text)),
)
def test_reading_takes_time_linear_in_the_text(text):
    half, whole = (min(seconds_to_read(part) for _ in range(3)) for part in (text[: len(text) // 2], text))
    assert whole < 3 * half + 0.2
