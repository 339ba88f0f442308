"""The docs: pages that repeat the code say what it says now, the site builds without a network, nothing is left out."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_say_what_the_code_says(generate: ModuleType) -> None:
    stale = [str(path.relative_to(ROOT)) for path in generate.stale(generate.pages())]
    assert stale == [], "run: make docs-pages"


def test_a_page_with_another_text_is_stale_and_so_is_one_that_is_missing(
    generate: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "same.md").write_text("# One\n")
    (tmp_path / "other.md").write_text("# One, changed by hand\n")
    written = {tmp_path / name: "# One\n" for name in ("same.md", "other.md", "missing.md")}
    assert [path.name for path in generate.stale(written)] == ["other.md", "missing.md"]


def test_every_command_and_every_setting_stands_in_the_reference(generate: ModuleType) -> None:
    written = generate.pages()
    page = written[DOCS / "reference" / "command-line.md"]
    for name in generate.commands():
        assert f"## rlvr {name}\n" in page
    settings = written[DOCS / "reference" / "settings.md"]
    for name in generate.TrainConfig.model_fields:
        assert f"\n## {name}\n" in settings
    for name in ("optimizer.learning_rate", "algorithm.clip_high", "model.lora.rank"):
        assert f"| `{name}` |" in settings


def test_every_page_is_in_the_site_and_in_its_map_for_language_models() -> None:
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    named = set(re.findall(r"\]\(([^)]+)\)", (DOCS / "llms.txt").read_text(encoding="utf-8")))
    assert named == pages


def test_the_site_builds_strictly_and_asks_for_nothing_of_the_network(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert built.returncode == 0, built.stdout + built.stderr
    loads = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=\"((?:https?:)?//[^\"]*)")
    for page in tmp_path.rglob("*.html"):
        fetched = [url for url in loads.findall(page.read_text(encoding="utf-8")) if "canonical" not in url]
        assert fetched == [], page
    for target in re.findall(r"\]\(([^)]+)\)", (tmp_path / "llms.txt").read_text(encoding="utf-8")):
        assert (tmp_path / target).exists()
