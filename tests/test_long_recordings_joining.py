from __future__ import annotations

import numpy as np
import pytest

from govor.decoding.greedy import greedy
from govor.long_recordings.joining import Heard, seam
from govor.text.alphabet import Alphabet

ALPHABET = Alphabet()
SHIFT = 0.03


def heard(start: float, end: float, *words: tuple[str, float], stride: int = 1) -> Heard:
    """Sure log-probabilities of words, each letter an output frame and a blank, from their second on."""
    num_frames = round((end - start) / SHIFT)
    log_probs = np.full((num_frames, len(ALPHABET)), -20.0, np.float32)
    log_probs[:, ALPHABET.blank] = -1e-3
    for text, second in words:
        place = round((second - start) / SHIFT)
        for letter in [*ALPHABET.encode(text), ALPHABET.encode(" ")[0]]:
            if 0 <= place < num_frames:
                log_probs[place, ALPHABET.blank] = -20.0
                log_probs[place, letter] = -1e-3
            place += 2
    times = start + np.arange(num_frames * stride) * SHIFT / stride
    return Heard(log_probs, times, stride)


def joined(left: Heard, right: Heard, start: float, end: float, middle: float) -> str:
    place = seam(left, right, start, end, middle, ALPHABET)
    assert start <= place <= end
    parts = left.cut(-np.inf, place), right.cut(place, np.inf)
    return " ".join(filter(None, (greedy(part.log_probs, ALPHABET).text for part in parts)))


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("middle", np.arange(10.2, 13.9, 0.1))
def test_no_word_is_doubled_or_lost_wherever_the_cut_would_be(middle: float, stride: int) -> None:
    words = [
        ("мама", 9.0),
        ("мыла", 10.1),
        ("раму", 11.0),
        ("а", 11.8),
        ("папа", 12.2),
        ("пил", 13.2),
        ("чай", 14.5),
    ]
    left = heard(0.0, 14.0, *words, stride=stride)
    right = heard(10.0, 25.0, *words, stride=stride)
    assert joined(left, right, 10.0, 14.0, float(middle)) == "мама мыла раму а папа пил чай"


def test_words_that_the_two_hear_a_little_apart_are_taken_once() -> None:
    left = heard(0.0, 14.0, ("один", 10.6), ("два", 11.45), ("три", 12.4))
    right = heard(10.0, 25.0, ("один", 10.66), ("два", 11.54), ("три", 12.46))
    for middle in np.arange(10.3, 13.7, 0.05):
        assert joined(left, right, 10.0, 14.0, float(middle)) == "один два три"


def test_what_one_side_mangles_at_its_edge_is_taken_from_the_other() -> None:
    left = heard(0.0, 14.0, ("начало", 10.2), ("середина", 11.6), ("ко", 13.7))
    right = heard(10.0, 25.0, ("чало", 10.3), ("середина", 11.6), ("конец", 13.7))
    assert joined(left, right, 10.0, 14.0, 12.0) == "начало середина конец"


def test_where_both_are_silent_the_seam_is_in_the_middle() -> None:
    assert seam(heard(0, 14), heard(10, 20), 10.0, 14.0, 12.0, ALPHABET) == 12.0


def test_a_babble_without_gaps_is_still_joined_within_what_both_heard() -> None:
    left, right = heard(0, 14, ("а" * 90, 9.0)), heard(10, 20, ("аб" * 90, 10.0))
    place = seam(left, right, 10.0, 14.0, 12.0, ALPHABET)
    assert place == 12.0
