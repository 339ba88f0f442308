"""Reading the samples of a report in a browser: what is found, folded, ordered, laid side by side and labelled."""

import json
from pathlib import Path

import pytest

from rlvr_gym.report import write_report
from tests.rlvr_gym import report_runs
from tests.rlvr_gym.browsers import chromium
from tests.rlvr_gym.report_pages import Page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reading")
    write_report([report_runs.rich_training(folder / "grpo")], folder / "report.html")
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def report(browser, folder: Path) -> Page:
    """The report of one training run, freshly opened at its samples."""
    browser.get((folder / "report.html").as_uri())
    browser.execute_script("localStorage.clear(); history.replaceState(null, '', location.pathname)")
    browser.refresh()
    page = Page(browser)
    page.click("#show-samples")
    return page


def test_the_expected_answer_stands_beside_the_one_that_was_read_and_its_place_is_marked(report: Page):
    report.type("#filter", "not correct and answer = 1")
    assert report.text("#reader .expected .said") == "72"
    assert report.text("#reader .was-read .said") == "1"
    assert [mark.text for mark in report.find("#reader mark.read")] == ["1"]
    before = report.find("#reader .completion .said p")[0].text
    assert "\\boxed{1}" in before
    report.type("#filter", "outcome = malformed")
    assert report.text("#reader .was-read .said") == "no answer could be read"
    assert report.find("#reader mark.read") == []


def test_characters_that_nobody_sees_are_named(report: Page):
    report.type("#filter", "answer = 1 and invisible and step = 3")
    assert [sign.text for sign in report.find("#reader .completion .invisible")] == ["U+200B", "U+202E"]
    report.press("r")
    assert [sign.text for sign in report.find("#reader .completion .invisible")] == ["U+200B", "U+202E"]
    assert "⟨U+200B⟩" in report.find("#list .row .what")[0].text


def test_rows_are_called_by_the_words_of_their_prompts(report: Page):
    assert report.rows()[0] == "How much did Weng earn? step 1 · #0 · correct"
    assert report.text("#reader .whereabouts") == "step 1, task wages, sample 0"


def test_samples_are_filtered_and_ordered_by_expressions(report: Page):
    report.type("#filter", "reward > 0 and tokens < 4")
    assert report.text("#count") == "3 of 24 samples"
    report.type("#order", "-tokens")
    assert [row.split("? ")[1] for row in report.rows()] == [
        f"step {step} · #0 · correct" for step in (3, 2, 1)
    ]
    report.type("#filter", "reward = none and (step = 2 or step = 4) and flags ~ several")
    assert report.text("#count") == "2 of 24 samples"
    report.type("#filter", "abs(advantage) > 1")
    assert report.text("#count") == "6 of 24 samples"
    report.type("#filter", 'task = clips and text ~ "from the question" and not truncated')
    assert report.text("#count") == "6 of 24 samples"
    report.type("#filter", "flagged and truncated")
    assert report.text("#count") == "6 of 24 samples"
    report.button("Reset")
    assert report.text("#count") == "24 of 24 samples"
    assert [report.find(box)[0].get_attribute("value") for box in ("#filter", "#order")] == ["", ""]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("rewrad > 0", "Filter: there is no field “rewrad”; there are reward, advantage,"),
        ("reward >", "Filter: something is missing at the end."),
        ("(reward > 0", "Filter: a bracket is opened and never closed."),
        ("tokens", "Filter: this is a number, not a condition: compare it, as in tokens < 20."),
        ("tokens < correct", "Filter: a number and true or false cannot be compared with “<”."),
        ("tokens > 1 step > 2", "Filter: “step” is one too many: join conditions with and, or."),
        ("reward ≥ 1", "Filter: “≥ 1” cannot be read"),
        ("constructor = 1", "Filter: there is no field “constructor”"),
        ("x" * 501, "Filter: an expression has at most 500 characters."),
        ("(" * 499, "Filter: something is missing at the end."),
        ("alert(1)", "Filter: there is no field “alert”"),
    ],
)
def test_an_expression_that_cannot_be_read_is_told_in_a_sentence(report: Page, expression: str, said: str):
    report.browser.execute_script(
        "const box = document.getElementById('filter'); box.value = arguments[0];"
        "box.dispatchEvent(new Event('input'))",
        expression,
    )
    assert report.text("#problem").startswith(said)
    assert report.text("#count") == "24 of 24 samples"
    assert report.find("#filter[aria-invalid='true']")
    report.type("#filter", "step = 1")
    assert report.find("#problem") == []
    assert report.text("#count") == "4 of 24 samples"


