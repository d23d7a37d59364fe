"""Phones are found where they were said."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest

from govor.audio.loading import load_audio
from govor.config import FEATURE_PRESETS
from govor.errors import ConfigError
from govor.features import extract
from govor.recombination.phone_alignment import PhoneAligner, Pronounced

# No word begins with the phone that another one ends with: nothing would tell where one turns into the other.
WORDS = (("M", "A0", "M", "A"), ("D", "O0", "K"), ("S", "A0", "L"), ("O0", "S", "A"))
PHONES = sorted({phone for word in WORDS for phone in word})


def made_up(rng, cuts_known):
    """A recording of random words whose phones are drawn round centres of their own, and where they are."""
    words = tuple(WORDS[i] for i in rng.integers(len(WORDS), size=4))
    centres = np.random.default_rng(0).normal(0, 4, (len(PHONES) + 1, 13))
    frames, bounds, cuts = [centres[[-1] * int(rng.integers(0, 12))]], [], []
    at = len(frames[0])
    for number, word in enumerate(words):
        if number:
            cuts.append(at)
        for phone in word:
            length = int(rng.integers(3, 15))
            frames.append(centres[[PHONES.index(phone)] * length])
            bounds.append((phone, at, at + length))
            at += length
        pause = int(rng.integers(0, 10)) if rng.random() < 0.3 else 0
        frames.append(centres[[-1] * pause])
        at += pause
    values = np.concatenate(frames) + rng.normal(0, 1, (at, 13))
    return Pronounced(values.astype(np.float32), words, tuple(cuts) if cuts_known else ()), bounds


def test_phones_of_made_up_recordings_are_found_to_the_frame():
    rng = np.random.default_rng(3)
    made = [made_up(rng, cuts_known=number % 2 == 0) for number in range(120)]
    aligner = PhoneAligner(PHONES)
    scores = list(aligner.train([pronounced for pronounced, _ in made]))
    assert scores[-1] > scores[0]
    for (_, truth), spans in zip(made, aligner.align([pronounced for pronounced, _ in made]), strict=True):
        assert [span.phone for span in spans] == [phone for phone, _, _ in truth]
        assert all(a.stop <= b.start for a, b in pairwise(spans))
        assert all(span.start < span.middle < span.stop for span in spans)
        wrong = [
            max(abs(span.start - start), abs(span.stop - stop))
            for span, (_, start, stop) in zip(spans, truth, strict=True)
        ]
        assert np.mean(wrong) < 1, truth


def test_a_recording_too_short_for_its_phones_has_no_alignment():
    rng = np.random.default_rng(3)
    made = [made_up(rng, cuts_known=True)[0] for _ in range(40)]
    aligner = PhoneAligner(PHONES)
    list(aligner.train(made, rounds=2))
    short = Pronounced(made[0].features[:9], made[0].words)
    assert [spans is None for spans in aligner.align([short, made[1]])] == [True, False]


def test_without_any_word_boundary_there_is_nothing_to_begin_with():
    unknown = [made_up(np.random.default_rng(seed), cuts_known=False)[0] for seed in range(3)]
    with pytest.raises(ConfigError, match=r"границы слов|word boundaries"):
        next(PhoneAligner(PHONES).train(unknown))


SCRIPT = """
(voice_msu_ru_nsh_clunits)
(define (say text wav)
  (let ((u (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave u wav 'riff)
    (format t "begin\\n")
    (mapcar
      (lambda (s) (format t "%s %f\\n" (item.name s) (item.feat s "end"))) (utt.relation.items u 'Segment))))
"""
SENTENCES = """мама мыла раму|у нас на даче тепло|вода стоит в стакане|дети идут домой|на столе лежит книга
зима была долгой|он молча сидел у окна|мы поедем на море летом|дорога шла через лес|собака лает во дворе
снег лежал на полях|она поставила чайник|самолёт летит на север|в комнате было темно|мы давно не виделись
стало совсем тихо|он поднял голову|мне нужно подумать|я долго ждал ответа|солнце село за горой"""


@pytest.mark.skipif(not shutil.which("festival"), reason="festival is not installed")
def test_phones_of_speech_lie_where_festival_put_them(tmp_path):
    texts = SENTENCES.replace("\n", "|").split("|")
    calls = "\n".join(f'(say "{text}" "{tmp_path}/{i}.wav")' for i, text in enumerate(texts))
    (tmp_path / "say.scm").write_text(SCRIPT + calls, encoding="utf-8")
    ended = subprocess.run(["festival", "-b", str(tmp_path / "say.scm")], capture_output=True, check=True)
    config = FEATURE_PRESETS["sphinx8k"].model_copy(update={"remove_silence": False})
    recordings, truths = [], []
    for i, part in enumerate(ended.stdout.decode("utf-8", "replace").split("begin\n")[1:]):
        segments = [(name, float(end)) for name, end in (line.split() for line in part.split("\n") if line)]
        values = extract(load_audio(tmp_path / f"{i}.wav", config.sample_rate).samples, config).values
        starts = [0.0, *(end for _, end in segments)]
        said = [(name, start) for (name, _), start in zip(segments, starts, strict=False) if name != "pau"]
        # The aligner is told where every sixth phone begins, as cuts between words would.
        words = [said[k : k + 6] for k in range(0, len(said), 6)]
        cuts = tuple(round(word[0][1] / config.frame_shift) for word in words[1:])
        recordings.append(Pronounced(values, tuple(tuple(name for name, _ in word) for word in words), cuts))
        truths.append([start for _, start in said])
    aligner = PhoneAligner([phone for recording in recordings for word in recording.words for phone in word])
    list(aligner.train(recordings))
    distances = [
        abs(span.start * config.frame_shift - start)
        for spans, truth in zip(aligner.align(recordings), truths, strict=True)
        for span, start in zip(spans, truth, strict=True)
    ]
    assert np.median(distances) < 0.04
