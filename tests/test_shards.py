from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from govor.cli.app import run as govor
from govor.config import FEATURE_PRESETS, Config
from govor.dataset.sharded import ShardDataset, ShardSource
from govor.dataset.shards import Written, find_shards, read_shard, write_shards
from govor.errors import ConfigError, InputNotFoundError, ManifestError
from govor.manifest import write_manifest
from govor.ranks import Ranks
from govor.training.loop import Trainer
from tiny_corpus import ALPHABET, AUGMENT, CONFIG, dataset, make, speak
from tiny_training import Listener

TEXTS = ("да", "нет", "мама дома", "анна", "дом", "тема", "дама", "но") * 4
FRONT_END = FEATURE_PRESETS["sphinx8k"]


def config(**changes: object) -> Config:
    training = CONFIG.training.model_copy(update={"block_hours": 5 / 3600, **changes})
    return CONFIG.model_copy(update={"training": training, "augment": AUGMENT})


def write(folder: Path, texts: tuple[str, ...] = TEXTS, seconds: float = 2, **options: int) -> Written:
    make(folder / "data", texts)
    manifests = [folder / "data" / "m.jsonl"]
    hours = seconds / 3600
    return write_shards(manifests, folder / "shards", FRONT_END, ALPHABET, shard_hours=hours, **options)


def stream(folder: Path, settings: Config | None = None, share: float = 1.0) -> ShardDataset:
    settings = settings or config()
    return ShardDataset(
        [ShardSource(find_shards(str(folder / "shards"), FRONT_END), share)], settings, ALPHABET
    )


def ids(data: ShardDataset, epoch: int, num_parts: int = 1, rank: int = 0, size: int = 1) -> list[list[str]]:
    """Return the utterances of every step of an epoch, as one of several processes sees them."""
    ranks = Alone(rank, size)
    return [
        [name for share in step for joined in share.batch(epoch).ids for name in joined.split("+")]
        for number in range(data.num_blocks(num_parts))
        for step in data.block(epoch, number, num_parts, ranks).steps
    ]


def flat(steps: list[list[str]]) -> list[str]:
    return [name for step in steps for name in step]


class Alone(Ranks):
    """One of several processes whose others are not there; what they would tell equals its own."""

    def gather(self, value: object) -> list[object]:
        return [value] * self.size


def test_shards_hold_every_utterance_once_bit_by_bit_and_the_index_counts_them(tmp_path: Path) -> None:
    written = write(tmp_path)
    found = find_shards(str(tmp_path / "shards"), FRONT_END)
    assert tuple(found) == written.shards
    assert len(found) > 3
    read = {
        utterance.id: (utterance, features) for shard in found for utterance, features in read_shard(shard)
    }
    assert sorted(read) == sorted(f"m{number}" for number in range(len(TEXTS)))
    for number, text in enumerate(TEXTS):
        utterance, features = read[f"m{number}"]
        assert utterance.text == text
        assert utterance.duration == len(features) / 100
        assert np.array_equal(features, speak(text, number))
    assert sum(shard.num_utterances for shard in found) == len(TEXTS)
    assert sum(shard.num_frames for shard in found) == sum(len(text) * 8 for text in TEXTS)
    # About two seconds in each, in a mixed order.
    assert all(150 <= shard.num_frames <= 280 for shard in found[:-1])
    assert next(read_shard(found[0]))[0].id != "m0"


def test_a_shard_is_a_plain_tar_that_the_webdataset_library_reads(tmp_path: Path) -> None:
    import webdataset

    shard = write(tmp_path).shards[0]
    with tarfile.open(shard.path) as archive:
        assert archive.getnames()[:2] == ["000000.json", "000000.npy"]
    # The library leaves closing to the collector, which pytest takes amiss; so in a process of its own.
    code = (
        "import sys, webdataset as w\n"
        "rows = list(w.WebDataset(sys.argv[1], shardshuffle=False).decode())\n"
        "print(len(rows), rows[0]['json']['text'], rows[0]['npy'].shape)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(shard.path)], capture_output=True, text=True, check=True
    )
    first, features = next(read_shard(shard))
    assert told.stdout.strip() == f"{shard.num_utterances} {first.text} {features.shape}"
    assert webdataset.__version__


def test_same_corpus_gives_the_same_bytes_and_machines_divide_it_without_rest(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / name)
    shards = sorted(path.name for path in (tmp_path / "a" / "shards").iterdir())
    for name in shards:
        one, two = (tmp_path / folder / "shards" / name for folder in "ab")
        assert one.read_bytes() == two.read_bytes()
    for number in (1, 2, 3):
        write(tmp_path / "c", slice_number=number, num_slices=3)
    found = find_shards(str(tmp_path / "c" / "shards"), FRONT_END)
    assert {shard.path.name[:12] for shard in found} == {f"000{n}-of-0003" for n in (1, 2, 3)}
    read = [utterance.id for shard in found for utterance, _ in read_shard(shard)]
    assert sorted(read) == sorted(f"m{number}" for number in range(len(TEXTS)))


