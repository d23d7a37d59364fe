from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from govor.decoding import BeamDecoder, align, greedy
from govor.errors import ConfigError, InputNotFoundError, MissingExtraError, ModelError
from govor.text import Alphabet

ALPHABET = Alphabet()
SMALL = Alphabet(("<blank>", " ", "а", "б"))


def frames(symbols: str, probability: float = 0.9) -> NDArray[np.float32]:
    """log_probs in which each character of `symbols` (``-`` is the blank) has that probability."""
    size = len(ALPHABET)
    probabilities = np.full((len(symbols), size), (1 - probability) / (size - 1))
    for row, symbol in enumerate(symbols):
        probabilities[row, 0 if symbol == "-" else ALPHABET.encode(symbol)[0]] = probability
    return np.log(probabilities).astype(np.float32)


def random_log_probs(seed: int, num_frames: int, size: int) -> NDArray[np.float32]:
    logits = np.random.default_rng(seed).normal(0, 2, (num_frames, size))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(path) if label != 0)


def test_greedy_merges_repeats_and_drops_blanks() -> None:
    decoded = greedy(frames("--дд-а--  -ннн--ее-т-"), ALPHABET)
    assert decoded.text == "да нет"
    assert [(word.text, word.start, word.end) for word in decoded.words] == [("да", 2, 6), ("нет", 11, 20)]


def test_greedy_keeps_a_double_letter_that_a_blank_parts() -> None:
    assert greedy(frames("ван-нна"), ALPHABET).text == "ванна"


def test_greedy_ignores_spaces_at_the_ends_and_in_a_row() -> None:
    assert greedy(frames("  - -да - -да- "), ALPHABET).text == "да да"


def test_greedy_of_blanks_and_of_nothing_is_empty() -> None:
    for log_probs in (frames("---"), frames(" - "), frames("")):
        decoded = greedy(log_probs, ALPHABET)
        assert decoded.text == ""
        assert decoded.words == ()


def test_confidence_is_the_geometric_mean_of_the_letters_best_frames() -> None:
    log_probs = np.concatenate([frames("д", 0.9), frames("д", 0.5), frames("а", 0.4)])
    (word,) = greedy(log_probs, ALPHABET).words
    assert word.confidence == pytest.approx(np.sqrt(0.9 * 0.4))
    assert greedy(log_probs, ALPHABET).score == pytest.approx(np.log(0.9 * 0.5 * 0.4))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_greedy_equals_the_definition_by_a_loop(seed: int, num_frames: int) -> None:
    log_probs = random_log_probs(seed, num_frames, 4)
    labels = collapse(tuple(log_probs.argmax(axis=1).tolist()))
    decoded = greedy(log_probs, SMALL)
    assert decoded.text == " ".join(SMALL.decode(labels).split())
    spans = [frame for word in decoded.words for frame in (word.start, word.end)]
    assert spans == sorted(spans)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.lists(st.integers(1, 3), max_size=3))
def test_align_finds_the_best_of_all_paths(seed: int, num_frames: int, labels: list[int]) -> None:
    log_probs = random_log_probs(seed, num_frames, 4)
    paths = [p for p in itertools.product(range(4), repeat=num_frames) if collapse(p) == tuple(labels)]
    if not paths:
        with pytest.raises(ValueError, match="cannot be aligned"):
            align(log_probs, labels)
        return
    best = max(paths, key=lambda path: log_probs[np.arange(num_frames), path].astype(np.float64).sum())
    found = align(log_probs, labels)
    rebuilt = [0] * num_frames
    for label, start, end in zip(found.labels, found.starts, found.ends, strict=True):
        rebuilt[start:end] = [int(label)] * int(end - start)
    assert tuple(rebuilt) == best


