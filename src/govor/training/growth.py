"""Begin a wider network with what a narrower one has learnt, after Net2Net (Chen et al., 2016)."""

from __future__ import annotations

import torch
from torch import Tensor

from govor.checkpoint import Checkpoint
from govor.config import Config, NetworkConfig
from govor.errors import ModelError
from govor.language import tr
from govor.model import AcousticNetwork

GATES = 4
"""An LSTM's weights hold the rows of its four gates one after another."""


def can_widen(old: NetworkConfig, new: NetworkConfig) -> bool:
    """Tell whether the networks differ in nothing but more channels, more units, an output, the dropout."""
    free = {"conv_channels", "hidden_size", "dropout", "search_output"}
    return (
        old.model_dump(exclude=free) == new.model_dump(exclude=free)
        and bool(old.conv_channels) == bool(new.conv_channels)
        and old.conv_channels <= new.conv_channels
        and old.hidden_size <= new.hidden_size
    )


def widen(checkpoint: Checkpoint, config: Config, seed: int = 1) -> dict[str, Tensor]:
    """Return weights of the wider network of `config` that does nearly what the narrower one does.

    The old units keep their weights. A new unit's incoming weights are those of a random old one, shuffled,
    so that it moves in the same range yet hears something else; its outgoing weights are zero, so that
    nothing changes until training finds a use for it. Only layer norm, whose mean now runs over more units,
    changes the output a little. Raises ModelError if the networks differ in more than their width.
    """
    old, new = checkpoint.config.network, config.network
    if not can_widen(old, new):
        raise ModelError(
            tr(
                "расширить можно только число каналов и ячеек: остальная сеть должна совпадать",
                "only channels and units can be widened: the rest of the network must be the same",
            )
        )
    draw = torch.Generator().manual_seed(seed)
    weights = checkpoint.weights
    wide: dict[str, Tensor] = {}
    inputs = torch.arange(old.num_features)
    num_inputs = new.num_features
    if old.conv_channels:
        kept = torch.arange(old.conv_channels)
        for name in ("front.first", "front.second"):
            like = _draw_old(old.conv_channels, new.conv_channels, draw)
            rows = _more_rows(weights[f"{name}.weight"], like, draw)
            wide[f"{name}.weight"] = _more_columns(rows, inputs, num_inputs)
            bias = weights[f"{name}.bias"]
            wide[f"{name}.bias"] = torch.cat((bias, bias[like]))
            inputs, num_inputs = kept, new.conv_channels
    states = torch.arange(old.hidden_size)
    for layer in range(old.num_layers):
        for direction in ("ahead", "back"):
            like = _draw_old(old.hidden_size, new.hidden_size, draw)
            prefix = f"layers.{layer}.{direction}"
            for name, columns, width in (("ih", inputs, num_inputs), ("hh", states, new.hidden_size)):
                gates = weights[f"{prefix}.weight_{name}_l0"].chunk(GATES)
                grown = [_more_columns(_more_rows(gate, like, draw), columns, width) for gate in gates]
                wide[f"{prefix}.weight_{name}_l0"] = torch.cat(grown)
                biases = weights[f"{prefix}.bias_{name}_l0"].chunk(GATES)
                wide[f"{prefix}.bias_{name}_l0"] = torch.cat([torch.cat((b, b[like])) for b in biases])
        # Both directions side by side: the units of the second one move along.
        inputs, num_inputs = torch.cat((states, new.hidden_size + states)), 2 * new.hidden_size
        if old.layer_norm:
            scale, shift = weights[f"norms.{layer}.weight"], weights[f"norms.{layer}.bias"]
            wide[f"norms.{layer}.weight"] = torch.full((num_inputs,), float(scale.mean()))
            wide[f"norms.{layer}.weight"][inputs] = scale
            wide[f"norms.{layer}.bias"] = torch.zeros(num_inputs)
            wide[f"norms.{layer}.bias"][inputs] = shift
    for name in ("output", "search_output") if new.search_output else ("output",):
        source = name if f"{name}.weight" in weights else "output"
        wide[f"{name}.weight"] = _more_columns(weights[f"{source}.weight"], inputs, num_inputs)
        wide[f"{name}.bias"] = weights[f"{source}.bias"].clone()
    AcousticNetwork(new, len(checkpoint.alphabet)).load_state_dict(wide)
    return wide


def _draw_old(num_old: int, num_new: int, draw: torch.Generator) -> Tensor:
    return torch.randint(num_old, (num_new - num_old,), generator=draw)


def _more_rows(matrix: Tensor, like: Tensor, draw: torch.Generator) -> Tensor:
    """Append a shuffled copy of each row in `like`; (rows, ...) -> (rows + new, ...)."""
    copies = matrix[like].flatten(1)
    for row in copies:
        row.copy_(row[torch.randperm(len(row), generator=draw)])
    return torch.cat((matrix, copies.view(len(like), *matrix.shape[1:])))


def _more_columns(matrix: Tensor, columns: Tensor, width: int) -> Tensor:
    """Move the columns to their places among `width` zeros; (rows, c, ...) -> (rows, width, ...)."""
    grown = matrix.new_zeros(matrix.shape[0], width, *matrix.shape[2:])
    grown[:, columns] = matrix
    return grown
