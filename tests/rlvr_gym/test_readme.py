"""The README stays short, points at what exists, and holds the commands that set up, teach and test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_fits_on_two_screens() -> None:
    assert len(README.splitlines()) <= 130


def test_the_commands_that_the_readme_begins_with_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("setup", "quickstart", "test", "docs"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_pages_and_pictures_that_pages_point_to_exist() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md"]:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        targets = re.findall(r"\]\(([^)#\s]+?)(?:#[^)]*)?\)", text) + re.findall(
            r"src(?:set)?=\"([^\"]+)\"", text
        )
        for target in targets:
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_every_page_of_the_docs_is_on_the_map_of_the_readme_or_in_a_list_that_it_names() -> None:
    named = set(re.findall(r"\]\(docs/([^)#]+\.md)", README))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert pages - named == {"index.md"}


def test_every_script_that_a_claim_names_is_there() -> None:
    claims = README.split("## What is claimed")[1].split("\n## ")[0]
    scripts = re.findall(r"`(benchmarks/[\w/]+\.py)`", claims)
    assert len(scripts) >= 5
    assert all((ROOT / script).exists() for script in scripts)
