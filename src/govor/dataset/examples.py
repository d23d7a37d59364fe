"""What is heard of an utterance in an epoch: itself, joined to another, cut out, spliced, changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from govor.config import Config
from govor.dataset.augment import Augmenter
from govor.dataset.splicing import TAIL_FRAMES, Excerpt, Spliced, Splicer
from govor.manifest import Utterance

Array = NDArray[np.float32]

Item = tuple[int, ...]
"""Numbers of the utterances that are read as one, joined end to end."""


def num_label_frames(text: str) -> int:
    """Return the output frames that CTC needs for a text: between two equal letters it must put a blank."""
    return len(text) + sum(a == b for a, b in pairwise(text))


class Examples:
    """Makes training examples. Depends on nothing but the seed, the epoch and the item."""

    def __init__(
        self,
        config: Config,
        utterances: Sequence[Utterance],
        num_frames: Sequence[int],
        read: Callable[[int], Array],
        salt: tuple[int, ...],
    ) -> None:
        """Take utterances, their lengths and what reads the features (T, F) of the one of that number."""
        self.config, self.utterances, self.num_frames, self.read = config, utterances, num_frames, read
        self.salt = salt
        self.augmenter = Augmenter(config.augment, config.features)
        self.splicer = Splicer(utterances, read, config.features.frame_shift)

    def length(self, item: Item, epoch: int) -> int:
        """Return about how many frames an item will have, before its speed is changed."""
        excerpt = self._excerpt(item, epoch)
        if excerpt is not None:
            return excerpt.stop - excerpt.start + TAIL_FRAMES
        return sum(self.num_frames[index] for index in item)

    def example(self, item: Item, epoch: int) -> Spliced:
        """Return what is trained on: features (T, F), not normalised, and their text."""
        rng = self._rng(3, epoch, item)
        if self.config.augment.silence and rng.random() < self.config.augment.silence:
            return Spliced(self.augmenter.silence(self.read(item[0]), rng), "")
        stride = self.config.network.stride
        spare = stride if len(item) > 1 else 0
        parts, texts = [], []
        for index in item:
            said = self._said(item, index, epoch, spare, rng)
            needed = num_label_frames(said.text) * stride
            parts.append(self.augmenter(said.features, rng, needed + spare))
            texts.append(said.text)
        # Two recordings differ in level and colour; bring the second to the mean of the first.
        first = parts[0].mean(axis=0)
        joined = np.concatenate([part - part.mean(axis=0) + first for part in parts])
        return Spliced(joined, " ".join(texts))

    def _said(self, item: Item, index: int, epoch: int, spare: int, rng: np.random.Generator) -> Spliced:
        whole = Spliced(self.read(index), self.utterances[index].text)
        excerpt = self._excerpt(item, epoch)
        if excerpt is not None:
            made = self.splicer.cut_out(index, excerpt, rng)
        elif (
            self.config.augment.splice
            and self.splicer.can_splice(index)
            and rng.random() < self.config.augment.splice
        ):
            made = self.splicer(index, rng)
        else:
            return whole
        stride = self.config.network.stride
        fits = -(-(len(made.features) - spare) // stride) >= num_label_frames(made.text)
        return made if fits else whole

    def _excerpt(self, item: Item, epoch: int) -> Excerpt | None:
        crop = self.config.augment.crop
        if not crop or len(item) > 1 or not self.utterances[item[0]].cuts:
            return None
        rng = self._rng(4, epoch, item)
        if rng.random() >= crop:
            return None
        return self.splicer.draw_excerpt(item[0], self.num_frames[item[0]], rng)

    def _rng(self, purpose: int, epoch: int, item: Item) -> np.random.Generator:
        return np.random.default_rng((self.config.training.seed, epoch, purpose, *self.salt, *item))