def test_near_duplicates_are_folded_and_counted_over_tasks(report: Page):
    report.click("#fold")
    assert report.text("#count") == "24 of 24 samples, 3 unlike"
    assert [copies.text for copies in report.find("#list .copies")] == [
        "× 12 over 2 tasks", "× 6 over 2 tasks", "× 6 over 2 tasks",
    ]  # fmt: skip
    report.type("#filter", "task = wages")
    assert report.find("#list .copies")[0].text == "× 6 over 1 task"
    report.button("Reset")
    report.type("#filter", "correct")
    report.button("× 6 over 2 tasks")
    assert report.text("#count") == "6 of 24 samples"
    assert report.find("#filter")[0].get_attribute("value").startswith("cluster = ")


def test_markdown_formulas_code_and_thinking_are_shown_as_they_are_meant(report: Page):
    said = report.find("#reader .completion .rendered")[0]
    assert [one.text for one in said.find_elements("css selector", ".heading")] == ["Solution"]
    assert [one.text for one in said.find_elements("css selector", "strong")] == ["48"]
    assert [one.text for one in said.find_elements("css selector", "em")] == ["surely"]
    assert len(said.find_elements("css selector", ".item")) == 2
    assert len(said.find_elements("css selector", "math mfrac")) == 1
    assert len(said.find_elements("css selector", ".formula.display math")) == 1
    (code,) = said.find_elements("css selector", ".code pre")
    assert code.text == "total = 48 + 24  # **not** bold"
    (thinking,) = said.find_elements("css selector", "details.thinking")
    assert thinking.text == "thinking, 5 words"
    thinking.find_element("css selector", "summary").click()
    assert "Half of 48 is 24." in thinking.text
    report.press("r")
    assert report.text("#reader .completion .said") == report_runs.SOLVED
    assert report.errors() == []


def test_a_search_opens_the_thinking_it_finds_something_in(report: Page):
    report.search("half of")
    assert "half" in [mark.text.lower() for mark in report.find("#reader .thinking mark.found")]


ATTACKS = (
    "$\\href{javascript:window.hacked=1}{x}$ \\(\\includegraphics{http://127.0.0.1:9/x}\\) $\\htmlStyle{color:red}{y}$",
    "$$\\def\\a{\\a\\a}\\a$$ $\\def\\b#1{#1#1}\\b{\\b{\\b{\\b{\\b{x}}}}}$ $" + "{" * 2000 + "}" * 2000 + "$",
    "[click](javascript:window.hacked=2) ![x](http://127.0.0.1:9/x.png) <http://127.0.0.1:9/>",
    "<think><img src=x onerror=window.hacked=3></think><details open ontoggle=window.hacked=4>",
    "```html\n<script>window.hacked=5</script>\n```\n`<b onclick=window.hacked=6>`",
    "$\\colorbox{red}{x}$ $\\fbox{y}$ $\\text{<img src=x onerror=window.hacked=7>}$",
)


def test_what_a_model_wrote_stays_inert_when_it_is_rendered(browser, tmp_path: Path):
    run = report_runs.training(tmp_path / "run", steps=1, group=4)
    row = json.loads((run / "samples.jsonl").read_text().splitlines()[0])
    with (run / "samples.jsonl").open("w") as lines:
        for number, text in enumerate(ATTACKS):
            said = row | {"sample": number, "messages": [{"role": "assistant", "content": text}]}
            lines.write(json.dumps(said) + "\n")
    write_report([run], tmp_path / "report.html")
    browser.get((tmp_path / "report.html").as_uri())
    page = Page(browser)
    page.click("#show-samples")
    for _ in ATTACKS:
        page.press("j")
        inside = browser.execute_script(
            "return [...document.querySelectorAll('#reader .said *')].flatMap(e =>"
            " [e.localName, ...[...e.attributes].map(a => a.name)])"
        )
        assert not set(inside) & {"a", "img", "script", "iframe", "b", "href", "src", "onclick", "onerror"}
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert loaded == []
    assert browser.execute_script("return window.hacked") is None
    assert page.errors() == []


