"""The filterbanks of other runtimes, and how to make our bands out of theirs.

A band of a filterbank answers a tone of frequency f with ``filter(f) |preemphasis(f)|² energy(window)``. Our
bands are sums of theirs with weights that are not negative, chosen so that both answer every tone alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from govor.config import FeatureConfig
from govor.features import htk, sphinx
from govor.features.frames import SAMPLE_SCALE

Array = NDArray[np.float64]

_GRID_HZ = 2.0
_STEPS = 4000
_TINY = 1e-12


@dataclass(frozen=True)
class ForeignBank:
    """A log mel filterbank as a runtime computes it from a 16 kHz waveform, a frame every 10 ms."""

    kind: Literal["kaldi", "nemo"]
    num_bands: int = 80
    sample_rate: int = 16000
    fft_size: int = 512
    window_samples: int = 400
    preemphasis: float = 0.97

    @property
    def scale(self) -> float:
        """What a sample in -1..1 is multiplied with: Kaldi counts in int16 steps."""
        return SAMPLE_SCALE if self.kind == "kaldi" else 1.0

    @property
    def log_guard(self) -> float:
        """Power to take away after undoing the logarithm.

        NeMo adds it; Kaldi has no power below half of it, which we take for none at all: digital silence.
        """
        return 2.0**-24 if self.kind == "nemo" else 2.0 * float(np.finfo(np.float32).eps)

    def dither_power(self) -> Array:
        """Return the (num_bands,) power of the noise that the runtime adds to the samples, on average.

        sherpa-onnx adds Gaussian noise of one int16 step, whatever its configuration says (2.0.1).
        """
        if self.kind == "nemo":
            return np.zeros(self.num_bands)
        bins = np.arange(self.fft_size // 2 + 1) * self.sample_rate / self.fft_size
        emphasis = _emphasis(bins, self.preemphasis, self.sample_rate)
        return np.asarray(emphasis @ self.filters() * np.square(self.window()).sum())

    def window(self) -> Array:
        """Return the (window_samples,) weights of a frame."""
        hann = np.hanning(self.window_samples)
        # Kaldi's default, "povey".
        return hann**0.85 if self.kind == "kaldi" else hann

    def filters(self) -> Array:
        """Return (fft_size / 2 + 1, num_bands) weights of the power spectrum."""
        bins = np.arange(self.fft_size // 2 + 1) * self.sample_rate / self.fft_size
        if self.kind == "kaldi":
            # kaldi-native-fbank with low_freq 20, high_freq -400: triangles in mel, no weight for Nyquist.
            edges = np.linspace(_htk_mel(20.0), _htk_mel(self.sample_rate / 2 - 400.0), self.num_bands + 2)
            triangles = _triangles(_htk_mel(bins), edges)
            triangles[-1] = 0
            return triangles
        # librosa.filters.mel, as NeMo calls it: triangles in Hz of equal area, edges even in Slaney's mel.
        edges = _slaney_hz(np.linspace(0.0, _slaney_mel(self.sample_rate / 2), self.num_bands + 2))
        return _triangles(bins, edges) * (2.0 / (edges[2:] - edges[:-2]))

    def log_mel(self, waveform: NDArray[np.float32]) -> Array:
        """Compute (T, num_bands) of a 16 kHz waveform (N,) in -1..1, not normalised; T is N / 160 rounded."""
        num_frames = (len(waveform) + 80) // 160
        size = self.window_samples
        samples = waveform.astype(np.float64) * self.scale
        if self.kind == "kaldi":
            # snip_edges = false: frames lie around the middles of their shifts, the ends are mirrored.
            at = np.arange(num_frames)[:, None] * 160 - 120 + np.arange(size)
            period = max(2 * len(samples), 1)
            at = at % period
            frames = samples[np.where(at < len(samples), at, period - 1 - at)]
            frames = frames - frames.mean(axis=1, keepdims=True)
            frames[:, 1:] -= self.preemphasis * frames[:, :-1]
            frames[:, 0] -= self.preemphasis * frames[:, 0]
        else:
            emphasized = samples - self.preemphasis * np.concatenate(([0.0], samples[:-1]))
            padded = np.pad(emphasized, (size // 2, size))
            frames = padded[np.arange(num_frames)[:, None] * 160 + np.arange(size)]
        power = np.square(np.abs(np.fft.rfft(frames * self.window(), self.fft_size))) @ self.filters()
        if self.kind == "kaldi":
            return np.asarray(np.log(np.maximum(power, np.finfo(np.float32).eps)))
        return np.asarray(np.log(power + self.log_guard))


KALDI = ForeignBank("kaldi")
"""What sherpa-onnx computes for models of WeNet."""
NEMO = ForeignBank("nemo")
"""What onnx-asr computes for models of NeMo, before it normalises every band."""


def our_bands(config: FeatureConfig, bank: ForeignBank) -> Array:
    """Return W (bank.num_bands, bands): our band powers, at the int16 scale, are ``foreign powers @ W``.

    The bands are those of the front end of `config`. The least squares are solved with multiplicative steps
    (Lee and Seung, "Algorithms for Non-negative Matrix Factorization", 2001), which keep weights from
    becoming negative, so that powers stay powers.
    """
    filters, window = _our_filters(config)
    hz = np.arange(_GRID_HZ, config.sample_rate / 2, _GRID_HZ)
    target = _answer(hz, filters, config.sample_rate, config.fft_size, config.preemphasis, window)
    theirs = _answer(hz, bank.filters(), bank.sample_rate, bank.fft_size, bank.preemphasis, bank.window())
    theirs = theirs * (bank.scale / SAMPLE_SCALE) ** 2
    size = np.sqrt(np.square(theirs).sum(axis=0)) + _TINY
    theirs = theirs / size
    wanted, mixed = theirs.T @ target, theirs.T @ theirs
    weights = np.where(wanted > 0, wanted, 0.0)
    for _ in range(_STEPS):
        weights *= wanted / (mixed @ weights + _TINY)
    weights[weights < weights.max(axis=0) * 1e-6] = 0.0
    return np.asarray(weights / size[:, None])


def _our_filters(config: FeatureConfig) -> tuple[Array, Array]:
    """Return the filters (bins, bands) and window of a front end; with ``htk`` band 0 is the energy."""
    size = int(config.window_ms / 1000 * config.sample_rate + 0.5)
    if config.frontend == "sphinx":
        return sphinx.filterbank(config), np.hamming(size)
    everything = np.ones(config.fft_size // 2 + 1)
    return np.column_stack((everything, htk.filterbank(config))) / config.fft_size, np.ones(size)


def _answer(
    hz: Array, filters: Array, sample_rate: int, fft_size: int, preemphasis: float, window: Array
) -> Array:
    """Return (len(hz), bands): the power in every band of a tone of each frequency."""
    place = hz * fft_size / sample_rate
    spread = np.array([np.interp(place, np.arange(len(filters)), band) for band in filters.T]).T
    emphasis = _emphasis(hz, preemphasis, sample_rate)
    return np.asarray(spread * emphasis[:, None] * np.square(window).sum())


def _emphasis(hz: Array, preemphasis: float, sample_rate: int) -> Array:
    return np.asarray(np.square(np.abs(1 - preemphasis * np.exp(-2j * np.pi * hz / sample_rate))))


def _triangles(places: Array, edges: Array) -> Array:
    rising = (places[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places[:, None]) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(np.minimum(rising, falling), 0.0))


def _htk_mel(hz: Array | float) -> Array:
    return np.asarray(1127.0 * np.log1p(np.asarray(hz) / 700.0))


# Slaney's "Auditory Toolbox", 1998: 200/3 Hz a mel up to 1000 Hz, from there 27 mel for every factor of 6.4.
_LINEAR = 200.0 / 3.0
_KNEE = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def _slaney_mel(hz: float) -> float:
    return float(hz / _LINEAR if hz < _KNEE else _KNEE / _LINEAR + np.log(hz / _KNEE) / _LOG_STEP)


def _slaney_hz(mel: Array) -> Array:
    knee = _KNEE / _LINEAR
    return np.asarray(np.where(mel < knee, mel * _LINEAR, _KNEE * np.exp(_LOG_STEP * (mel - knee))))
