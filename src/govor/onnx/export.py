"""Checkpoint -> one ONNX file that carries its whole configuration in its metadata.

The graph is written node by node: the exporter of torch cannot express utterances of several lengths in one
bidirectional LSTM, and a graph made by hand stays small and readable in any ONNX viewer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from govor.checkpoint import Checkpoint
from govor.config import NetworkConfig
from govor.errors import ModelError
from govor.language import tr
from govor.onnx.format import FORMAT, METADATA_KEY

Precision = Literal["fp32", "int8"]
Array = NDArray[np.float32]

OPSET = 17

# torch stacks the gates of an LSTM as input, forget, cell, output; ONNX as input, output, forget, cell.
GATES_TO_ONNX = (0, 3, 1, 2)
GATES_TO_TORCH = (0, 2, 3, 1)


class _Graph:
    """Collects nodes and constants."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def weight(self, name: str, value: Array) -> str:
        """Store a weight of shape (rows, …), int8 with a scale per row where asked; it is float32 when used.

        Only the stored numbers are shortened, not the arithmetic: the file is a quarter of the size, and
        the runtime unpacks it once when it loads.
        """
        if self.precision == "fp32":
            return self.constant(name, value)
        rows = value.reshape(len(value), -1)
        scale = np.maximum(np.abs(rows).max(axis=1), 1e-8) / 127.0
        packed = np.clip(np.round(rows / scale[:, None]), -127, 127).astype(np.int8)
        inputs = [
            self.constant(f"{name}.int8", packed),
            self.constant(f"{name}.scale", scale.astype(np.float32)),
        ]
        flat = self.node("DequantizeLinear", inputs, f"{name}.rows", axis=0)
        shape = self.constant(f"{name}.shape", np.array(value.shape, dtype=np.int64))
        return self.node("Reshape", [flat, shape], name)


