"""Batches read ahead of the steps that need them, in this process or in helpers of it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence

import torch.utils.data

from govor.dataset.batches import Batch, Share

Loaded = list[tuple[int, Batch]]


class _Steps(torch.utils.data.Dataset[Loaded]):
    def __init__(self, steps: Sequence[Sequence[Share]], epoch: int) -> None:
        self.steps, self.epoch = steps, epoch

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> Loaded:
        return [(share.part, share.batch(self.epoch)) for share in self.steps[index]]


def load_steps(steps: Sequence[Sequence[Share]], epoch: int, num_loaders: int = 0) -> Iterator[Loaded]:
    """Yield the (part, batch) of every step in order; `num_loaders` processes prepare them ahead.

    A batch depends on nothing but its seed, epoch and items, so loaders change the time and not the batches.
    Worth it beside a GPU; where the processor does the training itself it has no time to spare.
    """
    wanted = _Steps(steps, epoch)
    if not num_loaders or not steps:
        yield from (wanted[index] for index in range(len(wanted)))
        return
    # Forked helpers share the features in memory instead of copying them.
    context = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    yield from torch.utils.data.DataLoader(
        wanted,
        batch_size=None,
        num_workers=num_loaders,
        collate_fn=_as_it_is,
        multiprocessing_context=context,
    )


def _as_it_is(loaded: Loaded) -> Loaded:
    return loaded
