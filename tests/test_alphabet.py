from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govor.errors import ModelError
from govor.text.alphabet import BLANK, RUSSIAN_LETTERS, Alphabet, is_speakable, normalize

RUSSIAN_TEXT = st.text(
    alphabet=st.sampled_from(RUSSIAN_LETTERS + RUSSIAN_LETTERS.upper() + " -,.!\u0301\u00ad")
)


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("«Ещё бы!»", "ещё бы"),
        ("кто-то", "кто то"),
        ("ёлка Ёлка", "ёлка ёлка"),
        (unicodedata.normalize("NFD", "мой Йод, ещё"), "мой йод ещё"),
        ("за\u0301мок — замо\u0301к", "замок замок"),
        ("вс\u0435\u0300", "все"),
        ("вс\u0450, п\u045dсать", "все писать"),
        ("и\u0301\u0306", "й"),
        ("пере\u00adнос", "перенос"),
        ("  много \t пробелов\n", "много пробелов"),
        ("неразрывный\u00a0пробел", "неразрывный пробел"),
        ("...", ""),
        ("", ""),
    ],
)
def test_normalisation_examples(raw: str, normal: str) -> None:
    assert normalize(raw) == normal


@pytest.mark.parametrize("text", ["да", "Кто-то, где-то…", "за\u0301мок", "№ — да", "ЩЁ"])
def test_russian_words_are_speakable(text: str) -> None:
    assert is_speakable(text)


@pytest.mark.parametrize(
    "text", ["", "...", "5 минут", "в 10", "видео HD", "п\u0430ri", "їжак", "x²", "½ часа"]
)
def test_text_that_would_lose_spoken_words_is_not_speakable(text: str) -> None:
    assert not is_speakable(text)


@given(st.text())
def test_normal_text_holds_only_letters_and_single_spaces(text: str) -> None:
    normal = normalize(text)
    assert Alphabet().missing(normal) == set()
    assert "  " not in normal
    assert normal == normal.strip()


@given(st.text())
def test_normalisation_twice_is_normalisation_once(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@given(RUSSIAN_TEXT)
def test_composed_and_decomposed_letters_are_the_same_text(text: str) -> None:
    assert normalize(unicodedata.normalize("NFD", text)) == normalize(unicodedata.normalize("NFC", text))


@given(RUSSIAN_TEXT)
def test_encoding_then_decoding_gives_the_text_back(text: str) -> None:
    alphabet = Alphabet()
    assert alphabet.decode(alphabet.encode(normalize(text))) == normalize(text)


def test_russian_alphabet_is_blank_space_and_33_letters() -> None:
    alphabet = Alphabet()
    assert len(alphabet) == 35
    assert alphabet.symbols[:3] == (BLANK, " ", "а")
    assert alphabet.blank == 0
    assert alphabet.missing("ёж ok") == {"o", "k"}


def test_symbol_outside_the_alphabet_is_named() -> None:
    with pytest.raises(KeyError, match="q"):
        Alphabet().encode("аq")


@pytest.mark.parametrize("symbols", [(), ("а", "б"), (BLANK, "а", "а"), (BLANK, "аб"), (BLANK, "")])
def test_alphabet_that_cannot_be_decoded_is_refused(symbols: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match="alphabet"):
        Alphabet(symbols)
