"""What the header of a wav file says of its length, beside the truth: a recorder that died left it wrong."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from govor.language import tr

# Programs that write into a pipe cannot know a size and put a huge number there, or 0.
_UNKNOWN = 0x7FFF0000
# Less is padding, a tag, or a writer that counted its own header.
_TOLERANCE_SECONDS = 0.5


@dataclass(frozen=True)
class WaveFault:
    """The sizes in a header are not those of the file."""

    message: str
    """One line for the user."""
    ends_early: bool = False
    """The header ends the sound before the file does: a reader that believes it drops the rest."""


def find_wave_fault(file: BinaryIO) -> WaveFault | None:
    """Compare the sizes of a RIFF WAVE header with the file, which stays where it is.

    None for other formats, for streams that cannot seek, and where nothing is wrong.
    """
    try:
        if not file.seekable():
            return None
        start = file.tell()
        try:
            return _compare(file, start, file.seek(0, io.SEEK_END) - start)
        finally:
            file.seek(start)
    except (OSError, AttributeError, ValueError):
        return None


def _compare(file: BinaryIO, start: int, size: int) -> WaveFault | None:
    file.seek(start)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    declared = int.from_bytes(head[4:8], "little") + 8
    if size < declared < _UNKNOWN:
        return _breaks_off(declared, size)
    byte_rate, place = 0, 12
    while place + 8 <= size:
        file.seek(start + place)
        name, length = _read_chunk_head(file)
        if name == b"fmt ":
            byte_rate = int.from_bytes(file.read(12)[8:], "little")
        if name == b"data":
            break
        place += 8 + length + length % 2
    else:
        return None
    end = place + 8 + length
    if not 0 < length < _UNKNOWN or not byte_rate:
        return None
    if end - size > _TOLERANCE_SECONDS * byte_rate:
        return _breaks_off(end, size)
    if size - end > _TOLERANCE_SECONDS * byte_rate and not _are_chunks(file, start, end + end % 2, size):
        seconds = length / byte_rate
        return WaveFault(
            tr(
                f"неверная длина в заголовке: {seconds:.1f} с, а файл длиннее; прочитан до конца",
                f"wrong length in the header: {seconds:.1f} s, but the file is longer; read to its end",
            ),
            ends_early=True,
        )
    return None


def _breaks_off(declared: int, size: int) -> WaveFault:
    return WaveFault(
        tr(
            f"файл обрывается: в заголовке {declared} байт, на деле {size}",
            f"truncated: the header promises {declared} bytes, there are {size}",
        )
    )


def _read_chunk_head(file: BinaryIO) -> tuple[bytes, int]:
    head = file.read(8)
    return head[:4], int.from_bytes(head[4:], "little")


def _are_chunks(file: BinaryIO, start: int, place: int, size: int) -> bool:
    """Tell whether what follows the sound is what may: named chunks that end where the file does."""
    while place + 8 <= size:
        file.seek(start + place)
        name, length = _read_chunk_head(file)
        # RIFF: another whole recording was appended to this one.
        if name == b"RIFF" or not (name.isascii() and name.decode("ascii").isprintable()):
            return False
        place += 8 + length + length % 2
    # A writer may forget to pad the last one.
    return place <= size + 1
