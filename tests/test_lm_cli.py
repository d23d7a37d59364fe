from __future__ import annotations

import gzip
import json
import os
import time
import wave
from pathlib import Path

import pytest

import tiny_model
from govor.cli.app import run
from govor.language_model import build, mixture_file, read_kenlm, sentences, write_kenlm

pytest.importorskip("ctc_beam_decoder")
TEXT = "Включи свет на кухне. Выключи свет!\nОткрой дверь в гостиную.\n" * 5
OTHER = "Закрой окно в спальне, пожалуйста.\nКоторый час?\n" * 5


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOVOR_LANG", "en")
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    Path("other.txt").write_text(OTHER, encoding="utf-8")
    tiny_model.hooting_model(Path("model.onnx"))
    with wave.open("hoots.wav", "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((tiny_model.hoots(2) * 32767).astype("<i2").tobytes())
    return tmp_path


def test_one_command_makes_the_model_that_the_library_makes(folder: Path) -> None:
    assert run(["lm", "build", "text.txt", "other.txt", "--output", "out/my.klm", "--quiet"]) == 0
    write_kenlm(build(sentences([Path("text.txt"), Path("other.txt")])), Path("same.klm"))
    assert Path("out/my.klm").read_bytes() == Path("same.klm").read_bytes()


def test_mixing_makes_the_other_text_likelier_and_its_words_known(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lm", "build", "other.txt", "-o", "other.klm"]) == 0
    assert run(["lm", "build", "text.txt", "-o", "alone.klm"]) == 0
    assert run(["lm", "build", "text.txt", "-o", "mixed.klm", "--mix", "other.klm:0.3"]) == 0
    text = list(sentences([Path("other.txt")]))
    assert read_kenlm(Path("alone.klm")).perplexity(text).unknown_rate > 0.8
    mixed = read_kenlm(Path("mixed.klm")).perplexity(text)
    assert mixed.num_unknown == 0
    capsys.readouterr()
    assert run(["lm", "perplexity", "mixed.klm", "other.txt"]) == 0
    assert f"perplexity {mixed.perplexity:.1f}, {mixed.num_words} words" in capsys.readouterr().out


def test_numbers_and_foreign_words_are_counted_aloud(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("wifi.txt").write_text("включи wifi\nканал 25 и wifi\n" * 50, encoding="utf-8")
    assert run(["lm", "build", "wifi.txt", "-o", "wifi.klm"]) == 0
    shown = capsys.readouterr().err
    # включи, канал, и; two lines of two words and four, one foreign word and two.
    assert "100 sentences, 300 words, 3 different" in shown
    assert "150 of them are numbers and words of other letters" in shown
    # No trigrams: every three words in a row hold an unknown one.
    assert "wifi.klm: 1 KB, n-grams 6 + 2\n" in shown
    assert run(["lm", "build", "text.txt", "-o", "my.klm"]) == 0
    assert "of other letters" not in capsys.readouterr().err


def test_a_text_of_no_use_is_named_and_the_others_make_the_model(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.txt").write_text("")
    Path("old.txt").write_bytes("включи свет".encode("koi8-r"))
    # A gzip file whose middle is spoilt.
    Path("spoilt.gz").write_bytes(gzip.compress(TEXT.encode())[:40] + b"z" * 80)
    assert run(["lm", "build", "absent.txt", "empty.txt", "spoilt.gz", "old.txt", "-o", "none.klm"]) == 1
    shown = capsys.readouterr().err
    assert not Path("none.klm").exists()
    assert "no text absent.txt; check the path" in shown
    assert "empty.txt: the file is empty; write sentences into it" in shown
    assert "spoilt.gz: cannot unpack" in shown
    assert "old.txt: not UTF-8, it looks like koi8-r" in shown
    assert run(["lm", "build", "empty.txt", "text.txt", "old.txt", "-o", "rest.klm"]) == 1
    assert "rest.klm was made without the texts with errors: 2 of 3" in capsys.readouterr().err
    assert run(["lm", "build", "text.txt", "-o", "same.klm"]) == 0
    assert Path("rest.klm").read_bytes() == Path("same.klm").read_bytes()


def test_a_model_without_long_ngrams_can_be_searched_with(folder: Path) -> None:
    Path("wifi.txt").write_text("включи wifi\nканал 25 и wifi\n", encoding="utf-8")
    for name in ("wifi.klm", "wifi.arpa"):
        assert run(["lm", "build", "wifi.txt", "-o", name]) == 0
        assert run(["transcribe", "hoots.wav", "--model", "model.onnx", "--lm", name]) == 0


def test_the_shipped_model_is_measured_by_its_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lm", "perplexity", "ru.klm", "text.txt"]) == 0
    # 5 times 4 + 2 + 4 words.
    assert ", 50 words, " in capsys.readouterr().out


def test_a_model_of_another_script_is_not_mixed_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("latin.txt").write_text("hello world\n")
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert run(["lm", "build", "latin.txt", "-o", "latin.klm", "--letters", letters]) == 0
    assert run(["lm", "build", "text.txt", "-o", "a.klm", "--mix", "latin.klm:0.3"]) == 1
    assert "latin.klm: words of other letters (hello world)" in capsys.readouterr().err
    assert not Path("a.klm").exists()
    call = ["transcribe", "hoots.wav", "--model", "model.onnx", "--lm", "ru.klm"]
    assert run([*call, "--mix", "latin.klm:0.31"]) == 1
    assert "latin.klm: words of other letters (hello world)" in capsys.readouterr().err


def test_an_arpa_file_lists_every_ngram(folder: Path) -> None:
    assert run(["lm", "build", "text.txt", "-o", "my.arpa", "--order", "2"]) == 0
    lines = Path("my.arpa").read_text(encoding="utf-8").splitlines()
    model = build(sentences([Path("text.txt")]), order=2)
    assert lines[1:3] == [f"ngram {n}={count}" for n, count in enumerate(model.counts, start=1)]
    assert sum(line.count("\t") > 0 for line in lines) == sum(model.counts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.txt", "-o", "a.klm"], "absent.txt"),
        (["text.txt", "-o", "a.bin"], ".klm or .arpa"),
        (["text.txt", "-o", "a.klm", "--order", "4"], "--order 4"),
        (["text.txt", "-o", "a.klm", "--prune", "1.5"], "1.5"),
        # Before the text is counted, which may take a minute.
        (["absent.txt", "-o", "a.klm", "--prune", "-1"], "-1"),
        (["absent.txt", "-o", "text.txt/a.klm"], "text.txt"),
        (["text.txt", "-o", "a.klm", "--mix", "other.klm"], "--mix other.klm"),
        (["text.txt", "-o", "a.klm", "--mix", "other.klm:2"], "--mix other.klm:2"),
        (["text.txt", "-o", "a.klm", "--mix", "text.txt:0.2"], "text.txt: no .klm of govor lm build"),
        # Not the emoji that rich makes of :x:.
        (["text.txt", "-o", "a.klm", "--mix", "other.klm:x:"], "--mix other.klm:x::"),
        (["text.txt", "-o", "a.klm", "--prune", "0.9"], "lower --prune"),
        (["text.txt", "-o", "a.klm", "--min-count", "99"], "lower --min-count"),
        (["out.txt", "-o", "a.klm"], "out.txt: a folder"),
    ],
)
def test_bad_input_is_one_line_and_writes_no_model(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    Path("out.txt").mkdir()
    assert run(["lm", "build", *arguments, "--quiet"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("a.klm").exists()


def test_transcribe_gives_alternatives_and_takes_an_own_model(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lm", "build", "text.txt", "-o", "my.klm", "--quiet"]) == 0
    beam = ["transcribe", "hoots.wav", "--model", "model.onnx", "--lm", "my.klm", "--quiet", "-f", "json"]
    assert run([*beam, "--alternatives", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["text"] == "а а" == found["alternatives"][0]["text"]
    scores = [row["score"] for row in found["alternatives"]]
    assert scores == sorted(scores, reverse=True)
    assert run(beam) == 0
    assert "alternatives" not in json.loads(capsys.readouterr().out)
    # The last of two formats counts; that of a person who sees one text says where the others are.
    assert run([word for word in beam if word != "--quiet"] + ["-f", "txt", "--alternatives", "3"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "а а\n" and "txt shows the best text alone" in shown.err


def test_transcribe_mixes_models_once_and_keeps_the_mixture(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    for name in ("text", "other"):
        assert run(["lm", "build", f"{name}.txt", "-o", f"{name}.klm", "--quiet"]) == 0
    call = ["transcribe", "hoots.wav", "--model", "model.onnx", "--lm", "text.klm", "--quiet"]
    assert run([*call, "--mix", "other.klm:0.3"]) == 0
    assert capsys.readouterr().out == "а а\n"
    (kept,) = (folder / "cache" / "govor").iterdir()
    # The same as mixing when it is built, but for the weights of float32 that text.klm holds.
    assert run(["lm", "build", "text.txt", "-o", "both.klm", "--mix", "other.klm:0.3", "--quiet"]) == 0
    words = list(sentences([Path("text.txt"), Path("other.txt")]))
    built, mixed = (read_kenlm(path).perplexity(words) for path in (Path("both.klm"), kept))
    assert mixed.perplexity == pytest.approx(built.perplexity, rel=1e-5)
    before = kept.stat().st_ino
    assert run([*call, "--mix", "other.klm:0.3"]) == 0
    assert run([*call, "--mix", "other.klm:0.4"]) == 0
    found = list((folder / "cache" / "govor").iterdir())
    assert kept.stat().st_ino == before
    assert len(found) == 2


def test_old_mixtures_give_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("govor.language_model.mixtures.KEPT", 2)
    for name in ("text", "other"):
        assert run(["lm", "build", f"{name}.txt", "-o", f"{name}.klm", "--quiet"]) == 0
    cache = folder / "kept"
    cache.mkdir()
    made = []
    for age, share in ((300, 0.1), (200, 0.2), (100, 0.3)):
        made.append(mixture_file(Path("text.klm"), [(Path("other.klm"), share)], cache))
        os.utime(made[-1], (time.time() - age, time.time() - age))
    assert sorted(cache.iterdir()) == sorted(made[1:])


BAD_OPTIONS = [
    (["--mix", "my.klm"], "--mix my.klm"),
    (["--mix", "absent.klm:0.3"], "absent.klm"),
    (["--mix", "text.txt:0.3"], "text.txt"),
    (["--mix", "my.klm:0.3", "--no-lm"], "--mix and --no-lm together"),
    (["--mix", "my.klm:0.3", "--decoder", "greedy"], "--mix needs the beam search"),
    (["--lm", "absent.klm"], "absent.klm"),
    (["--lm", "text.txt"], "text.txt"),
    (["--lm", "my.klm", "--no-lm"], "--no-lm"),
    (["--hotwords", "дом,"], "empty hot word"),
    (["--hotwords", "wifi"], "wifi"),
    (["--hotwords", "дом", "--hotword-weight", "-1"], "hotword-weight = -1"),
    (["--hotword-weight", "5"], "--hotword-weight without --hotwords"),
    (["--alpha", "11"], "alpha = 11"),
    (["--beta", "nan"], "beta = nan"),
    (["--beam-width", "0"], "beam-width = 0"),
    (["--decoder", "greedy", "--hotwords", "дом"], "--hotwords needs the beam search"),
]


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        *(("transcribe", *row) for row in BAD_OPTIONS),
        *(("evaluate", *row) for row in BAD_OPTIONS),
        ("transcribe", ["--alternatives", "0"], "0 alternatives"),
    ],
)
def test_options_of_no_use_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, arguments: list[str], message: str
) -> None:
    Path("manifest.jsonl").write_text(
        json.dumps({"audio_filepath": "hoots.wav", "duration": 2.8, "text": "а а"}) + "\n", encoding="utf-8"
    )
    what = "hoots.wav" if command == "transcribe" else "manifest.jsonl"
    assert run([command, what, "--model", "model.onnx", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_alphabet_without_letters_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lm", "build", "text.txt", "-o", "a.klm", "--letters", ""]) == 2
    assert "--letters" in capsys.readouterr().err
    assert not Path("a.klm").exists()
