"""A corpus of any size as a stream: shards -> blocks that fit into memory -> batches.

An epoch puts the shards into a new order, deals them to the parts of a step, and cuts what each part gets
into blocks. A block is read whole and planned as a small corpus in memory. So memory holds one block, and a
resumed run reads again no more than the block it stopped in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from govor.config import Config
from govor.dataset.batches import Block, Dataset, Share, Source
from govor.dataset.shards import Shard, read_shard
from govor.errors import ConfigError
from govor.language import tr
from govor.ranks import Ranks
from govor.text.alphabet import Alphabet

TEXT_HOURS = 50.0


@dataclass(frozen=True)
class ShardSource:
    """Shards of one corpus and the share of their utterances drawn in each epoch."""

    shards: Sequence[Shard]
    share: float = 1.0


class ShardDataset:
    """Shards to train on; nothing but their names and sizes stays in memory."""

    def __init__(self, sources: Sequence[ShardSource], config: Config, alphabet: Alphabet) -> None:
        self.config, self.alphabet = config, alphabet
        self.shards = [(shard, source.share) for source in sources for shard in source.shards]

    def __len__(self) -> int:
        return sum(shard.num_utterances for shard, _ in self.shards)

    @property
    def hours(self) -> float:
        """Hours of features, pauses left out."""
        frames = sum(shard.num_frames for shard, _ in self.shards)
        return frames * self.config.features.frame_shift / 3600

    @property
    def fingerprint(self) -> str:
        """Digest of what is trained on."""
        rows = [[shard.path.name, shard.digest, share] for shard, share in self.shards]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def texts(self) -> Iterator[str]:
        """Yield the texts of the first `TEXT_HOURS` hours: letters need no more to show their habits."""
        hours = 0.0
        for shard, _ in self.shards:
            yield from (row.text for row, _ in read_shard(shard) if not self.alphabet.missing(row.text))
            hours += shard.num_frames * self.config.features.frame_shift / 3600
            if hours > TEXT_HOURS:
                return

    def num_blocks(self, num_parts: int) -> int:
        """Return how many blocks an epoch has. Raises ConfigError with fewer shards than parts of a step."""
        if len(self.shards) < num_parts:
            raise ConfigError(
                tr(
                    f"шардов {len(self.shards)}, а процессов {num_parts}: сделайте шарды мельче "
                    "(govor prepare shards --shard-hours)",
                    f"{len(self.shards)} shards for {num_parts} processes: make smaller shards "
                    "(govor prepare shards --shard-hours)",
                )
            )
        wanted = round(self.hours / num_parts / self.config.training.block_hours)
        return max(1, min(wanted, len(self.shards) // num_parts))

    def block(self, epoch: int, number: int, num_parts: int, ranks: Ranks) -> Block:
        """Read the block of those parts that are this process's, and plan its steps.

        At each step all parts have batches of like length, so that no process waits for another.
        """
        training = self.config.training
        order = np.random.default_rng((training.seed, epoch, 4)).permutation(len(self.shards))
        parts: dict[int, tuple[Dataset, list[list[tuple[int, ...]]]]] = {}
        left_out = 0
        for part in range(ranks.rank, num_parts, ranks.size):
            chosen = np.array_split(order[part::num_parts], self.num_blocks(num_parts))[number]
            data, missing = self._read([self.shards[index] for index in chosen], (number, part))
            parts[part] = data, data.by_length(epoch)
            left_out += missing
        longest = max((len(batches) for _, batches in parts.values()), default=0)
        told = ranks.gather((longest, left_out))
        num_steps = max(steps for steps, _ in told)
        places = np.arange(num_steps)
        if epoch >= training.curriculum_epochs:
            places = np.random.default_rng((training.seed, epoch, 5, number)).permutation(num_steps)
        steps: list[list[Share]] = [[] for _ in range(num_steps)]
        for part, (data, batches) in parts.items():
            for rank, batch in enumerate(batches):
                # The same place in the order of lengths falls on the same step in every part.
                steps[places[rank * num_steps // len(batches)]].append(Share(part, batch, data))
        return Block(steps, sum(missing for _, missing in told))

    def _read(self, shards: Sequence[tuple[Shard, float]], salt: tuple[int, int]) -> tuple[Dataset, int]:
        """Return the utterances of some shards and how many are missing."""
        sources = []
        for shard, share in shards:
            found = list(read_shard(shard))
            sources.append(Source([row[0] for row in found], share, [row[1] for row in found]))
        data = Dataset(sources, self.config, self.alphabet, augment=True, salt=salt)
        return data, sum(shard.num_utterances for shard, _ in shards) - len(data)
