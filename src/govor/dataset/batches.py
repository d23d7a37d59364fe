"""Manifests -> batches: what is drawn in an epoch, in which order, and how it is padded."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from govor.config import Config
from govor.corpora.utterances import load_utterance
from govor.dataset.examples import Examples, Item, num_label_frames
from govor.dataset.splicing import Spliced
from govor.features import normalize
from govor.language import tr
from govor.manifest import Utterance
from govor.model import num_output_frames
from govor.ranks import Ranks
from govor.text.alphabet import Alphabet

Array = NDArray[np.float32]

# Padding to a multiple of this many frames lets the CPU kernels of one length be used again.
PAD_FRAMES = 32


@dataclass(frozen=True)
class Batch:
    """Padded utterances, ready for the network and the CTC loss."""

    features: Tensor
    """(B, T, F) float32, zero past the end."""
    feature_lengths: Tensor
    """(B,) int64."""
    labels: Tensor
    """All labels one after another, int64."""
    label_lengths: Tensor
    """(B,) int64."""
    texts: tuple[str, ...]
    ids: tuple[str, ...]

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on a device."""
        if device == self.features.device:
            return self
        names = ("features", "feature_lengths", "labels", "label_lengths")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


@dataclass(frozen=True)
class Left:
    """An utterance that cannot be trained on, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Source:
    """Utterances of one manifest and the share of them drawn in each epoch."""

    utterances: Sequence[Utterance]
    share: float = 1.0
    features: Sequence[Array] | None = None
    """Their features, where they are in memory already."""


@dataclass(frozen=True)
class Share:
    """What one part of the data gives to a step: a batch, not read yet."""

    part: int
    """Which of the batches that make the step."""
    items: Sequence[Item]
    data: Dataset

    def batch(self, epoch: int) -> Batch:
        """Read it."""
        return self.data.batch(self.items, epoch)


@dataclass(frozen=True)
class Block:
    """The steps of a piece of the data, as one process makes them."""

    steps: Sequence[Sequence[Share]]
    """A step may be empty here while other processes have something to do."""
    left_out: int = 0
    """Utterances that could not be used, in all processes."""


class TrainingData(Protocol):
    """What a training reads: all in memory (`Dataset`) or a stream of shards (`ShardDataset`)."""

    @property
    def fingerprint(self) -> str:
        """Digest of what is trained on."""

    @property
    def hours(self) -> float:
        """Hours of features, pauses left out."""

    def __len__(self) -> int: ...

    def texts(self) -> Iterator[str]:
        """Yield texts that show how letters follow each other."""

    def num_blocks(self, num_parts: int) -> int:
        """Return how many pieces an epoch is read in."""

    def block(self, epoch: int, number: int, num_parts: int, ranks: Ranks) -> Block:
        """Plan a piece, each of whose steps is made of `num_parts` batches divided among `ranks`."""


class Dataset:
    """Utterances that CTC can align, their features read when asked for."""

    def __init__(
        self,
        sources: Sequence[Source],
        config: Config,
        alphabet: Alphabet,
        *,
        augment: bool,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        salt: tuple[int, ...] = (),
    ) -> None:
        # Goes into every random draw, so that one piece of a corpus does not repeat the draws of another.
        self.salt = salt
        self.config = config
        self.alphabet = alphabet
        self.utterances: list[Utterance] = []
        self.num_frames: list[int] = []
        self.min_frames: list[int] = []
        self.shares: list[float] = []
        self.left: list[Left] = []
        self._ready: dict[int, Array] = {}
        total = sum(len(source.utterances) for source in sources)
        done = 0
        for source in sources:
            for number, utterance in enumerate(source.utterances):
                ready = source.features[number] if source.features is not None else None
                self._add(utterance, source.share, ready)
                done += 1
                on_progress(done, total)
        self.examples = (
            Examples(config, self.utterances, self.num_frames, self.features, salt) if augment else None
        )

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def fingerprint(self) -> str:
        """Digest of what is trained on; two datasets with the same one give the same batches."""
        digest = hashlib.sha256()
        for utterance, frames, share in zip(self.utterances, self.num_frames, self.shares, strict=True):
            row = [utterance.id, utterance.text, frames, share, *utterance.cuts]
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()

    def texts(self) -> Iterator[str]:
        """Yield the text of every utterance."""
        return (utterance.text for utterance in self.utterances)

    @property
    def hours(self) -> float:
        """Hours of features held, pauses left out."""
        return sum(self.num_frames) * self.config.features.frame_shift / 3600

    def _add(self, utterance: Utterance, share: float, ready: Array | None) -> None:
        reason, needed = check_text(utterance.text, self.alphabet)
        features = ready
        if not reason and features is None:
            try:
                features = load_utterance(utterance, self.config.features)
            except (ValueError, OSError) as error:
                reason = str(error)
        if not reason and features is not None:
            if features.shape[1] != self.config.network.num_features:
                wanted = self.config.network.num_features
                reason = tr(
                    f"в кадре {features.shape[1]} признаков, а сеть берёт {wanted}",
                    f"{features.shape[1]} features a frame, the network takes {wanted}",
                )
            elif (frames := num_output_frames(len(features), self.config.network)) < needed:
                reason = tr(
                    f"короче своего текста: выходных кадров {frames}, а нужно {needed}",
                    f"too short for its text: {frames} output frames, {needed} needed",
                )
        if reason or features is None:
            self.left.append(Left(utterance.id, reason))
            return
        if ready is not None or utterance.audio_filepath is not None:
            self._ready[len(self.utterances)] = features
        self.utterances.append(utterance)
        self.num_frames.append(len(features))
        self.min_frames.append(needed * self.config.network.stride)
        self.shares.append(share)

    def features(self, index: int) -> Array:
        """Return the features (T, F) of an utterance, neither changed nor normalised."""
        ready = self._ready.get(index)
        return load_utterance(self.utterances[index], self.config.features) if ready is None else ready

    def draw(self, epoch: int) -> list[int]:
        """Choose an epoch's utterances: the share of each source, at most `max_readings` of a sentence."""
        rng = np.random.default_rng((self.config.training.seed, epoch, 1, *self.salt))
        chosen = np.flatnonzero(rng.random(len(self)) < np.asarray(self.shares))
        limit = self.config.training.max_readings
        if not limit:
            return [int(index) for index in chosen]
        readings: defaultdict[str, int] = defaultdict(int)
        drawn = []
        for index in rng.permutation(chosen):
            text = self.utterances[index].text
            readings[text] += 1
            if readings[text] <= limit:
                drawn.append(int(index))
        return sorted(drawn)

    def plan(self, epoch: int) -> list[list[Item]]:
        """Group an epoch's utterances into batches of like length; the same for the same seed and epoch."""
        return [batch for group in self.groups(epoch, 1) for batch in group]

    def groups(self, epoch: int, num_parts: int) -> list[list[list[Item]]]:
        """Return the batches of an epoch by steps: `num_parts` of like length each, the last maybe fewer."""
        batches, rng = self._batches(epoch)
        groups = [batches[start : start + num_parts] for start in range(0, len(batches), num_parts)]
        if epoch >= self.config.training.curriculum_epochs:
            rng.shuffle(groups)
        return groups

    def by_length(self, epoch: int) -> list[list[Item]]:
        """Return the batches of an epoch from the shortest to the longest utterances."""
        return self._batches(epoch)[0]

    def _batches(self, epoch: int) -> tuple[list[list[Item]], np.random.Generator]:
        rng = np.random.default_rng((self.config.training.seed, epoch, 2, *self.salt))
        items = self._join(self.draw(epoch), rng) if self.examples else [(i,) for i in self.draw(epoch)]
        # A little disorder in the lengths, so that batches differ from epoch to epoch.
        exact = {item: self._length(item, epoch) for item in items}
        lengths = {item: exact[item] * rng.uniform(0.95, 1.05) for item in items}
        return self._group(sorted(items, key=lengths.__getitem__), exact), rng

    def num_blocks(self, num_parts: int) -> int:
        """Return 1: all of it is in memory."""
        return 1

    def block(self, epoch: int, number: int, num_parts: int, ranks: Ranks) -> Block:
        """Plan an epoch, each of whose steps is made of `num_parts` batches divided among `ranks`."""
        return Block(
            [
                [
                    Share(part, group[part], self)
                    for part in range(ranks.rank, min(num_parts, len(group)), ranks.size)
                ]
                for group in self.groups(epoch, num_parts)
            ]
        )

    def in_order(self) -> list[list[Item]]:
        """Group all utterances into batches of like length, for evaluation."""
        ordered = [(i,) for i in sorted(range(len(self)), key=self.num_frames.__getitem__)]
        return self._group(ordered, {item: self.num_frames[item[0]] for item in ordered})

    def _join(self, drawn: Sequence[int], rng: np.random.Generator) -> list[Item]:
        """Join some utterances in pairs: who knows sentences by heart cannot foresee what follows."""
        augment = self.config.augment
        longest = augment.join_seconds / self.config.features.frame_shift
        waiting: list[int] = []
        items: list[Item] = []
        for index in rng.permutation(np.asarray(drawn, dtype=np.int64)):
            if rng.random() >= augment.join:
                items.append((int(index),))
            elif waiting and self._joined((waiting[-1], int(index))) <= longest and self._has_spare(index):
                items.append((int(index), waiting.pop()))
            else:
                waiting.append(int(index))
        return items + [(index,) for index in waiting]

    def _has_spare(self, index: int) -> bool:
        """Tell whether an utterance has a frame over for the space behind it, for a pair."""
        return self.num_frames[index] >= self.min_frames[index] + self.config.network.stride

    def _joined(self, item: Item) -> int:
        return sum(self.num_frames[index] for index in item)

    def _length(self, item: Item, epoch: int) -> int:
        return self.examples.length(item, epoch) if self.examples else self._joined(item)

    def _group(self, ordered: Sequence[Item], lengths: Mapping[Item, int]) -> list[list[Item]]:
        limit = self.config.training.batch_seconds / self.config.features.frame_shift
        batches: list[list[Item]] = []
        longest = 0
        for item in ordered:
            longest = max(longest, lengths[item])
            if not batches or longest * (len(batches[-1]) + 1) > limit:
                batches.append([])
                longest = lengths[item]
            batches[-1].append(item)
        return batches

    def batch(self, items: Sequence[Item], epoch: int = 0) -> Batch:
        """Read, change and pad utterances. Depends on nothing but the seed, the epoch and the items."""
        examples = [self._example(item, epoch) for item in items]
        rows = [torch.from_numpy(normalize(example.features)) for example in examples]
        texts = [example.text for example in examples]
        labels = [self.alphabet.encode(text) for text in texts]
        longest = max(len(row) for row in rows)
        padded = torch.zeros(len(rows), -(-longest // PAD_FRAMES) * PAD_FRAMES, rows[0].shape[1])
        for row, values in zip(padded, rows, strict=True):
            row[: len(values)] = values
        return Batch(
            features=padded,
            feature_lengths=torch.tensor([len(row) for row in rows]),
            labels=torch.tensor([label for row in labels for label in row]),
            label_lengths=torch.tensor([len(row) for row in labels]),
            texts=tuple(texts),
            ids=tuple("+".join(self.utterances[index].id for index in item) for item in items),
        )

    def _example(self, item: Item, epoch: int) -> Spliced:
        if self.examples is not None:
            return self.examples.example(item, epoch)
        (index,) = item
        return Spliced(self.features(index), self.utterances[index].text)


def check_text(text: str, alphabet: Alphabet) -> tuple[str, int]:
    """Return why a text cannot be trained on ("" if it can) and the output frames CTC needs for it."""
    if not text:
        return tr("нет текста", "no text"), 0
    missing = alphabet.missing(text)
    if missing:
        listed = " ".join(sorted(missing))
        return tr(f"символы не из алфавита: {listed}", f"symbols outside the alphabet: {listed}"), 0
    return "", num_label_frames(text)
