from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from govor.long_recordings.cutting import CutConfig, Cutter, Part, PauseCutter, Piece, Silence, WindowCutter

RATE = 8000
LONGEST, CONTEXT = CutConfig().longest, CutConfig().context


def sound(*parts: tuple[float, float], seed: int = 0) -> NDArray[np.float32]:
    """(seconds, level) after (seconds, level): noise that swells four times a second, as syllables do."""
    rng = np.random.default_rng(seed)
    pieces = []
    for seconds, level in parts:
        time = np.arange(round(seconds * RATE)) / RATE
        swell = np.abs(np.sin(2 * np.pi * 2 * time)) if level > 0.01 else 1.0
        pieces.append(level * swell * rng.normal(0, 1, len(time)))
    return np.concatenate(pieces).astype(np.float32)


SPEECH, QUIET = 0.1, 0.0005


def cut(cutter: Cutter, samples: NDArray[np.float32], block: int = 30 * RATE) -> list[Part]:
    parts = [part for i in range(0, len(samples), block) for part in cutter.feed(samples[i : i + block])]
    return parts + cutter.finish()


def assert_whole(parts: list[Part], samples: NDArray[np.float32]) -> None:
    """Parts follow each other without a gap from the first sample to the last, and hold what they say."""
    assert [part.start for part in parts] == [0, *(part.end for part in parts)][:-1]
    assert parts[-1].end == len(samples)
    for part in parts:
        first = part.first if isinstance(part, Piece) else part.start
        np.testing.assert_array_equal(part.samples, samples[first : first + len(part.samples)])
        if isinstance(part, Piece):
            assert first <= part.start < part.end <= first + len(part.samples)
            assert part.end - part.start <= LONGEST * RATE
            assert len(part.samples) <= (LONGEST + 2 * CONTEXT) * RATE


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.4, 1.0, 3.0, 12.0, 30.0]), st.sampled_from([SPEECH, QUIET, 0.0])),
        min_size=1,
        max_size=10,
    ),
    st.sampled_from([PauseCutter, WindowCutter]),
    st.sampled_from([1000, 8000, 77_777]),
)
def test_every_sample_is_in_one_part_whatever_the_blocks(
    layout: list[tuple[float, float]], make: type[PauseCutter], block: int
) -> None:
    samples = sound(*layout)
    parts = cut(make(RATE), samples, block)
    assert_whole(parts, samples)
    assert [(p.start, p.end, len(p.samples)) for p in parts] == [
        (p.start, p.end, len(p.samples)) for p in cut(make(RATE), samples)
    ]


def test_a_recording_no_longer_than_a_window_is_one_piece_even_if_it_is_silent() -> None:
    for level in (SPEECH, QUIET, 0.0):
        samples = sound((LONGEST, level))
        for cutter in (PauseCutter(RATE), WindowCutter(RATE)):
            (piece,) = cut(cutter, samples)
            assert isinstance(piece, Piece)
            assert (piece.first, piece.start, piece.end) == (0, 0, len(samples))


def test_nothing_gives_nothing() -> None:
    assert PauseCutter(RATE).finish() == WindowCutter(RATE).finish() == []


def test_long_silences_are_left_out_and_short_ones_are_not() -> None:
    samples = sound((8, SPEECH), (1.5, QUIET), (8, SPEECH), (20, QUIET), (5, SPEECH), (4, QUIET))
    parts = cut(PauseCutter(RATE), samples)
    silences = [(part.start / RATE, part.end / RATE) for part in parts if isinstance(part, Silence)]
    # Half a second beside speech is kept; a frame is 32 ms, and the last syllable ends softly.
    assert silences == [
        (pytest.approx(18.0, abs=0.2), pytest.approx(37.0, abs=0.2)),
        (pytest.approx(43.0, abs=0.2), 46.5),
    ]


def test_endless_silence_is_handed_out_in_parts() -> None:
    parts = cut(PauseCutter(RATE), np.zeros(600 * RATE, np.float32))
    assert all(isinstance(part, Silence) for part in parts)
    assert max(part.end - part.start for part in parts) <= (LONGEST + 2) * RATE


def test_long_speech_is_cut_at_its_pauses() -> None:
    layout = [(7.3, SPEECH), (0.6, QUIET)] * 12
    samples = sound(*layout)
    parts = cut(PauseCutter(RATE), samples)
    pauses = [7.9 * i - 0.3 for i in range(1, 13)]
    assert len(parts) > 4
    for part in parts[:-1]:
        assert isinstance(part, Piece)
        assert min(abs(part.end / RATE - pause) for pause in pauses) < 0.3


def test_speech_without_a_pause_is_cut_where_it_is_softest() -> None:
    samples = sound((90, SPEECH))
    soft = slice(round(20.0 * RATE), round(20.4 * RATE))
    samples[soft] *= 0.3
    first, *_ = cut(WindowCutter(RATE), samples)
    assert 20.0 * RATE < first.end < 20.4 * RATE
    parts = cut(PauseCutter(RATE), samples)
    assert len(parts) > 3


def test_pieces_that_touch_share_their_context() -> None:
    samples = sound((100, SPEECH))
    for cutter in (PauseCutter(RATE), WindowCutter(RATE)):
        for left, right in pairwise(cut(cutter, samples)):
            assert isinstance(left, Piece)
            assert isinstance(right, Piece)
            assert right.first <= left.end - CONTEXT * RATE
            assert left.first + len(left.samples) >= min(right.start + CONTEXT * RATE, len(samples))


def test_noise_that_sets_in_is_taken_for_speech_rather_than_left_out() -> None:
    samples = sound((30, 0.0), (30, 0.005), (10, SPEECH))
    parts = cut(PauseCutter(RATE), samples)
    left_out = [(part.start / RATE, part.end / RATE) for part in parts if isinstance(part, Silence)]
    assert_whole(parts, samples)
    assert all(start >= 33.0 or end <= 30.0 for start, end in left_out)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.3), (0.05, 0.02), (0.003, 0.0)])
def test_an_offset_or_softness_makes_no_silence_of_speech(gain: float, offset: float) -> None:
    samples = sound((8, SPEECH), (1.5, QUIET), (8, SPEECH), (20, QUIET), (5, SPEECH), (4, QUIET))
    changed = samples * np.float32(gain) + np.float32(offset)

    def left_out(samples: NDArray[np.float32]) -> list[float]:
        silences = [part for part in cut(PauseCutter(RATE), samples) if isinstance(part, Silence)]
        return [place / RATE for part in silences for place in (part.start, part.end)]

    assert left_out(changed) == pytest.approx(left_out(samples), abs=0.2)
