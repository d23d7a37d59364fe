"""Nothing of a corpus is lost silently, and no text gets the sound of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import corpus_fixtures as fixtures
from corpus_fixtures import dropped, manifest, write_stereo
from govor.audio.loading import load_audio
from govor.cli.app import run


def test_common_voice_reads_its_held_out_parts_whatever_the_index(tmp_path: Path) -> None:
    folder = fixtures.common_voice(tmp_path)
    out = tmp_path / "out"
    assert run(["prepare", "common-voice", str(folder), "--index", "train", "--output", str(out), "-q"]) == 0
    assert [len(manifest(out, part)) for part in ("train", "dev", "test")] == [3, 1, 1]
    assert not dropped(out)


def test_a_tab_within_a_text_loses_no_half_of_it_silently(tmp_path: Path) -> None:
    folder = fixtures.common_voice(tmp_path)
    table = folder / "validated.tsv"
    table.write_text(table.read_text("utf-8").replace("Включи свет", "Включи\tсвет", 1), "utf-8")
    out = tmp_path / "out"
    assert run(["prepare", "common-voice", str(folder), "--output", str(out), "--trust", "-q"]) == 0
    assert dropped(out)["validated.tsv:3"] == "14 columns, the heading has 13"
    table.write_text(table.read_text("utf-8"), "utf-16")
    assert run(["prepare", "common-voice", str(folder), "--output", str(out), "--trust", "-q"]) == 1


def test_kaldi_takes_tabs_for_spaces_and_loses_no_line_silently(tmp_path: Path) -> None:
    for name in "abc":
        fixtures.write_audio(tmp_path / f"{name}.wav", fixtures.sound(0, 2.0))
    (tmp_path / "wav.scp").write_bytes(b"\xef\xbb\xbfa\ta.wav\r\nb  b.wav\r\nb c.wav\r\nc c.wav\r\n")
    (tmp_path / "text").write_text("a\tда или нет\nb нет\n", encoding="utf-8")
    out = tmp_path / "out"
    assert run(["prepare", "kaldi", str(tmp_path), "--output", str(out), "-q"]) == 0
    paths = {row.id: row.audio_filepath for row in manifest(out)}
    assert {name: path.name for name, path in paths.items() if path} == {"a": "a.wav", "b": "b.wav"}
    assert manifest(out)[0].text == "да или нет"
    assert dropped(out) == {"wav.scp:3": "b again; its first line was taken", "c": "no line in text"}


def test_kaldi_segments_may_name_a_channel(tmp_path: Path) -> None:
    write_stereo(tmp_path / "call.wav", fixtures.sound(0, 2.0), fixtures.sound(5, 2.0))
    (tmp_path / "wav.scp").write_text("call call.wav\n")
    (tmp_path / "text").write_text("second да\nnone да\nboth да\n", encoding="utf-8")
    (tmp_path / "segments").write_text("second call 0 1 1\nnone call 0 1 2\nboth call 0 1\n")
    out = tmp_path / "out"
    assert run(["prepare", "kaldi", str(tmp_path), "--output", str(out), "-q"]) == 0
    second, both = (load_audio(row.audio_filepath or "", 16000).samples for row in manifest(out))
    left, right = (fixtures.sound(seed, 2.0)[:16000] / 32768 for seed in (0, 5))
    np.testing.assert_allclose(second, right, atol=1e-4)
    np.testing.assert_allclose(both, (left + right) / 2, atol=1e-4)
    assert "no channel 2, there are 2" in dropped(out)["none"]


def test_a_folder_tells_of_texts_and_folders_that_it_did_not_read(tmp_path: Path) -> None:
    corpus, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    fixtures.write_audio(corpus / "Anna" / "a.WAV.wav", fixtures.sound(1, 2.0)).rename(
        corpus / "Anna" / "a.WAV"
    )
    (corpus / "Anna" / "a.TXT").write_text("да", "cp1251")
    (corpus / "Anna" / "lost.txt").write_text("нет", "utf-8")
    elsewhere.mkdir()
    (corpus / "Vera").symlink_to(elsewhere)
    out = tmp_path / "out"
    assert run(["prepare", "folder", str(corpus), "--output", str(out), "-q"]) == 0
    assert [(row.id, row.text, row.speaker) for row in manifest(out)] == [("Anna/a", "да", "Anna")]
    reasons = dropped(out)
    assert "no recording of this name" in reasons["Anna/lost.txt"]
    assert "a link to a folder" in reasons["Vera"]
    assert len(reasons) == 2


def test_open_stt_takes_absolute_paths_and_tells_what_is_wrong_with_a_text(tmp_path: Path) -> None:
    lines = []
    for name, text in (("right", "да".encode()), ("cp1251", "да".encode("cp1251")), ("empty", b" \n")):
        path = fixtures.write_audio(tmp_path / "elsewhere" / f"{name}.wav", fixtures.sound(0, 1.0))
        path.with_suffix(".txt").write_bytes(text)
        lines.append(f"{path},{path.with_suffix('.txt')},1.0")
    (tmp_path / "stt").mkdir()
    table = tmp_path / "stt" / "all.csv"
    table.write_text("\n".join(lines), encoding="utf-8-sig")
    out = tmp_path / "out"
    assert run(["prepare", "open-stt", str(table), "--output", str(out), "-q"]) == 0
    assert [row.text for row in manifest(out)] == ["да"]
    assert set(dropped(out).values()) == {"the text is not UTF-8; convert it", "an empty text"}


def test_a_corpus_of_which_nothing_is_left_ends_with_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixtures.write_audio(tmp_path / "mine" / "a.wav", fixtures.sound(0, 1.0))
    assert run(["prepare", "folder", str(tmp_path / "mine"), "--output", str(tmp_path / "out"), "-q"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: not one usable utterance")


def test_lhotse_texts_get_the_channel_they_were_said_in_and_no_sound_that_lhotse_would_change(
    tmp_path: Path,
) -> None:
    lhotse = pytest.importorskip("lhotse")
    write_stereo(tmp_path / "call.wav", fixtures.sound(0, 3.0), fixtures.sound(5, 3.0))
    recording = lhotse.Recording.from_file(tmp_path / "call.wav")
    cuts = []
    for channel, duration in ((0, 3.0), (1, 2.0)):
        said = lhotse.SupervisionSegment(f"s{channel}", "call", 0.0, duration, channel, text="да или нет")
        cuts.append(lhotse.MonoCut(f"c{channel}", 0, 3.0, channel, [said], recording=recording))
    cuts.append(cuts[0].perturb_speed(1.1))
    lhotse.CutSet.from_cuts(cuts).to_file(tmp_path / "cuts.jsonl.gz")
    out = tmp_path / "out"
    assert run(["prepare", "lhotse", str(tmp_path), "--output", str(out), "-q"]) == 0
    rows = manifest(out)
    assert [row.id for row in rows] == ["c0", "c1"]
    for row, heard in zip(rows, (fixtures.sound(0, 3.0), fixtures.sound(5, 3.0)[:32000]), strict=True):
        clip = load_audio(row.audio_filepath or "", 16000).samples
        np.testing.assert_allclose(clip, heard / 32768, atol=1e-4)
    assert "changed when it is read (Speed)" in dropped(out)["c0_sp1.1"]


@pytest.mark.parametrize("letters", ["", "АБВ", "аа", "а б"])
def test_letters_that_are_no_alphabet_are_one_line(
    letters: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixtures.write_audio(tmp_path / "mine" / "a.wav", fixtures.sound(0, 1.0))
    (tmp_path / "mine" / "a.txt").write_text("да", encoding="utf-8")
    command = ["prepare", "folder", str(tmp_path / "mine"), "--output", str(tmp_path / "out")]
    assert run([*command, "--letters", letters]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "distinct lower case letters" in line


def test_a_corpus_too_small_to_choose_a_model_by_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixtures.write_audio(tmp_path / "mine" / "a.wav", fixtures.sound(0, 1.0))
    (tmp_path / "mine" / "a.txt").write_text("да", encoding="utf-8")
    assert run(["prepare", "folder", str(tmp_path / "mine"), "--output", str(tmp_path / "out")]) == 0
    assert "dev.jsonl, by which a model is chosen, is empty" in capsys.readouterr().err
