"""Hand-made ONNX models of a known answer, obeying the same contract as ``govor export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from govor.config import FEATURE_PRESETS, NETWORK_PRESETS, Config
from govor.text.alphabet import Alphabet

ALPHABET = Alphabet()
NUM_BITS = 6


def metadata(preset: str = "seed", stride: int = 1, **changes: Any) -> dict[str, Any]:
    front = {"stride": stride, "conv_channels": 8} if stride > 1 else {}
    network = NETWORK_PRESETS["seed"].model_copy(update=front)
    config = Config(features=FEATURE_PRESETS[preset], network=network)
    return {
        "format": 1,
        "config": config.model_dump(mode="json"),
        "alphabet": list(ALPHABET.symbols),
        "normalization": "utterance",
        "provenance": {"corpus": "none"},
        # Tests know where a letter lies to the frame.
        "decoding": {"times": {"lead": 0.0, "tail": 0.0}},
        **changes,
    }


def write(
    path: Path,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    govor: dict[str, Any] | str | None,
    stride: int = 1,
    names: tuple[str, str] = ("log_probs", "log_probs_lengths"),
) -> Path:
    """log_probs = log_softmax(features[:, ::stride] @ weights + bias)."""
    constants = {
        "weights": weights.astype(np.float32),
        "bias": bias.astype(np.float32),
        "starts": np.array([0], np.int64),
        "ends": np.array([np.iinfo(np.int64).max], np.int64),
        "axes": np.array([1], np.int64),
        "steps": np.array([stride], np.int64),
        "less_one": np.array(stride - 1, np.int64),
        "stride": np.array(stride, np.int64),
    }
    nodes = [
        helper.make_node("Slice", ["features", "starts", "ends", "axes", "steps"], ["kept"]),
        helper.make_node("MatMul", ["kept", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], [names[0]], axis=-1),
        helper.make_node("Add", ["feature_lengths", "less_one"], ["padded"]),
        helper.make_node("Div", ["padded", "stride"], [names[1]]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            value("features", TensorProto.FLOAT, ["B", "T", weights.shape[0]]),
            value("feature_lengths", TensorProto.INT64, ["B"]),
        ],
        [
            value(names[0], TensorProto.FLOAT, ["B", "T2", weights.shape[1]]),
            value(names[1], TensorProto.INT64, ["B"]),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if govor is not None:
        entry = model.metadata_props.add()
        entry.key = "govor"
        entry.value = govor if isinstance(govor, str) else json.dumps(govor, ensure_ascii=False)
    path.write_bytes(model.SerializeToString())
    return path


def spelling_model(path: Path, stride: int = 1, **changes: Any) -> Path:
    """A model that reads back exactly the text that `spell` wrote into the features."""
    weights = np.zeros((13, len(ALPHABET)), np.float32)
    for label in range(1, len(ALPHABET)):
        weights[:NUM_BITS, label] = 4 * _bits(label)
        weights[NUM_BITS, label] = 20
    bias = np.zeros(len(ALPHABET), np.float32)
    bias[0] = 10
    return write(path, weights, bias, metadata(stride=stride, **changes), stride)


def spell(text: str, frames: int = 1) -> NDArray[np.float32]:
    """Features (T, 13) of a text: per letter `frames` frames of its code, then as many of the opposite.

    Opposites make mean 0 and deviation 1, so that normalisation changes nothing.
    """
    rows = []
    for label in ALPHABET.encode(text):
        row = np.zeros(13)
        row[:NUM_BITS] = _bits(label)
        row[NUM_BITS:] = 1
        rows += [row] * frames + [-row] * frames
    return np.array(rows, np.float32).reshape(-1, 13)


def _bits(label: int) -> NDArray[np.float64]:
    return np.array([1.0 if label >> bit & 1 else -1.0 for bit in range(NUM_BITS)])


def hooting_model(path: Path) -> Path:
    """A model of real sound: a low tone is the letter «а», a high one a space, silence the blank."""
    weights = np.zeros((13, len(ALPHABET)), np.float32)
    bias = np.full(len(ALPHABET), -50, np.float32)
    bias[:3] = 0
    a, space = ALPHABET.encode("а ")
    # Cepstrum 0 is the energy, cepstrum 1 the balance of low against high frequencies.
    weights[0, [a, space]] = 10
    weights[1, a], weights[1, space] = 10, -10
    return write(path, weights, bias, metadata())


HOOT_SECONDS = 1.4
HOOT_SPAN = (0.2, 0.5)


def hoots(count: int, sample_rate: int = 16000) -> NDArray[np.float32]:
    """A recording in which the word «а» sounds `count` times, from 0.2 to 0.5 s of every 1.4 s."""
    time = np.arange(round(HOOT_SECONDS * sample_rate)) / sample_rate
    low = np.sin(2 * np.pi * 200 * time) * ((time >= HOOT_SPAN[0]) & (time < HOOT_SPAN[1]))
    high = np.sin(2 * np.pi * 6000 * time) * ((time >= 0.65) & (time < 0.85))
    return np.tile(0.5 * (low + high), count).astype(np.float32)