def test_an_epoch_draws_every_utterance_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    write(tmp_path)
    data = stream(tmp_path)
    assert data.num_blocks(1) == 2
    first, again, second = ids(data, 3), ids(stream(tmp_path), 3), ids(data, 4)
    assert sorted(flat(first)) == sorted(f"m{number}" for number in range(len(TEXTS)))
    assert first == again
    assert sorted(flat(second)) == sorted(flat(first))
    assert second != first


def test_processes_divide_the_shards_and_their_batches_of_a_step_are_of_like_length(tmp_path: Path) -> None:
    write(tmp_path, TEXTS * 8, seconds=5)
    data = stream(tmp_path, config(batch_seconds=1.5, block_hours=20 / 3600))
    whole = ids(data, 3, num_parts=2)
    halves = [ids(data, 3, num_parts=2, rank=rank, size=2) for rank in (0, 1)]
    assert sorted(flat(whole)) == sorted(flat(halves[0] + halves[1]))
    assert len(set(flat(whole))) == len(TEXTS) * 8
    pairs = [
        [float(share.batch(3).feature_lengths.float().mean()) for share in step]
        for number in range(data.num_blocks(2))
        for step in data.block(3, number, 2, Alone(0, 1)).steps
        if len(step) == 2
    ]
    assert len(pairs) > 30

    def waiting(first: list[float], second: list[float]) -> float:
        return float(np.mean([max(pair) / min(pair) - 1 for pair in zip(first, second, strict=True)]))

    first, second = (list(column) for column in zip(*pairs, strict=True))
    # Measured on these tiny batches: 0.32 against 1.30 of batches paired at random.
    assert waiting(first, second) < 0.5 * waiting(first, list(np.random.default_rng(1).permutation(second)))


def test_a_share_of_the_utterances_is_drawn_anew_every_epoch(tmp_path: Path) -> None:
    write(tmp_path, TEXTS * 8, seconds=5)
    data = stream(tmp_path, share=0.3)
    first, second = (set(flat(ids(data, epoch))) for epoch in (3, 4))
    # 256 draws of 0.3: mean 77, standard deviation 7.
    assert 50 < len(first) < 105 and 50 < len(second) < 105
    assert first != second


class Stopper(Listener):
    def on_step(self, *about: object) -> None:
        super().on_step(*about)  # type: ignore[arg-type]
        if len(self.losses) == 9:
            raise KeyboardInterrupt


def trainer(folder: Path, output: str) -> Trainer:
    dev = dataset(make(folder / "data", TEXTS), config())
    return Trainer(config(), stream(folder), dev, folder / output, alphabet=ALPHABET)


def test_run_stopped_inside_a_block_reads_that_block_again_and_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    whole = trainer(tmp_path, "whole")
    whole.run(Listener())
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, "stopped").run(Stopper())
    resumed = trainer(tmp_path, "stopped")
    resumed.resume()
    assert (resumed.progress.epoch, resumed.progress.block) == (0, 1)
    assert resumed.progress.batch > 0
    blocks = []
    original = ShardDataset.block

    def heard(self: ShardDataset, epoch: int, number: int, *rest: object) -> object:
        blocks.append((epoch, number))
        return original(self, epoch, number, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ShardDataset, "block", heard)
    resumed.run(Listener())
    assert blocks == [(0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name])


