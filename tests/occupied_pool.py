"""A pool of the server whose only worker is kept busy."""

from __future__ import annotations

import threading

from govor.server.pool import FairPool, Kind


def hold(pool: FairPool) -> threading.Event:
    """Keep the only worker busy until the event is set: what is queued meanwhile is queued at once."""
    go, began = threading.Event(), threading.Event()

    def wait(waited: float) -> bool:
        began.set()
        return not go.wait(60)

    pool.submit("holder", Kind.LIVE, wait)
    assert began.wait(60)
    return go
