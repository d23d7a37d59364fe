"""VoxForge submissions on the disk -> manifest, parts, speakers, dropped; one submission at a time.

A submission is a folder ``NAME`` with ``wav`` or ``flac``, and ``etc`` with prompts and a README.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from govor.corpora.checking import check_recording, check_tempo, check_text
from govor.corpora.dropped import Dropped
from govor.corpora.importing import written_together
from govor.corpora.speaker_table import SpeakerTable
from govor.corpora.sphinx import speaker_of
from govor.corpora.splits import PARTS, SplitRule
from govor.corpora.submission import Prompts, Readme, read_prompts, read_readme, recording_id
from govor.errors import GovorError, InputNotFoundError, ManifestError
from govor.language import tr
from govor.manifest import Utterance

# In this order: of two recordings of one id the first counts.
_AUDIO_FOLDERS = ("wav", "flac")
_AUDIO_SUFFIXES = (".wav", ".flac")


@dataclass(frozen=True)
class Submission:
    """One folder of a corpus as it was read."""

    name: str
    speaker: str
    readme: Readme
    utterances: list[Utterance] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    rates: Counter[int] = field(default_factory=Counter)
    """How many usable recordings have each sample rate, Hz."""


@dataclass(frozen=True)
class PreparedVoxforge:
    """What `prepare_voxforge` wrote, counted."""

    num_submissions: int
    num_speakers: int
    num_utterances: int
    num_dropped: int
    seconds: float
    parts: dict[str, tuple[int, float]]
    """Utterances and seconds of each part."""
    rates: dict[int, int]
    """Utterances of each sample rate, Hz."""


def read_voxforge(
    corpus: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Submission]:
    """Read the submissions of a folder one by one, by name; memory does not grow with their number.

    Every recording and prompt ends up used or dropped with a reason. Ids are ``NAME/wav/ID``, whatever the
    format, so that they are those of the Sphinx feature corpus. Raises InputNotFoundError if there are none.
    """
    folders = _find_submissions(corpus)
    for number, folder in enumerate(folders, 1):
        yield _read_submission(folder)
        on_progress(number, len(folders))


def prepare_voxforge(
    corpus: Path,
    output: Path,
    rule: SplitRule | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> PreparedVoxforge:
    """Write ``manifest.jsonl``, ``dropped.jsonl``, ``speakers.tsv`` and a manifest for each of `PARTS`.

    The files appear together when all is read. Recordings stay where they are, at their own rates.
    Raises InputNotFoundError if `corpus` holds no submissions.
    """
    rule = rule or SplitRule()
    submissions = read_voxforge(corpus, on_progress)
    speakers = SpeakerTable()
    parts = dict.fromkeys(PARTS, (0, 0.0))
    num_submissions = num_utterances = num_dropped = 0
    seconds = 0.0
    rates: Counter[int] = Counter()
    names = ["manifest.jsonl", "dropped.jsonl", "speakers.tsv", *(f"{part}.jsonl" for part in PARTS)]
    with written_together(output, names) as files:
        for submission in submissions:
            for utterance in submission.utterances:
                line = utterance.to_json(output) + "\n"
                part = rule.part_of_utterance(utterance)
                files["manifest.jsonl"].write(line)
                files[f"{part}.jsonl"].write(line)
                count, length = parts[part]
                parts[part] = (count + 1, length + utterance.duration)
                seconds += utterance.duration
            for drop in submission.dropped:
                row = {"id": drop.id, "reason": drop.reason}
                files["dropped.jsonl"].write(json.dumps(row, ensure_ascii=False) + "\n")
            speakers.add(submission.speaker, submission.readme, submission.utterances)
            num_submissions += 1
            num_utterances += len(submission.utterances)
            num_dropped += len(submission.dropped)
            rates += submission.rates
        speakers.write(files["speakers.tsv"])
    return PreparedVoxforge(
        num_submissions,
        len(speakers),
        num_utterances,
        num_dropped,
        seconds,
        parts,
        dict(sorted(rates.items())),
    )


def _find_submissions(corpus: Path) -> list[Path]:
    if not corpus.is_dir():
        raise InputNotFoundError(tr(f"нет папки {corpus}", f"no folder {corpus}"))
    found = _submissions_in(corpus)
    if not any(map(_has_parts, found)):
        # The root of an unpacked archive, ``voxforge-ru``, may lie between.
        deeper = [folder for child in found for folder in _submissions_in(child)]
        if any(map(_has_parts, deeper)):
            return deeper
        raise InputNotFoundError(
            tr(
                f"{corpus}: нет записей вида ИМЯ/wav и ИМЯ/etc; скачайте: govor download voxforge-ru",
                f"{corpus}: no recordings like NAME/wav and NAME/etc; get them: govor download voxforge-ru",
            )
        )
    return found


def _submissions_in(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _has_parts(folder: Path) -> bool:
    return any(child.name.lower() in (*_AUDIO_FOLDERS, "etc") for child in folder.iterdir())


def _read_submission(folder: Path) -> Submission:
    name = folder.name
    submission = Submission(name, speaker_of(name), read_readme(folder))
    prompts = read_prompts(folder)
    seen: set[str] = set()
    num_files = 0
    for path in _recordings(folder):
        num_files += 1
        key = recording_id(path.name)
        # Stray names such as ``.wav`` have no id of their own.
        label = f"{name}/wav/{key}" if key else f"{name}/{path.parent.name}/{path.name}"
        try:
            if path.suffix.lower() not in _AUDIO_SUFFIXES or path.name.startswith("."):
                raise ManifestError(tr(f"{path.name}: не запись", f"{path.name}: not a recording"))
            if key in seen:
                raise ManifestError(tr(f"{path.name}: повтор id", f"{path.name}: duplicate id"))
            seen.add(key)
            submission.utterances.append(_utterance(submission, path, key, label, prompts))
        except GovorError as error:
            submission.dropped.append(Dropped(label, str(error)))
    if not num_files:
        submission.dropped.append(
            Dropped(name, tr("нет записей в wav и flac", "no recordings in wav or flac"))
        )
    missing = tr("к тексту нет записи", "a prompt without a recording")
    submission.dropped.extend(
        Dropped(f"{name}/wav/{key}", missing) for key in prompts.texts if key not in seen
    )
    return submission


def _recordings(folder: Path) -> Iterator[Path]:
    children = {child.name.lower(): child for child in sorted(folder.iterdir()) if child.is_dir()}
    for name in _AUDIO_FOLDERS:
        if name in children:
            yield from sorted(children[name].iterdir())


def _utterance(submission: Submission, path: Path, key: str, label: str, prompts: Prompts) -> Utterance:
    raw = prompts.texts.get(key)
    if raw is None:
        raise ManifestError(tr("к записи нет текста", "a recording without a prompt"))
    if key in prompts.ambiguous:
        raise ManifestError(tr("у id два разных текста", "two different texts for this id"))
    text = check_text(raw)
    length = check_recording(path)
    check_tempo(text, length.duration)
    submission.rates[length.sample_rate] += 1
    return Utterance(
        id=label, duration=length.duration, text=text, speaker=submission.speaker, audio_filepath=path
    )
