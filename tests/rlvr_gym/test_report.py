"""Reports, as data and as a person sees them in a browser."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.evaluation import read_run, summarize, tally
from rlvr_gym.report import write_report
from rlvr_gym.report.evaluations import breakdowns, evaluation, lengths
from rlvr_gym.report.page import SCRIPTS, VENDORED, page
from rlvr_gym.report.training import read_training, training
from tests.rlvr_gym import report_runs
from tests.rlvr_gym.browsers import chromium
from tests.rlvr_gym.report_pages import Page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluations, a training run, and the report of all three."""
    folder = tmp_path_factory.mktemp("reports")
    runs = [
        report_runs.evaluation(folder / "base"),
        report_runs.evaluation(folder / "trained", right=7, model="parrot-2"),
        report_runs.training(folder / "dapo"),
    ]
    write_report(runs, folder / "report.html")
    return folder


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of this module."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def report(browser, folder: Path):
    """The report of three runs, freshly opened, its system in light colours."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    )
    browser.get((folder / "report.html").as_uri())
    browser.execute_script("localStorage.clear()")
    browser.refresh()
    return Page(browser)


def test_the_numbers_of_a_report_are_those_of_the_evaluation(folder: Path):
    run = read_run(folder / "base")
    shown, said = evaluation(run, "base"), summarize(run.samples, k=(1, 8))
    assert [point["k"] for point in shown["curve"]] == [1, 2, 4, 8]
    assert shown["curve"][-1]["value"] == said.pass_at_k[8].value
    assert shown["curve"][0]["low"] == said.pass_at_k[1].low
    assert shown["outcomes"] == {"correct": 70, "incorrect": 70, "malformed": 19, "timeout": 0, "unscored": 1}
    assert shown["solved"] == [0, 0, 0, 5, 5, 0, 5, 4, 1, 0, 0, 0]


def test_accuracy_is_broken_down_by_what_divides_the_tasks(folder: Path):
    run = read_run(folder / "base")
    found = {one["key"]: one["rows"] for one in breakdowns(run.samples, tally(run.samples))}
    assert list(found) == ["level", "subject"]
    assert [(row["label"], row["problems"]) for row in found["level"]] == [
        ("1", 5),
        ("2", 5),
        ("3", 5),
        ("4", 5),
    ]
    # Level 4 is right in 2 of 8 samples; level 1 in 5 of 8, in one task 5 of 7, one sample being unscored.
    assert found["level"][3]["value"] == pytest.approx(2 / 8)
    assert found["level"][0]["value"] == pytest.approx((4 * 5 / 8 + 5 / 7) / 5)


def test_numbers_that_differ_from_task_to_task_are_cut_into_ranges(folder: Path):
    run = read_run(folder / "base")
    rated = [
        s.model_copy(update={"metadata": {"rating": 800 + 13 * int(s.task[1:]), "id": s.task}})
        for s in run.samples
    ]
    (found,) = breakdowns(rated, tally(rated))
    assert found["key"] == "rating"
    assert [row["problems"] for row in found["rows"]] == [4, 4, 4, 4, 4]
    assert found["rows"][0]["label"] == "800 to 849.4"


def test_every_completion_is_counted_once_in_the_lengths(folder: Path):
    found = lengths(read_run(folder / "base").samples, 90)
    assert found is not None
    assert {outcome: sum(counts) for outcome, counts in found["counts"].items()} == {
        "correct": 70, "incorrect": 70, "malformed": 19, "unscored": 1,
    }  # fmt: skip
    assert found["medians"]["malformed"] == 1


def test_the_alarms_of_a_training_run_are_told_with_their_steps(tmp_path: Path):
    described = training(read_training(report_runs.training(tmp_path / "run")), "run")
    assert described["detectors"] == [
        {"name": "canaries", "looks": 12, "alarms": 4, "stretches": [[2, 4], [9, 9]]},
        {"name": "several_answers", "looks": 12, "alarms": 0, "stretches": []},
    ]
    (shares,) = [
        panel for panel in described["panels"] if panel["title"] == "signs of reward hacking, shares"
    ]
    assert [line["label"] for line in shares["lines"]] == ["paid for two answers", "several answers"]


def test_a_report_of_more_samples_than_it_may_hold_has_whole_groups_from_all_over_the_run(tmp_path: Path):
    out = tmp_path / "report.html"
    write_report([report_runs.large_evaluation(tmp_path / "run", 1000)], out, samples=200)
    groups = data_of(out)["groups"]
    assert len(groups) == 20
    assert {len(group["samples"]) for group in groups} == {10}
    assert groups[-1]["task"] == "task-95"


def data_of(path: Path) -> dict:
    block = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL
    )
    assert block
    return json.loads(block[1])


class Outline(HTMLParser):
    """The elements and attributes of a page when it is read as HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_what_a_model_wrote_adds_no_element_to_the_page(folder: Path):
    with_hostile, empty = Outline(), Outline()
    with_hostile.feed((folder / "report.html").read_text())
    empty.feed(page({"runs": [], "groups": [], "comparisons": []}))
    assert with_hostile.tags == empty.tags
    assert with_hostile.tags.count("script") == 2
    assert not any(name.startswith("on") for name in with_hostile.attributes)
    assert {
        sample["turns"][0]["content"]
        for group in data_of(folder / "report.html")["groups"]
        for sample in group["samples"]
    } >= set(report_runs.HOSTILE[:4])


