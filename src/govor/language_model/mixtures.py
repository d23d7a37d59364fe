"""Language models mixed while recognising: the mixture is made once and kept for the next time."""

from __future__ import annotations

import hashlib
import os
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from govor.errors import ConfigError, ModelError
from govor.language import tr
from govor.language_model.kenlm import read_bytes, read_kenlm, write_kenlm
from govor.language_model.ngrams import SPECIAL_WORDS, NgramModel
from govor.language_model.pruning import mix

KEPT = 8
"""Mixtures that stay on the disk, 12 MB each with the shipped model in it; the oldest give way."""


def parse_share(item: str) -> tuple[Path, float]:
    """Read ``FILE.klm:SHARE``. Raises ConfigError."""
    name, _, share = item.rpartition(":")
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if not name or not 0 < value < 1:
        raise ConfigError(
            tr(
                f"--mix {item}: нужно ФАЙЛ.klm:ДОЛЯ, доля от 0 до 1",
                f"--mix {item}: give FILE.klm:SHARE, 0 to 1",
            )
        )
    return Path(name), value


def check_letters(base: NgramModel, other: NgramModel, path: Path) -> None:
    """Raise ModelError if `other`, read from `path`, is in another script than `base`.

    A language of the same script may well be wanted beside.
    """
    own, foreign = _scripts(base), _scripts(other)
    if own and foreign and own.isdisjoint(foreign):
        sample = " ".join(other.words[len(SPECIAL_WORDS) :][:4])[:60]
        raise ModelError(
            tr(
                f"{path}: слова из других букв ({sample}), не подмешать; нужна модель того же языка",
                f"{path}: words of other letters ({sample}) cannot be mixed in; make a model of the language",
            )
        )


def _scripts(model: NgramModel) -> set[str]:
    letters = set("".join(model.words[len(SPECIAL_WORDS) :]))
    return {unicodedata.name(letter, "").split(" ")[0] for letter in letters if letter.isalpha()}


def mixture_file(base: Path, others: Sequence[tuple[Path, float]], folder: Path | None = None) -> Path:
    """Return the file of ``(1 - share) · base + share · other``, for each of `others` in turn.

    It is made in 2 s of processor and kept in `folder`, by default the user's cache, under a name that comes
    from what is in the files, so that a changed file makes another mixture. Raises InputNotFoundError or
    ModelError for a file that is no model of ``govor lm build`` or in other letters.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path, share in ((base, 1.0), *others):
        digest.update(f"{share:.6f} ".encode() + hashlib.blake2b(read_bytes(path)).digest())
    folder = folder or _cache()
    kept = folder / f"mix-{digest.hexdigest()}.klm"
    if kept.is_file():
        # The age is that of the last use.
        os.utime(kept)
        return kept
    # The users' own first: they are small, and more likely to be something else.
    read = [(read_kenlm(path), share) for path, share in others]
    model = read_kenlm(base)
    for (path, _), (other, share) in zip(others, read, strict=True):
        check_letters(model, other, path)
        model = mix(model, other, share)
    # Never there in part, even if another program makes the same at this moment.
    handle, name = tempfile.mkstemp(prefix=".mix-", suffix=".part", dir=folder)
    os.close(handle)
    try:
        write_kenlm(model, Path(name))
        Path(name).replace(kept)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    by_age = sorted(folder.glob("mix-*.klm"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in by_age[KEPT:]:
        path.unlink(missing_ok=True)
    return kept


def _cache() -> Path:
    """Return the user's cache folder for mixtures, or one of this run where that cannot be written."""
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        folder = (Path(home) if home else Path.home() / ".cache") / "govor"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):
        pass
    return Path(tempfile.mkdtemp(prefix="govor-"))
