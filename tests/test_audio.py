from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from govor.audio.loading import Waveform, from_array, load_audio, probe_duration, read_blocks
from govor.errors import AudioError, GovorError, InputNotFoundError

RATE = 16000


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GOVOR_LANG", "en")
    yield


def tone(seconds: float = 1.0, rate: int = RATE, frequency: float = 440.0) -> NDArray[np.float32]:
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def wav_bytes(payload: bytes, rate: int, channels: int, bits: int, tag: int = 1) -> bytes:
    """A RIFF file byte by byte: `tag` 1 is PCM, 3 float, 6 A-law, 7 µ-law."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    chunks = (
        b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(payload)) + payload
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def pcm(samples: NDArray[np.float32], bits: int) -> bytes:
    if bits == 8:
        return np.round(samples * 127 + 128).astype(np.uint8).tobytes()
    whole = np.round(samples.astype(np.float64) * (2 ** (bits - 1) - 1)).astype("<i4")
    return whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()


def encode(samples: NDArray[np.float32], container: str, codec: str, rate: int) -> bytes:
    """Compress (C, N) with PyAV."""
    buffer = io.BytesIO()
    layout = "stereo" if len(samples) == 2 else "mono"
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            stream.format, layout, rate, frame_size=stream.codec_context.frame_size or None
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    size = min(len(a), len(b))
    return float(np.corrcoef(a[:size], b[:size])[0, 1])


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


def test_a_wav_that_breaks_off_is_read_with_a_warning(tmp_path: Path) -> None:
    data = wav_bytes(pcm(tone(), 16), RATE, 1, 16)
    path = tmp_path / "cut.wav"
    path.write_bytes(data[: len(data) // 2])
    waveform = load_audio(path, RATE)
    np.testing.assert_allclose(waveform.samples, tone()[: len(waveform.samples)], atol=1e-4)
    assert waveform.duration == pytest.approx(0.5, abs=0.01)
    (warning,) = waveform.warnings
    assert "truncated" in warning


@pytest.mark.parametrize(("container", "codec"), [("flac", "flac"), ("mp3", "libmp3lame")])
def test_a_compressed_file_that_breaks_off_is_read_with_a_warning(container: str, codec: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 10 * 44100)).astype(np.float32)
    data = encode(noise, container, codec, 44100)
    waveform = load_audio(data[: len(data) // 2], RATE)
    assert 3.5 < waveform.duration < 6
    assert len(waveform.warnings) == 1


def test_a_wav_of_unknown_length_as_pipes_write_it_has_no_warning() -> None:
    data = bytearray(wav_bytes(pcm(tone(), 16), RATE, 1, 16))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    waveform = load_audio(bytes(data), RATE)
    assert len(waveform.samples) == RATE
    assert waveform.warnings == ()


@pytest.mark.parametrize("more", ["more sound", "another file"])
def test_a_wav_longer_than_its_header_says_is_read_to_its_end_with_a_warning(more: str) -> None:
    data = bytearray(wav_bytes(pcm(tone(2), 16), RATE, 1, 16))
    if more == "more sound":
        # A recorder that died noted 10 ms of sound and never came back to the header.
        data[40:44] = struct.pack("<I", RATE // 100 * 2)
    else:
        data *= 2
    waveform = load_audio(bytes(data), RATE)
    # Of another file the header is read as sound, too.
    np.testing.assert_allclose(waveform.samples[: 2 * RATE], tone(2), atol=1e-4)
    assert len(waveform.samples) == (2 * RATE if more == "more sound" else 4 * RATE + 22)
    (warning,) = waveform.warnings
    assert "wrong length in the header" in warning


def test_a_wav_with_notes_behind_its_sound_ends_where_its_header_says() -> None:
    notes = b"LIST" + struct.pack("<I", 3 * RATE) + b"INFO" + bytes(3 * RATE - 4)
    for behind in (notes, notes[:-1], b"TAG" + bytes(125)):
        waveform = load_audio(wav_bytes(pcm(tone(), 16), RATE, 1, 16) + behind, RATE)
        assert (len(waveform.samples), waveform.warnings) == (RATE, ())


def test_a_wav_whose_sound_is_said_to_be_longer_than_the_file_breaks_off() -> None:
    data = bytearray(wav_bytes(pcm(tone(), 16), RATE, 1, 16))
    data[40:44] = struct.pack("<I", 10 * RATE)
    waveform = load_audio(bytes(data), RATE)
    assert len(waveform.samples) == RATE
    (warning,) = waveform.warnings
    assert "truncated" in warning


def test_a_file_damaged_in_the_middle_is_read_around_the_damage() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 10 * 44100)).astype(np.float32)
    data = bytearray(encode(noise, "flac", "flac", 44100))
    third = len(data) // 3
    data[third : third + len(data) // 10] = bytes(len(data) // 10)
    waveform = load_audio(bytes(data), RATE)
    assert 8 < waveform.duration < 9.5
    assert "damaged" in waveform.warnings[0]


def test_a_rate_that_changes_on_the_way_is_followed() -> None:
    parts = [encode(tone(1.0, rate)[None], "mp3", "libmp3lame", rate) for rate in (44100, 22050)]
    waveform = load_audio(b"".join(parts), RATE)
    assert waveform.duration == pytest.approx(2.0, abs=0.15)
    second = waveform.samples[RATE + 1000 : 2 * RATE - 1000]
    assert np.abs(np.fft.rfft(second)).argmax() * RATE / len(second) == pytest.approx(440, abs=2)


def _video_only() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame(64, 64, "yuv420p")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return buffer.getvalue()


def _bad_float(value: float) -> bytes:
    samples = tone()
    samples[5000] = value
    return wav_bytes(samples.tobytes(), RATE, 1, 32, tag=3)


BAD_FILES = {
    "empty": (b"", "0 bytes"),
    "text": ("просто текст, не звук\n".encode() * 50, "not audio"),
    "json": (b'{"audio_filepath": "a.wav"}', "not audio"),
    "playlist": (b"#EXTM3U\n#EXTINF:10,\nother.wav\n", "not audio"),
    "zeros": (bytes(5000), "not audio"),
    "header only": (wav_bytes(b"", RATE, 1, 16), "no audio samples"),
    "half a header": (wav_bytes(b"", RATE, 1, 16)[:30], "not audio|no audio"),
    "NaN": (_bad_float(np.nan), "NaN"),
    "infinity": (_bad_float(np.inf), "NaN, infinite"),
    "huge": (_bad_float(1e30), "above 1e\\+06"),
    "100 Hz": (wav_bytes(pcm(tone(), 16), 100, 1, 16), "100 Hz"),
    "video without sound": (_video_only(), "no audio track .*video"),
    # Half a download: the index of an mp4 stands at its end.
    "half an mp4": (encode(tone()[None], "mp4", "aac", RATE)[:2000], "breaks off and its index is missing"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_clear_line_with_its_name(
    case: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, words = BAD_FILES[case]
    path = tmp_path / "плохой.wav"
    path.write_bytes(data)
    with pytest.raises(AudioError, match=words) as caught:
        load_audio(path, RATE)
    assert "плохой.wav" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_bad_bytes_are_an_audio_error() -> None:
    for data in (b"", b"text", b"RIFF"):
        with pytest.raises(AudioError):
            load_audio(data, RATE)
    with pytest.raises(AudioError, match="int is not audio"):
        load_audio(5, RATE)  # type: ignore[arg-type]


def test_a_missing_file_a_folder_and_a_forbidden_file_are_input_errors(tmp_path: Path) -> None:
    forbidden = tmp_path / "forbidden.wav"
    forbidden.write_bytes(wav_bytes(pcm(tone(), 16), RATE, 1, 16))
    forbidden.chmod(0)
    names: list[Path | str] = [
        tmp_path / "absent.wav",
        tmp_path,
        "nul\0byte.wav",
        "http://example.invalid/a.wav",
    ]
    if os.geteuid() != 0:
        names.append(forbidden)
    for name in names:
        with pytest.raises(InputNotFoundError) as caught:
            load_audio(name, RATE)
        assert str(name).split("/")[-1] in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_device_is_refused_instead_of_read_for_ever() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero here")
    with pytest.raises(AudioError, match="a device"):
        load_audio("/dev/zero", RATE)


def test_random_damage_never_escapes_as_another_error() -> None:
    rng = np.random.default_rng(7)
    originals = [
        wav_bytes(pcm(tone(0.2), 16), RATE, 1, 16),
        encode(tone(0.5, 44100)[None], "flac", "flac", 44100),
        encode(tone(0.5, 48000)[None], "ogg", "libopus", 48000),
        encode(tone(0.5, 44100)[None], "ipod", "aac", 44100),
    ]
    readable = 0
    for i in range(200):
        data = bytearray(originals[i % len(originals)])
        for position in rng.integers(0, len(data), rng.integers(1, 30)):
            data[position] = rng.integers(0, 256)
        try:
            readable += bool(np.isfinite(load_audio(bytes(data), RATE).samples).all())
        except GovorError as error:
            assert "\n" not in str(error)
    assert 20 < readable < 200


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([-32768, 0, 16384], np.int16), [-1, 0, 0.5]),
        (np.array([-(2**31), 2**30], np.int32), [-1, 0.5]),
        (np.array([0, 128, 192], np.uint8), [-1, 0, 0.5]),
        (np.array([-128, 64], np.int8), [-1, 0.5]),
        (np.array([-1, 0.25], np.float64), [-1, 0.25]),
        (np.array([[1.0, 0.5], [0.0, -0.5]], np.float32), [0.75, -0.25]),
        (np.array([[0.5]], np.float16), [0.5]),
    ],
)
def test_arrays_of_any_number_type_are_scaled_and_averaged(
    array: NDArray[np.generic], expected: list[float]
) -> None:
    waveform = from_array(array, RATE, RATE)
    np.testing.assert_allclose(waveform.samples, expected)
    assert waveform.samples.dtype == np.float32


def test_an_array_is_resampled_as_a_file_is() -> None:
    samples = (tone(1.0, 44100) * 32767).astype(np.int16)
    from_file = load_audio(wav_bytes(samples.astype("<i2").tobytes(), 44100, 1, 16), RATE)
    np.testing.assert_allclose(from_array(samples, 44100, RATE).samples, from_file.samples, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "rate", "words"),
    [
        (np.zeros(0, np.float32), RATE, "empty"),
        (np.zeros((0, 2), np.float32), RATE, "empty"),
        (np.zeros((2, 16000), np.float32), RATE, r"\(2, 16000\).*\.T"),
        (np.zeros((2, 2, 2), np.float32), RATE, r"\(2, 2, 2\)"),
        (np.array(1.0), RATE, r"\(\)"),
        (np.array([0.0, np.nan]), RATE, "NaN"),
        (np.array([0.0, np.inf]), RATE, "NaN, infinite"),
        (np.array([0.0, 20000.0]), RATE, "divide them by 32768"),
        (np.array(["a"]), RATE, "type <U1"),
        (np.array([True, False]), RATE, "bool"),
        (np.array([1j]), RATE, "complex"),
        (np.zeros(10, np.float32), 999, "999 Hz"),
        (np.zeros(10, np.float32), 400_000, "400000 Hz"),
        (np.zeros(10, np.float32), 0, "0 Hz"),
    ],
)
def test_a_bad_array_is_one_clear_line(array: NDArray[np.generic], rate: int, words: str) -> None:
    with pytest.raises(AudioError, match=words) as caught:
        from_array(array, rate, RATE)
    assert "\n" not in str(caught.value)


def test_a_wrong_wanted_rate_is_refused() -> None:
    with pytest.raises(AudioError, match="5 Hz"):
        load_audio(wav_bytes(pcm(tone(), 16), RATE, 1, 16), 5)


def test_a_waveform_knows_its_duration() -> None:
    assert Waveform(np.zeros(4000, np.float32), 8000).duration == 0.5


def test_the_declared_duration_is_found_without_decoding_or_is_zero(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(encode(tone(3.0, 44100)[None], "flac", "flac", 44100))
    assert probe_duration(path) == 3.0
    (tmp_path / "a.txt").write_text("not audio")
    assert probe_duration(tmp_path / "a.txt") == 0.0
    assert probe_duration(tmp_path / "absent.wav") == 0.0
    assert probe_duration("nul\0byte.wav") == 0.0