def test_the_scripts_never_make_html_of_text():
    from importlib.resources import files

    for name in (*VENDORED, *SCRIPTS):
        source = files("rlvr_gym.report").joinpath("assets", name).read_text(encoding="utf-8")
        for way in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "</script",
            "<!--",
        ):
            assert way not in source, (name, way)


def test_the_licence_of_a_script_of_others_stands_beside_it():
    from importlib.resources import files

    for name in VENDORED:
        folder, _, script = name.rpartition("/")
        licence = files("rlvr_gym.report").joinpath("assets", folder, f"{script.partition('.')[0]}-LICENSE")
        assert "Permission is hereby granted" in licence.read_text(encoding="utf-8")


def test_the_policy_allows_the_reports_own_script_and_nothing_else(folder: Path):
    text = (folder / "report.html").read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["script-src"])
    for namespace in ("http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"):
        text = text.replace(namespace, "")
    assert "http://" not in text
    assert "https://" not in text


def test_the_summary_shows_every_run_its_curves_and_the_comparison(report: Page):
    seen = report.text("#summary")
    for words in (
        "Evaluations", "parrot-2", "20 × 8", "pass@k, 95 % intervals over tasks", "Outcomes",
        "pass@1 by subject", "geometry", "trained against base, paired by task", "20 tasks in common",
        "held-out pass@1, 95 % interval", "12 of 20", "entropy, nats per token", "seconds of a step",
        "arithmetic, <img src=x onerror=",
        "43.8 % correct, 43.8 % incorrect, 11.9 % malformed, 0.6 % unscored; 17.5 % truncated",
        "Alarms of the detectors of reward hacking", "canaries 4 of 12 looks",
        "No alarm: several answers.", "paid for two answers",
    ):  # fmt: skip
        assert words in seen, words
    assert "object" not in seen
    assert "NaN" not in seen
    assert "undefined" not in seen
    assert len(report.find("#summary figure svg")) >= 14
    assert report.find("#summary .better")[0].text == "+0.2518"
    assert report.errors() == []


def test_hovering_a_curve_tells_its_values(report: Page):
    from selenium.webdriver import ActionChains

    curve = report.find("#summary figure svg")[0]
    ActionChains(report.browser).move_to_element_with_offset(
        curve, -curve.size["width"] // 2 + 60, 0
    ).perform()
    assert report.text("#tooltip").splitlines()[0] == "k 1"
    assert "base  0.442  (0.372 to 0.513)" in report.text("#tooltip")


def test_outcomes_filter_the_samples_and_are_counted(report: Page):
    report.click("#show-samples")
    assert report.text("#count") == "368 of 368 samples"
    assert report.text("#outcome-malformed") == "malformed 38"
    report.click("#outcome-correct")
    assert report.text("#count") == "164 of 368 samples"
    assert report.selected == "say 0 #5 · incorrect"
    report.click("#outcome-incorrect")
    report.click("#outcome-malformed")
    assert report.text("#count") == "2 of 368 samples"
    assert {row.text.split("\n")[1] for row in report.find("#list .row")} == {"#7 · unscored"}
    assert "the sandbox is down" in report.text("#reader")
    report.click("#outcome-unscored")
    assert report.text("#count") == "0 of 368 samples"
    assert report.text("#reader") == "No sample is like that."


