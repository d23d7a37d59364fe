"""Any audio file, bytes or stream -> mono float32 waveform at the wanted rate, by PyAV (FFmpeg)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from govor.audio.media import Source, decode, probe_duration, source_name
from govor.audio.raw import MAX_CHANNELS, MAX_RATE, MIN_RATE, RawFormat
from govor.errors import AudioError
from govor.language import tr

__all__ = [
    "RawFormat",
    "Resampler",
    "Samples",
    "Source",
    "Waveform",
    "channels_from",
    "from_array",
    "load_audio",
    "probe_duration",
    "read_blocks",
    "read_channels",
    "samples_from",
]

Samples: TypeAlias = NDArray[np.float32]

Listener: TypeAlias = Callable[[Samples, int], None]
"""Is shown all samples (N, C) of a source, float32, and their rate before they are mixed and resampled."""

# Some programs write floats in the range of int16, so ±1 is not the limit; beyond this nothing is sound.
_LOUDEST = 1e6


@dataclass(frozen=True)
class Waveform:
    """Mono sound: samples (N,) float32, full scale ±1."""

    samples: Samples
    sample_rate: int
    """Hz."""
    warnings: tuple[str, ...] = ()
    """What was wrong with the source although something could be read; a line each."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


def load_audio(source: Source, sample_rate: int) -> Waveform:
    """Read a whole recording as mono at `sample_rate` Hz; channels are averaged.

    Raises InputNotFoundError if the file cannot be opened, AudioError if it holds no usable audio. A file
    that breaks off or is damaged in places gives what could be read, and a line in ``warnings``.
    """
    warnings: list[str] = []
    blocks = list(read_blocks(source, sample_rate, warnings=warnings))
    return Waveform(np.concatenate(blocks), sample_rate, tuple(warnings))


def read_blocks(
    source: Source, sample_rate: int, block_seconds: float = 30.0, warnings: list[str] | None = None
) -> Iterator[Samples]:
    """Read a recording as `load_audio` does, in blocks of `block_seconds` (the last one shorter).

    Memory does not grow with the recording's length. Warnings are appended to `warnings`. Raises as
    `load_audio`, at the block where the fault lies; never ends without at least one sample.
    """
    for block in read_channels(source, sample_rate, block_seconds=block_seconds, warnings=warnings):
        yield block[0]


def read_channels(
    source: Source,
    sample_rate: int,
    *,
    split: bool = False,
    raw: RawFormat | None = None,
    listener: Listener | None = None,
    block_seconds: float = 30.0,
    warnings: list[str] | None = None,
) -> Iterator[Samples]:
    """Read a recording as `read_blocks` does, in blocks (C, N): C is 1 unless `split` keeps the channels.

    `raw` says what the bytes mean that have no header. Raises as `load_audio`, also where the number of
    channels to be kept changes on the way.
    """
    _check_rate(sample_rate, tr("запрошенная частота", "the requested rate"))
    notes: list[str] = [] if warnings is None else warnings
    size = max(1, round(block_seconds * sample_rate))
    pending: list[Samples] = []
    num_pending = 0
    empty = True
    for piece in _resample(_scaled(source, raw, notes, split, listener), sample_rate):
        pending.append(piece)
        num_pending += len(piece)
        empty = empty and not len(piece)
        while num_pending >= size:
            joined = np.concatenate(pending)
            yield _by_channel(joined[:size])
            pending = [joined[size:].copy()]
            num_pending -= size
    if empty:
        reason = f" ({notes[-1]})" if notes else ""
        raise AudioError(
            tr(
                f"{source_name(source)}: в файле нет ни одного отсчёта звука{reason}; запишите его заново",
                f"{source_name(source)}: the file holds no audio samples{reason}; record it again",
            )
        )
    if num_pending:
        yield _by_channel(np.concatenate(pending))


def _by_channel(samples: Samples) -> Samples:
    return np.ascontiguousarray(samples.T)


