"""Voices that read text aloud, or tell the phones of words: festival and espeak-ng, many in one run."""

from __future__ import annotations

import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from govor.corpora.variation import Samples, require_program
from govor.errors import MissingExtraError
from govor.language import tr
from govor.recombination.pronunciation import Phones

FESTIVAL_VOICE = "msu_ru_nsh_clunits"
ESPEAK_VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")
_START_SECONDS, _SENTENCE_SECONDS = 60.0, 2.0
"""A run that takes longer than this hangs: a sentence takes about 0.05 s."""


@dataclass(frozen=True)
class Speech:
    """A sentence as a voice says it."""

    id: str
    text: str
    """Normalised."""
    speaker: str
    waveform: Samples
    """(N,) float32, full scale ±1."""
    sample_rate: int
    """Hz."""


def speak_festival(
    sentences: Sequence[tuple[str, str]], failed: list[tuple[str, str]], voice: str = FESTIVAL_VOICE
) -> Iterator[Speech]:
    """Speak (id, text) pairs with a festival voice, all in one run of the program.

    A sentence that cannot be spoken goes to `failed` with the reason, even if it kills festival; the rest are
    spoken. Raises MissingExtraError without festival or the voice.
    """
    if not sentences:
        return
    program = require_program("festival", "festival festvox-ru")
    rest = list(sentences)
    with tempfile.TemporaryDirectory(prefix="govor-festival-") as name:
        folder = Path(name)
        while rest:
            paths = [folder / f"{index}.wav" for index in range(len(rest))]
            ended_well = _run_festival(program, voice, rest, paths)
            # What festival was at when it died is to blame; it is tried no more.
            spoken = [index for index, path in enumerate(paths) if path.exists()]
            tried = len(rest) if ended_well else min((spoken[-1] if spoken else -1) + 2, len(rest))
            for (identifier, text), path in zip(rest[:tried], paths, strict=False):
                waveform, rate = read_wave(path)
                path.unlink(missing_ok=True)
                if len(waveform):
                    yield Speech(identifier, text, voice, waveform, rate)
                else:
                    failed.append(
                        (identifier, tr("festival не смог произнести", "festival could not say it"))
                    )
            rest = rest[tried:]


def _run_festival(
    program: str, voice: str, sentences: Sequence[tuple[str, str]], paths: Sequence[Path]
) -> bool:
    script = [f"(voice_{voice})", '(format t "voice ready\\n")']
    for (_, text), path in zip(sentences, paths, strict=True):
        quoted = text.replace("\\", " ").replace('"', " ")
        script.append(
            f'(unwind-protect (utt.save.wave (utt.synth (Utterance Text "{quoted}")) "{path}" \'riff) nil)'
        )
    file = paths[0].with_name("say.scm")
    file.write_text("\n".join(script) + "\n", encoding="utf-8")
    limit = _START_SECONDS + _SENTENCE_SECONDS * len(sentences)
    try:
        ended = subprocess.run([program, "-b", str(file)], capture_output=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return False
    if b"voice ready" not in ended.stdout:
        raise MissingExtraError(
            tr(
                f"у festival нет голоса {voice}: установите его, например apt install festvox-ru",
                f"festival has no voice {voice}: install it, for example apt install festvox-ru",
            )
        )
    return ended.returncode == 0


def speak_espeak(
    sentences: Sequence[tuple[str, str]], failed: list[tuple[str, str]], seed: int = 1
) -> Iterator[Speech]:
    """Speak (id, text) pairs with espeak-ng's Russian, each with a voice variant, pitch and pace drawn anew.

    Raises MissingExtraError without espeak-ng.
    """
    if not sentences:
        return
    program = require_program("espeak-ng", "espeak-ng")
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="govor-espeak-") as name:
        path = Path(name) / "say.wav"
        for identifier, text in sentences:
            variant = str(rng.choice(ESPEAK_VARIANTS))
            pitch, pace = int(rng.integers(25, 75)), int(rng.integers(130, 200))
            command = [program, "-b", "1", "-v", f"ru+{variant}", "-p", f"{pitch}", "-s", f"{pace}"]
            path.unlink(missing_ok=True)
            ended = subprocess.run(
                [*command, "-w", str(path), "--stdin"], input=text.encode(), capture_output=True, check=False
            )
            waveform, rate = read_wave(path)
            if ended.returncode or not len(waveform):
                failed.append((identifier, tr("espeak-ng не смог произнести", "espeak-ng could not say it")))
                continue
            yield Speech(identifier, text, f"espeak-{variant}", waveform, rate)


def pronounce_espeak(words: Sequence[str]) -> list[Phones]:
    """Return the phones that espeak-ng's Russian voice would say for each word, stress marked by ``'``.

    A word that it spells or cannot say has what it would say, or nothing. Raises MissingExtraError without
    espeak-ng.
    """
    if not words:
        return []
    program = require_program("espeak-ng", "espeak-ng")
    # A full stop makes each word a sentence of its own, and of each sentence it writes a line.
    ended = subprocess.run(
        [program, "-v", "ru", "-q", "-x", "--sep=_", "--stdin"],
        input="".join(f"{word}.\n" for word in words).encode(),
        capture_output=True,
        check=False,
    )
    lines = ended.stdout.decode("utf-8", errors="replace").splitlines()
    if len(lines) == len(words):
        return [_espeak_phones(line) for line in lines]
    if len(words) == 1:
        return [_espeak_phones("_".join(lines))]
    middle = len(words) // 2
    return pronounce_espeak(words[:middle]) + pronounce_espeak(words[middle:])


def _espeak_phones(line: str) -> Phones:
    phones: list[str] = []
    for part in line.replace(" ", "_").split("_"):
        phone = part.strip("#,")
        # Softness is written as a phone of its own, behind the consonant.
        if phone.startswith(";") and phones:
            phones[-1] += ";"
            phone = phone[1:]
        if phone:
            phones.append(phone)
    return tuple(phones)


def read_wave(path: Path) -> tuple[Samples, int]:
    """Read a 16-bit mono RIFF file as (N,) and its rate; one that is missing or broken has no samples."""
    try:
        with wave.open(str(path)) as stream:
            data = stream.readframes(stream.getnframes())
            rate = stream.getframerate()
    except (OSError, EOFError, wave.Error):
        return np.zeros(0, np.float32), 0
    return (np.frombuffer(data[: len(data) // 2 * 2], "<i2") / 32768.0).astype(np.float32), rate
