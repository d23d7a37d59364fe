"""Sound from a capture device by PortAudio (sounddevice): devices, live blocks, pre-roll, playback."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from govor.audio.loading import Resampler, Samples
from govor.errors import DeviceError, MissingExtraError
from govor.language import tr

BLOCK_SECONDS = 0.032
# A virtual device may take two seconds to wake up; a broken one never does.
_WAKE_SECONDS = 6.0
_LOST_SECONDS = 3.0
_STEP_SECONDS = 0.5
# What comes while a consumer is this far behind is lost, instead of all memory.
_QUEUE_SECONDS = 60.0


@dataclass(frozen=True)
class Device:
    """A sound device as PortAudio sees it."""

    index: int
    name: str
    system: str
    """The sound system it belongs to: ALSA, Core Audio, WASAPI…"""
    input_channels: int
    output_channels: int
    sample_rate: int
    """Its own rate, Hz."""
    is_default: bool
    """The system records from it unless told otherwise."""


@dataclass(frozen=True)
class Block:
    """A piece of live sound: samples (N,) float32, full scale ±1."""

    samples: Samples
    overflowed: bool = False
    """Sound was lost just before this block, as the computer did not keep up."""


def list_devices() -> tuple[Device, ...]:
    """Return the devices that can record.

    Raises DeviceError without PortAudio, MissingExtraError without sounddevice.
    """
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    systems = [str(system["name"]) for system in sounddevice.query_hostapis()]
    devices = (
        Device(
            index=index,
            name=str(found["name"]),
            system=systems[found["hostapi"]],
            input_channels=int(found["max_input_channels"]),
            output_channels=int(found["max_output_channels"]),
            sample_rate=round(found["default_samplerate"]),
            is_default=index == default,
        )
        for index, found in enumerate(sounddevice.query_devices())
    )
    return tuple(device for device in devices if device.input_channels > 0)


def find_device(wanted: int | str | None = None) -> Device:
    """Return the device of that number or with that part of a name; None is the system's default.

    Raises DeviceError if there is none or the name fits several.
    """
    devices = list_devices()
    if not devices:
        raise DeviceError(
            tr(
                "не найдено ни одного микрофона; подключите его, разрешите к нему доступ и повторите",
                "no microphone was found; connect one, permit access to it and try again",
            )
        )
    if wanted is None:
        return next((device for device in devices if device.is_default), devices[0])
    text = str(wanted).strip()
    if text.isascii() and text.isdigit():
        fitting = [device for device in devices if device.index == int(text)]
    else:
        exact = [device for device in devices if device.name.casefold() == text.casefold()]
        fitting = exact or [device for device in devices if text.casefold() in device.name.casefold()]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(f"{device.index} {device.name}" for device in fitting)
        raise DeviceError(
            tr(
                f"микрофонов с «{text}» в имени несколько: {names}; назовите номер",
                f"several microphones have “{text}” in the name: {names}; give the number",
            )
        )
    names = ", ".join(f"{device.index} {device.name}" for device in devices)
    raise DeviceError(
        tr(
            f"нет микрофона «{text}»; есть: {names} (список: govor devices)",
            f"no microphone “{text}”; there are: {names} (list: govor devices)",
        )
    )


def refresh_devices() -> None:
    """Make PortAudio look again at what is connected; closes every open stream of this process."""
    sounddevice = _sounddevice()
    # PortAudio takes stock only when it starts, and sounddevice has no public way to restart it.
    sounddevice._terminate()
    sounddevice._initialize()


class Microphone:
    """A device that is recording: mono blocks at the wanted rate, whatever rate the device itself offers.

    Sound is queued from the moment of opening, so that `discard` can keep the last part of it as a pre-roll.
    Use it as a context manager.
    """

    def __init__(
        self, device: int | str | None = None, sample_rate: int = 16000, latency: float = 0.2
    ) -> None:
        """Open `device` (see `find_device`) and wait for its first sound.

        `latency` is the size of the system's buffer in seconds: more of it forgives a busy computer. Raises
        DeviceError if the device is missing, busy, not permitted or gives no sound.
        """
        self.device = find_device(device)
        self.sample_rate = sample_rate
        self._sounddevice = _sounddevice()
        self._queue: queue.SimpleQueue[Block | None] = queue.SimpleQueue()
        self._pending: list[Block] = []
        self._dropped = False
        self._closed = False
        channels, self.device_rate = self._choose_format()
        self._resampler = (
            None if self.device_rate == sample_rate else Resampler(self.device_rate, sample_rate)
        )
        self._stream: Any = None
        try:
            with native_messages_hidden():
                self._stream = self._sounddevice.InputStream(
                    device=self.device.index,
                    samplerate=self.device_rate,
                    channels=channels,
                    dtype="float32",
                    blocksize=round(self.device_rate * BLOCK_SECONDS),
                    latency=latency,
                    callback=self._receive,
                    finished_callback=lambda: self._queue.put(None),
                )
                self._stream.start()
            self._pending.append(self._next(_WAKE_SECONDS))
        except self._sounddevice.PortAudioError as error:
            self.close()
            raise self._cannot_open(error) from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Microphone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Block]:
        while True:
            yield self.read()

    def read(self) -> Block:
        """Wait for the next block and return it. Raises DeviceError when the device is lost."""
        return self._pending.pop(0) if self._pending else self._next(_LOST_SECONDS)

    @property
    def has_more(self) -> bool:
        """Whether sound that was not read yet is there already, or the device is lost."""
        return bool(self._pending) or not self._queue.empty()

    def discard(self, keep_seconds: float = 0.0) -> None:
        """Forget the queued sound except its last `keep_seconds` (the pre-roll)."""
        while not self._queue.empty():
            self._pending.append(self._next(_LOST_SECONDS))
        kept = 0
        for number, block in enumerate(reversed(self._pending)):
            if kept >= keep_seconds * self.sample_rate:
                del self._pending[: len(self._pending) - number]
                break
            kept += len(block.samples)
        if self._pending:
            # What was lost before the part that is kept does not matter.
            self._pending[0] = Block(self._pending[0].samples)

    def close(self) -> None:
        """Stop recording; blocks not read yet are lost. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._stream is not None:
            with native_messages_hidden(), contextlib.suppress(self._sounddevice.PortAudioError):
                self._stream.abort()
                self._stream.close()

    def _receive(self, data: Any, num_frames: int, when: Any, status: Any) -> None:
        # Runs in PortAudio's thread: no waiting, no resampling.
        if self._queue.qsize() * BLOCK_SECONDS > _QUEUE_SECONDS:
            self._dropped = True
            return
        lost, self._dropped = self._dropped or bool(status.input_overflow), False
        mono = data[:, 0].copy() if data.shape[1] == 1 else data.mean(axis=1, dtype=np.float32)
        self._queue.put(Block(mono, lost))

    def _next(self, timeout: float) -> Block:
        overflowed = False
        num_steps = round(timeout / _STEP_SECONDS)
        while True:
            # Of a time when the whole process stood still (Ctrl-Z, a laptop asleep) only one step counts.
            try:
                block = self._queue.get(timeout=_STEP_SECONDS)
            except queue.Empty:
                num_steps -= 1
                if num_steps:
                    continue
                raise self._lost(tr(f"молчит {timeout:.0f} с", f"gave nothing for {timeout:.0f} s")) from None
            if block is None:
                # Whoever reads again must not wait for what cannot come.
                self._queue.put(None)
                raise self._lost(tr("пропал или отключён", "is gone or disconnected"))
            if self._resampler is None:
                return block
            overflowed = overflowed or block.overflowed
            if pieces := self._resampler.feed(block.samples):
                return Block(np.concatenate(pieces), overflowed)

    def _choose_format(self) -> tuple[int, int]:
        """Return how many channels and what rate to ask of the device: the wanted ones if it can."""
        own = self.device.sample_rate
        many = self.device.input_channels
        refusal: Any = None
        choices = [(1, self.sample_rate), (1, own), (min(many, 2), own), (many, own), (1, 48000), (1, 44100)]
        for channels, rate in choices:
            error = self._refusal(channels, rate)
            if error is None:
                return channels, rate
            refusal = refusal or error
        raise self._cannot_open(refusal) from refusal

    def _refusal(self, channels: int, rate: int) -> Any:
        try:
            with native_messages_hidden():
                self._sounddevice.check_input_settings(
                    device=self.device.index, channels=channels, dtype="float32", samplerate=rate
                )
        except self._sounddevice.PortAudioError as error:
            return error
        return None

    def _cannot_open(self, error: Any) -> DeviceError:
        reason = _reason(error)
        return DeviceError(
            tr(
                f"микрофон «{self.device.name}» не открывается: {reason}; проверьте, что он не занят "
                "другой программой и что доступ к нему разрешён",
                f"microphone “{self.device.name}” cannot be opened: {reason}; see that no other program "
                "holds it and that access to it is permitted",
            )
        )

    def _lost(self, what: str) -> DeviceError:
        return DeviceError(
            tr(
                f"микрофон «{self.device.name}» {what}; подключите его и начните снова",
                f"microphone “{self.device.name}” {what}; connect it and start again",
            )
        )