def from_array(array: NDArray[Any], sample_rate: int, target_rate: int) -> Waveform:
    """Turn an array (N,) or (N, C) into mono at `target_rate` Hz; channels are averaged.

    Integers are scaled by the range of their type (uint8 is centred at 128); floats have full scale ±1.
    Raises AudioError for NaN or infinity, an empty array, another shape or type, floats in integer range, and
    rates outside 1000 to 384000 Hz.
    """
    return Waveform(channels_from(array, sample_rate, target_rate)[0], target_rate)


def channels_from(
    array: NDArray[Any],
    sample_rate: int,
    target_rate: int,
    *,
    split: bool = False,
    listener: Listener | None = None,
) -> Samples:
    """Do as `from_array`, but return (C, N): C is 1 unless `split` keeps the channels apart."""
    name = tr("массив", "array")
    _check_rate(sample_rate, name)
    _check_rate(target_rate, tr("запрошенная частота", "the requested rate"))
    samples = np.asarray(array)
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > MAX_CHANNELS):
        raise AudioError(
            tr(
                f"массив формы {samples.shape}: нужен (N,) или (N, каналы); попробуйте .T",
                f"array of shape {samples.shape}: must be (N,) or (N, channels); try .T",
            )
        )
    if samples.size == 0:
        raise AudioError(tr("массив пуст: в нём нет звука", "the array is empty: there is no audio in it"))
    if samples.dtype.kind not in "iuf":
        raise AudioError(
            tr(
                f"массив типа {samples.dtype}: нужны целые или вещественные отсчёты",
                f"array of type {samples.dtype}: samples must be integers or floats",
            )
        )
    scaled = _scale(samples if samples.ndim == 2 else samples[:, None], name)
    if samples.dtype.kind == "f" and (peak := float(np.abs(scaled).max())) > 8:
        raise AudioError(
            tr(
                f"вещественные отсчёты доходят до {peak:.0f}, а должны быть от -1 до 1; разделите на 32768",
                f"float samples reach {peak:.0f} but should run from -1 to 1; divide them by 32768",
            )
        )
    if listener is not None:
        listener(scaled, sample_rate)
    pieces = list(_resample([(scaled if split else _mix(scaled), sample_rate)], target_rate))
    return _by_channel(np.concatenate(pieces))


def samples_from(array: NDArray[Any]) -> Samples:
    """Turn a piece of mono sound (N,) of any number type into float32 of full scale ±1; N may be 0.

    Raises AudioError for another shape or type, NaN and infinity.
    """
    samples = np.asarray(array)
    if samples.ndim != 1 or samples.dtype.kind not in "iuf":
        raise AudioError(
            tr(
                f"массив формы {samples.shape} типа {samples.dtype}: нужны отсчёты (N,) числами",
                f"array of shape {samples.shape} and type {samples.dtype}: must be samples (N,), numbers",
            )
        )
    return _scale(samples[:, None], tr("массив", "array"))[:, 0]


def _check_rate(rate: int, where: str) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            tr(
                f"{where}: {rate} Гц; частота должна быть от {MIN_RATE} до {MAX_RATE} Гц",
                f"{where}: {rate} Hz; the rate must be {MIN_RATE} to {MAX_RATE} Hz",
            )
        )


def _scaled(
    source: Source, raw: RawFormat | None, warnings: list[str], split: bool, listener: Listener | None
) -> Iterator[tuple[Samples, int]]:
    name = source_name(source)
    num_channels = 0
    for samples, rate in decode(source, warnings, raw):
        _check_rate(rate, name)
        scaled = _scale(samples, name)
        if listener is not None:
            listener(scaled, rate)
        if not split:
            scaled = _mix(scaled)
        elif num_channels not in (0, scaled.shape[1]):
            raise AudioError(
                tr(
                    f"{name}: число каналов меняется ({num_channels}, потом {scaled.shape[1]}); "
                    "распознайте без разделения каналов",
                    f"{name}: the number of channels changes ({num_channels}, then {scaled.shape[1]}); "
                    "recognise it without splitting them",
                )
            )
        num_channels = scaled.shape[1]
        yield scaled, rate


