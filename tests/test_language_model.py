from __future__ import annotations

import gzip
import lzma
import math
import random
from collections import Counter as Multiset
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govor.errors import ConfigError, InputNotFoundError, ManifestError, ModelError
from govor.language_model import (
    NgramModel,
    build,
    counting,
    mix,
    prune,
    read_kenlm,
    read_vocabulary,
    sentences,
    write_arpa,
    write_kenlm,
)
from govor.language_model.counting import Counter
from govor.language_model.kenlm import murmur_hashes
from govor.language_model.ngrams import END, NEVER, START, UNKNOWN, pack
from govor.language_model.texts import split_sentences

WORDS = ["а", "бы", "вот", "где", "да"]
corpora = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), min_size=1, max_size=25)


def corpus(seed: int, num_sentences: int, num_words: int = 60) -> list[list[str]]:
    """Sentences of made-up words as frequent as in Zipf's law, each word much the likelier after its like."""
    rng = random.Random(seed)
    vocabulary = [f"с{'ло'[i % 2]}{chr(0x430 + i % 32)}{chr(0x430 + i // 32)}" for i in range(num_words)]
    weights = [1 / (i + 1) for i in range(num_words)]
    text = []
    for _ in range(num_sentences):
        words = rng.choices(vocabulary, weights, k=rng.randint(1, 9))
        text.append([word for one in words for word in ([one, one] if rng.random() < 0.2 else [one])])
    return text


def ngrams_of(text: list[list[str]], order: int) -> Multiset[tuple[str, ...]]:
    result: Multiset[tuple[str, ...]] = Multiset()
    for sentence in text:
        padded = ["<s>", *sentence, "</s>"]
        result.update(tuple(padded[i : i + order]) for i in range(len(padded) - order + 1))
    return result


class KneserNey:
    """Interpolated modified Kneser-Ney, straight from the formulas of Chen and Goodman (1998)."""

    def __init__(self, text: list[list[str]], order: int = 3) -> None:
        self.vocabulary = {word for sentence in text for word in sentence} | {"</s>", "<unk>"}
        self.counts: dict[int, dict[tuple[str, ...], int]] = {order: dict(ngrams_of(text, order))}
        for n in range(order - 1, 0, -1):
            before: dict[tuple[str, ...], set[str]] = defaultdict(set)
            for longer in ngrams_of(text, n + 1):
                before[longer[1:]].add(longer[0])
            raw = ngrams_of(text, n)
            self.counts[n] = {
                gram: raw[gram] if gram[0] == "<s>" else len(before[gram])
                for gram in raw
                if n > 1 or gram != ("<s>",)
            }
        self.discounts = {n: self._discounts(counts) for n, counts in self.counts.items()}

    @staticmethod
    def _discounts(counts: dict[tuple[str, ...], int]) -> tuple[float, float, float]:
        n = [list(counts.values()).count(i) for i in range(5)]
        if all(n[1:]):
            y = n[1] / (n[1] + 2 * n[2])
            found = (1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3])
            if all(0 < d < i + 1 for i, d in enumerate(found)):
                return found
        return 0.5, 1.0, 1.5

    def probability(self, gram: tuple[str, ...]) -> float:
        n = len(gram)
        followers = {g[-1]: c for g, c in self.counts[n].items() if g[:-1] == gram[:-1]}
        lower = self.probability(gram[1:]) if n > 1 else 1 / len(self.vocabulary)
        if not followers:
            return lower
        total = sum(followers.values())
        taken = sum(self.discounts[n][min(count, 3) - 1] for count in followers.values())
        count = followers.get(gram[-1], 0)
        own = count - self.discounts[n][min(count, 3) - 1] if count else 0.0
        return own / total + taken / total * lower


def log_prob(model: NgramModel, gram: tuple[str, ...]) -> float:
    ids = model.encode(gram)
    return float(model.log_probs(np.array([pack(ids)], np.uint64), len(ids))[0])


@settings(max_examples=40, deadline=None)
@given(corpora)
def test_probabilities_are_those_of_the_kneser_ney_formulas(text: list[list[str]]) -> None:
    model, formulas = build(text), KneserNey(text)
    contexts = [(), ("<s>",), ("а",), ("<s>", "бы"), ("вот", "где"), ("а", "а")]
    for context in contexts:
        for word in formulas.vocabulary:
            gram = (*context, word)
            if set(gram) <= {*model.words}:
                assert 10 ** log_prob(model, gram) == pytest.approx(formulas.probability(gram), rel=1e-9)


