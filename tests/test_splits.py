import random
from collections import Counter

import pytest

from govor.corpora.splits import PARTS, SplitRule
from govor.errors import ConfigError

SPEAKERS = [f"speaker{i}" for i in range(400)]
TEXTS = [f"фраза {'абвгдежзик'[i % 10]}{'лмнопрсту'[i // 10 % 9]}{'фхцчшщ'[i // 90]}" for i in range(540)]


def corpus(num=20_000, seed=1):
    choose = random.Random(seed)
    return [(choose.choice(SPEAKERS), choose.choice(TEXTS)) for _ in range(num)]


def split(rows, rule=None):
    rule = rule or SplitRule()
    return {row: rule.part_of(*row) for row in rows}


def test_no_held_out_speaker_or_sentence_is_in_training():
    parts = split(corpus())
    speakers = {part: {s for (s, _), p in parts.items() if p == part} for part in PARTS}
    texts = {part: {t for (_, t), p in parts.items() if p == part} for part in PARTS}
    assert all(speakers.values())
    for part in ("dev", "test_unseen_speaker"):
        assert not speakers[part] & speakers["train"]
    assert not speakers["dev"] & speakers["test_unseen_speaker"]
    assert not texts["test_unseen_text"] & (texts["train"] | texts["dev"] | texts["test_unseen_speaker"])


def test_growth_of_the_corpus_moves_no_utterance():
    small = split(corpus(500))
    large = split(corpus(20_000, seed=2) + corpus(500))
    assert {row: large[row] for row in small} == small


def test_shares_are_those_asked_for():
    rule = SplitRule(test_texts=0.2, test_speakers=0.1, dev_speakers=0.3)
    speakers = Counter(rule.part_of(speaker, TEXTS[0]) for speaker in SPEAKERS)
    held_out = sum(rule.part_of(SPEAKERS[0], text) == "test_unseen_text" for text in TEXTS)
    # Binomial: 4 standard deviations.
    assert abs(held_out - 108) < 4 * (540 * 0.2 * 0.8) ** 0.5
    assert abs(speakers["dev"] - 120) < 4 * (400 * 0.3 * 0.7) ** 0.5
    assert abs(speakers["test_unseen_speaker"] - 40) < 4 * (400 * 0.1 * 0.9) ** 0.5


def test_the_seed_decides_and_the_choice_is_pinned():
    chosen = [text for text in TEXTS if SplitRule(seed=1).part_of("a", text) == "test_unseen_text"]
    other = [text for text in TEXTS if SplitRule(seed=2).part_of("a", text) == "test_unseen_text"]
    assert len(set(chosen) & set(other)) < 10 < min(len(chosen), len(other))
    # Of this very hash: users' test sets must not move with a new version of Govor.
    dev = [speaker for speaker in SPEAKERS if SplitRule().part_of(speaker, TEXTS[0]) == "dev"]
    assert dev[:3] == ["speaker18", "speaker20", "speaker35"]


def test_spellings_of_one_sentence_stay_together():
    rule = SplitRule(test_texts=0.5)
    for text in TEXTS:
        parts = {rule.part_of("a", spelling) for spelling in (f"{text} ещё раз", f"{text.upper()}, ЕЩЕ-РАЗ!")}
        assert len(parts) == 1


@pytest.mark.parametrize("shares", [{"test_texts": 1.0}, {"test_speakers": -0.1}, {"dev_speakers": 0.95}])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(ConfigError, match=r"shares|доли"):
        SplitRule(**shares)