def _scale(samples: NDArray[Any], name: str) -> Samples:
    """Turn (N, C) of any number type into float32 of full scale ±1."""
    if samples.dtype == np.float16:
        samples = samples.astype(np.float32)
    kind, bits = samples.dtype.kind, samples.dtype.itemsize * 8
    if kind == "f":
        # Also false for NaN.
        if not np.all(np.abs(samples) < _LOUDEST):
            raise AudioError(
                tr(
                    f"{name}: среди отсчётов есть NaN, бесконечность или число больше {_LOUDEST:.0g}",
                    f"{name}: some samples are NaN, infinite or above {_LOUDEST:.0g}",
                )
            )
        return samples.astype(np.float32, copy=False)
    scaled = samples.astype(np.float32)
    if kind == "u":
        scaled -= np.float32(2.0 ** (bits - 1))
    scaled *= np.float32(2.0 ** (1 - bits))
    return scaled


def _mix(samples: Samples) -> Samples:
    """Average (N, C) into (N, 1)."""
    return samples if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32, keepdims=True)


def _resample(pieces: Iterable[tuple[Samples, int]], target_rate: int) -> Iterator[Samples]:
    """Bring (N, C) to `target_rate`; the source's rate may change on the way, as in joined ogg files."""
    resamplers: list[Resampler] = []
    current = 0
    for samples, rate in _gather(pieces):
        if rate != current:
            yield from _stacked([resampler.flush() for resampler in resamplers])
            current = rate
            changed = rate != target_rate
            resamplers = [Resampler(rate, target_rate) for _ in range(samples.shape[1] if changed else 0)]
        if not resamplers:
            yield samples
        else:
            columns = zip(resamplers, np.ascontiguousarray(samples.T), strict=True)
            yield from _stacked([resampler.feed(column) for resampler, column in columns])
    yield from _stacked([resampler.flush() for resampler in resamplers])


def _stacked(channels: list[list[Samples]]) -> Iterator[Samples]:
    """Put the same moments of all channels side by side; equal filters give pieces of equal lengths."""
    for pieces in zip(*channels, strict=True):
        yield np.stack(pieces, axis=1)


class Resampler:
    """Bring a mono stream from one rate to another, piece by piece, by FFmpeg's windowed-sinc filter."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        """Prepare for samples of `source_rate` Hz. Raises AudioError for a rate outside 1000 to 384000 Hz."""
        import av

        _check_rate(source_rate, tr("частота источника", "the rate of the source"))
        _check_rate(target_rate, tr("запрошенная частота", "the requested rate"))
        self._rate = source_rate
        self._resampler = av.AudioResampler("fltp", "mono", target_rate)

    def feed(self, samples: Samples) -> list[Samples]:
        """Take samples (N,) and return what is ready, in pieces; a few samples stay inside the filter."""
        if not len(samples):
            return []
        import av

        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = self._rate
        return self._pull(frame)

    def flush(self) -> list[Samples]:
        """Return what the filter still holds; nothing can be fed afterwards."""
        return self._pull(None)

    def _pull(self, frame: Any) -> list[Samples]:
        return [out.to_ndarray()[0] for out in self._resampler.resample(frame)]


def _gather(pieces: Iterable[tuple[Samples, int]]) -> Iterator[tuple[Samples, int]]:
    """Join the codec's frames, often 20 ms, into pieces of a second: each call of the resampler costs."""
    pending: list[Samples] = []
    current = 0
    for samples, rate in pieces:
        if pending and (rate != current or sum(map(len, pending)) >= current):
            yield np.concatenate(pending), current
            pending = []
        current = rate
        if len(samples):
            pending.append(samples)
    if pending:
        yield np.concatenate(pending), current
