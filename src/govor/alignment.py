"""Forced alignment: when each word of a known text is said in a recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.audio.loading import Source, from_array, read_blocks
from govor.decoding.greedy import align, words_of
from govor.decoding.word_times import Offsets, word_times
from govor.errors import AudioError, ConfigError, ManifestError
from govor.features import extract
from govor.language import tr
from govor.long_recordings.cutting import cut_windows
from govor.recognizer import Recognizer
from govor.text.alphabet import RUSSIAN_LETTERS, is_speakable, normalize
from govor.text.numbers import digits_to_words
from govor.transcript import Word

# Steps of the alignment kept in memory, a byte each: ten minutes of fluent speech.
MAX_CELLS = 400_000_000


@dataclass(frozen=True)
class AlignedText:
    """A text over a recording."""

    words: tuple[Word, ...]
    """Each word of the text in order. The confidence is of the letters, not calibrated."""
    duration: float
    """Seconds of audio."""
    score: float
    """Mean log-probability of the letters at their peaks: near 0 if the text fits, below -3 if hardly."""
    audio_filepath: str | None = None
    warnings: tuple[str, ...] = ()
    """What is wrong with the file, such as that it breaks off; a line each."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; times to the millisecond."""
        row = {
            "audio_filepath": self.audio_filepath,
            "duration": round(self.duration, 4),
            "score": round(self.score, 4),
            "words": [word.to_json() for word in self.words],
        }
        return row | ({"warnings": list(self.warnings)} if self.warnings else {})

    def to_srt(self) -> str:
        """Return SubRip subtitles, a word each."""
        blocks = [
            f"{number}\n{_clock(word.start)} --> {_clock(word.end)}\n{word.text}\n"
            for number, word in enumerate(self.words, 1)
        ]
        return "\n".join(blocks)

    def to_textgrid(self) -> str:
        """Return a Praat TextGrid (long form) with one tier, ``words``; pauses are empty intervals."""
        duration = max(round(self.duration, 3), 0.001)
        intervals: list[tuple[float, float, str]] = []
        before = 0.0
        for word in self.words:
            start, end = round(max(word.start, before), 3), round(min(word.end, duration), 3)
            # Praat does not open a tier with an interval of no length.
            if end <= start:
                continue
            if start > before:
                intervals.append((before, start, ""))
            intervals.append((start, end, word.text))
            before = end
        if before < duration:
            intervals.append((before, duration, ""))
        lines = [
            'File type = "ooTextFile"',
            'Object class = "TextGrid"',
            "",
            "xmin = 0",
            f"xmax = {duration}",
            "tiers? <exists>",
            "size = 1",
            "item []:",
            "    item [1]:",
            '        class = "IntervalTier"',
            '        name = "words"',
            "        xmin = 0",
            f"        xmax = {duration}",
            f"        intervals: size = {len(intervals)}",
        ]
        for number, (start, end, text) in enumerate(intervals, 1):
            lines += [
                f"        intervals [{number}]:",
                f"            xmin = {start}",
                f"            xmax = {end}",
                f'            text = "{text}"',
            ]
        return "\n".join(lines) + "\n"

    def render(self, form: str) -> str:
        """Return it as ``json``, ``srt`` or ``textgrid``, with the final line feed."""
        if form == "json":
            return json.dumps(self.to_json(), ensure_ascii=False, indent=2) + "\n"
        return self.to_srt() if form == "srt" else self.to_textgrid()


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def spoken_text(text: str, letters: str = RUSSIAN_LETTERS) -> str:
    """Normalise a text, numbers in Russian words. Raises ManifestError if its letters do not say it all."""
    try:
        words = digits_to_words(text)
    except ValueError:
        words = text
    if not any(map(str.isalnum, text)):
        raise ManifestError(
            tr("текст пуст: запишите, что сказано", "the text is empty: write down what is said")
        )
    if not is_speakable(words, letters):
        foreign = [word for word in words.split() if any(map(str.isalnum, word))]
        foreign = [word[:30] for word in foreign if not is_speakable(word, letters)]
        shown = ", ".join(dict.fromkeys(foreign[:5]))
        raise ManifestError(
            tr(
                f"в тексте латиница, чужие буквы или числа, которых не прочесть ({shown}): "
                "запишите их русскими словами",
                f"the text has Latin or other letters, or numbers that cannot be said ({shown}): "
                "write them in Russian words",
            )
        )
    return normalize(words, letters)


