import pytest

from rlvr_gym.errors import ConfigError, DataError
from rlvr_gym.verifiers.answers import Answer, AnswerContract, Malformed, Marker
from tests.timing import at_most

BOXED = AnswerContract(Marker.BOXED)


def parts(text: str, marker: str = "boxed", strict: bool = False) -> tuple[str, ...] | None:
    said = AnswerContract(marker, strict=strict).read(text)
    return said.parts if isinstance(said, Answer) else None


@pytest.mark.parametrize("marker", list(Marker))
def test_what_is_written_is_read_back(marker: Marker):
    contract = AnswerContract(marker)
    for answer in ["42", r"\frac{1}{2}", r"\left\{ 1, 2 \right\}", "<b>", "- 3"]:
        assert contract.read(contract.write(answer)) == Answer(parts=(answer,))


def test_an_answer_that_cannot_stand_in_its_marker_is_not_written():
    with pytest.raises(DataError, match="cannot be written"):
        BOXED.write("1}")
    with pytest.raises(DataError):
        AnswerContract("hashes").write("1\n2")


def test_a_marker_may_be_given_by_name():
    assert AnswerContract("boxed") == AnswerContract(Marker.BOXED)


def test_an_unknown_marker_is_refused_with_the_possible_ones():
    with pytest.raises(
        ConfigError, match="no answer marker 'box'; possible: boxed, tag, hashes, line, whole"
    ):
        AnswerContract("box")


def test_an_answer_only_inside_the_thinking_is_none():
    assert parts(r"<think>\boxed{42}</think> Done.") is None


def test_an_unclosed_thinking_part_hides_all_that_follows():
    assert parts(r"<think>So \boxed{42}") is None
    assert parts(r"\boxed{41} <think>So \boxed{42}") == ("41",)


def test_thinking_that_the_prompt_opened_ends_at_its_closing_tag():
    assert parts(r"maybe \boxed{42} </think> \boxed{41}") == ("41",)
    assert parts(r"maybe \boxed{42} </think> Done.") is None


def test_an_inner_thinking_tag_does_not_bring_thoughts_to_light():
    assert parts(r"<think> a <think> b </think> \boxed{42} </think> Done.") is None


def test_the_last_marker_decides():
    assert parts(r"\boxed{41}. Wait, \boxed{42}") == ("42",)
    assert parts("<answer>41</answer> No: <answer>42</answer>", "tag") == ("42",)
    assert parts("#### 41\nno\n#### 42", "hashes") == ("42",)
    assert parts("Answer: 41\nHm.\nAnswer: 42", "line") == ("42",)


@pytest.mark.parametrize(
    "between",
    [
        " and ",
        " or ",
        ", ",
        " ",
        "$ and $",
        r" \text{ or } ",
        r",\quad ",
        "\n\n",
        ". ",
        "; or ",
        " = ",
        "**, **",
        "\u200b",
        "，",
        " → ",
        " • ",
        "` or `",
        " + ",
        r" \newline ",
        r" \vee ",
        " or maybe ",
        "\n2. ",
        " (b) ",
    ],
)
def test_markers_joined_by_nothing_but_punctuation_are_one_list(between: str):
    assert parts(rf"\boxed{{1}}{between}\boxed{{-2}}") == ("1", "-2")


@pytest.mark.parametrize(
    "tag", ["<think >", "<THINK>", "< think>", "<thinking>", '<think id="1">', "<think\n>"]
)
def test_a_thinking_tag_written_carelessly_hides_thoughts_all_the_same(tag: str):
    name = "thinking" if "ing" in tag else "think"
    assert parts(rf"{tag}\boxed{{42}}</{name}> Done.") is None
    assert parts(rf"{tag}\boxed{{41}}</{name} > \boxed{{42}}") == ("42",)


def test_a_backslash_too_many_before_a_box_changes_nothing():
    assert parts(r"\\boxed{42}") == ("42",)
    assert parts(r"\boxed{41}. No, \\boxed{42}") == ("42",)
    assert parts("\\boxed{41} or \\\n\\\\boxed{42}") == ("41", "42")


@pytest.mark.parametrize(
    "text",
    [
        "**Answer:** 42",
        "**Final Answer:**\n42",
        "Answer:\r\n\r\n42",
        "The final answer is: 42",
        "Answer：42",
        "So 41?\n> Answer: **42**\nThat is all.",
    ],
)
def test_an_answer_line_is_read_however_it_is_laid_out(text: str):
    assert parts(text, "line") == ("42",)


