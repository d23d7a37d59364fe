"""Links of the pages lead somewhere when they are read as files; MkDocs checks the same in the site."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import site_pages  # noqa: E402

LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
FOLDERS = ("docs", "recipes", "benchmarks", "notebooks", "examples", "src", "deploy")
FILES = [*ROOT.glob("*.md"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.md"))]
# A template's links lead somewhere from where it is filled in.
PAGES = [path for path in FILES if ".template." not in path.name]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors that a code host gives to a page, and those that it has itself."""
    text = path.read_text("utf-8")
    found = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    slugs = (re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in found)
    return {*slugs, *re.findall(r'<a id="([^"]+)"', text)}


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_of_the_page_leads_to_a_file_and_its_heading(page: Path) -> None:
    for pair in LINK.findall(without_code(page.read_text("utf-8"))):
        link = next(filter(None, pair))
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_that_the_page_names_is_there(page: Path) -> None:
    code = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S))
    for name in code:
        if re.fullmatch(r"govor(\.\w+)+", name):
            pkgutil.resolve_name(name)
        elif re.fullmatch(r"[\w/]+\.py", name):
            assert (
                any(found for folder in (*FOLDERS, "tests") for found in (ROOT / folder).rglob(name))
                or (ROOT / name).exists()
            ), name


def test_pages_that_are_made_are_what_their_makers_make() -> None:
    # If this fails: make tables
    for path, text in site_pages.written().items():
        assert path.read_text("utf-8") == text, path.relative_to(ROOT)


def test_the_repository_holds_what_its_pages_link_to() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git repository")
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    known = set(done.stdout.splitlines())
    assert {str(path.relative_to(ROOT)) for path in site_pages.written()} <= known
