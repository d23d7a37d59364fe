"""Shards: a corpus of any size as tar files of features and texts, to be read as a stream.

The layout is that of the webdataset library: ``000017.npy`` with the features (T, F) float32 and
``000017.json`` with text, speaker and id. Beside the shards lies an index of what each of them holds.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.config import FeatureConfig
from govor.corpora.utterances import load_utterance
from govor.errors import InputNotFoundError, ManifestError
from govor.language import tr
from govor.manifest import Utterance, open_manifest, parse_line
from govor.text.alphabet import Alphabet

FORMAT = 1
INDEX = ".index.json"

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Shard:
    """One tar file and what its index says of it."""

    path: Path
    num_utterances: int
    num_frames: int
    digest: str
    """Of ids, texts and lengths."""


@dataclass(frozen=True)
class Skip:
    """An utterance that is not in the shards, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Written:
    """What `write_shards` made."""

    shards: tuple[Shard, ...]
    skipped: tuple[Skip, ...]


def write_shards(
    manifests: Sequence[Path],
    output: Path,
    config: FeatureConfig,
    alphabet: Alphabet,
    *,
    shard_hours: float = 0.5,
    seed: int = 1,
    slice_number: int = 1,
    num_slices: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Written:
    """Write the utterances of manifests into shards of about equal length, in random order, and an index.

    Memory does not grow with the corpus but for eight bytes an utterance. An utterance that cannot be read or
    holds symbols outside the alphabet is left out. Of several machines each writes a slice of the corpus,
    `slice_number` from 1 to `num_slices`. Each file appears under its name only when it is whole.
    Raises InputNotFoundError if a manifest is missing.
    """
    output.mkdir(parents=True, exist_ok=True)
    offsets = [_line_offsets(path) for path in manifests]
    places = np.concatenate([np.zeros(0, np.int64), *offsets])
    files = np.repeat(np.arange(len(manifests)), [len(found) for found in offsets])
    order = np.random.default_rng(seed).permutation(len(places))[slice_number - 1 :: num_slices]
    prefix = f"{slice_number:04d}-of-{num_slices:04d}"
    limit = shard_hours * 3600 / config.frame_shift
    shards: list[Shard] = []
    skipped: list[Skip] = []
    writer: _ShardWriter | None = None
    for done, index in enumerate(order, 1):
        try:
            utterance = _line_at(manifests[files[index]], int(places[index]))
            missing = alphabet.missing(utterance.text)
            if missing or not utterance.text:
                listed = " ".join(sorted(missing))
                raise ManifestError(
                    tr(f"символы не из алфавита: {listed}", f"symbols outside the alphabet: {listed}")
                    if missing
                    else tr("нет текста", "no text")
                )
            features = load_utterance(utterance, config)
        except (ValueError, OSError) as error:
            name = f"{manifests[files[index]]}" if isinstance(error, _BadLineError) else utterance.id
            skipped.append(Skip(name, str(error)))
        else:
            if writer is None:
                writer = _ShardWriter(output / f"{prefix}-{len(shards):06d}.tar")
            writer.add(utterance, features)
            if writer.num_frames >= limit:
                shards.append(writer.close())
                writer = None
        on_progress(done, len(order))
    if writer is not None:
        shards.append(writer.close())
    _write_index(output / f"{prefix}{INDEX}", config, shards)
    return Written(tuple(shards), tuple(skipped))


class _BadLineError(ManifestError):
    """A line that gives no utterance."""


def _line_offsets(path: Path) -> NDArray[np.int64]:
    from array import array

    found, place = array("q"), 0
    with open_manifest(path) as stream:
        for line in stream:
            if line.strip():
                found.append(place)
            place += len(line)
    return np.frombuffer(found, np.int64) if found else np.zeros(0, np.int64)


def _line_at(path: Path, place: int) -> Utterance:
    with path.open("rb") as stream:
        stream.seek(place)
        raw = stream.readline()
    try:
        return parse_line(raw.decode("utf-8-sig"), path.parent)
    except (ManifestError, UnicodeDecodeError) as error:
        raise _BadLineError(str(error)) from error


class _ShardWriter:
    def __init__(self, path: Path) -> None:
        import webdataset

        self.path = path
        self.temporary = path.with_name(path.name + ".part")
        # An open file, because the library takes a name with a colon for an address.
        self.file = self.temporary.open("wb")
        # Without times the same corpus gives the same bytes.
        self.tar = webdataset.TarWriter(self.file, encoder=False, mtime=0.0)
        self.digest = hashlib.sha256()
        self.num_utterances = self.num_frames = 0

    def add(self, utterance: Utterance, features: Array) -> None:
        about = {
            "id": utterance.id,
            "duration": utterance.duration,
            "text": utterance.text,
            "speaker": utterance.speaker,
            "cuts": utterance.cuts,
        }
        values = io.BytesIO()
        np.save(values, np.ascontiguousarray(features, np.float32), allow_pickle=False)
        self.tar.write(
            {
                "__key__": f"{self.num_utterances:06d}",
                "npy": values.getvalue(),
                "json": json.dumps(about, ensure_ascii=False).encode(),
            }
        )
        self.digest.update(json.dumps([utterance.id, utterance.text, len(features)]).encode())
        self.num_utterances += 1
        self.num_frames += len(features)

    def close(self) -> Shard:
        self.tar.close()
        self.file.close()
        self.temporary.replace(self.path)
        return Shard(self.path, self.num_utterances, self.num_frames, self.digest.hexdigest())


def _write_index(path: Path, config: FeatureConfig, shards: Sequence[Shard]) -> None:
    rows = [{**asdict(shard), "path": shard.path.name} for shard in shards]
    index = {"format": FORMAT, "features": config.model_dump(mode="json"), "shards": rows}
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(index, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def find_shards(name: str, config: FeatureConfig) -> list[Shard]:
    """Return the shards that a folder, a tar file or a pattern such as ``shards/*.tar`` names, by name.

    Raises InputNotFoundError if there are none, ManifestError if their index is missing, of another version
    or of other features than `config`.
    """
    path = Path(name)
    if path.is_dir():
        folder, paths = path, sorted(path.glob("*.tar"))
    else:
        folder = path.parent
        paths = [path] if path.is_file() else sorted(folder.glob(path.name))
    if not paths:
        raise InputNotFoundError(
            tr(
                f"нет шардов {name}; сделайте их: govor prepare shards",
                f"no shards {name}; make them: govor prepare shards",
            )
        )
    known = {shard.path.name: shard for index in _indexes(folder) for shard in _read_index(index, config)}
    unknown = [path.name for path in paths if path.name not in known]
    if unknown:
        raise ManifestError(
            tr(
                f"{folder / unknown[0]}: нет в описи *{INDEX}; сделайте шарды заново: govor prepare shards",
                f"{folder / unknown[0]}: in no index *{INDEX}; make the shards anew: govor prepare shards",
            )
        )
    return [known[path.name] for path in paths]


def _indexes(folder: Path) -> list[Path]:
    return sorted(folder.glob("*" + INDEX))


def _read_index(path: Path, config: FeatureConfig) -> list[Shard]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        version, features = index["format"], index["features"]
        shards = [
            Shard(
                path.parent / row["path"], int(row["num_utterances"]), int(row["num_frames"]), row["digest"]
            )
            for row in index["shards"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            tr(
                f"{path}: опись шардов испорчена ({error}); сделайте их заново: govor prepare shards",
                f"{path}: the index of shards is damaged ({error}); make them anew: govor prepare shards",
            )
        ) from error
    if version != FORMAT:
        raise ManifestError(
            tr(
                f"{path}: формат {version!r}, а читается {FORMAT}; сделайте шарды заново",
                f"{path}: format {version!r}, supported {FORMAT}; make the shards anew",
            )
        )
    wanted = config.model_dump(mode="json")
    changed = [key for key in wanted if features.get(key) != wanted[key]]
    if changed:
        key = changed[0]
        raise ManifestError(
            tr(
                f"{path}: признаки шардов другие: {key} = {features.get(key)}, "
                f"а в конфигурации {wanted[key]}",
                f"{path}: the shards hold other features: {key} = {features.get(key)}, "
                f"the configuration has {wanted[key]}",
            )
        )
    return shards


def read_shard(shard: Shard) -> Iterator[tuple[Utterance, Array]]:
    """Yield the utterances of a shard and their features, in order, holding one at a time.

    Ends at what is damaged; the caller counts what is missing.
    """
    from webdataset.tariterators import group_by_keys, tar_file_expander

    try:
        # Opened here, because the library's own pipeline leaves it to chance when a file is closed.
        with shard.path.open("rb") as stream:
            samples: Any = group_by_keys(tar_file_expander([{"url": str(shard.path), "stream": stream}]))
            yield from map(_utterance, samples)
    # tarfile, webdataset, json and numpy each have errors of their own for bytes that are cut or wrong.
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError, EOFError):
        return


def _utterance(sample: dict[str, bytes]) -> tuple[Utterance, Array]:
    about = json.loads(sample["json"])
    names = ("id", "duration", "text", "speaker")
    utterance = Utterance(**{name: about[name] for name in names}, cuts=tuple(about["cuts"]))
    features = np.load(io.BytesIO(sample["npy"]), allow_pickle=False)
    return utterance, np.asarray(features, np.float32)
