"""Recordings to text on onnxruntime, without torch: `load_model`, then `Recognizer.transcribe`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.audio import Samples, Source, from_array, read_blocks
from govor.decoding import BeamDecoder, Decoded, Decoder, greedy
from govor.errors import ConfigError, MissingExtraError
from govor.features import extract
from govor.language import tr
from govor.onnx_model import OnnxModel, load_onnx_model
from govor.transcript import Segment, Transcript, Word

# A longer recording is recognised window by window, cut at the quietest place near each window's end.
WINDOW_SECONDS = 25.0
SEARCH_SECONDS = 8.0
QUIET_SECONDS = 0.3
# Windows that go through the network together.
BATCH_WINDOWS = 2


@dataclass(frozen=True)
class Recognizer:
    """A loaded model. Make it with `load_model`; it may be used for any number of recordings."""

    model: OnnxModel
    _decoders: dict[str, tuple[Decoder, str]] = field(default_factory=dict, repr=False, compare=False)

    def transcribe(
        self,
        source: Source | NDArray[Any],
        decoder: str | Decoder = "greedy",
        sample_rate: int | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        """Recognise a path, bytes, a binary stream, or an array (N,) or (N, C) of `sample_rate` Hz.

        `decoder` is ``greedy``, ``beam``, or any callable from log_probs (T, V) to `Decoded`; without the
        package for ``beam`` the greedy text comes with a warning. `on_progress` is told the seconds done
        after each part. Memory does not grow with the recording's length, unless it is given as an array.
        Raises InputNotFoundError, AudioError, ModelError, ConfigError.
        """
        decode, note = self.decoder(decoder)
        warnings = [note] if note else []
        path: str | None = None
        blocks: Iterable[Samples]
        rate = self.model.config.features.sample_rate
        if isinstance(source, np.ndarray):
            if sample_rate is None:
                raise ConfigError(
                    tr(
                        "для массива нужна частота: transcribe(samples, sample_rate=16000)",
                        "an array needs its rate: transcribe(samples, sample_rate=16000)",
                    )
                )
            blocks = [from_array(source, sample_rate, rate).samples]
        else:
            path = str(source) if isinstance(source, (str, Path)) else None
            blocks = read_blocks(source, rate, warnings=warnings)
        segments: list[Segment] = []
        done = 0
        windows = cut_windows(blocks, rate)
        while batch := list(islice(windows, BATCH_WINDOWS)):
            segments += self._segments(batch, decode)
            start, samples = batch[-1]
            done = start + len(samples)
            if on_progress is not None:
                on_progress(done / rate)
        text = " ".join(segment.text for segment in segments)
        return Transcript(text, tuple(segments), done / rate, path, tuple(warnings))

    def _segments(self, windows: list[tuple[int, Samples]], decode: Decoder) -> Iterator[Segment]:
        features = self.model.config.features
        parts = [extract(samples, features) for _, samples in windows]
        all_log_probs = self.model.log_probs([part.values for part in parts])
        for (first, samples), part, log_probs in zip(windows, parts, all_log_probs, strict=True):
            offset = first / features.sample_rate
            duration = len(samples) / features.sample_rate
            segment = self._segment(decode(log_probs), part.times, offset, duration)
            if segment is not None:
                yield segment

    def _segment(
        self, decoded: Decoded, times: NDArray[Any], offset: float, duration: float
    ) -> Segment | None:
        if not decoded.words:
            return None
        stride = self.model.config.network.stride
        shift = self.model.config.features.frame_shift
        words = []
        for word in decoded.words:
            # Looked up, not multiplied: silence removal leaves gaps between neighbouring frames.
            last = min(word.end * stride, len(times)) - 1
            start = min(float(times[word.start * stride]), duration)
            end = min(float(times[last]) + shift, duration)
            words.append(Word(word.text, offset + start, offset + end, word.confidence))
        confidence = sum(word.confidence for word in words) / len(words)
        return Segment(words[0].start, words[-1].end, decoded.text, tuple(words), confidence)

    def transcribe_features(
        self, values: NDArray[np.float32], decoder: str | Decoder = "greedy"
    ) -> Transcript:
        """Recognise ready features (T, F), not normalised. Times count the frames, silence being cut out."""
        decode, note = self.decoder(decoder)
        shift = self.model.config.features.frame_shift
        duration = len(values) * shift
        (log_probs,) = self.model.log_probs([values])
        segment = self._segment(decode(log_probs), np.arange(len(values)) * shift, 0.0, duration)
        segments = (segment,) if segment is not None else ()
        text = segment.text if segment is not None else ""
        return Transcript(text, segments, duration, warnings=(note,) if note else ())

    def decoder(self, decoder: str | Decoder) -> tuple[Decoder, str]:
        """Return the decoder of that name, kept for the next call, and a warning or ""."""
        if callable(decoder):
            return decoder, ""
        if decoder not in ("greedy", "beam"):
            raise ConfigError(
                tr(
                    f"неизвестный декодер {decoder!r}: greedy или beam",
                    f"no decoder {decoder!r}: greedy or beam",
                )
            )
        if decoder not in self._decoders:
            self._decoders[decoder] = self._make_decoder(decoder)
        return self._decoders[decoder]

    def _make_decoder(self, name: str) -> tuple[Decoder, str]:
        def plain(log_probs: NDArray[np.float32]) -> Decoded:
            return greedy(log_probs, self.model.alphabet)

        if name == "greedy":
            return plain, ""
        known = {
            key: self.model.decoding[key]
            for key in ("beam_width", "alpha", "beta")
            if key in self.model.decoding
        }
        try:
            return BeamDecoder(self.model.alphabet, **known), ""
        except MissingExtraError as error:
            return plain, tr(f"{error}; взят жадный декодер", f"{error}; the greedy decoder was used")


def cut_windows(blocks: Iterable[Samples], sample_rate: int) -> Iterator[tuple[int, Samples]]:
    """Cut a stream of blocks into windows of at most 25 s: (first sample, samples), each sample in just one.

    The cut is the middle of the 0.3 s with the least energy within the last 8 s of the window.
    """
    longest = round(WINDOW_SECONDS * sample_rate)
    buffer = np.zeros(0, np.float32)
    first = 0
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        position = 0
        while len(buffer) - position > longest:
            window = buffer[position : position + longest]
            cut = _quietest(window, sample_rate)
            yield first, window[:cut]
            first += cut
            position += cut
        buffer = buffer[position:]
    if len(buffer):
        yield first, buffer


def _quietest(window: Samples, sample_rate: int) -> int:
    searched = len(window) - round(SEARCH_SECONDS * sample_rate)
    span = round(QUIET_SECONDS * sample_rate)
    energy = np.cumsum(np.square(window[searched:], dtype=np.float64))
    return searched + int((energy[span:] - energy[:-span]).argmin()) + span // 2


def load_model(path: Path | str | None = None, *, threads: int = 1) -> Recognizer:
    """Load a model made by ``govor export``; without `path`, the one that comes with Govor.

    `threads` is how many processor threads the network may use. Raises ModelNotFoundError if there is no such
    file, ModelError if it is corrupt, of another format version, or not a Russian model of Govor.
    """
    return Recognizer(load_onnx_model(path, threads))
