from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from beam_truth import (
    ALPHABET,
    SMALL,
    assert_texts_are_those_of_enumeration,
    assert_texts_are_those_of_the_definition,
    flat_log_probs,
    frames,
    texts_by_enumeration,
    tiny_language_model,
)
from govor.decoding.beam import BeamDecoder, BeamSettings, leave_likely, shipped_language_model
from govor.decoding.greedy import greedy
from govor.errors import ConfigError, InputNotFoundError, ModelError
from govor.language_model import NgramModel, build, write_arpa, write_kenlm
from govor.transcript import Segment, Transcript, Word

pytest.importorskip("ctc_beam_decoder")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NgramModel, Path]]:
    yield tiny_language_model(tmp_path_factory.mktemp("lm"))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_without_a_language_model_texts_and_scores_are_those_of_enumeration(
    seed: int, num_frames: int
) -> None:
    # Measured: 2e-6 (float32).
    assert_texts_are_those_of_enumeration(seed, num_frames)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    num_frames=st.integers(1, 6),
    alpha=st.floats(0, 0.6),
    beta=st.floats(-1, 1),
    unknown=st.floats(-1, 0),
)
def test_with_a_language_model_texts_and_scores_are_those_of_the_definition(
    tiny: tuple[NgramModel, Path], seed: int, num_frames: int, alpha: float, beta: float, unknown: float
) -> None:
    # The weights of so small a model are stored exactly, to float32; measured 3e-6.
    assert_texts_are_those_of_the_definition(tiny, seed, num_frames, BeamSettings(5000, alpha, beta, unknown))


def test_surely_blank_frames_cost_no_search_and_change_neither_text_nor_score() -> None:
    log_probs = frames("ко--т", 0.6)
    blank = frames("-", 0.995)
    padded = np.concatenate([blank, blank, log_probs[:3], *[blank] * 40, log_probs[3:], blank, blank])
    short = np.concatenate([blank, log_probs[:3], blank, log_probs[3:], blank])
    searched: list[int] = []
    decoder = BeamDecoder(ALPHABET, None)
    search = decoder._search.decode_beams

    def counting(frames: NDArray[np.float32], **options: object) -> object:
        searched.append(len(frames))
        return search(frames, **options)

    decoder._search.decode_beams = counting
    plain, dense = decoder(padded), decoder(short)
    assert plain.text == dense.text == "кот"
    assert searched == [8, 8]
    # 41 frames more, each of probability 0.995.
    assert plain.score == pytest.approx(dense.score + 41 * math.log(0.995), abs=1e-4)


