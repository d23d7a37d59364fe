from __future__ import annotations

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govor.alignment import AlignedText, align_recording, spoken_text
from govor.audio.loading import read_blocks
from govor.decoding.greedy import DecodedWord, align
from govor.decoding.word_times import Offsets, offsets_from_json, word_times
from govor.errors import AudioError, ManifestError
from govor.recognizer import Recognizer, load_model
from govor.transcript import Word
from tiny_model import HOOT_SECONDS, HOOT_SPAN, hooting_model, hoots
from tiny_recordings import write_wav

VOICE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")


@pytest.fixture(scope="module")
def hooter(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return load_model(hooting_model(tmp_path_factory.mktemp("model") / "hooter.onnx"))


def test_words_are_found_where_they_sound(hooter: Recognizer) -> None:
    aligned = align_recording(hooter, hoots(3), "а а а", sample_rate=16000)
    for number, word in enumerate(aligned.words):
        # A frame is 10 ms, its window 25 ms.
        assert word.start - number * HOOT_SECONDS == pytest.approx(HOOT_SPAN[0], abs=0.03)
        assert word.end - number * HOOT_SECONDS == pytest.approx(HOOT_SPAN[1], abs=0.03)


def test_words_of_a_long_recording_are_found_in_every_window(hooter: Recognizer) -> None:
    aligned = align_recording(hooter, hoots(40), " ".join("а" * 40), sample_rate=16000)
    starts = [word.start - i * HOOT_SECONDS for i, word in enumerate(aligned.words)]
    assert len(starts) == 40 and max(abs(start - HOOT_SPAN[0]) for start in starts) < 0.03


def test_a_text_that_fits_scores_higher_than_one_that_does_not(hooter: Recognizer) -> None:
    right = align_recording(hooter, hoots(2), "а а", sample_rate=16000)
    wrong = align_recording(hooter, hoots(2), "бе бе", sample_rate=16000)
    assert right.score > -0.5 > -3 > wrong.score


def test_texts_that_cannot_be_aligned_are_one_clear_error(hooter: Recognizer) -> None:
    with pytest.raises(ManifestError, match="does not fit"):
        align_recording(hooter, hoots(1), "а " * 200, sample_rate=16000)
    with pytest.raises(ManifestError, match="Latin"):
        align_recording(hooter, hoots(1), "hello", sample_rate=16000)
    with pytest.raises(ManifestError, match="text is empty"):
        align_recording(hooter, hoots(1), "…", sample_rate=16000)
    with pytest.raises(AudioError):
        align_recording(hooter, np.zeros(0, np.float32), "а", sample_rate=16000)


def test_numbers_in_the_text_are_said() -> None:
    assert spoken_text("Канал 5, 9-го мая") == "канал пять девятого мая"


def test_a_text_of_many_letters_can_be_aligned() -> None:
    # States past the 127th once overflowed.
    labels = [1 + i % 5 for i in range(200)]
    log_probs = np.full((400, 8), -5.0, np.float32)
    log_probs[np.arange(0, 400, 2), labels] = -0.1
    log_probs[1::2, 0] = -0.1
    assert align(log_probs, labels).starts.tolist() == list(range(0, 400, 2))


word_lists = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), min_size=1, max_size=8)


@settings(deadline=None)
@given(word_lists, st.floats(0, 0.5), st.floats(0, 0.5), st.integers(1, 4))
def test_word_times_are_ordered_and_inside_the_recording(
    gaps: list[tuple[int, int]], lead: float, tail: float, stride: int
) -> None:
    words, at = [], 0
    for gap, length in gaps:
        words.append(DecodedWord("а", at + gap, at + gap + length, 1.0))
        at += gap + length
    times = np.arange(at * stride) * 0.01
    duration = at * stride * 0.01
    spans = word_times(words, times, stride, 0.01, duration, Offsets(lead, tail))
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges) and edges[0] >= 0 and edges[-1] <= duration + 1e-9
    assert all(end > start for start, end in spans)


