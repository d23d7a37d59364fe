"""Where a training stands, and whether a checkpoint may be gone on with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from govor.checkpoint import Checkpoint
from govor.config import Config
from govor.errors import ConfigError, ModelError
from govor.language import tr
from govor.text.alphabet import Alphabet
from govor.training.growth import can_widen, widen


@dataclass
class Progress:
    """Where a run stands; saved in every checkpoint."""

    epoch: int = 0
    block: int = 0
    """Blocks of this epoch that are done; data in memory is one block, shards are many."""
    batch: int = 0
    """Steps of this block that are done."""
    step: int = 0
    skipped_steps: int = 0
    best_cer: float = math.inf
    loss_sum: float = 0.0
    label_sum: int = 0
    frame_sum: int = 0
    left_out: int = 0
    """Utterances of shards that could not be trained on in this epoch."""
    learning_rate: float = 0.0
    num_parts: int = 1
    """Batches whose gradients make one step."""


def choose_num_parts(wanted: int, num_ranks: int) -> int:
    """Return how many batches make a step: as many as wanted, or one for each process.

    Raises ConfigError if some process would have nothing to do.
    """
    if wanted and wanted < num_ranks:
        raise ConfigError(
            tr(
                f"training.batches_per_step = {wanted}, а процессов {num_ranks}: "
                "начните меньше процессов или увеличьте его",
                f"training.batches_per_step = {wanted} but there are {num_ranks} processes: "
                "start fewer or raise it",
            )
        )
    return wanted or num_ranks


def initial_weights(init: Checkpoint, config: Config, alphabet: Alphabet) -> dict[str, Tensor]:
    """Return what a training begins with: the weights of `init`, widened where `config` asks for more units.

    With another alphabet the letters that both have keep their weights, and a new one begins as the rarest.
    Raises ModelError if the networks differ in more than their width.
    """
    old, new = init.config.network, config.network
    free = {"dropout", "search_output"}
    same = old.model_dump(exclude=free) == new.model_dump(exclude=free)
    fits = same or can_widen(old, new)
    if not fits or init.config.features != config.features:
        raise ModelError(
            tr(
                "начальная модель другой формы: признаки и сеть, кроме её ширины, должны совпадать",
                "the initial model has another shape: features or network (but its width) differ",
            )
        )
    weights: dict[str, Tensor] = init.build_model().state_dict() if same else widen(init, config)
    outputs = ["output", "search_output"] if new.search_output else ["output"]
    for kind in ("weight", "bias"):
        # A network that gets a second output begins it with the first one.
        search = weights.pop(f"search_output.{kind}", weights[f"output.{kind}"])
        if new.search_output:
            weights[f"search_output.{kind}"] = search.clone()
    if init.alphabet == alphabet:
        return weights
    for name in outputs:
        weights = _relabelled(weights, name, init.alphabet, alphabet)
    return weights


def _relabelled(weights: dict[str, Tensor], name: str, old: Alphabet, new: Alphabet) -> dict[str, Tensor]:
    matrix, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    grown, shift = matrix.new_zeros(len(new), matrix.shape[1]), bias.new_full((len(new),), float(bias.min()))
    for label, symbol in enumerate(new.symbols):
        if symbol in old.symbols:
            before = old.symbols.index(symbol)
            grown[label], shift[label] = matrix[before], bias[before]
    return {**weights, f"{name}.weight": grown, f"{name}.bias": shift}


def check_resumable(
    path: Path,
    checkpoint: Checkpoint,
    config: Config,
    alphabet: Alphabet,
    fingerprint: str,
    num_utterances: int,
    num_ranks: int,
) -> None:
    """Raise ModelError unless a run of this configuration, data and size may go on from `checkpoint`."""
    if "progress" not in checkpoint.progress:
        raise ModelError(
            tr(
                f"{path}: готовая модель без состояния обучения; начните с неё новое: --init",
                f"{path}: a finished model without the state of a training; begin a new one: --init",
            )
        )
    if checkpoint.config != config or checkpoint.alphabet != alphabet:
        changed = ", ".join(_differences(checkpoint.config, config)) or "alphabet"
        raise ModelError(
            tr(
                f"{path}: другая конфигурация ({changed}); продолжать можно только с той же",
                f"{path}: another configuration ({changed}); a run resumes only with its own",
            )
        )
    before = checkpoint.progress["num_utterances"]
    if checkpoint.progress.get("data", "") != fingerprint:
        raise ModelError(
            tr(
                f"{path}: обучение шло на других данных (фраз {before}, теперь {num_utterances}); "
                "продолжать можно только на тех же",
                f"{path}: trained on other data ({before} utterances, now {num_utterances}); "
                "a run resumes only on its own",
            )
        )
    num_parts = checkpoint.progress["progress"].get("num_parts", 1)
    if num_ranks > num_parts:
        raise ModelError(
            tr(
                f"{path}: шаг этого обучения — {num_parts} пакетов, процессов {num_ranks}: часть стояла бы; "
                f"продолжите не более чем на {num_parts} или начните новое: --init",
                f"{path}: a step of this run is {num_parts} batches, so of {num_ranks} processes some would "
                f"idle; go on with at most {num_parts}, or begin a new run: --init",
            )
        )


def _differences(one: Config, other: Config) -> list[str]:
    """Name the settings in which two configurations differ."""
    before, now = one.model_dump(), other.model_dump()
    changed = []
    for section, values in before.items():
        if not isinstance(values, dict):
            changed += [section] if values != now[section] else []
            continue
        changed += [f"{section}.{key}" for key, value in values.items() if value != now[section][key]]
    return changed
