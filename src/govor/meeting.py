"""How the processes of one life of a training find each other, and not those of an earlier life.

``torchrun`` starts a group anew beside the same store of keys, where the addresses of the dead still stand:
whoever is quicker than the others would call the dead. So the first process hands out a name that is new in
every life, under which all write their addresses.
"""

from __future__ import annotations

import json
import time
import uuid
from datetime import timedelta

from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

POLL_SECONDS = 0.05


def meet(timeout: timedelta) -> tuple[Store, int, int]:
    """Return the store of this life, this process's rank and the number of processes.

    Reads RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. Raises RuntimeError when the others do not come.
    """
    store, rank, size = next(rendezvous("env://", timeout=timeout))
    name = agree_on_name(store, rank, size, timeout.total_seconds())
    return PrefixStore(f"govor/{name}", store), rank, size


def agree_on_name(store: Store, rank: int, size: int, seconds: float) -> str:
    """Return a name that all living processes know and that no earlier life has used.

    Each writes a nonce of its own. The first writes the name beside the nonces that it has seen, until each
    of the others has found its own among them and has repeated the name.
    """
    deadline = time.monotonic() + seconds
    nonce = uuid.uuid4().hex
    others = [str(other) for other in range(1, size)]
    if rank:
        store.set(f"govor/nonce/{rank}", nonce)
    while time.monotonic() < deadline:
        if rank == 0:
            seen = {other: _read(store, f"govor/nonce/{other}") for other in others}
            store.set("govor/name", json.dumps({"name": nonce, "seen": seen}))
            if all(_read(store, f"govor/ack/{other}") == nonce for other in others):
                return nonce
        elif written := _read(store, "govor/name"):
            told = json.loads(written)
            if told["seen"].get(str(rank)) == nonce:
                store.set(f"govor/ack/{rank}", told["name"])
                return str(told["name"])
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"not all {size} processes came within {seconds:.0f} s")


def _read(store: Store, key: str) -> str:
    return str(store.get(key).decode()) if store.check([key]) else ""
