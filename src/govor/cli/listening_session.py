"""The course of ``govor listen``: microphone, stream, screen; and again when a lost device comes back."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from govor.audio.level import SILENCE_DB, level_db
from govor.audio.microphone import Block, Microphone, refresh_devices
from govor.cli.listening_screen import ListeningScreen
from govor.errors import DeviceError, system_error_text
from govor.language import tr

if TYPE_CHECKING:
    from collections.abc import Callable

    from govor.audio.loading import Samples
    from govor.streaming import Event, Stream
    from govor.transcript import Segment

_RETRY_SECONDS = 1.0
# A dead microphone, or one that the system does not permit, gives nothing but zeros.
_DEAD_SECONDS = 5.0
_COMPLAINT_SECONDS = 10.0
_MARGIN_SECONDS = 0.4
# More than the longest utterance with its margins.
_KEPT_SECONDS = 60.0


class Interrupts:
    """Ctrl-C and SIGTERM as a flag, so that no utterance is cut in half; as exceptions while nothing runs."""

    def __init__(self) -> None:
        self.asked = False
        self._raises = False

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Watch until the end of the block. Outside the main thread nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {}
        for kind in (signal.SIGINT, signal.SIGTERM):
            before[kind] = signal.signal(kind, self._note)
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Let them raise KeyboardInterrupt in here: there is nothing to lose."""
        if self.asked:
            raise KeyboardInterrupt
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    def _note(self, number: int, frame: Any) -> None:
        if self._raises or self.asked:
            raise KeyboardInterrupt
        self.asked = True


class Listening:
    """Listens until it is interrupted."""

    def __init__(
        self,
        stream: Stream,
        screen: ListeningScreen,
        device: str | None,
        save_to: Path | None,
        finish_text: Callable[[str], str] | None,
    ) -> None:
        """`finish_text` makes a text pleasant to read. Raises ConfigError for a bad `save_to`."""
        self.num_unsaved = 0
        """Utterances whose sound could not be written; their texts were shown."""
        self._stream = stream
        self._screen = screen
        self._device = device
        self._finish_text = finish_text
        self._saver = None if save_to is None else Saver(save_to, stream.sample_rate)
        self._interrupts = Interrupts()
        self._silent_seconds = 0.0
        self._complained = -_COMPLAINT_SECONDS

    def run(self) -> None:
        """Listen until Ctrl-C, which still gives the last text. Raises DeviceError if there is no device."""
        with self._interrupts.watched(), contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
            microphone: Microphone | None
            with self._interrupts.allowed():
                microphone = Microphone(self._device, self._stream.sample_rate)
            if self._device is not None:
                # Numbers change when devices come and go.
                self._device = microphone.device.name
            name = microphone.device.name
            self._screen.say(
                tr(
                    f"микрофон: {name}; говорите, конец — Ctrl-C",
                    f"microphone: {name}; speak, Ctrl-C ends",
                )
            )
            with self._screen.open():
                while microphone is not None:
                    with microphone:
                        reason = self._hear(microphone)
                    microphone = self._wait_for_device(reason) if reason else None
                self._show(self._stream.finish())

    def _hear(self, microphone: Microphone) -> str:
        """Listen until asked to stop (empty) or the device is lost (the reason)."""
        while not self._interrupts.asked:
            try:
                block = read_all(microphone)
            except DeviceError as error:
                # What was said before is text all the same.
                self._show(self._stream.end_utterance())
                return str(error).rpartition(";")[0] or str(error)
            self._take(block)
        # What was said just before Ctrl-C.
        with contextlib.suppress(DeviceError):
            if microphone.has_more:
                self._take(read_all(microphone))
        return ""

    def _take(self, block: Block) -> None:
        if block.overflowed and time.monotonic() - self._complained >= _COMPLAINT_SECONDS:
            self._complained = time.monotonic()
            self._screen.warn(
                tr(
                    "часть звука потеряна: компьютер не успевает; закройте лишние программы",
                    "some sound was lost: the computer does not keep up; close other programs",
                )
            )
        if self._saver is not None:
            self._saver.take(block.samples)
        level = level_db(block.samples[-round(0.1 * self._stream.sample_rate) :])
        self._show(self._stream.feed(block.samples))
        self._screen.show_level(level, self._stream.is_speaking)
        self._notice_silence(level, len(block.samples) / self._stream.sample_rate)

    def _notice_silence(self, level: float, seconds: float) -> None:
        # A microphone that falls silent between words has a noise gate; one that never gave a sound is dead.
        if level > SILENCE_DB:
            self._silent_seconds = math.inf
        if self._silent_seconds == math.inf:
            return
        self._silent_seconds += seconds
        if self._silent_seconds >= _DEAD_SECONDS:
            self._silent_seconds = math.inf
            self._screen.warn(
                tr(
                    "микрофон даёт полную тишину; проверьте, что он включён и доступ к нему разрешён",
                    "the microphone gives nothing but silence; see that it is on and access is permitted",
                )
            )

    def _show(self, events: Sequence[Event]) -> None:
        from govor.streaming import Final

        for event in events:
            if not isinstance(event, Final):
                self._screen.show_partial(event)
                continue
            saved = self._save(event.segment)
            finished = None if self._finish_text is None else self._finish_text(event.segment.text)
            self._screen.show_final(event.segment, finished, saved)

    def _save(self, segment: Segment) -> Path | None:
        """Write the sound of an utterance. A full disk must cost neither its text nor the listening."""
        if self._saver is None:
            return None
        try:
            return self._saver.save(segment)
        except OSError as error:
            self.num_unsaved += 1
            reason = system_error_text(error)
            self._screen.warn(
                tr(
                    f"звук фразы не сохранён ({reason}); освободите место или назовите в --save другую папку",
                    f"the utterance was not saved ({reason}); free some space or name another --save folder",
                )
            )
            return None

    def _wait_for_device(self, reason: str) -> Microphone:
        """Try again and again until there is a microphone."""
        self._screen.warn(tr(f"{reason}; жду, когда он вернётся", f"{reason}; waiting for it to come back"))
        self._screen.show_waiting(tr("жду микрофон…", "waiting for the microphone…"))
        while True:
            with self._interrupts.allowed():
                time.sleep(_RETRY_SECONDS)
                try:
                    refresh_devices()
                    microphone = Microphone(self._device, self._stream.sample_rate)
                except DeviceError:
                    continue
            name = microphone.device.name
            self._screen.say(
                tr(f"микрофон снова есть: {name}; слушаю", f"the microphone is back: {name}; listening"),
                "green",
            )
            return microphone


