"""The Hugging Face hub where there may be no network: one short question, and then what is stored here."""

from __future__ import annotations

import contextlib
import functools
import http.client
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

ANSWER_SECONDS = 10.0
"""Time that the hub has to answer; its client gives it the same, several times over."""
REMEMBERED_SECONDS = 30
"""Time for which one answer holds: a suite asks for many sets in a row."""

_offline = threading.RLock()
"""Held while the settings of the hub's client, which are global, are other than the user's."""


@contextlib.contextmanager
def stored_if_unreached() -> Iterator[str | None]:
    """Let the hub's client read only what it has stored, where the hub is not reached; it would retry for long.

    Gives the reason, and None where the hub is reached.
    """
    reason = unreached()
    if reason is None:
        yield None
        return
    from huggingface_hub import constants

    settings: list[tuple[Any, bool]] = [(constants, constants.HF_HUB_OFFLINE)]
    if datasets := sys.modules.get("datasets"):
        settings.append((datasets.config, datasets.config.HF_HUB_OFFLINE))
    with _offline:
        for module, _ in settings:
            module.HF_HUB_OFFLINE = True
        try:
            yield reason
        finally:
            for module, before in settings:
                module.HF_HUB_OFFLINE = before


def unreached() -> str | None:
    """Say why the hub is not reached; None where it is, or where only its client can tell, behind a proxy."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return f"the hub at {constants.ENDPOINT} is not asked (HF_HUB_OFFLINE is set)"
    if set(urllib.request.getproxies()) - {"no"}:
        return None
    why = _refusal(constants.ENDPOINT, int(time.monotonic() // REMEMBERED_SECONDS))
    return None if why is None else f"the hub at {constants.ENDPOINT} is not reached ({why})"


def is_of_connection(error: BaseException) -> bool:
    """Return whether the hub's client found nothing stored after it was refused, which it may say in another's name."""
    from huggingface_hub.utils import LocalEntryNotFoundError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionError | LocalEntryNotFoundError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


@functools.lru_cache(maxsize=8)
def _refusal(endpoint: str, period: int) -> str | None:
    """Say why no answer comes, of whatever status; `period` is there so that an answer is forgotten."""
    answers: list[str | None] = []

    def ask() -> None:
        request = urllib.request.Request(endpoint, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=ANSWER_SECONDS).close()
        except urllib.error.HTTPError:
            answers.append(None)
        except (OSError, ValueError, http.client.HTTPException) as error:
            answers.append(_told(error))
        else:
            answers.append(None)

    # A thread, as looking up a name has no time limit of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    return answers[0] if answers else f"no answer within {ANSWER_SECONDS:.0f} s"


def _told(error: Exception) -> str | None:
    """The reason in an error; None for a certificate, which the hub's client may know another authority for."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLError):
        return None
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason) or type(reason).__name__
