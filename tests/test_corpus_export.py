"""Our manifests in the layouts of NeMo, lhotse and Kaldi, read back by lhotse itself."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

import corpus_fixtures as fixtures
from corpus_fixtures import write_stereo
from govor.cli.app import run
from govor.corpora.exporting import export_corpus
from govor.corpora.importing import import_corpus
from govor.corpora.kaldi import read_kaldi
from govor.corpora.lhotse import read_lhotse
from govor.manifest import Utterance, read_manifest, write_manifest


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four recordings of two speakers, one without; a name with a space; one of features only."""
    suffixes = (".wav", ".flac", ".mp3", ".wav")
    speakers = ("boris", "anna", "anna", "")
    rows = []
    for number, (suffix, speaker) in enumerate(zip(suffixes, speakers, strict=True)):
        path = fixtures.write_audio(tmp_path / "in" / f"a {number}{suffix}", fixtures.sound(number, 2.0))
        rows.append(Utterance(f"x/{number}", 2.0, fixtures.TEXTS[number], speaker, audio_filepath=path))
    rows.append(Utterance("only features", 1.0, "да", "anna", features=tmp_path / "x.npy"))
    write_manifest(tmp_path / "in" / "m.jsonl", rows)
    return tmp_path / "in" / "m.jsonl"


