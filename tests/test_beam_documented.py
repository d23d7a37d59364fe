"""The cases that pyctcdecode documents by its own tests, in Russian letters: «бугс бунны» for bugs bunny.

Source: pyctcdecode 0.5.0, tests/test_decoder.py (Apache-2.0): inputs and expected texts are theirs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from govor.decoding.beam import BeamDecoder, BeamSettings
from govor.text.alphabet import Alphabet

pytest.importorskip("ctc_beam_decoder")

ALPHABET = Alphabet(("<blank>", " ", "б", "у", "г", "с", "н", "ы"))
# A bigram model that has seen «бугс бунны» and nothing else.
ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-0.8239087\t<unk>\t0
0\t<s>\t-0.30103
-0.8239087\t</s>\t0
-0.5228787\tбугс\t-0.30103
-0.5228787\tбунны\t-0.30103

\\2-grams:
-0.1760913\tбунны </s>
-0.1760913\t<s> бугс
-0.1760913\tбугс бунны

\\end\\
"""


def sure(symbols: str) -> NDArray[np.float64]:
    """Probabilities (T, 8) that are 1 for each symbol; ``-`` is the blank."""
    rows = np.zeros((len(symbols), len(ALPHABET)))
    for row, symbol in enumerate(symbols):
        rows[row, 0 if symbol == "-" else ALPHABET.encode(symbol)[0]] = 1
    return rows


def mixed(part: float) -> NDArray[np.float64]:
    """«бугс» with probability `part` in every frame, «бунны» with the rest."""
    return sure("бугс--") * part + sure("бун-ны") * (1 - part)


def logs(*parts: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.log(np.clip(np.vstack(parts), 1e-15, 1)).astype(np.float32)


EITHER_THEN_BUNNY = logs(mixed(0.49), sure(" "), sure("бун-ны"))
BUGS_THEN_EITHER = logs(sure("бугс"), sure(" "), mixed(0.51))


@pytest.fixture
def bugs_bunny(tmp_path: Path) -> Path:
    path = tmp_path / "bugs_bunny.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return path


def test_without_a_language_model_or_its_weight_the_likelier_letters_win(bugs_bunny: Path) -> None:
    assert BeamDecoder(ALPHABET).text(EITHER_THEN_BUNNY) == "бунны бунны"
    weightless = BeamSettings(alpha=0.0, beta=1.5)
    assert BeamDecoder(ALPHABET, bugs_bunny, weightless).text(EITHER_THEN_BUNNY) == "бунны бунны"


@pytest.mark.parametrize("unknown", [-10.0, 0.0])
def test_the_language_model_prefers_the_pair_it_has_seen(bugs_bunny: Path, unknown: float) -> None:
    weights = BeamSettings(alpha=1.0, beta=1.5, unknown=unknown)
    decoder = BeamDecoder(ALPHABET, bugs_bunny, weights)
    assert decoder.text(EITHER_THEN_BUNNY) == "бугс бунны"
    assert decoder.text(BUGS_THEN_EITHER) == "бугс бунны"
    assert BeamDecoder(ALPHABET).text(BUGS_THEN_EITHER) == "бугс бугс"


def test_a_word_outside_the_vocabulary_is_punished(tmp_path: Path) -> None:
    path = tmp_path / "bunny.arpa"
    shorter = ARPA.replace("ngram 1=5", "ngram 1=4").replace("ngram 2=3", "ngram 2=1")
    kept = [line for line in shorter.splitlines() if "бугс" not in line]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    weights = BeamSettings(alpha=1.0, beta=1.5, unknown=-10.0)
    assert BeamDecoder(ALPHABET, path, weights).text(EITHER_THEN_BUNNY) == "бунны бунны"


@pytest.mark.parametrize(
    ("hotwords", "expected"),
    [
        (["бунны"], "бунны бунны"),
        (["бугс", "бунны"], "бугс бунны"),
        (["бугс бунны"], "бугс бунны"),
    ],
)
def test_hot_words_overrule_the_language_model(bugs_bunny: Path, hotwords: list[str], expected: str) -> None:
    weights = BeamSettings(alpha=0.5, beta=1.5, hotword_weight=20)
    assert BeamDecoder(ALPHABET, bugs_bunny, weights, hotwords=hotwords).text(EITHER_THEN_BUNNY) == expected


def test_hot_words_work_without_a_language_model() -> None:
    assert BeamDecoder(ALPHABET, hotwords=["бугс"]).text(EITHER_THEN_BUNNY) == "бугс бунны"


def test_every_mixture_of_the_two_words_is_an_alternative_and_the_least_likely_is_last() -> None:
    decoded = BeamDecoder(ALPHABET, num_alternatives=100)(EITHER_THEN_BUNNY)
    texts = [one.text for one in decoded.alternatives]
    assert len(texts) == 16
    assert (texts[0], texts[-1]) == ("бунны бунны", "бугс бунны")


def test_words_lie_in_the_frames_they_were_said_in() -> None:
    stretched = BeamDecoder(ALPHABET)(logs(sure(" -бун-нны-  ")))
    assert [(word.text, word.start, word.end) for word in stretched.words] == [("бунны", 2, 9)]
    both = BeamDecoder(ALPHABET)(EITHER_THEN_BUNNY)
    assert [(word.text, word.start, word.end) for word in both.words] == [("бунны", 0, 6), ("бунны", 7, 13)]
