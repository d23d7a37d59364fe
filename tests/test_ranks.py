from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from govor.config import FEATURE_PRESETS
from govor.dataset.shards import write_shards
from govor.errors import ConfigError, ModelError
from govor.meeting import agree_on_name
from govor.ranks import Ranks, choose_device, join
from govor.training.state import choose_num_parts
from rank_driver import Stopper, config, run
from tiny_corpus import ALPHABET, make
from tiny_training import Listener, trainer

TESTS = Path(__file__).parent
Result = dict[str, Any]


def torchrun(folder: Path, scenario: str, *options: str) -> tuple[Result, Result]:
    """Run a scenario of rank_driver.py in two processes; return what each of them told."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        *options,
    ]
    done = subprocess.run(
        [*command, str(TESTS / "rank_driver.py"), str(folder), scenario],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return tuple(json.loads((folder / f"{scenario}{rank}.json").read_text()) for rank in (0, 1))  # type: ignore


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("ranks")
    make(folder / "data0", rank_texts())
    write_shards(
        [folder / "data0" / "m.jsonl"],
        folder / "shards",
        FEATURE_PRESETS["sphinx8k"],
        ALPHABET,
        shard_hours=4 / 3600,
    )
    return folder


def rank_texts() -> tuple[str, ...]:
    from rank_driver import TEXTS

    return TEXTS


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Result]:
    """One process whose steps are made of two batches."""
    settings = config(batches_per_step=2)
    with pytest.raises(KeyboardInterrupt):
        run(folder, "begun", Ranks(), settings, listener=Stopper(5))
    return {
        "memory": run(folder, "memory1", Ranks(), settings),
        "shards": run(folder, "shards1", Ranks(), config(batches_per_step=2, block_hours=1e-3), sharded=True),
    }


@pytest.fixture(scope="module")
def together(folder: Path, alone: dict[str, Result]) -> tuple[Result, Result]:
    return torchrun(folder, "all")


def test_two_processes_end_with_the_same_weights(together: tuple[Result, Result]) -> None:
    for name in ("memory", "loaders", "shards", "resumed"):
        assert together[0][name]["weights"] == together[1][name]["weights"]


@pytest.mark.parametrize("name", ["memory", "shards"])
def test_two_processes_give_the_losses_and_weights_of_one_with_the_same_global_batch(
    alone: dict[str, Result], together: tuple[Result, Result], name: str
) -> None:
    # A sum of two does not depend on their order, so here even the bits are those of one process.
    assert len(alone[name]["losses"]) >= 12
    assert together[0][name]["losses"] == alone[name]["losses"]
    assert [tuple(row) for row in together[0][name]["dev"]] == alone[name]["dev"]
    assert together[0][name]["weights"] == alone[name]["weights"]


def test_helpers_that_prepare_batches_change_nothing(together: tuple[Result, Result]) -> None:
    assert together[0]["loaders"] == together[0]["memory"]


def test_run_begun_by_one_process_goes_on_in_two_and_ends_as_if_nothing_had_happened(
    alone: dict[str, Result], together: tuple[Result, Result]
) -> None:
    resumed = together[0]["resumed"]
    assert resumed["starts"] == [[0, 5]] or resumed["starts"] == [[1, 5 - len(resumed["losses"])]]
    assert resumed["weights"] == alone["memory"]["weights"]


def test_run_stopped_in_two_processes_goes_on_in_one(
    folder: Path, alone: dict[str, Result], together: tuple[Result, Result]
) -> None:
    told = torchrun(folder, "begin")
    # Ctrl-C at the first: the second finds it gone.
    assert told[0]["stopped"] == {"by": "KeyboardInterrupt", "steps": 5}
    assert told[1]["stopped"]["by"] == "RankLostError"
    resumed = run(folder, "handed", Ranks(), config())
    assert len(resumed["losses"]) == len(alone["memory"]["losses"]) - 5
    assert resumed["weights"] == alone["memory"]["weights"]


def test_killed_process_is_started_again_by_torchrun_and_the_run_goes_on_from_the_last_checkpoint(
    folder: Path, together: tuple[Result, Result]
) -> None:
    told = torchrun(folder, "kill", "--max-restarts", "2")
    assert not (folder / "life0-1.json").exists()
    ((epoch, batch),) = json.loads((folder / "life1-0.json").read_text())
    assert (epoch, batch) > (0, 0)
    assert told[0]["killed"]["weights"] == told[1]["killed"]["weights"]
    assert told[0]["killed"]["weights"] == together[0]["memory"]["weights"]


def test_other_data_in_one_process_is_one_clear_error_and_ends_both(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "b", ("да", "нет", "дом"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank, data in enumerate("ab"):
        environment = {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        command = [sys.executable, "-m", "govor", "train", "--train", str(tmp_path / data / "m.jsonl")]
        command += ["--dev", str(tmp_path / "a" / "m.jsonl"), "--output", str(tmp_path / "run"), "--quiet"]
        processes.append(
            subprocess.Popen(
                command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
    said = [process.communicate(timeout=200)[1] for process in processes]
    assert said[0] == (
        "error: process 1 differs from process 0 in: the training data (--train); "
        "give all of them the same files\n"
    )
    # What gloo itself logs of a closed connection is no error of ours.
    assert "error:" not in said[1] and "Traceback" not in said[1]
    assert [process.returncode for process in processes] == [1, 1]
    assert not (tmp_path / "run").exists()


def test_processes_of_a_new_life_do_not_believe_what_the_old_one_left_in_the_store() -> None:
    store = torch.distributed.HashStore()
    names = []
    for _ in range(3):
        found: dict[int, str] = {}

        def come(rank: int, found: dict[int, str] = found) -> None:
            # The leader comes last, when the others have long read what the last life left.
            time.sleep(0.2 if rank == 0 else 0)
            found[rank] = agree_on_name(store, rank, 3, 20)

        threads = [threading.Thread(target=come, args=(rank,)) for rank in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found.values())) == 1 and len(found) == 3
        names.append(found[0])
    assert len(set(names)) == 3
    with pytest.raises(RuntimeError, match="not all 3 processes came within 0 s"):
        agree_on_name(store, 1, 3, 0.2)


def test_step_of_fewer_batches_than_processes_is_refused() -> None:
    assert choose_num_parts(0, 3) == 3
    assert choose_num_parts(4, 3) == 4
    with pytest.raises(ConfigError, match=r"batches_per_step = 2 but there are 3 processes"):
        choose_num_parts(2, 3)


def test_more_processes_than_a_run_has_batches_in_a_step_cannot_resume_it(tmp_path: Path) -> None:
    first = trainer(tmp_path)
    first.run(Listener())
    second = trainer(tmp_path)
    second.ranks = Ranks(0, 2)
    with pytest.raises(
        ModelError, match=r"a step of this run is 1 batches, so of 2 processes some would idle"
    ):
        second._load_last()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK=2 but WORLD_SIZE=2"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE=two: must be a number"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": ""}, "no MASTER_ADDR"),
    ],
)
def test_odd_environment_of_a_launcher_is_named(
    environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message), join("cpu"):
        pass


def test_device_is_checked_before_anything_is_read() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="choose auto, cpu or cuda"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        assert choose_device("auto") == torch.device("cpu")
        with pytest.raises(ConfigError, match="sees no GPU"):
            choose_device("cuda")
