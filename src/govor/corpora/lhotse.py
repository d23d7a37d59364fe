"""lhotse manifests: ``cuts.jsonl[.gz]``, or ``recordings`` and ``supervisions``; read without lhotse.

The fields are those of lhotse 1.33 (``lhotse.cut.MonoCut``, ``lhotse.Recording``,
``lhotse.SupervisionSegment``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from govor.corpora.dropped import Dropped
from govor.corpora.importing import Corpus, Row
from govor.corpora.places import find_recording
from govor.corpora.tables import count_lines, read_json_lines
from govor.errors import InputNotFoundError, ManifestError
from govor.language import tr

_ROUNDING_SECONDS = 0.02
_LONGEST_SECONDS = 1e9


def read_lhotse(corpus: Path) -> Corpus:
    """Read cuts, or recordings with supervisions, of a folder; or the file of cuts or supervisions named.

    Every supervision with a text is an utterance; one that does not cover its recording, or is said in one
    channel of several, is cut out of it. Recordings must be files as they
    are, not transformed. Raises InputNotFoundError if there are no such manifests, and ManifestError if a
    folder has several of a kind.
    """
    if corpus.is_file() and "supervisions" not in corpus.name:
        return Corpus(_from_cuts(corpus), count_lines(corpus))
    if not corpus.is_file() and (cuts := _manifest(corpus, "cuts")):
        return Corpus(_from_cuts(cuts), count_lines(cuts))
    supervisions = corpus if corpus.is_file() else _manifest(corpus, "supervisions")
    recordings = _recordings_of(supervisions) if supervisions else None
    if recordings is None or supervisions is None:
        raise InputNotFoundError(
            tr(
                f"{corpus}: нет cuts.jsonl.gz, ни пары recordings.jsonl.gz и supervisions.jsonl.gz",
                f"{corpus}: neither cuts.jsonl.gz, nor recordings.jsonl.gz with supervisions.jsonl.gz",
            )
        )
    return Corpus(_from_supervisions(recordings, supervisions), count_lines(supervisions))


def _manifest(folder: Path, kind: str) -> Path | None:
    for name in (f"{kind}.jsonl.gz", f"{kind}.jsonl"):
        if (folder / name).is_file():
            return folder / name
    # Recipes of lhotse add the corpus and the part: librispeech_cuts_train.jsonl.gz.
    named = sorted(path for path in folder.glob(f"*{kind}*.jsonl*") if path.suffix in (".gz", ".jsonl"))
    if len(named) > 1:
        there = ", ".join(path.name for path in named)[:200]
        raise ManifestError(
            tr(
                f"{folder}: манифестов {kind} несколько ({there}); укажите файл",
                f"{folder}: several manifests of {kind} ({there}); name the file",
            )
        )
    return next(iter(named), None)


def _recordings_of(supervisions: Path) -> Path | None:
    """Return the manifest of recordings that has the name of these supervisions, packed or not."""
    name = supervisions.name.replace("supervisions", "recordings").removesuffix(".gz")
    places = [supervisions.with_name(spelling) for spelling in (f"{name}.gz", name)]
    return next((place for place in places if place.is_file()), None)


def _from_cuts(path: Path) -> Iterator[Row | Dropped]:
    for item in read_json_lines(path):
        if isinstance(item, Dropped):
            yield item
            continue
        place, cut = item
        name = str(cut.get("id") or place)
        try:
            yield from _rows_of_cut(cut, name, path.parent)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            yield Dropped(name, _malformed(error))


def _rows_of_cut(cut: dict[str, Any], name: str, folder: Path) -> Iterator[Row | Dropped]:
    if (kind := cut.get("type", "MonoCut")) not in ("MonoCut", "MultiCut"):
        reason = tr(
            f"{kind} не запись, а смесь или тишина; сохраните её звук: cuts.save_audios",
            f"{kind} is a mixture or silence, not a recording; save its audio: cuts.save_audios",
        )
        yield Dropped(name, reason)
        return
    if not isinstance(cut.get("recording"), dict):
        yield Dropped(name, tr("нет recording: звука у строки нет", "no recording: the line has no sound"))
        return
    if not 0 < float(cut["duration"]) < _LONGEST_SECONDS:
        raise ValueError(f"duration {cut['duration']}")
    supervisions = cut.get("supervisions") or []
    if not supervisions:
        yield Dropped(name, tr("нет supervisions: нечего учить", "no supervisions: nothing to learn"))
    for supervision in supervisions:
        # A cut of one utterance keeps its own name: lhotse calls the pieces of others after the supervision.
        label = name if len(supervisions) == 1 else str(supervision["id"])
        start = float(cut["start"]) + float(supervision["start"])
        yield _row(label, cut["recording"], supervision, start, folder)


def _from_supervisions(recordings: Path, supervisions: Path) -> Iterator[Row | Dropped]:
    known: dict[str, dict[str, Any]] = {}
    for item in read_json_lines(recordings):
        if isinstance(item, Dropped):
            yield item
        else:
            known[str(item[1].get("id"))] = item[1]
    for item in read_json_lines(supervisions):
        if isinstance(item, Dropped):
            yield item
            continue
        place, supervision = item
        name = str(supervision.get("id") or place)
        recording = known.get(str(supervision.get("recording_id")))
        if recording is None:
            yield Dropped(name, tr("нет такой записи в recordings", "no such recording in recordings"))
            continue
        try:
            yield _row(name, recording, supervision, float(supervision["start"]), supervisions.parent)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            yield Dropped(name, _malformed(error))


def _row(
    name: str, recording: dict[str, Any], supervision: dict[str, Any], start: float, folder: Path
) -> Row | Dropped:
    text = supervision.get("text")
    if not isinstance(text, str) or not text.strip():
        return Dropped(name, tr("нет text", "no text"))
    # A recording may have a file for each channel.
    wanted = _channels(supervision.get("channel", 0))
    sources = recording["sources"]
    if len(sources) > 1 and len(wanted) == 1:
        sources = [source for source in sources if wanted[0] in source["channels"]]
    if len(sources) != 1 or sources[0]["type"] != "file":
        kinds = ", ".join(str(source["type"]) for source in sources)
        return Dropped(
            name,
            tr(
                f"источник записи «{kinds}», а нужен один file; сохраните звук: cuts.save_audios",
                f"the recording is of “{kinds}”, one file is needed; save the audio: cuts.save_audios",
            ),
        )
    if transforms := recording.get("transforms"):
        kinds = ", ".join(str(transform.get("name", "?")) for transform in transforms)
        reason = tr(
            f"звук меняется при чтении ({kinds}); сохраните его: cuts.save_audios",
            f"the sound is changed when it is read ({kinds}); save it: cuts.save_audios",
        )
        return Dropped(name, reason)
    duration = float(supervision["duration"])
    if not 0 < duration < _LONGEST_SECONDS:
        raise ValueError(f"duration {duration:g}")
    whole = start < _ROUNDING_SECONDS and abs(duration - float(recording["duration"])) < _ROUNDING_SECONDS
    channels = list(sources[0].get("channels") or [0])
    channel = channels.index(wanted[0]) if len(channels) > 1 and len(wanted) == 1 else None
    return Row(
        id=name,
        audio=find_recording(folder, str(sources[0]["source"])),
        text=text,
        speaker=str(supervision.get("speaker") or ""),
        duration=duration,
        start=None if whole and channel is None else max(start, 0.0),
        channel=channel,
    )


def _channels(said: int | list[int]) -> list[int]:
    return said if isinstance(said, list) else [said]


def _malformed(error: Exception) -> str:
    kind = tr("нет ключа", "no key") if isinstance(error, KeyError) else type(error).__name__
    found = f"{kind}: {error}"
    return tr(f"строка не как у lhotse ({found})", f"the line is not as lhotse writes it ({found})")