def export_onnx(checkpoint: Checkpoint, path: Path, precision: Precision = "int8") -> None:
    """Write the model: features (B, T, F), their lengths (B,) -> log_probs (B, T', V), their lengths (B,).

    A network with a second output for the beam search gives ``search_log_probs`` (B, T', V) as well.

    The features come normalised (`govor.features.normalize`) and zero past their lengths. Raises ModelError
    if the weights do not fit the configuration or are not finite.
    """
    weights = {
        name: value.detach().numpy().astype(np.float32)
        for name, value in checkpoint.build_model().state_dict().items()
    }
    broken = [name for name, value in weights.items() if not np.isfinite(value).all()]
    if broken:
        raise ModelError(
            tr(
                f"в весах NaN или бесконечность ({broken[0]}); возьмите другой чекпойнт",
                f"some weights are NaN or infinite ({broken[0]}); take another checkpoint",
            )
        )
    config = checkpoint.config.network
    graph = _Graph(precision)
    lengths = _output_lengths(graph, config)
    hidden = _front(graph, config, weights)
    lengths32 = graph.node("Cast", [lengths], "lengths32", to=TensorProto.INT32)
    for number in range(config.num_layers):
        hidden = _bilstm(graph, config, weights, number, hidden, lengths32)
    _output(graph, weights, hidden, "")
    if config.search_output:
        _output(graph, weights, hidden, "search_")
    metadata = {
        "format": FORMAT,
        "config": checkpoint.config.model_dump(mode="json"),
        "alphabet": list(checkpoint.alphabet.symbols),
        "normalization": "utterance",
        "precision": precision,
        "provenance": checkpoint.provenance,
        "decoding": checkpoint.decoding,
    }
    model = _assemble(graph, config, len(checkpoint.alphabet), metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(model.SerializeToString())
    temporary.replace(path)


def _output_lengths(graph: _Graph, config: NetworkConfig) -> str:
    if config.stride == 1:
        return graph.node("Identity", ["feature_lengths"], "log_probs_lengths")
    more = graph.constant("stride_less_one", np.array(config.stride - 1, dtype=np.int64))
    stride = graph.constant("stride", np.array(config.stride, dtype=np.int64))
    padded = graph.node("Add", ["feature_lengths", more], "padded_lengths")
    return graph.node("Div", [padded, stride], "log_probs_lengths")


def _front(graph: _Graph, config: NetworkConfig, weights: dict[str, Array]) -> str:
    """Return the name of (T', B, C)."""
    if not config.conv_channels:
        return graph.node("Transpose", ["features"], "frames", perm=[1, 0, 2])
    channels_first = graph.node("Transpose", ["features"], "channels_first", perm=[0, 2, 1])
    first = _convolution(graph, config, weights, "first", channels_first, 1)
    # As in the training network: nothing of the padding may reach the second convolution.
    zero = graph.constant("zero", np.array(0, dtype=np.int64))
    one = graph.constant("one", np.array(1, dtype=np.int64))
    axis = graph.constant("axis_one", np.array([1], dtype=np.int64))
    shape = graph.node("Shape", ["features"], "features_shape")
    num_frames = graph.node("Gather", [shape, one], "num_frames")
    time = graph.node("Range", [zero, num_frames, one], "time")
    ends = graph.node("Unsqueeze", ["feature_lengths", axis], "ends")
    inside = graph.node("Less", [time, ends], "inside")
    mask = graph.node("Cast", [inside], "mask_flat", to=TensorProto.FLOAT)
    mask = graph.node("Unsqueeze", [mask, axis], "mask")
    masked = graph.node("Mul", [first, mask], "masked")
    second = _convolution(graph, config, weights, "second", masked, config.stride)
    return graph.node("Transpose", [second], "frames", perm=[2, 0, 1])


def _convolution(
    graph: _Graph, config: NetworkConfig, weights: dict[str, Array], name: str, source: str, stride: int
) -> str:
    weight = graph.weight(f"front.{name}.weight", weights[f"front.{name}.weight"])
    bias = graph.constant(f"front.{name}.bias", weights[f"front.{name}.bias"])
    half = config.conv_kernel // 2
    hidden = graph.node(
        "Conv",
        [source, weight, bias],
        f"front.{name}",
        kernel_shape=[config.conv_kernel],
        strides=[stride],
        pads=[half, half],
    )
    return graph.node("Relu", [hidden], f"front.{name}.relu")


def _bilstm(
    graph: _Graph, config: NetworkConfig, weights: dict[str, Array], number: int, source: str, lengths: str
) -> str:
    prefix = f"layers.{number}"
    size = config.hidden_size

    def both(kind: str) -> Array:
        return np.stack(
            [_onnx_gates(weights[f"{prefix}.{way}.{kind}_l0"], size) for way in ("ahead", "back")]
        )

    names = []
    for kind in ("weight_ih", "weight_hh"):
        value = both(kind)
        flat = graph.weight(f"{prefix}.{kind}.flat", value.reshape(-1, value.shape[2]))
        shape = graph.constant(f"{prefix}.{kind}.shape", np.array(value.shape, dtype=np.int64))
        names.append(graph.node("Reshape", [flat, shape], f"{prefix}.{kind}"))
    bias = graph.constant(f"{prefix}.bias", np.concatenate((both("bias_ih"), both("bias_hh")), axis=1))
    hidden = graph.node(
        "LSTM", [source, *names, bias, lengths], f"{prefix}.lstm", hidden_size=size, direction="bidirectional"
    )
    # (T', 2, B, H) -> (T', B, 2H)
    swapped = graph.node("Transpose", [hidden], f"{prefix}.swapped", perm=[0, 2, 1, 3])
    shape = graph.constant(f"{prefix}.joined_shape", np.array([0, 0, 2 * size], dtype=np.int64))
    joined = graph.node("Reshape", [swapped, shape], f"{prefix}.joined")
    if not config.layer_norm:
        return joined
    scale = graph.constant(f"norms.{number}.weight", weights[f"norms.{number}.weight"])
    shift = graph.constant(f"norms.{number}.bias", weights[f"norms.{number}.bias"])
    return graph.node("LayerNormalization", [joined, scale, shift], f"norms.{number}", axis=-1, epsilon=1e-5)


def _onnx_gates(value: Array, size: int) -> Array:
    return np.concatenate([value[k * size : (k + 1) * size] for k in GATES_TO_ONNX])


def _output(graph: _Graph, weights: dict[str, Array], hidden: str, prefix: str) -> None:
    layer = f"{prefix}output"
    flat = graph.weight(f"{layer}.weight.rows_first", weights[f"{layer}.weight"])
    weight = graph.node("Transpose", [flat], f"{layer}.weight", perm=[1, 0])
    bias = graph.constant(f"{layer}.bias", weights[f"{layer}.bias"])
    product = graph.node("MatMul", [hidden, weight], f"{layer}.product")
    logits = graph.node("Add", [product, bias], f"{prefix}logits")
    time_first = graph.node("LogSoftmax", [logits], f"{prefix}log_probs_time_first", axis=-1)
    graph.node("Transpose", [time_first], f"{prefix}log_probs", perm=[1, 0, 2])


def _assemble(
    graph: _Graph, config: NetworkConfig, num_symbols: int, metadata: dict[str, Any]
) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    outputs = ["log_probs", "search_log_probs"] if config.search_output else ["log_probs"]
    proto = helper.make_graph(
        graph.nodes,
        "govor",
        [
            value("features", TensorProto.FLOAT, ["batch", "frames", config.num_features]),
            value("feature_lengths", TensorProto.INT64, ["batch"]),
        ],
        [
            *(value(name, TensorProto.FLOAT, ["batch", "output_frames", num_symbols]) for name in outputs),
            value("log_probs_lengths", TensorProto.INT64, ["batch"]),
        ],
        graph.constants,
    )
    # The oldest IR that holds this opset, so that old runtimes load it too.
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model.producer_name = "govor"
    entry = model.metadata_props.add()
    entry.key = METADATA_KEY
    entry.value = json.dumps(metadata, ensure_ascii=False)
    onnx.checker.check_model(model)
    return model
