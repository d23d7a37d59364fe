"""Manifests -> batches: what is drawn in an epoch, in which order, and how it is padded."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from govor.augment import Augmenter
from govor.config import Config
from govor.corpora.utterances import load_utterance
from govor.features import normalize
from govor.language import tr
from govor.manifest import Utterance
from govor.model import num_output_frames
from govor.text import Alphabet

Array = NDArray[np.float32]

Item = tuple[int, ...]
"""Numbers of the utterances that are read as one, joined end to end."""

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
    ) -> None:
        self.config = config
        self.alphabet = alphabet
        self.augmenter = Augmenter(config.augment, config.features) if augment else None
        self.utterances: list[Utterance] = []
        self.num_frames: list[int] = []
        self.min_frames: list[int] = []
        self.shares: list[float] = []
        self.left: list[Left] = []
        self._from_audio: dict[int, Array] = {}
        total = sum(len(source.utterances) for source in sources)
        done = 0
        for source in sources:
            for utterance in source.utterances:
                self._add(utterance, source.share)
                done += 1
                on_progress(done, total)

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def fingerprint(self) -> str:
        """Digest of what is trained on; two datasets with the same one give the same batches."""
        digest = hashlib.sha256()
        for utterance, frames, share in zip(self.utterances, self.num_frames, self.shares, strict=True):
            digest.update(json.dumps([utterance.id, utterance.text, frames, share]).encode())
        return digest.hexdigest()

    @property
    def hours(self) -> float:
        """Hours of features held, pauses left out."""
        return sum(self.num_frames) * self.config.features.frame_shift / 3600

    def _add(self, utterance: Utterance, share: float) -> None:
        reason, needed = check_text(utterance.text, self.alphabet)
        features: Array | None = None
        if not reason:
            try:
                features = load_utterance(utterance, self.config.features)
            except (ValueError, OSError) as error:
                reason = str(error)
        if features is not None:
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
        if utterance.audio_filepath is not None:
            self._from_audio[len(self.utterances)] = features
        self.utterances.append(utterance)
        self.num_frames.append(len(features))
        self.min_frames.append(needed * self.config.network.stride)
        self.shares.append(share)

    def features(self, index: int) -> Array:
        """Return the features (T, F) of an utterance, neither changed nor normalised."""
        ready = self._from_audio.get(index)
        return load_utterance(self.utterances[index], self.config.features) if ready is None else ready

    def draw(self, epoch: int) -> list[int]:
        """Choose an epoch's utterances: the share of each source, at most `max_readings` of a sentence."""
        rng = np.random.default_rng((self.config.training.seed, epoch, 1))
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
        training = self.config.training
        rng = np.random.default_rng((training.seed, epoch, 2))
        items = self._join(self.draw(epoch), rng) if self.augmenter else [(i,) for i in self.draw(epoch)]
        # A little disorder in the lengths, so that batches differ from epoch to epoch.
        lengths = {item: self._length(item) * rng.uniform(0.95, 1.05) for item in items}
        batches = self._group(sorted(items, key=lengths.__getitem__))
        if epoch >= training.curriculum_epochs:
            rng.shuffle(batches)
        return batches

    def in_order(self) -> list[list[Item]]:
        """Group all utterances into batches of like length, for evaluation."""
        return self._group([(i,) for i in sorted(range(len(self)), key=self.num_frames.__getitem__)])

    def _join(self, drawn: Sequence[int], rng: np.random.Generator) -> list[Item]:
        """Join some utterances in pairs: who knows sentences by heart cannot foresee what follows."""
        augment = self.config.augment
        longest = augment.join_seconds / self.config.features.frame_shift
        waiting: list[int] = []
        items: list[Item] = []
        for index in rng.permutation(np.asarray(drawn, dtype=np.int64)):
            if rng.random() >= augment.join:
                items.append((int(index),))
            elif waiting and self._length((waiting[-1], int(index))) <= longest and self._has_spare(index):
                items.append((int(index), waiting.pop()))
            else:
                waiting.append(int(index))
        return items + [(index,) for index in waiting]

    def _has_spare(self, index: int) -> bool:
        """Tell whether an utterance has a frame over for the space behind it, for a pair."""
        return self.num_frames[index] >= self.min_frames[index] + self.config.network.stride

    def _length(self, item: Item) -> int:
        return sum(self.num_frames[index] for index in item)

    def _group(self, ordered: Sequence[Item]) -> list[list[Item]]:
        limit = self.config.training.batch_seconds / self.config.features.frame_shift
        batches: list[list[Item]] = []
        longest = 0
        for item in ordered:
            longest = max(longest, self._length(item))
            if not batches or longest * (len(batches[-1]) + 1) > limit:
                batches.append([])
                longest = self._length(item)
            batches[-1].append(item)
        return batches

    def batch(self, items: Sequence[Item], epoch: int = 0) -> Batch:
        """Read, change and pad utterances. Depends on nothing but the seed, the epoch and the items."""
        rows = [torch.from_numpy(normalize(self._example(item, epoch))) for item in items]
        texts = [" ".join(self.utterances[index].text for index in item) for item in items]
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

    def _example(self, item: Item, epoch: int) -> Array:
        if self.augmenter is None:
            return np.concatenate([self.features(index) for index in item])
        rng = np.random.default_rng((self.config.training.seed, epoch, 3, *item))
        spare = self.config.network.stride if len(item) > 1 else 0
        parts = [self.augmenter(self.features(index), rng, self.min_frames[index] + spare) for index in item]
        # Two recordings differ in level and colour; bring the second to the mean of the first.
        first = parts[0].mean(axis=0)
        return np.concatenate([part - part.mean(axis=0) + first for part in parts])


def check_text(text: str, alphabet: Alphabet) -> tuple[str, int]:
    """Return why a text cannot be trained on ("" if it can) and the output frames CTC needs for it."""
    if not text:
        return tr("нет текста", "no text"), 0
    missing = alphabet.missing(text)
    if missing:
        listed = " ".join(sorted(missing))
        return tr(f"символы не из алфавита: {listed}", f"symbols outside the alphabet: {listed}"), 0
    # Between two equal letters CTC must put a blank.
    return "", len(text) + sum(a == b for a, b in pairwise(text))
