"""Look a corpus over: what it consists of, and which utterances deserve a human ear."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from govor.audio.loading import load_audio
from govor.audio.quality import SoundCheck, check_sound
from govor.corpora.lengths import measure_length
from govor.errors import GovorError
from govor.manifest import Utterance
from govor.text.alphabet import normalize

Recognize = Callable[[Utterance], str]

KINDS = ("unreadable", "clipped", "quiet", "noisy", "silent", "fast", "slow", "transcript")
"""What an utterance may be suspected of, in the order of the page."""

CLIPPED_SHARE = 0.001
QUIET_DB = -45.0
NOISY_SNR_DB = 10.0
SILENT_SHARE = 0.75
LOWEST_SUSPECT_CER = 0.5
_OUTLIER = 4.0
# A median deviation times this is the standard deviation of a normal distribution.
_MAD = 1.4826
_SHOWN = 40


@dataclass
class Histogram:
    """Counts in bins of equal width; what lies outside goes into the outer bins."""

    low: float
    high: float
    num_bins: int
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * self.num_bins

    @property
    def total(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def add(self, value: float) -> None:
        """Count a value."""
        position = int((value - self.low) / (self.high - self.low) * self.num_bins)
        self.counts[min(max(position, 0), self.num_bins - 1)] += 1

    def edge(self, index: int) -> float:
        """Return the lower edge of a bin."""
        return self.low + (self.high - self.low) * index / self.num_bins

    def quantile(self, share: float) -> float:
        """Return the value below which `share` of the values lie, to within a bin; NaN without values."""
        wanted, before = share * self.total, 0
        for index, count in enumerate(self.counts):
            if count and before + count >= wanted:
                return self.edge(index) + (wanted - before) / count * (self.edge(1) - self.edge(0))
            before += count
        return math.nan

    def deviation(self) -> float:
        """Return the median distance from the median, to within a bin."""
        median = self.quantile(0.5)
        distances = Histogram(0.0, self.high - self.low, self.num_bins)
        for index, count in enumerate(self.counts):
            middle = (self.edge(index) + self.edge(index + 1)) / 2
            position = min(
                int(abs(middle - median) / (self.high - self.low) * self.num_bins), self.num_bins - 1
            )
            distances.counts[position] += count
        return distances.quantile(0.5)


@dataclass(frozen=True)
class Suspect:
    """An utterance that something may be wrong with."""

    id: str
    text: str
    value: float
    """What it is suspected for: a share, dB, letters a second, or a character error rate."""
    path: str
    note: str = ""
    """What the recogniser heard, or why it cannot be read."""


class _Worst:
    """The `_SHOWN` most suspicious of any number, so that memory stays bounded."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Suspect]] = []
        self._number = 0

    def add(self, badness: float, suspect: Suspect) -> None:
        self._number += 1
        # The number settles ties: the earlier of two equals stays.
        row = (badness, -self._number, suspect)
        if len(self._heap) < _SHOWN:
            heapq.heappush(self._heap, row)
        else:
            heapq.heappushpop(self._heap, row)

    def sorted(self) -> list[Suspect]:
        return [suspect for _, _, suspect in sorted(self._heap, key=lambda row: row[:2], reverse=True)]


@dataclass(frozen=True)
class Audit:
    """Everything `audit_corpus` found."""

    num_utterances: int
    seconds: float
    speakers: dict[str, float]
    """Seconds of each speaker."""
    num_texts: int
    histograms: dict[str, Histogram]
    """``duration`` s, ``speech``, ``snr``, ``peak`` dB, ``silence`` share, ``rate`` letters/s, ``cer``."""
    counts: dict[str, int]
    """How many utterances are suspected, by kind of `KINDS`."""
    suspects: dict[str, list[Suspect]]
    """The worst of each kind."""
    limits: dict[str, float]
    """``fast`` and ``slow`` letters a second, ``transcript`` CER: beyond these an utterance is suspected."""
    num_recognized: int


