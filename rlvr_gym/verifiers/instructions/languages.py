"""The language of a text, as langdetect says with the seed 0, from any thread."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

from rlvr_gym.verifiers.instructions.constraint import needs


def check_installed() -> None:
    """Raise ConfigError where languages cannot be told apart."""
    needs("langdetect", "langdetect", to="telling languages apart")


def detect_language(text: str) -> str | None:
    """The code of the likeliest language (`en`, `zh-cn`, ...); None where no letter sequence is known.

    langdetect samples from the text's character sequences. Every call samples anew from the seed 0, which
    is also what IFEval sets, so that the same text gets the same language in every thread and order.
    """
    factory = _factory()
    from langdetect.lang_detect_exception import LangDetectException

    detector = factory.create()
    detector.append(text)
    try:
        return detector.detect()
    except LangDetectException:
        return None


_lock = Lock()
_factories: list[Any] = []


def _factory() -> Any:
    """A factory of our own: langdetect's is global, and two threads that need it first would both fill it.

    Profiles are read in the order of their names, not of the folder, so that sums are the same everywhere.
    """
    with _lock:
        if not _factories:
            from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

            factory = DetectorFactory()
            factory.set_seed(0)
            profiles = sorted(path for path in Path(PROFILES_DIRECTORY).iterdir() if path.is_file())
            factory.load_json_profile([path.read_text(encoding="utf-8") for path in profiles])
            _factories.append(factory)
        return _factories[0]
