"""Muon moves matrices along orthogonal directions and everything else as AdamW does."""

from __future__ import annotations

import pytest
import torch

from govor.config import NETWORK_PRESETS, TrainingConfig
from govor.model import AcousticNetwork
from govor.training.optimizer import Muon, make_optimizer, orthogonalize


def network() -> AcousticNetwork:
    torch.manual_seed(1)
    shape = NETWORK_PRESETS["small"].model_copy(
        update={"conv_channels": 24, "hidden_size": 32, "num_layers": 2, "dropout": 0.0}
    )
    return AcousticNetwork(shape, 12)


@pytest.mark.parametrize("shape", [(2, 20, 50), (1, 50, 20), (3, 30, 30)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_singular_values_come_near_one_and_directions_stay(
    shape: tuple[int, int, int], dtype: torch.dtype
) -> None:
    torch.manual_seed(2)
    matrices = torch.randn(shape)
    result = orthogonalize(matrices.to(dtype))
    assert result.dtype == dtype
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    inside = left.transpose(1, 2) @ result.float() @ right.transpose(1, 2)
    large = values > 0.15 * values.max()
    found = torch.diagonal(inside, dim1=1, dim2=2)
    assert bool(((found > 0.6) & (found < 1.3))[large].all())
    outside = inside - torch.diag_embed(found)
    assert float(outside.abs().max()) < (1e-3 if dtype == torch.float32 else 0.1)


def test_zeros_stay_zeros() -> None:
    assert not orthogonalize(torch.zeros(1, 4, 6)).any()


def test_gates_move_by_themselves_and_as_far_as_the_learning_rate_says() -> None:
    model = network()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    # One gate's gradient is a thousand times the others': the others move as far all the same.
    weight = model.layers[0].ahead.weight_ih_l0
    assert weight.grad is not None
    weight.grad[:32] *= 1000
    Muon(model, lr=1e-2, weight_decay=0.0).step()
    moved = weight.detach() - before["layers.0.ahead.weight_ih_l0"]
    lengths = [float(gate.square().mean().sqrt()) for gate in moved.chunk(4)]
    # AdamW's typical move is the learning rate times 0.2 to 0.4.
    assert all(1e-3 < length < 4e-3 for length in lengths)
    for name, value in model.named_parameters():
        assert not torch.equal(value, before[name]), name
    bias = (model.output.bias.detach() - before["output.bias"]).abs()
    # The first step of Adam is the learning rate, whatever the gradient.
    assert torch.allclose(bias, torch.full_like(bias, 1e-2), rtol=1e-3)


def test_weights_decay_and_what_has_no_gradient_stays() -> None:
    model = network()
    weight = model.layers[1].back.weight_hh_l0
    before = weight.detach().clone()
    untouched = model.output.weight.detach().clone()
    weight.grad = torch.zeros_like(weight)
    Muon(model, lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(weight, before * 0.95)
    assert torch.equal(model.output.weight, untouched)


def test_configuration_chooses() -> None:
    model = network()
    assert isinstance(make_optimizer(TrainingConfig(optimizer="muon"), model, False), Muon)
    assert isinstance(make_optimizer(TrainingConfig(), model, False), torch.optim.AdamW)