def test_a_long_hostile_text_is_rendered_in_moments(browser, tmp_path: Path):
    run = report_runs.training(tmp_path / "run", steps=1, group=1)
    row = json.loads((run / "samples.jsonl").read_text())
    texts = [
        "`a ``b " * 14_000,
        "\\(" * 45_000,
        "$x$ " * 24_000,
        "**a __b " * 12_000,
        "<think>" * 14_000,
        "- \n" * 30_000,
    ]
    with (run / "samples.jsonl").open("w") as lines:
        for number, text in enumerate(texts):
            said = row | {"sample": number, "messages": [{"role": "assistant", "content": text}]}
            lines.write(json.dumps(said) + "\n")
    write_report([run], tmp_path / "report.html")
    browser.get((tmp_path / "report.html").as_uri())
    page = Page(browser)
    page.click("#show-samples")
    for _ in texts:
        took = browser.execute_script(
            "const began = performance.now(); select(state.shown[state.shown.indexOf(state.selected) + 1] || "
            "state.shown[0]); document.body.offsetHeight; return performance.now() - began"
        )
        assert took < 5000
    assert page.errors() == []


def test_a_task_is_shown_at_every_step_that_it_was_recorded_at(report: Page):
    report.button("This task 3 times")
    assert [title.text for title in report.find("#reader .time > h3")] == [
        "step 1, 1 of 4 right", "step 3, 1 of 4 right", "step 5, 1 of 4 right",
    ]  # fmt: skip
    strips = report.find("#reader .time .strip")
    strips[2].find_elements("css selector", "button")[3].click()
    assert report.selected == "How much did Weng earn? step 5 · #3 · incorrect"
    report.press("t")
    assert report.find("#reader .time") == []


def test_two_samples_stand_side_by_side(report: Page):
    report.press("b", "j")
    sides = report.find("#reader .side")
    assert [side.find_element("css selector", ".whereabouts").text for side in sides] == [
        "step 1, task wages, sample 0", "step 1, task wages, sample 1",
    ]  # fmt: skip
    assert sides[0].location["y"] == sides[1].location["y"]
    report.press("n")
    assert report.find("#reader .side .whereabouts")[1].text == "step 2, task clips, sample 0"
    report.press("b")
    assert report.find("#reader .side") == []


def test_a_link_opens_the_report_at_its_sample(report: Page, folder: Path):
    report.press("n", "j", "j")
    assert report.becomes(lambda: report.browser.current_url.endswith("step=2&task=clips&sample=2"))
    link = report.browser.current_url
    assert "run=grpo" in link
    report.browser.get("about:blank")
    report.browser.get(link)
    assert report.selected == "How many clips did Natalia sell? step 2 · #2 · incorrect"
    report.browser.execute_script("location.hash = '#run=grpo&step=4&task=clips&sample=1'")
    assert report.becomes(lambda: "step 4 · #1" in report.selected)
    report.browser.execute_script("location.hash = '#run=grpo&step=99&task=clips&sample=1'")
    assert report.becomes(lambda: bool(report.find("#problem")))
    assert report.text("#problem") == "The sample that this link is to is not among those of this report."


def test_a_point_of_a_curve_and_an_alarm_lead_to_the_samples_of_their_step(report: Page):
    from selenium.webdriver import ActionChains

    report.click("#show-summary")
    curve = report.find("#summary svg.zooms")[1]
    report.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", curve)
    ActionChains(report.browser).move_to_element(curve).click().perform()
    assert report.becomes(lambda: bool(report.find("#count")))
    chosen = report.find("#filter")[0].get_attribute("value")
    assert chosen in ("step = 3", "step = 4")
    assert report.text("#count") == "4 of 24 samples"
    report.click("#show-summary")
    report.button("2 to 4")
    assert report.find("#filter")[0].get_attribute("value") == "step >= 2 and step <= 4"
    assert report.text("#count") == "12 of 24 samples"


