"""A model of another alphabet: its letters go through the corpus and the training into the recogniser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from corpus_fixtures import sound, write_audio
from govor import load_model
from govor.checkpoint import Checkpoint, load_checkpoint
from govor.cli.app import run
from govor.config import Config, load_config
from govor.corpora.checking import check_text
from govor.errors import ConfigError, ManifestError
from govor.manifest import read_manifest
from govor.model import AcousticNetwork
from govor.text.alphabet import RUSSIAN_LETTERS, Alphabet, is_speakable, normalize
from govor.training.state import initial_weights
from tiny_corpus import CONFIG

BELARUSIAN = "абвгдеёжзійклмнопрстуўфхцчшыьэюя'"
CZECH = "aábcčdďeéěfghiíjklmnňoópqrřsštťuúůvwxyýzž"

TOML = f"""
letters = "{BELARUSIAN}"
[network]
conv_channels = 8
conv_kernel = 3
stride = 2
hidden_size = 8
num_layers = 1
[training]
epochs = 1
batch_seconds = 20
bfloat16 = false
"""


@pytest.mark.parametrize(
    ("raw", "letters", "text"),
    [
        ("Ўсё, што трэба!", BELARUSIAN, "ўсё што трэба"),
        ("Пад’ём? Аб'ява.", BELARUSIAN, "пад ём аб'ява"),
        ("сто\u0301л", BELARUSIAN, "стол"),
        ("Žluťoučký kůň, tři.", CZECH, "žluťoučký kůň tři"),
        ("Jeho me\u0301no", CZECH, "jeho méno"),
        ("Йод и щи", RUSSIAN_LETTERS, "йод и щи"),
    ],
)
def test_text_is_normalised_to_the_letters_of_its_language(raw: str, letters: str, text: str) -> None:
    assert normalize(raw, letters) == text


def test_a_letter_of_another_language_is_told_and_not_dropped_in_silence() -> None:
    assert not is_speakable("ўсё щи", BELARUSIAN)
    assert not is_speakable("ўсё", RUSSIAN_LETTERS)
    with pytest.raises(ManifestError, match="more than the letters"):
        check_text("площа", BELARUSIAN)
    assert check_text("Плошча.", BELARUSIAN) == "плошча"


@pytest.mark.parametrize("letters", ["", "аа", "аБ", "а б", "а1", "е\u0301"])
def test_letters_that_are_not_letters_are_an_error(letters: str, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"letters = {json.dumps(letters)}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="letters"):
        load_config(path)


def test_a_training_of_another_alphabet_keeps_what_the_old_one_knows_of_shared_letters() -> None:
    torch.manual_seed(1)
    old, new = Alphabet(), Alphabet.of(BELARUSIAN)
    model = AcousticNetwork(CONFIG.network, len(old))
    weights = initial_weights(
        Checkpoint(CONFIG, old, model.state_dict(), {}),
        CONFIG.model_copy(update={"letters": BELARUSIAN}),
        new,
    )
    for symbol in "<blank>", " ", "а", "я":
        before = old.symbols.index(symbol)
        after = new.symbols.index(symbol)
        assert torch.equal(weights["output.weight"][after], model.state_dict()["output.weight"][before])
    assert not weights["output.weight"][new.symbols.index("ў")].any()
    AcousticNetwork(CONFIG.network, len(new)).load_state_dict(weights)


def test_a_folder_of_recordings_becomes_a_model_that_writes_these_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = ("Ўсё добра.", "Добры дзень!", "аб'ява", "Шчыра дзякуй")
    for number, text in enumerate((*texts, "щи")):
        write_audio(tmp_path / "rec" / f"{number}.wav", sound(number))
        (tmp_path / "rec" / f"{number}.txt").write_text(text, encoding="utf-8")
    assert run(["prepare", "folder", "rec", "--letters", BELARUSIAN, "--output", "data"]) == 0
    assert sorted(row.text for row in read_manifest(tmp_path / "data" / "manifest.jsonl")) == sorted(
        normalize(text, BELARUSIAN) for text in texts
    )
    dropped = (tmp_path / "data" / "dropped.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["id"].rsplit("/", 1)[-1] for line in dropped] == ["4"]
    (tmp_path / "be.toml").write_text(TOML, encoding="utf-8")
    manifest = "data/manifest.jsonl"
    assert run(["train", "--config", "be.toml", "--train", manifest, "--dev", manifest, "-o", "run"]) == 0
    assert load_checkpoint(tmp_path / "run" / "best.safetensors").alphabet == Alphabet.of(BELARUSIAN)
    assert run(["export", "run/best.safetensors", "--output", "be.onnx"]) == 0
    capsys.readouterr()
    assert run(["evaluate", manifest, "--model", "be.onnx", "--json", "e.json"]) == 0
    report = json.loads((tmp_path / "e.json").read_text("utf-8"))
    assert sorted(row["reference"] for row in report["utterances"])[0] == "аб'ява"
    recognizer = load_model(tmp_path / "be.onnx")
    assert recognizer.model.alphabet.letters == BELARUSIAN
    assert recognizer.model.config.letters == BELARUSIAN
    # The Russian language model would make Russian words of it.
    assert recognizer.shipped_language_model() is None
    words = tmp_path / "words.txt"
    words.write_text("Ўсё добра. Добры дзень! Площа і 5.\n" * 3, encoding="utf-8")
    assert run(["lm", "build", str(words), "--letters", BELARUSIAN, "--output", "be.klm"]) == 0
    searched = recognizer.beam_decoder(tmp_path / "be.klm")
    log_probs = np.full((3, len(recognizer.model.alphabet)), -20, np.float32)
    log_probs[range(3), [recognizer.model.alphabet.symbols.index(one) for one in "ўсё"]] = 0
    for decoder in (recognizer.decoder("greedy"), searched):
        assert decoder(log_probs).text == "ўсё"


def test_shards_are_written_with_the_letters_of_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "rec"
    write_audio(folder / "0.wav", sound(0))
    (folder / "0.txt").write_text("ўсё", encoding="utf-8")
    (tmp_path / "be.toml").write_text(TOML, encoding="utf-8")
    data = str(tmp_path / "data")
    assert run(["prepare", "folder", str(folder), "--letters", BELARUSIAN, "--output", data]) == 0
    shards = ["prepare", "shards", f"{data}/manifest.jsonl", "--output"]
    assert run([*shards, str(tmp_path / "be"), "--config", str(tmp_path / "be.toml")]) == 0
    assert run([*shards, str(tmp_path / "ru")]) == 1
    shutil.rmtree(tmp_path / "ru")


def test_a_configuration_saved_before_there_were_letters_is_russian() -> None:
    assert Config().letters is None
    assert Config.model_validate({}).letters is None
    assert Alphabet.of(None) == Alphabet()
    assert Alphabet().is_russian
    assert not Alphabet.of(CZECH).is_russian
