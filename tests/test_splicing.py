from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from govor.dataset.splicing import Splicer
from govor.manifest import Utterance

# Each word has its own level in every frame, so that a frame tells which word it is of.
WORDS = ["мама", "мыла", "раму", "папа", "пил", "чай", "кот", "спал"]
FRAMES = 20


def utterance(number: int, speaker: str = "ann") -> Utterance:
    words = [WORDS[(number + step) % len(WORDS)] for step in range(4)]
    cuts = tuple(FRAMES * 0.01 * (place + 1) for place in range(3))
    return Utterance(str(number), 0.8, " ".join(words), speaker, cuts=cuts)


def features(said: Utterance) -> NDArray[np.float32]:
    levels = [10.0 * WORDS.index(word) for word in said.text.split()]
    return np.repeat(np.asarray(levels, np.float32), FRAMES)[:, None] + np.zeros((1, 3), np.float32)


def make_splicer(utterances: list[Utterance]) -> Splicer:
    return Splicer(utterances, lambda index: features(utterances[index]), 0.01)


@given(st.integers(0, 1000))
def test_every_frame_of_a_spliced_sentence_lies_under_its_own_word(seed: int) -> None:
    utterances = [utterance(number) for number in range(8)]
    # With the means taken off, recordings of other levels could not be told apart here: all have one mean.
    flat = [features(said) - features(said).mean(axis=0) for said in utterances]
    splicer = Splicer(utterances, lambda index: flat[index], 0.01)
    made = splicer(3, np.random.default_rng(seed))
    assert len(made.features) == FRAMES * len(made.text.split())
    for place, word in enumerate(made.text.split()):
        piece = made.features[place * FRAMES : (place + 1) * FRAMES]
        sources = [said for said in utterances if word in said.text.split()]
        assert any(
            np.allclose(
                piece[0], features(said)[said.text.split().index(word) * FRAMES] - features(said).mean(axis=0)
            )
            for said in sources
        )
        assert np.ptp(piece) == 0


@given(st.integers(0, 1000))
def test_a_spliced_sentence_is_about_as_long_as_the_one_it_stands_for(seed: int) -> None:
    made = make_splicer([utterance(number) for number in range(8)])(0, np.random.default_rng(seed))
    assert 0.75 * 4 * FRAMES <= len(made.features) <= 1.15 * 4 * FRAMES


def test_sentences_come_out_that_nobody_said() -> None:
    utterances = [utterance(number) for number in range(8)]
    splicer = make_splicer(utterances)
    made = {splicer(0, np.random.default_rng(seed)).text for seed in range(50)}
    assert len(made - {said.text for said in utterances}) > 40


def test_words_come_from_the_same_speaker_only() -> None:
    utterances = [utterance(number, "ann") for number in range(4)]
    other = Utterance("x", 0.8, "чужие слова здесь лишние", "bob", cuts=(0.2, 0.4, 0.6))
    said = [*utterances, *[other] * 4]
    splicer = Splicer(said, lambda index: features(utterances[0]), 0.01)
    for seed in range(30):
        assert not set(splicer(0, np.random.default_rng(seed)).text.split()) & set(other.text.split())


@pytest.mark.parametrize(
    ("number", "speaker", "possible"), [(4, "ann", True), (3, "ann", False), (8, "", False)]
)
def test_only_a_known_speaker_with_enough_recordings_is_spliced(
    number: int, speaker: str, possible: bool
) -> None:
    splicer = make_splicer([utterance(index, speaker) for index in range(number)])
    assert splicer.can_splice(0) is possible


def test_the_same_draws_give_the_same_sentence() -> None:
    splicer = make_splicer([utterance(number) for number in range(8)])
    one, two = (splicer(1, np.random.default_rng(9)) for _ in range(2))
    assert one.text == two.text
    np.testing.assert_array_equal(one.features, two.features)


@given(st.integers(0, 1000))
def test_an_excerpt_is_a_run_of_words_with_silence_of_its_recording_around(seed: int) -> None:
    utterances = [utterance(number) for number in range(8)]
    splicer, rng = make_splicer(utterances), np.random.default_rng(seed)
    excerpt = splicer.draw_excerpt(2, 4 * FRAMES, rng)
    assert excerpt is not None
    made = splicer.cut_out(2, excerpt, rng)
    assert made.text in utterances[2].text
    levels = made.features[:, 0] / 10
    wanted = np.repeat([WORDS.index(word) for word in made.text.split()], FRAMES)
    found = "".join(f"{level:.0f}" for level in levels)
    assert "".join(map(str, wanted)) in found
    assert len(levels) - len(wanted) <= 45


def test_an_utterance_without_cuts_gives_no_excerpt() -> None:
    said = Utterance("a", 1.0, "слово", "ann")
    assert make_splicer([said]).draw_excerpt(0, 80, np.random.default_rng(0)) is None