def test_search_finds_words_of_completions_and_tasks(report: Page):
    report.click("#show-samples")
    report.search("onerror say 7")
    shown = report.find("#list .row")
    assert report.text("#count") == "3 of 368 samples"
    assert {row.text.split("\n")[0] for row in shown} == {"say 7", "say 17"}
    assert "onerror" in [mark.text for mark in report.find("#reader mark")]


def test_runs_are_chosen_one_at_a_time(report: Page):
    from selenium.webdriver.support.select import Select

    report.click("#show-samples")
    Select(report.find("#run-filter")[0]).select_by_visible_text("dapo")
    assert report.text("#count") == "48 of 368 samples"
    assert report.selected == "1+1= step 1 · #0 · correct"


def test_keys_move_between_samples_and_prompts(report: Page):
    report.press("2")
    assert report.selected == "say 0 #0 · correct"
    report.press("j", "j")
    assert report.selected == "say 0 #2 · correct"
    report.press("k")
    assert report.selected == "say 0 #1 · correct"
    report.press("n")
    assert report.selected == "say 1 #0 · correct"
    assert "say 1" in report.text("#reader")
    report.press("n", "j", "p")
    assert report.selected == "say 1 #0 · correct"
    report.press("/", "j")
    assert report.selected.startswith("say ")
    assert report.find("#search")[0].get_attribute("value") == "j"


def test_the_group_of_a_prompt_stands_side_by_side_with_rewards_and_advantages(report: Page):
    report.click("#show-samples")
    report.search("12+12=")
    report.press("\ue00c")
    report.press("g")
    members = report.find("#reader .member")
    assert [member.text.splitlines()[:2] for member in members[:2]] == [["#0", "correct"], ["#1", "correct"]]
    assert ["reward 1" in members[0].text, "advantage +1.250" in members[0].text] == [True, True]
    assert ["reward -1" in members[3].text, "advantage −1.250" in members[3].text] == [True, True]
    assert "2 of 4 right" in report.text("#reader")
    assert members[0].location["y"] == members[1].location["y"]
    members[2].click()
    assert report.selected == "12+12= step 12 · #2 · incorrect"


def test_what_a_model_wrote_is_shown_as_it_is_and_never_runs(report: Page):
    report.click("#show-samples")
    for hostile in report_runs.HOSTILE[:4]:
        report.search(hostile.split()[0])
        report.press("\ue00c")
        assert report.find("#reader .completion .said")[0].text.startswith(hostile.split()[0])
        report.press("g", "g")
    shown = {said.text for said in report.find("#reader .completion .said")}
    assert shown == {report_runs.HOSTILE[3]}
    assert report.find("img") == []
    assert report.browser.execute_script("return window.hacked") is None
    assert report.errors() == []


def test_the_policy_stops_what_gets_into_the_page_all_the_same(report: Page):
    report.browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend', \"<img src='x' onerror='window.hacked = 9'>\");"
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 10'; document.body.append(s);"
    )
    assert report.browser.execute_script("return window.hacked") is None
    assert any("Content Security Policy" in message for message in report.errors())


def test_colours_follow_the_system_and_the_switch(report: Page):
    assert min(report.colour("body")) > 240
    assert max(report.colour("body", "color")) < 60
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    report.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    assert report.becomes(lambda: max(report.colour("body")) < 40)
    assert report.becomes(lambda: min(report.colour("body", "color")) > 200)
    assert report.text("#theme") == "Theme: system"
    report.click("#theme")
    assert report.text("#theme") == "Theme: light"
    assert report.becomes(lambda: min(report.colour("body")) > 240)
    report.browser.refresh()
    assert report.text("#theme") == "Theme: light"
    assert report.becomes(lambda: min(report.colour("body")) > 240)


