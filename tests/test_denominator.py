"""The denominator of CTC-CRF against the definition: a sum over every path through every frame."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from govor.text.alphabet import BLANK, Alphabet
from govor.training.denominator import Denominator, LetterTrigram

ALPHABET = Alphabet((BLANK, " ", "а", "б"))
TEXTS = ("аб ба", "а", "бб аб")


def by_enumeration(log_probs: Tensor, trigram: LetterTrigram) -> Tensor:
    total = torch.zeros(())
    for path in itertools.product(range(len(ALPHABET)), repeat=len(log_probs)):
        letters = [label - 1 for label, _ in itertools.groupby(path) if label]
        padded = [trigram.space, trigram.space, *letters, trigram.space]
        probability = torch.stack([log_probs[frame, label] for frame, label in enumerate(path)]).sum().exp()
        for first, second, third in zip(padded, padded[1:], padded[2:], strict=False):
            probability = probability * trigram.probabilities[first, second, third]
        total = total + probability
    return total.log()


def test_value_and_gradient_are_those_of_the_sum_over_all_paths() -> None:
    trigram = LetterTrigram(TEXTS, ALPHABET)
    logits = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    log_probs = logits.log_softmax(2)
    lengths = torch.tensor([5, 3])
    expected = torch.stack([by_enumeration(log_probs[:n, i], trigram) for i, n in enumerate(lengths)])
    (expected_gradient,) = torch.autograd.grad(expected.sum(), logits, retain_graph=True)
    found = Denominator(trigram)(log_probs, lengths)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    # Float32 through five frames: measured 4e-7.
    torch.testing.assert_close(found, expected, rtol=0, atol=4e-6)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=4e-6)


def test_what_lies_behind_an_utterance_changes_nothing() -> None:
    denominator = Denominator(LetterTrigram(TEXTS, ALPHABET))
    log_probs = torch.randn(9, 1, 4, generator=torch.Generator().manual_seed(1)).log_softmax(2)
    alone = denominator(log_probs[:4], torch.tensor([4]))
    torch.testing.assert_close(denominator(log_probs, torch.tensor([4])), alone, rtol=0, atol=1e-6)


def test_letters_after_every_pair_sum_to_one_and_follow_the_counts() -> None:
    trigram = LetterTrigram(["аб"] * 50, ALPHABET)
    torch.testing.assert_close(trigram.probabilities.sum(2), torch.ones(3, 3))
    first, second = (ALPHABET.encode(letter)[0] - 1 for letter in "аб")
    assert trigram.probabilities[trigram.space, first, second] > 0.9
    assert trigram.probabilities.min() > 0


def test_likelihood_of_all_texts_is_never_more_than_one() -> None:
    denominator = Denominator(LetterTrigram(TEXTS, ALPHABET))
    log_probs = (20 * torch.randn(60, 3, 4, generator=torch.Generator().manual_seed(2))).log_softmax(2)
    assert (denominator(log_probs, torch.tensor([60, 31, 1])) <= 1e-5).all()


@pytest.mark.parametrize("scale", [0.0, 300.0])
def test_gradient_is_finite_where_the_network_is_sure_or_knows_nothing(scale: float) -> None:
    denominator = Denominator(LetterTrigram(TEXTS, ALPHABET))
    logits = (scale * torch.randn(400, 2, 4, generator=torch.Generator().manual_seed(3))).requires_grad_()
    denominator(logits.log_softmax(2), torch.tensor([400, 200])).sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
