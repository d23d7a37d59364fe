"""One's own recordings as a corpus: VoxForge submissions plus a manifest, whole after a kill at any moment.

A phrase is added in this order: the sound under a temporary name, the journal (from here on the phrase is
kept), the sound under its own name, the texts, the manifest, the journal removed. Opening the folder again
carries out a journal that was left, or removes the sound that has none.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import string
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from govor.audio.loading import Samples
from govor.corpora.prompts import check_phrase
from govor.errors import GovorError, ManifestError
from govor.language import tr
from govor.manifest import Utterance, read_manifest
from govor.text.alphabet import normalize

MANIFEST = "manifest.jsonl"
_JOURNAL = ".recording.json"
_REMOVAL = ".removing.json"
_SOUND = ".recording.wav"
_LOCK = ".recording.lock"
_ANONYMOUS = "anonymous"
_GENDERS = {"male": "Мужской", "female": "Женский", "": "Не указан"}


@dataclass(frozen=True)
class Speaker:
    """Who speaks, as VoxForge asks; the name is a part of a folder's name."""

    name: str
    gender: str = ""
    """``male``, ``female`` or empty."""
    age: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w{1,40}", self.name):
            raise ManifestError(
                tr(
                    f"имя диктора {self.name!r}: нужны буквы, цифры и _, не больше 40",
                    f"speaker name {self.name!r}: use letters, digits and _, 40 at most",
                )
            )
        if self.gender not in _GENDERS:
            raise ManifestError(
                tr(f"пол {self.gender!r}: male или female", f"gender {self.gender!r}: male or female")
            )