def test_five_thousand_samples_are_as_quick_as_few(browser, tmp_path: Path):
    out = tmp_path / "report.html"
    write_report([report_runs.large_evaluation(tmp_path / "large", 5000)], out)
    browser.get(out.as_uri())
    report = Page(browser)
    report.click("#show-samples")
    assert report.text("#count") == "5,000 of 5,000 samples"
    assert len(report.find("#list .row")) < 40
    milliseconds = browser.execute_script(
        "const began = performance.now();"
        "for (let i = 0; i < 200; i++) document.dispatchEvent(new KeyboardEvent('keydown', {key: 'j'}));"
        "document.body.offsetHeight; return performance.now() - began"
    )
    report.settle()
    assert report.text("#reader .whereabouts") == "task task-20, sample 0"
    assert milliseconds / 200 < 50
    browser.execute_script("document.getElementById('list').scrollTop = 1e9")
    report.settle()
    assert report.find("#list .row")[-1].get_attribute("title") == "task task-499"
    report.search("4999:")
    assert report.text("#count") == "1 of 5,000 samples"


def test_the_command_writes_one_file_into_the_run(tmp_path: Path, capsys):
    run = report_runs.training(tmp_path / "dapo")
    with pytest.raises(SystemExit) as exited:
        main(["report", str(run)])
    assert exited.value.code == 0
    assert f"wrote {run / 'report.html'}" in capsys.readouterr().out
    assert data_of(run / "report.html")["runs"][0]["panels"][0]["band"][1] == [4, 4 / 22, 4 / 18]


def test_folders_that_hold_no_run_are_refused(tmp_path: Path, capsys):
    with pytest.raises(SystemExit) as exited:
        main(["report", str(tmp_path)])
    assert exited.value.code == 2
    assert "holds no evaluation" in capsys.readouterr().err
    run = report_runs.training(tmp_path / "dapo")
    with pytest.raises(rg.ConfigError, match="a run is named twice"):
        write_report([run, run], tmp_path / "out.html")


def test_runs_are_compared_with_the_first_that_asks_the_same_tasks(tmp_path: Path):
    runs = [
        report_runs.evaluation(tmp_path / "a", tasks=4),
        report_runs.evaluation(tmp_path / "b", tasks=6),
        report_runs.evaluation(tmp_path / "c", tasks=6, right=7),
        report_runs.evaluation(tmp_path / "d", tasks=4, right=7),
    ]
    write_report(runs, tmp_path / "report.html")
    compared = data_of(tmp_path / "report.html")["comparisons"]
    assert [(one["first"], one["second"]) for one in compared] == [("b", "c"), ("a", "d")]


def test_runs_of_unlike_tasks_stand_apart_and_it_is_said(browser, tmp_path: Path):
    runs = [
        report_runs.evaluation(tmp_path / "a", tasks=4),
        report_runs.evaluation(tmp_path / "b", tasks=6),
        report_runs.evaluation(tmp_path / "c", tasks=6, right=7),
        report_runs.training(tmp_path / "dapo"),
        report_runs.training(tmp_path / "other"),
    ]
    config = (tmp_path / "other" / "config.yaml").read_text()
    (tmp_path / "other" / "config.yaml").write_text(config.replace("arithmetic", "countdown"))
    write_report(runs, tmp_path / "report.html")
    browser.get((tmp_path / "report.html").as_uri())
    report = Page(browser)
    report.click("#show-summary")
    assert report.text("#unlike").startswith("Not all of these runs ask the same tasks.")
    titles = [title.text for title in report.find("#summary h2")]
    assert titles.count("Evaluations on Environment of 'echo'") == 2
    assert [title for title in titles if "against" in title] == ["c against b, paired by task"]
    assert [title for title in titles if title.startswith("Training")] == [
        "Training on arithmetic", "Training on countdown",
    ]  # fmt: skip
    assert report.errors() == []


def test_a_report_of_one_kind_of_tasks_says_nothing_of_unlike_ones(report: Page):
    report.click("#show-summary")
    assert report.find("#unlike") == []
    assert "Settings and versions" in report.text("#summary")


def test_faults_of_a_folder_are_told_in_one_line(tmp_path: Path, capsys):
    broken = report_runs.training(tmp_path / "broken")
    with (broken / "metrics.jsonl").open("a") as lines:
        lines.write("{torn\n")
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "config.yaml").write_text("recipe: dapo\n")
    for folder, said in ((broken, "line 14 is broken"), (begun, "no step of this run is finished yet")):
        with pytest.raises(SystemExit) as exited:
            main(["report", str(folder)])
        assert exited.value.code == 2
        err = capsys.readouterr().err
        assert said in err
        assert len(err.strip().splitlines()) == 1
