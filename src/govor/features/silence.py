"""Which frames ``sphinx_fe`` writes, given which of them sound like speech."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PRE_SPEECH = 20
_START_SPEECH = 10
_POST_SPEECH = 50
_READ_SAMPLES = 2048


def speech_frames(is_speech: NDArray[np.bool_], num_samples: int, size: int, shift: int) -> NDArray[np.int64]:
    """Return the numbers of the frames that the program writes, in order.

    Ten frames of speech in a row begin an utterance, which takes the twenty frames before the last of them
    too; fifty frames without speech end it, and the last of these is not written. Without silence removal
    every frame counts as speech, so that recordings under ten frames give nothing then, too.

    `num_samples`, the frame `size` and `shift` matter at the end of the recording only: the program reads
    2048 samples at a time, has room for the frames of so many only, and forgets what still waits for room.
    """
    flags = is_speech.tolist()
    written = bytearray(len(flags))
    read = max(_READ_SAMPLES, size + shift)
    machine = _Machine(flags, written)
    held = 0  # samples kept from earlier reads, from the start of the next frame on
    for start in range(0, num_samples, read):
        fresh = min(read, num_samples - start)
        while fresh:
            if held + fresh < size:
                held += fresh
                break
            # Positions count from the start of the next frame.
            available = held + fresh
            frames = machine.run((read - size) // shift, 1 + (available - size) // shift)
            begin = frames * shift
            # At most one window is kept back; the rest stays in the buffer that was read.
            kept = min(available - begin, size)
            if frames == 0:
                continue
            held, fresh = kept, available - begin - kept
    if held:
        machine.finish()
    return np.flatnonzero(np.frombuffer(written, np.uint8))


class _Machine:
    """Goes through the frames in order, in speech or out of it, and marks those to be written."""

    def __init__(self, flags: list[bool], written: bytearray) -> None:
        self._flags = flags
        self._written = written
        self._next = 0
        self._speaking = False
        self._run = 0  # frames in a row that speak for a change
        self._waiting = 0  # frames before the next one that are written if speech begins
        self._backlog = range(0)  # frames of speech for which there was no room

    def run(self, room: int, limit: int) -> int:
        """Take up to `limit` frames, until `room` of them are written; return how many were taken."""
        room = self._write_backlog(room)
        taken = 0
        while room > 0 and taken < limit:
            taken += 1
            if self._step():
                if self._backlog:
                    room = self._write_backlog(room)
                else:
                    self._written[self._next - 1] = 1
                    room -= 1
        return taken

    def finish(self) -> None:
        """Take the last, padded frame. What has found no room is lost."""
        if self._step():
            self._written[self._next - 1] = 1

    def _write_backlog(self, room: int) -> int:
        now = self._backlog[:room]
        self._backlog = self._backlog[room:]
        for frame in now:
            self._written[frame] = 1
        return room - len(now)

    def _step(self) -> bool:
        """Take one frame; return whether speech goes on after it."""
        speech = self._flags[self._next]
        self._next += 1
        if not self._speaking:
            self._waiting = min(self._waiting + 1, _PRE_SPEECH + 1)
        if speech == self._speaking:
            self._run = 0
            return self._speaking
        self._run += 1
        if self._run >= (_POST_SPEECH if self._speaking else _START_SPEECH):
            self._run = 0
            self._speaking = not self._speaking
            if self._speaking:
                self._backlog = range(self._next - self._waiting, self._next)
            self._waiting = 0
        return self._speaking
