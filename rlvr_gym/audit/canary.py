"""The canary: a file for each attack that only code could have made. None appears, or code ran."""

from __future__ import annotations

from pathlib import Path

from rlvr_gym.audit.families.injection import CANARY


class Canaries:
    """Fills in where each attack's canary would be, and looks for it afterwards.

    Args:
        folder: an empty folder, whose path stands in the attacks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def armed(self, text: str, number: int) -> str:
        """An attack's text with the path of its own canary in it."""
        return text.replace(CANARY, str(self._path(number))) if CANARY in text else text

    def disarmed(self, text: str, number: int) -> str:
        """A text, a verdict's detail say, with the path taken out again: it is another in every audit."""
        return text.replace(str(self._path(number)), CANARY)

    def seen(self, number: int) -> bool:
        """Tell whether the code in an attack has run by now."""
        return self._path(number).exists()

    def _path(self, number: int) -> Path:
        return self._folder / f"canary-{number:05d}"
