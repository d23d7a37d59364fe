"""What is no audio, is damaged or breaks off: read as far as it goes with a warning, or one clear line."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from govor.audio.loading import load_audio
from govor.errors import AudioError, GovorError, InputNotFoundError
from sound_bytes import RATE, encode, pcm, tone, wav_bytes


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


def test_a_wrong_wanted_rate_is_refused() -> None:
    with pytest.raises(AudioError, match="5 Hz"):
        load_audio(wav_bytes(pcm(tone(), 16), RATE, 1, 16), 5)