def test_nemo_gets_absolute_paths_durations_and_texts(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["corpus", "export", str(manifest), str(out), "--to", "nemo"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "warning: only features: there are features only, a recording is needed"
    rows = [json.loads(line) for line in (out / "manifest.json").read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == list(fixtures.TEXTS[:4])
    assert all(Path(row["audio_filepath"]).is_absolute() for row in rows)
    assert [row["duration"] for row in rows] == pytest.approx([2.0] * 4, abs=0.08)
    assert [row.get("speaker") for row in rows] == ["boris", "anna", "anna", None]
    # It is a manifest of ours as well.
    assert len(list(read_manifest(out / "manifest.json"))) == 4


def test_lhotse_reads_what_we_write_and_hears_the_same_samples(manifest: Path, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    out = tmp_path / "out"
    made = export_corpus(manifest, "lhotse", out)
    assert (made.num_utterances, [drop.id for drop in made.dropped]) == (4, ["only features"])
    cuts = lhotse.load_manifest(out / "cuts.jsonl.gz")
    recordings = lhotse.load_manifest(out / "recordings.jsonl.gz")
    supervisions = lhotse.load_manifest(out / "supervisions.jsonl.gz")
    lhotse.qa.validate_recordings_and_supervisions(recordings, supervisions)
    for cut in cuts:
        lhotse.validate(cut)
    assert [(c.supervisions[0].text, c.supervisions[0].speaker) for c in cuts] == list(
        zip(fixtures.TEXTS[:4], ("boris", "anna", "anna", "x/3"), strict=True)
    )
    for number in (0, 1, 3):
        np.testing.assert_allclose(
            cuts[f"x/{number}"].load_audio()[0], fixtures.sound(number, 2.0) / 32768, atol=1e-4
        )
    # And back again.
    done = import_corpus(read_lhotse(out), tmp_path / "back")
    assert (done.num_utterances, done.num_dropped, done.num_clips) == (4, 0, 0)
    assert [row.text for row in read_manifest(tmp_path / "back" / "manifest.jsonl")] == list(
        fixtures.TEXTS[:4]
    )


def test_kaldi_gets_a_directory_that_is_sorted_and_complete(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_corpus(manifest, "kaldi", out)
    text = (out / "text").read_text("utf-8").splitlines()
    names = [line.split(" ", 1)[0] for line in text]
    assert names == sorted(names, key=str.encode) == ["anna-x_1", "anna-x_2", "boris-x_0", "x_3"]
    assert (out / "spk2utt").read_text("utf-8") == "anna anna-x_1 anna-x_2\nboris boris-x_0\nx_3 x_3\n"
    sources = dict(line.split(" ", 1) for line in (out / "wav.scp").read_text("utf-8").splitlines())
    # Kaldi splits at spaces and reads nothing but WAV: all four go through ffmpeg here.
    assert all(source.endswith("-ac 1 -f wav - |") for source in sources.values())
    assert "'" in sources["anna-x_1"]


def test_lhotse_and_we_read_the_kaldi_directory_that_we_write(tmp_path: Path) -> None:
    lhotse_kaldi = pytest.importorskip("lhotse.kaldi")
    rows = []
    for number in range(3):
        path = fixtures.write_audio(tmp_path / f"a{number}.wav", fixtures.sound(number, 2.0))
        rows.append(Utterance(f"u{number}", 2.0, fixtures.TEXTS[number], "anna", audio_filepath=path))
    write_manifest(tmp_path / "m.jsonl", rows)
    export_corpus(tmp_path / "m.jsonl", "kaldi", tmp_path / "out")
    recordings, supervisions, _ = lhotse_kaldi.load_kaldi_data_dir(tmp_path / "out", sampling_rate=16000)
    assert [supervision.text for supervision in supervisions] == list(fixtures.TEXTS[:3])
    assert {recording.duration for recording in recordings} == {2.0}
    done = import_corpus(read_kaldi(tmp_path / "out"), tmp_path / "back")
    assert (done.num_utterances, done.num_speakers, done.num_dropped) == (3, 1, 0)


def test_what_kaldi_needs_ffmpeg_for_we_read_back_without_it(tmp_path: Path) -> None:
    path = fixtures.write_audio(tmp_path / "it's $(touch x); a.flac", fixtures.sound(0, 2.0))
    write_manifest(tmp_path / "m.jsonl", [Utterance("u", 2.0, "да", "anna", audio_filepath=path)])
    export_corpus(tmp_path / "m.jsonl", "kaldi", tmp_path / "out")
    done = import_corpus(read_kaldi(tmp_path / "out"), tmp_path / "back")
    assert (done.num_utterances, done.num_dropped) == (1, 0)
    (row,) = read_manifest(tmp_path / "back" / "manifest.jsonl")
    assert row.audio_filepath == path


def test_a_path_with_a_quote_reaches_ffmpeg_whole(tmp_path: Path) -> None:
    import subprocess

    path = fixtures.write_audio(tmp_path / "it's $HOME; a.flac", fixtures.sound(0, 1.0))
    write_manifest(tmp_path / "m.jsonl", [Utterance("u", 1.0, "да", audio_filepath=path)])
    export_corpus(tmp_path / "m.jsonl", "kaldi", tmp_path / "out")
    _, command = (tmp_path / "out" / "wav.scp").read_text("utf-8").strip().split(" ", 1)
    try:
        done = subprocess.run(["sh", "-c", command.removesuffix("|")], capture_output=True, check=False)
    except OSError:
        pytest.skip("no sh")
    if b"not found" in done.stderr:
        pytest.skip("no ffmpeg")
    assert done.stdout[:4] == b"RIFF"
    np.testing.assert_array_equal(np.frombuffer(done.stdout[-32000:], "<i2"), fixtures.sound(0, 1.0))


def test_names_that_would_be_one_are_told_and_a_text_is_a_line(tmp_path: Path) -> None:
    sound = fixtures.write_audio(tmp_path / "a.wav", fixtures.sound(0, 2.0))
    rows = [("x 1", "да\nнет"), ("x_1", "нет"), ("x 1", "или")]
    write_manifest(tmp_path / "m.jsonl", [Utterance(name, 2.0, text, "anna", sound) for name, text in rows])
    made = {to: export_corpus(tmp_path / "m.jsonl", to, tmp_path / to) for to in ("nemo", "lhotse", "kaldi")}
    assert {to: [drop.id for drop in one.dropped] for to, one in made.items()} == {
        "nemo": [],
        "lhotse": ["x 1"],
        "kaldi": ["x_1", "x 1"],
    }
    assert (tmp_path / "kaldi" / "text").read_text("utf-8") == "anna-x_1 да нет\n"


def with_original_rate(path: Path, rate: int) -> Path:
    """Write another rate of the original into the header of an Ogg Opus file, with a new check sum."""
    data = bytearray(path.read_bytes())
    head = 27 + data[26]
    size = head + sum(data[27:head])
    data[head + 12 : head + 16] = rate.to_bytes(4, "little")
    data[22:26] = bytes(4)
    check = 0
    for byte in data[:size]:
        check ^= byte << 24
        for _ in range(8):
            check = (check << 1) ^ (0x104C11DB7 if check & 0x80000000 else 0)
    data[22:26] = check.to_bytes(4, "little")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("rate", [0, 11025, 16000, 44100])
def test_opus_has_the_rate_and_length_with_which_lhotse_decodes_it(rate: int, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    path = with_original_rate(fixtures.write_audio(tmp_path / "a.opus", fixtures.sound(0, 2.0)), rate)
    write_manifest(tmp_path / "m.jsonl", [Utterance("u", 2.0, "да", "anna", audio_filepath=path)])
    export_corpus(tmp_path / "m.jsonl", "lhotse", tmp_path / "out")
    (cut,) = lhotse.load_manifest(tmp_path / "out" / "cuts.jsonl.gz")
    own = lhotse.Recording.from_file(path)
    assert (cut.sampling_rate, cut.recording.num_samples) == (own.sampling_rate, own.num_samples)
    assert cut.load_audio().shape == (1, own.num_samples)


def test_kaldi_is_told_to_read_itself_only_what_it_can(tmp_path: Path) -> None:
    sound = fixtures.sound(0, 1.0)
    fixtures.write_audio(tmp_path / "plain.wav", sound)
    write_stereo(tmp_path / "stereo.wav", sound, sound)
    with wave.open(str(tmp_path / "wide.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(4)
        file.setframerate(fixtures.RATE)
        file.writeframes((sound.astype("<i4") << 16).tobytes())
    names = ("plain", "stereo", "wide")
    rows = [Utterance(name, 1.0, "да", audio_filepath=tmp_path / f"{name}.wav") for name in names]
    write_manifest(tmp_path / "m.jsonl", rows)
    export_corpus(tmp_path / "m.jsonl", "kaldi", tmp_path / "out")
    lines = (tmp_path / "out" / "wav.scp").read_text("utf-8").splitlines()
    assert lines[0] == f"plain {tmp_path / 'plain.wav'}"
    # Of two channels it takes the first, of samples it knows those of 16 bits.
    assert [line.endswith("|") for line in lines] == [False, True, True]
    assert import_corpus(read_kaldi(tmp_path / "out"), tmp_path / "back").num_utterances == 3
