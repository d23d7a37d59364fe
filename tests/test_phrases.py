from __future__ import annotations

import time
import tracemalloc
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from govor.cli.app import run
from govor.errors import ConfigError, GovorError, InputNotFoundError, ManifestError, ModelError
from govor.phrases.decoder import PhraseDecoder, PhraseTree
from govor.phrases.patterns import MAX_VARIANTS, parse_phrases, read_phrases
from govor.phrases.thresholds import (
    DEFAULT_THRESHOLDS,
    Thresholds,
    fit_thresholds,
    model_thresholds,
    thresholds_from_json,
)
from govor.recognizer import load_model
from govor.text.alphabet import Alphabet
from tiny_model import spell, spelling_model

ALPHABET = Alphabet()


def random_log_probs(
    seed: int, num_frames: int, num_symbols: int, spread: float = 1.0
) -> NDArray[np.float32]:
    logits = np.random.default_rng(seed).normal(size=(num_frames, num_symbols)) * spread
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def said(text: str, sure: float = 0.9) -> NDArray[np.float32]:
    """log_probs of a clear voice: two frames of each letter, one blank between."""
    frames: list[int] = [0]
    for label in ALPHABET.encode(text):
        frames += [label, label, 0]
    probabilities = np.full((len(frames), len(ALPHABET)), (1 - sure) / (len(ALPHABET) - 1))
    probabilities[np.arange(len(frames)), frames] = sure
    return np.log(probabilities).astype(np.float32)


def decoder_of(*lines: str, **options: float) -> PhraseDecoder:
    return PhraseDecoder(parse_phrases(lines), ALPHABET, **options)  # type: ignore[arg-type]


def by_enumeration(log_probs: NDArray[np.float32], labels: tuple[int, ...]) -> float:
    """CTC by its definition: the sum over all paths that collapse to the labels."""
    total = -np.inf
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        merged = [s for i, s in enumerate(path) if s and (i == 0 or s != path[i - 1])]
        if tuple(merged) == labels:
            total = np.logaddexp(total, sum(float(log_probs[i, s]) for i, s in enumerate(path)))
    return float(total)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    num_frames=st.integers(1, 5),
    sequences=st.lists(st.lists(st.integers(1, 2), min_size=1, max_size=4), min_size=1, max_size=6),
)
def test_scores_are_the_sum_over_all_alignments(
    seed: int, num_frames: int, sequences: list[list[int]]
) -> None:
    log_probs = random_log_probs(seed, num_frames, 3)
    expected = [by_enumeration(log_probs, tuple(sequence)) for sequence in sequences]
    # float32 inputs are read exactly; the arithmetic is double.
    np.testing.assert_allclose(PhraseTree(sequences).scores(log_probs), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("spread", [0.5, 3.0, 10.0])
def test_scores_agree_with_the_ctc_loss_of_torch(spread: float) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    sequences = [rng.integers(1, 35, int(rng.integers(1, 30))).tolist() for _ in range(50)]
    log_probs = random_log_probs(5, 90, 35, spread)
    ours = PhraseTree(sequences).scores(log_probs)
    theirs = [
        -torch.nn.functional.ctc_loss(
            torch.tensor(log_probs).double()[:, None], torch.tensor([s]), [90], [len(s)], reduction="sum"
        ).item()
        for s in sequences
    ]
    best = int(np.argmax(theirs))
    assert ours.argmax() == best
    # Promised is the best one to 1e-8; those near the end of the range lose digits.
    assert ours[best] == pytest.approx(theirs[best], abs=1e-8)
    seen = np.isfinite(ours)
    np.testing.assert_allclose(ours[seen], np.array(theirs)[seen], rtol=0, atol=1e-4)


def test_audio_too_unlikely_for_plain_numbers_is_scored_with_logarithms() -> None:
    sequences = [ALPHABET.encode("да"), ALPHABET.encode("нет нет")]
    log_probs = random_log_probs(1, 500, len(ALPHABET), 5.0)
    tree = PhraseTree(sequences)
    scores = tree.scores(log_probs)
    assert scores.max() < -1300
    np.testing.assert_allclose(scores, tree._log_scores(log_probs.astype(np.float64)), rtol=1e-12)
    # Whoever does not care below a floor is not kept waiting, and is still told the truth above it.
    assert tree.scores(log_probs, floor=-100.0).max() < -100


def test_a_phrase_longer_than_the_audio_is_impossible() -> None:
    assert PhraseTree([[1, 1], [1]]).scores(random_log_probs(0, 2, 3))[0] == -np.inf


def test_no_frames_give_no_phrase() -> None:
    assert decoder_of("да")(np.zeros((0, len(ALPHABET)), np.float32)).text == ""


def test_what_is_on_the_list_is_heard_and_what_is_not_is_unknown() -> None:
    decoder = decoder_of("включи свет", "выключи свет", "открой дверь")
    assert decoder(said("выключи свет")).text == "выключи свет"
    other = decoder.match(said("собака лает громко"))
    assert not other.accepted
    assert decoder(said("собака лает громко")).words == ()


def test_a_misheard_letter_does_not_lose_the_command() -> None:
    assert decoder_of("включи свет", "открой дверь")(said("фключи свед")).text == "включи свет"


def test_words_of_a_phrase_lie_where_they_were_said() -> None:
    words = decoder_of("да", "нет да")(said("нет да")).words
    assert [(word.text, word.start, word.end) for word in words] == [("нет", 1, 9), ("да", 13, 18)]


def test_a_match_tells_its_line_and_the_best_other_line() -> None:
    match = decoder_of("[эй] включи свет", "выключи свет", "открой дверь").match(said("эй включи свет"))
    assert (match.phrase.pattern, match.phrase.line) == ("[эй] включи свет", 1)
    assert match.runner_up is not None and match.runner_up.text == "выключи свет"
    assert match.ratio <= 0


def test_fewer_false_accepts_need_more_likeness() -> None:
    strict, lax = decoder_of("включи свет", false_accepts=0.01), decoder_of("включи свет", false_accepts=0.2)
    sound = said("включи свет")
    assert strict.match(sound).threshold > lax.match(sound).threshold


@pytest.mark.parametrize("rate", [0.0, -1.0, 0.5, 2.0, float("nan")])
def test_a_false_accept_rate_out_of_the_table_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="false accept rate"):
        decoder_of("да", false_accepts=rate)


