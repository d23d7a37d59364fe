"""Split a corpus by speaker and by text, each utterance on its own: a larger corpus moves nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from govor.errors import ConfigError
from govor.language import tr
from govor.manifest import Utterance
from govor.text.alphabet import normalize

PARTS = ("train", "dev", "test_unseen_speaker", "test_unseen_text")


@dataclass(frozen=True)
class SplitRule:
    """Which share of speakers and sentences is held out; the hash of the seed and the name decides.

    A sentence that is held out is in ``test_unseen_text`` whoever reads it. All other readings of a speaker
    that is held out are in ``test_unseen_speaker`` or ``dev``. So no sentence of the one and no speaker of
    the others is in ``train``. Shares are of speakers and sentences, not of utterances.
    """

    seed: int = 1
    test_texts: float = 0.05
    test_speakers: float = 0.06
    dev_speakers: float = 0.06

    def __post_init__(self) -> None:
        shares = (self.test_texts, self.test_speakers, self.dev_speakers)
        if min(shares) < 0 or self.test_texts >= 1 or self.test_speakers + self.dev_speakers >= 1:
            raise ConfigError(
                tr(
                    f"доли частей {shares}: каждая от 0, вместе меньше 1",
                    f"shares {shares}: 0 or more, below 1",
                )
            )

    def part_of(self, speaker: str, text: str) -> str:
        """Return which of `PARTS` an utterance belongs to; е or ё, case, punctuation do not matter."""
        if self._place("text", normalize(text).replace("ё", "е").replace(" ", "")) < self.test_texts:
            return "test_unseen_text"
        place = self._place("speaker", speaker)
        if place < self.test_speakers:
            return "test_unseen_speaker"
        return "dev" if place < self.test_speakers + self.dev_speakers else "train"

    def part_of_utterance(self, utterance: Utterance) -> str:
        """Return which of `PARTS` an utterance belongs to; without a speaker its id stands for one."""
        return self.part_of(utterance.speaker or utterance.id, utterance.text)

    def _place(self, kind: str, name: str) -> float:
        """Return where a name falls in [0, 1), evenly."""
        digest = hashlib.sha256(f"{self.seed}\0{kind}\0{name}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") / 2**64
