"""The studio's folder of recordings: take in what the page recorded, judge it, keep it, look it over."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from govor.audio.loading import Samples, load_audio
from govor.audio.microphone import Block
from govor.corpora.audit import Audit, Recognize, audit_corpus
from govor.corpora.prompts import check_phrase, propose
from govor.corpora.recordings import MANIFEST, RecordingFolder, Speaker
from govor.corpora.takes import Problem, Take, find_problems, record_take
from govor.errors import GovorError, ManifestError
from govor.language import tr
from govor.manifest import BadLine, Utterance, read_manifest
from govor.speech.endpointing import EndpointConfig, Endpointer
from govor.text.alphabet import normalize

SAMPLE_RATE = 16000
LONGEST_SECONDS = 60.0
_BLOCK = 512
# Whoever presses "done" leaves this much after the last sound, or has cut it off.
_LEAST_TAIL_SECONDS = 0.1
# `govor record` may use the folder when the page has kept nothing for so long.
_IDLE_SECONDS = 120.0


@dataclass(frozen=True)
class Judged:
    """A take as it would be kept, and what speaks against it."""

    take: Take
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Kept:
    """What became of a phrase: an utterance, or problems."""

    utterance: Utterance | None
    judged: Judged


def judge(phrase: str, samples: Samples) -> Judged:
    """Cut the phrase out of what the page recorded, (N,) float32 at 16 kHz, and look for problems.

    The page decides when to stop, so pauses inside the phrase end nothing here. Raises ManifestError for a
    phrase that cannot be read aloud in one way.
    """
    phrase = check_phrase(phrase)
    samples = samples[: round(LONGEST_SECONDS * SAMPLE_RATE)]
    blocks = [Block(samples[start : start + _BLOCK]) for start in range(0, len(samples), _BLOCK)]
    endpointer = Endpointer(SAMPLE_RATE, EndpointConfig(silence_seconds=2 * LONGEST_SECONDS))
    take = record_take(blocks, SAMPLE_RATE, phrase, start_timeout=LONGEST_SECONDS, endpointer=endpointer)
    if len(take.samples):
        tail = take.duration - take.speech_end
        take = replace(take, ended=tail >= _LEAST_TAIL_SECONDS)
    return Judged(take, find_problems(take, phrase))


class StudioCorpus:
    """The recordings in one folder. May be used from several threads."""

    def __init__(self, root: Path) -> None:
        """Use `root`; it is made when the first phrase is kept."""
        self.root = root
        self._lock = threading.RLock()
        self._open: RecordingFolder | None = None
        self._timer: threading.Timer | None = None

    @property
    def manifest(self) -> Path:
        """The manifest, which need not exist yet."""
        return self.root / MANIFEST

    def utterances(self) -> list[Utterance]:
        """Return what is recorded, oldest first; lines that somebody has broken are left out."""
        bad: list[BadLine] = []
        return list(read_manifest(self.manifest, bad)) if self.manifest.exists() else []

    def prompts(self, count: int, speaker: str, phrases: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Return up to `count` phrases to read, and why some of `phrases` cannot be read.

        The speaker's own `phrases` come first, then what adds the most new sounds; recorded ones never.
        """
        done = {item.text for item in self.utterances() if item.speaker == speaker}
        wanted: dict[str, str] = {}
        refused: dict[str, str] = {}
        for phrase in phrases:
            try:
                tidy = check_phrase(phrase)
            except ManifestError as error:
                refused[phrase] = str(error)
                continue
            if normalize(tidy) not in done:
                wanted.setdefault(normalize(tidy), tidy)
        chosen = list(wanted.values())[:count]
        return chosen + propose(count - len(chosen), done | set(wanted)), refused

    def keep(self, phrase: str, samples: Samples, speaker: Speaker, microphone: str = "") -> Kept:
        """Judge a take and, without problems, add it to the corpus.

        A take that is there already is not added twice: the page sends it again when no answer came.
        Raises GovorError if another program records into the folder, OSError if the disk refuses.
        """
        judged = judge(phrase, samples)
        if judged.problems:
            return Kept(None, judged)
        with self._lock:
            # Opening finishes what a killed server was keeping, so it comes before the search.
            folder = self._folder(speaker, microphone)
            known = self._find_same(phrase, judged.take.samples)
            return Kept(known or folder.keep(phrase, judged.take.samples), judged)

    def find(self, utterance_id: str) -> Utterance:
        """Return the recording of that id. Raises ManifestError: ids not in the manifest lead nowhere."""
        for item in self.utterances():
            if item.id == utterance_id and item.audio_filepath is not None:
                return item
        raise ManifestError(tr("такой записи нет", "there is no such recording"))

    def remove(self, utterance_id: str) -> None:
        """Delete a recording. Raises as `keep` and `find`."""
        with self._lock:
            self._folder(self._open.speaker if self._open else Speaker("speaker")).remove(utterance_id)

    def audit(self, recognize: Recognize | None, on_progress: Callable[[int], None]) -> Audit:
        """Look all recordings over; see `govor.corpora.audit`."""
        return audit_corpus(self.utterances(), recognize, on_progress)

    def close(self) -> None:
        """Let other programs record into the folder."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            if self._open is not None:
                self._open.close()
                self._open = None

    def tidy(self) -> None:
        """Finish what a killed server was doing to the folder, unless another program is at it."""
        with self._lock, contextlib.suppress(GovorError):
            if self.manifest.parent.exists():
                self._folder(Speaker("speaker"))
                self.close()

    def _folder(self, speaker: Speaker, microphone: str = "") -> RecordingFolder:
        if self._open is not None and self._open.speaker != speaker:
            self.close()
        if self._open is None:
            self._open = RecordingFolder(self.root, speaker, SAMPLE_RATE, microphone)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(_IDLE_SECONDS, self.close)
        self._timer.daemon = True
        self._timer.start()
        return self._open

    def _find_same(self, phrase: str, samples: Samples) -> Utterance | None:
        text = normalize(check_phrase(phrase))
        for item in self.utterances():
            if item.text != text or item.audio_filepath is None or not item.audio_filepath.exists():
                continue
            known = load_audio(item.audio_filepath, SAMPLE_RATE).samples
            # 16 bits round: half a step, and one more at full scale.
            if len(known) == len(samples) and float(np.abs(known - samples).max(initial=0.0)) < 2 / 32768:
                return item
        return None