def audit_corpus(
    utterances: Iterable[Utterance],
    recognize: Recognize | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Audit:
    """Measure every utterance; with `recognize`, also compare what it hears with the text.

    Recordings are read one at a time; only sums, histograms and the worst examples are kept, besides a name
    per speaker and about 70 bytes per different text. Features give duration and tempo only.
    """
    state = _State(recognize)
    for number, utterance in enumerate(utterances, 1):
        state.add(utterance)
        on_progress(number)
    return state.result()


class _State:
    def __init__(self, recognize: Recognize | None) -> None:
        self.recognize = recognize
        self.num_utterances = self.num_recognized = 0
        self.seconds = 0.0
        self.speakers: dict[str, float] = {}
        self.texts: set[int] = set()
        self.histograms = {
            "duration": Histogram(0.0, 30.0, 60),
            "speech": Histogram(-70.0, 0.0, 35),
            "snr": Histogram(0.0, 80.0, 40),
            "peak": Histogram(-40.0, 0.0, 40),
            "silence": Histogram(0.0, 1.0, 40),
            "rate": Histogram(0.0, 30.0, 60),
            "cer": Histogram(0.0, 1.2, 48),
        }
        # Tempo spreads evenly up and down on a logarithmic scale; fine bins for the median.
        self.log_rate = Histogram(-4.0, 7.0, 2200)
        self.fine_cer = Histogram(0.0, 2.0, 2000)
        self.counts = dict.fromkeys(KINDS, 0)
        self.worst = {kind: _Worst() for kind in KINDS}

    def add(self, utterance: Utterance) -> None:
        self.num_utterances += 1
        try:
            sound = _sound(utterance)
        except (GovorError, OSError) as error:
            self._suspect("unreadable", 0.0, 0.0, utterance, str(error))
            return
        duration = sound.duration if sound else utterance.duration
        self.seconds += duration
        speaker = utterance.speaker
        self.speakers[speaker] = self.speakers.get(speaker, 0.0) + duration
        text = normalize(utterance.text)
        self.texts.add(hash(text))
        self.histograms["duration"].add(duration)
        spoken = duration
        if sound:
            spoken = max(duration * (1 - sound.silence), 0.05)
            self._add_sound(utterance, sound)
        if text and spoken > 0:
            rate = len(text) / spoken
            self.histograms["rate"].add(rate)
            self.log_rate.add(math.log2(rate))
            suspect = _suspect(utterance, rate)
            self.worst["fast"].add(rate, suspect)
            self.worst["slow"].add(-rate, suspect)
        if text and self.recognize is not None:
            self._compare(utterance, text, self.recognize)

    def _add_sound(self, utterance: Utterance, sound: SoundCheck) -> None:
        figures = {
            "speech": sound.speech_db,
            "snr": sound.snr_db,
            "peak": sound.peak_db,
            "silence": sound.silence,
        }
        for name, value in figures.items():
            self.histograms[name].add(value)
        if sound.clipped > CLIPPED_SHARE:
            self._suspect("clipped", sound.clipped, sound.clipped, utterance)
        if sound.speech_db < QUIET_DB:
            self._suspect("quiet", -sound.speech_db, sound.speech_db, utterance)
        elif sound.snr_db < NOISY_SNR_DB:
            self._suspect("noisy", -sound.snr_db, sound.snr_db, utterance)
        if sound.silence > SILENT_SHARE:
            self._suspect("silent", sound.silence, sound.silence, utterance)

    def _compare(self, utterance: Utterance, text: str, recognize: Recognize) -> None:
        import jiwer

        try:
            heard = recognize(utterance)
        except GovorError as error:
            self._suspect("unreadable", 0.0, 0.0, utterance, str(error))
            return
        rate = float(jiwer.cer(text, heard))
        self.num_recognized += 1
        self.histograms["cer"].add(rate)
        self.fine_cer.add(rate)
        if rate > LOWEST_SUSPECT_CER:
            # A whole sentence that is wrong says more than a single word that was not recognised.
            badness = (rate - LOWEST_SUSPECT_CER) * math.sqrt(len(text))
            self.worst["transcript"].add(badness, _suspect(utterance, rate, heard))

    def _suspect(self, kind: str, badness: float, value: float, utterance: Utterance, note: str = "") -> None:
        self.counts[kind] += 1
        self.worst[kind].add(badness, _suspect(utterance, value, note))

    def result(self) -> Audit:
        limits = {"fast": math.inf, "slow": 0.0, "transcript": math.inf}
        if self.log_rate.total:
            median = self.log_rate.quantile(0.5)
            # Readers of one corpus differ by a fifth or so; a narrower spread is chance or one voice.
            spread = _OUTLIER * max(_MAD * self.log_rate.deviation(), 0.15)
            limits |= {"fast": 2 ** (median + spread), "slow": 2 ** (median - spread)}
        if self.num_recognized:
            spread = 3 * _MAD * self.fine_cer.deviation()
            limits["transcript"] = min(max(self.fine_cer.quantile(0.5) + spread, LOWEST_SUSPECT_CER), 0.9)
        suspects = {kind: worst.sorted() for kind, worst in self.worst.items()}
        for kind in limits:
            suspects[kind] = [one for one in suspects[kind] if _is_beyond(kind, one.value, limits)]
            # The bins tell how many there are when more are suspected than are kept.
            source = self.fine_cer if kind == "transcript" else self.log_rate
            edges = [source.edge(index) for index in range(source.num_bins)]
            values = edges if kind == "transcript" else [2**edge for edge in edges]
            pairs = zip(values, source.counts, strict=True)
            counted = sum(count for value, count in pairs if _is_beyond(kind, value, limits))
            full = len(suspects[kind]) == _SHOWN
            self.counts[kind] = max(counted, _SHOWN) if full else len(suspects[kind])
        return Audit(
            num_utterances=self.num_utterances,
            seconds=self.seconds,
            speakers=self.speakers,
            num_texts=len(self.texts),
            histograms={name: one for name, one in self.histograms.items() if one.total},
            counts=self.counts,
            suspects=suspects,
            limits=limits,
            num_recognized=self.num_recognized,
        )


def _is_beyond(kind: str, value: float, limits: Mapping[str, float]) -> bool:
    return value < limits[kind] if kind == "slow" else value > limits[kind]


def _sound(utterance: Utterance) -> SoundCheck | None:
    path = utterance.audio_filepath
    if path is None:
        return None
    rate = measure_length(path).sample_rate
    return check_sound(load_audio(path, rate).samples, rate)


def _suspect(utterance: Utterance, value: float, note: str = "") -> Suspect:
    path = utterance.audio_filepath or utterance.features
    return Suspect(utterance.id, utterance.text, value, str(path or ""), note)