def login_name() -> str:
    """Return the user's login name as a speaker's name."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        name = ""
    return re.sub(r"\W+", "_", name)[:40] or "speaker"


class RecordingFolder:
    """A folder of own recordings, open for adding; one program at a time.

    Layout: ``SPEAKER-YYYYMMDD-xyz/{etc/PROMPTS,etc/prompts-original,etc/README,wav/ru_0001.wav,LICENSE}``, a
    new submission each time, beside ``manifest.jsonl``. Use it as a context manager.
    """

    def __init__(self, root: Path, speaker: Speaker, sample_rate: int = 16000, microphone: str = "") -> None:
        """Open `root`, making it if needed, and finish or undo what a killed program left there.

        Raises ManifestError if the manifest there is damaged, GovorError if another program records into it.
        """
        self.root = root
        self.speaker = speaker
        self.sample_rate = sample_rate
        self._microphone = microphone
        root.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(root)
        try:
            recover(root)
            path = root / MANIFEST
            self._utterances = list(read_manifest(path)) if path.exists() else []
        except BaseException:
            self._lock.close()
            raise
        self._submission = ""
        self._next_number = 1

    def __enter__(self) -> RecordingFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """All that the manifest holds, of every speaker."""
        return tuple(self._utterances)

    def recorded_texts(self) -> set[str]:
        """Return the normalised texts that this speaker has recorded here."""
        mine = (item for item in self._utterances if self._is_mine(item))
        return {item.text for item in mine}

    def keep(self, phrase: str, samples: Samples) -> Utterance:
        """Add a phrase with its sound (N,) float32 and return it; when this returns, it is on the disk.

        Raises ManifestError if `check_phrase` refuses the phrase, OSError if the disk refuses.
        """
        phrase = check_phrase(phrase)
        submission = self._submission or self._new_submission()
        name = f"ru_{self._next_number:04d}"
        _write_wav(self.root / _SOUND, samples, self.sample_rate)
        anonymous = self.speaker.name.lower() == _ANONYMOUS
        journal = {
            "submission": submission,
            "name": name,
            "phrase": phrase,
            "duration": len(samples) / self.sample_rate,
            # Two anonymous speakers are not one, so each submission of theirs stands alone.
            "speaker": submission if anonymous else self.speaker.name,
            "readme": self._readme(),
        }
        _write(self.root / _JOURNAL, json.dumps(journal, ensure_ascii=False))
        utterance = _carry_out(self.root, journal)
        self._submission = submission
        self._next_number += 1
        self._utterances.append(utterance)
        return utterance

    def remove(self, utterance_id: str) -> None:
        """Delete a phrase of any speaker with its sound; after a kill it is gone, or removed on opening.

        Raises ManifestError if the manifest has no such id of our making, OSError if the disk refuses.
        """
        submission, _, name = utterance_id.rpartition("/")
        wav = self.root / submission / "wav" / f"{name}.wav"
        if (utterance_id, wav) not in {(item.id, item.audio_filepath) for item in self._utterances}:
            raise ManifestError(tr(f"нет записи {utterance_id!r}", f"there is no recording {utterance_id!r}"))
        _write(self.root / _REMOVAL, json.dumps({"id": utterance_id}))
        _carry_out_removal(self.root, utterance_id)
        self._utterances = [item for item in self._utterances if item.id != utterance_id]

    def close(self) -> None:
        """Finish what an interrupted `keep` left and let other programs in. May be called twice."""
        if not self._lock.closed:
            try:
                recover(self.root)
            finally:
                self._lock.close()

    def _is_mine(self, item: Utterance) -> bool:
        if self.speaker.name.lower() == _ANONYMOUS:
            return item.speaker.lower().startswith(_ANONYMOUS)
        return item.speaker == self.speaker.name

    def _new_submission(self) -> str:
        rng = np.random.default_rng()
        while True:
            letters = "".join(rng.choice(list(string.ascii_lowercase), 3))
            name = f"{self.speaker.name}-{time.strftime('%Y%m%d')}-{letters}"
            if not (self.root / name).exists():
                return name

    def _readme(self) -> str:
        return "\n".join(
            [
                f"User Name:{self.speaker.name}",
                "",
                "Speaker Characteristics:",
                "",
                f"Gender: {_GENDERS[self.speaker.gender]}",
                f"Age Range: {self.speaker.age or 'Не указан'}",
                "Language: RU",
                "Pronunciation dialect: Не указан",
                "",
                "Recording Information:",
                "",
                f"Microphone type: {self._microphone or 'Не указан'}",
                "Audio Recording Software: govor",
                "",
                "File Info:",
                "",
                "File type: wav",
                f"Sampling Rate: {self.sample_rate}",
                "Sample rate format: 16",
                "Number of channels: 1",
                "",
            ]
        )


def recover(root: Path) -> None:
    """Finish the phrase that a killed program was adding to `root`, or remove what it had not yet kept."""
    for path in (root / _JOURNAL, root / _REMOVAL):
        if path.exists():
            try:
                journal = json.loads(path.read_text(encoding="utf-8"))
                if path.name == _REMOVAL:
                    _carry_out_removal(root, journal["id"])
                else:
                    _carry_out(root, journal)
            except (ValueError, KeyError, TypeError) as error:
                raise ManifestError(
                    tr(
                        f"{path} повреждён; удалите его и повторите",
                        f"{path} is damaged; delete it and try again",
                    )
                ) from error
        path.with_name(path.name + ".part").unlink(missing_ok=True)
    (root / _SOUND).unlink(missing_ok=True)


def _carry_out(root: Path, journal: dict[str, Any]) -> Utterance:
    """Do what the journal says; every step may have been done already."""
    folder = root / journal["submission"]
    name, phrase = journal["name"], journal["phrase"]
    wav = folder / "wav" / f"{name}.wav"
    for part in (folder / "etc", folder / "wav"):
        part.mkdir(parents=True, exist_ok=True)
    _write(folder / "etc" / "README", journal["readme"])
    _write(folder / "LICENSE", _LICENSE)
    if (root / _SOUND).exists():
        (root / _SOUND).replace(wav)
        _sync_folder(wav.parent)
    _add_line(folder / "etc" / "prompts-original", f"{name} {phrase}")
    heading = f"{journal['submission']}/mfc/{name}"
    _add_line(folder / "etc" / "PROMPTS", f"{heading} {normalize(phrase).upper()}")
    utterance = Utterance(
        id=f"{journal['submission']}/{name}",
        duration=float(journal["duration"]),
        text=normalize(phrase),
        speaker=journal["speaker"],
        audio_filepath=wav,
    )
    _add_line(root / MANIFEST, utterance.to_json(root))
    (root / _JOURNAL).unlink(missing_ok=True)
    _sync_folder(root)
    return utterance


def _carry_out_removal(root: Path, utterance_id: str) -> None:
    """Take a phrase out of the manifest, then its sound and its prompts; every step may have been done."""
    kept = [item for item in read_manifest(root / MANIFEST) if item.id != utterance_id]
    _write(root / MANIFEST, "".join(f"{item.to_json(root)}\n" for item in kept))
    submission, _, name = utterance_id.rpartition("/")
    folder = root / submission
    (folder / "wav" / f"{name}.wav").unlink(missing_ok=True)
    for prompts, key in (("prompts-original", name), ("PROMPTS", f"{submission}/mfc/{name}")):
        path = folder / "etc" / prompts
        if path.exists():
            lines = path.read_bytes().decode("utf-8").splitlines()
            _write(path, "".join(f"{line}\n" for line in lines if line.split(" ", 1)[0] != key))
    (root / _REMOVAL).unlink(missing_ok=True)
    _sync_folder(root)


def _add_line(path: Path, line: str) -> None:
    """Add a line to a text file unless its last one is the same already."""
    old = path.read_bytes().decode("utf-8") if path.exists() else ""
    if old and not old.endswith("\n"):
        old += "\n"
    if old != f"{line}\n" and not old.endswith(f"\n{line}\n"):
        _write(path, f"{old}{line}\n")


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as stream:
        stream.write(text.encode("utf-8"))
        _sync(stream)
    temporary.replace(path)
    _sync_folder(path.parent)


def _write_wav(path: Path, samples: Samples, sample_rate: int) -> None:
    numbers = np.clip(np.round(samples * 32768.0), -32768, 32767).astype("<i2")
    with path.open("wb") as stream:
        with wave.open(stream, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(sample_rate)
            sound.writeframes(numbers.tobytes())
        _sync(stream)


def _sync(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync_folder(path: Path) -> None:
    # A rename is on the disk only when its folder is; Windows cannot open folders and does not need it.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _lock(root: Path) -> IO[bytes]:
    stream = (root / _LOCK).open("ab")
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.close()
        raise GovorError(
            tr(
                f"в {root} уже записывает другая программа; дождитесь её или выберите другую папку",
                f"another program is recording into {root}; wait for it or choose another folder",
            )
        ) from error
    return stream


_LICENSE = """\
Эти записи принадлежат тому, кто говорит. Без его согласия распространять их нельзя.
Чтобы передать их в VoxForge, замените этот файл текстом GPL версии 3.

These recordings belong to the speaker and may not be distributed without the speaker's consent.
To give them to VoxForge, replace this file with the text of the GPL, version 3.
"""