def test_letters_that_the_model_cannot_write_are_named() -> None:
    with pytest.raises(ConfigError, match=r"“ёж” \(line 1\): the model cannot write ж ё"):
        PhraseDecoder(parse_phrases(["ёж"]), Alphabet(("<blank>", " ", "а")))


def test_five_thousand_phrases_take_less_than_50_ms_for_3_s() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("аеиоклмнрст"), 6)) for _ in range(300)]
    lines = sorted({" ".join(rng.choice(words, 3)) for _ in range(5300)})[:5000]
    decoder = decoder_of(*lines)
    log_probs = random_log_probs(2, 100, len(ALPHABET), 3.0)
    spent = []
    for _ in range(7):
        begun = time.process_time()
        decoder.match(log_probs)
        spent.append(time.process_time() - begun)
    # 20 ms for these 60,000 nodes, measured.
    assert min(spent) < 0.05


def texts(*lines: str) -> set[str]:
    return {phrase.text for phrase in parse_phrases(lines)}


def test_optional_parts_and_alternatives_are_expanded() -> None:
    assert texts("[пожалуйста] (включи|зажги) свет") == {
        "включи свет",
        "зажги свет",
        "пожалуйста включи свет",
        "пожалуйста зажги свет",
    }
    assert texts("а[б[в]]", "да|нет|(ещё (как|бы))") == {"а", "аб", "абв", "да", "нет", "ещё как", "ещё бы"}


def test_numbers_are_said_in_words_and_punctuation_is_not_said() -> None:
    assert texts("Канал 25!", "9-го мая, «парад»") == {"канал двадцать пять", "девятого мая парад"}
    assert texts("-5 градусов", "(10-15|\u22122) минут", "5-ый этаж", "1 500 000 рублей", "дом 25-а") == {
        "минус пять градусов",
        "десять пятнадцать минут",
        "минус два минут",
        "пятый этаж",
        "миллион пятьсот тысяч рублей",
        "дом двадцать пять а",
    }


def test_every_bad_line_is_named() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_phrases(["включи TV", "да", "[а", "нет", "5%"], "cmd.txt")
    assert str(caught.value).startswith("cmd.txt:1: “включи TV”: Latin letters or signs")
    assert str(caught.value).endswith("(and more lines with errors: 3, 5)")


def test_a_long_line_is_shown_in_part() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_phrases(["[включи " * 40])
    assert "“[включи [включи" in str(caught.value) and len(str(caught.value)) < 120