def test_the_fewest_symbols_stay_that_have_the_probability_together() -> None:
    probabilities = np.array(
        [[0.5, 0.45, 0.03, 0.02], [0.95, 0.02, 0.02, 0.01], [0.25, 0.25, 0.25, 0.25], [0.04, 0.06, 0.3, 0.6]]
    )
    log_probs = np.log(probabilities).astype(np.float32)
    # The second frame is sure by one symbol and stays as it is.
    left = probabilities * [[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]]
    assert leave_likely(log_probs, 0.94) == pytest.approx(math.log(0.95 * 0.96), abs=1e-6)
    assert np.exp(log_probs) == pytest.approx(left, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_a_narrow_beam_scores_a_text_by_its_paths_through_likely_symbols(seed: int, num_frames: int) -> None:
    likely = flat_log_probs(seed, num_frames)
    decoded = BeamDecoder(SMALL, None, BeamSettings(beam_width=32))(likely.copy())
    leave_likely(likely, 0.94)
    totals = texts_by_enumeration(likely)
    # Paths that 32 beginnings leave out: up to 0.068 in 400 seeds.
    assert decoded.score == pytest.approx(totals[decoded.text], abs=0.15)
    assert decoded.score > max(totals.values()) - 0.15


def test_a_weaker_blank_lets_faint_letters_through() -> None:
    log_probs = frames("ко-т", 0.9)
    log_probs[2] = np.log(0.002)
    log_probs[2, [0, ALPHABET.encode("р")[0]]] = np.log([0.6, 0.334])
    assert BeamDecoder(ALPHABET, None).text(log_probs) == "кот"
    assert BeamDecoder(ALPHABET, None, BeamSettings(blank=1.0)).text(log_probs) == "корт"


def test_beam_beats_greedy_where_many_paths_spell_one_text() -> None:
    probabilities = np.array([[0.4, 0.0, 0.35, 0.25], [0.4, 0.0, 0.35, 0.25]]) + 1e-9
    log_probs = np.log(probabilities).astype(np.float32)
    assert greedy(log_probs, SMALL).text == ""
    # «а»: а-, -а, аа = 0.14 + 0.14 + 0.1225, more than 0.16 for silence.
    assert BeamDecoder(SMALL)(log_probs).text == "а"


def test_beam_gives_the_words_of_clear_frames_with_their_spans() -> None:
    decoded = BeamDecoder(ALPHABET)(frames("--дд-а--  -ннн--ее-т-", 0.99))
    assert decoded.text == "да нет"
    assert [(word.start, word.end) for word in decoded.words] == [(2, 6), (11, 20)]
    assert all(word.confidence == pytest.approx(0.99) for word in decoded.words)


def test_beam_of_no_frames_is_empty() -> None:
    assert BeamDecoder(ALPHABET)(frames("")).text == ""
    assert BeamDecoder(ALPHABET)(frames("---")).words == ()


@pytest.fixture(scope="module", params=[".klm", ".arpa"])
def cats(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = build([["код", "верен"], ["код", "готов"], ["мой", "код"], ["мой", "кот"]])
    path: Path = tmp_path_factory.mktemp("lm") / f"модель{request.param}"
    (write_kenlm if request.param == ".klm" else write_arpa)(model, path)
    return path


def unsure(symbols: str, place: int, heard: str) -> NDArray[np.float32]:
    """Clear frames, but for one where the first of two letters is a little more likely than the second."""
    log_probs = frames(symbols)
    log_probs[place, ALPHABET.encode(heard)] = np.log([0.5, 0.45])
    return log_probs


def test_a_language_model_decides_between_words_that_sound_alike(cats: Path) -> None:
    log_probs = unsure("-к-о-т-", 5, "тд")
    assert BeamDecoder(ALPHABET)(log_probs).text == "кот"
    assert BeamDecoder(ALPHABET, cats, BeamSettings(alpha=1.0))(log_probs).text == "код"


def test_a_word_that_the_language_model_does_not_know_comes_out_as_its_letters(cats: Path) -> None:
    assert BeamDecoder(ALPHABET, cats)(frames("-м-о-й- -с-о-м-", 0.99)).text == "мой сом"


def test_a_hot_word_wins_over_a_likelier_one(cats: Path) -> None:
    log_probs = unsure("-м-о-й- -к-о-т-", 13, "дт")
    assert BeamDecoder(ALPHABET, cats)(log_probs).text == "мой код"
    assert BeamDecoder(ALPHABET, cats, hotwords=["Кот"])(log_probs).text == "мой кот"
    weak = BeamSettings(hotword_weight=0)
    assert BeamDecoder(ALPHABET, cats, weak, hotwords=["кот"])(log_probs).text == "мой код"


def test_alternatives_are_different_texts_best_first(cats: Path) -> None:
    log_probs = unsure("-м-о-й- -к-о-т-", 13, "дт")
    decoded = BeamDecoder(ALPHABET, cats, num_alternatives=3)(log_probs)
    assert [one.text for one in decoded.alternatives[:2]] == ["мой код", "мой кот"]
    assert len({one.text for one in decoded.alternatives}) == len(decoded.alternatives) <= 3
    assert decoded.score == decoded.alternatives[0].score > decoded.alternatives[1].score
    assert BeamDecoder(ALPHABET, cats)(log_probs).alternatives == ()


@pytest.mark.parametrize("name", ["male", "female"])
def test_as_many_alternatives_come_out_as_were_asked_for(name: str) -> None:
    from govor.recognizer import load_model

    # An unknown word in one of them used to leave a single text.
    recognizer = load_model()
    decoder = recognizer.beam_decoder(recognizer.shipped_language_model(), num_alternatives=5)
    path = Path(__file__).parent.parent / "examples" / f"{name}.wav"
    found = recognizer.transcribe(path, decoder).alternatives
    assert len({one.text for one in found}) == 5
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_alternatives_of_two_segments_are_joined_by_the_sum_of_their_scores(cats: Path) -> None:
    decoder = BeamDecoder(ALPHABET, cats, num_alternatives=2)
    lists = [
        decoder(unsure(text, len(text) - 2, "дт")).alternatives for text in ("-к-о-т-", "-м-о-й- -к-о-т-")
    ]
    segments = tuple(
        Segment(0.0, 1.0, options[0].text, (Word("к", 0.0, 1.0, 1.0),), 1.0, options) for options in lists
    )
    joined = Transcript("", segments, 2.0).alternatives
    expected = sorted((a.score + b.score for a in lists[0] for b in lists[1]), reverse=True)[:2]
    assert [one.score for one in joined] == pytest.approx(expected)
    assert joined[0].text == f"{lists[0][0].text} {lists[1][0].text}"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\x00\x01 not a model", "broken.klm"),
        (b"", "empty.klm"),
        (b"\\data\\\nngram 1=3\n\n\\1-grams:\n-1\t<unk>\n-1\thello\t0\n", "latin.arpa"),
    ],
)
def test_a_bad_or_foreign_language_model_is_one_clear_line(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=name) as caught:
        BeamDecoder(ALPHABET, path)
    assert "\n" not in str(caught.value)


