from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from govor.config import FEATURE_PRESETS, AugmentConfig
from govor.dataset.augment import (
    Augmenter,
    add_noise,
    add_reverb,
    change_speed,
    mask_time,
    repeat_quietest,
    warp_matrix,
)

ALL = AugmentConfig(speed=0.2, warp=0.2, reverb=1, noise=1, tilt=0.5, time_masks=2, band_masks=2)
SPHINX = FEATURE_PRESETS["sphinx8k"]


def speech(frames: int = 60, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(frames, 13)).astype(np.float32)


def test_augmenter_without_changes_gives_the_same_numbers() -> None:
    features = speech()
    changed = Augmenter(AugmentConfig(), SPHINX)(features, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, features)


@pytest.mark.parametrize("preset", FEATURE_PRESETS)
def test_cepstra_survive_the_way_to_mel_bands_and_back(preset: str) -> None:
    augmenter = Augmenter(ALL, FEATURE_PRESETS[preset])
    features = 10 * speech()
    # Measured 1.3e-5.
    np.testing.assert_allclose(features @ augmenter.to_bands.T @ augmenter.to_cepstra.T, features, atol=1e-4)


def test_the_same_seed_changes_in_the_same_way_and_another_in_another() -> None:
    augmenter, features = Augmenter(ALL, SPHINX), speech()
    first, again, other = (augmenter(features, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 1000))
def test_no_change_makes_an_utterance_shorter_than_its_text_needs(
    frames: int, needed: int, seed: int
) -> None:
    features = speech(frames)
    kept = features.copy()
    changed = Augmenter(ALL, SPHINX)(features, np.random.default_rng(seed), needed)
    assert len(changed) >= min(frames, needed)
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    np.testing.assert_array_equal(features, kept)


def test_twice_the_speed_is_half_the_frames_between_the_same_ends() -> None:
    line = np.arange(21, dtype=np.float32)[:, None]
    np.testing.assert_allclose(change_speed(line, 2.0)[:, 0], np.linspace(0, 20, 10), atol=1e-5)


def test_warp_by_one_changes_nothing_and_by_two_reads_every_other_band() -> None:
    np.testing.assert_array_equal(warp_matrix(6, 1.0), np.eye(6, dtype=np.float32))
    bands = np.arange(6, dtype=np.float32)
    np.testing.assert_allclose(warp_matrix(6, 2.0) @ bands, [0, 2, 4, 5, 5, 5])


def test_noise_only_fills_in_never_takes_energy_away() -> None:
    bands = 3 * np.random.default_rng(0).normal(size=(50, 15)).astype(np.float32)
    noisy = add_noise(bands, np.random.default_rng(1))
    assert (noisy >= bands - 1e-5).all()
    assert noisy.mean() > bands.mean() + 0.01


def test_time_mask_hides_at_most_an_eighth_behind_the_mean() -> None:
    features = speech(80)
    masked = mask_time(features, 1000, np.random.default_rng(0))
    hidden = (masked != features).any(axis=1)
    assert hidden.sum() == 10
    np.testing.assert_allclose(masked[hidden], np.tile(features.mean(axis=0), (10, 1)), atol=1e-6)


def test_band_mask_wider_than_all_bands_still_works() -> None:
    augmenter = Augmenter(AugmentConfig(band_masks=3, band_mask_width=99), SPHINX)
    for seed in range(20):
        assert np.isfinite(augmenter(speech(), np.random.default_rng(seed))).all()


def test_a_click_in_a_room_falls_by_60_db_in_the_drawn_time_and_nothing_comes_before_it() -> None:
    click = np.full((120, 15), -25.0, np.float32)
    click[10] = 0.0
    rng = np.random.default_rng(4)
    seconds = np.random.default_rng(4).uniform(0.15, 0.8)
    wet = add_reverb(click, rng)
    # The silence rings too, but stays silence.
    assert wet[:10].max() < -22
    np.testing.assert_allclose(wet[10], 0, atol=1e-4)
    per_frame = np.diff(wet[12:20], axis=0)
    # The slope in natural log of power; the floor of the silent frames adds less than 1e-3.
    np.testing.assert_allclose(per_frame, -6 * np.log(10) / (100 * seconds), atol=2e-3)


@given(st.integers(0, 500))
def test_a_room_only_adds_energy(seed: int) -> None:
    bands = 3 * np.random.default_rng(seed).normal(size=(50, 15)).astype(np.float32)
    wet = add_reverb(bands, np.random.default_rng(seed))
    # Single precision at this range.
    assert (wet - bands).min() > -1e-4
    assert np.isfinite(wet).all()


@given(st.integers(0, 200), st.integers(1, 60))
def test_nobody_speaks_for_as_long_as_the_utterance_lasted(seed: int, frames: int) -> None:
    features = speech(frames)
    silent = Augmenter(AugmentConfig(), SPHINX).silence(features, np.random.default_rng(seed))
    assert silent.shape == features.shape
    assert silent.dtype == np.float32
    assert np.isfinite(silent).all()


def test_the_quietest_moment_is_repeated_and_nothing_else() -> None:
    features = speech(200)
    features[90:110, 0] -= 20
    silent = repeat_quietest(features, np.random.default_rng(3))
    quiet = {frame.tobytes() for frame in features[90:110]}
    assert {frame.tobytes() for frame in silent} <= quiet
    assert len({frame.tobytes() for frame in silent}) > 10
