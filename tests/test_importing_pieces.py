"""Pieces of recordings, and where recordings lie, as Kaldi, NeMo and lhotse mean it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import corpus_fixtures as fixtures
from corpus_fixtures import dropped, manifest, write_stereo
from govor.audio.loading import load_audio
from govor.cli.app import run
from govor.errors import ManifestError
from govor.manifest import Utterance, read_manifest

TOO_LONG = "ж" * 200


def heard(row: Utterance) -> np.ndarray:
    return np.round(load_audio(row.audio_filepath or "", fixtures.RATE).samples * 32768)


def prepared(kind: str, corpus: Path, out: Path) -> dict[str, Utterance]:
    assert run(["prepare", kind, str(corpus), "--output", str(out), "-q"]) == 0
    return {row.id: row for row in manifest(out)}


def write_lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_kaldi_segment_may_end_with_its_recording(tmp_path: Path) -> None:
    sound = fixtures.sound(1, 4.0)
    fixtures.write_audio(tmp_path / "rec.wav", sound)
    (tmp_path / "wav.scp").write_text("rec rec.wav\n")
    (tmp_path / "segments").write_text(
        "tail rec 1.5 -1\nlate rec 5 -1\nover rec 2 4.3\nall rec 0 -1.0\nno rec 0 -2\n"
    )
    (tmp_path / "text").write_text("tail да\nlate да\nover да\nall да\nno да\n", encoding="utf-8")
    rows = prepared("kaldi", tmp_path, tmp_path / "out")
    np.testing.assert_array_equal(heard(rows["tail"]), sound[24000:])
    # Kaldi itself forgives an end half a second late.
    np.testing.assert_array_equal(heard(rows["over"]), sound[32000:])
    assert rows["all"].audio_filepath == tmp_path / "rec.wav"
    assert dropped(tmp_path / "out") == {
        "late": "starts at 5.00 s, the recording has 4.00 s",
        "no": "segments has «rec 0 -2»; a recording, its start and a later end are needed",
    }


def test_kaldi_speakers_come_from_either_table_and_archives_are_told(tmp_path: Path) -> None:
    for name in "ab":
        fixtures.write_audio(tmp_path / f"{name}.wav", fixtures.sound(0, 2.0))
    (tmp_path / "wav.scp").write_text("a a.wav\nb b.wav\nc raw/wav.ark:41\n")
    (tmp_path / "text").write_text("a да\nb нет\nc да\n", encoding="utf-8")
    (tmp_path / "spk2utt").write_text("anna a\nivan b c\n")
    (tmp_path / "spk2gender").write_text("anna f\nivan m\n")
    rows = prepared("kaldi", tmp_path, tmp_path / "out")
    assert {name: row.speaker for name, row in rows.items()} == {"a": "anna", "b": "ivan"}
    table = (tmp_path / "out" / "speakers.tsv").read_text("utf-8").splitlines()[1:]
    assert [line.split("\t")[:2] for line in table] == [["anna", "female"], ["ivan", "male"]]
    assert "an archive of Kaldi: raw/wav.ark:41" in dropped(tmp_path / "out")["c"]


def test_nemo_pieces_are_cut_by_offset_and_duration(tmp_path: Path) -> None:
    sound = fixtures.sound(1, 4.0)
    fixtures.write_audio(tmp_path / "wavs" / "long.wav", sound)
    (tmp_path / "said.txt").write_text("из файла\n", encoding="utf-8")
    piece: dict[str, object] = {"audio_filepath": "wavs/long.wav", "lang": "ru", "text": "да"}
    rows = [
        piece | {"offset": 0, "duration": 1.5, "speaker": "anna"},
        piece | {"offset": 1.5, "duration": 2.0},
        piece | {"offset": 0.0, "duration": 4.0, "id": "all"},
        {"audio_filename": str(tmp_path / "wavs/long.wav"), "duration": 4.0, "text_filepath": "said.txt"},
        piece | {"offset": 1.0},
        piece | {"offset": "1.0", "duration": 1.0, "audio_filepath": "b.wav"},
        piece | {"offset": 3.0, "duration": float("inf"), "audio_filepath": "c.wav"},
    ]
    path = write_lines(tmp_path / "train.json", rows)
    found = prepared("nemo", path, tmp_path / "out")
    names = ["wavs/long.wav-0.00-1.50", "wavs/long.wav-1.50-3.50", "all", str(tmp_path / "wavs/long.wav")]
    assert set(found) == set(names)
    np.testing.assert_array_equal(heard(found[names[0]]), sound[:24000])
    np.testing.assert_array_equal(heard(found[names[1]]), sound[24000:56000])
    assert found[names[0]].speaker == "anna"
    assert found["all"].audio_filepath == found[names[3]].audio_filepath == tmp_path / "wavs" / "long.wav"
    assert found[names[3]].text == "из файла"
    assert dropped(tmp_path / "out") == {
        "wavs/long.wav": "there is an offset, but no duration",
        "b.wav": "offset “1.0”; seconds from the start of the recording are needed",
        "c.wav": "there is an offset, but no duration",
    }


def test_an_offset_in_a_manifest_of_ours_is_refused_as_the_whole_recording_would_be_taken(
    tmp_path: Path,
) -> None:
    row = {"audio_filepath": "a.wav", "duration": 1.0, "text": "да"}
    path = write_lines(tmp_path / "m.jsonl", [row | {"offset": 0}, row | {"offset": 2.5}])
    bad: list[object] = []
    assert len(list(read_manifest(path, bad))) == 1  # type: ignore[arg-type]
    assert len(bad) == 1
    with pytest.raises(ManifestError, match="govor prepare nemo"):
        list(read_manifest(path))


def test_recordings_are_found_from_the_folders_above_a_manifest(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fixtures.write_audio(tmp_path / "wavs" / f"{name}.opus", fixtures.sound(1, 1.5))
    (tmp_path / "lists" / "train").mkdir(parents=True)
    rows: list[dict[str, object]] = [
        {"audio_filepath": f"wavs/{name}.wav", "text": "да", "duration": 1.5} for name in ("one", "two")
    ]
    path = write_lines(tmp_path / "lists" / "train" / "10hours.jsonl", rows)
    found = prepared("golos", path, tmp_path / "out")
    assert [row.audio_filepath for row in found.values()] == [
        tmp_path / "wavs" / "one.opus",
        tmp_path / "wavs" / "two.opus",
    ]


def nemo_index(root: Path) -> Path:
    good = str(fixtures.write_audio(root / "good.wav", fixtures.sound(0, 2.0)))
    names = [TOO_LONG, ".", "..", "/", good]
    return write_lines(
        root / "m.jsonl", [{"audio_filepath": name, "text": "да", "duration": 10**400} for name in names]
    )


def open_stt_index(root: Path) -> Path:
    fixtures.write_audio(root / "good.wav", fixtures.sound(0, 2.0))
    (root / "good.txt").write_text("да", encoding="utf-8")
    lines = [f"{name}.wav,{name}.txt,2.0\n" for name in (TOO_LONG, "", "/", ".", "good")]
    (root / "t.csv").write_text("".join(lines), encoding="utf-8")
    return root / "t.csv"


def kaldi_index(root: Path) -> Path:
    fixtures.write_audio(root / "good.wav", fixtures.sound(0, 2.0))
    sources = (TOO_LONG, ".", "..", "/", "good.wav")
    (root / "wav.scp").write_text("".join(f"{k} {name}\n" for k, name in enumerate(sources)), "utf-8")
    (root / "text").write_text("".join(f"{k} да\n" for k in range(5)), "utf-8")
    return root


def folder_index(root: Path) -> Path:
    # The name of the recording fits, the one with .txt after it does not.
    for name in ("ж" * 124, "good"):
        fixtures.write_audio(root / f"{name}.wav", fixtures.sound(0, 2.0))
    (root / "good.txt").write_text("да", encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("kind", "make", "num_bad"),
    [
        ("golos", nemo_index, 4),
        ("open-stt", open_stt_index, 4),
        ("kaldi", kaldi_index, 4),
        ("folder", folder_index, 1),
    ],
)
def test_names_that_no_file_can_have_cost_their_own_line_only(
    kind: str, make: Callable[[Path], Path], num_bad: int, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    found = prepared(kind, make(tmp_path / "in"), tmp_path / "out")
    assert [row.audio_filepath for row in found.values()] == [tmp_path / "in" / "good.wav"]
    assert len(dropped(tmp_path / "out")) == num_bad


def test_trusted_durations_need_a_recording_all_the_same(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"audio_filepath": "no.wav", "text": "да", "duration": 1.5}]
    path = write_lines(tmp_path / "m.jsonl", rows)
    assert run(["prepare", "golos", str(path), "--output", str(tmp_path / "out"), "--trust", "-q"]) == 1
    assert dropped(tmp_path / "out") == {"no.wav": f"no recording {tmp_path / 'no.wav'}"}


def test_of_several_lhotse_manifests_none_is_taken_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lhotse = pytest.importorskip("lhotse")
    for part in ("dev", "train"):
        recording = lhotse.Recording.from_file(
            fixtures.write_audio(tmp_path / f"{part}.wav", fixtures.sound(3, 2.0))
        )
        said = lhotse.SupervisionSegment(part, recording.id, 0.0, 2.0, text="да или нет")
        lhotse.RecordingSet.from_recordings([recording]).to_file(tmp_path / f"x_recordings_{part}.jsonl.gz")
        lhotse.SupervisionSet.from_segments([said]).to_file(tmp_path / f"x_supervisions_{part}.jsonl.gz")
    out = tmp_path / "out"
    assert run(["prepare", "lhotse", str(tmp_path), "--output", str(out), "-q"]) == 1
    told = capsys.readouterr().err
    assert "x_supervisions_dev.jsonl.gz, x_supervisions_train.jsonl.gz" in told
    assert told.count("\n") == 1
    assert list(prepared("lhotse", tmp_path / "x_supervisions_train.jsonl.gz", out)) == ["train"]


def test_lhotse_cuts_of_several_channels_and_files_are_read(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    left, right = fixtures.sound(0, 3.0), fixtures.sound(5, 3.0)
    write_stereo(tmp_path / "call.wav", left, right)
    call = lhotse.Recording.from_file(tmp_path / "call.wav")
    both = lhotse.SupervisionSegment("both", "call", 0.0, 3.0, [0, 1], text="да или нет")
    one = lhotse.SupervisionSegment("one", "call", 0.5, 2.0, 1, text="нет или да")
    cuts = list(
        lhotse.CutSet.from_manifests(
            lhotse.RecordingSet.from_recordings([call]), lhotse.SupervisionSet.from_segments([both, one])
        )
    )
    files = [fixtures.write_audio(tmp_path / f"{k}.wav", sound) for k, sound in enumerate((left, right))]
    sources = [lhotse.AudioSource("file", [k], str(path)) for k, path in enumerate(files)]
    parted = lhotse.Recording("parted", sources, fixtures.RATE, 48000, 3.0, [0, 1])
    said = lhotse.SupervisionSegment("second", "parted", 0.0, 3.0, 1, text="ещё раз")
    cuts.append(lhotse.MonoCut("second", 0, 3.0, 1, [said], recording=parted))
    all_of_it = lhotse.SupervisionSegment("mix", "parted", 0.0, 3.0, [0, 1], text="ещё раз")
    cuts.append(lhotse.MultiCut("mix", 0, 3.0, [0, 1], [all_of_it], recording=parted))
    lhotse.CutSet.from_cuts(cuts).to_file(tmp_path / "cuts.jsonl")
    rows = prepared("lhotse", tmp_path, tmp_path / "out")
    assert list(rows) == ["both", "one", "second"]
    assert rows["both"].audio_filepath == tmp_path / "call.wav"
    np.testing.assert_array_equal(heard(rows["one"]), right[8000:40000])
    assert rows["second"].audio_filepath == files[1]
    assert "“file, file”, one file is needed" in dropped(tmp_path / "out")["mix"]
