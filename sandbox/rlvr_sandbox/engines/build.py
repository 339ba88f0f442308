"""Making the sandbox image: a base with Python 3.11, packages for the programs, and the supervisor.

The image itself is built without a network. The base is pulled, or made on the spot from Debian packages
where no registry can be reached; the packages come through this machine's own pip and its settings.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from rlvr_sandbox.engines.engine import Engine, named_full
from rlvr_sandbox.errors import BuildFailed, SandboxError
from rlvr_sandbox.image.version import supervisor_version

PULLED_BASE = "python:3.11-slim"
DEBIAN = "debian"
DEBIAN_SUITE = "bookworm"
DEBIAN_PACKAGES = "python3.11,libstdc++6,tzdata"
PYTHON_VERSION = "3.11"
PACKAGES = ("numpy",)
REPOSITORY = "rlvr-sandbox"
DEBIAN_BASE = (
    f"{REPOSITORY}-base:{DEBIAN}-{DEBIAN_SUITE}-{hashlib.sha256(DEBIAN_PACKAGES.encode()).hexdigest()[:8]}"
)
"""Named after what is in it, so that one made before with other packages is not taken for it."""
LABEL = "rlvr_sandbox.supervisor"
"""The label of images that names the version of the supervisor they hold."""

_LAST_LINES = 12
_GLIBC = range(17, 37)
"""Minor versions of glibc 2 whose wheels run on the bases: manylinux2014 to bookworm's."""

_IMAGE = Path(__file__).parents[1] / "image"

Say = Callable[[str], None]


def image_tag() -> str:
    """The name under which an engine keeps the image of this package's supervisor."""
    return f"{REPOSITORY}:{supervisor_version()}"


def build(
    engine: Engine,
    *,
    base_from: str = PULLED_BASE,
    packages: Sequence[str] = PACKAGES,
    mirror: str | None = None,
    say: Say = lambda line: None,
) -> str:
    """Build the image for this package's supervisor on `engine`, and return its tag.

    Args:
        base_from: an image to start from, pulled where the engine has none of that name; `debian`: made by
            `mmdebstrap` on this machine; or the path of a root file system in a `.tar`.
        packages: what programs may import, as pip names them.
        mirror: the Debian mirror, where this machine's own settings do not say.
        say: told each step, and each line of the tools.

    Raises:
        BuildFailed: with the last lines of the tool that failed.
        SandboxUnavailable: the engine does not answer, or its disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="rlvr-build-") as name:
        folder = Path(name)
        site = folder / "site"
        _install(site, packages, _architecture(engine), say)
        base = _base(engine, base_from, mirror, folder, say)
        say(f"building {image_tag()} from {base}")
        with _context(site) as context:
            _run_recipe(engine, context, base, say)
    return image_tag()


def _architecture(engine: Engine) -> str:
    with engine.asked():
        return engine.api.info()["Architecture"]


def _install(site: Path, packages: Sequence[str], architecture: str, say: Say) -> None:
    """Fill `site` with packages for the image's Python, whatever this machine's own is."""
    site.mkdir()
    if not packages:
        return
    platforms = [f"--platform=manylinux_2_{minor}_{architecture}" for minor in _GLIBC]
    target = [f"--target={site}", "--only-binary=:all:", f"--python-version={PYTHON_VERSION}", "--no-compile"]
    say(f"installing {' '.join(packages)} for Python {PYTHON_VERSION} on {architecture}")
    _run_tool([sys.executable, "-m", "pip", "install", "--quiet", *target, *platforms, *packages], say)


def _base(engine: Engine, base_from: str, mirror: str | None, folder: Path, say: Say) -> str:
    """The name of the base on the engine, which is pulled by the recipe where it is missing."""
    if base_from.endswith(".tar"):
        return _imported(engine, Path(base_from), f"{REPOSITORY}-base:{_tag_of(base_from)}", say)
    if base_from != DEBIAN:
        return base_from
    if _has(engine, DEBIAN_BASE):
        say(f"using the base made before; for one of today's packages, first: docker rmi {DEBIAN_BASE}")
        return DEBIAN_BASE
    tar = folder / "base.tar"
    say(f"making a base of Debian {DEBIAN_SUITE} packages; this takes a minute or two")
    include = f"--include={DEBIAN_PACKAGES}"
    command = ["mmdebstrap", "--quiet", "--variant=essential", include, DEBIAN_SUITE, str(tar)]
    _run_tool([*command, *([mirror] if mirror else [])], say)
    return _imported(engine, tar, DEBIAN_BASE, say)


def _has(engine: Engine, image: str) -> bool:
    with engine.asked():
        return bool(engine.api.images(image))


def _imported(engine: Engine, tar: Path, name: str, say: Say) -> str:
    if not tar.is_file():
        raise BuildFailed(f"there is no file {tar} to make a base from")
    say(f"importing {tar.stat().st_size >> 20} MiB as {name}")
    repository, _, tag = name.partition(":")
    with engine.asked():
        said = engine.api.import_image(src=str(tar), repository=repository, tag=tag)
    _checked(map(json.loads, str(said).splitlines()), f"the import of {tar}", engine, say)
    return name


def _tag_of(path: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in Path(path).stem.lower())


@contextlib.contextmanager
def _context(site: Path) -> Iterator[IO[bytes]]:
    """The build's context as an open tar file: the recipe, the packages, and the supervisor's modules."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.add(_IMAGE / "Dockerfile", "Dockerfile", filter=_nobodys)
            tar.add(site, "site", filter=_nobodys)
            for module in sorted(_IMAGE.rglob("*.py")):
                tar.add(module, f"supervisor/{module.relative_to(_IMAGE)}", filter=_nobodys)
        file.seek(0)
        yield file


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The entry without what this machine knows of its owner."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _run_recipe(engine: Engine, context: IO[bytes], base: str, say: Say) -> None:
    with engine.asked():
        lines = engine.api.build(
            fileobj=context,
            custom_context=True,
            tag=image_tag(),
            buildargs={"BASE": base},
            labels={LABEL: supervisor_version()},
            network_mode="none",
            rm=True,
            forcerm=True,
            decode=True,
        )
        _checked(lines, f"the build from {base}", engine, say)


def _checked(lines: Iterable[dict[str, object]], what: str, engine: Engine, say: Say) -> None:
    """Pass the engine's messages on, and raise where one is an error."""
    told: list[str] = []
    for line in lines:
        text = str(line.get("error") or line.get("stream") or line.get("status") or "").rstrip()
        if text:
            say(text)
            told.append(text)
        if "error" in line:
            raise _failed(f"the Docker engine at {engine.host}", what, told)


def _run_tool(command: Sequence[str], say: Say) -> None:
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        raise BuildFailed(f"{command[0]} is not installed on this machine") from None
    told = []
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line.rstrip())
            say(told[-1])
    if process.returncode != 0:
        name = "pip" if "pip" in command else command[0]
        raise _failed("this machine", f"{name} (status {process.returncode})", told)


def _failed(where: str, what: str, told: Sequence[str]) -> SandboxError:
    last = "\n".join(told[-_LAST_LINES:])
    full = named_full(last, where)
    return full or BuildFailed(f"{what} failed; it last said:\n{last}")