def play(samples: Samples, sample_rate: int, should_stop: Callable[[], bool] = lambda: False) -> bool:
    """Play mono samples (N,) on the default output; return False if there is no output that works.

    `should_stop` is asked ten times a second.
    """
    sounddevice = _sounddevice()
    try:
        with native_messages_hidden():
            device = sounddevice.query_devices(kind="output")
            rate = sample_rate
            try:
                sounddevice.check_output_settings(channels=1, dtype="float32", samplerate=rate)
            except sounddevice.PortAudioError:
                rate = round(device["default_samplerate"])
                resampler = Resampler(sample_rate, rate)
                samples = np.concatenate([*resampler.feed(samples), *resampler.flush()])
            with sounddevice.OutputStream(samplerate=rate, channels=1, dtype="float32") as stream:
                step = rate // 10
                for start in range(0, len(samples), step):
                    if should_stop():
                        stream.abort()
                        break
                    stream.write(np.ascontiguousarray(samples[start : start + step, None]))
    except (sounddevice.PortAudioError, ValueError):
        return False
    return True


@contextlib.contextmanager
def native_messages_hidden() -> Iterator[None]:
    """Keep what the C libraries of sound write to standard error off the screen; Python's own is shown.

    They report every failure with their source lines, over whatever the terminal shows.
    """
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, AttributeError, ValueError):
        # Standard error is closed: there is nothing to keep clean.
        yield
        return
    previous = sys.stderr
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    shown = None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if previous.fileno() == 2:
            shown = os.fdopen(
                saved, "w", encoding=previous.encoding, errors=previous.errors, buffering=1, closefd=False
            )
            sys.stderr = shown
    try:
        yield
    finally:
        if shown is not None:
            shown.flush()
            if sys.stderr is shown:
                sys.stderr = previous
        os.dup2(saved, 2)
        os.close(saved)