def test_estimated_discounts_are_those_of_the_formulas_on_a_larger_text() -> None:
    text = corpus(1, 400)
    model, formulas = build(text), KneserNey(text)
    assert formulas.discounts[3] != (0.5, 1.0, 1.5) != formulas.discounts[2]
    for gram in [*ngrams_of(text[:20], 3), *ngrams_of(text[:20], 2)]:
        assert 10 ** log_prob(model, gram) == pytest.approx(formulas.probability(gram), rel=1e-9)


def sum_after(model: NgramModel, context: tuple[int, ...]) -> float:
    words = [word for word in range(len(model.words)) if word != START]
    keys = np.array([pack([*context, word]) for word in words], np.uint64)
    return float((10 ** model.log_probs(keys, len(context) + 1)).sum())


@settings(max_examples=25, deadline=None)
@given(corpora, corpora, st.floats(0.05, 0.95), st.sampled_from([0.0, 1e-3, 1e-2, 0.1]), st.integers(1, 3))
def test_probabilities_after_any_context_sum_to_one_however_made(
    first: list[list[str]], second: list[list[str]], share: float, threshold: float, min_count: int
) -> None:
    a = build(first, min_count=min_count)
    for model in (a, prune(a, threshold), prune(mix(a, build(second, order=2), share), threshold)):
        known = range(3, len(model.words))
        for context in [(), (START,), *((w,) for w in known), *((START, w) for w in known)]:
            # Left over where every word is listed after a context: 1e-9.
            assert sum_after(model, context) == pytest.approx(1, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(corpora, corpora, st.floats(0.05, 0.95))
def test_a_mixture_of_listed_ngrams_is_the_weighted_mean(
    first: list[list[str]], second: list[list[str]], share: float
) -> None:
    a, b = build(first), build(second)
    joint = mix(a, b, share)
    common = {*a.words} & {*b.words} - {"<s>"}
    for gram in {*ngrams_of(first, 3), *ngrams_of(second, 3), *ngrams_of(first, 2)}:
        if {*gram} <= common | {"<s>"}:
            expected = (1 - share) * 10 ** log_prob(a, gram) + share * 10 ** log_prob(b, gram)
            assert 10 ** log_prob(joint, gram) == pytest.approx(expected, rel=1e-9)


def test_mixing_own_sentences_in_lowers_the_perplexity_on_their_like() -> None:
    general, own = build(corpus(1, 300)), build(corpus(2, 40, 30))
    test = corpus(3, 100, 30)
    alone, mixed = general.perplexity(test), mix(general, own, 0.3).perplexity(test)
    assert mixed.num_unknown <= alone.num_unknown
    assert mixed.perplexity < alone.perplexity


def test_perplexity_is_that_of_the_definition_with_unknown_words_left_out() -> None:
    text = corpus(1, 50)
    model = build(text)
    total = 0.0
    for words in text:
        ids = [START, *model.encode(words), END]
        for end in range(2, len(ids) + 1):
            gram = ids[max(0, end - 3) : end]
            total += float(model.log_probs(np.array([pack(gram)], np.uint64), len(gram))[0])
    num_tokens = sum(map(len, text)) + len(text)
    found = model.perplexity([*text, ["небывальщина"]])
    alone = log_prob(model, ("</s>",))
    assert found.perplexity == pytest.approx(10 ** (-(total + alone) / (num_tokens + 1)))
    assert (found.num_unknown, found.num_sentences) == (1, len(text) + 1)


@pytest.mark.parametrize("threshold", [1e-5, 1e-4, 1e-3])
def test_pruning_keeps_what_kaldingram_keeps_and_the_suffixes(tmp_path: Path, threshold: float) -> None:
    """kaldingram follows SRILM; ours keeps the suffixes of trigrams too."""
    kaldingram = pytest.importorskip("kaldingram.prune")
    model = build(corpus(5, 300))
    write_arpa(model, tmp_path / "full.arpa")
    (oracle,) = kaldingram.ArpaParser().loadf(tmp_path / "full.arpa", encoding="utf-8")
    kaldingram.prune(oracle, threshold, 1)
    pruned = prune(model, threshold)
    theirs = [{entry[1] for entry in oracle._entries(order)} for order in (1, 2, 3)]
    ours: list[set[tuple[str, ...]]] = []
    for order, grams in enumerate(pruned.grams, start=1):
        ids = [
            [(key >> (21 * (order - 1 - i))) & (2**21 - 1) for i in range(order)]
            for key in grams.keys.tolist()
        ]
        ours.append({tuple(pruned.words[i] for i in one) for one in ids})
    assert 0 < len(theirs[2]) < model.counts[2]
    assert ours[2] == theirs[2]
    # kaldingram takes the probability of <s> as its history's, 1e-99, and drops all that follows it alone;
    # SRILM takes that of </s>.
    expected = theirs[1] | {gram[1:] for gram in theirs[2]}
    assert {gram for gram in ours[1] if gram[0] != "<s>"} == {gram for gram in expected if gram[0] != "<s>"}
    for gram in theirs[2]:
        assert log_prob(pruned, gram) == pytest.approx(oracle.log_p_raw(gram), abs=1e-6)


def test_pruning_more_gives_less_and_never_loses_a_word() -> None:
    model = build(corpus(5, 300))
    sizes = [sum(prune(model, threshold).counts) for threshold in (0, 1e-5, 1e-3, 0.5)]
    assert sizes[0] == sum(model.counts) > sizes[1] > sizes[2] > sizes[3] >= model.counts[0]
    assert prune(model, 0.5).counts[0] == model.counts[0]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 60), st.sampled_from([2, 3]))