def read_all(microphone: Microphone) -> Block:
    """Wait for sound and return all that has come since, as one block; so one who fell behind catches up.

    Raises DeviceError when the device is lost, after all sound before that was returned.
    """
    blocks = [microphone.read()]
    with contextlib.suppress(DeviceError):
        while microphone.has_more:
            blocks.append(microphone.read())
    return Block(
        np.concatenate([block.samples for block in blocks]), any(block.overflowed for block in blocks)
    )


class Saver:
    """Keeps the sound of the last minute and writes utterances: a wav each, and a line of manifest.jsonl."""

    def __init__(self, folder: Path, sample_rate: int) -> None:
        """Make `folder` if needed. Raises ConfigError if it cannot be written to."""
        from govor.outputs import make_folder

        make_folder(folder, "--save")
        self._folder = folder
        self._rate = sample_rate
        self._blocks: list[Samples] = []
        self._start = 0
        self._end = 0
        self._saved_to = 0
        self._session = f"listen-{datetime.now():%Y%m%d-%H%M%S}"
        self._number = 0

    def take(self, samples: Samples) -> None:
        """Remember sound (N,)."""
        self._blocks.append(samples)
        self._end += len(samples)
        while self._end - self._start - len(self._blocks[0]) > _KEPT_SECONDS * self._rate:
            self._start += len(self._blocks.pop(0))

    def save(self, segment: Segment) -> Path:
        """Write an utterance with 0.4 s around it; when this returns, it is on the disk.

        Raises OSError; then nothing of it is there.
        """
        first = max(round((segment.start - _MARGIN_SECONDS) * self._rate), self._saved_to, self._start)
        end = max(min(round((segment.end + _MARGIN_SECONDS) * self._rate), self._end), first)
        samples = np.concatenate(self._blocks)[first - self._start : end - self._start]
        self._saved_to = end
        self._number += 1
        path = self._folder / f"{self._session}-{self._number:03d}.wav"
        manifest = self._folder / "manifest.jsonl"
        try:
            size = manifest.stat().st_size
        except FileNotFoundError:
            size = 0
        try:
            self._write(path, manifest, samples, segment.text)
        except OSError as error:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.truncate(manifest, size)
            raise OSError(error.errno, error.strerror, str(path)) from error
        return path

    def _write(self, path: Path, manifest: Path, samples: Samples, text: str) -> None:
        from govor.corpora.recordings import _write_wav
        from govor.manifest import Utterance

        _write_wav(path, samples, self._rate)
        duration = len(samples) / self._rate
        utterance = Utterance(id=path.stem, duration=duration, text=text, speaker="", audio_filepath=path)
        with manifest.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(utterance.to_json(self._folder) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
