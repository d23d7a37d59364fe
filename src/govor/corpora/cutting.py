"""Pieces of a long recording -> files of their own, in one reading, whatever its length."""

from __future__ import annotations

import hashlib
import re
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from govor.audio.loading import Samples, read_channels
from govor.corpora.dropped import Dropped
from govor.errors import AudioError, GovorError
from govor.language import tr

CLIP_RATE = 16000
# As extract-segments of Kaldi (--max-overshoot): indexes of others often end a little after their recordings.
_TOLERATED_SECONDS = 0.5


@dataclass(frozen=True)
class Span:
    """A piece of a recording."""

    id: str
    start: float
    """Seconds from the start of the recording."""
    duration: float


@dataclass(frozen=True)
class Clip:
    """A piece that was written."""

    path: Path
    duration: float


def cut(
    recording: Path, spans: Sequence[Span], folder: Path, channel: int | None = None
) -> Iterator[Clip | Dropped]:
    """Write each span of a recording to ``folder/ID.wav`` at 16 kHz and yield what became of it, in order.

    Of one channel, counted from 0, or the mean of all.
    Memory holds what lies between the earliest span that is not written yet and the place that was read to.
    """
    order = sorted(range(len(spans)), key=lambda i: spans[i].start)
    results: dict[int, Clip | Dropped] = {}
    following = 0
    try:
        for i, samples in _pieces(recording, channel, [spans[i] for i in order]):
            results[order[i]] = _written(spans[order[i]], samples, folder)
            while following in results:
                yield results.pop(following)
                following += 1
    except GovorError as error:
        for i in range(following, len(spans)):
            yield results.get(i, Dropped(spans[i].id, f"{recording}: {error}"))
        return
    for i in range(following, len(spans)):
        yield results[i]


def _pieces(recording: Path, channel: int | None, spans: Sequence[Span]) -> Iterator[tuple[int, Samples]]:
    """Yield the samples of spans that are sorted by their starts; those past the end come short."""
    kept = np.zeros(0, np.float32)
    first = 0  # number of the sample that `kept` begins with
    i = 0
    for channels in read_channels(recording, CLIP_RATE, split=channel is not None):
        if channel is not None and channel >= len(channels):
            raise AudioError(
                tr(
                    f"нет канала {channel}, каналов {len(channels)}",
                    f"no channel {channel}, there are {len(channels)}",
                )
            )
        kept = np.concatenate((kept, channels[channel or 0]))
        while i < len(spans) and _end(spans[i]) <= first + len(kept):
            yield i, kept[_start(spans[i]) - first : _end(spans[i]) - first]
            i += 1
        if i == len(spans):
            return
        passed = min(max(_start(spans[i]) - first, 0), len(kept))
        kept, first = kept[passed:], first + passed
    for late in range(i, len(spans)):
        at = max(_start(spans[late]) - first, 0)
        yield late, kept[at : max(_end(spans[late]) - first, at)]


def _start(span: Span) -> int:
    return max(round(span.start * CLIP_RATE), 0)


def _end(span: Span) -> int:
    return round((span.start + span.duration) * CLIP_RATE)


def _written(span: Span, samples: Samples, folder: Path) -> Clip | Dropped:
    missing = span.duration - len(samples) / CLIP_RATE
    if missing > _TOLERATED_SECONDS or not len(samples):
        end = span.start + span.duration
        return Dropped(
            span.id,
            tr(
                f"кусок {span.start:.2f}–{end:.2f} с лежит вне записи: не хватает {missing:.2f} с",
                f"piece {span.start:.2f}–{end:.2f} s lies outside the recording: {missing:.2f} s are missing",
            ),
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_file_name(span.id)}.wav"
    steps = np.clip(np.round(samples * 32768.0), -32768, 32767).astype("<i2")
    temporary = path.with_name(path.name + ".part")
    with wave.open(str(temporary), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(CLIP_RATE)
        sound.writeframes(steps.tobytes())
    temporary.replace(path)
    return Clip(path, len(samples) / CLIP_RATE)


def _file_name(name: str) -> str:
    """Return a file name for an id, which may hold anything; equal for equal ids only."""
    safe = re.sub(r"[^0-9A-Za-zА-Яа-яЁё._-]", "_", name).lstrip(".")[:80]
    if safe == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
