from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from govor.checkpoint import Checkpoint
from govor.config import Config, NetworkConfig
from govor.errors import ModelError
from govor.model import AcousticNetwork
from govor.text.alphabet import Alphabet
from govor.training.growth import widen

ALPHABET = Alphabet()
NARROW = NetworkConfig(conv_channels=6, stride=3, hidden_size=8, num_layers=2, layer_norm=False)


def checkpoint(network: NetworkConfig) -> Checkpoint:
    torch.manual_seed(3)
    model = AcousticNetwork(network, len(ALPHABET))
    return Checkpoint(Config(network=network), ALPHABET, dict(model.state_dict()))


def log_probs(network: NetworkConfig, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    model = AcousticNetwork(network, len(ALPHABET)).eval()
    model.load_state_dict(weights)
    features = torch.randn(2, 40, network.num_features, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        values: torch.Tensor = model(features, torch.tensor([40, 31]))[0]
    return values


@pytest.mark.parametrize("conv", [{"conv_channels": 6, "stride": 3}, {"conv_channels": 0, "stride": 1}])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_widened_network_without_layer_norm_gives_what_the_narrow_one_gave(
    conv: dict[str, int], layers: int
) -> None:
    narrow = NARROW.model_copy(update={**conv, "num_layers": layers})
    wide = narrow.model_copy(update={"hidden_size": 13, "conv_channels": 9 if conv["conv_channels"] else 0})
    source = checkpoint(narrow)
    grown = widen(source, Config(network=wide))
    # Measured 2e-7.
    torch.testing.assert_close(log_probs(wide, grown), log_probs(narrow, source.weights), atol=1e-5, rtol=0)


def test_every_new_unit_learns() -> None:
    wide = NARROW.model_copy(update={"hidden_size": 13, "conv_channels": 9, "layer_norm": True})
    source = checkpoint(NARROW.model_copy(update={"layer_norm": True}))
    model = AcousticNetwork(wide, len(ALPHABET))
    model.load_state_dict(widen(source, Config(network=wide)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(3, 30, 13), torch.tensor([30, 30, 30]))[0][..., 1].sum().backward()
        optimizer.step()
    for name, value in model.named_parameters():
        if "bias" not in name:
            assert bool((value != before[name]).flatten(1).any(dim=1).all() if value.dim() > 1 else True), (
                name
            )


def test_new_units_differ_from_old_ones_and_from_each_other() -> None:
    grown = widen(checkpoint(NARROW), Config(network=NARROW.model_copy(update={"hidden_size": 16})))
    gate = grown["layers.0.ahead.weight_ih_l0"][:16]
    assert len({tuple(row.tolist()) for row in gate}) == 16


@pytest.mark.parametrize("change", [{"hidden_size": 4}, {"num_layers": 3}, {"conv_kernel": 3}])
def test_a_network_that_differs_in_more_than_width_is_refused(change: dict[str, int]) -> None:
    other = NARROW.model_copy(update={"hidden_size": 12, **change})
    with pytest.raises(ModelError, match="channels and units"):
        widen(replace(checkpoint(NARROW)), Config(network=other))
