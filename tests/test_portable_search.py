from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_truth import (
    ALPHABET,
    SMALL,
    assert_texts_are_those_of_enumeration,
    assert_texts_are_those_of_the_definition,
    frames,
    tiny_language_model,
)
from govor.decoding.beam import BeamDecoder, BeamSettings, shipped_language_model
from govor.decoding.portable import PORTABLE_BEAM_WIDTH, PortableSearch
from govor.errors import ModelError
from govor.language_model import NgramModel, read_kenlm, write_arpa
from govor.language_model.mapped import MappedModel
from govor.recognizer import load_model

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def no_package() -> Iterator[None]:
    """An installation on a machine that ctc-beam-decoder has no wheel for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ctc_beam_decoder", None)
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[NgramModel, Path]:
    return tiny_language_model(tmp_path_factory.mktemp("lm"))


@pytest.fixture
def ru_klm() -> Path:
    path = shipped_language_model()
    if path is None:
        pytest.skip("this installation holds no ru.klm")
    return path


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), num_frames=st.integers(1, 6))
@pytest.mark.usefixtures("no_package")
def test_without_a_language_model_texts_and_scores_are_those_of_enumeration(
    seed: int, num_frames: int
) -> None:
    assert_texts_are_those_of_enumeration(seed, num_frames)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    num_frames=st.integers(1, 6),
    alpha=st.floats(0, 0.6),
    beta=st.floats(-1, 1),
    unknown=st.floats(-1, 0),
)
@pytest.mark.usefixtures("no_package")
def test_with_a_language_model_texts_and_scores_are_those_of_the_definition(
    tiny: tuple[NgramModel, Path], seed: int, num_frames: int, alpha: float, beta: float, unknown: float
) -> None:
    assert_texts_are_those_of_the_definition(tiny, seed, num_frames, BeamSettings(5000, alpha, beta, unknown))


@pytest.mark.parametrize("name", ["tiny", "shipped"])
def test_a_mapped_model_gives_the_probabilities_of_the_whole_one(
    name: str, tiny: tuple[NgramModel, Path], request: pytest.FixtureRequest
) -> None:
    path = tiny[1] if name == "tiny" else request.getfixturevalue("ru_klm")
    whole, mapped = read_kenlm(path), MappedModel(path)
    ids = {word: i for i, word in enumerate(mapped.words)}
    random = np.random.default_rng(5)
    keys = random.choice(whole.grams[2].keys, 300).tolist()
    listed = [[key >> 42 & 0x1FFFFF, key >> 21 & 0x1FFFFF, key & 0x1FFFFF] for key in keys]
    # Listed ones, those that end or begin otherwise, and those with an unknown word at each place.
    others = random.integers(3, len(whole.words), 300).tolist() if len(whole.words) > 3 else [2] * 300
    asked = [*listed, *([*gram[:2], other] for gram, other in zip(listed, others, strict=True))]
    asked += [[other, *gram[1:]] for gram, other in zip(listed, others, strict=True)]
    asked += [[*gram[:place], 0, *gram[place + 1 :]] for gram in listed[:50] for place in range(3)]
    for gram in asked:
        context: tuple[int, ...] = ()
        for word in gram[:2]:
            _, context = mapped.extend(context, ids[whole.words[word]])
        log_prob, _ = mapped.extend(context, ids[whole.words[gram[2]]])
        assert log_prob == pytest.approx(whole._log_prob(gram), abs=1e-6)


SPOKEN = ("кот", "кот и дом", "щшчкот", "кот щшчкот дом", "гусев щш да", "щшчкотщшчкот", "над этой", "ко дом")


@pytest.mark.parametrize("hotwords", [(), ("кот",), ("котёнок", "дом"), ("над этой",)])
def test_the_score_of_a_text_is_that_of_the_package(
    hotwords: tuple[str, ...], ru_klm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "ctc_beam_decoder", raising=False)
    pytest.importorskip("ctc_beam_decoder")
    weights = BeamSettings(64, 0.6, 1.25, -9.5)
    compiled = BeamDecoder(ALPHABET, ru_klm, weights, hotwords=hotwords)
    expected = [compiled(frames("-".join(text), 0.8)) for text in SPOKEN]
    monkeypatch.setitem(sys.modules, "ctc_beam_decoder", None)
    portable = BeamDecoder(ALPHABET, ru_klm, weights, hotwords=hotwords)
    assert isinstance(portable._search, PortableSearch)
    for text, theirs in zip(SPOKEN, expected, strict=True):
        ours = portable(frames("-".join(text), 0.8))
        assert ours.text == theirs.text == text
        # Up to 0.002 of it are paths through texts that one of them drops.
        assert ours.score == pytest.approx(theirs.score, abs=0.01)


@pytest.mark.usefixtures("no_package")
def test_silence_scores_as_the_empty_text() -> None:
    path = shipped_language_model()
    if path is None:
        pytest.skip("this installation holds no ru.klm")
    decoded = BeamDecoder(ALPHABET, path, BeamSettings(alpha=0.6, beta=1.25, unknown=-9.5))(
        frames("---", 0.9)
    )
    assert (decoded.text, decoded.words) == ("", ())


@pytest.mark.usefixtures("no_package")
def test_probabilities_far_apart_neither_overflow_nor_vanish() -> None:
    log_probs = np.full((400, 4), -90.0, np.float32)
    log_probs[:, 2] = -80.0
    decoded = BeamDecoder(SMALL, None, BeamSettings(beam_width=8))(log_probs)
    assert decoded.text == "а"
    assert math.isfinite(decoded.score)


@pytest.mark.usefixtures("no_package")
def test_recordings_are_recognised_with_the_language_model_without_the_package(ru_klm: Path) -> None:
    recognizer = load_model()
    decoder = recognizer.beam_decoder(ru_klm)
    assert decoder.settings.beam_width == PORTABLE_BEAM_WIDTH
    assert recognizer.beam_decoder(None, beam_width=100).settings.beam_width == 100
    transcript = recognizer.transcribe(EXAMPLES / "male.wav")
    assert transcript.warnings == ()
    known = set(MappedModel(ru_klm).words)
    words = transcript.text.split()
    assert len([word for word in words if word in known]) > 0.7 * len(words) > 3


@pytest.mark.usefixtures("no_package")
def test_a_language_model_of_another_kind_is_refused_in_one_line(
    tmp_path: Path, tiny: tuple[NgramModel, Path]
) -> None:
    path = tmp_path / "tiny.arpa"
    write_arpa(tiny[0], path)
    with pytest.raises(ModelError, match=r"tiny\.arpa.*govor lm build"):
        BeamDecoder(SMALL, path)
