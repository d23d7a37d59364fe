import shutil
from dataclasses import replace

import numpy as np
import pytest

from govor.corpora.codecs import through_codec
from govor.corpora.variation import (
    Noise,
    Variation,
    active_power,
    change_voice,
    draw_variation,
    impulse_response,
    make_noise,
    vary,
)

needs_sox = pytest.mark.skipif(shutil.which("sox") is None, reason="not installed: sox")

PLAIN = Variation(
    semitones=0.0,
    tempo=1.0,
    lead=0.0,
    trail=0.0,
    reverberation=0.0,
    direct_db=0.0,
    noises=(),
    low_cut=1.0,
    high_cut=50000.0,
    tilt_db=0.0,
    peaks=(),
    clip_db=0.0,
    telephone=False,
    codec="none",
    bit_rate=0,
    level_db=-6.0,
    seed=1,
)


def _tone(frequency, seconds=1.0, sample_rate=8000, level=0.5):
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def _peak_frequency(waveform, sample_rate=8000):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return np.argmax(spectrum) * sample_rate / len(waveform)


def _band_db(waveform, low, high, sample_rate=8000):
    power = np.abs(np.fft.rfft(waveform)) ** 2
    frequency = np.fft.rfftfreq(len(waveform), 1 / sample_rate)
    return 10 * np.log10(power[(frequency >= low) & (frequency < high)].mean())


@needs_sox
def test_an_octave_up_doubles_the_pitch_and_keeps_the_time():
    made = change_voice(_tone(300, 2.0, 16000), 16000, 8000, semitones=12.0)
    assert abs(len(made) / 8000 - 2.0) < 0.02
    assert abs(_peak_frequency(made) - 600) < 3


@needs_sox
def test_tempo_shortens_and_keeps_the_pitch():
    made = change_voice(_tone(300, 2.0, 16000), 16000, 8000, tempo=1.25)
    # WSOLA works in steps of some 20 ms; measured 2 ms off.
    assert abs(len(made) / 8000 - 1.6) < 0.02
    assert abs(_peak_frequency(made) - 300) < 3


@needs_sox
def test_the_same_variation_makes_the_same_sound_and_another_seed_another():
    variation = draw_variation(np.random.default_rng(5))
    voice, other = _tone(220, 1.0, 16000), _tone(310, 1.0)
    first = vary(voice, 16000, 8000, variation, [other])
    assert np.array_equal(first, vary(voice, 16000, 8000, variation, [other]))
    changed = replace(variation, seed=variation.seed + 1, noises=(Noise("babble", 10.0),))
    assert not np.array_equal(first, vary(voice, 16000, 8000, changed, [other]))


@needs_sox
def test_a_variation_changes_the_length_only_by_tempo_and_pauses():
    for seed in range(15):
        variation = draw_variation(np.random.default_rng(seed))
        made = vary(_tone(220, 2.0, 16000), 16000, 8000, variation)
        expected = 2.0 / variation.tempo + variation.lead + variation.trail
        assert abs(len(made) / 8000 - expected) < 0.03
        assert 0.85 <= variation.tempo <= 1.3


@needs_sox
@pytest.mark.parametrize("level_db", [-30.0, -12.0, -1.0])
def test_the_loudest_sample_has_the_drawn_level(level_db):
    made = vary(_tone(440, 1.0), 8000, 8000, replace(PLAIN, level_db=level_db))
    # The converter's noise adds a few 16-bit steps.
    assert abs(20 * np.log10(np.abs(made).max()) - level_db) < 0.1


@needs_sox
def test_noise_is_as_far_below_the_speech_as_drawn():
    variation = replace(PLAIN, noises=(Noise("white", 10.0),), lead=1.0)
    made = vary(_tone(1000, 2.0), 8000, 8000, variation).astype(np.float64)
    noise = np.mean(made[500:7500] ** 2)
    speech = np.mean(made[9000:23000] ** 2) - noise
    # Over 7000 samples the power of noise is known to 0.1 dB.
    assert abs(10 * np.log10(speech / noise) - 10.0) < 0.3


@needs_sox
def test_a_telephone_cuts_what_is_outside_its_band():
    hiss = make_noise(np.random.default_rng(1), "white", 16000, 8000).astype(np.float32)
    hiss /= np.abs(hiss).max() * 2
    made = vary(hiss, 8000, 8000, replace(PLAIN, telephone=True))
    inside = _band_db(made, 500, 3000)
    assert inside - _band_db(made, 50, 200) > 25
    assert inside - _band_db(made, 3800, 4000) > 8


@needs_sox
def test_a_silent_recording_is_refused():
    with pytest.raises(ValueError, match=r"silent|беззвучн"):
        vary(np.zeros(8000, np.float32), 8000, 8000, PLAIN)


@pytest.mark.parametrize(("kind", "slope_db"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_noise_colours_fall_by_their_slope_an_octave(kind, slope_db):
    noise = make_noise(np.random.default_rng(2), kind, 80000, 8000)
    octaves = [_band_db(noise, low, 2 * low) for low in (125, 250, 500, 1000, 2000)]
    assert np.allclose(np.diff(octaves), slope_db, atol=0.4)


def test_hum_sits_on_the_mains_frequency():
    hum = make_noise(np.random.default_rng(3), "hum", 16000, 8000)
    assert _peak_frequency(hum) % 50 == pytest.approx(0, abs=0.6)


def test_an_echo_falls_by_60_db_in_the_drawn_time():
    echo = impulse_response(np.random.default_rng(1), 8000, 0.5, 0.0)
    # Schroeder's backward integral between -5 and -25 dB, as in ISO 3382.
    energy = np.cumsum(echo[200:][::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    start, end = np.argmax(level < -5), np.argmax(level < -25)
    assert (end - start) / 8000 * 3 == pytest.approx(0.5, rel=0.1)


def test_active_power_does_not_count_the_pauses():
    tone = _tone(500).astype(np.float64)
    assert active_power(np.pad(tone, 8000), 8000) == pytest.approx(np.mean(tone**2), rel=0.02)


@pytest.mark.parametrize(("codec", "rate"), [("mulaw", 0), ("amr", 12200), ("amr", 4750), ("opus", 12000)])
def test_a_codec_keeps_length_and_pitch_but_not_the_samples(codec, rate):
    tone = _tone(700, 1.03).astype(np.float64) * np.hanning(8240)
    made = through_codec(tone, 8000, codec, rate)
    assert len(made) == len(tone)
    assert abs(_peak_frequency(made) - 700) < 3
    assert np.sqrt(np.mean(made**2)) == pytest.approx(np.sqrt(np.mean(tone**2)), rel=0.25)
    assert not np.allclose(made, tone, atol=1e-4)


def test_mulaw_has_256_steps():
    made = through_codec(np.linspace(-1, 1, 20001), 8000, "mulaw", 0)
    assert len(np.unique(made)) == 255  # both zeros are one
    assert np.abs(made).max() == pytest.approx(1.0)