def test_damaged_shard_costs_its_utterances_and_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    shards = write(tmp_path).shards
    whole = shards[1].path.read_bytes()
    shards[1].path.write_bytes(whole[: len(whole) // 2])
    shards[2].path.unlink()
    read = len(list(read_shard(shards[1])))
    assert 0 < read < shards[1].num_utterances
    assert list(read_shard(shards[2])) == []
    lost = shards[1].num_utterances - read
    running = trainer(tmp_path, "run")
    listener = Listener()
    running.run(listener)
    # The folder no longer lists the file that is gone.
    assert [report.left_out for report in listener.reports] == [lost] * 3
    data = stream(tmp_path)
    (tmp_path / "shards" / "x").mkdir()
    for shard in shards:
        shard.path.unlink(missing_ok=True)
    dead = Trainer(config(), data, running.dev_set, tmp_path / "dead", alphabet=ALPHABET)
    with pytest.raises(ManifestError, match="not one utterance of the shards can be read"):
        dead.run(Listener())


def test_utterances_that_cannot_be_used_are_named_and_left_out_when_shards_are_made(tmp_path: Path) -> None:
    make(tmp_path / "data", ("да", "тема", "нет"))
    manifest = tmp_path / "data" / "m.jsonl"
    rows = manifest.read_text(encoding="utf-8").replace("тема", "yes").splitlines()
    gone = json.dumps({"features": "gone.npy", "duration": 1, "text": "да", "id": "gone"})
    manifest.write_text("\n".join([*rows, gone, "{broken"]) + "\n", encoding="utf-8")
    written = write_shards([manifest], tmp_path / "shards", FRONT_END, ALPHABET)
    assert sum(shard.num_utterances for shard in written.shards) == 2
    reasons = {skip.id: skip.reason for skip in written.skipped}
    assert set(reasons) == {"m1", "gone", str(manifest)}
    assert reasons["m1"] == "symbols outside the alphabet: e s y"
    with pytest.raises(InputNotFoundError, match="no manifest"):
        write_shards([tmp_path / "none.jsonl"], tmp_path / "shards", FRONT_END, ALPHABET)


def test_what_is_wrong_with_shards_is_said_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="govor prepare shards"):
        find_shards(str(tmp_path / "none" / "*.tar"), FRONT_END)
    shards = write(tmp_path).shards
    with pytest.raises(ManifestError, match=r"frontend = sphinx, the configuration has htk"):
        find_shards(str(tmp_path / "shards"), FEATURE_PRESETS["seed"])
    (tmp_path / "shards" / "foreign.tar").write_bytes(shards[0].path.read_bytes())
    with pytest.raises(ManifestError, match=r"foreign\.tar: in no index"):
        find_shards(str(tmp_path / "shards" / "*.tar"), FRONT_END)
    assert len(find_shards(str(shards[0].path), FRONT_END)) == 1
    index = next((tmp_path / "shards").glob("*.index.json"))
    index.write_text(
        index.read_text(encoding="utf-8").replace('"format": 1', '"format": 9'), encoding="utf-8"
    )
    with pytest.raises(ManifestError, match="format 9, supported 1"):
        find_shards(str(shards[0].path), FRONT_END)
    index.write_text("{", encoding="utf-8")
    with pytest.raises(ManifestError, match="damaged"):
        find_shards(str(shards[0].path), FRONT_END)


def test_fewer_shards_than_processes_is_an_error_with_its_cure(tmp_path: Path) -> None:
    write(tmp_path, seconds=1000)
    with pytest.raises(ConfigError, match="1 shards for 2 processes: make smaller shards"):
        stream(tmp_path).num_blocks(2)


SETTINGS = """
[network]
conv_channels = 16
conv_kernel = 3
stride = 2
hidden_size = 24
num_layers = 1
[training]
epochs = 1
batch_seconds = 2
"""


def test_commands_make_shards_and_train_on_a_pattern_that_the_shell_has_expanded(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "data", TEXTS)
    manifest, folder = str(tmp_path / "data" / "m.jsonl"), tmp_path / "shards"
    (tmp_path / "my.toml").write_text(SETTINGS, encoding="utf-8")
    assert govor(["prepare", "shards", manifest, "-o", str(folder), "--shard-hours", "0.001"]) == 0
    assert f"{folder}: 3 shards, 32 utterances, 0.00 h; left out 0" in capfd.readouterr().err
    common = ["--dev", manifest, "--config", str(tmp_path / "my.toml"), "--device", "cpu"]
    tars = [str(path) for path in sorted(folder.glob("*.tar"))]
    assert govor(["train", "--train", *tars, *common, "-o", str(tmp_path / "run")]) == 0
    told = capfd.readouterr().err
    assert "train: 32 utterances" in told and "epoch 0" in told
    assert (tmp_path / "run" / "best.safetensors").exists()
    mixed = ["train", "--train", str(folder), "--train", manifest, *common, "-o", str(tmp_path / "mixed")]
    assert govor(mixed) == 1
    assert "manifests and shards do not mix" in capfd.readouterr().err
    assert govor(["prepare", "shards", manifest, "-o", str(folder), "--part", "3/2"]) == 1
    assert "--part 3/2: needs I/N" in capfd.readouterr().err


MEMORY = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_shards import FRONT_END, ALPHABET, Ranks, ShardDataset, ShardSource, config, find_shards

settings = config(block_hours=0.05, batch_seconds=60)
shards = find_shards(sys.argv[2], FRONT_END)[: int(sys.argv[3])]
data = ShardDataset([ShardSource(shards)], settings, ALPHABET)
seen = 0
for number in range(data.num_blocks(1)):
    block = data.block(5, number, 1, Ranks())
    for step in block.steps:
        for share in step:
            share.batch(5)
            seen += sum(map(len, share.items))
    del block, step, share
print(seen, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_shards(tmp_path: Path) -> None:
    (utterance,) = make(tmp_path / "data", ("мама дома",))
    write_manifest(tmp_path / "data" / "m.jsonl", [utterance] * 6000)
    write_shards(
        [tmp_path / "data" / "m.jsonl"], tmp_path / "shards", FRONT_END, ALPHABET, shard_hours=1 / 60
    )
    found = {}
    for count in (12, 72):
        command = [
            sys.executable,
            "-c",
            MEMORY,
            str(Path(__file__).parent),
            str(tmp_path / "shards"),
            str(count),
        ]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        found[count] = int(told[0]), int(told[1]) / 1024
    (few, little), (many, much) = found[12], found[72]
    assert many > 5 * few > 4000
    # Measured: 1 MB apart. The features of 5,000 utterances more would take 19 MB, twice that with pairs.
    assert much - little < 8
