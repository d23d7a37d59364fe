"""What MkDocs does beyond mkdocs.yml: pages that both languages share, pages that are generated, links.

The pages of docs/ru and docs/en link to each other, to docs/images and into the repository as they lie on
disk, so that they can be read there too; here those links are turned into links of the site.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

from site_pages import model_card, python_reference

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

# Files of the repository that become pages of the site.
SHARED = {
    "recipe.md": ROOT / "recipes" / "small" / "README.md",
    "recipe-lm.md": ROOT / "recipes" / "language_model" / "README.md",
    "experiments.md": ROOT / "benchmarks" / "RESULTS.md",
    "changelog.md": ROOT / "CHANGELOG.md",
    "asyncapi.yaml": ROOT / "src" / "govor" / "server" / "asyncapi.yaml",
    "transcript-1.schema.json": ROOT / "src" / "govor" / "data" / "transcript-1.schema.json",
    "images/favicon.svg": ROOT / "src" / "govor" / "server" / "static" / "favicon.svg",
}
GENERATED = {
    "python.md": python_reference,
    "model-card.md": model_card,
}
# From links as they lie in the repository to links of the site.
LINKS = (
    (r"\.\./images/", "images/"),
    (r"\.\./decisions/README\.md", "decisions/index.md"),
    (r"\.\./decisions/", "decisions/"),
    (r"\.\./\.\./recipes/small/README\.md", "recipe.md"),
    (r"\.\./\.\./recipes/language_model/README\.md", "recipe-lm.md"),
    (r"\.\./small/README\.md", "recipe.md"),
    (r"\.\./\.\./\.\./recipes/small/README\.md", "recipe.md"),
    (r"\.\./\.\./benchmarks/RESULTS\.md", "experiments.md"),
    (r"\.\./\.\./src/govor/server/asyncapi\.yaml", "asyncapi.yaml"),
    (r"\.\./\.\./src/govor/data/transcript-1\.schema\.json", "transcript-1.schema.json"),
)
# The site has a switch of its own, and a line that leads to the other language is for readers of the disk.
OTHER_LANGUAGE = re.compile(r"^\*\[(?:По-русски|In English)\]\(\.\./(?:ru|en)/[^)]*\)\*\n+", re.MULTILINE)

# A cell of two figures stays on one line.
PAIR = re.compile(r"(?<=\| )([\d.,–]+) / ([\d.,]+)(?= \|)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what does not lie in the folder of this language."""
    language = config.theme["language"]
    for path in sorted((DOCS / "images").rglob("*")):
        if path.is_file():
            name = f"images/{path.relative_to(DOCS / 'images').as_posix()}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    for path in sorted((DOCS / "decisions").glob("*.md")):
        name = path.name.replace("README", "index")
        files.append(File.generated(config, f"decisions/{name}", abs_src_path=str(path)))
    for name, path in SHARED.items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    for name, page in GENERATED.items():
        files.append(File.generated(config, name, content=page(language)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into links of the site."""
    markdown = OTHER_LANGUAGE.sub("", markdown)
    for before, after in LINKS:
        markdown = re.sub(rf"\]\({before}", f"]({after}", markdown)
    return PAIR.sub("\\1\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}\\2", markdown)
