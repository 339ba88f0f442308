"""Shell completion: environments, runs, settings; topics and commands."""

from __future__ import annotations

from pathlib import Path

from rlvr_gym.cli.known import commands
from rlvr_gym.cli.topics.names import TOPICS
from rlvr_gym.errors import ConfigError

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")

Completions = list[tuple[str, str] | str]


def complete_environment(incomplete: str) -> Completions:
    """Environments whose name begins so, each with its summary; options of one cannot be known before its name."""
    from rlvr_gym import registry  # slow to import, and no help text needs it

    return [
        (name, card.summary if card else "")
        for id, card in registry.list_environments().items()
        if (name := registry.short_name(id)).startswith(incomplete)
    ]


def complete_evaluated(incomplete: str) -> Completions:
    """Complete the arguments of `rlvr eval`: environments, settings, and folders of runs."""
    keys = ["model.path=", "model.dtype=", *(f"sampling.{name}=" for name in _SAMPLING)]
    runs = [str(path) for path in sorted(Path("runs").glob("*")) if path.is_dir()]
    return [
        *complete_environment(incomplete),
        *_suites(incomplete),
        *(one for one in (*keys, *runs) if one.startswith(incomplete)),
    ]


def _suites(incomplete: str) -> Completions:
    from rlvr_gym.environments.suites import list_suites  # slow to import, and no help text needs it

    named = {f"suite={name}": suite.about for name, suite in list_suites().items()}
    return [(name, about) for name, about in named.items() if name.startswith(incomplete)]


_SAMPLING = ("temperature", "top_p", "top_k", "max_tokens")


def complete_run(incomplete: str) -> Completions:
    """Folders of runs, or any folder."""
    found = [*Path("runs").glob("*"), *Path().glob(f"{incomplete}*")]
    return sorted({str(path) for path in found if path.is_dir() and str(path).startswith(incomplete)})


def complete_help(incomplete: str) -> Completions:
    """Topics and commands."""
    named = {**TOPICS, **dict.fromkeys(commands(), "command")}
    return [(name, said) for name, said in named.items() if name.startswith(incomplete)]


def set_up(shell: str | None, *, install: bool) -> None:
    """Print what makes a shell complete our command lines, or put it where the shell reads it."""
    from typer.completion import get_completion_script  # pyright: ignore[reportPrivateImportUsage]
    from typer.completion import install as put  # pyright: ignore[reportPrivateImportUsage]

    shell = shell or _running_shell()
    if shell not in SHELLS:
        asked = f"no completion for '{shell}'" if shell else "which shell?"
        raise ConfigError(f"{asked}; possible: --show-completion {', '.join(SHELLS[:4])}")
    if install:
        _, path = put(shell=shell, prog_name="rlvr", complete_var="_RLVR_COMPLETE")
        print(f"{shell} completion is in {path}; it works from the next terminal on")
    else:
        print(get_completion_script(prog_name="rlvr", complete_var="_RLVR_COMPLETE", shell=shell))


def _running_shell() -> str | None:
    import shellingham

    try:
        return shellingham.detect_shell()[0]
    except shellingham.ShellDetectionFailure:
        return None