def test_emphasis_after_the_hashes_is_no_part_of_the_answer():
    assert parts("#### **42**", "hashes") == ("42",)


def test_words_between_markers_keep_them_apart():
    assert parts(r"\boxed{1} gives \boxed{-2}") == ("-2",)
    assert parts(r"\boxed{1} order \boxed{-2}") == ("-2",)


def test_several_lines_with_an_answer_are_one_list():
    assert parts("#### 41\n#### 42", "hashes") == ("41", "42")
    assert parts("Answer: 41\nAnswer: 42", "line") == ("41", "42")


def test_strict_asks_for_exactly_one_marker():
    assert parts(r"\boxed{41}. Wait, \boxed{42}", strict=True) is None
    assert parts(r"\boxed{41 and \boxed{42}", strict=True) is None
    assert parts(r"<think>\boxed{41}</think> \boxed{42}", strict=True) == ("42",)


def test_an_unclosed_box_is_no_answer():
    assert parts(r"\boxed{42") is None
    assert parts(r"\boxed{42\}") is None
    assert parts(r"\boxed{41} then \boxed{42") is None
    assert parts(r"\boxed 42") is None
    assert parts(r"\boxed") is None


def test_an_unclosed_tag_is_no_answer():
    assert parts("<answer>42", "tag") is None
    assert parts("<answer>41</answer> <answer>42", "tag") is None
    assert parts("42</answer>", "tag") is None


def test_an_empty_marker_is_no_answer():
    assert parts(r"\boxed{41}, so \boxed{ }") is None
    assert parts("<answer> </answer>", "tag") is None
    assert parts("####\n42", "hashes") is None
    assert parts("Answer: **", "line") is None
    assert parts("  \n", "whole") is None


def test_an_empty_box_among_joined_ones_is_no_answer():
    assert parts(r"\boxed{}, \boxed{42}") is None


def test_braces_nest_and_escaped_braces_do_not_count():
    assert parts(r"\boxed{\frac{1}{2}}") == (r"\frac{1}{2}",)
    assert parts(r"\boxed{\{1, 2\}}") == (r"\{1, 2\}",)
    assert parts(r"\boxed{1 \\{2}}") == (r"1 \\{2}",)
    assert parts(r"\boxed{\boxed{42}}") == (r"\boxed{42}",)
    assert parts(r"\fbox {42}") == ("42",)


def test_an_earlier_unclosed_box_is_forgiven():
    assert parts(r"\boxed{41 hm \boxed{42}") == ("42",)


def test_longer_command_names_are_no_boxes():
    assert parts(r"\boxedfoo{42}") is None


def test_an_answer_line_may_be_decorated():
    assert parts("**Answer:** 42", "line") == ("42",)
    assert parts("**Final Answer: 42**", "line") == ("42",)
    assert parts("> answer : 42", "line") == ("42",)


def test_an_answer_line_begins_its_line():
    assert parts("I do not know the answer: 42", "line") is None


def test_five_hashes_are_a_heading_and_no_answer():
    assert parts("##### 42", "hashes") is None


def test_the_whole_completion_can_be_the_answer():
    assert parts("<think>hm</think>\n 42 \n", "whole") == ("42",)


def test_half_characters_are_read_as_question_marks():
    assert parts("\\boxed{4\ud800}") == ("4?",)


def test_a_refusal_says_why():
    assert BOXED.read("42") == Malformed(reason="no \\boxed{...} in the completion")


@pytest.mark.parametrize("marker", list(Marker))
@pytest.mark.parametrize(
    "text",
    [
        "{" * 1_000_000,
        r"\boxed{" * 100_000,
        r"\boxed{" * 50_000 + "}" * 50_000,
        r"\boxed{1}, " * 50_000,
        "<answer>" * 100_000,
        "<think>" * 100_000,
        "*" * 1_000_000,
        "#" * 1_000_000,
        "#### " * 100_000,
        "Answer: " * 100_000,
        "Answer" + " " * 1_000_000,
        r"\boxed{1}" + " " * 1_000_000 + r"\boxed{2}",
        "x" * 1_000_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_megabyte_is_read_in_linear_time(marker: Marker, text: str):
    with at_most(1.0):
        AnswerContract(marker).read(text)
