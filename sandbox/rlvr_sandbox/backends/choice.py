"""The choice of the backend that runs here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rlvr_sandbox.backends.base import Backend
from rlvr_sandbox.backends.bubblewrap import BubblewrapBackend
from rlvr_sandbox.backends.unsafe import UnsafeBackend
from rlvr_sandbox.errors import SandboxUnavailable
from rlvr_sandbox.installing import pip_install


def _docker() -> Backend:
    with _docker_package():
        from rlvr_sandbox.backends.docker import DockerBackend
    return DockerBackend()


def _docker_hosts(addresses: Sequence[str]) -> tuple[Backend, ...]:
    with _docker_package():
        from rlvr_sandbox.backends.hosts import docker_hosts
    return docker_hosts([address.strip() for address in addresses])


@contextlib.contextmanager
def _docker_package() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise SandboxUnavailable(
            f"the Docker backend needs docker-py: {pip_install('docker')} ({error})"
        ) from None


BACKENDS: dict[str, Callable[[], Backend]] = {"docker": _docker, "bubblewrap": BubblewrapBackend}
"""In the order in which `auto` tries them."""

NAMES = ("auto", *BACKENDS, "ray", "addresses of Docker engines, such as ssh://a,ssh://b")


def choose(backend: str | Backend | Sequence[Backend], *, allow_unsafe: bool) -> tuple[Backend, ...]:
    """The backends that are meant. Raises SandboxUnavailable with what is missing for each that was tried."""
    if backend == "auto":
        return (_first_that_works(allow_unsafe=allow_unsafe),)
    if isinstance(backend, str) and "://" in backend:
        return _docker_hosts(backend.split(","))
    if isinstance(backend, str):
        if backend not in BACKENDS:
            raise SandboxUnavailable(f"no backend '{backend}'; there are {', '.join(NAMES)}")
        return (BACKENDS[backend](),)
    return tuple(backend) if isinstance(backend, Sequence) else (backend,)


def _first_that_works(*, allow_unsafe: bool) -> Backend:
    missing = []
    for name, make in BACKENDS.items():
        try:
            return make()
        except SandboxUnavailable as error:
            missing.append(f"{name}: {error}")
    if allow_unsafe:
        return UnsafeBackend()
    raise SandboxUnavailable("no sandbox can be had on this machine:\n  " + "\n  ".join(missing))
