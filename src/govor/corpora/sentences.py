"""Choose what synthetic voices shall say: varied sentences, short phrases, numbers and commands."""

from __future__ import annotations

import lzma
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from govor.corpora.device_phrases import draw_phrase
from govor.errors import InputNotFoundError, ManifestError, system_reason
from govor.language import tr
from govor.text.alphabet import normalize
from govor.text.finishing import restore_yo

MIN_WORDS, MAX_WORDS, MAX_LETTERS = 2, 16, 110
SHORT_WORDS = 4
"""Phrases up to this many words are short."""
MIN_WORD_COUNT = 3
"""Words seen less often are mostly misprints and foreign names."""

_VOWELS = set("аеёиоуыэюя")
_WORDS_WITHOUT_VOWELS = {"в", "к", "с", "б", "ж", "ль"}


def choose_sentences(
    files: Sequence[Path],
    count: int,
    seed: int = 1,
    exclude: Collection[str] = (),
    yo_words: Mapping[str, str] | None = None,
    short_share: float = 0.25,
    spoken_share: float = 0.08,
    vocabulary: Collection[str] | None = None,
    left_out: Counter[str] | None = None,
) -> list[str]:
    """Choose up to `count` different normalised sentences of 2-16 words, those with rare words rather.

    `files` hold a sentence a line, UTF-8, plain or ``.xz``. About `short_share` of the result are phrases of
    2-4 words; `spoken_share`, below 1, are numbers and commands made here. A sentence in `exclude` never
    appears, be it written with ё or with е. `yo_words` is what `read_yo_words` returned. With a `vocabulary`
    all words are of it. In `left_out` the sentences are counted that cannot be chosen, by the reason.
    Raises InputNotFoundError or ManifestError if a file cannot be read.
    """
    rng = np.random.default_rng(seed)
    forbidden = {_plain(normalize(sentence)) for sentence in exclude}
    candidates: dict[str, str] = {}
    frequency: Counter[str] = Counter()
    reasons = Counter[str]() if left_out is None else left_out
    for path in files:
        for line in read_lines(path):
            text = normalize(line)
            words = text.split()
            frequency.update(words)
            if not (MIN_WORDS <= len(words) <= MAX_WORDS and len(text) <= MAX_LETTERS):
                reasons[_wrong_length()] += bool(words)
            elif _plain(text) not in forbidden:
                candidates.setdefault(_plain(text), text)
    usable = []
    for text in candidates.values():
        if not all(_is_sayable(word, frequency) for word in text.split()):
            reasons[_rare_word()] += 1
        elif vocabulary is not None and not _is_made_of(vocabulary, restore_yo(text, yo_words or {})):
            reasons[tr("слова нет в словаре", "a word that the dictionary lacks")] += 1
        else:
            usable.append(text)
    spoken = round(count * spoken_share)
    short = round(count * short_share)
    is_short = np.array([text.count(" ") < SHORT_WORDS for text in usable], dtype=bool)
    # Weighted sampling without replacement (Efraimidis and Spirakis 2006): the largest u ** (1 / weight).
    weights = np.array([_rarity(text, frequency) for text in usable])
    order = np.argsort(np.log(rng.random(len(usable))) / np.maximum(weights, 1e-9))[::-1]
    chosen = [usable[i] for i in order[is_short[order]][:short]]
    chosen += [usable[i] for i in order[~is_short[order]][: count - len(chosen) - spoken]]
    if len(chosen) < count - spoken:
        # Few texts, and still the share that was asked for: who gives a hundred sentences wants these.
        spoken = math.ceil(len(chosen) * spoken_share / (1 - spoken_share))
    if yo_words:
        chosen = [restore_yo(text, yo_words) for text in chosen]
    known = {_plain(text) for text in chosen} | forbidden
    for _ in range(spoken * 20):
        if spoken <= 0:
            break
        phrase = draw_phrase(rng)
        if vocabulary is not None and not _is_made_of(vocabulary, phrase):
            continue
        if _plain(phrase) not in known:
            known.add(_plain(phrase))
            chosen.append(phrase)
            spoken -= 1
    return [chosen[i] for i in rng.permutation(len(chosen))]


def read_lines(path: Path) -> Iterator[str]:
    """Read the lines of a text file, plain or ``.xz``."""
    try:
        if path.suffix == ".xz":
            with lzma.open(path, "rt", encoding="utf-8") as stream:
                yield from stream
        else:
            with path.open(encoding="utf-8") as stream:
                yield from stream
    except (lzma.LZMAError, UnicodeDecodeError, EOFError) as error:
        raise ManifestError(tr(f"{path}: не текст ({error})", f"{path}: not text ({error})")) from error
    except OSError as error:
        raise InputNotFoundError(
            tr(f"нет файла {path}: {system_reason(error)}", f"no file {path}: {system_reason(error)}")
        ) from error


def read_yo_words(lines: Iterable[str]) -> dict[str, str]:
    """Learn which words are written with ё, from text or a word list in which ё is always written.

    Returns the spelling with е -> with ё, of those words only that never occur with е.
    """
    words = {word for line in lines for word in normalize(line).split()}
    return {_plain(word): word for word in sorted(words) if "ё" in word and _plain(word) not in words}


def _wrong_length() -> str:
    return tr(
        f"не {MIN_WORDS}–{MAX_WORDS} слов или больше {MAX_LETTERS} букв",
        f"not {MIN_WORDS}–{MAX_WORDS} words, or over {MAX_LETTERS} letters",
    )


def _rare_word() -> str:
    return tr(
        f"слово реже {MIN_WORD_COUNT} раз во всех текстах: похоже на опечатку",
        f"a word less than {MIN_WORD_COUNT} times in all texts: looks like a misprint",
    )


def _plain(text: str) -> str:
    return text.replace("ё", "е")


def _is_sayable(word: str, frequency: Mapping[str, int]) -> bool:
    return frequency[word] >= MIN_WORD_COUNT and (
        word in _WORDS_WITHOUT_VOWELS or not _VOWELS.isdisjoint(word)
    )


def _is_made_of(vocabulary: Collection[str], text: str) -> bool:
    return all(word in vocabulary for word in text.split())


def _rarity(text: str, frequency: Mapping[str, int]) -> float:
    words = text.split()
    return sum(1.0 / math.sqrt(frequency[word]) for word in words) / len(words)
