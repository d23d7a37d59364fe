"""Folders in which a model of Govor loads in another runtime, unchanged: the model, its letters, a note."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
from onnx import TensorProto, helper

from govor.errors import ModelError
from govor.foreign.filterbanks import KALDI, NEMO, our_bands
from govor.foreign.front import model_behind
from govor.language import tr
from govor.onnx.model import OnnxModel, load_onnx_model, read_model_bytes

Runtime = Literal["sherpa-onnx", "onnx-asr"]

MODEL = "model.onnx"
_SPACE = "▁"
_BLANK = "<blk>"
# Noise of that power is not ten times louder in any band of a frame, not even once in an hour.
_OVER_DITHER = 10.0


@dataclass(frozen=True)
class ExportedFolder:
    """What was written."""

    path: Path
    runtime: Runtime
    num_bytes: int
    """Of all files together."""
    usage: str
    """Lines of Python that load the folder."""


def export_folder(model: Path | None, runtime: Runtime, output: Path) -> ExportedFolder:
    """Write the folder `output` with an ONNX `model` of Govor (None: the shipped one) for a runtime.

    ``sherpa-onnx`` gets the form of WeNet CTC, ``onnx-asr`` that of NeMo Conformer CTC: both compute their
    own mel filterbank, behind which the graph holds our front end. Raises ModelNotFoundError and ModelError
    as `load_onnx_model`, ModelError if the front end does not move 10 ms a frame, OSError if
    the disk refuses.
    """
    described = load_onnx_model(model)
    features = described.config.features
    if abs(features.frame_shift_ms - 10) > 1e-6:
        raise ModelError(
            tr(
                f"{described.name}: шаг кадров {features.frame_shift_ms:g} мс, а {runtime} умеет только 10",
                f"{described.name}: a frame every {features.frame_shift_ms:g} ms, but {runtime} has only 10",
            )
        )
    data, _ = read_model_bytes(model)
    network = onnx.load_from_string(data)
    writers: dict[Runtime, Callable[[OnnxModel, onnx.ModelProto], dict[str, bytes]]] = {
        "sherpa-onnx": _sherpa_files,
        "onnx-asr": _onnx_asr_files,
    }
    files = writers[runtime](described, network)
    usage = _USAGE[runtime]
    files["README.md"] = f"{_NOTE[runtime]}\n\n```python\n{usage}\n```\n".encode()
    output.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        temporary = output / f"{name}.part"
        temporary.write_bytes(content)
        temporary.replace(output / name)
    return ExportedFolder(output, runtime, sum(map(len, files.values())), usage)


def _sherpa_files(described: OnnxModel, network: onnx.ModelProto) -> dict[str, bytes]:
    config = described.config
    weights = our_bands(config.features, KALDI)
    model = model_behind(
        network,
        config.features,
        len(described.alphabet),
        config.network.stride,
        weights,
        guard=KALDI.log_guard,
        least=_OVER_DITHER * KALDI.dither_power() @ weights,
    )
    _name(
        model,
        [("log_mel", "x"), ("mel_lengths", "x_lens")],
        [("laid", "log_probs"), ("laid_lengths", "lens")],
    )
    metadata = {
        "model_type": "wenet_ctc",
        "vocab_size": str(len(described.alphabet)),
        "subsampling_factor": str(config.network.stride),
        "normalize_type": "",
    }
    helper.set_model_props(model, _provenance(described) | metadata)
    return {MODEL: model.SerializeToString(), "tokens.txt": _tokens(described)}


def _onnx_asr_files(described: OnnxModel, network: onnx.ModelProto) -> dict[str, bytes]:
    config = described.config
    weights = our_bands(config.features, NEMO)
    model = model_behind(
        network,
        config.features,
        len(described.alphabet),
        config.network.stride,
        weights,
        guard=NEMO.log_guard,
        normalized=True,
    )
    # NeMo has bands before frames, and tells no lengths.
    turn = helper.make_node("Transpose", ["audio_signal"], ["log_mel"], perm=[0, 2, 1])
    model.graph.node.insert(0, turn)
    _name(model, [("mel_lengths", "length")], [("laid", "logprobs")])
    del model.graph.output[1:]
    shape: list[str | int | None] = ["B", NEMO.num_bands, "T"]
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, shape))
    helper.set_model_props(model, _provenance(described))
    settings = {
        "model_type": "nemo-conformer-ctc",
        "features_size": NEMO.num_bands,
        "subsampling_factor": config.network.stride,
    }
    return {
        MODEL: model.SerializeToString(),
        "vocab.txt": _tokens(described),
        "config.json": json.dumps(settings, indent=2).encode(),
    }


def _name(model: onnx.ModelProto, inputs: list[tuple[str, str]], outputs: list[tuple[str, str]]) -> None:
    """Call inputs and outputs of the graph as the runtime does."""
    names = dict(inputs + outputs)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)


def _provenance(described: OnnxModel) -> dict[str, str]:
    return {"comment": "govor", "provenance": json.dumps(described.provenance, ensure_ascii=False)}


def _tokens(described: OnnxModel) -> bytes:
    symbols = [_BLANK, *described.alphabet.symbols[1:]]
    lines = (f"{_SPACE if symbol == ' ' else symbol} {i}\n" for i, symbol in enumerate(symbols))
    return "".join(lines).encode()


_USAGE: dict[Runtime, str] = {
    "sherpa-onnx": """\
import sherpa_onnx

recognizer = sherpa_onnx.OfflineRecognizer.from_wenet_ctc(model="model.onnx", tokens="tokens.txt")
stream = recognizer.create_stream()
stream.accept_waveform(sample_rate, samples)  # float32, -1..1
recognizer.decode_stream(stream)
print(stream.result.text)""",
    "onnx-asr": """\
import onnx_asr

model = onnx_asr.load_model("nemo-conformer-ctc", ".")
print(model.recognize("recording.wav"))""",
}
_NOTE: dict[Runtime, str] = {
    "sherpa-onnx": "Русская модель Говора для sherpa-onnx. / A Russian model of Govor for sherpa-onnx.",
    "onnx-asr": "Русская модель Говора для onnx-asr. / A Russian model of Govor for onnx-asr.",
}
