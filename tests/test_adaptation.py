from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from govor.adaptation import adapt, hold_out
from govor.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from govor.cli.app import run
from govor.config import AdaptationConfig, AugmentConfig
from govor.errors import ManifestError
from govor.features import save_mfc
from govor.manifest import Utterance, write_manifest
from govor.onnx.export import export_onnx
from govor.training.loop import Trainer
from govor.training.state import initial_weights
from tiny_corpus import ALPHABET, CONFIG, dataset, make, speak

LETTERS = "анотре"
SETTINGS = AdaptationConfig(epochs=40, batch_seconds=2.0, learning_rate=3e-3, augment=AugmentConfig())


def sentences(count: int, seed: int) -> tuple[str, ...]:
    rng = np.random.default_rng(seed)
    return tuple("".join(rng.choice(list(LETTERS), size=6)) for _ in range(count))


def stranger(folder: Path, texts: tuple[str, ...]) -> list[Utterance]:
    """Somebody whose spectra lie elsewhere: every band leaks into all the others."""
    rng = np.random.default_rng(3)
    mouth = np.eye(13) + 0.35 * rng.normal(size=(13, 13))
    folder.mkdir(parents=True, exist_ok=True)
    utterances = []
    for number, text in enumerate(texts):
        path = folder / f"s{number}.mfc"
        features = (speak(text, 100 + number) @ mouth).astype(np.float32)
        save_mfc(path, features)
        utterances.append(Utterance(f"s{number}", len(features) / 100, text, "stranger", features=path))
    write_manifest(folder / "stranger.jsonl", utterances)
    return utterances


