"""Corpora of others, in the layouts that their makers document, become manifests."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import corpus_fixtures as fixtures
from corpus_fixtures import dropped, manifest
from govor.audio.loading import load_audio
from govor.cli.app import run
from govor.corpora.cutting import Clip, Span, cut
from govor.corpora.dropped import Dropped
from govor.corpora.folder import read_folder
from govor.corpora.golos import read_golos
from govor.corpora.importing import import_corpus
from govor.corpora.open_stt import read_open_stt


def test_common_voice_keeps_its_own_parts_and_no_speaker_is_in_two(tmp_path: Path) -> None:
    folder = fixtures.common_voice(tmp_path)
    out = tmp_path / "out"
    # The folder above that of the language will do.
    assert run(["prepare", "common-voice", str(folder.parent), "--output", str(out), "-q"]) == 0
    parts = {part: manifest(out, part) for part in ("train", "dev", "test")}
    # Speakers 0 and 3 have three recordings each; 1 and 2 have one in dev and test, two more are left out.
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 6, "dev": 1, "test": 1}
    speakers = [{row.speaker for row in rows} for rows in parts.values()]
    assert not speakers[0] & (speakers[1] | speakers[2]) and not speakers[1] & speakers[2]
    assert list(dropped(out).values()) == ["the speaker is in dev or test"] * 4
    first = parts["train"][0]
    assert (first.id, first.text) == ("common_voice_ru_1000", "покажи погоду на завтра")
    assert first.duration == pytest.approx(3.0, abs=0.1)
    assert len(load_audio(first.audio_filepath or "", 16000).samples) == pytest.approx(48000, abs=1600)
    assert "\tmale\tadult\t" in (out / "speakers.tsv").read_text("utf-8")


def test_common_voice_without_parts_is_split_by_speaker(tmp_path: Path) -> None:
    folder = fixtures.common_voice(tmp_path, speakers=6)
    (folder / "dev.tsv").unlink()
    out = tmp_path / "out"
    assert run(["prepare", "common-voice", str(folder), "--output", str(out), "--trust", "-q"]) == 0
    assert len(manifest(out)) == 12
    held = {row.speaker for part in ("dev", "test_unseen_speaker") for row in manifest(out, part)}
    assert not held & {row.speaker for row in manifest(out, "train")}
    assert {row.duration for row in manifest(out)} == {3.0}


@pytest.mark.parametrize("suffix", [".wav", ".opus"])
def test_golos_keeps_its_test_and_finds_opus_that_its_manifest_calls_wav(tmp_path: Path, suffix: str) -> None:
    root = fixtures.golos(tmp_path / "golos", suffix)
    out = tmp_path / "out"
    assert run(["prepare", "golos", str(root), "--output", str(out), "-q"]) == 0
    assert sorted(row.id for row in manifest(out, "test")) == [
        "test/crowd/files/abc.wav",
        "test/farfield/files/abc.wav",
    ]
    train, dev = manifest(out, "train"), manifest(out, "dev")
    assert len(train) + len(dev) == 60
    assert 0 < len(dev) < 10
    assert all((row.audio_filepath or Path()).suffix == suffix for row in train)
    assert not {row.id for row in train} & {row.id for row in dev}


def test_golos_takes_one_of_its_shorter_lists(tmp_path: Path) -> None:
    root = fixtures.golos(tmp_path / "golos")
    few = root / "train" / "10min.jsonl"
    few.write_text(
        "".join((root / "train" / "manifest.jsonl").read_text("utf-8").splitlines(True)[:5]), "utf-8"
    )
    out = tmp_path / "out"
    assert run(["prepare", "golos", str(few), "--output", str(out), "-q"]) == 0
    assert len(manifest(out)) == 5


def test_open_stt_finds_recordings_whatever_disk_and_suffix_its_table_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = fixtures.open_stt(tmp_path / "open_stt")
    out = tmp_path / "out"
    assert run(["prepare", "open-stt", str(table), "--output", str(out)]) == 0
    assert "the speakers are unknown" in capsys.readouterr().err
    rows = manifest(out)
    assert [row.text for row in rows] == list(fixtures.TEXTS)
    assert [row.duration for row in rows] == pytest.approx([3.0] * 6, abs=0.05)
    # With a heading and a number of the row, as pandas writes it.
    lines = table.read_text("utf-8").splitlines()
    table.write_text(
        "\n".join([",wav_path,text_path,duration", *(f"{i},{x}" for i, x in enumerate(lines))]), "utf-8"
    )
    assert import_corpus(read_open_stt(table), tmp_path / "out2", trust=True).num_utterances == 6


def test_a_plain_folder_pairs_recordings_with_texts_and_folders_with_speakers(tmp_path: Path) -> None:
    corpus = tmp_path / "mine"
    fixtures.write_audio(corpus / "anna" / "wav" / "1.mp3", fixtures.sound(1))
    fixtures.write_audio(corpus / "boris" / "1.flac", fixtures.sound(2))
    fixtures.write_audio(corpus / "2.wav", fixtures.sound(3))
    fixtures.write_audio(corpus / "3.wav", fixtures.sound(4))
    for path, text, encoding in (
        ("anna/txt/1.txt", "Включи свет!", "cp1251"),
        ("boris/1.txt", "Выключи свет.", "utf-8-sig"),
        ("2.txt", "какая сегодня дата", "koi8-r"),
    ):
        (corpus / path).parent.mkdir(exist_ok=True)
        (corpus / path).write_bytes(text.encode(encoding))
    out = tmp_path / "out"
    done = import_corpus(read_folder(corpus), out)
    assert {row.id: (row.speaker, row.text) for row in manifest(out)} == {
        "anna/wav/1": ("anna", "включи свет"),
        "boris/1": ("boris", "выключи свет"),
        "2": ("", "какая сегодня дата"),
    }
    assert (done.num_dropped, dropped(out)) == (1, {"3.wav": "no text: put 3.txt beside it"})
    assert {row.speaker for row in manifest(out)} == {"anna", "boris", ""}


def test_kaldi_segments_are_cut_out_of_their_recordings(tmp_path: Path) -> None:
    folder = fixtures.kaldi(tmp_path)
    out = tmp_path / "out"
    assert run(["prepare", "kaldi", str(folder), "--output", str(out), "-q"]) == 0
    rows = manifest(out)
    assert [(row.id, row.speaker, row.text) for row in rows] == [
        (f"sp{n // 3}-call{n // 3}-{n % 3}", f"sp{n // 3}", text) for n, text in enumerate(fixtures.TEXTS)
    ]
    for number, row in enumerate(rows):
        clip = load_audio(row.audio_filepath or "", 16000).samples
        expected = fixtures.sound(number)[4000:44000] / 32768
        np.testing.assert_allclose(clip, expected, atol=1e-4)


def test_kaldi_commands_are_not_run(tmp_path: Path) -> None:
    folder = fixtures.kaldi(tmp_path)
    trap = tmp_path / "trap"
    text = (folder / "wav.scp").read_text("utf-8").splitlines()
    (folder / "wav.scp").write_text(f"{text[0]}\ncall1 touch {trap} |\n", "utf-8")
    out = tmp_path / "out"
    assert run(["prepare", "kaldi", str(folder), "--output", str(out), "-q"]) == 0
    assert len(manifest(out)) == 3
    assert all("a command, not a file" in reason for reason in dropped(out).values())
    assert not trap.exists()


def test_lhotse_cuts_made_by_lhotse_itself_become_utterances(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    path = fixtures.write_audio(tmp_path / "a.wav", np.concatenate([fixtures.sound(k) for k in range(3)]))
    recording = lhotse.Recording.from_file(path)
    supervisions = [
        lhotse.SupervisionSegment(
            f"s{k}", recording.id, 3.0 * k, 3.0, text=fixtures.TEXTS[k], speaker=f"p{k}"
        )
        for k in range(3)
    ]
    whole = lhotse.MonoCut("w", 0, 9.0, 0, [supervisions[0]], recording=recording)
    long = lhotse.MonoCut("long", 0, recording.duration, 0, supervisions, recording=recording)
    trimmed = lhotse.CutSet.from_cuts([long]).trim_to_supervisions(keep_overlapping=False)
    mixed = whole.pad(duration=12.0, preserve_id=True)
    lhotse.CutSet.from_cuts([*trimmed, mixed]).to_file(tmp_path / "cuts.jsonl.gz")
    out = tmp_path / "out"
    assert run(["prepare", "lhotse", str(tmp_path), "--output", str(out), "-q"]) == 0
    rows = manifest(out)
    assert [(row.speaker, row.text) for row in rows] == [(f"p{k}", fixtures.TEXTS[k]) for k in range(3)]
    for number, row in enumerate(rows):
        clip = load_audio(row.audio_filepath or "", 16000).samples
        np.testing.assert_allclose(clip, fixtures.sound(number) / 32768, atol=1e-4)
    assert "mixture" in dropped(out)["w"]
    # The same as recordings and supervisions.
    folder = tmp_path / "pair"
    folder.mkdir()
    lhotse.RecordingSet.from_recordings([recording]).to_file(folder / "x_recordings_train.jsonl.gz")
    lhotse.SupervisionSet.from_segments(supervisions).to_file(folder / "x_supervisions_train.jsonl.gz")
    out = tmp_path / "out2"
    assert run(["prepare", "lhotse", str(folder), "--output", str(out), "-q"]) == 0
    assert [row.id for row in manifest(out)] == ["s0", "s1", "s2"]


def test_times_that_make_no_sense_are_told_as_they_stand(tmp_path: Path) -> None:
    path = fixtures.write_audio(tmp_path / "a.wav", fixtures.sound(0, 4.0))
    (tmp_path / "wav.scp").write_text(f"rec {path}\n")
    (tmp_path / "text").write_text("fine да\nback нет\nnone нет\n", encoding="utf-8")
    (tmp_path / "segments").write_text("fine rec 0 2\nback rec 3 1\n")
    assert run(["prepare", "kaldi", str(tmp_path), "--output", str(tmp_path / "k"), "-q"]) == 0
    assert dropped(tmp_path / "k") == {
        "back": "segments has «rec 3 1»; a recording, its start and a later end are needed",
        "none": "no line «recording start end» in segments",
    }
    recording = {"id": "rec", "sources": [{"type": "file", "channels": [0], "source": str(path)}]}
    recording |= {"sampling_rate": 16000, "num_samples": 64000, "duration": 4.0}
    cuts = []
    for name, length, spoken in (("fine", 4.0, 4.0), ("cut", -1.0, 4.0), ("words", 4.0, float("nan"))):
        said = {"id": name, "recording_id": "rec", "start": 0, "duration": spoken, "text": "да"}
        cut = {"id": name, "start": 0, "duration": length, "channel": 0, "recording": recording}
        cuts.append(json.dumps(cut | {"type": "MonoCut", "supervisions": [said]}))
    (tmp_path / "cuts.jsonl").write_text("\n".join(cuts), encoding="utf-8")
    assert run(["prepare", "lhotse", str(tmp_path), "--output", str(tmp_path / "l"), "-q"]) == 0
    assert dropped(tmp_path / "l") == {
        "cut": "the line is not as lhotse writes it (ValueError: duration -1.0)",
        "words": "the line is not as lhotse writes it (ValueError: duration nan)",
    }


BAD_LINES: dict[str, tuple[Callable[[Path], Path], str, str, bytes]] = {
    "common-voice": (fixtures.common_voice, "validated.tsv", "columns", b"just\tthree\tcells\n"),
    "golos": (fixtures.golos, "train/manifest.jsonl", "not JSON", b'{"audio_filepath": \n'),
    "open-stt": (
        lambda root: fixtures.open_stt(root).parent,
        "public_youtube700.csv",
        "no path",
        b"nothing,here,1.0\n",
    ),
    "kaldi": (fixtures.kaldi, "text", "no line", "потерялся какая сегодня дата\n".encode()),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_row_is_told_in_one_line_and_stops_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, index, words, line = BAD_LINES[name]
    root = make(tmp_path)
    path = root / index
    content = path.read_bytes()
    head, _, rest = content.partition(b"\n")
    path.write_bytes(head + b"\n" + line + b"\xff\xfe\n" + rest)
    out = tmp_path / "out"
    assert run(["prepare", name, str(root), "--output", str(out), "--trust"]) == 0
    told = [text for text in capsys.readouterr().err.splitlines() if text.startswith("warning: ")]
    assert any(words in text for text in told)
    assert any("not UTF-8" in text for text in told)
    assert len(manifest(out)) >= 5
    assert not list(out.glob("*.part"))


def test_recordings_and_texts_that_cannot_be_used_are_dropped_with_the_reason(tmp_path: Path) -> None:
    corpus = tmp_path / "mine"
    for name in ("good", "digits", "fast"):
        fixtures.write_audio(corpus / f"{name}.wav", fixtures.sound(1, 0.2 if name == "fast" else 2.0))
    (corpus / "empty.wav").write_bytes(b"")
    (corpus / "noise.wav").write_bytes(b"RIFF" + bytes(100))
    for name, text in {
        "good": "какая сегодня дата",
        "digits": "в 2024 году",
        "fast": "расскажи что нибудь интересное",
        "empty": "да",
        "noise": "да",
    }.items():
        (corpus / f"{name}.txt").write_text(text, "utf-8")
    out = tmp_path / "out"
    assert run(["prepare", "folder", str(corpus), "--output", str(out), "-q"]) == 0
    assert [row.id for row in manifest(out)] == ["good"]
    reasons = dropped(out)
    assert "digits" in reasons["digits"]
    assert "too few" in reasons["fast"]
    assert "0 bytes" in reasons["empty"]
    assert "not audio" in reasons["noise"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("common-voice", "no validated.tsv"),
        ("golos", "no manifest.jsonl"),
        ("open-stt", "no .csv file"),
        ("folder", "no recordings"),
        ("kaldi", "no wav.scp"),
        ("lhotse", "neither cuts.jsonl.gz"),
    ],
)
def test_an_empty_folder_gives_one_line_that_says_what_is_missing(
    name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nothing").mkdir()
    assert run(["prepare", name, str(tmp_path / "nothing"), "--output", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_broken_gzip_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = gzip.compress(b'{"id": "a"}\n' * 1000)
    (tmp_path / "cuts.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    assert run(["prepare", "lhotse", str(tmp_path), "--output", str(tmp_path / "out"), "-q"]) == 1
    assert "the compressed file is broken" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_pieces_come_in_the_order_asked_and_those_outside_the_recording_are_told(tmp_path: Path) -> None:
    path = fixtures.write_audio(tmp_path / "a.wav", fixtures.sound(1, 4.0))
    spans = [
        Span("late", 3.0, 1.0),
        Span("early/1", 0.0, 0.5),
        Span("outside", 3.5, 2.0),
        Span("early 1", 0.25, 0.5),
    ]
    late, early, outside, same = cut(path, spans, tmp_path / "clips")
    assert isinstance(outside, Dropped) and "1.50 s are missing" in outside.reason
    assert isinstance(late, Clip) and isinstance(early, Clip) and isinstance(same, Clip)
    # Ids that differ in what a file name cannot hold do not overwrite each other.
    assert early.path != same.path
    whole = fixtures.sound(1, 4.0) / 32768
    np.testing.assert_allclose(load_audio(late.path, 16000).samples, whole[48000:64000], atol=1e-4)
    np.testing.assert_allclose(load_audio(early.path, 16000).samples, whole[:8000], atol=1e-4)
    np.testing.assert_allclose(load_audio(same.path, 16000).samples, whole[4000:12000], atol=1e-4)


def test_memory_does_not_grow_with_the_length_of_an_index(tmp_path: Path) -> None:
    index = tmp_path / "manifest.jsonl"
    for n in range(2_200):
        (tmp_path / f"{n:064}.wav").touch()

    def peak(count: int) -> int:
        rows = (
            {"id": f"{n}", "audio_filepath": f"{n:064}.wav", "text": "какая сегодня дата", "duration": 3.0}
            for n in range(count)
        )
        index.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        tracemalloc.start()
        assert import_corpus(read_golos(index), tmp_path / "out", trust=True).num_utterances == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # The least of three: garbage that is not collected yet is none of the importer's.
    few, many = (min(peak(count) for _ in range(3)) for count in (200, 2_200))
    # A number for every id: measured 100 bytes a row. Rows that are kept take 600 to 1000.
    assert many - few < 2_000 * 300


def test_a_line_that_is_no_csv_and_a_name_with_a_zero_byte_are_dropped(tmp_path: Path) -> None:
    table = fixtures.open_stt(tmp_path / "stt")
    table.write_bytes(b"a.wav\rb.wav,a.txt\n" + table.read_bytes())
    assert run(["prepare", "open-stt", str(table), "--output", str(tmp_path / "o"), "-q"]) == 0
    assert any("not CSV" in reason for reason in dropped(tmp_path / "o").values())
    folder = fixtures.kaldi(tmp_path / "kaldi")
    lines = (folder / "wav.scp").read_text("utf-8").splitlines()
    (folder / "wav.scp").write_text(f"{lines[0]}\0\n{lines[1]}\n", encoding="utf-8")
    assert run(["prepare", "kaldi", str(folder), "--output", str(tmp_path / "k"), "-q"]) == 0
    assert len(manifest(tmp_path / "k")) == 3
    assert all("zero byte" in reason for reason in dropped(tmp_path / "k").values())
