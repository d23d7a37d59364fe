"""CMU Sphinx feature corpora: ``feat/**/ID.mfc`` and ``etc/PROMPTS_all`` -> manifest.

The layout is that of github.com/nsu-ai-team/voxforge_ru_sphinx_experiments, folder ``voxforge_ru``.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from govor.config import FEATURE_PRESETS
from govor.corpora.dropped import Dropped
from govor.errors import GovorError, InputNotFoundError, ManifestError
from govor.features import load_features
from govor.language import tr
from govor.manifest import Utterance
from govor.text.alphabet import is_speakable, normalize

# <s> слова <sil> слова </s> (SUBMISSION/wav/ID)
_PROMPT = re.compile(r"<s>(?P<text>.*)</s>\s*\((?P<id>[^()]+)\)\s*")
# Pauses and noises: <sil>, <um>, <h>, <l>.
_FILLER = re.compile(r"<[^<>]*>")
_DATED = re.compile(r"(?P<user>.+?)-\d{8}(-[^-]+)?")


@dataclass(frozen=True)
class PreparedCorpus:
    """What was made of a corpus."""

    utterances: list[Utterance] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


def speaker_of(submission: str) -> str:
    """Return who spoke a submission: ``user-YYYYMMDD-xyz`` and ``user`` are one speaker.

    ``anonymous-…`` is another person in every submission.
    """
    if submission.lower().startswith("anonymous"):
        return submission
    dated = _DATED.fullmatch(submission)
    return dated["user"] if dated else submission


def prepare_sphinx(
    corpus: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> PreparedCorpus:
    """Read a Sphinx feature corpus; every prompt and feature file ends up used or dropped with a reason.

    Raises InputNotFoundError without ``feat`` or ``etc/PROMPTS_all``.
    """
    prompts_path = corpus / "etc" / "PROMPTS_all"
    folder = corpus / "feat"
    for path in (prompts_path, folder):
        if not path.exists():
            raise InputNotFoundError(
                tr(
                    f"нет {path}: корпус Sphinx состоит из feat/ и etc/PROMPTS_all",
                    f"no {path}: a Sphinx corpus consists of feat/ and etc/PROMPTS_all",
                )
            )
    prepared = PreparedCorpus()
    lines = prompts_path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n")
    seen: set[str] = set()
    for number, raw in enumerate(lines, 1):
        on_progress(number, len(lines))
        if not raw.strip():
            continue
        name = f"PROMPTS_all:{number}"
        try:
            name, text = _parse_prompt(raw)
            if name in seen:
                raise ManifestError(tr("повтор id", "duplicate id"))
            seen.add(name)
            prepared.utterances.append(_utterance(folder, name, text))
        except GovorError as error:
            prepared.dropped.append(Dropped(name, str(error)))
    for name in _unprompted(folder, seen):
        prepared.dropped.append(Dropped(name, tr("нет текста в PROMPTS_all", "no text in PROMPTS_all")))
    return prepared


def _parse_prompt(raw: bytes) -> tuple[str, str]:
    try:
        line = raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ManifestError(tr("строка не UTF-8", "the line is not UTF-8")) from error
    match = _PROMPT.fullmatch(line)
    if not match:
        raise ManifestError(
            tr(
                f"строка не вида «<s> текст </s> (ID)»: {line[:60]}",
                f"the line is not «<s> text </s> (ID)»: {line[:60]}",
            )
        )
    return match["id"], _FILLER.sub(" ", match["text"])


def _utterance(folder: Path, name: str, raw_text: str) -> Utterance:
    if not is_speakable(raw_text):
        raise ManifestError(
            tr(
                f"в тексте цифры, латиница или ни одной буквы: {raw_text.strip()!r}",
                f"digits, Latin letters or no letters in the text: {raw_text.strip()!r}",
            )
        )
    if ".." in Path(name).parts or Path(name).is_absolute() or "\0" in name:
        raise ManifestError(tr("путь выходит из корпуса", "the path leaves the corpus"))
    path = folder / f"{name}.mfc"
    features = load_features(path)
    text = normalize(raw_text)
    if len(features) < len(text):
        raise ManifestError(
            tr(
                f"{len(features)} кадров мало для {len(text)} букв",
                f"{len(features)} frames are too few for {len(text)} letters",
            )
        )
    return Utterance(
        id=name,
        duration=len(features) * FEATURE_PRESETS["sphinx8k"].frame_shift,
        text=text,
        speaker=speaker_of(name.split("/")[0]),
        features=path,
    )


def _unprompted(folder: Path, seen: set[str]) -> Iterator[str]:
    for path in sorted(folder.rglob("*.mfc")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name not in seen:
            yield name