def test_offsets_lengthen_words_up_to_the_middle_between_them() -> None:
    words = [DecodedWord("а", 10, 20, 1.0), DecodedWord("б", 24, 30, 1.0)]
    spans = word_times(words, np.arange(100) * 0.01, 1, 0.01, 1.0, Offsets(0.05, 0.1))
    assert spans == [pytest.approx((0.05, 0.22)), pytest.approx((0.22, 0.40))]


@pytest.mark.parametrize("row", [{}, 3, {"lead": "x", "tail": 0}, {"lead": 5, "tail": 0}])
def test_unusable_offsets_in_a_model_are_one_clear_error(row: object) -> None:
    with pytest.raises(Exception, match="time offsets"):
        offsets_from_json(row)


def aligned_of(*spans: tuple[str, float, float], duration: float = 3.0) -> AlignedText:
    return AlignedText(tuple(Word(*span, 0.5) for span in spans), duration, -0.1, "a.wav")


def test_subtitles_are_in_subrip_form() -> None:
    assert aligned_of(("да", 0.5, 1.0), ("нет", 3661.0, 3661.25), duration=4000.0).to_srt() == (
        "1\n00:00:00,500 --> 00:00:01,000\nда\n\n2\n01:01:01,000 --> 01:01:01,250\nнет\n"
    )


def test_json_holds_times_score_and_path() -> None:
    row = json.loads(aligned_of(("да", 0.5, 1.0)).render("json"))
    assert (row["audio_filepath"], row["duration"], row["score"]) == ("a.wav", 3.0, -0.1)
    assert row["words"] == [{"text": "да", "start": 0.5, "end": 1.0, "confidence": 0.5}]


@given(word_lists)
def test_a_textgrid_is_read_by_an_independent_program(gaps: list[tuple[int, int]]) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    spans, at = [], 0.0
    for gap, length in gaps:
        spans.append(("слово", at + gap / 4, at + gap / 4 + length / 4))
        at = spans[-1][2]
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.TextGrid"
        path.write_text(aligned_of(*spans, duration=at + 1).to_textgrid(), encoding="utf-8")
        tier = textgrid.openTextgrid(str(path), includeEmptyIntervals=True).getTier("words")
    read = [(entry.label, entry.start, entry.end) for entry in tier.entries]
    assert [entry for entry in read if entry[0]] == spans
    # The tier is filled without gaps from 0 to the end, as Praat wants it.
    assert read[0][1] == 0 and read[-1][2] == at + 1
    assert all(before[2] == after[1] for before, after in pairwise(read))


def test_word_times_agree_with_phones_that_people_marked() -> None:
    if not (VOICE / "lab").is_dir() or shutil.which("festival") is None:
        pytest.skip("no festvox-ru")
    recognizer = load_model()
    starts, ends = [], []
    lines = (VOICE / "etc" / "txt.done.data").read_text(encoding="utf-8").splitlines()
    for line in lines[1:400:20]:
        match = re.match(r'\( (\S+) "(.*)" \)', line)
        assert match
        aligned = align_recording(recognizer, VOICE / "wav" / f"{match[1]}.wav", match[2])
        phones = [row.split() for row in (VOICE / "lab" / f"{match[1]}.lab").read_text().splitlines()[1:]]
        times = [(float(row[0]), row[2]) for row in phones]
        first = next(i for i, (_, phone) in enumerate(times) if phone != "pau")
        last = max(i for i, (_, phone) in enumerate(times) if phone != "pau")
        starts.append(abs(aligned.words[0].start - times[first - 1][0]))
        ends.append(abs(aligned.words[-1].end - times[last][0]))
    # Required: 60 ms in the median. Over all words it is 30 ms; here only edges of utterances are looked at.
    assert np.median(starts + ends) < 0.06


def test_no_word_lies_outside_its_recording(hooter: Recognizer, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", hoots(2))
    aligned = align_recording(hooter, path, "а а", Offsets(0.9, 0.9))
    total = sum(len(block) for block in read_blocks(path, 16000)) / 16000
    assert aligned.duration == pytest.approx(total)
    assert aligned.words[0].start >= 0 and aligned.words[-1].end <= total
