"""Golos by SberDevices: ``manifest.jsonl`` files beside folders of recordings, WAV or Opus."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from govor.corpora.dropped import Dropped
from govor.corpora.importing import Corpus, Row
from govor.corpora.nemo import read_row
from govor.corpora.tables import count_lines, read_json_lines
from govor.errors import InputNotFoundError
from govor.language import tr

_SUFFIXES = (".wav", ".opus", ".ogg", ".flac", ".mp3")


def read_golos(corpus: Path) -> Corpus:
    """Read every ``manifest.jsonl`` under a folder, or the file that is named, such as ``10hours.jsonl``.

    What lies in a folder ``test…`` is the corpus's own test and never gets into ``train``. No speakers are
    named. Raises InputNotFoundError if there is no manifest.
    """
    manifests = [corpus] if corpus.is_file() else sorted(corpus.rglob("manifest.jsonl"))
    if not manifests:
        raise InputNotFoundError(
            tr(
                f"{corpus}: нет manifest.jsonl; распакуйте Golos или укажите файл JSONL",
                f"{corpus}: no manifest.jsonl; unpack Golos or name a JSONL file",
            )
        )
    root = corpus.parent if corpus.is_file() else corpus
    own_parts = any(_is_test(path, root) for path in manifests)
    return Corpus(_rows(manifests, root, own_parts), sum(map(count_lines, manifests)), own_parts)


def _is_test(manifest: Path, root: Path) -> bool:
    folders = manifest.relative_to(root).parts[:-1]
    return any(name.lower().startswith("test") for name in folders)


def _rows(manifests: list[Path], root: Path, own_parts: bool) -> Iterator[Row | Dropped]:
    for manifest in manifests:
        folder = manifest.parent
        for item in read_json_lines(manifest):
            if isinstance(item, Dropped):
                yield item
                continue
            place, fields = item
            # By the recording, which can be found; the corpus's own id is a hash of it.
            row = read_row(place, fields | {"id": None}, folder, _SUFFIXES)
            if isinstance(row, Dropped):
                yield row
                continue
            part = ""
            if own_parts:
                part = "test" if _is_test(manifest, root) else _train_part(row.id)
            yield replace(row, id=(folder.relative_to(root) / row.id).as_posix(), part=part)


def _train_part(name: str) -> str:
    # The corpus has no part to choose a model by. One recording of fifty is held out, always the same ones.
    return "dev" if zlib.crc32(name.encode("utf-8", "surrogatepass")) % 50 == 0 else "train"
