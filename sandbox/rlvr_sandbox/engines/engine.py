"""Docker engines: reaching one, and saying what is wrong when one does not answer."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.constants
import docker.errors
import docker.tls
import requests.exceptions
import urllib3.exceptions
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool

from rlvr_sandbox.engines.ssh import Tunnel
from rlvr_sandbox.errors import DaemonUnreachable, SandboxError, SandboxUnavailable

DEFAULT_HOST = "unix:///var/run/docker.sock"
ANSWER_SECONDS = 60
MOST_CONNECTIONS = 64
"""Kept open to one engine; more threads than that open connections of their own."""

SCHEMES = ("unix://", "ssh://", "tcp://")
TLS_PORT = 2376

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Engine:
    """One Docker engine, by the address that `DOCKER_HOST` would give it.

    `unix:///path`, `ssh://[user@]host[:port]`, or `tcp://host:port`, which must be on this machine or speak
    TLS: then `ca.pem`, `cert.pem` and `key.pem` are in `certificates`, else in `DOCKER_CERT_PATH`, else in
    `~/.docker`. Without an address: that of `DOCKER_HOST`, else the socket on this machine.

    Raises DaemonUnreachable. Safe to use from several threads.
    """

    def __init__(self, host: str | None = None, *, certificates: Path | None = None) -> None:
        self.host = host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        if not self.host.startswith(SCHEMES):
            raise DaemonUnreachable(
                f"'{self.host}' is no address of a Docker engine: {', '.join(SCHEMES)}..."
            )
        self._tunnel = Tunnel(self.host) if self.host.startswith("ssh://") else None
        self._address = self.host if self._tunnel is None else f"unix://{self._tunnel.socket}"
        self._certificates = _certificates(self.host, certificates)
        try:
            with self.asked():
                with contextlib.closing(self._client(docker.constants.MINIMUM_DOCKER_API_VERSION)) as client:
                    version = client.version(api_version=False)["ApiVersion"]
                self.api = self._client(version)
        except BaseException:
            self._close_tunnel()
            raise

    def _client(self, version: str) -> docker.APIClient:
        client = docker.APIClient(
            self._address,
            version=version,
            tls=self._certificates.for_docker() if self._certificates else False,
            timeout=ANSWER_SECONDS,
            max_pool_size=MOST_CONNECTIONS,
        )
        # Proxies and authorities that the environment names for the web are not those of engines.
        client.trust_env = False
        where = urlsplit(self._address)
        if where.scheme == "unix":
            client.mount(
                client.base_url, _ClosingAdapter(where.path, ANSWER_SECONDS, max_pool_size=MOST_CONNECTIONS)
            )
        return client

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """For talking to `api`: gives failures our names and words.

        Opens the tunnel again where the way to the engine was cut. Raises DaemonUnreachable, and SandboxUnavailable
        for what the engine refuses.
        """
        if self._tunnel is not None:
            self._tunnel.open()
        try:
            yield
        except _FAILURES as error:
            raise named(error, self.host) from error

    def connect(self) -> socket.socket:
        """A connection to the engine with nothing said on it yet, which gives up after `ANSWER_SECONDS`."""
        connection = self._dial()
        if self._certificates is None:
            return connection
        return self._certificates.context().wrap_socket(
            connection, server_hostname=urlsplit(self._address).hostname
        )

    def _dial(self) -> socket.socket:
        where = urlsplit(self._address)
        if where.scheme == "tcp":
            connection = socket.create_connection((where.hostname, where.port or TLS_PORT), ANSWER_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        return _unix(where.path)

    def close(self) -> None:
        """Let go of all connections."""
        self.api.close()
        self._close_tunnel()

    def _close_tunnel(self) -> None:
        if self._tunnel is not None:
            self._tunnel.close()


def _unix(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(ANSWER_SECONDS)
    try:
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


# docker-py leaves sockets unclosed that do not connect.


class _ClosingConnection(UnixHTTPConnection):
    def connect(self) -> None:
        self.sock = _unix(self.unix_socket)


class _ClosingPool(UnixHTTPConnectionPool):
    def _new_conn(self) -> Any:
        return _ClosingConnection(self.base_url, self.socket_path, ANSWER_SECONDS)


class _ClosingAdapter(UnixHTTPAdapter):
    def get_connection(self, url: Any, proxies: object = None) -> UnixHTTPConnectionPool:
        with self.pools.lock:
            if (pool := self.pools.get(url)) is None:
                pool = _ClosingPool(url, self.socket_path, ANSWER_SECONDS, maxsize=self.max_pool_size)
                self.pools[url] = pool
        return pool


_FAILURES = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)


def named(error: Exception, host: str) -> SandboxError:
    """The error of ours for one of docker-py's or of its transport's."""
    if isinstance(error, docker.errors.APIError):
        said = error.explanation or str(error)
        if full := named_full(str(said), f"the Docker engine at {host}"):
            return full
        return SandboxUnavailable(f"the Docker engine at {host} refused: {said}")
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return DaemonUnreachable(
            f"the Docker engine at {host} does not let user {os.getuid()} in: permission denied; join the "
            "group that owns the socket (mostly `docker`), or use an engine of your own (rootless)"
        )
    if any(isinstance(cause, FileNotFoundError | ConnectionRefusedError) for cause in causes):
        return DaemonUnreachable(f"no Docker engine answers at {host}: is dockerd running?")
    return DaemonUnreachable(f"the Docker engine at {host} does not answer: {causes[-1]}")


def named_full(said: str, where: str) -> SandboxUnavailable | None:
    """An error that says that the disk is full, if that is what an engine or tool `said`."""
    if os.strerror(errno.ENOSPC).lower() not in said.lower():
        return None
    return SandboxUnavailable(f"{where} has no room left on its disk: {said.strip().splitlines()[-1]}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@dataclass(frozen=True)
class Certificates:
    """Who we are to an engine, and whom we take for it: `ca.pem`, `cert.pem` and `key.pem` in a folder."""

    folder: Path

    def for_docker(self) -> docker.tls.TLSConfig:
        """As docker-py takes them."""
        pair = (str(self.folder / "cert.pem"), str(self.folder / "key.pem"))
        return docker.tls.TLSConfig(client_cert=pair, ca_cert=str(self.folder / "ca.pem"), verify=True)

    def context(self) -> ssl.SSLContext:
        """As Python's own sockets take them."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        return context


def _certificates(host: str, asked: Path | None) -> Certificates | None:
    """Those to use for `host`; None where it is spoken to without TLS."""
    if not host.startswith("tcp://"):
        return None
    named = asked or os.environ.get("DOCKER_CERT_PATH")
    if not named and urlsplit(host).hostname in LOOPBACK:
        return None
    folder = Path(named) if named else Path.home() / ".docker"
    missing = [name for name in ("ca.pem", "cert.pem", "key.pem") if not (folder / name).is_file()]
    if missing:
        raise DaemonUnreachable(
            f"{host} is spoken to only with TLS, as whoever reaches it has that machine: there is no "
            f"{' and no '.join(missing)} in {folder}; name their folder by DOCKER_CERT_PATH"
        )
    return Certificates(folder)