def align_recording(
    recognizer: Recognizer,
    source: Source | NDArray[Any],
    text: str,
    offsets: Offsets | None = None,
    sample_rate: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> AlignedText:
    """Find when each word of `text` is said in a path, bytes, a stream, or an array of `sample_rate` Hz.

    The most likely CTC path through the whole text (Viterbi). `offsets` None takes the model's; `on_progress`
    is told the seconds that were heard. Raises ManifestError if the text cannot be said or does not fit into
    the recording, ConfigError if both together are too long, and what `Recognizer.transcribe` raises.
    """
    model = recognizer.model
    path = str(source) if isinstance(source, (str, Path)) else None
    place = f"{path}: " if path else ""
    labels = model.alphabet.encode(spoken_text(text, model.alphabet.letters))
    features, stride = model.config.features, model.config.network.stride
    rate = features.sample_rate
    warnings: list[str] = []
    if isinstance(source, np.ndarray):
        blocks = iter([from_array(source, sample_rate or rate, rate).samples])
    else:
        blocks = read_blocks(source, rate, warnings=warnings)
    all_log_probs, all_times, num_samples = [], [], 0
    for first, samples in cut_windows(blocks, rate):
        part = extract(samples, features)
        (log_probs,) = model.log_probs([part.values])
        # A window's last output frame may stand for fewer feature frames; filled up so that places can be
        # counted.
        times = np.append(part.times, np.repeat(part.times[-1:], -len(part.times) % stride)) + first / rate
        all_log_probs.append(log_probs)
        all_times.append(times)
        num_samples = first + len(samples)
        if on_progress is not None:
            on_progress(num_samples / rate)
    log_probs = (
        np.concatenate(all_log_probs) if all_log_probs else np.zeros((0, len(model.alphabet)), np.float32)
    )
    if not len(log_probs):
        raise AudioError(
            tr(
                f"{place}в записи тишина или меньше десятой доли секунды; запишите заново",
                f"{place}the recording is silent or shorter than a tenth of a second; record it again",
            )
        )
    if len(log_probs) * (2 * len(labels) + 1) > MAX_CELLS:
        raise ConfigError(
            tr(
                f"{place}{num_samples / rate / 60:.0f} минут и {len(labels)} букв: много, разделите запись",
                f"{place}{num_samples / rate / 60:.0f} minutes, {len(labels)} letters: too much, split it",
            )
        )
    try:
        found = align(log_probs, labels, model.alphabet.blank)
    except ValueError as error:
        raise ManifestError(
            tr(
                f"{place}текст (букв: {len(labels)}) не помещается в запись ({num_samples / rate:.1f} с): "
                "дайте текст одной этой записи",
                f"{place}the text ({len(labels)} letters) does not fit into {num_samples / rate:.1f} s of "
                "audio: give the text of this recording alone",
            )
        ) from error
    decoded = words_of(found, model.alphabet)
    duration = num_samples / rate
    chosen = recognizer.offsets if offsets is None else offsets
    spans = word_times(decoded, np.concatenate(all_times), stride, features.frame_shift, duration, chosen)
    words = tuple(
        Word(word.text, start, end, word.confidence)
        for word, (start, end) in zip(decoded, spans, strict=True)
    )
    return AlignedText(words, duration, float(found.peaks.mean()), path, tuple(warnings))
