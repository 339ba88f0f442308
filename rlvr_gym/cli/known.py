"""The sub-commands by name: our own, and those of other packages. Imports none of them."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

GROUP = "rlvr_gym.commands"
"""Packages bring commands of their own through this entry-point group: Typer apps, or functions for one."""

OWN = {
    "eval": "rlvr_gym.cli.commands.eval.command:evaluate_model",
    "compare": "rlvr_gym.cli.commands.compare:compare_runs",
    "rescore": "rlvr_gym.cli.commands.rescore:rescore_run",
    "report": "rlvr_gym.cli.commands.report:report_runs",
    "view": "rlvr_gym.cli.commands.view:view_runs",
    "verify": "rlvr_gym.cli.commands.verify:verify",
    "audit": "rlvr_gym.cli.commands.audit:audit_environment",
    "envs": "rlvr_gym.cli.commands.envs:envs",
    "help": "rlvr_gym.cli.commands.help:show_help",
    "label-steps": "rlvr_gym.cli.commands.steps.label:label_steps",
    "overlap": "rlvr_gym.cli.commands.overlap:overlap",
    "play": "rlvr_gym.cli.commands.play:play",
    "new": "rlvr_gym.cli.commands.new:new",
    "export": "rlvr_gym.cli.commands.export:export",
    "sandbox": "rlvr_gym.cli.commands.sandbox:app",
    "serve": "rlvr_gym.cli.commands.serve:serve",
}


def commands() -> dict[str, EntryPoint]:
    """Every sub-command by name: our own, then those of other packages."""
    own = {name: EntryPoint(name, target, GROUP) for name, target in OWN.items()}
    return {**{point.name: point for point in sorted(entry_points(group=GROUP))}, **own}
