"""One channel of a recording of any length to segments: cut, recognised, joined, and accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from govor.audio.loading import Samples
from govor.audio.quality import SoundMeter, sound_problems
from govor.features import extract
from govor.language import tr
from govor.long_recordings.cutting import Cutter, Part, Piece, Silence
from govor.long_recordings.joining import Heard, seam
from govor.memory import give_back
from govor.onnx.model import OnnxModel
from govor.speech.hearing import hear
from govor.speech.presence import SpeechCheck
from govor.speech.wrong_rate import surety, wrong_speed
from govor.transcript import Coverage, Problem, Segment, Stretch, Word

SegmentMaker: TypeAlias = Callable[[Heard, float], "Segment | None"]
"""Decodes what was heard, whose sound ends at that second, to a segment; None if there are no words."""

# Words less sure than this on average may be no words: somebody must be heard to speak there.
_DOUBTFUL = 0.6
# Mean log-probability of letters below which speech at its right speed never is, even in loud noise.
_UNREADABLE = -0.5
# A command of a word or two is too short to be judged.
_JUDGED_SECONDS = 2.0
# Sound without speech is worth a warning from so many seconds, or so much of the recording, on.
_NOISE_SECONDS = 10.0
_NOISE_SHARE = 0.3
# Free memory goes back to the system after so much recognised sound: then it does not grow by the hour.
_SWEEP_SECONDS = 60.0
# Words further apart are different utterances.
_PAUSE_SECONDS = 0.8
# Sound around the words that Silero needs to make up its mind.
_AROUND_SECONDS = 0.3


@dataclass(frozen=True)
class _Open:
    """A piece whose end may still be joined to the next one."""

    piece: Piece
    heard: Heard
    starts: float
    """Seconds; words that begin before were heard by the piece before."""
    ends: float


class Track:
    """Recognises one channel as its samples come in; results grow in `segments` and `stretches`."""

    def __init__(
        self,
        model: OnnxModel,
        cutter: Cutter,
        make_segment: SegmentMaker,
        check: SpeechCheck | None,
        channel: int | None = None,
    ) -> None:
        """Start at second 0. Without `check` words are kept on trust and silence around speech is heard."""
        self.segments: list[Segment] = []
        self.stretches: list[Stretch] = []
        self._model = model
        self._rate = model.config.features.sample_rate
        self._cutter = cutter
        self._make_segment = make_segment
        self._check = check
        self._channel = channel
        self._open: _Open | None = None
        self._readable_seconds = self._unreadable_seconds = 0.0
        self._unreadable: Samples | None = None
        self._unswept = 0.0

    def feed(self, samples: Samples) -> None:
        """Take samples (N,) at the model's rate."""
        for part in self._cutter.feed(samples):
            self._take(part)

    def finish(self) -> None:
        """Recognise what is left."""
        for part in self._cutter.finish():
            self._take(part)
        self._close()

    def _take(self, part: Part) -> None:
        if isinstance(part, Silence):
            if self._check is None or not self._check.missed_in(part.samples):
                # Results must stay in order.
                self._close()
                self._account(part.start, part.end, "silence")
                return
            part = Piece(part.start, part.samples, part.start, part.end)
        # One at a time: two together take more memory, and are no quicker.
        alone = part.first == part.start and len(part.samples) == part.end - part.start
        # Where it hears its neighbours, both must hear the same.
        features = hear(part.samples, self._model.config.features, trim=alone and self._check is not None)
        (log_probs,) = self._model.log_probs([features.values])
        times = features.times + part.first / self._rate
        self._join(part, Heard(log_probs, times, self._model.config.network.stride))
        self._unswept += len(part.samples) / self._rate
        if self._unswept > _SWEEP_SECONDS:
            self._unswept = 0.0
            give_back()

    def _join(self, piece: Piece, heard: Heard) -> None:
        before = self._open
        starts = piece.first / self._rate
        if before is not None and before.piece.end == piece.start:
            shared_until = (before.piece.first + len(before.piece.samples)) / self._rate
            shared_from = piece.first / self._rate
            place = piece.start / self._rate
            if shared_from < shared_until:
                place = seam(before.heard, heard, shared_from, shared_until, place, self._model.alphabet)
            self._open = replace(before, heard=before.heard.cut(-np.inf, place), ends=place)
            heard, starts = heard.cut(place, np.inf), place
        self._close()
        self._open = _Open(piece, heard, starts, (piece.first + len(piece.samples)) / self._rate)

    def _close(self) -> None:
        if self._open is None:
            return
        piece, heard = self._open.piece, self._open.heard
        segment = self._make_segment(heard, self._open.ends)
        if segment is not None:
            segment = _not_before(self._open.starts, segment)
        self._open = None
        self._judge_rate(segment, piece, heard)
        if segment is None or self._is_spoken(segment, piece):
            self._account(piece.start, piece.end, "recognized")
            if segment is not None:
                self.segments += (replace(part, channel=self._channel) for part in utterances(segment))
        else:
            self._account(piece.start, piece.end, "noise")

    def _is_spoken(self, segment: Segment, piece: Piece) -> bool:
        short = piece.end - piece.start < _JUDGED_SECONDS * self._rate
        if self._check is None or segment.confidence >= _DOUBTFUL or short:
            return True
        return any(self._check.heard_in(self._sound(start, end, piece)) for start, end in _stretches(segment))

    def _judge_rate(self, segment: Segment | None, piece: Piece, heard: Heard) -> None:
        """Keep a piece that the network cannot read, in case all are like that."""
        seconds = (piece.end - piece.start) / self._rate
        sure = segment is not None and segment.confidence >= _DOUBTFUL
        if sure or surety(heard.log_probs, seconds, self._model.alphabet) > _UNREADABLE:
            self._readable_seconds += seconds
            return
        self._unreadable_seconds += seconds
        if self._unreadable is None and seconds >= _JUDGED_SECONDS:
            self._unreadable = piece.samples

    def wrong_speed(self) -> float | None:
        """Return how many times too fast the speech seems to run; None if it seems right."""
        if self._unreadable is None or self._unreadable_seconds < self._readable_seconds:
            return None

        def log_probs(samples: Samples) -> NDArray[np.float32]:
            return self._model.log_probs([extract(samples, self._model.config.features).values])[0]

        return wrong_speed(self._unreadable, self._rate, log_probs, self._model.alphabet)

    def _sound(self, start: float, end: float, piece: Piece) -> NDArray[np.float32]:
        first = round((start - _AROUND_SECONDS) * self._rate) - piece.first
        last = round((end + _AROUND_SECONDS) * self._rate) - piece.first
        return piece.samples[max(first, 0) : max(last, 0)]

    def _account(self, start: int, end: int, kind: str) -> None:
        stretch = Stretch(start / self._rate, end / self._rate, kind, self._channel)  # type: ignore[arg-type]
        self.stretches.append(stretch)


