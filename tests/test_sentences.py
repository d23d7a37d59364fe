import lzma
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from govor.cli.app import run
from govor.corpora.device_phrases import draw_phrase
from govor.corpora.sentences import choose_sentences, read_yo_words
from govor.errors import InputNotFoundError, ManifestError
from govor.manifest import Utterance, write_manifest
from govor.text.finishing import restore_yo


@pytest.fixture
def text_file(tmp_path):
    """300 sentences of common words, 15 with a rarer one, 30 short phrases; each word thrice at least."""
    people, places, animals = "он она мы", "тут там дома вчера", "барсук филин бобёр аист сурок"
    deeds = [f"{deed} {so} {end}" for deed in ("был", "спит", "ест") for so in "иа" for end in ("да", "нет")]
    heads = [f"{person} {place}" for person in people.split() for place in places.split()]
    common = [f"{head} {deed}{end}" for head in heads for deed in deeds for end in ("", " вот")]
    rare = [f"однажды {animal} и потом {end}" for animal in animals.split() for end in ("раз", "два", "три")]
    short = [f"{place} {person}" for person in people.split() for place in places.split()]
    path = tmp_path / "text.txt.xz"
    path.write_bytes(lzma.compress("\n".join(common + rare + short * 2).encode()))
    return path


def test_the_same_seed_chooses_the_same_sentences_and_another_seed_others(text_file):
    first = choose_sentences([text_file], 60, seed=3)
    assert first == choose_sentences([text_file], 60, seed=3)
    assert set(first) != set(choose_sentences([text_file], 60, seed=4))


def test_chosen_sentences_are_distinct_and_within_bounds(text_file):
    text_file.with_suffix("").write_text("слово\n" + "да " * 17 + "\nБарсук! Барсук, барсук.\nxyzабв qq ёж\n")
    chosen = choose_sentences([text_file, text_file.with_suffix("")], 1000, spoken_share=0.05)
    assert len(set(chosen)) == len(chosen) > 300
    assert all(2 <= len(text.split()) <= 16 and len(text) <= 110 for text in chosen)
    assert "барсук барсук барсук" in chosen


def test_excluded_sentences_never_appear_in_either_spelling(text_file):
    everything = choose_sentences([text_file], 1000, spoken_share=0.0, short_share=0.5)
    with_yo = [text for text in everything if "бобёр" in text]
    assert len(with_yo) == 3
    exclude = [*everything[:150], with_yo[0].replace("ё", "е").upper() + "!"]
    left = choose_sentences([text_file], 1000, spoken_share=0.0, short_share=0.5, exclude=exclude)
    assert not set(left) & {*everything[:150], with_yo[0]}
    assert set(left) == set(everything) - {*exclude, with_yo[0]}


def test_excluded_phrases_are_not_drawn_either(text_file):
    drawn = choose_sentences([text_file], 400, spoken_share=0.5, short_share=0.0)
    phrases = [text for text in drawn if text.startswith(("включи", "выключи"))]
    assert phrases
    again = choose_sentences([text_file], 400, spoken_share=0.5, short_share=0.0, exclude=phrases)
    assert not set(phrases) & set(again)


def test_sentences_with_rare_words_are_preferred(tmp_path):
    path = tmp_path / "text.txt"
    rare = [f"тут был {animal} и снова да" for animal in ("барсук", "филин", "сурок") * 3]
    rare = [f"{line} {'ещё ' * index}".strip() for index, line in enumerate(rare)]
    common = [f"тут был он и снова {'да ' * (index % 8)}{'нет ' * (index // 8)}" for index in range(64)]
    path.write_text("\n".join(rare + common), encoding="utf-8")
    drawn = [choose_sentences([path], 8, seed, (), None, 0.0, 0.0) for seed in range(50)]
    # Drawn blindly, 8 of the 72 would hold 1 of the 9 rare ones.
    assert np.mean([sum(text in rare for text in chosen) for chosen in drawn]) > 1.5