def test_align_of_no_labels_over_no_frames_is_refused_unless_both_fit() -> None:
    assert len(align(frames("--"), []).labels) == 0
    with pytest.raises(ValueError, match="1 labels cannot be aligned with 0 frames"):
        align(frames(""), [3])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_beam_finds_the_most_probable_text_by_enumeration(seed: int) -> None:
    pytest.importorskip("ctc_beam_decoder")
    # No space among the symbols' outputs, as merged spaces make several label strings one text.
    log_probs = random_log_probs(seed, 5, 4)
    log_probs[:, 1] = -14
    log_probs -= np.log(np.exp(log_probs).sum(axis=1, keepdims=True))
    totals: dict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product((0, 2, 3), repeat=5):
        totals[collapse(path)] += float(np.exp(log_probs[np.arange(5), path].sum()))
    ranked = sorted(totals.values(), reverse=True)
    decoded = BeamDecoder(SMALL, beam_width=1000)(log_probs)
    # The package drops symbols below exp(-5), so near-ties may fall the other way.
    assert totals[tuple(SMALL.encode(decoded.text))] >= 0.97 * ranked[0]


def test_beam_beats_greedy_where_many_paths_spell_one_text() -> None:
    pytest.importorskip("ctc_beam_decoder")
    probabilities = np.array([[0.4, 0.0, 0.35, 0.25], [0.4, 0.0, 0.35, 0.25]]) + 1e-9
    log_probs = np.log(probabilities).astype(np.float32)
    assert greedy(log_probs, SMALL).text == ""
    # «а»: а-, -а, аа = 0.14 + 0.14 + 0.1225, more than 0.16 for silence.
    assert BeamDecoder(SMALL)(log_probs).text == "а"


def test_beam_gives_the_words_of_clear_frames_with_their_spans() -> None:
    pytest.importorskip("ctc_beam_decoder")
    log_probs = frames("--дд-а--  -ннн--ее-т-", 0.99)
    decoded = BeamDecoder(ALPHABET)(log_probs)
    assert decoded.text == "да нет"
    assert [(word.start, word.end) for word in decoded.words] == [(2, 6), (11, 20)]
    assert all(word.confidence == pytest.approx(0.99) for word in decoded.words)


def test_beam_of_no_frames_is_empty() -> None:
    pytest.importorskip("ctc_beam_decoder")
    assert BeamDecoder(ALPHABET)(frames("")).text == ""
    assert BeamDecoder(ALPHABET)(frames("---")).words == ()


ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-2.0\t<unk>
-99\t<s>\t-0.3
-1.0\t</s>
-0.7\tкот\t-0.3
-0.7\tкод\t-0.3

\\2-grams:
-0.1\t<s> код
-3.0\t<s> кот
-0.1\tкод </s>

\\end\\
"""


def test_a_language_model_decides_between_words_that_sound_alike(tmp_path: Path) -> None:
    pytest.importorskip("ctc_beam_decoder")
    log_probs = frames("-к-о-т-")
    d, t = ALPHABET.encode("дт")
    log_probs[5, [t, d]] = np.log([0.5, 0.45])
    path = tmp_path / "модель.arpa"
    path.write_text(ARPA, encoding="utf-8")
    assert BeamDecoder(ALPHABET)(log_probs).text == "кот"
    assert BeamDecoder(ALPHABET, path, alpha=1.0)(log_probs).text == "код"


def test_a_bad_language_model_is_one_clear_line(tmp_path: Path) -> None:
    pytest.importorskip("ctc_beam_decoder")
    with pytest.raises(InputNotFoundError, match=r"absent\.klm"):
        BeamDecoder(ALPHABET, tmp_path / "absent.klm")
    path = tmp_path / "broken.klm"
    path.write_bytes(b"\x00\x01 not a model")
    with pytest.raises(ModelError, match=r"broken\.klm") as caught:
        BeamDecoder(ALPHABET, path)
    assert "\n" not in str(caught.value)


def test_a_beam_width_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="0"):
        BeamDecoder(ALPHABET, beam_width=0)


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctc_beam_decoder", None)
    with pytest.raises(MissingExtraError, match="pip install ctc-beam-decoder"):
        BeamDecoder(ALPHABET)
