"""Containers and codecs by PyAV (FFmpeg): any file, bytes or stream -> raw samples, whatever their type."""

from __future__ import annotations

import io
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from numpy.typing import NDArray

from govor.audio.raw import RAW_SUFFIXES, RawFormat, decode_raw
from govor.audio.wave_header import find_wave_fault
from govor.errors import AudioError, GovorError, InputNotFoundError, system_reason
from govor.language import tr

if TYPE_CHECKING:
    from av import AudioFrame
    from av.container import InputContainer

Source: TypeAlias = "Path | str | bytes | BinaryIO"

# A shorter shortfall is codec padding, not a file that breaks off.
_SHORTFALL_SECONDS = 0.5
# FFmpeg only guesses the duration of these from the bit rate.
_GUESSED_DURATION = {"aac", "amr", "amrnb", "amrwb", "ac3", "dts"}


def source_name(source: Source) -> str:
    """Return what messages call the source: its path, its stream's name or its size."""
    if isinstance(source, (str, Path)):
        return str(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return tr(f"<{len(source)} байт>", f"<{len(source)} bytes>")
    if source is getattr(sys.stdin, "buffer", None):
        return tr("стандартный ввод", "standard input")
    return str(getattr(source, "name", "<stream>"))


def decode(
    source: Source, warnings: list[str], raw: RawFormat | None = None
) -> Iterator[tuple[NDArray[Any], int]]:
    """Yield the samples (N, C) of the first audio track, in the codec's number type, with their rate in Hz.

    With `raw` the bytes have no header and mean that. What was wrong although something could be read is
    appended to `warnings`. Raises InputNotFoundError if the file cannot be opened, AudioError if it is not
    audio.
    """
    with ExitStack() as stack:
        file = _open_bytes(source, stack)
        if raw is not None:
            yield from ((samples, raw.sample_rate) for samples in decode_raw(file, raw, warnings))
            return
        file = _seekable_mp4(file, stack)
        # FFmpeg hides that a wav breaks off, and stops where the header says although there is more.
        fault = find_wave_fault(file)
        container = _open_container(file, source, stack, to_end=fault is not None and fault.ends_early)
        if fault is not None:
            warnings.append(fault.message)
        seconds = 0.0
        damage: list[str] = []
        for frame in _frames(container, damage):
            data = frame.to_ndarray()
            samples = data.T if frame.format.is_planar else data.reshape(-1, frame.layout.nb_channels)
            seconds += len(samples) / max(frame.sample_rate, 1)
            yield samples, frame.sample_rate
        if damage:
            warnings.append(
                tr(
                    f"пропущено испорченных мест: {len(damage)}",
                    f"damaged places left out: {len(damage)}",
                )
            )
        promised = _declared_seconds(container)
        if not warnings and promised - seconds > max(_SHORTFALL_SECONDS, 0.02 * promised):
            warnings.append(
                tr(
                    f"файл обрывается или испорчен: из {promised:.1f} с прочлось {seconds:.1f} с",
                    f"truncated or damaged: {seconds:.1f} s of {promised:.1f} s could be read",
                )
            )


def probe_duration(source: Path | str) -> float:
    """Return the seconds that a file declares, for a progress bar; 0 if it does not say or cannot be read."""
    try:
        # Reading a pipe would take its bytes away from whoever reads it next.
        if not Path(source).is_file():
            return 0.0
        with ExitStack() as stack:
            return _declared_seconds(_open_container(_open_bytes(source, stack), source, stack))
    except (GovorError, OSError, ValueError):
        return 0.0


def _open_bytes(source: Source, stack: ExitStack) -> BinaryIO:
    """Open the file ourselves: FFmpeg would take a name such as ``http://…`` or ``concat:…`` for more."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        if not len(source):
            raise AudioError(tr("пустые данные вместо звука", "no bytes where audio was expected"))
        return io.BytesIO(source)
    if not isinstance(source, (str, Path)):
        if not hasattr(source, "read"):
            raise AudioError(
                tr(
                    f"{type(source).__name__} не звук; нужен путь, байты, поток или массив numpy",
                    f"{type(source).__name__} is not audio; give a path, bytes, a stream or a numpy array",
                )
            )
        if _is_empty(source):
            name = source_name(source)
            raise AudioError(tr(f"{name}: пусто, звука нет", f"{name}: empty, there is no audio"))
        return source
    path = Path(source)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputNotFoundError(
                tr(f"{path}: это папка, а нужен звуковой файл", f"{path}: a folder, not an audio file")
            )
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
            raise AudioError(
                tr(f"{path}: устройство, а нужен звуковой файл", f"{path}: a device, not an audio file")
            )
        if stat.S_ISREG(status.st_mode) and status.st_size == 0:
            raise AudioError(
                tr(
                    f"{path}: пустой файл (0 байт); запишите его заново",
                    f"{path}: the file is empty (0 bytes); record it again",
                )
            )
        return stack.enter_context(path.open("rb"))
    except (OSError, ValueError) as error:
        if isinstance(error, (AudioError, InputNotFoundError)):
            raise
        reason = system_reason(error)
        raise InputNotFoundError(
            tr(
                f"{path}: не открывается ({reason}); проверьте путь и права",
                f"{path}: cannot be opened ({reason}); check the path and permissions",
            )
        ) from error


def _is_empty(stream: BinaryIO) -> bool:
    """Tell whether a stream ends at once, without taking anything from it; False if that cannot be known."""
    peek = getattr(stream, "peek", None)
    if peek is not None:
        return not peek(1)
    try:
        if not stream.seekable():
            return False
        start = stream.tell()
        empty = not stream.read(1)
        stream.seek(start)
    except (AttributeError, OSError, ValueError):
        return False
    return empty


def _seekable_mp4(file: BinaryIO, stack: ExitStack) -> BinaryIO:
    """Put an mp4 from a pipe into a temporary file: its index may stand at the end, where no pipe can go."""
    peek = getattr(file, "peek", None)
    if peek is None or file.seekable() or peek(8)[4:8] != b"ftyp":
        return file
    copy: BinaryIO = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy


def _begins_as_mp4(file: BinaryIO) -> bool:
    """Tell an mp4, m4a or mov that is cut short, as while it is downloaded, from what is no sound."""
    try:
        file.seek(0)
        return file.read(8)[4:] == b"ftyp"
    except (AttributeError, OSError, ValueError):
        return False


def _kind(track: str) -> str:
    """Return the name of a kind of tracks for the user."""
    russian = {"video": "видео", "subtitle": "субтитры", "attachment": "вложение", "data": "данные"}
    return tr(russian.get(track, track), track)


def _open_container(
    file: BinaryIO, source: Source, stack: ExitStack, *, to_end: bool = False
) -> InputContainer:
    """Open what FFmpeg knows; `to_end` reads a wav to its end, whatever its header says of its length."""
    import av

    name = source_name(source)
    try:
        # No protocol: a playlist must not make us open other files or addresses.
        settings: dict[str, Any] = {"options": {"protocol_whitelist": "none"}}
        if to_end:
            settings["options"]["ignore_length"] = "1"
        if int(av.__version__.partition(".")[0]) < 19:
            # From 19 on it reads names that are no UTF-8 unasked, and knows no such word.
            settings["metadata_errors"] = "replace"
        container: InputContainer = stack.enter_context(av.open(file, mode="r", **settings))
    except (av.FFmpegError, OSError, ValueError) as error:
        if _begins_as_mp4(file):
            raise AudioError(
                tr(
                    f"{name}: mp4 обрывается, и нет его оглавления; скачайте или скопируйте заново",
                    f"{name}: this mp4 breaks off and its index is missing; download or copy it again",
                )
            ) from error
        raise AudioError(
            tr(
                f"{name}: не звук или испорчено начало; подойдёт wav, mp3, ogg, flac, m4a…",
                f"{name}: not audio, or its beginning is damaged; use wav, mp3, ogg, flac, m4a…",
            )
            + _raw_hint(source)
        ) from error
    if not container.streams.audio or container.streams.audio[0].codec_context is None:
        kinds = ", ".join(_kind(stream.type) for stream in container.streams) or container.format.name
        raise AudioError(
            tr(
                f"{name}: нет звуковой дорожки, которую можно прочесть (есть: {kinds})",
                f"{name}: no audio track that can be read (found: {kinds})",
            )
            + _raw_hint(source)
        )
    return container


def _raw_hint(source: Source) -> str:
    """Return what else may be the matter: sound without a header looks like nothing, or like anything."""
    if isinstance(source, (str, Path)) and Path(source).suffix.lower() not in RAW_SUFFIXES:
        return ""
    # Who sends a server a file, or a program its own stream, has no command line to put the option in.
    if hasattr(source, "read") and source is not getattr(sys.stdin, "buffer", None):
        return ""
    return tr(
        "; звуку без заголовка нужен его вид: --raw 16000:s16le",
        "; sound without a header needs its format: --raw 16000:s16le",
    )


def _frames(container: InputContainer, damage: list[str]) -> Iterator[AudioFrame]:
    """Decode what can be decoded; each packet that cannot is noted in `damage`."""
    import av

    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.FFmpegError, OSError) as error:
            damage.append(str(error))
            return
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            damage.append(str(error))
            continue
        yield from frames


def _declared_seconds(container: InputContainer) -> float:
    stream = container.streams.audio[0]
    if container.format.name in _GUESSED_DURATION:
        return 0.0
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / 1e6
    return 0.0
