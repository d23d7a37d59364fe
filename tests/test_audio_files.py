from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest

from govor.audio.loading import load_audio, probe_duration, read_blocks
from sound_bytes import RATE, encode, pcm, tone, wav_bytes


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_pcm_of_any_depth_gives_the_samples(bits: int) -> None:
    samples = tone()
    waveform = load_audio(wav_bytes(pcm(samples, bits), RATE, 1, bits), RATE)
    # Half a step of the quantiser, plus the scale of 2^(b-1) against 2^(b-1) - 1.
    np.testing.assert_allclose(waveform.samples, samples, atol=1.1 / 2 ** (bits - 1) + 1e-7)
    assert waveform.duration == 1.0
    assert waveform.warnings == ()


@pytest.mark.parametrize("kind", ["<f4", "<f8"])
def test_float_wav_gives_the_samples(kind: str) -> None:
    samples = tone()
    data = wav_bytes(samples.astype(kind).tobytes(), RATE, 1, 8 * np.dtype(kind).itemsize, tag=3)
    np.testing.assert_array_equal(load_audio(data, RATE).samples, samples)


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw"])
def test_telephone_codecs_give_the_samples(codec: str) -> None:
    samples = tone()
    waveform = load_audio(encode(samples[None], "wav", codec, RATE), RATE)
    # Thirteen or fourteen bits on a logarithmic scale: 3 % of a sample at most.
    np.testing.assert_allclose(waveform.samples, samples, rtol=0.04, atol=0.002)


@pytest.mark.parametrize(
    ("container", "codec", "rate", "delay"),
    [
        ("mp3", "libmp3lame", 44100, 0.06),
        ("ogg", "libopus", 48000, 0.03),
        ("flac", "flac", 44100, 0.0),
        ("ipod", "aac", 44100, 0.06),
        ("webm", "libopus", 48000, 0.03),
        ("matroska", "pcm_s16le", 22050, 0.0),
        ("aiff", "pcm_s16be", 11025, 0.0),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_any_container_gives_the_sound(
    container: str, codec: str, rate: int, delay: float, channels: int
) -> None:
    samples = np.stack([tone(2.0, rate)] * channels)
    waveform = load_audio(encode(samples, container, codec, rate), RATE)
    assert waveform.duration == pytest.approx(2.0, abs=delay + 0.002)
    middle = waveform.samples[RATE // 2 : 3 * RATE // 2]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert int(spectrum.argmax()) == 440
    # LAME itself turns the sound down to 0.95.
    assert np.abs(middle).max() == pytest.approx(0.475 if container == "mp3" else 0.5, abs=0.02)
    assert waveform.warnings == ()


@pytest.mark.parametrize("channels", [2, 3, 5, 6, 8, 16])
def test_channels_are_averaged(channels: int) -> None:
    rng = np.random.default_rng(0)
    samples = rng.integers(-20000, 20000, (4000, channels)).astype("<i2")
    waveform = load_audio(wav_bytes(samples.tobytes(), RATE, channels, 16), RATE)
    np.testing.assert_allclose(waveform.samples, samples.mean(axis=1) / 32768, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_resampling_keeps_phase_level_and_length(rate: int) -> None:
    waveform = load_audio(wav_bytes(pcm(tone(1.0, rate), 16), rate, 1, 16), RATE)
    assert abs(len(waveform.samples) - RATE) <= 1
    inner = slice(400, RATE - 400)
    # The filter of swresample ripples by up to 0.6 % here.
    np.testing.assert_allclose(waveform.samples[inner], tone()[inner], atol=0.005)


def test_what_lies_above_half_the_rate_is_removed() -> None:
    waveform = load_audio(wav_bytes(pcm(tone(1.0, 48000, 12000), 16), 48000, 1, 16), RATE)
    assert np.abs(waveform.samples[400:-400]).max() < 0.005


def test_blocks_joined_are_the_whole_and_have_the_length_asked_for() -> None:
    data = wav_bytes(pcm(tone(7.3, 44100), 16), 44100, 1, 16)
    blocks = list(read_blocks(data, 8000, block_seconds=2))
    assert [len(block) for block in blocks[:-1]] == [16000] * 3
    np.testing.assert_array_equal(np.concatenate(blocks), load_audio(data, 8000).samples)


def test_path_string_bytes_and_stream_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "запись с пробелом.wav"
    path.write_bytes(wav_bytes(pcm(tone(), 16), RATE, 1, 16))
    whole = load_audio(path, RATE).samples
    assert len(whole) == RATE
    for source in (str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        np.testing.assert_array_equal(load_audio(source, RATE).samples, whole)


def test_a_stream_that_cannot_seek_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    data = wav_bytes(pcm(tone(0.5), 16), RATE, 1, 16)
    with os.fdopen(writing, "wb") as sink, os.fdopen(reading, "rb") as stream:
        sink.write(data)
        sink.close()
        assert len(load_audio(stream, RATE).samples) == RATE // 2


def test_a_rate_that_changes_on_the_way_is_followed() -> None:
    parts = [encode(tone(1.0, rate)[None], "mp3", "libmp3lame", rate) for rate in (44100, 22050)]
    waveform = load_audio(b"".join(parts), RATE)
    assert waveform.duration == pytest.approx(2.0, abs=0.15)
    second = waveform.samples[RATE + 1000 : 2 * RATE - 1000]
    assert np.abs(np.fft.rfft(second)).argmax() * RATE / len(second) == pytest.approx(440, abs=2)


def test_the_declared_duration_is_found_without_decoding_or_is_zero(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(encode(tone(3.0, 44100)[None], "flac", "flac", 44100))
    assert probe_duration(path) == 3.0
    (tmp_path / "a.txt").write_text("not audio")
    assert probe_duration(tmp_path / "a.txt") == 0.0
    assert probe_duration(tmp_path / "absent.wav") == 0.0
    assert probe_duration("nul\0byte.wav") == 0.0