def test_lines_end_as_in_any_text_file(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "cmd.txt").write_bytes(f"да{end}# нет{end}нет{end}".encode())
        found = read_phrases(tmp_path / "cmd.txt")
        assert [(phrase.text, phrase.line) for phrase in found] == [("да", 1), ("нет", 3)]


def test_comments_and_empty_lines_are_passed_over_and_lines_counted() -> None:
    phrases = parse_phrases(["# команды", "", "да", "да", "нет"])
    assert [(phrase.text, phrase.line) for phrase in phrases] == [("да", 3), ("нет", 5)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("включи TV", "Latin letters or signs"),
        ("громкость 50%", "Latin letters or signs"),
        ("набери 12345678901", "cannot be said"),
        ("больше 5-ти", "cannot be said"),
        ("включи [свет", "brackets do not match"),
        ("включи) свет", "brackets do not match"),
        ("(а|б]", "brackets do not match"),
        ("[может быть]", "an empty phrase"),
        ("...", "an empty phrase"),
        ("[а][б]" * 12, "more than"),
        ("(" * 60 + "а" + ")" * 60, "nested deeper"),
    ],
)
def test_an_unusable_line_is_one_clear_error_with_its_number(line: str, message: str) -> None:
    with pytest.raises(ManifestError, match=rf"cmd\.txt:2: .*{message}"):
        parse_phrases(["да", line], "cmd.txt")


def test_too_many_phrases_in_all_are_refused_before_memory_ends() -> None:
    many = "".join(f"({a}|{b})" for a, b in ["аб", "вг", "де", "жз", "ик", "лм", "но", "пр", "ст", "уф"])
    with pytest.raises(ManifestError, match=f"more than {MAX_VARIANTS}"):
        parse_phrases([f"{a}{b} {many}" for a in "абвгдежзик" for b in "абвгдежзик"])


def test_too_many_alternatives_of_many_phrases_are_refused_before_memory_ends() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ManifestError, match=f"more than {MAX_VARIANTS}"):
            parse_phrases(["(" + "|".join(["[а]" * 14] * 60) + ")"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Each of the sixty has 16,384 wordings, more than 60 MB together.
    assert peak < 20e6


@settings(deadline=None, max_examples=150)
@given(st.text(alphabet="аб1z [](|)#%ё", max_size=30))
def test_any_line_gives_phrases_or_a_govor_error(line: str) -> None:
    try:
        found = parse_phrases([line])
    except GovorError:
        return
    assert all(phrase.text and not ALPHABET.missing(phrase.text) for phrase in found)


def test_unreadable_files_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="cannot be opened"):
        read_phrases(tmp_path / "absent.txt")
    (tmp_path / "empty.txt").write_bytes(b"\xef\xbb\xbf# nothing\n")
    with pytest.raises(ManifestError, match="no phrases"):
        read_phrases(tmp_path / "empty.txt")
    (tmp_path / "cp1251.txt").write_bytes("да\nнет".encode() + "\nпривет".encode("cp1251"))
    with pytest.raises(ManifestError, match=r"cp1251\.txt:3: not UTF-8"):
        read_phrases(tmp_path / "cp1251.txt")
    (tmp_path / "utf16.txt").write_bytes("да\nнет".encode("utf-16-le"))
    with pytest.raises(ManifestError, match=r"utf16\.txt: not UTF-8, it looks like utf-16le"):
        read_phrases(tmp_path / "utf16.txt")


def test_thresholds_fit_the_rate_that_was_asked() -> None:
    rng = np.random.default_rng(0)
    trials = {
        size: [
            (int(length), float(rng.normal(-4 + np.log10(size), 1.0))) for length in rng.integers(4, 80, 8000)
        ]
        for size in (10, 100)
    }
    table = fit_thresholds(trials)
    for size, rows in trials.items():
        lengths, ratios = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        for rate in (0.01, 0.03, 0.1):
            # 8,000 trials of a rate of 0.03 deviate by 0.002.
            assert np.mean(ratios >= table.at(rate, size, lengths)) == pytest.approx(rate, rel=0.25)
    assert (table.at(0.03, 100, np.array([8, 64])) > table.at(0.03, 10, np.array([8, 64]))).all()


def test_thresholds_keep_the_rate_in_the_worst_condition_that_has_enough_trials() -> None:
    rng = np.random.default_rng(0)

    def trials(mean: float, count: int) -> dict[int, list[tuple[int, float]]]:
        lengths = rng.integers(4, 80, count)
        return {50: [(int(n), float(rng.normal(mean, 1.0))) for n in lengths]}

    clear, unclear, few = trials(-5.0, 4000), trials(-3.0, 4000), trials(0.0, 8)
    both = fit_thresholds(clear, unclear, few, trials(-9.0, 0))
    # Eight trials are half of what a cell needs, were they all of its length.
    assert np.array(both.values) == pytest.approx(np.array(fit_thresholds(unclear, few).values))
    ratios = np.array([ratio for _, ratio in unclear[50]])
    lengths = np.array([length for length, _ in unclear[50]])
    assert np.mean(ratios >= both.at(0.03, 50, lengths)) == pytest.approx(0.03, rel=0.3)
    with pytest.raises(ValueError, match="no trials"):
        fit_thresholds({50: []})


def test_no_threshold_is_lower_than_what_nearly_all_listed_phrases_reach() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 80, 8000)
    others = {50: [(int(n), float(rng.normal(-5.0, 1.0))) for n in lengths]}
    listed = [(int(n), float(rng.normal(-1.0, 0.2))) for n in lengths]
    free, capped = fit_thresholds(others), fit_thresholds(others, listed=listed)
    # Other speech reaches -3.1 in 3 % of the cases, but 95 % of the listed phrases reach more.
    assert free.at(0.03, 50, np.array([20])) == pytest.approx(-3.1, abs=0.15)
    assert capped.at(0.03, 50, np.array([20])) == pytest.approx(-1.0 - 1.645 * 0.2, abs=0.05)
    ratios = np.array([ratio for _, ratio in listed])
    for rate, kept in ((0.01, 0.95), (0.03, 0.95), (0.1, 0.97), (0.2, 0.985)):
        assert np.mean(ratios >= capped.at(rate, 50, lengths)) == pytest.approx(kept, abs=0.01)
    # Where the rate asks for more than that, the rate decides.
    hard = {50: [(int(n), float(rng.normal(-1.0, 0.5))) for n in lengths]}
    assert fit_thresholds(hard, listed=listed) == fit_thresholds(hard)


