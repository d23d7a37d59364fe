from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from govor import load_model
from govor.checkpoint import Checkpoint
from govor.config import PRESETS, load_config
from govor.errors import ModelNotFoundError
from govor.model import AcousticNetwork
from govor.onnx.export import export_onnx
from govor.onnx.model import read_model_bytes, shipped_models
from govor.text.alphabet import Alphabet

ROOT = Path(__file__).resolve().parents[1]


def test_model_is_found_by_its_name_and_the_default_is_small() -> None:
    assert "small" in shipped_models()
    assert read_model_bytes("small") == read_model_bytes(None)
    assert load_model("small").model.name == "small.onnx"


def test_unknown_name_tells_which_models_there_are() -> None:
    with pytest.raises(
        ModelNotFoundError, match=r"model tiny cannot be opened: .* shipped are: (\w+, )*small"
    ):
        load_model("tiny")


def test_file_without_a_suffix_goes_before_the_shipped_model_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small").write_bytes(b"mine")
    assert read_model_bytes("small") == (b"mine", "small")


def test_both_models_ship_and_seed_has_the_shape_of_the_school_project() -> None:
    assert {"small", "seed"} <= set(shipped_models())
    assert len(read_model_bytes("seed")[0]) < 1_000_000
    assert len(read_model_bytes("small")[0]) < 6_000_000
    network = load_model("seed").model.config.network
    shape = (network.num_features, network.hidden_size, network.num_layers, network.stride)
    assert shape == (13, 128, 2, 1)
    assert not network.conv_channels


def test_seed_fits_into_a_megabyte_and_is_found_by_name_once_it_lies_beside_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    config, alphabet = PRESETS["seed"], Alphabet()
    network = AcousticNetwork(config.network, len(alphabet))
    assert sum(value.numel() for value in network.parameters()) == 550_691
    export_onnx(Checkpoint(config, alphabet, network.state_dict()), tmp_path / "seed.onnx")
    assert (tmp_path / "seed.onnx").stat().st_size < 1_000_000
    monkeypatch.setattr("govor.onnx.model._models_folder", lambda: tmp_path)
    recognizer = load_model("seed")
    assert recognizer.model.config == config
    # One frame of the network for every 10 ms.
    features = np.random.default_rng(1).normal(size=(100, 13)).astype(np.float32)
    (log_probs,) = recognizer.model.log_probs([features])
    assert log_probs.shape == (100, len(alphabet))
    noise = np.random.default_rng(1).normal(scale=0.1, size=16000).astype(np.float32)
    assert recognizer.transcribe(noise, sample_rate=16000).duration == pytest.approx(1.0)


def test_seed_has_the_shape_of_the_school_project_and_the_features_of_small() -> None:
    stages = sorted((ROOT / "recipes" / "seed").glob("stage*.toml"))
    assert stages
    small = load_config(ROOT / "recipes" / "small" / "stage6.toml")
    for path in stages:
        seed = load_config(path)
        shape = seed.network.model_dump(exclude={"dropout"})
        assert shape == PRESETS["seed"].network.model_dump(exclude={"dropout"})
        assert seed.features == small.features


def test_a_training_of_the_preset_may_begin_with_the_shipped_model() -> None:
    shipped = load_model().model.config
    free = {"dropout", "search_output"}
    assert PRESETS["small"].network.model_dump(exclude=free) == shipped.network.model_dump(exclude=free)
    assert PRESETS["small"].features == shipped.features
