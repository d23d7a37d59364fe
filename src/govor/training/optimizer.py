"""Optimisers of the training loop: AdamW, and Muon for the matrices of a recurrent network (torch)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from govor.config import TrainingConfig

_ITERATIONS = 5
# The quintic of Newton and Schulz that brings singular values near 1 fastest: 5 rounds leave 0.7 to 1.2.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_MOMENTUM = 0.95
# Times this and the square root of its longer side, an orthogonal matrix moves weights as far as AdamW does.
_LIKE_ADAM = 0.2
_ADAM_BETAS = (0.9, 0.99)


def make_optimizer(config: TrainingConfig, model: nn.Module, bfloat16: bool) -> torch.optim.Optimizer:
    """Return the optimiser that the configuration names; `bfloat16` says whether the processor has it."""
    if config.optimizer == "muon":
        return Muon(model, config.learning_rate, config.weight_decay, bfloat16=bfloat16)
    return torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)


class Muon(torch.optim.Optimizer):
    """Moves each matrix by its momentum made orthogonal, everything else as AdamW does.

    A gradient's large singular values would else drown the small ones, by which a network learns what is
    rare. The matrices are those of LSTM layers, each gate by itself, and of convolutions; one learning rate
    serves all. After Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), scaled
    as in Liu et al., "Muon is scalable for LLM training" (2025).
    """

    def __init__(self, model: nn.Module, lr: float, weight_decay: float, *, bfloat16: bool = False) -> None:
        self._blocks: dict[Tensor, int] = {}
        """Into how many matrices of equal size a parameter is cut; what is not here is AdamW's."""
        for module in model.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if isinstance(module, nn.LSTM) and name.startswith("weight"):
                    # The rows of its gates lie one after another.
                    self._blocks[parameter] = len(parameter) // module.hidden_size
                elif isinstance(module, nn.Conv1d) and name == "weight":
                    self._blocks[parameter] = 1
        self._dtype = torch.bfloat16 if bfloat16 else torch.float32
        super().__init__(model.parameters(), {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take a step along the gradients that the parameters hold."""
        assert closure is None
        for group in self.param_groups:
            rate, decay = group["lr"], group["weight_decay"]
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            updates = self._orthogonal_updates([p for p in moved if p in self._blocks])
            for parameter in moved:
                update = updates[parameter] if parameter in updates else self._adam_update(parameter)
                parameter.mul_(1 - rate * decay).add_(update, alpha=-rate)

    def _orthogonal_updates(self, parameters: list[Tensor]) -> dict[Tensor, Tensor]:
        # Matrices of one size go through the iteration together, which is quicker than one by one.
        alike: defaultdict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter in parameters:
            state, gradient = self.state[parameter], parameter.grad
            assert gradient is not None
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
            # Nesterov's: the momentum as it will be.
            ahead = gradient.lerp(state["momentum"], _MOMENTUM)
            blocks = self._blocks[parameter]
            matrices = ahead.reshape(blocks, ahead.shape[0] // blocks, -1)
            alike[tuple(matrices.shape)].append((parameter, matrices))
        updates = {}
        for members in alike.values():
            together = orthogonalize(torch.cat([matrices for _, matrices in members]).to(self._dtype)).float()
            together *= _LIKE_ADAM * max(together.shape[1:]) ** 0.5
            for (parameter, _), update in zip(members, together.chunk(len(members)), strict=True):
                updates[parameter] = update.reshape(parameter.shape)
        return updates

    def _adam_update(self, parameter: Tensor) -> Tensor:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        first, second = _ADAM_BETAS
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient.square(), 1 - second)
        steps = float(state["step"])
        deviation = (state["square"] / (1 - second**steps)).sqrt() + 1e-8
        update: Tensor = state["mean"] / (1 - first**steps) / deviation
        return update


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return matrices (B, m, n), of the same type, with all singular values near 1; zeros stay zeros."""
    is_tall = matrices.shape[1] > matrices.shape[2]
    wide = matrices.transpose(1, 2) if is_tall else matrices
    # No singular value may be above 1 to begin with.
    size = wide.float().norm(dim=(1, 2), keepdim=True) + 1e-12
    wide = (wide / size).to(matrices.dtype)
    first, third, fifth = _QUINTIC
    for _ in range(_ITERATIONS):
        square = wide @ wide.transpose(1, 2)
        wide = first * wide + (third * square + fifth * (square @ square)) @ wide
    result: Tensor = wide.transpose(1, 2) if is_tall else wide
    return result