def test_labels_are_kept_and_leave_as_test_cases_that_verify_holds_a_verifier_to(report: Page):
    report.press("f", "j", "u", "j", "h")
    assert [label.text for label in report.find("#list .label")] == ["fine", "unsure", "hack"]
    assert report.text("#export-labels") == "Export 3 labels"
    assert report.becomes(lambda: report.browser.current_url.endswith("sample=2"))
    report.browser.refresh()
    assert [label.text for label in report.find("#list .label")] == ["fine", "unsure", "hack"]
    report.press("h")
    assert report.text("#export-labels") == "Export 2 labels"
    report.press("h")
    report.type("#filter", "label = hack")
    assert report.text("#count") == "1 of 24 samples"
    cases = [json.loads(line) for line in report.browser.execute_script("return testCases()").splitlines()]
    assert [case["expectation"] for case in cases] == ["must pass", "must not crash", "must not pass"]
    assert cases[0]["completion"] == report_runs.SOLVED
    assert cases[2]["task"] == "wages"
    assert (cases[2]["label"], cases[2]["environment"], cases[2]["step"]) == ("hack", "arithmetic", 1)


def test_labels_of_another_run_of_the_same_name_do_not_stick_to_other_completions(
    report: Page, tmp_path: Path
):
    report.press("h")
    report.browser.execute_script("SAMPLES[0].turns[0].content += ' changed'; filterSamples()")
    assert report.find("#list .label") == []


def test_curves_are_smoothed_and_zoomed_into(report: Page):
    from selenium.webdriver import ActionChains

    report.click("#show-summary")
    curves = "#summary svg.zooms path.curve"
    before = len(report.find(curves))
    report.browser.execute_script(
        "const s = document.querySelector('.smoothing'); s.value = 0.8; s.dispatchEvent(new Event('input'))"
    )
    banded = 1
    assert len(report.find(curves)) == 2 * before - banded
    chart = report.find("#summary svg.zooms")[1]
    report.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    ActionChains(report.browser).move_to_element(chart).click_and_hold().move_by_offset(
        120, 0
    ).release().perform()
    assert report.becomes(lambda: bool(report.find(".whole")))
    assert report.browser.execute_script("return curveView.zoom.length") == 2
    report.button("Whole run")
    assert report.find(".whole") == []


def test_smoothing_keeps_means_without_a_lag_and_leaves_lines_with_an_interval_alone(report: Page):
    means = report.browser.execute_script(
        "return [smoothed([[1, 2], [2, 4], [3, 6]], 0.5), smoothed([[1, 5], [2, null], [3, 5]], 0.9)]"
    )
    # The middle: (4 + 0.5 * 2 + 0.5 * 6) / 2; the first: (2 + 0.5 * 4 + 0.25 * 6) / 1.75.
    assert means[0] == [[1, pytest.approx(5.5 / 1.75)], [2, 4], [3, pytest.approx(8.5 / 1.75)]]
    assert means[1] == [[1, 5], [3, 5]]


def test_noise_near_zero_does_not_fill_an_axis(report: Page):
    limits = report.browser.execute_script(
        "return [valueLimits([1e-7, 3e-7], 0.01), valueLimits([-1e-9, 1e-9], 0.2), valueLimits([0, 40], 0.1)]"
    )
    assert limits[0][0] == 0
    assert limits[0][1] == pytest.approx(0.0105, rel=1e-3)
    assert limits[1] == pytest.approx([-0.1, 0.11], rel=1e-3)
    assert limits[2] == pytest.approx([0, 42])


def test_settings_and_versions_of_the_run_are_told(report: Page):
    report.click("#show-summary")
    (shown,) = report.find("#settings-all-training")
    shown.find_element("css selector", "summary").click()
    assert "batch.group_size 4" in shown.text
    assert "env.id arithmetic" in shown.text


@pytest.mark.parametrize("width", [390, 820, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(report: Page, width: int, theme: str):
    report.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    report.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        for view in (
            "show('summary')",
            "show('samples')",
            "document.querySelector('.row').click()",
            "view('group')",
        ):
            report.browser.execute_script(view)
            report.settle()
            page = "document.documentElement"
            assert report.browser.execute_script(f"return {page}.scrollWidth <= {page}.clientWidth"), view
    finally:
        report.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_a_phone_the_sample_takes_the_place_of_the_list(report: Page):
    report.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        assert report.find("#reader") == []
        report.find("#list .row")[1].click()
        assert report.becomes(lambda: bool(report.find("#reader")))
        assert report.find("#list") == []
        report.click("#back")
        assert report.find("#list .row")
    finally:
        report.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
