"""The other systems, each asked for by the tests that need it."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest


@pytest.fixture(scope="session")
def neighbour() -> Callable[[str], Any]:
    """Imports another system; skips where it is not installed, and fails there if it should be."""

    def imported(name: str) -> Any:
        package = name.partition(".")[0]
        if find_spec(package) is None:
            missing = f"{package} is not installed here: `make test-neighbours` tests it in an environment of its own"
            if package in os.environ.get("RLVR_TESTED_NEIGHBOURS", "").split(","):
                pytest.fail(missing)
            pytest.skip(missing)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's deprecations
            return importlib.import_module(name)

    return imported
