"""A corpus of sentences that nobody said, in the voices of a corpus whose words and phones are known."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govor.config import FeatureConfig
from govor.corpora.synthetic import is_alignable, save_features
from govor.corpora.utterances import load_utterance
from govor.corpora.voices import pronounce_espeak
from govor.errors import ConfigError, GovorError
from govor.language import tr
from govor.manifest import Utterance
from govor.recombination.phone_alignment import ROUNDS, PhoneAligner, Pronounced
from govor.recombination.phone_mapping import PhoneMapping
from govor.recombination.pronunciation import Phones
from govor.recombination.unit_selection import Inventory, Recorded, describe_voices, spell

TRAINING_RECORDINGS = 1700
"""So many recordings teach the aligner what phones sound like."""
RECORDINGS_OF_A_VOICE = 150
"""A speaker with fewer recordings borrows from the voices that are most alike."""
MOST_OF_A_SPEAKER = 60
"""More recordings of one speaker do not make a voice richer, only slower."""
PAUSE_SHARE = 0.08
"""How often there is a pause between two words."""
MAX_SECONDS = 18.0
WORDS_AT_A_TIME = 5000
"""So many words are given to espeak-ng in one run, about a second."""

Pronunciations = Mapping[str, Phones]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Voices:
    """The speakers of a corpus: what each has said, and how alike they are."""

    recordings: Mapping[str, Sequence[Recorded]]
    names: Sequence[str]
    likeness: NDArray[np.float32]
    """(N, D): near rows are voices that are alike."""

    def inventory(self, number: int) -> Inventory:
        """Return what a speaker and those most like them have said."""
        distance = np.square(self.likeness - self.likeness[number]).sum(axis=1)
        chosen: list[Recorded] = []
        for other in np.argsort(distance, kind="stable"):
            chosen += self.recordings[self.names[other]][:MOST_OF_A_SPEAKER]
            if len(chosen) >= RECORDINGS_OF_A_VOICE:
                break
        return Inventory(chosen)


def pronounce_more(
    pronunciations: Pronunciations, words: Sequence[str], progress: Progress | None = None
) -> dict[str, Phones]:
    """Return the dictionary with further words, pronounced by espeak-ng in the phones of the dictionary.

    What stands for what is learnt from the words of the dictionary. `progress` is called with how much is
    done of how much. Raises MissingExtraError without espeak-ng.
    """
    taught = [word for word in pronunciations if word.isalpha()]
    new = [word for word in words if word not in pronunciations and word.isalpha()]
    total = len(taught) + len(new)
    heard: list[Phones] = []
    asked = [*taught, *new]
    for start in range(0, total, WORDS_AT_A_TIME):
        heard += pronounce_espeak(asked[start : start + WORDS_AT_A_TIME])
        if progress is not None:
            progress(len(heard), total)
    mapping = PhoneMapping()
    mapping.learn(
        [(phones, pronunciations[word]) for word, phones in zip(taught, heard, strict=False) if phones]
    )
    found = dict(pronunciations)
    for word, phones in zip(new, heard[len(taught) :], strict=True):
        if mapped := mapping(phones):
            found[word] = mapped
    return found


def pronounceable(utterances: Iterable[Utterance], pronunciations: Pronunciations) -> list[Utterance]:
    """Return the utterances that have words, all of them in the dictionary."""
    return [
        utterance
        for utterance in utterances
        if utterance.text.split() and all(word in pronunciations for word in utterance.text.split())
    ]


def hear_voices(
    utterances: Sequence[Utterance],
    pronunciations: Pronunciations,
    config: FeatureConfig,
    seed: int = 1,
    progress: Progress | None = None,
) -> Voices:
    """Find the phones of all recordings that can be read; the dictionary must have all of their words.

    Utterances with `cuts` help to begin. `progress` is called with how much is done of how much.
    Raises ConfigError if there is nothing to begin with.
    """
    known = list(_pronounced(utterances, pronunciations, config))
    # Alignment is quicker with recordings of like length side by side.
    known.sort(key=lambda entry: len(entry[1].features))
    taught = [pronounced for _, pronounced in known[:: max(len(known) // TRAINING_RECORDINGS, 1)]]
    aligner = PhoneAligner([phone for phones in pronunciations.values() for phone in phones])
    total = ROUNDS * len(taught) + len(known)
    done = 0
    for _ in aligner.train(taught, seed=seed):
        done += len(taught)
        if progress is not None:
            progress(done, total)
    recordings: defaultdict[str, list[Recorded]] = defaultdict(list)
    aligned = aligner.align([pronounced for _, pronounced in known])
    for (speaker, pronounced), spans in zip(known, aligned, strict=True):
        if spans:
            recordings[speaker].append(Recorded(pronounced.features, spans))
        done += 1
        if progress is not None:
            progress(done, total)
    # Of a speaker with many recordings not only the shortest are taken.
    rng = np.random.default_rng(seed)
    mixed = {
        speaker: [own[i] for i in rng.permutation(len(own))] for speaker, own in sorted(recordings.items())
    }
    return Voices(mixed, *describe_voices(mixed))


def recombine(
    voices: Voices,
    sentences: Sequence[str],
    pronunciations: Pronunciations,
    folder: Path,
    count: int,
    frame_shift: float,
    seed: int = 1,
) -> Iterator[Utterance]:
    """Let the voices in turn say up to `count` normalised sentences, each at most once, and yield them.

    The features lie in `folder`. A sentence waits until a voice comes that has all of its pairs of phones.
    """
    rng = np.random.default_rng(seed)
    waiting = deque(
        sentence for sentence in sentences if all(word in pronunciations for word in sentence.split())
    )
    folder.mkdir(parents=True, exist_ok=True)
    made = 0
    for turn, number in enumerate(rng.permutation(len(voices.names))):
        inventory = voices.inventory(int(number))
        own = voices.recordings[voices.names[number]]
        wanted = (count - made) // (len(voices.names) - turn)
        for _ in range(len(waiting)):
            if wanted <= 0:
                break
            sentence = waiting.popleft()
            words = [pronunciations[word] for word in sentence.split()]
            pauses = [i for i in range(1, len(words)) if rng.random() < PAUSE_SHARE]
            phones = next((p for p in (spell(words, pauses), spell(words)) if inventory.has(p)), None)
            if phones is None:
                waiting.append(sentence)
                continue
            level = own[int(rng.integers(len(own)))].features.mean(axis=0)
            values = inventory.speak(phones, rng) + level
            duration = len(values) * frame_shift
            if duration > MAX_SECONDS or not is_alignable(len(values), sentence):
                continue
            path = folder / f"{made:06d}.mfc"
            save_features(path, values)
            yield Utterance(
                f"recombined-{seed}-{made:06d}", duration, sentence, voices.names[number], features=path
            )
            made, wanted = made + 1, wanted - 1


def _pronounced(
    utterances: Sequence[Utterance], pronunciations: Pronunciations, config: FeatureConfig
) -> Iterator[tuple[str, Pronounced]]:
    found = False
    for utterance in utterances:
        try:
            values = load_utterance(utterance, config)
        except (GovorError, OSError):
            # Training names what cannot be read; here the others are enough.
            continue
        found = True
        cuts = tuple(min(round(cut / config.frame_shift), len(values)) for cut in utterance.cuts)
        words = tuple(pronunciations[word] for word in utterance.text.split())
        yield utterance.speaker, Pronounced(values, words, cuts)
    if not found:
        raise ConfigError(
            tr(
                "не прочесть ни одной записи, все слова которой есть в словаре",
                "none of the recordings all of whose words are in the dictionary can be read",
            )
        )
