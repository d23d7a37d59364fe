"""How long recordings are and whether they are whole: from the header where that can be trusted."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from govor.audio.media import decode
from govor.errors import AudioError
from govor.language import tr

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# Programs that write into a pipe leave these in place of the size of the data.
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF)
_TOLERATED_SECONDS = 0.1


@dataclass(frozen=True)
class Length:
    """What a recording holds."""

    duration: float
    """Seconds."""
    sample_rate: int
    """Hz."""
    channels: int


def measure_length(path: Path) -> Length:
    """Measure a recording; uncompressed WAV by its header and size, all else by decoding it in pieces.

    Raises AudioError if it is empty, not audio, or breaks off; InputNotFoundError if it cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            found = _riff_length(stream, os.fstat(stream.fileno()).st_size)
    except OSError:
        found = None
    return found if found is not None else _decoded_length(path)


def _riff_length(stream: BinaryIO, file_size: int) -> Length | None:
    """Return the length of an uncompressed WAV, None if it is something else."""
    head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    rate = channels = block = 0
    while len(header := stream.read(8)) == 8:
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if name == b"fmt ":
            form = stream.read(size + size % 2)
            if not 16 <= len(form) <= 4096:
                return None
            kind, channels, rate, _, block = struct.unpack_from("<HHIIH", form)
            if kind == _EXTENSIBLE and len(form) >= 26:
                kind = int.from_bytes(form[24:26], "little")
            if kind not in (_PCM, _FLOAT) or not rate or not channels or not block:
                return None
        elif name == b"data":
            if not rate:
                return None
            there = file_size - stream.tell()
            declared = there if size in _UNKNOWN_SIZES else size
            missing = (declared - there) / (block * rate)
            if missing > _TOLERATED_SECONDS:
                raise AudioError(
                    tr(
                        f"запись обрывается: не хватает {missing:.1f} с",
                        f"breaks off: {missing:.1f} s are missing",
                    )
                )
            num_samples = min(declared, there) // block
            if not num_samples:
                raise AudioError(tr("нет ни одного отсчёта", "there are no samples"))
            return Length(num_samples / rate, rate, channels)
        else:
            stream.seek(size + size % 2, os.SEEK_CUR)
    return None


def _decoded_length(path: Path) -> Length:
    warnings: list[str] = []
    seconds, rate, channels = 0.0, 0, 0
    for samples, piece_rate in decode(path, warnings):
        seconds += len(samples) / max(piece_rate, 1)
        rate, channels = piece_rate, samples.shape[1]
    if warnings:
        raise AudioError(warnings[0])
    if not seconds:
        raise AudioError(tr("нет ни одного отсчёта", "there are no samples"))
    return Length(seconds, rate, channels)
