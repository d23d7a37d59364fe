"""Seeded damage to bytes: what happens to files on bad disks, in bad programs and in bad hands."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_STRANGE = [
    bytes(4),
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\0\0\x80",
    b"\x01\0\0\0",
    b"\0\0\xc0\x7f",
]
# Most of what a parser believes stands at the beginning.
_HEAD = 200


def _place(data: bytearray, rng: random.Random) -> int:
    return rng.randrange(min(len(data), _HEAD) if rng.random() < 0.5 else len(data))


def _flip(data: bytearray, rng: random.Random, _: bytes) -> None:
    for _i in range(rng.choice([1, 1, 2, 8, 64])):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random, _: bytes) -> None:
    place, value = _place(data, rng), rng.choice(_STRANGE)[: rng.choice([1, 2, 4])]
    data[place : place + len(value)] = value


def _noise(data: bytearray, rng: random.Random, _: bytes) -> None:
    place = _place(data, rng)
    size = min(len(data) - place, rng.choice([1, 16, 256, 4096]))
    data[place : place + size] = rng.randbytes(size)


def _cut(data: bytearray, rng: random.Random, _: bytes) -> None:
    del data[_place(data, rng) :]


def _remove(data: bytearray, rng: random.Random, _: bytes) -> None:
    place = _place(data, rng)
    del data[place : place + rng.choice([1, 2, 3, 100, 5000])]


def _insert(data: bytearray, rng: random.Random, _: bytes) -> None:
    place = _place(data, rng)
    data[place:place] = rng.randbytes(rng.choice([1, 2, 3, 100, 5000]))


def _repeat(data: bytearray, rng: random.Random, _: bytes) -> None:
    place = _place(data, rng)
    data[place:place] = data[place : place + rng.choice([4, 100, 3000])]


def _splice(data: bytearray, rng: random.Random, other: bytes) -> None:
    data[_place(data, rng) :] = other[rng.randrange(len(other)) :]


def _blank(data: bytearray, rng: random.Random, _: bytes) -> None:
    place = _place(data, rng)
    size = min(len(data) - place, rng.choice([4, 512, 20_000]))
    data[place : place + size] = bytes(size)


_KINDS: list[Callable[[bytearray, random.Random, bytes], None]] = [
    _flip,
    _overwrite,
    _noise,
    _cut,
    _remove,
    _insert,
    _repeat,
    _splice,
    _blank,
]


def mutate(data: bytes, seed: int, others: Sequence[bytes] = ()) -> bytes:
    """Return `data` after one to four kinds of damage; a splice takes the end of one of `others`."""
    rng = random.Random(seed)
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        if not damaged:
            break
        rng.choice(_KINDS)(damaged, rng, rng.choice([data, *others]))
    return bytes(damaged)
