"""What each process of test_ranks.py runs: ``torchrun … rank_driver.py FOLDER SCENARIO``."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

import govor.training.loop as training
from govor.config import Config
from govor.dataset.sharded import ShardDataset, ShardSource
from govor.dataset.shards import find_shards
from govor.ranks import Ranks, join
from tiny_corpus import ALPHABET, AUGMENT, CONFIG, dataset, make
from tiny_training import Listener

TEXTS = ("да", "нет", "мама дома", "анна", "дом", "тема", "дама", "но") * 3


def config(**changes: object) -> Config:
    settings = CONFIG.training.model_copy(update={"checkpoint_minutes": 1e-9, **changes})
    return CONFIG.model_copy(update={"training": settings, "augment": AUGMENT})


def run(
    folder: Path,
    output: str,
    ranks: Ranks,
    settings: Config,
    sharded: bool = False,
    num_loaders: int = 0,
    listener: Listener | None = None,
) -> dict[str, object]:
    """Train; return what this process saw and ended with."""
    utterances = make(folder / f"data{ranks.rank}", TEXTS)
    dev = dataset(utterances, settings)
    train = dataset(utterances, settings, augment=True)
    if sharded:
        shards = find_shards(str(folder / "shards"), settings.features)
        train = ShardDataset([ShardSource(shards)], settings, ALPHABET)  # type: ignore[assignment]
    trainer = training.Trainer(
        settings, train, dev, folder / output, alphabet=ALPHABET, ranks=ranks, num_loaders=num_loaders
    )
    if ranks.from_leader(trainer.last.exists):
        trainer.resume()
    listener = listener or Listener()
    trainer.run(listener)
    digest = hashlib.sha256()
    for value in (*trainer.model.state_dict().values(), *trainer.average.values()):
        digest.update(value.numpy().tobytes())
    return {
        "weights": digest.hexdigest(),
        "losses": listener.losses,
        "dev": [(report.dev_loss, report.dev_cer, report.dev_wer) for report in listener.reports],
        "starts": listener.starts,
    }


class Stopper(Listener):
    """Stops the process that it listens to after a number of steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def on_step(self, *about: object) -> None:
        super().on_step(*about)  # type: ignore[arg-type]
        if len(self.losses) == self.steps:
            raise KeyboardInterrupt


def die_at(call: int) -> None:
    """Let this process die by SIGKILL at its numbered batch, while the others are in the same step."""
    original, calls = training.ctc_losses, []

    def dying(*arguments: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)  # type: ignore[arg-type]

    training.ctc_losses = dying


def main() -> None:
    folder, scenario = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    with join("cpu") as ranks:
        results = {}
        if scenario == "all":
            results["memory"] = run(folder, "memory", ranks, config())
            results["loaders"] = run(folder, "loaders", ranks, config(), num_loaders=1)
            results["shards"] = run(folder, "shards2", ranks, config(block_hours=1e-3), sharded=True)
            # Begun by one process in test_ranks.py.
            results["resumed"] = run(folder, "begun", ranks, config(batches_per_step=2))
        elif scenario == "begin":
            stopper = Stopper(5)
            try:
                run(folder, "handed", ranks, config(), listener=stopper)
            except (KeyboardInterrupt, training.RankLostError) as error:
                results["stopped"] = {"by": type(error).__name__, "steps": len(stopper.losses)}
        elif scenario == "kill":
            first_life = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
            if ranks.rank == 1 and first_life:
                die_at(8)
            listener = Listener()
            try:
                results["killed"] = run(folder, "killed", ranks, config(), listener=listener)
            finally:
                (folder / f"life{os.environ['TORCHELASTIC_RESTART_COUNT']}-{ranks.rank}.json").write_text(
                    json.dumps(listener.starts)
                )
        (folder / f"{scenario}{ranks.rank}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
