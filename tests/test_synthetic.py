import os
import shutil
import wave
from itertools import pairwise

import numpy as np
import pytest

from govor.corpora.synthetic import is_alignable, synthesize, synthesize_shards, vary_recordings
from govor.corpora.voices import FESTIVAL_VOICE, speak_espeak, speak_festival
from govor.errors import ManifestError, MissingExtraError
from govor.features import load_features
from govor.manifest import Utterance, read_manifest, write_manifest


def _needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


needs_sox = _needs("sox")
needs_voices = _needs("festival", "espeak-ng", "sox")

SENTENCES = ["мама мыла раму", "завтра будет хорошая погода", "ещё один тёплый день", "где моя белая шапка"]


def _tone(frequency, seconds=1.0, sample_rate=8000, level=0.5):
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def _write_wave(path, waveform, sample_rate=16000):
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(sample_rate)
        stream.writeframes((waveform * 32767).astype("<i2").tobytes())


def test_a_blank_must_fit_between_equal_letters():
    assert is_alignable(9, "она")
    assert not is_alignable(8, "она")
    assert is_alignable(15, "анна")
    assert not is_alignable(14, "анна")


@needs_voices
def test_festival_speaks_cyrillic_at_a_human_pace():
    failed = []
    spoken = list(speak_festival(list(enumerate(SENTENCES)), failed))
    assert not failed
    for speech in spoken:
        # Spelled out letter by letter it would be three times as long.
        assert 0.05 < len(speech.waveform) / speech.sample_rate / len(speech.text) < 0.13


@needs_voices
def test_a_sentence_that_cannot_be_said_does_not_lose_the_rest():
    failed = []
    sentences = [
        ("a", "мама мыла раму"),
        ("b", "ъъъ"),
        ("c", 'кавычка " и \\ косая'),
        ("d", ""),
        ("e", "где мы"),
    ]
    spoken = [speech.id for speech in speak_festival(sentences, failed)]
    assert spoken == ["a", "c", "e"]
    assert [name for name, _ in failed] == ["b", "d"]


@needs_voices
def test_a_sentence_that_kills_festival_does_not_lose_the_rest(tmp_path, monkeypatch):
    # Festival itself, made to die at one word as its clunits code now and then does.
    deadly = tmp_path / "festival"
    real = shutil.which("festival")
    edit = 'sed "s/^.*смерть.*$/(exit 3)/" "$2" > "$2.edited"'
    deadly.write_text(f'#!/bin/sh\n{edit}\nexec {real} -b "$2.edited"\n', encoding="utf-8")
    deadly.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    failed = []
    sentences = [
        ("a", "первая фраза"),
        ("b", "смерть"),
        ("c", "третья фраза"),
        ("d", "ещё смерть"),
        ("e", "конец"),
    ]
    assert [speech.id for speech in speak_festival(sentences, failed)] == ["a", "c", "e"]
    assert [name for name, _ in failed] == ["b", "d"]


@pytest.mark.parametrize(("speak", "package"), [(speak_festival, "festvox-ru"), (speak_espeak, "espeak-ng")])
def test_a_missing_program_is_named_with_its_package(monkeypatch, tmp_path, speak, package):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=f"apt install .*{package}"):
        list(speak([("a", "мама")], []))


@needs_voices
def test_a_missing_voice_is_named_with_its_package():
    with pytest.raises(MissingExtraError, match=r"no_such_voice.*apt install festvox-ru"):
        list(speak_festival([("a", "мама")], [], voice="no_such_voice"))


@needs_voices
def test_synthetic_speech_is_alignable_and_the_same_each_time(tmp_path):
    counts = []
    productions = [
        synthesize(
            SENTENCES, tmp_path / name / "some.jsonl", seed=5, espeak_share=0.25,
            progress=lambda count, seconds: counts.append((count, seconds)),
        )
        for name in ("first", "second")
    ]  # fmt: skip
    first, second = (list(read_manifest(production.manifest)) for production in productions)
    assert [utterance.text for utterance in first] == [*SENTENCES[1:], SENTENCES[0]]
    assert [utterance.speaker for utterance in first[:3]] == [FESTIVAL_VOICE] * 3
    assert first[3].speaker.startswith("espeak-")
    for utterance, again in zip(first, second, strict=True):
        values = load_features(utterance.features)
        assert np.array_equal(values, load_features(again.features))
        assert utterance.duration == pytest.approx(len(values) * 0.01)
        repeats = sum(a == b for a, b in pairwise(utterance.text))
        assert len(values) // 3 >= len(utterance.text) + repeats
    assert counts[3] == (4, pytest.approx(productions[0].duration))
    assert not productions[0].skipped


