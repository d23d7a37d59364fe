"""Rows of somebody's corpus -> manifest, parts, speakers, dropped; one row at a time.

Each source has a module that yields rows in the corpus's own order; what is common to all is here: texts and
recordings are checked, pieces of longer recordings are cut out, speakers are kept apart.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TextIO

from govor.corpora.checking import check_name, check_recording, check_tempo, check_text
from govor.corpora.cutting import Span, cut
from govor.corpora.dropped import Dropped
from govor.corpora.places import is_file
from govor.corpora.speaker_table import SpeakerTable
from govor.corpora.splits import PARTS, SplitRule
from govor.corpora.submission import Readme
from govor.errors import GovorError, ManifestError
from govor.language import tr
from govor.manifest import Utterance
from govor.text.alphabet import RUSSIAN_LETTERS

CLIPS = "clips"
_SAME_SECONDS = 0.02


@dataclass(frozen=True)
class Row:
    """One utterance as a corpus describes it; nothing is checked yet."""

    id: str
    audio: Path
    text: str
    speaker: str = ""
    duration: float | None = None
    """Seconds as the corpus says, if it does."""
    start: float | None = None
    """Seconds into the recording, if the utterance is a piece of it; without `duration` up to its end."""
    channel: int | None = None
    """Which channel it is said in, from 0, if not in all; only of pieces."""
    part: str = ""
    """``train``, ``dev`` or ``test`` if the corpus has parts of its own."""
    about: Readme = field(default_factory=Readme)


@dataclass(frozen=True)
class Corpus:
    """A corpus that is about to be read."""

    rows: Iterator[Row | Dropped]
    total: int
    """About how many rows there will be, for a progress bar."""
    own_parts: bool = False
    """Whether rows say themselves which part they belong to."""


@dataclass(frozen=True)
class Imported:
    """What `import_corpus` wrote, counted."""

    num_utterances: int
    num_dropped: int
    num_speakers: int
    num_clips: int
    """Utterances that were cut out of longer recordings."""
    seconds: float
    parts: dict[str, tuple[int, float]]
    """Utterances and seconds of each part."""


def import_corpus(
    corpus: Corpus,
    output: Path,
    rule: SplitRule | None = None,
    trust: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    letters: str = RUSSIAN_LETTERS,
) -> Imported:
    """Write ``manifest.jsonl``, ``dropped.jsonl``, ``speakers.tsv`` and a manifest for each part.

    The parts are those of `PARTS`, chosen by `rule`; or ``train``, ``dev``, ``test`` where the corpus has its
    own. Texts must be of `letters`. The files appear together when all is read. Whole recordings stay where
    they are; pieces are written to ``clips``. With `trust` durations that the corpus tells are taken without
    opening recordings. Memory grows by one number a row. Raises InputNotFoundError and ManifestError if the
    index cannot be read.
    """
    rule = rule or SplitRule()
    names = ("train", "dev", "test") if corpus.own_parts else PARTS
    parts = dict.fromkeys(names, (0, 0.0))
    speakers = SpeakerTable()
    seen: set[int] = set()
    num_utterances = num_dropped = num_clips = done = 0
    seconds = 0.0
    files_names = ["manifest.jsonl", "dropped.jsonl", "speakers.tsv", *(f"{part}.jsonl" for part in names)]
    with written_together(output, files_names) as files:
        for result in _checked(corpus, output, trust, seen, letters):
            done += 1
            on_progress(min(done, corpus.total), corpus.total)
            if isinstance(result, Dropped):
                row = {"id": result.id, "reason": result.reason}
                files["dropped.jsonl"].write(json.dumps(row, ensure_ascii=False) + "\n")
                num_dropped += 1
                continue
            asked, utterance = result
            part = asked.part if corpus.own_parts else rule.part_of_utterance(utterance)
            line = utterance.to_json(output) + "\n"
            files["manifest.jsonl"].write(line)
            files[f"{part}.jsonl"].write(line)
            count, length = parts[part]
            parts[part] = (count + 1, length + utterance.duration)
            num_utterances += 1
            num_clips += asked.start is not None
            seconds += utterance.duration
            if utterance.speaker:
                speakers.add(utterance.speaker, asked.about, [utterance])
        speakers.write(files["speakers.tsv"])
    return Imported(num_utterances, num_dropped, len(speakers), num_clips, seconds, parts)


def _checked(
    corpus: Corpus, output: Path, trust: bool, seen: set[int], letters: str
) -> Iterator[Dropped | tuple[Row, Utterance]]:
    """Check row after row; neighbours that are pieces of one recording are cut out of it in one reading."""
    for source, group in groupby(corpus.rows, _piece_of):
        if source is None:
            for row in group:
                if isinstance(row, Dropped):
                    yield row
                    continue
                try:
                    _check_new(row, seen)
                    yield row, _whole(row, trust, letters)
                except GovorError as error:
                    yield Dropped(row.id, str(error))
            continue
        pieces = []
        for row in group:
            assert isinstance(row, Row)
            try:
                _check_new(row, seen)
                pieces.append((row, check_text(row.text, letters)))
            except GovorError as error:
                yield Dropped(row.id, str(error))
        yield from _cut_pieces(*source, pieces, output / CLIPS)


def _piece_of(row: Row | Dropped) -> tuple[Path, int | None] | None:
    return (row.audio, row.channel) if isinstance(row, Row) and row.start is not None else None


def _check_new(row: Row, seen: set[int]) -> None:
    # 64 bits of a hash: among a hundred million ids two are taken for one with a chance of 1 to 4000.
    key = hash(row.id)
    if key in seen:
        raise ManifestError(tr("повтор id", "duplicate id"))
    seen.add(key)


def _whole(row: Row, trust: bool, letters: str) -> Utterance:
    text = check_text(row.text, letters)
    if trust and row.duration:
        check_name(row.audio)
        if not is_file(row.audio):
            raise ManifestError(tr(f"нет записи {row.audio}", f"no recording {row.audio}"))
        duration = row.duration
    else:
        duration = check_recording(row.audio).duration
    check_tempo(text, duration)
    return Utterance(row.id, duration, text, row.speaker, row.audio)


def _cut_pieces(
    recording: Path, channel: int | None, pieces: list[tuple[Row, str]], folder: Path
) -> Iterator[Dropped | tuple[Row, Utterance]]:
    try:
        whole = check_recording(recording).duration
    except GovorError as error:
        for row, _ in pieces:
            reason = str(error)
            yield Dropped(row.id, reason if str(recording) in reason else f"{recording}: {reason}")
        return
    spans: list[tuple[Row, str, Span]] = []
    for row, text in pieces:
        start = row.start or 0.0
        span = Span(row.id, start, whole - start if row.duration is None else row.duration)
        try:
            if span.duration <= 0:
                raise ManifestError(
                    tr(
                        f"начало {start:.2f} с, а в записи {whole:.2f} с",
                        f"starts at {start:.2f} s, the recording has {whole:.2f} s",
                    )
                )
            check_tempo(text, span.duration)
        except GovorError as error:
            yield Dropped(row.id, str(error))
            continue
        if channel is None and start < _SAME_SECONDS and abs(span.duration - whole) < _SAME_SECONDS:
            # What is no piece after all stays where it is, as other recordings do.
            yield replace(row, start=None), Utterance(row.id, whole, text, row.speaker, recording)
            continue
        spans.append((row, text, span))
    made_clips = cut(recording, [span for *_, span in spans], folder, channel)
    for (row, text, _), made in zip(spans, made_clips, strict=True):
        if isinstance(made, Dropped):
            yield made
        else:
            yield row, Utterance(row.id, made.duration, text, row.speaker, made.path)


@contextlib.contextmanager
def written_together(output: Path, names: list[str]) -> Iterator[dict[str, TextIO]]:
    """Open files of `output` for writing; they appear together at the end, or not at all."""
    output.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        files: dict[str, TextIO] = {
            # The name of a dropped file may be no UTF-8.
            name: stack.enter_context((output / f"{name}.part").open("w", encoding="utf-8", errors="replace"))
            for name in names
        }
        try:
            yield files
        except BaseException:
            for name in names:
                (output / f"{name}.part").unlink(missing_ok=True)
            raise
    for name in names:
        (output / f"{name}.part").replace(output / name)
