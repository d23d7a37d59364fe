"""Synthetic speech: sentences spoken by festival and espeak-ng, varied into many voices, rooms and devices.

Also makes varied copies of real recordings. The results are feature manifests, written shard by shard.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.audio.loading import load_audio
from govor.config import FEATURE_PRESETS, FeatureConfig
from govor.corpora.variation import Samples, change_voice, draw_variation, vary
from govor.corpora.voices import Speech, speak_espeak, speak_festival
from govor.errors import AudioError, InputNotFoundError, ManifestError
from govor.features import extract, save_mfc
from govor.language import tr
from govor.manifest import Utterance, read_manifest, write_manifest
from govor.text.alphabet import is_speakable, normalize

NUM_OTHERS = 12
"""How many recordings the babble is mixed of."""
RECORDING_RATE = 16000
"""Recordings are read at this rate before they are varied, Hz."""
RUN_SIZE = 250
"""Sentences for one run of festival, which takes long to start and keeps its memory."""
SEMITONES_OF_A_MAN = (-3.0, 6.0)
"""How far a man's voice can be moved and still sound like somebody."""

Progress = Callable[[int, float], None]
"""Called after each utterance with how many there are and how many seconds of features."""


@dataclass(frozen=True)
class Skipped:
    """A sentence or recording that was left out, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Production:
    """What was made: a manifest and the features it names."""

    manifest: Path
    num_utterances: int
    duration: float
    """Seconds of features."""
    skipped: tuple[Skipped, ...]


def vary_recordings(
    manifest: Path,
    made: Path,
    copies: int,
    seed: int = 1,
    semitones: tuple[float, float] = (-3.0, 3.0),
    config: FeatureConfig = FEATURE_PRESETS["sphinx8k"],
    progress: Progress | None = None,
) -> Production:
    """Turn the recordings of `manifest` into the feature manifest `made`, the features in a folder beside.

    With `copies` 0 the recordings stay as they are; else each is varied that many times. A recording that
    cannot be used is left out and named in the result. Raises InputNotFoundError without the manifest.
    """
    maker = _Maker(made, config, seed, semitones, progress)
    used: set[str] = set()
    for utterance in read_manifest(manifest):
        if utterance.audio_filepath is None:
            maker.skip(utterance.id, tr("нет звука", "there is no audio"))
            continue
        if not is_speakable(utterance.text):
            unclear = tr("в тексте цифры или латиница", "the text has digits or Latin letters")
            maker.skip(
                utterance.id,
                f"{unclear}: {utterance.text!r}" if utterance.text else tr("нет текста", "no text"),
            )
            continue
        try:
            waveform = load_audio(utterance.audio_filepath, RECORDING_RATE)
        except (AudioError, InputNotFoundError) as error:
            maker.skip(utterance.id, str(error))
            continue
        if waveform.warnings:
            # The text says more than can be heard.
            maker.skip(utterance.id, "; ".join(waveform.warnings))
            continue
        # Recordings of one name in different folders must not overwrite each other's features.
        name = stem = utterance.audio_filepath.stem
        while name in used:
            name = f"{stem}-{len(used) + 1}"
        used.add(name)
        speech = Speech(name, normalize(utterance.text), utterance.speaker, waveform.samples, RECORDING_RATE)
        maker.hear(speech)
        for copy in range(copies):
            maker.make(speech, f"{name}-v{copy + 1}", varied=True)
        if not copies:
            maker.make(speech, name, varied=False)
    return maker.finish()


def synthesize(
    sentences: Sequence[str],
    made: Path,
    seed: int = 1,
    espeak_share: float = 0.08,
    config: FeatureConfig = FEATURE_PRESETS["sphinx8k"],
    progress: Progress | None = None,
) -> Production:
    """Speak normalised sentences, vary each, and write the feature manifest `made`, features beside it.

    `espeak_share` of them are said by espeak-ng, the rest by festival. The same arguments give the same data.
    What could not be said or is too short to align is left out and named in the result.
    Raises MissingExtraError naming the Debian package if festival, its voice, espeak-ng or sox is missing.
    """
    maker = _Maker(made, config, seed, SEMITONES_OF_A_MAN, progress)
    for start in range(0, len(sentences), RUN_SIZE):
        named = [
            (f"{made.stem}-{start + index:05d}", text)
            for index, text in enumerate(sentences[start : start + RUN_SIZE])
        ]
        num_espeak = round(len(named) * espeak_share)
        failed: list[tuple[str, str]] = []
        festival = speak_festival(named[num_espeak:], failed)
        espeak = speak_espeak(named[:num_espeak], failed, seed + start)
        for speech in chain(festival, espeak):
            maker.hear(speech)
            maker.make(speech, speech.id, varied=True)
        for name, reason in failed:
            maker.skip(name, reason)
    return maker.finish()


def synthesize_shards(
    sentences: Sequence[str],
    folder: Path,
    seed: int = 1,
    shard_size: int = 2500,
    espeak_share: float = 0.08,
    config: FeatureConfig = FEATURE_PRESETS["sphinx8k"],
    progress: Progress | None = None,
) -> Iterator[Production]:
    """Make ``shard_000.jsonl`` and so on in `folder`, one after another, and yield each when it is whole.

    After every shard ``train.jsonl`` is written anew with all there are. Shards that exist are kept, so an
    interrupted run goes on where it was. Raises as `synthesize`, and ManifestError if the shards in `folder`
    were made with other arguments.
    """
    settings = {
        "seed": seed,
        "shard_size": shard_size,
        "espeak_share": espeak_share,
        "features": config.model_dump(mode="json"),
        "sentences_sha256": hashlib.sha256("\n".join(sentences).encode()).hexdigest(),
    }
    _claim(folder, settings)
    shards: list[Path] = []
    for index, start in enumerate(range(0, len(sentences), shard_size)):
        shard = folder / f"shard_{index:03d}.jsonl"
        shards.append(shard)
        if shard.exists():
            continue
        part = sentences[start : start + shard_size]
        # A seed of its own for each shard; the names of the utterances differ as well.
        production = synthesize(part, shard, seed + index, espeak_share, config, progress)
        write_manifest(folder / "train.jsonl", chain.from_iterable(read_manifest(path) for path in shards))
        yield production


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Note what the shards of a folder are made with, or raise ManifestError where that is something else."""
    path = folder / "settings.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        return
    except ValueError:
        known = {}
    different = [key for key in settings if not isinstance(known, dict) or known.get(key) != settings[key]]
    if different:
        names = ", ".join(different)
        raise ManifestError(
            tr(
                f"{folder}: начато с другими настройками ({names}): укажите другую папку или удалите эту",
                f"{folder}: begun with other settings ({names}): name another folder or remove this one",
            )
        )


