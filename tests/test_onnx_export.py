from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from govor.checkpoint import Checkpoint
from govor.config import PRESETS, Config, NetworkConfig
from govor.decoding.greedy import greedy
from govor.errors import ModelError
from govor.features import normalize
from govor.model import AcousticNetwork
from govor.onnx.export import export_onnx
from govor.onnx.model import load_onnx_model
from govor.recognizer import load_model
from tiny_corpus import ALPHABET

NETWORKS = {
    "seed": NetworkConfig(hidden_size=16),
    "norm": NetworkConfig(hidden_size=16, layer_norm=True, num_layers=1),
    "conv": NetworkConfig(hidden_size=16, conv_channels=12, stride=1),
    "small": NetworkConfig(
        hidden_size=16, conv_channels=12, stride=3, layer_norm=True, num_layers=3, dropout=0.3
    ),
    "search": NetworkConfig(hidden_size=16, conv_channels=12, stride=3, search_output=True),
    "stride of 8": NetworkConfig(hidden_size=16, conv_channels=12, conv_kernel=3, stride=8),
}
LENGTHS = (75, 1, 40, 8, 9)


def checkpoint(network: NetworkConfig, scale: float = 2) -> Checkpoint:
    torch.manual_seed(0)
    model = AcousticNetwork(network, len(ALPHABET))
    # Larger than at the start of a training, so that the outputs are as sharp as after one.
    weights = {name: value * (scale if "weight" in name else 1) for name, value in model.state_dict().items()}
    return Checkpoint(Config(network=network), ALPHABET, weights, {"epoch": 7})


def utterances() -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return [(5 * rng.normal(size=(length, 13)) + 3).astype(np.float32) for length in LENGTHS]


def of_torch(trained: Checkpoint) -> list[NDArray[np.float32]]:
    model = trained.build_model().eval()
    results = []
    with torch.inference_mode():
        for values in utterances():
            log_probs, _ = model(torch.from_numpy(normalize(values))[None], torch.tensor([len(values)]))
            results.append(log_probs[:, 0].numpy())
    return results


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_of_a_ragged_batch_equals_torch_one_by_one(name: str, tmp_path: Path) -> None:
    trained = checkpoint(NETWORKS[name])
    export_onnx(trained, tmp_path / "m.onnx", "fp32")
    together = load_onnx_model(tmp_path / "m.onnx").log_probs(utterances())
    for ours, expected in zip(together, of_torch(trained), strict=True):
        assert ours.shape == expected.shape
        # Measured 1.3e-5.
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)


def test_the_search_output_of_onnx_equals_that_of_torch(tmp_path: Path) -> None:
    trained = checkpoint(NETWORKS["search"])
    export_onnx(trained, tmp_path / "m.onnx", "fp32")
    letters = load_onnx_model(tmp_path / "m.onnx")
    model = trained.build_model().eval()
    for ours, values in zip(letters.for_search().log_probs(utterances()), utterances(), strict=True):
        with torch.inference_mode():
            features = torch.from_numpy(normalize(values))[None]
            _, search, _ = model.forward_both(features, torch.tensor([len(values)]))
        assert search is not None
        # Measured 1.3e-5, as for the other output.
        np.testing.assert_allclose(ours, search[:, 0].numpy(), rtol=0, atol=1e-4)
    assert not np.allclose(
        letters.log_probs(utterances())[0], letters.for_search().log_probs(utterances())[0]
    )


def test_a_model_with_one_output_searches_with_that(tmp_path: Path) -> None:
    export_onnx(checkpoint(NETWORKS["small"]), tmp_path / "m.onnx")
    model = load_onnx_model(tmp_path / "m.onnx")
    assert model.for_search() is model