@needs_voices
def test_interrupted_shards_go_on_where_they_were(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for _ in synthesize_shards(SENTENCES, whole, shard_size=2, espeak_share=1.0):
        pass
    next(synthesize_shards(SENTENCES, broken, shard_size=2, espeak_share=1.0))
    assert [u.text for u in read_manifest(broken / "train.jsonl")] == SENTENCES[:2]
    (rest,) = synthesize_shards(SENTENCES, broken, shard_size=2, espeak_share=1.0)
    assert rest.manifest.name == "shard_001.jsonl"
    assert (broken / "train.jsonl").read_bytes() == (whole / "train.jsonl").read_bytes()
    for utterance in read_manifest(whole / "train.jsonl"):
        twin = broken / utterance.features.relative_to(whole)
        assert twin.read_bytes() == utterance.features.read_bytes()
    with pytest.raises(ManifestError, match=r"seed"):
        next(synthesize_shards(SENTENCES, broken, seed=2, shard_size=2, espeak_share=1.0))


@needs_sox
def test_recordings_are_varied_and_unusable_ones_named(tmp_path):
    rng = np.random.default_rng(1)
    bursts = np.repeat(rng.uniform(0.0, 1.0, 40), 800) * _tone(400, 2.0, 16000)
    _write_wave(tmp_path / "good.wav", bursts)
    _write_wave(tmp_path / "silent.wav", np.zeros(16000))
    (tmp_path / "broken.wav").write_bytes(b"not audio")
    (tmp_path / "cut.wav").write_bytes((tmp_path / "good.wav").read_bytes()[:40000])
    source = tmp_path / "source.jsonl"
    texts = {
        "good": "Да, мама!",
        "silent": "да",
        "long": "длинно " * 40,
        "broken": "да",
        "cut": "да",
        "absent": "да",
        "digits": "в 5",
    }
    paths = {name: tmp_path / f"{'good' if name in ('long', 'digits') else name}.wav" for name in texts}
    write_manifest(
        source, [Utterance(name, 2.0, texts[name], "anna", audio_filepath=paths[name]) for name in texts]
    )
    varied = vary_recordings(source, tmp_path / "varied.jsonl", copies=2)
    assert [(u.id, u.text, u.speaker) for u in read_manifest(varied.manifest)] == [
        ("good-v1", "да мама", "anna"),
        ("good-v2", "да мама", "anna"),
    ]
    reasons = [skipped.reason for skipped in varied.skipped]
    assert len(reasons) == 8  # silent and long in two copies; the others are not even varied
    assert sum("279" in reason for reason in reasons) == 2
    assert sum("truncated" in reason for reason in reasons) == 1
    plain = vary_recordings(source, tmp_path / "plain.jsonl", copies=0)
    assert [u.id for u in read_manifest(plain.manifest)] == ["good"]


@needs_sox
def test_recordings_of_one_name_in_two_folders_keep_their_own_features(tmp_path):
    paths = [tmp_path / folder / "one.wav" for folder in ("a", "b")]
    for path, pitch in zip(paths, (400, 900), strict=True):
        path.parent.mkdir()
        _write_wave(path, _tone(pitch, 1.0, 16000))
    source = tmp_path / "source.jsonl"
    write_manifest(source, [Utterance(str(path), 1.0, "да", audio_filepath=path) for path in paths])
    made = list(read_manifest(vary_recordings(source, tmp_path / "made.jsonl", copies=0).manifest))
    assert [u.id for u in made] == ["one", "one-2"]
    first, second = (load_features(utterance.features).mean(axis=0) for utterance in made)
    # The two pitches lie in different mel filters: measured 60 apart.
    assert np.abs(first - second).max() > 5
