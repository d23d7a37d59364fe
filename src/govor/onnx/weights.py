"""Read the weights back from a model file, so that the shipped model can be trained further."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from govor.checkpoint import Checkpoint
from govor.errors import ModelError
from govor.language import tr
from govor.onnx.export import GATES_TO_TORCH
from govor.onnx.model import load_onnx_model, read_model_bytes

Array = NDArray[np.float32]


def read_onnx(path: Path | str | None = None) -> Checkpoint:
    """Return the checkpoint that `export_onnx` wrote to `path`, or the shipped one; int8 stays rounded.

    Raises InputNotFoundError and ModelError as `load_onnx_model`, and ModelError if the graph is not ours.
    """
    described = load_onnx_model(path)
    data, name = read_model_bytes(path)
    stored = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(data).graph.initializer
    }
    network = described.config.network
    weights: dict[str, Array] = {}
    try:
        if network.conv_channels:
            for layer in ("front.first", "front.second"):
                weights[f"{layer}.weight"] = _weight(stored, f"{layer}.weight")
                weights[f"{layer}.bias"] = stored[f"{layer}.bias"]
        for number in range(network.num_layers):
            _read_layer(stored, f"layers.{number}", network.hidden_size, weights)
            if network.layer_norm:
                for kind in ("weight", "bias"):
                    weights[f"norms.{number}.{kind}"] = stored[f"norms.{number}.{kind}"]
        for layer in ("output", "search_output") if network.search_output else ("output",):
            weights[f"{layer}.weight"] = _weight(stored, f"{layer}.weight.rows_first")
            weights[f"{layer}.bias"] = stored[f"{layer}.bias"]
    except KeyError as error:
        raise ModelError(
            tr(
                f"{name}: нет весов {error}; дообучить можно только модель из govor export",
                f"{name}: no weights {error}; only a model made by govor export can be trained further",
            )
        ) from error
    tensors = {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in weights.items()}
    return Checkpoint(
        described.config, described.alphabet, tensors, described.provenance, decoding=described.decoding
    )


def _weight(stored: dict[str, NDArray[np.generic]], name: str) -> Array:
    if name in stored:
        return stored[name].astype(np.float32)
    rows = stored[f"{name}.int8"].astype(np.float32)
    value: Array = rows * stored[f"{name}.scale"].astype(np.float32)[:, None]
    return value.reshape(tuple(stored[f"{name}.shape"].astype(np.int64)))


def _read_layer(
    stored: dict[str, NDArray[np.generic]], prefix: str, size: int, weights: dict[str, Array]
) -> None:
    for kind in ("weight_ih", "weight_hh"):
        flat = _weight(stored, f"{prefix}.{kind}.flat")
        shape = tuple(stored[f"{prefix}.{kind}.shape"].astype(np.int64))
        for way, value in zip(("ahead", "back"), flat.reshape(shape), strict=True):
            weights[f"{prefix}.{way}.{kind}_l0"] = _torch_gates(value, size)
    biases = stored[f"{prefix}.bias"].astype(np.float32)
    for way, value in zip(("ahead", "back"), biases, strict=True):
        weights[f"{prefix}.{way}.bias_ih_l0"] = _torch_gates(value[: 4 * size], size)
        weights[f"{prefix}.{way}.bias_hh_l0"] = _torch_gates(value[4 * size :], size)


def _torch_gates(value: Array, size: int) -> Array:
    return np.concatenate([value[k * size : (k + 1) * size] for k in GATES_TO_TORCH])
