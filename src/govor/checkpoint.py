"""Checkpoints: one safetensors file with weights, configuration, alphabet, provenance, training state."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from govor.config import Config, parse_config
from govor.errors import InputNotFoundError, ModelError
from govor.language import tr
from govor.model import AcousticNetwork
from govor.text.alphabet import Alphabet

FORMAT = 1
_WEIGHTS = "weights."


@dataclass(frozen=True)
class Checkpoint:
    """A model at one moment of its training."""

    config: Config
    alphabet: Alphabet
    weights: dict[str, Tensor]
    """The state dict of the AcousticNetwork."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Where it comes from: corpora, hours, epochs, dev figures."""
    state: dict[str, Tensor] = field(default_factory=dict)
    """Optimiser moments and averages, needed only to resume."""
    progress: dict[str, Any] = field(default_factory=dict)
    """Epoch, step and best figures, needed only to resume."""
    decoding: dict[str, Any] = field(default_factory=dict)
    """What was tuned for a model file (see `govor.onnx.metadata`); empty for one that was just trained."""

    def build_model(self) -> AcousticNetwork:
        """Return the network with these weights. Raises ModelError if they do not fit the configuration."""
        model = AcousticNetwork(self.config.network, len(self.alphabet))
        try:
            model.load_state_dict(self.weights)
        except RuntimeError as error:
            detail = str(error).splitlines()[-1].strip()
            raise ModelError(
                tr(
                    f"веса не подходят к конфигурации: {detail}",
                    f"the weights do not fit the configuration: {detail}",
                )
            ) from error
        return model


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the old file stays whole until the new one is safely on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {_WEIGHTS + name: value for name, value in checkpoint.weights.items()} | checkpoint.state
    header = {
        "format": FORMAT,
        "config": checkpoint.config.model_dump(mode="json"),
        "alphabet": list(checkpoint.alphabet.symbols),
        "provenance": checkpoint.provenance,
        "progress": checkpoint.progress,
        "decoding": checkpoint.decoding,
    }
    temporary = path.with_name(path.name + ".part")
    contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    save_file(contiguous, str(temporary), metadata={"govor": json.dumps(header, ensure_ascii=False)})
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises InputNotFoundError or, where it is corrupt or of another kind, ModelError."""
    if not path.is_file():
        raise InputNotFoundError(tr(f"нет файла модели {path}", f"no checkpoint {path}"))
    try:
        with safe_open(str(path), framework="pt") as stream:
            header = json.loads((stream.metadata() or {}).get("govor", "null"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            tr(f"{path}: не чекпойнт или повреждён ({error})", f"{path}: no checkpoint, or corrupt ({error})")
        ) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ModelError(
            tr(
                f"{path}: не чекпойнт govor формата {FORMAT}",
                f"{path}: not a govor checkpoint of format {FORMAT}",
            )
        )
    weights = {k.removeprefix(_WEIGHTS): v for k, v in tensors.items() if k.startswith(_WEIGHTS)}
    try:
        return Checkpoint(
            config=parse_config(header["config"], str(path)),
            alphabet=Alphabet(tuple(header["alphabet"])),
            weights=weights,
            provenance=dict(header["provenance"]),
            state={k: v for k, v in tensors.items() if not k.startswith(_WEIGHTS)},
            progress=dict(header["progress"]),
            decoding=dict(header.get("decoding") or {}),
        )
    except (KeyError, TypeError, ModelError) as error:
        raise ModelError(
            tr(f"{path}: повреждён заголовок ({error})", f"{path}: the header is damaged ({error})")
        ) from error


def flatten_optimizer(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Return the optimiser's moments as flat tensors, ``optimizer.<moment>.<parameter>``."""
    moments = optimizer.state_dict()["state"]
    return {
        f"optimizer.{moment}.{names[index]}": torch.as_tensor(value)
        for index, entry in moments.items()
        for moment, value in entry.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, names: list[str], state: dict[str, Tensor]) -> None:
    """Put back what `flatten_optimizer` returned."""
    moments: dict[int, dict[str, Tensor]] = {}
    index = {name: i for i, name in enumerate(names)}
    for key, value in state.items():
        if key.startswith("optimizer."):
            _, moment, name = key.split(".", 2)
            moments.setdefault(index[name], {})[moment] = value
    current = optimizer.state_dict()
    optimizer.load_state_dict({"state": moments, "param_groups": current["param_groups"]})