def _sounddevice() -> Any:
    try:
        with native_messages_hidden():
            import sounddevice
    except ImportError as error:
        raise MissingExtraError(
            tr(
                "для микрофона нужен sounddevice: pip install 'govor[mic]'",
                "the microphone needs sounddevice: pip install 'govor[mic]'",
            )
        ) from error
    except OSError as error:
        raise DeviceError(
            tr(
                "нет звуковой библиотеки PortAudio; в Debian и Ubuntu: apt install libportaudio2 "
                "(macOS: brew install portaudio)",
                "the PortAudio library is missing; on Debian and Ubuntu: apt install libportaudio2 "
                "(macOS: brew install portaudio)",
            )
        ) from error
    except Exception as error:
        # PortAudio is there but does not start; its own class of error cannot be imported here.
        if type(error).__name__ != "PortAudioError":
            raise
        raise DeviceError(
            tr(f"звук не запускается: {_reason(error)}", f"sound does not start: {_reason(error)}")
        ) from error
    return sounddevice


def _reason(error: Any) -> str:
    text = str(error.args[0] if error is not None and error.args else error)
    details = error.args[2] if error is not None and len(error.args) > 2 else None
    if isinstance(details, tuple) and len(details) == 3 and details[2]:
        text = f"{text} ({details[2]})"
    return " ".join(text.split())
