"""Words that a dictionary lacks are pronounced in its own phones, as a synthesiser would say them."""

from __future__ import annotations

import shutil

import pytest

from govor.corpora.recombined import pronounce_more
from govor.corpora.voices import pronounce_espeak
from govor.recombination.phone_mapping import PhoneMapping

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")

# Ten Russian words as VoxForge-ru's dictionary spells such sounds.
DICTIONARY = {
    "мама": ("M", "A0", "M", "A"),
    "рама": ("R", "A0", "M", "A"),
    "мера": ("M0", "E0", "R", "A"),
    "мир": ("M0", "I0", "R"),
    "мил": ("M0", "I0", "L"),
    "мяла": ("M0", "A0", "L", "A"),
    "лама": ("L", "A0", "M", "A"),
    "мела": ("M0", "E0", "L", "A"),
    "мял": ("M0", "A0", "L"),
    "мал": ("M", "A0", "L"),
}


def test_each_phone_is_mapped_by_its_neighbours():
    mapping = PhoneMapping()
    # The source writes softness at the vowel, the target at the consonant.
    words = {"ma": "M A", "mja": "M0 A", "la": "L A", "lja": "L0 A", "mala": "M A L A", "ljama": "L0 A M A"}
    sources = {
        "ma": ("m", "a"),
        "mja": ("m", "ja"),
        "la": ("l", "a"),
        "lja": ("l", "ja"),
        "mala": ("m", "a", "l", "a"),
        "ljama": ("l", "ja", "m", "a"),
    }
    pairs = [(sources[word], tuple(spelt.split())) for word, spelt in words.items()]
    mapping.learn(pairs * 2)
    for source, target in pairs:
        assert mapping(source) == target
    assert mapping(("l", "a", "m", "ja")) == ("L", "A", "M0", "A")


def test_a_phone_may_stand_for_two_or_none():
    mapping = PhoneMapping()
    pairs = [
        (("a", "ja"), ("A", "J", "A")),
        (("o", "ja"), ("O", "J", "A")),
        (("a", "h"), ("A",)),
        (("o", "h"), ("O",)),
        (("a", "o"), ("A", "O")),
    ]
    mapping.learn(pairs * 2)
    assert mapping(("o", "a", "h")) == ("O", "A")
    assert mapping(("a", "o", "ja")) == ("A", "O", "J", "A")


def test_what_was_never_heard_of_is_left_out():
    mapping = PhoneMapping()
    mapping.learn([(("a", "b"), ("A", "B")), (("b",), ("B",))])
    assert mapping(("a", "x", "b")) == ("A", "B")
    assert mapping(()) == ()


@needs_espeak
def test_espeak_tells_the_phones_of_each_word():
    assert pronounce_espeak(["мама", "мял", "мерил"]) == [
        ("m", "'A", "m", "a"),
        ("m;", "'A", "l"),
        ("m;", "'e", "r;", "i", "l"),
    ]
    assert pronounce_espeak([]) == []


@needs_espeak
def test_a_dictionary_is_widened_in_its_own_phones():
    steps = []
    wider = pronounce_more(
        DICTIONARY, ["мерил", "мала", "мама"], lambda done, total: steps.append((done, total))
    )
    assert {word: wider[word] for word in DICTIONARY} == DICTIONARY
    assert wider["мала"] == ("M", "A0", "L", "A")
    assert wider["мерил"][:2] == ("M0", "E0")
    assert steps[-1] == (12, 12)
