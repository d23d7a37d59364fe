"""What importers leave out, said the same way by all of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dropped:
    """Something in a corpus that cannot be used, and why."""

    id: str
    reason: str