def test_a_packed_model_reads_back_as_it_was(seed: int, num_sentences: int, order: int) -> None:
    import tempfile

    model = build(corpus(seed, num_sentences), order=order)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "модель.klm"
        write_kenlm(model, path)
        back = read_kenlm(path)
        assert sorted(read_vocabulary(path)) == sorted(model.words[3:])
    assert back.counts == model.counts
    assert back.words[:3] == model.words[:3]
    for n in range(1, order + 1):
        grams = list(ngrams_of(corpus(seed, num_sentences), n) - Multiset([("<s>",)] * 10**6))
        errors = [abs(log_prob(back, gram) - log_prob(model, gram)) for gram in grams]
        # 255 levels for at most 600 values; the worst of 1000 seeds was 0.05.
        assert max(errors) < 0.15


def test_hashes_are_those_of_murmurhash64a() -> None:
    expected = [naive_murmur(word.encode()) for word in ("", "а", "кот", "кошка", "достопримечательность")]
    words = [word.encode() for word in ("", "а", "кот", "кошка", "достопримечательность")]
    assert murmur_hashes(words).tolist() == expected


def naive_murmur(data: bytes) -> int:
    """MurmurHash64A by Austin Appleby, public domain, in plain integers, seed 0."""
    m, mask = 0xC6A4A7935BD1E995, 2**64 - 1
    h = len(data) * m & mask
    for i in range(0, len(data) // 8 * 8, 8):
        k = int.from_bytes(data[i : i + 8], "little") * m & mask
        k = (k ^ k >> 47) * m & mask
        h = (h ^ k) * m & mask
    if tail := data[len(data) // 8 * 8 :]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 47) * m & mask
    return h ^ h >> 47


def test_counting_in_small_blocks_gives_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    text = corpus(7, 200)
    whole = Counter(3)
    monkeypatch.setattr(counting, "BLOCK_TOKENS", 50)
    blocks = Counter(3)
    for words in text:
        blocks.add(words)
    monkeypatch.undo()
    for words in text:
        whole.add(words)
    a, b = whole.finish(), blocks.finish()
    assert a.words == b.words
    for order, ((keys, counts), (other_keys, other_counts)) in enumerate(
        zip(a.orders, b.orders, strict=True), start=1
    ):
        assert keys.tolist() == other_keys.tolist()
        assert counts.tolist() == other_counts.tolist()
        assert sorted(counts.tolist()) == sorted(ngrams_of(text, order).values())


def test_memory_stays_bounded_by_dropping_what_was_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "BLOCK_TOKENS", 200)
    monkeypatch.setattr(counting, "MAX_NGRAMS", 300)
    counter = Counter(3)
    for words in corpus(7, 500):
        counter.add(words)
        assert all(sum(len(run[0]) for run in table._runs) <= 600 for table in counter._tables)
    model = build(corpus(7, 500))
    assert model.counts[2] > 0


def test_rare_words_become_unknown_and_take_their_share() -> None:
    text = [["да", "нет"]] * 5 + [["редкость", "да"], ["диковина", "нет"]]
    model = build(text, min_count=2)
    assert model.words == ("<unk>", "<s>", "</s>", "да", "нет")
    assert log_prob(model, ("<unk>",)) > log_prob(build(text), ("<unk>",))
    assert build(text, max_words=1).words[3:] in (("да",), ("нет",))
    assert model.grams[0].log_probs[START] == pytest.approx(NEVER)
    assert all(UNKNOWN not in model.encode(words) for words in text[:5])


@pytest.mark.parametrize("kwargs", [{"order": 1}, {"order": 4}, {"threshold": -0.1}, {"threshold": 1.0}])
def test_numbers_out_of_range_are_refused(kwargs: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=str(next(iter(kwargs.values())))):
        build([["да"]], **kwargs)  # type: ignore[arg-type]


def test_a_line_is_cut_into_sentences_of_russian_words() -> None:
    line = "«Ну?» — спросил он. Да… в 1812 году был IBM, кто-то; пишет А.С.Пушкин!"
    assert list(split_sentences(line)) == [
        ["ну"],
        ["спросил", "он"],
        ["да"],
        ["в", "<unk>", "году", "был", "<unk>", "кто", "то", "пишет", "а", "с", "пушкин"],
    ]
    assert list(split_sentences("hello 42")) == []
    assert list(split_sentences("уже готовые слова\n")) == [["уже", "готовые", "слова"]]


def test_plain_gz_xz_and_marked_utf8_texts_read_alike(tmp_path: Path) -> None:
    data = "Включи свет.\nВыключи.\n".encode()
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbf" + data)
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(data))
    (tmp_path / "d.txt.xz").write_bytes(lzma.compress(data))
    seen: list[tuple[int, int]] = []
    texts = [list(sentences([path], lambda a, b: seen.append((a, b)))) for path in sorted(tmp_path.iterdir())]
    assert texts == [[["включи", "свет"], ["выключи"]]] * 4
    assert all(done == total > 0 for done, total in seen)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"hello world\n", "Russian"),
        ("привет, как дела".encode("cp1251"), "cp1251"),
        ("привет".encode("utf-16"), "utf-16"),
        ("привет, как дела\n".encode("utf-16-le"), "utf-16le"),
        ("привет, как дела\n".encode("koi8-r"), "koi8-r"),
        (bytes(range(256)), "no text"),
    ],
)
def test_a_text_of_no_use_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setenv("GOVOR_LANG", "en")
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=message) as caught:
        list(sentences([path]))
    assert "text.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_archive_and_a_missing_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.xz").write_bytes(b"no archive")
    with pytest.raises(ManifestError, match=r"a\.xz"):
        list(sentences([tmp_path / "a.xz"]))
    with pytest.raises(InputNotFoundError, match=r"absent\.txt"):
        list(sentences([tmp_path / "absent.txt"]))


def test_foreign_and_damaged_models_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "my.klm"
    with pytest.raises(InputNotFoundError, match=r"my\.klm"):
        read_kenlm(path)
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"my\.klm"):
        read_kenlm(path)
    write_kenlm(build(corpus(1, 50)), path)
    data = path.read_bytes()
    for size in (100, 500, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError, match=r"my\.klm"):
            read_kenlm(path)


def test_the_shipped_model_is_small_maps_quickly_and_knows_russian() -> None:
    from govor.decoding.beam import shipped_language_model

    path = shipped_language_model()
    if path is None:
        pytest.skip("this installation holds no ru.klm")
    assert path.stat().st_size <= 15_000_000
    words = read_vocabulary(path)
    assert {"который", "ещё", "дверь"} <= {*words}
    model = read_kenlm(path)
    assert log_prob(model, ("потому", "что")) > math.log10(0.3)
    assert log_prob(model, ("дверь", "открыл")) < log_prob(model, ("открыл", "дверь"))