@pytest.mark.parametrize("name", NETWORKS)
def test_int8_rounds_each_weight_to_a_127th_of_its_row_and_moves_the_output_little(
    name: str, tmp_path: Path
) -> None:
    trained = checkpoint(NETWORKS[name], scale=1)
    export_onnx(trained, tmp_path / "m.onnx", "int8")
    together = load_onnx_model(tmp_path / "m.onnx").log_probs(utterances())
    rounded = {}
    for key, value in trained.weights.items():
        if "weight" in key and value.dim() > 1:
            # The definition: a step is a 127th of the largest weight of a row.
            step = value.flatten(1).abs().amax(dim=1).reshape(-1, *[1] * (value.dim() - 1)) / 127
            rounded[key] = torch.round(value / step) * step
        else:
            rounded[key] = value
    exact = of_torch(Checkpoint(trained.config, ALPHABET, rounded))
    for ours, expected, unrounded in zip(together, exact, of_torch(trained), strict=True):
        # The file holds just these rounded weights; measured 1.3e-5.
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)
        # Measured 0.024 at most.
        assert np.abs(ours - unrounded).max() < 0.1


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("preset", PRESETS)
def test_exported_preset_hears_the_same_text_as_torch(preset: str, precision: str, tmp_path: Path) -> None:
    config = PRESETS[preset]
    torch.manual_seed(3)
    model = AcousticNetwork(config.network, len(ALPHABET))
    # As sharp as a trained one, not so chaotic that rounding alone tells other letters.
    weights = {name: value * (3 if "weight" in name else 1) for name, value in model.state_dict().items()}
    trained = Checkpoint(config, ALPHABET, weights)
    export_onnx(trained, tmp_path / "m.onnx", precision)  # type: ignore[arg-type]
    recognizer = load_model(tmp_path / "m.onnx")
    texts = []
    for values, log_probs in zip(utterances(), of_torch(trained), strict=True):
        texts.append(greedy(log_probs, ALPHABET).text)
        if precision == "fp32":
            assert recognizer.transcribe_features(values).text == texts[-1]
        else:
            same = greedy(recognizer.model.log_probs([values])[0], ALPHABET).text
            assert abs(len(same) - len(texts[-1])) <= max(2, len(texts[-1]) // 4)
    assert len(max(texts, key=len)) > 5


def test_metadata_hold_the_whole_configuration(tmp_path: Path) -> None:
    trained = checkpoint(NETWORKS["small"])
    export_onnx(trained, tmp_path / "deep" / "m.onnx", "int8")
    (entry,) = onnx.load(str(tmp_path / "deep" / "m.onnx")).metadata_props
    metadata = json.loads(entry.value)
    assert entry.key == "govor"
    assert metadata["config"] == trained.config.model_dump(mode="json")
    assert metadata["alphabet"] == list(ALPHABET.symbols)
    assert metadata["normalization"] == "utterance"
    assert metadata["provenance"] == {"epoch": 7}
    model = load_onnx_model(tmp_path / "deep" / "m.onnx")
    assert (model.config, model.alphabet) == (trained.config, ALPHABET)


def test_int8_file_of_the_small_preset_is_a_quarter_and_fits_the_repository(tmp_path: Path) -> None:
    trained = checkpoint(PRESETS["small"].network)
    sizes = {}
    for precision in ("fp32", "int8"):
        export_onnx(trained, tmp_path / precision, precision)  # type: ignore[arg-type]
        sizes[precision] = (tmp_path / precision).stat().st_size
    assert sizes["int8"] < 0.27 * sizes["fp32"]
    assert sizes["int8"] < 6e6


def test_graph_runs_on_bare_onnxruntime_as_documented(tmp_path: Path) -> None:
    export_onnx(checkpoint(NETWORKS["small"]), tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    features = np.zeros((2, 10, 13), np.float32)
    log_probs, lengths = session.run(None, {"features": features, "feature_lengths": np.array([10, 4])})
    assert log_probs.shape == (2, 4, 35)
    assert lengths.tolist() == [4, 2]
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=2), 1, atol=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    trained = checkpoint(NETWORKS["seed"])
    trained.weights["output.weight"][3, 4] = value
    with pytest.raises(ModelError, match=r"NaN or infinite \(output\.weight\)"):
        export_onnx(trained, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
