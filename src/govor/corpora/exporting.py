"""A manifest of ours -> the layouts of NeMo, lhotse and Kaldi."""

from __future__ import annotations

import gzip
import json
import re
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, cast

from govor.corpora.checking import check_recording
from govor.corpora.dropped import Dropped
from govor.corpora.importing import written_together
from govor.corpora.lengths import Length
from govor.errors import GovorError
from govor.language import tr
from govor.manifest import BadLine, Utterance, read_manifest

_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)

Layout = Literal["nemo", "lhotse", "kaldi"]


@dataclass(frozen=True)
class Exported:
    """What `export_corpus` wrote."""

    files: tuple[Path, ...]
    num_utterances: int
    dropped: list[Dropped] = field(default_factory=list)


def export_corpus(
    manifest: Path,
    layout: Layout,
    output: Path,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Exported:
    """Write the utterances of `manifest` to the folder `output` in the layout of another toolkit.

    Recordings stay where they are and are named by absolute paths. Utterances of ready features only, and
    those whose recordings cannot be read, are left out and told of. Raises InputNotFoundError without the
    manifest.
    """
    dropped: list[Dropped] = []
    # Of two utterances of one name lhotse keeps one, and Kaldi gives both the text of either.
    names = {"nemo": None, "lhotse": lambda utterance: utterance.id, "kaldi": _kaldi_name}
    rows = _measured(manifest, dropped, on_progress, names[layout])
    writers = {"nemo": _write_nemo, "lhotse": _write_lhotse, "kaldi": _write_kaldi}
    files, count = writers[layout](rows, output)
    return Exported(files, count, dropped)


def _measured(
    manifest: Path,
    dropped: list[Dropped],
    on_progress: Callable[[int], None],
    name_of: Callable[[Utterance], str] | None,
) -> Iterator[tuple[Utterance, Path, Length]]:
    bad_lines: list[BadLine] = []
    seen: set[int] = set()
    done = 0
    for utterance in read_manifest(manifest, bad_lines):
        done += 1
        on_progress(done)
        dropped += [Dropped(line.place, line.reason) for line in bad_lines]
        bad_lines.clear()
        if utterance.audio_filepath is None:
            reason = tr(
                "есть только признаки, а нужна запись", "there are features only, a recording is needed"
            )
            dropped.append(Dropped(utterance.id, reason))
            continue
        path = utterance.audio_filepath.resolve()
        try:
            length = check_recording(path)
        except GovorError as error:
            dropped.append(Dropped(utterance.id, str(error)))
            continue
        if name_of is not None:
            key = hash(name_of(utterance))
            if key in seen:
                dropped.append(Dropped(utterance.id, tr("повтор id", "duplicate id")))
                continue
            seen.add(key)
        yield utterance, path, length
    dropped += [Dropped(line.place, line.reason) for line in bad_lines]


Rows = Iterator[tuple[Utterance, Path, Length]]


def _write_nemo(rows: Rows, output: Path) -> tuple[tuple[Path, ...], int]:
    name, count = "manifest.json", 0
    with written_together(output, [name]) as files:
        for utterance, path, length in rows:
            row: dict[str, Any] = {
                "audio_filepath": str(path),
                "duration": round(length.duration, 4),
                "text": utterance.text,
            }
            if utterance.speaker:
                row["speaker"] = utterance.speaker
            files[name].write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return (output / name,), count


def _write_lhotse(rows: Rows, output: Path) -> tuple[tuple[Path, ...], int]:
    kinds = ("recordings", "supervisions", "cuts")
    output.mkdir(parents=True, exist_ok=True)
    targets = [output / f"{kind}.jsonl.gz" for kind in kinds]
    count = 0
    with ExitStack() as stack:
        streams = [
            cast("IO[str]", stack.enter_context(gzip.open(f"{target}.part", "wt", encoding="utf-8")))
            for target in targets
        ]
        for utterance, path, length in rows:
            for stream, row in zip(streams, _lhotse_rows(utterance, path, length), strict=True):
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    for target in targets:
        Path(f"{target}.part").replace(target)
    return tuple(targets), count


def _lhotse_rows(utterance: Utterance, path: Path, length: Length) -> Iterator[dict[str, Any]]:
    sample_rate = _opus_rate(path) or length.sample_rate
    num_samples = round(length.duration * sample_rate)
    duration = num_samples / sample_rate
    channels = list(range(length.channels))
    recording = {
        "id": utterance.id,
        "sources": [{"type": "file", "channels": channels, "source": str(path)}],
        "sampling_rate": sample_rate,
        "num_samples": num_samples,
        "duration": duration,
        "channel_ids": channels,
    }
    supervision = {
        "id": utterance.id,
        "recording_id": utterance.id,
        "start": 0.0,
        "duration": duration,
        "channel": 0,
        "text": utterance.text,
        "language": "Russian",
        "speaker": utterance.speaker or utterance.id,
    }
    yield recording
    yield supervision
    yield {
        "id": utterance.id,
        "start": 0,
        "duration": duration,
        "channel": 0,
        "supervisions": [supervision],
        "recording": recording,
        "type": "MonoCut",
    }


def _opus_rate(path: Path) -> int | None:
    """Return the rate at which lhotse, that is libsndfile, decodes Opus; None if it is something else.

    The codec itself has 48 kHz, as all others decode it; libsndfile takes the next of its rates above what
    the header says of the original (measured with version 1.2). lhotse refuses recordings of another length.
    """
    with path.open("rb") as stream:
        head = stream.read(512)
    at = head.find(b"OpusHead")
    if not head.startswith(b"OggS") or at < 0:
        return None
    original = int.from_bytes(head[at + 12 : at + 16], "little")
    return next((rate for rate in _OPUS_RATES if original <= rate), _OPUS_RATES[-1])


def _write_kaldi(rows: Rows, output: Path) -> tuple[tuple[Path, ...], int]:
    found: list[tuple[str, str, str, str, float]] = []
    for utterance, path, length in rows:
        speaker = _word(utterance.speaker or utterance.id)
        # A line is an utterance there, so no text may have two.
        text = " ".join(utterance.text.split())
        found.append((_kaldi_name(utterance), speaker, _kaldi_source(path), text, length.duration))
    # In the order of bytes, as LC_ALL=C sort has it.
    found.sort(key=lambda row: row[0].encode())
    names = ("wav.scp", "text", "utt2spk", "spk2utt", "utt2dur")
    spoken: dict[str, list[str]] = {}
    with written_together(output, list(names)) as files:
        for name, speaker, source, text, duration in found:
            files["wav.scp"].write(f"{name} {source}\n")
            files["text"].write(f"{name} {text}\n")
            files["utt2spk"].write(f"{name} {speaker}\n")
            files["utt2dur"].write(f"{name} {duration:.4f}\n")
            spoken.setdefault(speaker, []).append(name)
        for speaker in sorted(spoken, key=str.encode):
            files["spk2utt"].write(f"{speaker} {' '.join(spoken[speaker])}\n")
    return tuple(output / name for name in names), len(found)


def _kaldi_name(utterance: Utterance) -> str:
    # Kaldi wants utterances sorted by speaker too, so that every name begins with its speaker's.
    own = _word(utterance.id)
    return f"{_word(utterance.speaker)}-{own}" if utterance.speaker else own


def _word(name: str) -> str:
    return re.sub(r"[\s/]+", "_", name)


def _kaldi_source(path: Path) -> str:
    """Return a file that Kaldi reads by itself, or the program that makes one of it."""
    if not re.search(r"\s", str(path)) and _is_plain_wav(path):
        return str(path)
    quoted = "'" + str(path).replace("'", "'\\''") + "'"
    return f"ffmpeg -nostdin -loglevel error -i {quoted} -ac 1 -f wav - |"


def _is_plain_wav(path: Path) -> bool:
    """Tell whether Kaldi hears what we do: it reads 16-bit PCM only, and of several channels the first."""
    if path.suffix.lower() != ".wav":
        return False
    try:
        with wave.open(str(path), "rb") as sound:
            return sound.getsampwidth() == 2 and sound.getnchannels() == 1
    except (wave.Error, EOFError, OSError):
        return False