def utterances(segment: Segment) -> list[Segment]:
    """Part a segment at its pauses of 0.8 s or more; one with several alternatives is left as it is."""
    if segment.alternatives or segment.text != " ".join(word.text for word in segment.words):
        return [segment]
    groups: list[list[Word]] = []
    for word in segment.words:
        if not groups or word.start - groups[-1][-1].end >= _PAUSE_SECONDS:
            groups.append([])
        groups[-1].append(word)
    return [
        Segment(
            group[0].start,
            group[-1].end,
            " ".join(word.text for word in group),
            tuple(group),
            sum(word.confidence for word in group) / len(group),
        )
        for group in groups
    ]


def _not_before(second: float, segment: Segment) -> Segment:
    """Return the segment with its first word starting no earlier: word times reach out beyond the letters."""
    if segment.start >= second:
        return segment
    first = replace(segment.words[0], start=second, end=max(segment.words[0].end, second))
    return replace(segment, start=second, words=(first, *segment.words[1:]))


def _stretches(segment: Segment) -> list[tuple[float, float]]:
    """Return where words follow closely on each other."""
    found: list[tuple[float, float]] = []
    for word in segment.words:
        if found and word.start - found[-1][1] < 2 * _AROUND_SECONDS:
            found[-1] = (found[-1][0], word.end)
        else:
            found.append((word.start, word.end))
    return found


def problems_of(meter: SoundMeter, tracks: Sequence[Track], duration: float) -> tuple[Problem, ...]:
    """Return what is wrong with a recording that has been recognised."""
    found = meter.finish()
    problems = list(sound_problems(found)) if found is not None else []
    for track in tracks:
        speed = track.wrong_speed()
        if speed is not None:
            problems.append(_wrong_rate(speed))
            break
    coverage = Coverage(tuple(stretch for track in tracks for stretch in track.stretches))
    noise = 0.0 if problems and problems[-1].code == "rate" else coverage.seconds("noise")
    if noise >= min(_NOISE_SECONDS, _NOISE_SHARE * duration) and noise > 0:
        problems.append(
            Problem(
                "noise",
                tr(
                    f"музыка или шум вместо речи: {noise:.0f} с из {duration:.0f}; слова отброшены",
                    f"music or noise instead of speech: {noise:.0f} s of {duration:.0f}; words dropped",
                ),
            )
        )
    return tuple(problems)


def _wrong_rate(speed: float) -> Problem:
    if speed > 1:
        return Problem(
            "rate",
            tr(
                f"речь ускорена раза в {speed:.0f}: неверна частота записи? Укажите настоящую",
                f"speech runs about {speed:.0f} times too fast: a wrong sample rate? Name the true one",
            ),
        )
    return Problem(
        "rate",
        tr(
            f"речь замедлена раза в {1 / speed:.0f}: неверна частота записи? Укажите настоящую",
            f"speech runs about {1 / speed:.0f} times too slow: a wrong sample rate? Name the true one",
        ),
    )