def test_a_quarter_of_the_sentences_is_short_where_asked(text_file):
    chosen = choose_sentences([text_file], 40, short_share=0.25, spoken_share=0.0)
    assert sum(len(text.split()) <= 4 for text in chosen) == 10
    assert len(chosen) == 40


def test_longer_sentences_fill_up_where_short_ones_are_few(text_file):
    chosen = choose_sentences([text_file], 80, short_share=0.5, spoken_share=0.0)
    assert sum(len(text.split()) <= 4 for text in chosen) == 12
    assert len(chosen) == 80


def test_a_missing_text_file_is_named():
    with pytest.raises(InputNotFoundError, match=r"absent\.txt"):
        choose_sentences([Path("absent.txt")], 5)


def test_a_broken_xz_is_named(tmp_path):
    path = tmp_path / "broken.txt.xz"
    path.write_bytes(lzma.compress("мама мыла раму\n".encode() * 1000)[:40])
    with pytest.raises(ManifestError, match=r"broken\.txt\.xz"):
        choose_sentences([path], 5)


def test_yo_is_restored_only_where_no_other_word_has_that_spelling():
    known = read_yo_words(["Всё ещё идёт", "все идут", "её"])
    assert known == {"еще": "ещё", "идет": "идёт", "ее": "её"}
    assert restore_yo("все еще идет", known) == "все ещё идёт"


def test_drawn_phrases_are_normalised_russian():
    rng = np.random.default_rng(1)
    phrases = {draw_phrase(rng) for _ in range(500)}
    assert len(phrases) > 350
    assert all(set(phrase) <= set("абвгдеёжзийклмнопрстуфхцчшщъыьэюя ") for phrase in phrases)
    assert all(phrase == " ".join(phrase.split()) for phrase in phrases)


def test_few_texts_are_not_drowned_in_commands(tmp_path):
    """A count far above what the texts hold left 16 sentences of a user among 160 commands."""
    path = tmp_path / "text.txt"
    ends = ("да", "нет", "вот", "так")
    lines = [f"тут был {what} и снова {end}" for what in ("барсук", "филин", "сурок", "аист") for end in ends]
    path.write_text("\n".join(lines), encoding="utf-8")
    chosen = choose_sentences([path], 2000, short_share=0.0, spoken_share=0.08)
    assert set(lines) < set(chosen)
    assert len(chosen) - len(lines) == 2


def test_sentences_that_cannot_be_chosen_are_counted_by_their_reason(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(
        "\n".join(["да", "да нет да", "нет нет да", "нет бегемот", "", "вот вот вот"]), encoding="utf-8"
    )
    left_out = Counter()
    chosen = choose_sentences(
        [path], 9, short_share=1.0, spoken_share=0.0, vocabulary={"да", "нет"}, left_out=left_out
    )
    assert sorted(chosen) == ["да нет да", "нет нет да"]
    assert left_out == {
        "not 2–16 words, or over 110 letters": 1,
        "a word less than 3 times in all texts: looks like a misprint": 1,
        "a word that the dictionary lacks": 1,
    }


@pytest.mark.parametrize("command", ["synthetic --dev 0", "recombined cuts.jsonl --dictionary d.dict"])
def test_a_user_is_told_why_none_of_his_sentences_suits(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t.txt").write_text("потуши свет\nвключи чайник на кухне\n", encoding="utf-8")
    Path("d.dict").write_text("да D A\n", encoding="utf-8")
    write_manifest(Path("cuts.jsonl"), [Utterance("1", 1.0, "да", features=Path("a.mfc"))])
    name, *options = command.split()
    manifest = [options.pop(0)] if name == "recombined" else []
    assert run(["prepare", name, *manifest, "t.txt", *options, "--output", "made"]) == 1
    assert capsys.readouterr().err.splitlines()[1:] == [
        "sentences that do not suit: 2 (a word less than 3 times in all texts: looks like a misprint)",
        "error: t.txt: not a single sentence that suits",
    ]
    assert not Path("made").exists()
