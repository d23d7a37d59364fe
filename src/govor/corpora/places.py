"""Where the recording lies that an index names: indexes travel without the disk they were written on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


def find_recording(folder: Path, name: str, suffixes: tuple[str, ...] = ()) -> Path:
    """Return the file that an index in `folder` calls `name`; where there is none, the first place looked at.

    A relative path is tried from `folder`, the three above it and the current one; with one of `suffixes`
    too, if recordings may have been converted since. Never fails, whatever the name.
    """
    path = Path(name)
    with contextlib.suppress(RuntimeError):
        path = path.expanduser()
    # No file can have such a name, and `Path` would not say so the same way everywhere.
    if "\0" in name or not path.name:
        return folder / path
    found = (spelling for place in _places(folder, path) for spelling in _spellings(place, suffixes))
    return next(found, folder / path)


def _places(folder: Path, path: Path) -> Iterator[Path]:
    yield folder / path
    if not path.is_absolute():
        yield from (above / path for above in list(folder.resolve().parents)[:3])
        yield Path.cwd() / path


def _spellings(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    if is_file(path):
        yield path
    elif path.name not in ("", ".", ".."):
        yield from filter(is_file, map(path.with_suffix, suffixes))


def is_file(path: Path) -> bool:
    """Tell whether there is such a file; False too where no file can be, as its name is too long."""
    try:
        return path.is_file()
    except OSError:
        return False