def is_alignable(num_frames: int, text: str, stride: int = 3) -> bool:
    """Tell whether CTC can align `text` with `num_frames` features of which every `stride` make an output.

    Each letter needs an output frame, and a blank must part two equal letters.
    """
    repeats = sum(first == second for first, second in pairwise(text))
    return num_frames // stride >= len(text) + repeats


class _Maker:
    """Collects the utterances of one manifest, which appears when it is finished, whole."""

    def __init__(
        self,
        manifest: Path,
        config: FeatureConfig,
        seed: int,
        semitones: tuple[float, float],
        progress: Progress | None,
    ) -> None:
        self.manifest, self.config, self.seed = manifest, config, seed
        self.semitones, self.progress = semitones, progress
        self.folder = manifest.with_suffix("")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.utterances: list[Utterance] = []
        self.skipped: list[Skipped] = []
        self.others: list[Samples] = []
        self.duration = 0.0

    def hear(self, speech: Speech) -> None:
        """Keep the first recordings as the people who talk in the background."""
        if len(self.others) < NUM_OTHERS:
            self.others.append(change_voice(speech.waveform, speech.sample_rate, self.config.sample_rate))

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(name, reason))

    def make(self, speech: Speech, name: str, varied: bool) -> None:
        """Write the features of one recording, or skip it with the reason."""
        try:
            values = compute_features(self._sound(speech, name, varied), self.config)
        except AudioError as error:
            self.skip(name, str(error))
            return
        num_frames, num_letters = len(values), len(speech.text)
        if not is_alignable(num_frames, speech.text):
            self.skip(
                name,
                tr(
                    f"слишком коротко: {num_frames} кадров на {num_letters} букв",
                    f"too short: {num_frames} frames for {num_letters} letters",
                ),
            )
            return
        path = self.folder / f"{name}.mfc"
        save_features(path, values)
        duration = num_frames * self.config.frame_shift
        self.duration += duration
        self.utterances.append(Utterance(name, duration, speech.text, speech.speaker, features=path))
        if self.progress is not None:
            self.progress(len(self.utterances), self.duration)

    def _sound(self, speech: Speech, name: str, varied: bool) -> Samples:
        rate = self.config.sample_rate
        if not varied:
            return change_voice(speech.waveform, speech.sample_rate, rate)
        # Seeded by the name: a sentence sounds the same however many others are made with it.
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        variation = draw_variation(rng, self.semitones)
        return vary(speech.waveform, speech.sample_rate, rate, variation, self.others)

    def finish(self) -> Production:
        """Write the manifest."""
        count = write_manifest(self.manifest, self.utterances)
        return Production(self.manifest, count, self.duration, tuple(self.skipped))


def compute_features(waveform: Samples, config: FeatureConfig) -> NDArray[np.float32]:
    """Return the features (T, F) of a waveform (N,) at the sample rate of `config`."""
    return extract(waveform, config).values


def save_features(path: Path, values: NDArray[np.float32]) -> None:
    """Write features as a ``.mfc`` file."""
    save_mfc(path, values)
