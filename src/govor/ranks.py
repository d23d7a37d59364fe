"""The processes that train one model together: started by ``torchrun`` or ``accelerate launch``, or just one.

Their launcher tells each its place in RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Numbers on a
CPU travel by gloo, those on a GPU by nccl.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from govor.errors import ConfigError, GovorError
from govor.language import tr
from govor.meeting import meet

T = TypeVar("T")

CPU = torch.device("cpu")
# Longer than the slowest checkpoint, shorter than a night: a process that hangs must not hang the others.
TIMEOUT = timedelta(minutes=30)


class RankLostError(GovorError):
    """Another process of this training has gone."""


class ToldByLeaderError(GovorError):
    """The first process has failed, and says why itself."""


@dataclass(frozen=True)
class Ranks:
    """This process and how many train with it. `join` makes it; without arguments, one process alone."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        """Tell whether this process writes the files and speaks to the user."""
        return self.rank == 0

    def add_up(self, tensor: Tensor) -> Tensor:
        """Put into `tensor` the sum over all processes, in place. Raises RankLostError."""
        if self.size > 1:
            with _lost_ranks():
                torch.distributed.all_reduce(tensor)
        return tensor

    def gather(self, value: Any) -> list[Any]:
        """Return what every process has given, in the order of their ranks. Raises RankLostError."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        with _lost_ranks():
            torch.distributed.all_gather_object(gathered, value)
        return gathered

    def from_leader(self, make: Callable[[], T]) -> T:
        """Return what `make` gives in the first process, in all of them.

        If it raises a GovorError there, the others raise ToldByLeaderError.
        """
        if self.size == 1:
            return make()
        error: GovorError | None = None
        box: list[Any] = [None, None]
        if self.leads:
            try:
                box = [make(), None]
            except GovorError as raised:
                error, box = raised, [None, str(raised)]
        with _lost_ranks():
            torch.distributed.broadcast_object_list(box, src=0)
        if error is not None:
            raise error
        if box[1] is not None:
            raise ToldByLeaderError(box[1])
        return cast("T", box[0])

    def check_same(self, digests: Mapping[str, str]) -> None:
        """Raise ConfigError, in the first process only, unless all have the same digests.

        The keys name what the digests are of; all others raise ToldByLeaderError.
        """
        gathered = self.gather(dict(digests))

        def check() -> None:
            for rank, other in enumerate(gathered):
                for name, digest in digests.items():
                    if other[name] != digest:
                        raise ConfigError(
                            tr(
                                f"у процесса {rank} не то же, что у процесса 0: {name}; "
                                "дайте всем одни и те же файлы",
                                f"process {rank} differs from process 0 in: {name}; "
                                "give all of them the same files",
                            )
                        )

        self.from_leader(check)

    def outlive_leader(self) -> None:
        """Wait until the first process has gone, so that its last words are not cut short."""
        with contextlib.suppress(RankLostError):
            self.gather(None)


@contextlib.contextmanager
def join(device: str = "auto") -> Iterator[Ranks]:
    """Meet the other processes of this training; the context gives this one's `Ranks`.

    `device` is ``cpu``, ``cuda``, or ``auto``, which is a GPU where there is one. Raises ConfigError if the
    environment or the device is not as it should be, RankLostError if the others do not come.
    """
    size = _number("WORLD_SIZE", 1)
    rank, local_rank = _number("RANK", 0), _number("LOCAL_RANK", 0)
    if not 0 <= rank < size:
        raise ConfigError(
            tr(
                f"RANK={rank}, а WORLD_SIZE={size}: начните все процессы через torchrun",
                f"RANK={rank} but WORLD_SIZE={size}: start all processes with torchrun",
            )
        )
    place = choose_device(device, local_rank)
    if size == 1:
        yield Ranks(device=place)
        return
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if not os.environ.get(name):
            raise ConfigError(
                tr(
                    f"WORLD_SIZE={size}, но нет {name}: начните все процессы через torchrun",
                    f"WORLD_SIZE={size} but no {name}: start all processes with torchrun",
                )
            )
    backend = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
    with _lost_ranks():
        store, rank, size = meet(TIMEOUT)
        torch.distributed.init_process_group(
            backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT
        )
    try:
        yield Ranks(rank, size, place)
    finally:
        torch.distributed.destroy_process_group()


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device for ``cpu``, ``cuda`` or ``auto``. Raises ConfigError if there is no such GPU."""
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(
            tr(f"устройство {name!r}; бывает auto, cpu, cuda", f"device {name!r}; choose auto, cpu or cuda")
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not count):
        return torch.device("cpu")
    if not count:
        raise ConfigError(
            tr(
                "PyTorch не видит видеокарты с CUDA; начните с --device cpu",
                "PyTorch sees no GPU with CUDA; start with --device cpu",
            )
        )
    if local_rank >= count:
        raise ConfigError(
            tr(
                f"процессу {local_rank} не хватило видеокарты: их {count}; "
                f"начните с --nproc-per-node {count} или с --device cpu",
                f"no GPU is left for process {local_rank}: there are {count}; "
                f"start with --nproc-per-node {count} or with --device cpu",
            )
        )
    place = torch.device("cuda", local_rank)
    torch.cuda.set_device(place)
    return place


def restarted() -> bool:
    """Tell whether torchrun has started this process anew after a failure."""
    return _number("TORCHELASTIC_RESTART_COUNT", 0) > 0


def _number(variable: str, default: int) -> int:
    value = os.environ.get(variable, "")
    try:
        return int(value) if value else default
    except ValueError:
        raise ConfigError(
            tr(f"{variable}={value}: должно быть число", f"{variable}={value}: must be a number")
        ) from None


@contextlib.contextmanager
def _lost_ranks() -> Iterator[None]:
    try:
        yield
    # gloo, nccl and the store raise different ones, all of this base.
    except RuntimeError as error:
        detail = str(error).splitlines()[0][:200]
        raise RankLostError(
            tr(
                f"другой процесс обучения пропал ({detail}); продолжить: та же команда с --resume, "
                "а torchrun --max-restarts продолжает сам",
                f"another process of the run has gone ({detail}); to go on: the same command and --resume, "
                "or by itself: torchrun --max-restarts",
            )
        ) from error
