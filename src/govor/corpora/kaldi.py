"""Kaldi data directories: ``wav.scp``, ``text``, ``utt2spk``, ``segments`` where they are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from govor.corpora.dropped import Dropped
from govor.corpora.importing import Corpus, Row
from govor.corpora.places import find_recording
from govor.corpora.submission import Readme
from govor.corpora.tables import count_lines, read_lines
from govor.errors import InputNotFoundError
from govor.language import tr

# As `corpus export --to kaldi` writes it: the file is read, the program is not run.
_OWN_PIPE = re.compile(r"ffmpeg -nostdin -loglevel error -i '((?:[^']|'\\'')+)' -ac 1 -f wav - \|")

# PATH.ark:123 is the recording that begins at this byte of an archive.
_ARCHIVE = re.compile(r"\.ark(:\d+)?(\[.*\])?$")
_GENDERS = {"m": "male", "f": "female"}


def read_kaldi(corpus: Path) -> Corpus:
    """Read a data directory. Without ``utt2spk`` and ``spk2utt`` nothing is known of speakers.

    Pipes in ``wav.scp`` are programs; they are not run, and their utterances are dropped, but for those that
    Govor itself writes around a file. A segment that ends at −1 ends with its recording. What has no line in
    ``text``, and every line but the first of a name, is told of.
    Raises InputNotFoundError without ``wav.scp`` or ``text``.
    """
    for name in ("wav.scp", "text"):
        if not _file(corpus, name).is_file():
            raise InputNotFoundError(
                tr(
                    f"{corpus}: нет {name}; каталог Kaldi состоит из wav.scp и text",
                    f"{corpus}: no {name}; a Kaldi directory consists of wav.scp and text",
                )
            )
    return Corpus(_rows(corpus), count_lines(_file(corpus, "text")))


def _file(corpus: Path, name: str) -> Path:
    packed = corpus / f"{name}.gz"
    return packed if packed.is_file() else corpus / name


def _rows(corpus: Path) -> Iterator[Row | Dropped]:
    dropped: list[Dropped] = []
    recordings = _table(_file(corpus, "wav.scp"), dropped)
    speakers = _table(_file(corpus, "utt2spk"), dropped)
    speakers = speakers or _by_utterance(_table(_file(corpus, "spk2utt"), dropped))
    genders = _table(_file(corpus, "spk2gender"), dropped)
    segments = _table(_file(corpus, "segments"), dropped)
    yield from dropped
    durations = {} if segments else _table(_file(corpus, "utt2dur"), [])
    without_text = dict.fromkeys(segments or recordings)
    for item in read_lines(_file(corpus, "text")):
        if isinstance(item, Dropped):
            yield item
            continue
        _, line = item
        name, text = _split(line)
        without_text.pop(name, None)
        recording, start, duration = name, None, _number(durations.get(name, ""))
        channel = None
        if segments:
            span = segments.get(name, "").split()
            times = [_number(cell) for cell in span[1:3]]
            if len(times) < 2 or times[0] is None or not (_is_open(span[2]) or times[0] < (times[1] or 0.0)):
                yield Dropped(name, _no_span(" ".join(span)))
                continue
            recording, start = span[0], times[0]
            duration = None if times[1] is None else times[1] - start
            channel = int(span[3]) if len(span) > 3 and span[3].isdecimal() else None
        source = recordings.get(recording)
        if source and (own := _OWN_PIPE.fullmatch(source)):
            source = own[1].replace("'\\''", "'")
        if source is None:
            yield Dropped(
                name, tr(f"нет записи {recording} в wav.scp", f"no recording {recording} in wav.scp")
            )
        elif source.endswith("|"):
            yield Dropped(
                name,
                tr(
                    f"в wav.scp команда, а не файл: {source[:80]}; сохраните её вывод в файл",
                    f"a command, not a file, in wav.scp: {source[:80]}; save its output to a file",
                ),
            )
        elif _ARCHIVE.search(source):
            yield Dropped(
                name,
                tr(
                    f"место в архиве Kaldi: {source[:80]}; сохраните записи в файлы: wav-copy",
                    f"a place in an archive of Kaldi: {source[:80]}; save the recordings to files: wav-copy",
                ),
            )
        else:
            speaker = speakers.get(name, "")
            yield Row(
                id=name,
                audio=find_recording(corpus, source),
                text=text,
                speaker=speaker,
                duration=duration,
                start=start,
                channel=channel,
                about=Readme(gender=_GENDERS.get(genders.get(speaker, ""), "")),
            )
    for name in without_text:
        yield Dropped(name, tr("нет строки в text", "no line in text"))


def _is_open(end: str) -> bool:
    """Tell whether a segment runs to the end of its recording, as extract-segments of Kaldi has it."""
    try:
        return float(end) == -1
    except ValueError:
        return False


def _no_span(found: str) -> str:
    if not found:
        return tr("нет строки «запись начало конец» в segments", "no line «recording start end» in segments")
    return tr(
        f"в segments «{found}», а нужны запись, начало и больший его конец",
        f"segments has «{found}»; a recording, its start and a later end are needed",
    )


def _by_utterance(spoken: dict[str, str]) -> dict[str, str]:
    """Turn ``spk2utt`` into ``utt2spk``."""
    return {name: speaker for speaker, names in spoken.items() for name in names.split()}


def _table(path: Path, dropped: list[Dropped]) -> dict[str, str]:
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for item in read_lines(path):
        if isinstance(item, Dropped):
            dropped.append(item)
            continue
        place, line = item
        name, rest = _split(line)
        if not rest:
            dropped.append(Dropped(place, tr("в строке одно слово", "the line has one word only")))
        elif name in found:
            reason = tr(f"повтор {name}; взята первая строка", f"{name} again; its first line was taken")
            dropped.append(Dropped(place, reason))
        else:
            found[name] = rest
    return found


def _split(line: str) -> tuple[str, str]:
    """Return the first word of a line and the rest; Kaldi takes tabs for spaces."""
    name, *rest = line.split(maxsplit=1)
    return name, rest[0].strip() if rest else ""


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
