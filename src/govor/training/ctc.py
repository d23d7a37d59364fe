"""Run the network on batches: CTC losses for training, losses and greedy texts for judging."""

from __future__ import annotations

import torch
from torch import Tensor

from govor.dataset.batches import Batch, Dataset
from govor.decoding.greedy import greedy
from govor.model import AcousticNetwork
from govor.ranks import Ranks
from govor.text.alphabet import Alphabet
from govor.training.denominator import Denominator
from govor.training.report import Example


def ctc_losses(
    model: AcousticNetwork,
    batch: Batch,
    bfloat16: bool,
    denominator: Denominator | None = None,
) -> Tensor:
    """Return the loss of every utterance (B,), nats, summed over its labels.

    To it that of the search output is added, if the network has one: CTC's and the weighted
    log-likelihood of all texts, CTC-CRF's `denominator`.
    """
    log_probs, search, lengths = _run(model, batch, bfloat16)
    losses = _ctc(log_probs, lengths, batch)
    if search is None:
        return losses
    losses = losses + _ctc(search, lengths, batch)
    return losses if denominator is None else losses + denominator.weight * denominator(search, lengths)


def _run(model: AcousticNetwork, batch: Batch, bfloat16: bool) -> tuple[Tensor, Tensor | None, Tensor]:
    """Return log-probs (T', B, V), those for the search if there are any, and their lengths (B,)."""
    with torch.autocast(batch.features.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        return model.forward_both(batch.features, batch.feature_lengths)


def _ctc(log_probs: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
    return torch.nn.functional.ctc_loss(
        log_probs, batch.labels, lengths, batch.label_lengths, blank=0, reduction="none"
    )


def evaluate_model(
    model: AcousticNetwork,
    dataset: Dataset,
    alphabet: Alphabet,
    bfloat16: bool,
    ranks: Ranks | None = None,
) -> tuple[float, list[Example]]:
    """Decode a dataset greedily; return the CTC loss per label and what was heard in each utterance.

    The batches are divided among `ranks`, and each process gets the figures of all.
    """
    ranks = ranks or Ranks()
    model.eval()
    plan = dataset.in_order()
    judged: list[tuple[int, float, int, list[Example]]] = []
    with torch.inference_mode():
        for number in range(ranks.rank, len(plan), ranks.size):
            batch = dataset.batch(plan[number])
            batch = batch.to(ranks.device)
            log_probs, _, lengths = _run(model, batch, bfloat16)
            losses = _ctc(log_probs, lengths, batch)
            values = log_probs.cpu().numpy()
            examples = [
                Example(name, text, greedy(values[: int(lengths[row]), row], alphabet).text)
                for row, (name, text) in enumerate(zip(batch.ids, batch.texts, strict=True))
            ]
            judged.append((number, float(losses.sum()), int(batch.label_lengths.sum()), examples))
    # In the order of the batches, so that the sum has the same bits however many processes there are.
    everything = sorted((row for rows in ranks.gather(judged) for row in rows), key=lambda row: row[0])
    loss_sum = sum(loss for _, loss, _, _ in everything)
    num_labels = sum(count for _, _, count, _ in everything)
    return loss_sum / max(num_labels, 1), [example for row in everything for example in row[3]]
