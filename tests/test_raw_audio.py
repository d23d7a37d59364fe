from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest

from govor.audio.loading import read_channels
from govor.audio.raw import ENCODINGS, RawFormat, decode_raw, parse_raw_format
from govor.errors import ConfigError
from sound_bytes import encode, tone


class Trickle(io.RawIOBase):
    """Gives few bytes at a time, as a pipe does, and cannot seek."""

    def __init__(self, data: bytes, size: int) -> None:
        self.rest, self.size = data, size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        given, self.rest = self.rest[: self.size], self.rest[self.size :]
        return given


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_encoding_is_read_as_sox_wrote_it(encoding: str, tmp_path: Path) -> None:
    samples = (0.5 * np.sin(np.arange(4000) / 20)).astype(np.float32)
    source = tmp_path / "a.f32"
    source.write_bytes(samples.astype("<f4").tobytes())
    kind = {"u": "unsigned-integer", "s": "signed-integer", "f": "floating-point"}.get(encoding[0])
    if encoding in ("alaw", "mulaw"):
        form = ["-e", {"alaw": "a-law", "mulaw": "mu-law"}[encoding], "-b", "8"]
    else:
        order = ["-B"] if encoding.endswith("be") else ["-L"]
        form = ["-e", str(kind), "-b", "".join(filter(str.isdigit, encoding)), *order]
    raw = ["-t", "raw", "-r", "8000", "-c", "1"]
    command = ["sox", "-D", *raw, "-e", "floating-point", "-b", "32", "-L", str(source), *raw, *form, "-"]
    try:
        data = subprocess.run(command, check=True, capture_output=True).stdout
    except FileNotFoundError:
        pytest.skip("sox is not installed")
    # An odd number of bytes a time, so that samples are torn.
    stream = Trickle(data, 701)
    blocks = read_channels(stream, 8000, raw=RawFormat(8000, encoding))  # type: ignore[arg-type]
    found = np.concatenate([block[0] for block in blocks])
    # Half a step at 8 bits is 0.004; G.711's steps at 0.5 are 0.03.
    tolerance = 0.016 if encoding in ("alaw", "mulaw") else 0.004 if "8" in encoding else 3.1e-5
    np.testing.assert_allclose(found, samples, atol=tolerance)


def test_channels_are_interleaved_and_a_torn_last_sample_is_a_warning() -> None:
    frames = np.array([[1, -1], [2, -2], [3, -3]], "<i2")
    warnings: list[str] = []
    blocks = list(decode_raw(io.BytesIO(frames.tobytes() + b"\x07"), RawFormat(8000, "s16le", 2), warnings))
    np.testing.assert_array_equal(np.concatenate(blocks), frames)
    assert len(warnings) == 1
    assert "4" in warnings[0]


@pytest.mark.parametrize("container", ["wav", "ogg", "flac", "mp4"])
def test_sound_with_a_header_that_is_read_as_raw_is_told_of(container: str) -> None:
    codec = {"wav": "pcm_s16le", "ogg": "libopus", "flac": "flac", "mp4": "aac"}[container]
    data = encode(tone(rate=48000)[None], container, codec, 48000)
    warnings: list[str] = []
    blocks = list(decode_raw(io.BytesIO(data), RawFormat(16000), warnings))
    assert sum(map(len, blocks)) == len(data) // 2
    assert warnings[0] == "this sound has a header, what was read is not it: leave out --raw"


def test_the_format_is_read_from_the_command_line() -> None:
    assert parse_raw_format("16000:s16le") == RawFormat(16000, "s16le", 1)
    assert parse_raw_format("8000") == RawFormat(8000)
    assert parse_raw_format("48000:F32BE:2") == RawFormat(48000, "f32be", 2)


@pytest.mark.parametrize(
    "text", ["", "s16le", "16000:mp3", "16000:s16le:0", "16000:s16le:65", "10:u8", "9:9:9:9"]
)
def test_another_format_is_one_line_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="16000:s16le") as caught:
        parse_raw_format(text)
    assert "\n" not in str(caught.value)