def test_a_truncated_language_model_is_one_clear_line(tmp_path: Path, tiny: tuple[NgramModel, Path]) -> None:
    path = tmp_path / "cut.klm"
    path.write_bytes(tiny[1].read_bytes()[:600])
    with pytest.raises(ModelError, match=r"cut\.klm"):
        BeamDecoder(ALPHABET, path)


def test_a_language_model_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"absent\.klm"):
        BeamDecoder(ALPHABET, tmp_path / "absent.klm")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beam_width", 0),
        ("alpha", -0.1),
        ("alpha", math.nan),
        ("beta", 21),
        ("unknown", 1),
        ("hotword_weight", 101),
        ("blank", 6.0),
    ],
)
def test_a_weight_out_of_range_is_refused_with_its_range(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name.replace('_', '-')} = {value}"):
        BeamSettings(**{name: value})


@pytest.mark.parametrize("word", ["iphone", "дом2", "—"])
def test_a_hot_word_without_russian_letters_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match=repr(word)):
        BeamDecoder(ALPHABET, hotwords=["кот", word])


@pytest.mark.parametrize("word", ["", " "])
def test_an_empty_hot_word_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="an empty hot word: leave out the comma"):
        BeamDecoder(ALPHABET, hotwords=["кот", word])


def test_less_than_one_alternative_is_refused() -> None:
    with pytest.raises(ConfigError, match="0"):
        BeamDecoder(ALPHABET, num_alternatives=0)


def test_the_first_decoding_waits_for_the_shipped_model() -> None:
    path = shipped_language_model()
    if path is None:
        pytest.skip("this installation holds no ru.klm")
    decoder = BeamDecoder(ALPHABET, path, BeamSettings(alpha=1.0))
    # Of like sound, and only one of them is a word.
    assert decoder.text(unsure("-к-о-т-о-р-ы-й-", 5, "дт")) == "который"


def test_a_damaged_shipped_model_is_one_clear_line_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ru.klm"
    path.write_bytes(b"no model")
    monkeypatch.setattr("govor.decoding.loading.shipped_language_model", lambda: path)
    decoder = BeamDecoder(ALPHABET, path)
    with pytest.raises(ModelError, match=r"ru\.klm"):
        decoder.text(frames("-к-о-т-"))


def test_a_program_that_ends_leaves_the_words_of_its_models_to_the_system() -> None:
    program = (
        "import govor.decoding.compiled as compiled;"
        "from govor.decoding.beam import BeamDecoder, shipped_language_model;"
        "from govor.text.alphabet import Alphabet;"
        "decoder = BeamDecoder(Alphabet(), shipped_language_model());"
        "search = decoder._search; compiled._leave_to_the_system(); print(search._handle)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("None\n", "")


def test_a_hot_word_of_a_whole_book_is_not_told_back_whole() -> None:
    with pytest.raises(ConfigError) as caught:
        BeamDecoder(ALPHABET, hotwords=["a" * 100_000])
    assert len(str(caught.value)) < 200