def test_thresholds_survive_json_and_corrupt_ones_are_refused() -> None:
    row = DEFAULT_THRESHOLDS.to_json()
    assert thresholds_from_json(row) == DEFAULT_THRESHOLDS == model_thresholds({})
    assert model_thresholds({"phrases": row}) == DEFAULT_THRESHOLDS
    broken = [{}, {**row, "rates": [0.1]}, {**row, "values": "x"}, {**row, "lengths": [64, 32, 16, 8]}]
    for each in broken:
        with pytest.raises(ModelError, match="phrase thresholds"):
            thresholds_from_json(each)


def test_thresholds_between_the_cells_are_interpolated() -> None:
    table = Thresholds(
        (10, 1000), (8, 32), (0.01, 0.1), (((-1.0, -2.0), (-3.0, -4.0)), ((0.0, 0.0), (0.0, 0.0)))
    )
    assert table.at(0.01, 10, np.array([8, 16, 32, 99])).tolist() == pytest.approx([-1, -2, -3, -3])
    assert table.at(0.1, 100, np.array([8])).tolist() == pytest.approx([-1])


def test_a_phrase_decoder_serves_the_recognizer(tmp_path: Path) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx"))
    decoder = decoder_of("открой дверь", "закрой дверь")
    assert recognizer.transcribe_features(spell("закрой дверь"), decoder).text == "закрой дверь"
    assert recognizer.transcribe_features(spell("какая погода"), decoder).text == ""


def test_the_command_names_the_bad_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = spelling_model(tmp_path / "m.onnx")
    path = tmp_path / "cmd.txt"
    path.write_text("да\nturn on\n", encoding="utf-8")
    assert run(["transcribe", "x.wav", "--model", str(model), "--phrases", str(path)]) == 1
    assert f"{path}:2:" in capsys.readouterr().err
    path.write_text("да\n", encoding="utf-8")
    assert run(["transcribe", "x.wav", "--model", str(model), "--phrases", str(path), "--hotwords", "а"]) == 1
    assert "--phrases and --hotwords together" in capsys.readouterr().err
    assert run(["transcribe", "x.wav", "--model", str(model), "--false-accepts", "0.1"]) == 1
    assert "without --phrases" in capsys.readouterr().err
