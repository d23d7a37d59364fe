"""Listings of files as web servers write them: Apache's and nginx's index pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

_ARCHIVE = re.compile(r"(?P<name>[^/\\\0]+?)\.(tgz|tar\.gz)", re.IGNORECASE)
_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[KMGT]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Entry:
    """One archive that an index lists."""

    name: str
    """Without the extension: the name of the submission."""
    url: str
    size: int | None
    """Bytes; rounded where the page rounds (``1.3M``), None where it gives none."""


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            href = next((value for key, value in attrs if key == "href" and value), "")
            self.links.append((href, []))

    def handle_data(self, data: str) -> None:
        if self.links:
            self.links[-1][1].append(data)


def parse_index(page: str, url: str) -> list[Entry]:
    """Return the archives (``.tgz``, ``.tar.gz``) that an index page at `url` lists, by name, each once."""
    parser = _Links()
    parser.feed(page)
    parser.close()
    found: dict[str, Entry] = {}
    for href, words in parser.links:
        try:
            target = urljoin(url, href)
            parts = urlsplit(target)
        except ValueError:
            continue
        match = _ARCHIVE.fullmatch(unquote(parts.path.rsplit("/", 1)[-1]))
        # A name that begins with a dot would hide, or leave, the folder it is put into.
        if parts.scheme not in ("http", "https") or not match or match["name"].startswith("."):
            continue
        found.setdefault(match["name"], Entry(match["name"], target, _size(" ".join(words))))
    return sorted(found.values(), key=lambda entry: entry.name)


def _size(text: str) -> int | None:
    # The last such word: dates and the name come before it, a description never ends so.
    for word in reversed(text.split()):
        match = _SIZE.fullmatch(word)
        if match:
            return round(float(match["number"]) * _UNITS[match["unit"].upper()])
    return None
