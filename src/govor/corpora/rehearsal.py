"""The shipped rehearsal set: a little synthetic speech that is heard again while a model is adapted.

One ``.npz``: ``values`` (sum of T, F) int8, ``scale`` and ``offset`` (F,), ``lengths`` (U,), ``texts`` (U,).
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from govor.errors import ModelError
from govor.features import load_features
from govor.language import tr
from govor.manifest import Utterance

SHIPPED = "rehearsal.npz"


def pack_rehearsal(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write features and texts of feature utterances; 8 bits a number, as training normalises them anyway."""
    features = [load_features(utterance.features) for utterance in utterances if utterance.features]
    joined = np.concatenate(features)
    low, high = joined.min(axis=0), joined.max(axis=0)
    scale = np.maximum(high - low, 1e-6) / 254.0
    offset = (high + low) / 2
    np.savez_compressed(
        path,
        values=np.round((joined - offset) / scale).astype(np.int8),
        scale=scale.astype(np.float32),
        offset=offset.astype(np.float32),
        lengths=np.array([len(values) for values in features]),
        texts=np.array([utterance.text for utterance in utterances]),
    )


def unpack_rehearsal(folder: Path, path: Path | None = None) -> list[Utterance]:
    """Write the rehearsal set (the shipped one) as ``.npy`` into `folder` and return its utterances.

    Raises ModelError if the file is missing or corrupt.
    """
    source = path or Path(str(resources.files("govor") / "models" / SHIPPED))
    try:
        with np.load(source, allow_pickle=False) as stored:
            values = stored["values"].astype(np.float32) * stored["scale"] + stored["offset"]
            lengths, texts = stored["lengths"], stored["texts"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            tr(f"{source}: нет набора повторения ({error})", f"{source}: no rehearsal set ({error})")
        ) from error
    utterances = []
    for number, (part, text) in enumerate(zip(np.split(values, np.cumsum(lengths)[:-1]), texts, strict=True)):
        file = folder / f"rehearsal_{number:03d}.npy"
        np.save(file, part.astype(np.float32))
        utterances.append(
            Utterance(
                id=file.stem, duration=len(part) * 0.01, text=str(text), speaker="rehearsal", features=file
            )
        )
    return utterances
