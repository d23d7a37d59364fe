"""Manifests: one JSON object a line, keys as in NVIDIA NeMo, plus ``features``, ``speaker`` and ``id``."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from govor.errors import InputNotFoundError, ManifestError, system_reason
from govor.language import tr

# Seconds; whoever names more than a year of speech in one recording has made a mistake.
_LONGEST = 366 * 24 * 3600.0


@dataclass(frozen=True)
class Utterance:
    """One recording with what was said in it. Exactly one of the two paths is set."""

    id: str
    duration: float
    """Seconds."""
    text: str
    speaker: str = ""
    audio_filepath: Path | None = None
    features: Path | None = None
    """Ready features: ``.npy`` of shape (T, F) or a CMU Sphinx ``.mfc``."""
    cuts: tuple[float, ...] = ()
    """Places between the words, one fewer than words, seconds of the features (removed pauses left out)."""

    def to_json(self, folder: Path) -> str:
        """Return the manifest line, paths relative to `folder` where they lie inside it."""
        row: dict[str, Any] = {}
        for key in ("audio_filepath", "features"):
            path: Path | None = getattr(self, key)
            if path is not None:
                row[key] = _relative(path, folder)
        row |= {"duration": round(self.duration, 4), "text": self.text}
        row |= {"speaker": self.speaker, "id": self.id}
        if self.cuts:
            row["cuts"] = [round(cut, 3) for cut in self.cuts]
        return json.dumps(row, ensure_ascii=False)


def _relative(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def parse_line(line: str, folder: Path) -> Utterance:
    """Read one manifest line; relative paths count from `folder`. Raises ManifestError, without the place."""
    try:
        row = json.loads(line)
    # ValueError also for numbers of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise ManifestError(tr(f"не JSON ({error})", f"not JSON ({error})")) from error
    if not isinstance(row, dict):
        raise ManifestError(tr("строка не объект JSON", "the line is not a JSON object"))
    paths = {key: row.get(key) for key in ("audio_filepath", "features")}
    given = {key: value for key, value in paths.items() if value is not None}
    if len(given) != 1 or not all(isinstance(value, str) and value for value in given.values()):
        raise ManifestError(
            tr(
                "нужен ровно один путь: audio_filepath или features",
                "exactly one path is needed: audio_filepath or features",
            )
        )
    duration = row.get("duration")
    if isinstance(duration, bool) or not isinstance(duration, (int, float)):
        raise ManifestError(tr("duration должна быть числом секунд", "duration must be a number of seconds"))
    if not 0 <= duration <= _LONGEST:
        shown = f"{duration:.6g}" if isinstance(duration, float) else str(duration)[:20]
        raise ManifestError(tr(f"негодная duration {shown}", f"unusable duration {shown}"))
    if row.get("offset"):
        raise ManifestError(
            tr(
                "offset — кусок записи, как в NVIDIA NeMo; вырежьте куски: govor prepare nemo",
                "offset is a piece of a recording as in NVIDIA NeMo; cut the pieces out: govor prepare nemo",
            )
        )
    text = row.get("text")
    if not isinstance(text, str):
        raise ManifestError(tr("text должен быть строкой", "text must be a string"))
    (key, value), *_ = given.items()
    name, speaker = str(row.get("id") or value), str(row.get("speaker") or "")
    if "\0" in value or not all(map(_is_encodable, (value, text, name, speaker))):
        raise ManifestError(tr("в строке негодные символы", "the line has unusable characters"))
    path = folder / value
    cuts = _read_cuts(row.get("cuts"), text)
    return Utterance(
        id=name,
        duration=float(duration),
        text=text,
        speaker=speaker,
        audio_filepath=path if key == "audio_filepath" else None,
        features=path if key == "features" else None,
        cuts=cuts,
    )


def _read_cuts(given: object, text: str) -> tuple[float, ...]:
    if given is None:
        return ()
    num_words = len(text.split())
    if (
        not isinstance(given, list)
        or not all(isinstance(cut, (int, float)) and 0 <= cut <= _LONGEST for cut in given)
        or sorted(given) != given
        or len(given) != max(num_words - 1, 0)
    ):
        raise ManifestError(
            tr(
                f"cuts должны быть растущими секундами между словами, на одну меньше слов ({num_words})",
                f"cuts must be growing seconds between the words, one fewer than words ({num_words})",
            )
        )
    return tuple(float(cut) for cut in given)


def _is_encodable(text: str) -> bool:
    # JSON can hold half of a surrogate pair, which no file name and no output can.
    return not any("\ud800" <= symbol <= "\udfff" for symbol in text)


@dataclass(frozen=True)
class BadLine:
    """A manifest line that was left out, and why."""

    place: str
    reason: str


def open_manifest(path: Path) -> BinaryIO:
    """Open a manifest to be read as bytes. Raises InputNotFoundError if it cannot be."""
    try:
        return path.open("rb")
    except OSError as error:
        raise InputNotFoundError(
            tr(f"нет манифеста {path}: {system_reason(error)}", f"no manifest {path}: {system_reason(error)}")
        ) from error


def nothing_usable(manifests: Path | str) -> ManifestError:
    """Return the error for a manifest, or names of several, without a single usable line."""
    return ManifestError(tr(f"{manifests}: нет годных строк", f"{manifests}: no usable lines"))


def read_manifest(path: Path, bad_lines: list[BadLine] | None = None) -> Iterator[Utterance]:
    """Read a manifest line by line, skipping empty lines.

    A bad line is appended to `bad_lines` and left out; with `bad_lines` None it raises ManifestError.
    Raises InputNotFoundError if the file cannot be opened.
    """
    with open_manifest(path) as stream:
        for number, raw in enumerate(stream, 1):
            if number == 1:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            if not raw.strip():
                continue
            try:
                utterance = parse_line(raw.decode("utf-8"), path.parent)
            except (ManifestError, UnicodeDecodeError) as error:
                reason = str(error) if isinstance(error, ManifestError) else tr("не UTF-8", "not UTF-8")
                if bad_lines is None:
                    raise ManifestError(f"{path}:{number}: {reason}") from error
                bad_lines.append(BadLine(f"{path}:{number}", reason))
                continue
            yield utterance


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> int:
    """Write a manifest atomically, paths relative to its folder; return how many lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    count = 0
    with temporary.open("w", encoding="utf-8") as stream:
        for utterance in utterances:
            stream.write(utterance.to_json(path.parent) + "\n")
            count += 1
    temporary.replace(path)
    return count
