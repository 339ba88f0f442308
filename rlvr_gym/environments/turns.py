"""The answer to one turn of one episode."""

from __future__ import annotations

from dataclasses import dataclass

from rlvr_gym.environments.base import Info
from rlvr_gym.tasks import Message
from rlvr_gym.tools import CallRecord
from rlvr_gym.verdicts import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnResult:
    """One lane's answer to one turn: Gymnasium's five-tuple by name, and how long judging took."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: Info
    seconds: float

    @property
    def done(self) -> bool:
        """True if the lane's episode is over."""
        return self.terminated or self.truncated

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, once the episode is over."""
        return self.info.get("verdict")

    @property
    def messages(self) -> tuple[Message, ...]:
        """The environment's words to the turn; none once the episode is over."""
        if self.done:
            return ()
        return self.info.get("messages") or (Message(role="user", content=self.observation),)

    @property
    def calls(self) -> tuple[CallRecord, ...] | None:
        """The calls of tools in the turn; None where the policy has no tools to call."""
        return self.info.get("calls")

    @property
    def turn_reward(self) -> float | None:
        """The reward of this turn alone; None where the environment rewards no single turns."""
        return self.info.get("turn_reward")
