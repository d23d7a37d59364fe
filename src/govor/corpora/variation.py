"""Make one recording sound like many: other throats, tempi, rooms, microphones, telephones and noises.

Everything that was drawn is in `Variation`, so a recording can be made again from it. Length of the throat
and tempo go through the Debian program ``sox`` (WSOLA and resampling), codecs through PyAV, the rest is
numpy.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govor.corpora.codecs import AMR_BIT_RATES, CODECS, OPUS_BIT_RATES, Wide, through_codec
from govor.errors import AudioError, MissingExtraError
from govor.language import tr

Samples = NDArray[np.float32]

NOISES = ("white", "pink", "brown", "hum", "babble")


@dataclass(frozen=True)
class Noise:
    """Something else that is heard in the recording."""

    kind: str
    """One of `NOISES`."""
    snr_db: float
    """How much louder the speech is, over the parts where somebody speaks."""


@dataclass(frozen=True)
class Variation:
    """All that is done to one recording, in the order of the fields."""

    semitones: float
    """Voice and formants go up together, as with a shorter throat."""
    tempo: float
    """How many times faster than the original."""
    lead: float
    """Silence before the speech, seconds."""
    trail: float
    """Silence after the speech, seconds."""
    reverberation: float
    """Time in which an echo falls by 60 dB, seconds; 0 is no room at all."""
    direct_db: float
    """How much louder the direct sound is than its echoes."""
    noises: tuple[Noise, ...]
    low_cut: float
    """The microphone loses what is below, Hz."""
    high_cut: float
    """The microphone loses what is above, Hz."""
    tilt_db: float
    """Treble against bass, dB an octave around 1 kHz."""
    peaks: tuple[tuple[float, float, float], ...]
    """Resonances of microphone and body: centre in Hz, height in dB, width in octaves."""
    clip_db: float
    """How far the loudest sample goes over the full scale before it is cut; 0 is no clipping."""
    telephone: bool
    """Only 300-3400 Hz go through."""
    codec: str
    """One of `CODECS`."""
    bit_rate: int
    """Bits a second of the codec; 0 where it has but one."""
    level_db: float
    """Loudest sample against full scale."""
    seed: int
    """Seed of the noises and the echoes."""


def draw_variation(rng: np.random.Generator, semitones: tuple[float, float] = (-3.0, 6.0)) -> Variation:
    """Draw a variation as people and their devices come: most are decent, some are bad.

    `semitones` is how far down and up the voice may be moved: a man's voice goes up to a child's, a woman's
    down to a man's.
    """
    # Half of the draws lie near the original, as large shifts sound less and less like a person.
    low, high = semitones
    shift = float(rng.uniform(low, high)) if rng.random() < 0.6 else float(rng.triangular(low, 0.0, high))
    telephone = bool(rng.random() < 0.25)
    codec = str(rng.choice(CODECS, p=(0.2, 0.3, 0.35, 0.15) if telephone else (0.85, 0.0, 0.0, 0.15)))
    rates = {"amr": AMR_BIT_RATES, "opus": OPUS_BIT_RATES}.get(codec, (0,))
    noises = [
        Noise(str(rng.choice(NOISES, p=(0.2, 0.3, 0.2, 0.1, 0.2))), float(rng.triangular(5.0, 25.0, 40.0)))
        for _ in range(int(rng.choice((0, 1, 2), p=(0.1, 0.65, 0.25))))
    ]
    return Variation(
        semitones=shift,
        tempo=float(np.exp(rng.uniform(np.log(0.85), np.log(1.3)))),
        lead=float(rng.uniform(0.05, 0.7)),
        trail=float(rng.uniform(0.05, 0.7)),
        reverberation=float(rng.uniform(0.12, 0.7)) if rng.random() < 0.6 else 0.0,
        direct_db=float(rng.uniform(0.0, 18.0)),
        noises=tuple(noises),
        low_cut=float(np.exp(rng.uniform(np.log(30.0), np.log(250.0)))),
        high_cut=float(rng.uniform(3000.0, 8000.0)),
        tilt_db=float(rng.normal(0.0, 2.0)),
        peaks=tuple(
            (
                float(np.exp(rng.uniform(np.log(150.0), np.log(3500.0)))),
                float(rng.uniform(-8.0, 8.0)),
                float(rng.uniform(0.3, 1.2)),
            )
            for _ in range(int(rng.integers(0, 4)))
        ),
        clip_db=float(rng.uniform(1.0, 9.0)) if rng.random() < 0.05 else 0.0,
        telephone=telephone,
        codec=codec,
        bit_rate=int(rng.choice(rates)),
        level_db=float(-30.0 * rng.beta(1.2, 2.5)),
        seed=int(rng.integers(2**31)),
    )


def vary(
    waveform: Samples,
    source_rate: int,
    sample_rate: int,
    variation: Variation,
    others: Sequence[Samples] = (),
) -> Samples:
    """Apply `variation` to a waveform (N,) at `source_rate`; return (M,) at `sample_rate`, in 16-bit steps.

    `others` are waveforms at `sample_rate` of which babble is mixed; without them babble becomes pink noise.
    Raises AudioError where there is nothing to hear, MissingExtraError without sox.
    """
    rng = np.random.default_rng(variation.seed)
    voice = change_voice(waveform, source_rate, sample_rate, variation.semitones, variation.tempo)
    if not np.abs(voice).max(initial=0.0) > 1e-4:
        raise AudioError(tr("запись беззвучна", "the recording is silent"))
    lead, trail = (round(pause * sample_rate) for pause in (variation.lead, variation.trail))
    sound = np.pad(voice, (lead, trail)).astype(np.float64)
    if variation.reverberation:
        echo = impulse_response(rng, sample_rate, variation.reverberation, variation.direct_db)
        sound = _filtered(sound, sample_rate, echo=echo)
    speech_power = active_power(sound, sample_rate)
    for noise in variation.noises:
        background = make_noise(rng, noise.kind, len(sound), sample_rate, others)
        power = float(np.mean(np.square(background)))
        sound = sound + background * np.sqrt(speech_power / 10 ** (noise.snr_db / 10) / max(power, 1e-20))
    sound = _filtered(sound, sample_rate, gain=lambda frequency: _microphone(frequency, variation))
    sound /= np.abs(sound).max(initial=1e-9)
    if variation.clip_db:
        sound = np.clip(sound * 10 ** (variation.clip_db / 20), -1.0, 1.0)
    if variation.telephone:
        sound = _filtered(sound, sample_rate, gain=lambda frequency: _band(frequency, 300.0, 3400.0, 12.0))
    sound = through_codec(sound, sample_rate, variation.codec, variation.bit_rate)
    sound *= 10 ** (variation.level_db / 20) / max(float(np.abs(sound).max(initial=0.0)), 1e-9)
    # One step of noise, as every converter has, so that no stretch is digitally silent.
    steps = np.round(sound * 32767.0 + rng.normal(0.0, 0.7, len(sound)))
    return np.asarray(np.clip(steps, -32768, 32767) / 32768.0, dtype=np.float32)


def change_voice(
    waveform: Samples, source_rate: int, sample_rate: int, semitones: float = 0.0, tempo: float = 1.0
) -> Samples:
    """Shorten the throat by `semitones`, speak `tempo` times as fast, and resample to `sample_rate`.

    Raises MissingExtraError if sox is not installed, AudioError if it fails.
    """
    program = require_program("sox", "sox")
    speed = 2.0 ** (semitones / 12.0)
    effects = ["gain", "-6"]
    if abs(speed - 1.0) > 0.005:
        effects += ["speed", f"{speed:.5f}"]
    if abs(tempo / speed - 1.0) > 0.01:
        effects += ["tempo", "-s", f"{tempo / speed:.5f}"]
    raw = ["-t", "f32", "-c", "1"]
    command = [program, "-V1", "-D", *raw, "-r", f"{source_rate}", "-", *raw, "-r", f"{sample_rate}", "-"]
    made = subprocess.run(
        [*command, *effects], input=waveform.astype("<f4").tobytes(), capture_output=True, check=False
    )
    if made.returncode:
        reason = made.stderr.decode("utf-8", "replace").strip()[-200:]
        raise AudioError(tr(f"sox не справился: {reason}", f"sox failed: {reason}"))
    return np.frombuffer(made.stdout, dtype="<f4").astype(np.float32)


def require_program(name: str, package: str) -> str:
    """Return the path of a program, or raise MissingExtraError naming the Debian package that has it."""
    path = shutil.which(name)
    if path is None:
        raise MissingExtraError(
            tr(
                f"нет программы {name}: установите её, например apt install {package}",
                f"the program {name} is missing: install it, for example apt install {package}",
            )
        )
    return path


def active_power(sound: Wide, sample_rate: int) -> float:
    """Return the mean power of the 20 ms stretches that are within 25 dB of the loudest ones."""
    size = max(sample_rate // 50, 1)
    count = max(len(sound) // size, 1)
    power = np.square(sound[: count * size]).reshape(count, -1).mean(axis=1)
    return float(power[power >= np.quantile(power, 0.98) * 10**-2.5].mean())


def impulse_response(
    rng: np.random.Generator, sample_rate: int, reverberation: float, direct_db: float
) -> Wide:
    """Draw the echo of a room: the direct sound, then noise that falls by 60 dB in `reverberation` s."""
    time = np.arange(max(round(reverberation * sample_rate), 2)) / sample_rate
    echo = rng.standard_normal(len(time)) * 10 ** (-3.0 * time / reverberation)
    # The first wall is a metre or three away.
    echo[: round(float(rng.uniform(0.003, 0.015)) * sample_rate)] = 0.0
    # Walls and air swallow treble: a one-step average dulls the later part.
    echo[1:] = 0.6 * echo[1:] + 0.4 * echo[:-1]
    echo *= 10 ** (-direct_db / 20) / max(float(np.sqrt(np.sum(np.square(echo)))), 1e-9)
    echo[0] = 1.0
    return np.asarray(echo)


def make_noise(
    rng: np.random.Generator,
    kind: str,
    num_samples: int,
    sample_rate: int,
    others: Sequence[Samples] = (),
) -> Wide:
    """Make (num_samples,) of a noise of `NOISES`, of any power."""
    if kind == "hum":
        time = np.arange(num_samples) / sample_rate
        hum = np.zeros(num_samples)
        for harmonic in range(1, 12):
            phase = float(rng.uniform(0, 2 * np.pi))
            hum += float(rng.uniform(0.1, 1)) / harmonic * np.sin(2 * np.pi * 50 * harmonic * time + phase)
        return hum + 0.05 * rng.standard_normal(num_samples)
    if kind == "babble" and others:
        babble = np.zeros(num_samples)
        for index in rng.integers(len(others), size=int(rng.integers(2, 7))):
            voice = np.roll(others[index], int(rng.integers(len(others[index]))))
            babble += np.resize(voice, num_samples) * float(rng.uniform(0.3, 1.0))
        return babble
    slope = {"white": 0.0, "brown": 2.0}.get(kind, 1.0)
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    frequency = np.maximum(np.fft.rfftfreq(num_samples, 1.0 / sample_rate), 20.0)
    return np.asarray(np.fft.irfft(spectrum * frequency ** (-slope / 2.0), num_samples))


def _filtered(
    sound: Wide,
    sample_rate: int,
    gain: Callable[[Wide], Wide] | None = None,
    echo: Wide | None = None,
) -> Wide:
    """Filter with a gain over frequency or an impulse response; the length stays."""
    # A power of two is quick, and the tail keeps the end from wrapping round to the start.
    size = 1 << (len(sound) + (len(echo) if echo is not None else sample_rate // 4)).bit_length()
    spectrum = np.fft.rfft(sound, size)
    if gain is not None:
        spectrum *= gain(np.asarray(np.fft.rfftfreq(size, 1.0 / sample_rate), np.float64))
    if echo is not None:
        spectrum *= np.fft.rfft(echo, size)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(sound)])


def _band(frequency: Wide, low: float, high: float, order: float) -> Wide:
    """Return the gain of Butterworth slopes of `order` on both sides of a band."""
    safe = np.maximum(frequency, 1.0)
    return np.asarray(
        1.0 / np.sqrt((1.0 + (low / safe) ** (2 * order)) * (1.0 + (safe / high) ** (2 * order)))
    )


def _microphone(frequency: Wide, variation: Variation) -> Wide:
    safe = np.maximum(frequency, 20.0)
    gain_db = np.clip(variation.tilt_db * np.log2(safe / 1000.0), -15.0, 15.0)
    for centre, height, width in variation.peaks:
        gain_db += height * np.exp(-0.5 * np.square(np.log2(safe / centre) / width))
    return np.asarray(10 ** (gain_db / 20) * _band(frequency, variation.low_cut, variation.high_cut, 2.0))
