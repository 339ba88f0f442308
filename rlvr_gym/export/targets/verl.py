"""verl: Parquet files, `compute_score` and, where episodes have several turns, an agent loop."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, final

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.export.targets.base import Export
from rlvr_gym.files import JsonObject, writing_to

LOOP = "rlvr_gym"
"""The name of the agent loop, in the rows and in its configuration."""
_LOOP_CONFIG = "agent_loop.yaml"


@final
class VerlExport(Export):
    """An environment for verl.

    `rows` are those of `data.train_files`, and `compute_score` is `reward.custom_reward_function`. verl has no word for
    a completion that could not be judged: `compute_score` raises VerifierFault, which ends the run with the cause.
    """

    target = "verl"
    files = {"reward.py": "verl_reward.template", "README.md": "verl_readme.template"}  # noqa: RUF012 - as declared

    @cached_property
    def rows(self) -> list[JsonObject]:
        """The rows of the Parquet file."""
        return [
            {
                "data_source": self.manifest.id,
                "prompt": [message.model_dump() for message in self.env.prompt(row.task, native_tools=False)],
                "ability": self.name,
                "reward_model": {"style": "rule", "ground_truth": self.gold(row.task)},
                "extra_info": {"index": row.index, "task": row.task.id, "split": self.env.tasks.split},
                **({"agent_name": LOOP} if self.multi_turn else {}),
            }
            for row in self.tasks
        ]

    @property
    def words(self) -> Mapping[str, str]:
        """The words of the templates: who scores depends on the number of turns."""
        settings = (
            f"actor_rollout_ref.rollout.agent.agent_loop_config_path={_LOOP_CONFIG}"
            if self.multi_turn
            else "reward.custom_reward_function.path=reward.py"
        )
        return {**super().words, "settings": settings}

    def compute_score(
        self,
        data_source: str,
        solution_str: str,
        ground_truth: str,
        extra_info: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> dict[str, float | str]:
        """Score a completion: verl's reward function.

        Raises VerifierFault where it could not be judged, and ConfigError for a row of another environment.
        """
        if data_source != self.manifest.id:
            raise ConfigError(f"a row of '{data_source}' came to the judge of '{self.manifest.id}'")
        if self.multi_turn:
            raise ConfigError(
                f"episodes of '{self.manifest.id}' have several turns, which its agent loop plays and scores: give "
                f"actor_rollout_ref.rollout.agent.agent_loop_config_path={_LOOP_CONFIG}"
            )
        place = extra_info or {}
        verdict = self.served.verdict(self.served.task(place["index"], place["task"]), solution_str)
        if verdict.score is None:
            raise VerifierFault(f"task '{place['task']}' could not be judged: {verdict.detail}")
        return {"score": verdict.score, "acc": float(verdict.correct), "outcome": str(verdict.outcome)}

    def next_step(self, folder: Path) -> str:
        """A line on how to train."""
        return f"{folder}/README.md has the settings for verl.trainer.main_ppo"

    def _write(self, folder: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        super()._write(folder)
        path = folder / "train.parquet"
        with writing_to(path):
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(self.rows), path)
        if self.multi_turn:
            (folder / _LOOP_CONFIG).write_text(
                f"- name: {LOOP}\n  _target_: rlvr_gym.export.targets.verl_loop.EpisodeLoop\n"
                f"  manifest: {(folder / self.manifest_place).resolve()}\n",
                encoding="utf-8",
            )


EXPORT = VerlExport
