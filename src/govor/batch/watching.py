"""A folder in which recordings appear."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from govor.inputs import Recording, find_recordings

POLL_SECONDS = 1.0
SETTLE_SECONDS = 2.0
"""A file that has not changed for so long is taken for whole."""


@dataclass
class _Sight:
    signature: tuple[int, int]
    since: float
    given: bool = False


class FolderWatcher:
    """Finds the recordings of a folder, each when it has stopped growing, and again if it changes later.

    It looks rather than being told: notifications do not come from network drives.
    """

    def __init__(
        self,
        folder: Path,
        *,
        raw: bool = False,
        settle_seconds: float = SETTLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch `folder` to its bottom, for what `govor.inputs.find_recordings` takes from one."""
        self._folder = folder
        self._raw = raw
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._sights: dict[str, _Sight] = {}

    def look(self) -> Sequence[Recording]:
        """Return the recordings that have become whole since the last look; none if the folder is away."""
        now = self._clock()
        whole: list[Recording] = []
        seen: dict[str, _Sight] = {}
        for recording in find_recordings([str(self._folder)], raw=self._raw).recordings:
            try:
                status = Path(recording.source).stat()
            except OSError:
                continue
            signature = (status.st_size, status.st_mtime_ns)
            sight = self._sights.get(recording.source)
            if sight is None or sight.signature != signature:
                sight = _Sight(signature, now)
            elif not sight.given and status.st_size and now - sight.since >= self._settle_seconds:
                sight.given = True
                whole.append(recording)
            seen[recording.source] = sight
        self._sights = seen
        return whole
