from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from govor.audio.loading import load_audio
from govor.cli.app import run
from govor.features import extract
from govor.manifest import Utterance, read_manifest, write_manifest
from govor.onnx.model import load_onnx_model
from govor.word_cuts import find_cuts

VOICE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
needs_voice = pytest.mark.skipif(not (VOICE / "lab").is_dir(), reason="needs Debian's festvox-ru")


def prompts() -> dict[str, str]:
    lines = (VOICE / "etc" / "txt.done.data").read_text("utf-8", errors="replace").splitlines()
    return dict(re.findall(r'\( *(\S+) "(.*)" *\)', "\n".join(lines)))


@needs_voice
def test_cuts_of_real_recordings_separate_the_words(tmp_path: Path) -> None:
    model = load_onnx_model()
    names = sorted(prompts())[:12]
    utterances = []
    for name in names:
        words = re.sub(r"[^а-яё ]+", " ", prompts()[name].lower().replace("-", " ")).split()
        if len(words) > 2:
            utterances.append(Utterance(name, 1.0, " ".join(words), "urp", VOICE / "wav" / f"{name}.wav"))
    found = list(find_cuts(model, utterances))
    assert len(utterances) > 5
    assert sum(bool(said.cuts) for said in found) >= 0.8 * len(found)
    right = total = 0
    for said in found:
        assert said.audio_filepath is not None
        samples = load_audio(said.audio_filepath, model.config.features.sample_rate).samples
        values = extract(samples, model.config.features).values
        bounds = [0, *(round(cut / 0.01) for cut in said.cuts), len(values)]
        if not said.cuts:
            continue
        # Each half of the sentence, recognised alone, must have the words of that half.
        middle = len(bounds) // 2
        for part, words in (
            (values[: bounds[middle]], said.text.split()[:middle]),
            (values[bounds[middle] :], said.text.split()[middle:]),
        ):
            (log_probs,) = model.log_probs([part])
            letters = len(re.sub(" ", "", model.alphabet.decode(_collapse(log_probs.argmax(axis=1)))))
            total += 1
            right += abs(letters - len("".join(words))) <= 0.25 * len("".join(words)) + 1
    # Measured 1.0: a half sounds like as many letters as its words have.
    assert right >= 0.85 * total


def _collapse(best: np.ndarray) -> list[int]:
    kept = best[np.flatnonzero(np.diff(best, prepend=-1))]
    return [int(label) for label in kept if label]


def test_the_command_writes_cuts_and_keeps_what_it_cannot_align(tmp_path: Path) -> None:
    shape = (200, load_onnx_model().config.features.num_cepstra)
    noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.save(tmp_path / "noise.npy", noise)
    rows = [
        Utterance("noise", 2.0, "этого здесь никто не говорил", "a", features=tmp_path / "noise.npy"),
        Utterance("absent", 2.0, "файла нет", "a", features=tmp_path / "absent.npy"),
    ]
    write_manifest(tmp_path / "in.jsonl", rows)
    assert run(["prepare", "cuts", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl")]) == 0
    out = list(read_manifest(tmp_path / "out.jsonl"))
    assert [said.id for said in out] == ["noise", "absent"]
    assert all(said.cuts == () for said in out)


def test_cuts_survive_the_manifest(tmp_path: Path) -> None:
    said = Utterance("a", 1.0, "раз два три", "s", features=tmp_path / "a.npy", cuts=(0.25, 0.5))
    write_manifest(tmp_path / "m.jsonl", [said])
    assert next(read_manifest(tmp_path / "m.jsonl")).cuts == (0.25, 0.5)


@pytest.mark.parametrize("cuts", [[0.5], [0.5, 0.25], ["a", "b"], 3, [0.1, -1], [0.1, 0.2, 0.3]])
def test_cuts_that_do_not_fit_the_words_are_named(tmp_path: Path, cuts: object) -> None:
    row = {"features": "a.npy", "duration": 1.0, "text": "раз два три", "cuts": cuts}
    (tmp_path / "m.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(ValueError, match=r"m\.jsonl:1: cuts must be growing seconds"):
        list(read_manifest(tmp_path / "m.jsonl"))
