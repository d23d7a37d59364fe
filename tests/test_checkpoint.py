from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from govor.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)
from govor.errors import InputNotFoundError, ModelError
from govor.model import AcousticNetwork
from tiny_corpus import ALPHABET, CONFIG


def random_checkpoint(seed: int = 0) -> Checkpoint:
    torch.manual_seed(seed)
    model = AcousticNetwork(CONFIG.network, len(ALPHABET))
    state = {"raw.x": torch.arange(3.0)}
    return Checkpoint(CONFIG, ALPHABET, model.state_dict(), {"corpus": "ё"}, state, {"step": 3})


def test_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    saved = random_checkpoint()
    save_checkpoint(tmp_path / "new" / "c.safetensors", saved)
    loaded = load_checkpoint(tmp_path / "new" / "c.safetensors")
    assert (loaded.config, loaded.alphabet) == (saved.config, saved.alphabet)
    assert (loaded.provenance, loaded.progress) == (saved.provenance, saved.progress)
    for ours, theirs in ((loaded.weights, saved.weights), (loaded.state, saved.state)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["c.safetensors"]


def test_restored_optimizer_takes_the_same_next_step() -> None:
    def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            torch.manual_seed(step)
            optimizer.zero_grad()
            model(torch.randn(4, 3)).square().sum().backward()
            optimizer.step()

    def make() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        return model, torch.optim.AdamW(model.parameters(), lr=0.1)

    whole, optimizer = make()
    train(whole, optimizer, range(6))
    first, before = make()
    train(first, before, range(3))
    second, after = make()
    second.load_state_dict(first.state_dict())
    restore_optimizer(after, ["weight", "bias"], flatten_optimizer(before, ["weight", "bias"]))
    train(second, after, range(3, 6))
    assert torch.equal(second.weight, whole.weight)


def test_missing_checkpoint_is_not_found(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(InputNotFoundError, match="no checkpoint"):
            load_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "corrupt"),
        (b"text", "corrupt"),
        (b"\xff" * 100, "corrupt"),
        (b"\x02" + b"\x00" * 7 + b"{}", "not a govor"),
    ],
)
def test_file_of_another_kind_is_one_clear_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "c.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_checkpoint_is_corrupt(tmp_path: Path, share: float) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, random_checkpoint())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match="corrupt"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"format": 99},
        [],
        {"format": 1},
        {"format": 1, "config": {}, "alphabet": 5, "provenance": {}, "progress": {}},
        {"format": 1, "config": {}, "alphabet": ["a"], "provenance": {}, "progress": {}},
        {"format": 1, "config": {}, "alphabet": [1, []], "provenance": {}, "progress": {}},
    ],
)
def test_damaged_header_is_told_with_the_file(tmp_path: Path, header: object) -> None:
    path = tmp_path / "c.safetensors"
    save_file({"weights.x": torch.zeros(1)}, str(path), metadata={"govor": json.dumps(header)})
    with pytest.raises(ModelError, match=r"c\.safetensors: "):
        load_checkpoint(path)


def test_weights_of_another_shape_do_not_build() -> None:
    checkpoint = random_checkpoint()
    weights = {**checkpoint.weights, "output.bias": torch.zeros(36)}
    with pytest.raises(ModelError, match=r"output\.bias") as caught:
        Checkpoint(CONFIG, ALPHABET, weights).build_model()
    assert "\n" not in str(caught.value)