class Silent:
    def on_start(self, *_: object) -> None: ...
    def on_step(self, *_: object) -> None: ...
    def on_epoch(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("base")
    rows = make(folder, sentences(60, seed=1))
    config = CONFIG.model_copy(
        update={"training": CONFIG.training.model_copy(update={"epochs": 12, "batch_seconds": 4.0})}
    )
    trainer = Trainer(config, dataset(rows, config), dataset(rows[:8], config), folder, alphabet=ALPHABET)
    trainer.run(Silent())
    return load_checkpoint(trainer.best)


def test_adapting_halves_the_strangers_errors_and_spares_general_speech(
    base: Checkpoint, tmp_path: Path
) -> None:
    own = stranger(tmp_path, sentences(24, seed=2))
    result = adapt(base, own, make(tmp_path, sentences(24, seed=4), "r"), SETTINGS)
    before, after = result.before[0], result.after[0]
    # Measured: 0.4 before, 0 after; the base hears its own voice without error.
    assert before.cer > 0.15
    assert after.cer <= before.cer / 2
    assert result.after[1].loss <= result.before[1].loss * (1 + SETTINGS.max_general_loss)
    assert result.mixture > 0
    assert result.num_trained == 19
    assert before.num_utterances == 5


def test_both_outputs_of_a_network_follow_the_stranger(base: Checkpoint, tmp_path: Path) -> None:
    network = base.config.network.model_copy(update={"search_output": True})
    config = base.config.model_copy(update={"network": network})
    weights = initial_weights(base, config, base.alphabet)
    searching = replace(base, config=config, weights=weights)
    own = stranger(tmp_path, sentences(24, seed=2))
    result = adapt(searching, own, make(tmp_path, sentences(24, seed=9), "r"), SETTINGS)
    assert result.mixture > 0
    data = dataset(stranger(tmp_path / "other", sentences(12, seed=5)), CONFIG)
    errors = []
    for checkpoint in (searching, result.checkpoint):
        model = checkpoint.build_model().eval()
        loss = 0.0
        for items in data.in_order():
            batch = data.batch(items)
            with torch.inference_mode():
                _, search, lengths = model.forward_both(batch.features, batch.feature_lengths)
            assert search is not None
            loss += float(
                torch.nn.functional.ctc_loss(
                    search, batch.labels, lengths, batch.label_lengths, reduction="sum"
                )
            )
        errors.append(loss)
    # Measured 0.4.
    assert errors[1] < 0.7 * errors[0]


def test_the_same_phrases_give_the_same_model(base: Checkpoint, tmp_path: Path) -> None:
    own = stranger(tmp_path, sentences(8, seed=2))
    settings = SETTINGS.model_copy(update={"epochs": 2})
    first, second = (adapt(base, own, [], settings).checkpoint.weights for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_adapting_that_does_not_help_gives_the_old_model_back(base: Checkpoint, tmp_path: Path) -> None:
    own = stranger(tmp_path, sentences(8, seed=2))
    # A learning rate this high breaks every network.
    broken = SETTINGS.model_copy(update={"learning_rate": 3.0, "epochs": 2})
    result = adapt(base, own, make(tmp_path, sentences(16, seed=4), "r"), broken)
    assert result.mixture == 0
    assert all(torch.equal(value, base.weights[name]) for name, value in result.checkpoint.weights.items())
    assert result.after == result.before


def test_fewer_than_five_phrases_are_refused_in_one_line(base: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="at least 5 usable phrases, there are 4"):
        adapt(base, stranger(tmp_path, sentences(4, seed=2)), [], SETTINGS)


def test_held_out_sentences_are_never_trained_on(tmp_path: Path) -> None:
    rows = [Utterance(str(n), 1.0, f"фраза {'абвгд'[n % 5]}", features=tmp_path / "x") for n in range(20)]
    train, held = hold_out(rows, 0.4)
    assert {u.text for u in train}.isdisjoint({u.text for u in held})
    assert len({u.text for u in held}) == 2
    assert len(train) + len(held) == 20


def test_the_command_writes_a_model_and_a_table(
    base: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger(tmp_path, sentences(12, seed=2))
    make(tmp_path, sentences(12, seed=4), "r")
    save_checkpoint(tmp_path / "base.safetensors", base)
    export_onnx(base, tmp_path / "base.onnx")
    arguments = ["adapt", "--manifest", str(tmp_path / "stranger.jsonl"), "--epochs", "3"]
    arguments += ["--model", str(tmp_path / "base.onnx"), "--rehearsal", str(tmp_path / "r.jsonl")]
    arguments += ["--output", str(tmp_path / "mine.onnx"), "--json", str(tmp_path / "table.json")]
    assert run(arguments) == 0
    assert "your phrases (held out)" in capsys.readouterr().out
    table = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in table["after"]] == ["own", "general"]
    assert run(["evaluate", str(tmp_path / "stranger.jsonl"), "-m", str(tmp_path / "mine.onnx"), "-q"]) == 0


def test_the_shipped_rehearsal_set_can_be_read(tmp_path: Path) -> None:
    from govor.corpora.rehearsal import unpack_rehearsal
    from govor.features import load_features

    rows = unpack_rehearsal(tmp_path)
    assert len(rows) == 100
    for row in rows:
        assert row.features is not None
        values = load_features(row.features)
        assert values.shape[1] == 13
        # CTC at three frames a step needs as many steps as letters.
        assert len(values) >= 3 * len(row.text)


def test_packed_rehearsal_comes_back_within_half_a_step(tmp_path: Path) -> None:
    from govor.corpora.rehearsal import pack_rehearsal, unpack_rehearsal
    from govor.features import load_features

    rows = make(tmp_path, ("да", "нет"))
    pack_rehearsal(tmp_path / "r.npz", rows)
    joined = np.concatenate([load_features(row.features) for row in rows if row.features])
    step = (joined.max(axis=0) - joined.min(axis=0)) / 254
    for row, back in zip(rows, unpack_rehearsal(tmp_path, tmp_path / "r.npz"), strict=True):
        assert row.features is not None
        assert back.features is not None
        assert back.text == row.text
        difference = np.abs(load_features(back.features) - load_features(row.features))
        assert (difference <= step * 0.501).all()
