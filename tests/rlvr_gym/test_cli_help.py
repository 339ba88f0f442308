"""The command line's own documentation: help, topics, lists, completion."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from rlvr_gym import registry
from rlvr_gym.cli.exits import MEANINGS
from rlvr_gym.cli.known import OWN, commands
from rlvr_gym.cli.main import _app, main
from rlvr_gym.cli.manual import Manual, manual_of
from rlvr_gym.cli.overview import summary
from rlvr_gym.cli.topics.names import TOPICS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "160")


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run a command, and return what it prints on stdout."""
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    out, err = capsys.readouterr()
    assert (exited.value.code or 0) == code, err
    return out


def documented() -> dict[str, Manual]:
    """Every command of ours and of our trainers by its words, with its manual."""
    found: dict[str, Manual] = {}
    for name, point in commands().items():
        loaded = point.load()
        functions = {name: loaded}
        if isinstance(loaded, typer.Typer):
            inner = [one.callback for one in loaded.registered_commands if one.callback]
            functions = {f"{name} {one.__name__}": one for one in inner}
        for words, function in functions.items():
            manual = manual_of(function)
            assert manual is not None, f"rlvr {words} has no manual"
            found[words] = manual
    return found


def test_every_help_has_exit_codes_examples_and_a_page_that_exists(capsys: pytest.CaptureFixture[str]):
    for words, manual in documented().items():
        out = said(capsys, *words.split(), "--help")
        for code in MEANINGS:
            assert re.search(rf"^  {int(code)} ", out, re.M), f"{words}: exit code {code}"
        assert all(line in out for line, _ in manual.examples)
        assert (DOCS / f"{manual.page}.md").exists()
        assert manual.page in out.rstrip().splitlines()[-1]
        assert set(manual.topics) <= set(TOPICS)


def test_every_example_is_one_that_its_command_understands():
    for manual in documented().values():
        assert manual.examples
        for line, _ in manual.examples:
            program, *words = line.partition(" < ")[0].split()
            assert program == "rlvr"
            if words[-1] == "--help":
                words.pop()
            asked = typer.main.get_command(_app(words, completing=False))
            context = asked.make_context("rlvr", list(words), resilient_parsing=False)
            name, inner, rest = asked.resolve_command(context, list(words))  # pyright: ignore[reportAttributeAccessIssue]
            while hasattr(inner, "commands"):
                name, inner, rest = inner.resolve_command(context, rest)
            inner.make_context(name, rest, parent=context)


def test_h_is_short_for_help(capsys: pytest.CaptureFixture[str]):
    for words in ((), ("eval",), ("sandbox", "check")):
        assert said(capsys, *words, "-h") == said(capsys, *words, "--help")


def test_the_overview_says_of_each_command_what_its_own_help_says(capsys: pytest.CaptureFixture[str]):
    out = said(capsys, "--help")
    for name, point in commands().items():
        line = summary(point)
        assert line
        assert re.search(rf"^  {name} +{re.escape(line[:40])}", out, re.M)
        assert line[:40] in said(capsys, name, "--help")


def test_the_overview_imports_no_command():
    script = (
        "import sys\nfrom rlvr_gym.cli.main import main\ntry:\n    main(['--help'])\nfinally:\n"
        "    assert not {'typer', 'rich', 'rlvr_trainers', 'yaml', 'rlvr_gym.cli.commands'}"
        " & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_every_topic_is_a_short_text(name: str, capsys: pytest.CaptureFixture[str]):
    lines = said(capsys, "help", name).splitlines() if name != "" else []
    assert 3 <= len(lines) <= 40


def test_help_of_a_command_is_its_help(capsys: pytest.CaptureFixture[str]):
    assert said(capsys, "help", "verify") == said(capsys, "verify", "--help")


def test_a_topic_that_there_is_none_of_is_refused_with_the_closest(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exited:
        main(["help", "setting"])
    assert exited.value.code == 2
    assert "error: no topic 'setting'; did you mean 'settings'? topics: " in capsys.readouterr().err


def test_train_alone_lists_every_recipe_with_its_first_comment(capsys: pytest.CaptureFixture[str]):
    from rlvr_trainers.recipe import recipe_names, recipe_summary

    out = said(capsys, "train", code=2)
    for name in recipe_names():
        assert len(recipe_summary(name)) > 20
        assert re.search(rf"^{name} +{re.escape(recipe_summary(name)[:60])}", out, re.M)
    assert out == said(capsys, "help", "recipes")


def test_eval_alone_lists_every_environment_by_its_family(capsys: pytest.CaptureFixture[str]):
    out = said(capsys, "eval", code=2)
    for id in registry.list_environments():
        assert re.search(rf"[ \n]{re.escape(registry.short_name(id))}[,✓ \n]", out)
        assert re.search(rf"^{registry.family(id)} ", out, re.M)


def test_help_of_an_environment_lists_its_options(capsys: pytest.CaptureFixture[str]):
    out = said(capsys, "eval", "arithmetic", "env.digits=7", "--help")
    assert re.search(r"^digits +7 +int +`digits` is from 1 to 30", out, re.M)
    assert re.search(r"^operations +\+ +text +`operations` lists the operations", out, re.M)


def completed(line: str) -> list[str]:
    """Return the completions that bash offers at the end of a command line."""
    env = {
        **os.environ,
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_RLVR_COMPLETE": "complete_bash",
    }
    program = str(Path(sys.executable).with_name("rlvr"))
    done = subprocess.run([program], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_shell_completes_commands_environments_recipes_and_settings():
    assert set(completed("rlvr e")) == {"eval", "envs", "export"}
    assert completed("rlvr eval arith") == ["arithmetic"]
    assert set(completed("rlvr train dr")) == {"dr_grpo"}
    assert completed("rlvr train grpo batch.group") == ["batch.group_size="]
    assert completed("rlvr help exi") == ["exit-codes"]


def test_the_script_of_a_shell_is_printed_and_another_shell_refused(capsys: pytest.CaptureFixture[str]):
    main(["--show-completion", "bash"])
    assert "complete -o default -F _rlvr_completion rlvr" in capsys.readouterr().out
    with pytest.raises(SystemExit) as exited:
        main(["--show-completion", "tcsh"])
    assert exited.value.code == 2
    assert "no completion for 'tcsh'; possible: " in capsys.readouterr().err


def test_our_commands_are_all_in_a_group_of_the_overview():
    from rlvr_gym.cli.overview import GROUPS

    assert set(OWN) <= {name for names in GROUPS.values() for name in names}
