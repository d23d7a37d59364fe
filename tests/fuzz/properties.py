"""Hypothesis on the parsers and decoders; `test_fuzz.py` runs it in a process with a memory limit."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from praatio import textgrid

from fuzz.mutations import mutate
from fuzz.sandbox import HANG_SECONDS
from govor.alignment import AlignedText
from govor.audio.raw import ENCODINGS, RawFormat, decode_raw, parse_raw_format
from govor.config import load_config
from govor.corpora.prompts import read_phrases as read_prompts
from govor.decoding.beam import BeamDecoder, shipped_language_model
from govor.decoding.greedy import Decoded, align, greedy
from govor.errors import ConfigError, GovorError
from govor.features import load_features
from govor.language_model import sentences
from govor.manifest import BadLine, read_manifest
from govor.phrases.decoder import PhraseDecoder
from govor.phrases.patterns import parse_phrases, read_phrases
from govor.phrases.thresholds import model_thresholds
from govor.recognizer import Recognizer, load_model
from govor.text.alphabet import Alphabet, normalize
from govor.text.finishing import finish
from govor.text.number_reading import words_to_digits
from govor.text.numbers import digits_to_words
from govor.transcript import Word
from tiny_model import metadata, spell, spelling_model

ALPHABET = Alphabet()
many = settings(
    max_examples=int(os.environ["GOVOR_FUZZ_EXAMPLES"]),
    deadline=1000 * HANG_SECONDS,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def damaged(*originals: str | bytes) -> st.SearchStrategy[bytes]:
    """Bytes at random, text at random, and what becomes of valid files."""
    valid = [text if isinstance(text, bytes) else text.encode() for text in originals]
    mutated = st.builds(mutate, st.sampled_from(valid), st.integers(0, 1 << 32), st.just(valid))
    return st.one_of(
        mutated, mutated, st.binary(), st.text().map(lambda text: text.encode("utf-8", "replace"))
    )


MANIFEST = """\
{"audio_filepath": "a.wav", "duration": 2.5, "text": "мама мыла раму", "speaker": "s1", "id": "1"}
{"audio_filepath": "b.wav", "duration": 1, "text": "да", "features": "b.npy"}
"""
PHRASES = "включи [верхний] свет\n(открой|закрой) (дверь|окно [в] комнате)\n# шум\nстоп\n"
CONFIG = """\
[features]
num_cepstra = 13
[network]
hidden = 128
[training]
epochs = 3
"""


@many
@given(damaged(MANIFEST))
def test_a_manifest_is_read_or_its_bad_lines_are_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(data)
    bad: list[BadLine] = []
    try:
        rows = list(read_manifest(path, bad))
    except GovorError:
        return
    assert all(row.text == row.text.strip() and row.duration >= 0 for row in rows)
    assert all(line.place and line.reason for line in bad)


def read_each(read: Callable[[Path], object], path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        read(path)
    except GovorError as error:
        assert str(error).strip() and "\n" not in str(error)


@many
@given(damaged(PHRASES))
def test_a_phrase_list_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    read_each(read_phrases, tmp_path / "p.txt", data)
    read_each(read_prompts, tmp_path / "p.txt", data)


@many
@given(st.text(alphabet="аб []()|#ё1a\n", max_size=60))
def test_brackets_in_any_order_give_phrases_of_letters_or_an_error(text: str) -> None:
    try:
        phrases = parse_phrases(text.splitlines())
    except GovorError:
        return
    assert phrases
    assert all(phrase.text == normalize(phrase.text) != "" for phrase in phrases)


@many
@given(damaged(CONFIG))
def test_a_configuration_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(data)
    try:
        load_config(path)
    except GovorError as error:
        assert str(path) in str(error)


@many
@given(damaged("мама мыла раму. папа пел песню!\nВ 1999 году их было 25.\n"))
def test_text_for_a_language_model_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    for name in ("t.txt", "t.gz", "t.xz"):
        read_each(lambda path: list(sentences([path])), tmp_path / name, data)


@cache
def feature_files() -> tuple[bytes, bytes]:
    values = np.random.default_rng(0).normal(size=(20, 13)).astype(np.float32)
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue(), np.int32(values.size).tobytes() + values.astype("<f4").tobytes()


@many
@given(damaged(*feature_files()))
def test_feature_files_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    read_each(load_features, tmp_path / "f.npy", data)
    read_each(load_features, tmp_path / "f.mfc", data)


@many
@given(st.one_of(st.text(), st.from_regex(r"\d{0,8}:?[a-z0-9]{0,6}:?\d{0,3}", fullmatch=True)), st.binary())
def test_a_raw_format_is_understood_or_refused(text: str, data: bytes) -> None:
    try:
        raw = parse_raw_format(text)
    except ConfigError:
        return
    assert raw.encoding in ENCODINGS and 1 <= raw.channels <= 64
    num_samples = sum(len(block) for block in decode_raw(io.BytesIO(data), raw, []))
    assert num_samples == len(data) // (raw.sample_bytes * raw.channels)


@many
@given(st.sampled_from(ENCODINGS), st.integers(1, 8), st.binary(max_size=300))
def test_raw_bytes_of_any_encoding_give_numbers_of_its_range(
    encoding: str, channels: int, data: bytes
) -> None:
    raw = RawFormat(8000, encoding, channels)
    for block in decode_raw(io.BytesIO(data), raw, []):
        assert block.shape[1] == channels
        assert block.dtype.isnative and block.dtype.kind in "iuf"


@many
@given(st.text())
def test_any_text_can_be_normalised_and_finished(text: str) -> None:
    plain = normalize(text)
    assert normalize(plain) == plain
    finish(plain)
    digits_to_words(text)
    words_to_digits(text)


@many
@given(
    st.lists(st.tuples(st.text(min_size=1), st.floats(0, 30), st.floats(0, 30)), max_size=12),
    st.floats(0.01, 30),
)
def test_a_textgrid_of_any_words_is_opened_by_praatio(
    tmp_path: Path, spans: list[tuple[str, float, float]], duration: float
) -> None:
    words = [Word(text, min(a, b), max(a, b), 1.0) for text, a, b in sorted(spans, key=lambda span: span[1:])]
    # A word of control characters is nothing that a model spells.
    assume(all(word.text.isprintable() and word.text.strip() == word.text for word in words))
    path = tmp_path / "words.TextGrid"
    path.write_text(AlignedText(tuple(words), duration, 0.0).to_textgrid(), encoding="utf-8")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    entries = grid.getTier("words").entries
    assert {entry.label for entry in entries} <= {word.text for word in words}
    assert all(0 <= entry.start < entry.end <= max(duration, 0.001) + 0.001 for entry in entries)


@st.composite
def log_probs(draw: st.DrawFn) -> NDArray[np.float32]:
    frames = draw(st.integers(0, 40))
    shape = (frames, len(ALPHABET))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        # What a network gives that is sure of everything.
        one = np.full(shape, -np.inf, np.float32)
        labels = draw(arrays(np.int64, frames, elements=st.integers(0, len(ALPHABET) - 1)))
        one[np.arange(frames), labels] = 0
        return one
    if kind == 1:
        return draw(
            arrays(np.float32, shape, elements=st.floats(-np.float32(1e4), 0, width=32), fill=st.just(0))
        )
    sharpness = draw(st.floats(0.01, 50))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    logits = rng.normal(size=shape) * sharpness
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


@cache
def decoders() -> tuple[Callable[[NDArray[np.float32]], Decoded], ...]:
    phrases = PhraseDecoder(parse_phrases(PHRASES.splitlines()), ALPHABET)
    return (
        lambda values: greedy(values, ALPHABET),
        BeamDecoder(ALPHABET),
        BeamDecoder(ALPHABET, shipped_language_model()),
        BeamDecoder(ALPHABET, shipped_language_model(), hotwords=["говор"], num_alternatives=5),
        phrases,
    )


@many
@given(log_probs(), st.integers(0, 4))
def test_decoders_take_any_log_probabilities(values: NDArray[np.float32], which: int) -> None:
    decoded = decoders()[which](values)
    assert decoded.text == " ".join(word.text for word in decoded.words)
    assert not np.isnan(decoded.score)
    assert set(decoded.text) <= set(ALPHABET.symbols[1:])
    assert all(0 <= word.confidence <= 1.0001 for word in decoded.words)


@many
@given(log_probs(), st.lists(st.integers(1, len(ALPHABET) - 1), max_size=10))
def test_an_alignment_spells_its_labels_or_is_refused(values: NDArray[np.float32], labels: list[int]) -> None:
    try:
        found = align(values, labels)
    except ValueError:
        return
    assert found.labels.tolist() == labels


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(place for key in keys for place in places(value[key], (*path, key)))]


def full_metadata() -> dict[str, Any]:
    """What a model's file says about it, as exported and tuned."""
    shipped = load_model().model
    own = metadata()
    own["decoding"] = {**shipped.decoding, **own["decoding"]}
    return own


@pytest.fixture(scope="module")
def model_metadata() -> dict[str, Any]:
    return full_metadata()


@many
@given(st.data())
def test_metadata_of_a_model_with_any_value_changed_is_used_or_refused(
    tmp_path: Path, model_metadata: dict[str, Any], data: st.DataObject
) -> None:
    changed: Any = copy.deepcopy(model_metadata)
    place = data.draw(st.sampled_from([path for path in places(changed) if path]))
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = data.draw(JSON)
    path = spelling_model(tmp_path / "m.onnx", **changed)
    try:
        recognizer: Recognizer = load_model(path)
        phrases = parse_phrases(["да", "нет"])
        thresholds = model_thresholds(recognizer.model.decoding)
        values = spell("да")
        for decoder in (
            "greedy",
            "beam",
            PhraseDecoder(phrases, recognizer.model.alphabet, thresholds=thresholds),
        ):
            recognizer.transcribe_features(values, decoder)
    except GovorError:
        return
