"""What ``govor train`` is given to train on: manifests or shards, each with the share drawn in an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from govor.cli.console import Terminal
from govor.errors import ConfigError, InputNotFoundError
from govor.language import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from govor.config import Config
    from govor.dataset.batches import Dataset, Source
    from govor.dataset.sharded import ShardDataset
    from govor.manifest import BadLine
    from govor.text.alphabet import Alphabet


def read_training_data(
    names: Sequence[str], config: Config, alphabet: Alphabet, bad: list[BadLine], terminal: Terminal
) -> Dataset | ShardDataset:
    """Open manifests (read into memory) or shards (read as a stream); a name may end in ``@share``.

    Bad manifest lines go to `bad`. Raises ConfigError if both kinds are given, InputNotFoundError.
    """
    from govor.dataset.batches import Dataset

    sharded = [_is_sharded(_split_share(name)[0]) for name in names]
    if any(sharded):
        if not all(sharded):
            raise ConfigError(
                tr(
                    "манифесты и шарды вместе нельзя: сделайте шарды из всего (govor prepare shards)",
                    "manifests and shards do not mix: make shards of everything (govor prepare shards)",
                )
            )
        return _open_shards(names, config, alphabet)
    sources = [read_source(name, bad) for name in names]
    with terminal.progress(tr("чтение обучающих фраз", "reading the training utterances")) as update:
        return Dataset(sources, config, alphabet, augment=True, on_progress=update)


def read_source(name: str, bad: list[BadLine], share: bool = True) -> Source:
    """Read a manifest, ``PATH`` or, where a share is allowed, ``PATH@0.3``."""
    from govor.dataset.batches import Source
    from govor.manifest import read_manifest

    path, part = _split_share(name) if share else (name, 1.0)
    return Source(list(read_manifest(Path(path), bad)), part)


def _open_shards(names: Sequence[str], config: Config, alphabet: Alphabet) -> ShardDataset:
    from govor.dataset.sharded import ShardDataset, ShardSource
    from govor.dataset.shards import find_shards

    sources = []
    for name in names:
        path, part = _split_share(name)
        sources.append(ShardSource(find_shards(path, config.features), part))
    return ShardDataset(sources, config, alphabet)


def _is_sharded(name: str) -> bool:
    return name.endswith(".tar") or Path(name).is_dir()


def _split_share(name: str) -> tuple[str, float]:
    path, part = name, 1.0
    if "@" in name and not Path(name).exists():
        path, _, tail = name.rpartition("@")
        try:
            part = float(tail)
        except ValueError:
            raise InputNotFoundError(tr(f"нет манифеста {name}", f"no manifest {name}")) from None
    if not 0 < part <= 1:
        raise ConfigError(
            tr(f"{name}: доля должна быть от 0 до 1", f"{name}: the share must lie between 0 and 1")
        )
    return path, part
