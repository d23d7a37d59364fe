"""Sound without a header: PCM of a rate, encoding and number of channels that the user names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from govor.errors import ConfigError
from govor.language import tr

_LINEAR = {
    **{"u8": "u1", "s8": "i1"},
    **{"s16le": "<i2", "s16be": ">i2", "s32le": "<i4", "s32be": ">i4"},
    **{"f32le": "<f4", "f32be": ">f4", "f64le": "<f8", "f64be": ">f8"},
}
ENCODINGS = (*_LINEAR, "s24le", "s24be", "alaw", "mulaw")
MAX_CHANNELS = 64
MIN_RATE, MAX_RATE = 1000, 384_000
RAW_SUFFIXES = frozenset({".raw", ".pcm", ".sw", ".al", ".ul"})
"""What files without a header are called."""
_READ_BYTES = 1 << 16
# Of wav, Ogg and Opus, flac, mp3 with tags, Matroska and WebM, au, aiff.
_HEADERS = (b"RIFF", b"OggS", b"fLaC", b"ID3", b"\x1aE\xdf\xa3", b".snd", b"FORM")


@dataclass(frozen=True)
class RawFormat:
    """What bytes without a header mean."""

    sample_rate: int
    """Hz."""
    encoding: str = "s16le"
    """One of ENCODINGS, as FFmpeg calls them."""
    channels: int = 1
    """Interleaved."""

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        if self.encoding in ("alaw", "mulaw"):
            return 1
        return 3 if self.encoding.startswith("s24") else np.dtype(_LINEAR[self.encoding]).itemsize


def parse_raw_format(text: str) -> RawFormat:
    """Read ``RATE``, ``RATE:ENCODING`` or ``RATE:ENCODING:CHANNELS``. Raises ConfigError with an example."""
    match = re.fullmatch(r"(\d{1,6})(?::([a-z0-9]+))?(?::(\d{1,2}))?", text.strip().lower())
    rate, encoding, channels = match.groups() if match else ("0", None, None)
    found = RawFormat(int(rate), encoding or "s16le", int(channels or 1))
    fits = found.encoding in ENCODINGS and MIN_RATE <= found.sample_rate <= MAX_RATE
    if not (match and fits and 1 <= found.channels <= MAX_CHANNELS):
        names = ", ".join(ENCODINGS)
        raise ConfigError(
            tr(
                f"--raw {text}: нужно ЧАСТОТА:ВИД или ЧАСТОТА:ВИД:КАНАЛЫ, как 16000:s16le; виды: {names}",
                f"--raw {text}: RATE:ENCODING or RATE:ENCODING:CHANNELS is needed, such as 16000:s16le; "
                f"encodings: {names}",
            )
        )
    return found


def decode_raw(file: BinaryIO, raw: RawFormat, warnings: list[str]) -> Iterator[NDArray[Any]]:
    """Yield the samples (N, C) of a stream, as integers or floats.

    An incomplete last one gives a warning, and so does the header of a format that needs no `raw`.
    """
    step = raw.sample_bytes * raw.channels
    rest: bytes | None = None
    while data := file.read(_READ_BYTES):
        if rest is None:
            rest = b""
            if data.startswith(_HEADERS) or data[4:8] == b"ftyp":
                warnings.append(
                    tr(
                        "у этого звука есть заголовок, прочлось не то: уберите --raw",
                        "this sound has a header, what was read is not it: leave out --raw",
                    )
                )
        data = rest + data
        whole = len(data) // step * step
        rest = data[whole:]
        if whole:
            yield _samples(data[:whole], raw.encoding).reshape(-1, raw.channels)
    if rest:
        warnings.append(
            tr(
                f"в конце лишних байт: {len(rest)} (отсчёт занимает {step}); верен ли --raw?",
                f"{len(rest)} bytes too many at the end (a sample takes {step}); is --raw right?",
            )
        )


def _samples(data: bytes, encoding: str) -> NDArray[Any]:
    if encoding in ("alaw", "mulaw"):
        table = _alaw() if encoding == "alaw" else _mulaw()
        return np.asarray(table[np.frombuffer(data, np.uint8)])
    if encoding.startswith("s24"):
        # The three bytes go to the top of an int32.
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
        wide[:, 1:] = triples if encoding == "s24le" else triples[:, ::-1]
        return wide.view("<i4")[:, 0]
    array: NDArray[Any] = np.frombuffer(data, np.dtype(_LINEAR[encoding]))
    return array.astype(array.dtype.newbyteorder("="))


def _mulaw() -> NDArray[Any]:
    """The 256 values of ITU-T G.711 µ-law, at the int16 scale."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(int), (code & 15).astype(int)
    value = ((mantissa << 3) + 132 << exponent) - 132
    return np.asarray(np.where(code & 128, -value, value), np.int16)


def _alaw() -> NDArray[Any]:
    """The 256 values of ITU-T G.711 A-law, at the int16 scale."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4 & 7).astype(int), (code & 15).astype(int)
    value = np.where(exponent == 0, (mantissa << 4) + 8, (mantissa << 4) + 264 << np.maximum(exponent - 1, 0))
    return np.asarray(np.where(code & 128, value, -value), np.int16)
