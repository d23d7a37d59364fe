from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govor.errors import ManifestError
from govor.metrics import aligned_lines, bootstrap_interval, error_rate, score

TEXTS = st.lists(st.text("аб ё", max_size=8).map(lambda text: " ".join(text.split())), min_size=1, max_size=5)


def test_errors_are_pooled_not_averaged() -> None:
    rate = error_rate(["да", "мама мыла раму утром"], ["нет", "мама мыла раму утром"])
    assert rate.rate == 1 / 5
    assert (rate.substitutions, rate.deletions, rate.insertions, rate.hits) == (1, 0, 0, 4)
    assert rate.num_reference == 5


def test_each_kind_of_error_is_counted() -> None:
    rate = error_rate(["а б в г", "а"], ["а х в", "а д"])
    assert (rate.substitutions, rate.deletions, rate.insertions, rate.hits) == (1, 1, 1, 3)
    assert rate.utterance_errors == (2, 1)
    assert rate.utterance_lengths == (4, 1)


def test_spaces_count_as_characters() -> None:
    rate = error_rate(["кто то"], ["ктото"], "character")
    assert rate.deletions == 1
    assert rate.rate == 1 / 6


def test_empty_hypotheses_and_single_empty_references_are_counted() -> None:
    rate = error_rate(["а б", ""], ["", "в"])
    assert (rate.deletions, rate.insertions) == (2, 1)
    assert rate.rate == 3 / 2


def test_references_without_words_are_refused() -> None:
    for references in ([], [""], [" "]):
        with pytest.raises(ManifestError):
            error_rate(references, ["а"] * len(references))


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 references, 1 hypotheses"):
        error_rate(["а", "б"], ["а"])


def _levenshtein(a: list[str] | str, b: list[str] | str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_the_counts_are_edit_distances_by_definition(references: list[str]) -> None:
    hypotheses = [text[::-1].replace("б", "", 1).strip() for text in references]
    references[0] = references[0] or "а"
    words = error_rate(references, hypotheses)
    characters = error_rate(references, hypotheses, "character")
    pairs = list(zip(references, hypotheses, strict=True))
    assert list(words.utterance_errors) == [_levenshtein(a.split(), b.split()) for a, b in pairs]
    assert list(characters.utterance_errors) == [_levenshtein(a, b) for a, b in pairs]
    assert words.substitutions + words.deletions + words.insertions == sum(words.utterance_errors)


def test_yo_may_be_taken_for_ye() -> None:
    scores = score(["ёлка и ель"], ["елка и ёль"])
    assert scores.words.rate == 2 / 3
    assert scores.characters.rate == 2 / 10
    assert scores.wer_yo == 0
    assert scores.cer_yo == 0


def test_the_interval_is_that_of_the_binomial_for_one_word_utterances() -> None:
    errors = np.array([1] * 80 + [0] * 320)
    low, high = bootstrap_interval(errors, np.ones(400, np.int64))
    # Normal approximation: 0.2 ± 1.96 sqrt(0.2 * 0.8 / 400) = 0.1608..0.2392; 1000 resamples err by 0.003.
    assert low == pytest.approx(0.1608, abs=0.008)
    assert high == pytest.approx(0.2392, abs=0.008)


def test_the_interval_is_the_same_each_time_and_holds_the_rate() -> None:
    references = ["а б в", "г д", "е ж з и"] * 5
    hypotheses = ["а б", "г д", "х ж з у"] * 5
    first, second = error_rate(references, hypotheses), error_rate(references, hypotheses)
    assert first == second
    assert first.interval[0] < first.rate < first.interval[1]


def test_the_speaker_table_is_pooled_by_speaker_worst_first() -> None:
    scores = score(
        ["а б", "в", "г д", "е"], ["а б", "х", "г д", "у"], speakers=["анна", "борис", "анна", "анна"]
    )
    assert [(row.speaker, row.num_utterances, row.num_words) for row in scores.speakers] == [
        ("борис", 1, 1),
        ("анна", 3, 5),
    ]
    assert [row.wer for row in scores.speakers] == [1.0, 1 / 5]
    assert scores.speakers[1].cer == 1 / 7
    assert score(["а"], ["а"], [""]).speakers == ()


def test_aligned_lines_stand_under_each_other() -> None:
    reference, hypothesis = aligned_lines("мама мыла большую раму вчера", "мама выла раму вчера утром")
    assert reference == "мама МЫЛА БОЛЬШУЮ раму вчера ***  "
    assert hypothesis == "мама ВЫЛА ***     раму вчера УТРОМ"
    assert aligned_lines("", "да") == ("***", "ДА ")
