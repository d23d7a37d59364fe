from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from govor.corpora.sphinx import PreparedCorpus, prepare_sphinx, speaker_of
from govor.errors import InputNotFoundError
from govor.features import save_mfc

ARCHIVE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "voxforge-ru-sphinx-mfcc.tar.xz"


def corpus(folder: Path, prompts: str | bytes, *names: str, frames: int = 100) -> Path:
    (folder / "etc").mkdir()
    (folder / "feat").mkdir()
    (folder / "etc" / "PROMPTS_all").write_bytes(prompts.encode() if isinstance(prompts, str) else prompts)
    for name in names:
        path = folder / "feat" / f"{name}.mfc"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_mfc(path, np.ones((frames, 13), np.float32))
    return folder


def reasons(prepared: PreparedCorpus) -> dict[str, str]:
    return {drop.id: drop.reason for drop in prepared.dropped}


def test_prompt_and_feature_file_become_an_utterance(tmp_path: Path) -> None:
    name = "vasya-20110507-jum/wav/ru_0082"
    made = prepare_sphinx(
        corpus(tmp_path, f"<s> кто-то <sil> ещё <um> здесь </s> ({name})\n", name, frames=250)
    )
    (utterance,) = made.utterances
    assert utterance.id == name
    assert utterance.text == "кто то ещё здесь"
    assert utterance.speaker == "vasya"
    assert utterance.duration == 2.5
    assert utterance.features == tmp_path / "feat" / f"{name}.mfc"
    assert made.dropped == []


@pytest.mark.parametrize(
    ("submission", "speaker"),
    [
        ("vasya-20110507-jum", "vasya"),
        ("vasya-20120101-abc", "vasya"),
        ("anna-maria-20110507-jum", "anna-maria"),
        ("1-20121125-pgp", "1"),
        ("urp", "urp"),
        ("anonymous-20110507-jum", "anonymous-20110507-jum"),
        ("Anonymous-20110507-jum", "Anonymous-20110507-jum"),
    ],
)
def test_user_is_one_speaker_and_anonymous_is_one_per_submission(submission: str, speaker: str) -> None:
    assert speaker_of(submission) == speaker


@pytest.mark.parametrize(
    ("line", "dropped", "reason"),
    [
        ("<s> да </s> (a/wav/none)", "a/wav/none", "none.mfc"),
        ("<s> <sil> </s> (a/wav/1)", "a/wav/1", "no letters"),
        ("<s> дом 5 </s> (a/wav/1)", "a/wav/1", "digits"),
        ("<s> дом ok </s> (a/wav/1)", "a/wav/1", "Latin"),
        ("<s> да </s> (a/wav/cut)", "a/wav/cut", "cut.mfc"),
        ("<s> да </s> (a/wav/nan)", "a/wav/nan", "NaN"),
        ("<s> " + "да " * 40 + "</s> (a/wav/1)", "a/wav/1", "100 frames are too few for 119 letters"),
        ("<s> да </s> (../../secret)", "../../secret", "leaves the corpus"),
        ("<s> да </s> (/etc/secret)", "/etc/secret", "leaves the corpus"),
        ("<s> да </s> (a/\0)", "a/\0", "leaves the corpus"),
        ("да (a/wav/1)", "PROMPTS_all:2", "not «<s> text </s> (ID)»"),
        ("<s> да </s> (a/wav/2)", "a/wav/2", "duplicate id"),
    ],
)
def test_line_that_cannot_be_used_is_dropped_with_its_reason(
    tmp_path: Path, line: str, dropped: str, reason: str
) -> None:
    folder = corpus(
        tmp_path, f"<s> да </s> (a/wav/2)\n{line}\n<s> нет </s> (a/wav/3)\n", "a/wav/2", "a/wav/3"
    )
    for name in ("1", "cut", "nan"):
        if dropped == f"a/wav/{name}":
            save_mfc(folder / "feat" / f"{dropped}.mfc", np.ones((100, 13), np.float32))
    cut = folder / "feat" / "a" / "wav" / "cut.mfc"
    if cut.exists():
        cut.write_bytes(cut.read_bytes()[:-7])
    nan = folder / "feat" / "a" / "wav" / "nan.mfc"
    if nan.exists():
        nan.write_bytes(nan.read_bytes()[:-4] + np.float32("nan").tobytes())
    made = prepare_sphinx(folder)
    assert [utterance.text for utterance in made.utterances] == ["да", "нет"]
    assert reasons(made).keys() == {dropped}
    assert reason in made.dropped[0].reason


def test_line_that_is_not_utf8_is_dropped_by_its_number(tmp_path: Path) -> None:
    prompts = "<s> да </s> (a/1)\n".encode() + "<s> нет </s> (a/2)\n".encode("koi8-r")
    made = prepare_sphinx(corpus(tmp_path, prompts, "a/1", "a/2"))
    assert reasons(made) == {"PROMPTS_all:2": "the line is not UTF-8", "a/2": "no text in PROMPTS_all"}


def test_feature_file_without_a_prompt_is_dropped(tmp_path: Path) -> None:
    made = prepare_sphinx(corpus(tmp_path, "<s> да </s> (a/1)\r\n\r\n", "a/1", "b/wav/2"))
    assert len(made.utterances) == 1
    assert reasons(made) == {"b/wav/2": "no text in PROMPTS_all"}


def test_byte_order_mark_costs_no_utterance(tmp_path: Path) -> None:
    made = prepare_sphinx(corpus(tmp_path, "\ufeff<s> да </s> (a/1)", "a/1"))
    assert (len(made.utterances), made.dropped) == (1, [])


@pytest.mark.parametrize("missing", ["feat", "etc"])
def test_folder_that_is_no_corpus_is_told_what_one_is(tmp_path: Path, missing: str) -> None:
    shutil.rmtree(corpus(tmp_path, "") / missing)
    with pytest.raises(InputNotFoundError, match="a Sphinx corpus consists of feat/ and etc/PROMPTS_all"):
        prepare_sphinx(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not ARCHIVE.exists(), reason="no VoxForge-ru archive beside the repository")
def test_all_7895_utterances_of_voxforge_are_used(tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    (prompts,) = tmp_path.rglob("PROMPTS_all")
    made = prepare_sphinx(prompts.parents[1])
    assert (len(made.utterances), made.dropped) == (7895, [])
    # 14.5 h by its README.
    assert sum(utterance.duration for utterance in made.utterances) / 3600 == pytest.approx(14.5, abs=0.05)
    assert not [utterance for utterance in made.utterances if not utterance.text]
