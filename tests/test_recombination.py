"""Recombined sentences have the phones that were asked for, from the voice that was asked for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from govor.cli.app import run
from govor.features import load_features, save_mfc
from govor.manifest import Utterance, read_manifest, write_manifest
from govor.recombination.phone_alignment import PhoneSpan
from govor.recombination.pronunciation import read_pronunciations
from govor.recombination.unit_selection import PAUSE, Inventory, Recorded, describe_voices, spell

DICTIONARY = """мама M A0 M A
дом D O0 M
сад S A0 D
оса A0 S A0
оса(2) A S A0
длина D L0 I N0l A0
пусто
""".splitlines()


def recorded(phones, rng, length=8, offset=0.0):
    """A recording whose frames say in the second coefficient which phone they are."""
    order = sorted(["M", "A0", "A", "D", "O0", "S"])
    values, spans, at = [], [], 0
    for phone in phones:
        frames = np.zeros((length, 13), np.float32)
        frames[:, 1] = order.index(phone) + 1
        values.append(frames)
        spans.append(PhoneSpan(phone, at, at + length // 2, at + length))
        at += length
    features = np.concatenate(values) + offset
    # The mean is taken off: keep it from saying anything.
    return Recorded(
        np.concatenate([features, 2 * features.mean(axis=0) - features[::-1]]), tuple(spans)
    ), order


def test_dictionary_gives_first_pronunciations_with_plain_phones():
    found = read_pronunciations(DICTIONARY)
    assert found["оса"] == ("A0", "S", "A0")
    assert found["длина"] == ("D", "L0", "I", "N0", "A0")
    assert "пусто" not in found


def test_spelling_has_pauses_at_the_ends_and_where_they_are_wanted():
    assert spell([("M", "A0"), ("D",), ("S",)], {2}) == [PAUSE, "M", "A0", "D", PAUSE, "S", PAUSE]


@pytest.mark.parametrize("seed", range(5))
def test_speech_has_the_phones_that_were_asked_for(seed):
    rng = np.random.default_rng(seed)
    said = [
        ["M", "A0", "M", "A", "D", "O0", "M"],
        ["S", "A0", "D", "A0", "S", "A0"],
        ["D", "O0", "M", "A0", "M"],
        ["A0", "M", "A0", "D"],
    ]
    made = [recorded(phones, rng) for phones in said]
    order = made[0][1]
    inventory = Inventory([entry for entry, _ in made])
    asked = ["S", "A0", "M", "A", "D", "O0", "M", "A0", "D", "A0", "S"]
    inside = inventory.has(asked)
    assert inside
    values = inventory.speak(asked, rng)
    # The recordings differ in their means, which are taken off, so compare with what each said.
    means = [entry.features.mean(axis=0)[1] for entry, _ in made]
    heard = []
    for frame in values[:, 1]:
        distances = [min(abs(frame + mean - (i + 1)) for mean in means) for i in range(len(order))]
        if min(distances) < 1e-3:
            heard.append(order[int(np.argmin(distances))])
    assert [phone for phone, _ in groupby(heard)] == asked


def test_an_unknown_pair_of_phones_is_told():
    entry, _ = recorded(["M", "A0", "D"], np.random.default_rng(0))
    inventory = Inventory([entry])
    assert not inventory.has([PAUSE, "D", "M", PAUSE])
    with pytest.raises(IndexError):
        inventory.speak(["D", "M"], np.random.default_rng(0))


def test_voices_that_are_alike_lie_near_each_other():
    rng = np.random.default_rng(1)
    voices = {}
    for name, offset in (("низкий", 0.0), ("тоже низкий", 0.1), ("высокий", 5.0)):
        entry, _ = recorded(["M", "A0", "S", "A0", "D", "A"], rng)
        shifted = entry.features.copy()
        shifted[:16, 3] += offset
        voices[name] = [Recorded(shifted, entry.spans)]
    names, likeness = describe_voices(voices)
    distance = np.square(likeness - likeness[names.index("низкий")]).sum(axis=1)
    assert [names[i] for i in np.argsort(distance)] == ["низкий", "тоже низкий", "высокий"]


@pytest.fixture
def corpus(tmp_path):
    """Forty recordings of two speakers with cuts, a dictionary and texts."""
    rng = np.random.default_rng(2)
    words = {"мама": "M A0 M A", "дом": "D O0 M", "сад": "S A0 D", "оса": "A0 S A0"}
    phones = sorted({phone for spelt in words.values() for phone in spelt.split()})
    centres = rng.normal(0, 4, (len(phones), 13))
    utterances = []
    for number in range(40):
        chosen = [list(words)[i] for i in rng.integers(4, size=5)]
        frames, cuts = [], []
        for word in chosen:
            frames += [
                centres[[phones.index(phone)] * int(rng.integers(6, 12))] for phone in words[word].split()
            ]
            cuts.append(sum(map(len, frames)) / 100)
        values = np.concatenate(frames) + rng.normal(0, 1, (sum(map(len, frames)), 13))
        path = tmp_path / f"{number}.mfc"
        save_mfc(path, values.astype(np.float32))
        utterances.append(
            Utterance(
                str(number),
                len(values) / 100,
                " ".join(chosen),
                f"голос {number % 2}",
                features=path,
                cuts=tuple(cuts[:-1]),
            )
        )
    write_manifest(tmp_path / "train_cuts.jsonl", utterances)
    (tmp_path / "ru.dict").write_text(
        "\n".join(f"{word} {spelt}" for word, spelt in words.items()), encoding="utf-8"
    )
    texts = [" ".join(list(words)[i] for i in rng.integers(4, size=5)) for _ in range(200)]
    (tmp_path / "texts.txt").write_text("\n".join([*texts, "мама купила арбуз"]), encoding="utf-8")
    return tmp_path


def prepare(output, *more):
    arguments = [
        "prepare",
        "recombined",
        "train_cuts.jsonl",
        "texts.txt",
        "--dictionary",
        "ru.dict",
        "--output",
        output,
    ]
    return run([*arguments, *more])


def test_command_makes_other_sentences_in_the_voices_of_a_corpus(corpus, monkeypatch):
    monkeypatch.chdir(corpus)
    assert prepare("new", "--count", "30", "--exclude", "train_cuts.jsonl") == 0
    made = list(read_manifest(corpus / "new/train.jsonl"))
    said = {utterance.text for utterance in read_manifest(corpus / "train_cuts.jsonl")}
    assert len(made) == 30
    assert len({utterance.text for utterance in made} - said) == 30
    assert {utterance.speaker for utterance in made} == {"голос 0", "голос 1"}
    for utterance in made:
        assert len(load_features(utterance.features)) == round(utterance.duration * 100)
    assert prepare("again", "--count", "30", "--exclude", "train_cuts.jsonl") == 0
    again = read_manifest(corpus / "again/train.jsonl")
    assert [utterance.text for utterance in again] == [utterance.text for utterance in made]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_command_says_words_that_the_dictionary_lacks(corpus, monkeypatch):
    monkeypatch.chdir(corpus)
    texts = ["мама дома", "сад дома", "оса дома мама", "мама сад дома", "оса сад дома", "дома оса мама"]
    (corpus / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    assert prepare("known", "--count", "20") == 1
    assert prepare("any", "--count", "20", "--any-words") == 0
    said = {utterance.text for utterance in read_manifest(corpus / "any/train.jsonl")}
    assert said & set(texts)


@pytest.mark.parametrize("dictionary", ["арбуз A R B U0 S\n", "\n"])
def test_command_says_that_the_dictionary_does_not_fit(dictionary, corpus, monkeypatch, capsys):
    monkeypatch.chdir(corpus)
    (corpus / "ru.dict").write_text(dictionary, encoding="utf-8")
    assert prepare("new", "--count", "5") == 1
    assert "ru.dict" in capsys.readouterr().err


def test_command_wants_an_utterance_with_words(corpus, monkeypatch, capsys):
    monkeypatch.chdir(corpus)
    silent = [replace(line, text="", cuts=()) for line in read_manifest(corpus / "train_cuts.jsonl")]
    write_manifest(corpus / "train_cuts.jsonl", silent)
    assert prepare("new", "--count", "5") == 1
    assert "ru.dict" in capsys.readouterr().err


def test_command_tells_bad_lines_of_the_manifest_as_errors(corpus, monkeypatch, capsys):
    monkeypatch.chdir(corpus)
    with (corpus / "train_cuts.jsonl").open("a", encoding="utf-8") as manifest:
        manifest.write("{bad\n")
    assert prepare("new", "--count", "5") == 1
    error, *_ = capsys.readouterr().err.splitlines()
    assert error.startswith(("error: train_cuts.jsonl:41: ", "ошибка: train_cuts.jsonl:41: "))
