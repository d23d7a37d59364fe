from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from govor.decoding.greedy import align, greedy
from govor.text.alphabet import Alphabet

ALPHABET = Alphabet()
SMALL = Alphabet(("<blank>", " ", "а", "б"))


def frames(symbols: str, probability: float = 0.9) -> NDArray[np.float32]:
    """log_probs in which each character of `symbols` (``-`` is the blank) has that probability."""
    size = len(ALPHABET)
    probabilities = np.full((len(symbols), size), (1 - probability) / (size - 1))
    for row, symbol in enumerate(symbols):
        probabilities[row, 0 if symbol == "-" else ALPHABET.encode(symbol)[0]] = probability
    return np.log(probabilities).astype(np.float32)


def random_log_probs(seed: int, num_frames: int, size: int) -> NDArray[np.float32]:
    logits = np.random.default_rng(seed).normal(0, 2, (num_frames, size))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(path) if label != 0)


def test_greedy_merges_repeats_and_drops_blanks() -> None:
    decoded = greedy(frames("--дд-а--  -ннн--ее-т-"), ALPHABET)
    assert decoded.text == "да нет"
    assert [(word.text, word.start, word.end) for word in decoded.words] == [("да", 2, 6), ("нет", 11, 20)]


def test_greedy_keeps_a_double_letter_that_a_blank_parts() -> None:
    assert greedy(frames("ван-нна"), ALPHABET).text == "ванна"


def test_greedy_ignores_spaces_at_the_ends_and_in_a_row() -> None:
    assert greedy(frames("  - -да - -да- "), ALPHABET).text == "да да"


def test_greedy_of_blanks_and_of_nothing_is_empty() -> None:
    for log_probs in (frames("---"), frames(" - "), frames("")):
        decoded = greedy(log_probs, ALPHABET)
        assert decoded.text == ""
        assert decoded.words == ()


def test_confidence_is_the_geometric_mean_of_the_letters_best_frames() -> None:
    log_probs = np.concatenate([frames("д", 0.9), frames("д", 0.5), frames("а", 0.4)])
    (word,) = greedy(log_probs, ALPHABET).words
    assert word.confidence == pytest.approx(np.sqrt(0.9 * 0.4))
    assert greedy(log_probs, ALPHABET).score == pytest.approx(np.log(0.9 * 0.5 * 0.4))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_greedy_equals_the_definition_by_a_loop(seed: int, num_frames: int) -> None:
    log_probs = random_log_probs(seed, num_frames, 4)
    labels = collapse(tuple(log_probs.argmax(axis=1).tolist()))
    decoded = greedy(log_probs, SMALL)
    assert decoded.text == " ".join(SMALL.decode(labels).split())
    spans = [frame for word in decoded.words for frame in (word.start, word.end)]
    assert spans == sorted(spans)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.lists(st.integers(1, 3), max_size=3))
def test_align_finds_the_best_of_all_paths(seed: int, num_frames: int, labels: list[int]) -> None:
    log_probs = random_log_probs(seed, num_frames, 4)
    paths = [p for p in itertools.product(range(4), repeat=num_frames) if collapse(p) == tuple(labels)]
    if not paths:
        with pytest.raises(ValueError, match="cannot be aligned"):
            align(log_probs, labels)
        return
    best = max(paths, key=lambda path: log_probs[np.arange(num_frames), path].astype(np.float64).sum())
    found = align(log_probs, labels)
    rebuilt = [0] * num_frames
    for label, start, end in zip(found.labels, found.starts, found.ends, strict=True):
        rebuilt[start:end] = [int(label)] * int(end - start)
    assert tuple(rebuilt) == best


def test_align_of_no_labels_over_no_frames_is_refused_unless_both_fit() -> None:
    assert len(align(frames("--"), []).labels) == 0
    with pytest.raises(ValueError, match="1 labels cannot be aligned with 0 frames"):
        align(frames(""), [3])
