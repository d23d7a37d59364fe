from __future__ import annotations

from pathlib import Path

import pytest
import torch

from govor.checkpoint import Checkpoint
from govor.config import Config, NetworkConfig
from govor.errors import ModelError, ModelNotFoundError
from govor.model import AcousticNetwork
from govor.onnx.export import export_onnx
from govor.onnx.weights import read_onnx
from tiny_corpus import ALPHABET
from tiny_model import spelling_model

NETWORKS = (
    NetworkConfig(hidden_size=16),
    NetworkConfig(hidden_size=16, conv_channels=12, stride=3, layer_norm=True, num_layers=2),
)


def checkpoint(network: NetworkConfig) -> Checkpoint:
    torch.manual_seed(0)
    weights = AcousticNetwork(network, len(ALPHABET)).state_dict()
    return Checkpoint(Config(network=network), ALPHABET, weights, {"hours": 1})


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_read_back_from_fp32_are_the_same_bits(network: NetworkConfig, tmp_path: Path) -> None:
    made = checkpoint(network)
    export_onnx(made, tmp_path / "m.onnx", "fp32")
    back = read_onnx(tmp_path / "m.onnx")
    assert back.config == made.config
    assert back.provenance == made.provenance
    assert set(back.weights) == set(made.weights)
    assert all(torch.equal(value, made.weights[name]) for name, value in back.weights.items())


@pytest.mark.parametrize("network", NETWORKS)
def test_int8_read_back_and_exported_again_is_the_same_file(network: NetworkConfig, tmp_path: Path) -> None:
    export_onnx(checkpoint(network), tmp_path / "m.onnx")
    export_onnx(read_onnx(tmp_path / "m.onnx"), tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()


def test_a_graph_that_is_not_ours_is_refused_by_name(tmp_path: Path) -> None:
    spelling_model(tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"other\.onnx: no weights .*only a model made by govor export"):
        read_onnx(tmp_path / "other.onnx")


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"none\.onnx"):
        read_onnx(tmp_path / "none.onnx")
