"""One spoken phrase from a live stream: cut out with its margins, measured, and found fit or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from govor.audio.level import SILENCE_DB, level_db
from govor.audio.loading import Samples
from govor.audio.microphone import Block
from govor.language import tr
from govor.speech.endpointing import EndpointConfig, Endpointer, SpeechEnd, SpeechStart, frame_levels

MARGIN_SECONDS = 0.4
"""What is kept before and after the speech; detectors are late at soft sounds."""
# 99.9 % of the VoxForge-ru recordings are slower than 23.5 letters a second.
FASTEST_LETTERS = 25.0
_USUAL_LETTERS = 10.0
# A speaker who has said far too little for the text is thinking, not done.
_UNHURRIED_LETTERS = 18.0
_PATIENCE_SECONDS = 1.2
_SHORTEST_SECONDS = 0.18
_LEAST_SNR_DB = 12.0
_LEAST_SPEECH_DB = -48.0
_CLIPPED_LEVEL = 0.99
_CLIPPED_RUN = 3
_MOST_CLIPPED = 10
_LONGEST_SECONDS = 60.0
_LISTENED_BEFORE_SECONDS = 3.0


class Fault(Enum):
    """Why a take is refused."""

    dead = "dead"
    no_speech = "no speech"
    quiet = "quiet"
    clipped = "clipped"
    short = "short"
    fast = "fast"
    noisy = "noisy"
    cut_start = "cut start"
    endless = "endless"
    gaps = "gaps"


@dataclass(frozen=True)
class Problem:
    """A fault with the sentence for the user: what is wrong and what to do."""

    fault: Fault
    message: str


@dataclass(frozen=True)
class Progress:
    """What the recorder hears right now."""

    level_db: float
    peak: float
    seconds: float
    """Since listening began."""
    speaking: bool


@dataclass(frozen=True)
class Take:
    """A phrase as it was recorded, with margins of silence, and what was measured on it."""

    samples: Samples
    """(N,) float32, mono; empty when no speech was heard."""
    sample_rate: int
    speech_start: float
    """Seconds from the start of `samples`."""
    speech_end: float
    speech_db: float
    noise_db: float
    num_clipped: int
    """Samples that lie flat at full scale."""
    overflowed: bool
    """Sound was lost inside the take."""
    ended: bool
    """Speech ended by itself before the time limit."""
    heard_db: float
    """Loudest frame that was heard at all."""

    @property
    def duration(self) -> float:
        """Seconds, margins included."""
        return len(self.samples) / self.sample_rate

    @property
    def speech_seconds(self) -> float:
        """Seconds from the first to the last sound of speech."""
        return self.speech_end - self.speech_start


def count_letters(text: str) -> int:
    """Count the Russian letters of a text."""
    return len(re.findall("[а-яё]", text.lower()))


def record_take(
    blocks: Iterable[Block],
    sample_rate: int,
    text: str,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    start_timeout: float = 10.0,
    endpointer: Endpointer | None = None,
) -> Take:
    """Listen until `text` has been spoken and silence follows, and return the cut-out phrase.

    `blocks` is a live source (a `Microphone`) or an iterable that may end. Gives up after `start_timeout`
    seconds without speech, and at a limit that grows with the text (at most a minute). Nothing is judged
    here: see `find_problems`.
    """
    endpointer = endpointer or Endpointer(sample_rate, EndpointConfig(silence_seconds=1.0))
    letters = count_letters(text)
    limit = min(_LONGEST_SECONDS, start_timeout + 5.0 + 4.0 * letters / _USUAL_LETTERS)
    heard = _Heard(sample_rate)
    start = end = None
    deadline = start_timeout
    ended = False
    for block in blocks:
        heard.add(block, forget=start is None and not endpointer.state.run)
        for event in endpointer.feed(block.samples):
            if isinstance(event, SpeechStart):
                start, end = (event.start if start is None else start), None
            else:
                end = event.end
                too_soon = letters / max(end - (start or 0.0), 1e-3) > _UNHURRIED_LETTERS
                deadline = heard.seconds + (_PATIENCE_SECONDS if too_soon else 0.0)
        speaking = endpointer.state.speaking
        peak = float(np.abs(block.samples).max(initial=0.0))
        on_progress(Progress(level_db(block.samples), peak, heard.seconds, speaking))
        if end is not None and not speaking and heard.seconds >= deadline:
            ended = True
            break
        if start is None and heard.seconds >= start_timeout and not endpointer.state.run:
            break
        if heard.seconds >= limit:
            break
    if start is not None and end is None:
        for event in endpointer.finish():
            if isinstance(event, SpeechEnd):
                end = event.end
    return heard.cut(start, end, ended)


class _Heard:
    """What was heard: the last seconds while nobody speaks, all from then on."""

    def __init__(self, sample_rate: int) -> None:
        self.seconds = 0.0
        self._rate = sample_rate
        self._blocks: list[Block] = []
        self._first = 0.0
        self._loudest = SILENCE_DB

    def add(self, block: Block, forget: bool) -> None:
        self._blocks.append(block)
        duration = len(block.samples) / self._rate
        self.seconds += duration
        self._loudest = max(self._loudest, level_db(block.samples))
        while forget and self.seconds - self._first > _LISTENED_BEFORE_SECONDS + duration:
            self._first += len(self._blocks.pop(0).samples) / self._rate

    def cut(self, start: float | None, end: float | None, ended: bool) -> Take:
        pieces = [block.samples for block in self._blocks]
        whole = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)
        if start is None or end is None:
            nothing = np.zeros(0, dtype=np.float32)
            noise = level_db(whole)
            return Take(nothing, self._rate, 0.0, 0.0, SILENCE_DB, noise, 0, False, ended, self._loudest)
        first, last = start - self._first, end - self._first
        levels = np.asarray(frame_levels(whole, self._rate))
        times = (np.arange(len(levels)) + 0.5) * (len(whole) / self._rate / max(len(levels), 1))
        inside = (times >= first) & (times <= last)
        # Detectors are late and early by a few frames; those are neither noise nor speech.
        outside = (times < first - 0.15) | (times > last + 0.3)
        # Digital silence is a driver that has not woken up, not the room.
        room = levels[outside & (levels > SILENCE_DB)]
        speech_db = float(np.percentile(levels[inside], 75)) if inside.any() else SILENCE_DB
        noise_db = float(np.median(room)) if len(room) else float(levels[outside].max(initial=SILENCE_DB))
        low = max(0, round((first - MARGIN_SECONDS) * self._rate))
        high = min(len(whole), round((last + MARGIN_SECONDS) * self._rate))
        samples = np.ascontiguousarray(whole[low:high])
        return Take(
            samples=samples,
            sample_rate=self._rate,
            speech_start=first - low / self._rate,
            speech_end=last - low / self._rate,
            speech_db=speech_db,
            noise_db=noise_db,
            num_clipped=count_clipped(samples),
            overflowed=self._lost_sound(low, high),
            ended=ended,
            heard_db=self._loudest,
        )

    def _lost_sound(self, low: int, high: int) -> bool:
        position = 0
        for block in self._blocks:
            if block.overflowed and low < position < high:
                return True
            position += len(block.samples)
        return False


def count_clipped(samples: Samples) -> int:
    """Count the samples (N,) that stand at full scale in runs of three or more: the signature of clipping."""
    loud = np.concatenate([[False], np.abs(samples) >= _CLIPPED_LEVEL, [False]])
    edges = np.flatnonzero(loud[1:] != loud[:-1])
    runs = edges[1::2] - edges[::2]
    return int(runs[runs >= _CLIPPED_RUN].sum())


def find_problems(take: Take, text: str) -> tuple[Problem, ...]:
    """Return why `take` cannot serve as a recording of `text`; empty if it can."""
    if not len(take.samples):
        return (_nothing_heard(take),)
    problems: list[Problem] = []

    def refuse(fault: Fault, russian: str, english: str) -> None:
        problems.append(Problem(fault, tr(russian, english)))

    if take.overflowed:
        refuse(
            Fault.gaps,
            "компьютер не успевал, часть звука потеряна; закройте тяжёлые программы и повторите",
            "the computer did not keep up and sound was lost; close heavy programs and repeat",
        )
    if take.num_clipped > _MOST_CLIPPED:
        refuse(
            Fault.clipped,
            "слишком громко, звук обрезан; отодвиньтесь от микрофона или убавьте его громкость",
            "too loud, the sound is clipped; move away from the microphone or turn it down",
        )
    if take.speech_start < 0.05:
        refuse(
            Fault.cut_start,
            "начало срезано; начинайте говорить после сигнала «говорите»",
            "the beginning is cut; start after you are asked to speak",
        )
    if not take.ended:
        refuse(
            Fault.endless,
            "речь не кончилась вовремя; читайте только фразу и уберите посторонние голоса",
            "speech did not end in time; read the phrase only, and keep other voices away",
        )
    if take.speech_db < _LEAST_SPEECH_DB:
        refuse(
            Fault.quiet,
            f"слишком тихо ({take.speech_db:.0f} дБ); говорите громче или ближе к микрофону",
            f"too quiet ({take.speech_db:.0f} dB); speak louder or closer to the microphone",
        )
    elif take.speech_db - take.noise_db < _LEAST_SNR_DB:
        refuse(
            Fault.noisy,
            f"шум слишком громкий: {take.noise_db:.0f} дБ при речи {take.speech_db:.0f} дБ; "
            "выключите его источник или говорите ближе к микрофону",
            f"the noise is too loud: {take.noise_db:.0f} dB beside speech of {take.speech_db:.0f} dB; "
            "turn its source off or speak closer to the microphone",
        )
    _check_pace(take, text, refuse)
    return tuple(problems)


def _check_pace(take: Take, text: str, refuse: Callable[[Fault, str, str], None]) -> None:
    letters = count_letters(text)
    if take.speech_seconds < _SHORTEST_SECONDS:
        refuse(
            Fault.short,
            f"слишком коротко: {take.speech_seconds:.2f} с речи; прочтите фразу целиком",
            f"too short: {take.speech_seconds:.2f} s of speech; read the whole phrase",
        )
    elif letters / take.speech_seconds > FASTEST_LETTERS:
        refuse(
            Fault.fast,
            f"слишком быстро для этой фразы: {letters} букв за {take.speech_seconds:.1f} с; "
            "прочтите её целиком и не спеша",
            f"too fast for this phrase: {letters} letters in {take.speech_seconds:.1f} s; "
            "read all of it, without haste",
        )


def _nothing_heard(take: Take) -> Problem:
    if take.heard_db < -75.0:
        message = tr(
            "микрофон даёт тишину; проверьте, что он включён и выбран верно (govor devices)",
            "the microphone gives silence; see that it is on and the right one is chosen (govor devices)",
        )
        return Problem(Fault.dead, message)
    message = tr(
        "речи не слышно; говорите громче или ближе к микрофону",
        "no speech was heard; speak louder or closer to the microphone",
    )
    return Problem(Fault.no_speech, message)
