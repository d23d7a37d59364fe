"""Training speed: our step beside a plain PyTorch loop, and two processes beside one.

    python benchmarks/training.py [--manifest data/voxforge/train.jsonl] [--processes 2]

Both loops train the network `small` on the same utterances without augmentation, on one thread. The plain one
is what a newcomer writes: random batches of 32, packed bidirectional nn.LSTM, float32, denormals as they are.
Ours is `govor.training.loop.Trainer`. Without a manifest the features are made up, as long as read sentences.
The loops are timed by processor time, so that a busy machine gives nearly the same; processes by the clock.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from govor.config import PRESETS, AugmentConfig, Config
from govor.dataset.batches import Dataset, Source
from govor.features import normalize, save_mfc
from govor.manifest import Utterance, read_manifest, write_manifest
from govor.model import ConvFront, flushed_denormals
from govor.text.alphabet import Alphabet
from govor.training.loop import Trainer
from govor.training.report import EpochReport

BATCH_SECONDS = 240.0
PLAIN_BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, help="what to train on; made up without it")
    parser.add_argument("--utterances", type=int, default=1500, help="of the manifest, chosen at random")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long each loop is measured")
    parser.add_argument("--processes", type=int, default=0, help="measure only this many beside one")
    parser.add_argument("--augment", action="store_true", help="measure ours with augmentation too")
    parser.add_argument("--rank", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.rank:
        run_rank(options.rank, options.seconds)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        utterances = choose(options.manifest, options.utterances, folder)
        hours = sum(utterance.duration for utterance in utterances) / 3600
        print(
            f"{len(utterances)} utterances, {hours:.1f} h; seconds of speech trained on per second:",
            flush=True,
        )
        if options.processes:
            compare_processes(utterances, folder, options.processes, options.seconds)
            return
        plain = measure_plain(dataset(utterances), options.seconds)
        print(f"{'plain loop':30} {plain:8.1f}", flush=True)
        with flushed_denormals():
            flushed = measure_plain(dataset(utterances), options.seconds)
        print(f"{'plain loop, denormals flushed':30} {flushed:8.1f}", flush=True)
        ours = measure_ours(dataset(utterances), folder / "ours", options.seconds)
        print(f"{'govor train':30} {ours:8.1f}   {ours / plain:.1f} times as fast", flush=True)
        if options.augment:
            varied = measure_ours(
                dataset(utterances, PRESETS["small"].augment), folder / "aug", options.seconds
            )
            print(f"{'govor train, augmented':30} {varied:8.1f}   {varied / plain:.1f} times as fast")


def choose(manifest: Path | None, count: int, folder: Path) -> list[Utterance]:
    """Return utterances of a manifest, or made-up ones."""
    rng = np.random.default_rng(1)
    if manifest:
        found = list(read_manifest(manifest, []))
        return [found[index] for index in rng.permutation(len(found))[:count]]
    utterances = []
    for number in range(min(count, 1000)):
        # VoxForge-ru without pauses: 6.6 s, with a deviation of 2.6 s.
        num_frames = int(np.clip(rng.normal(660, 260), 150, 1600))
        path = folder / f"{number}.mfc"
        save_mfc(path, rng.normal(size=(num_frames, 13)).astype(np.float32))
        text = ("сколько слов помещается в секунду " * 9)[: num_frames // 8].strip()
        utterances.append(Utterance(str(number), num_frames / 100, text, features=path))
    return utterances


def dataset(utterances: list[Utterance], augment: AugmentConfig | None = None) -> Dataset:
    config = settings(augment)
    return Dataset([Source(utterances)], config, Alphabet(), augment=augment is not None)


def settings(augment: AugmentConfig | None = None) -> Config:
    small = PRESETS["small"]
    # Both loops train the letters alone: a second output is nothing that a plain loop would have.
    network = small.network.model_copy(update={"search_output": False})
    training = small.training.model_copy(
        update={"batch_seconds": BATCH_SECONDS, "max_readings": 0, "curriculum_epochs": 0, "epochs": 1000}
    )
    changes = {"network": network, "training": training, "augment": augment or AugmentConfig()}
    return small.model_copy(update=changes)


class PlainNetwork(nn.Module):
    """The network `small` as PyTorch's tutorials would have it."""

    def __init__(self, config: Config, num_symbols: int) -> None:
        super().__init__()
        network = config.network
        self.front = ConvFront(network)
        width, hidden = network.conv_channels, network.hidden_size
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(network.num_layers):
            self.layers.append(nn.LSTM(width, hidden, bidirectional=True, batch_first=True))
            width = 2 * hidden
            self.norms.append(nn.LayerNorm(width))
        self.dropout = nn.Dropout(network.dropout)
        self.output = nn.Linear(width, num_symbols)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        hidden, lengths = self.front(features, lengths)
        hidden = self.dropout(hidden)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            packed = nn.utils.rnn.pack_padded_sequence(
                hidden, lengths, batch_first=True, enforce_sorted=False
            )
            hidden, _ = nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
            hidden = self.dropout(norm(hidden))
        return self.output(hidden).log_softmax(dim=2).transpose(0, 1), lengths


def measure_plain(data: Dataset, seconds: float) -> float:
    """Train with the plain loop; return seconds of speech per second."""
    alphabet, frame_shift = Alphabet(), data.config.features.frame_shift
    torch.manual_seed(1)
    model = PlainNetwork(data.config, len(alphabet))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    criterion = nn.CTCLoss()
    rng = np.random.default_rng(1)

    def step() -> float:
        chosen = [int(index) for index in rng.integers(len(data), size=PLAIN_BATCH)]
        rows = [torch.from_numpy(normalize(data.features(index))) for index in chosen]
        labels = [torch.tensor(alphabet.encode(data.utterances[index].text)) for index in chosen]
        lengths = torch.tensor([len(row) for row in rows])
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        log_probs, output_lengths = model(padded, lengths)
        loss = criterion(
            log_probs, torch.cat(labels), output_lengths, torch.tensor([len(label) for label in labels])
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return float(lengths.sum()) * frame_shift

    return timed(step, seconds)


def timed(step: Callable[[], float], seconds: float) -> float:
    """Return how much `step` gives per second, after two steps that warm up."""
    step()
    step()
    done, started = 0.0, time.process_time()
    while time.process_time() - started < seconds:
        done += step()
    return done / (time.process_time() - started)


class Stopwatch:
    """Observes a training and ends it when the time is over."""

    def __init__(self, trainer: Trainer, seconds: float, clock: Callable[[], float]) -> None:
        self.trainer, self.seconds, self.clock = trainer, seconds, clock
        self.steps = 0
        self.rate = 0.0

    def on_start(self, first_epoch: int, first_batch: int, num_parameters: int) -> None: ...

    def on_epoch(self, report: EpochReport) -> None: ...

    def on_step(self, epoch: int, batch: int, num_batches: int, loss: float) -> None:
        self.steps += 1
        frames = self.trainer.progress.frame_sum
        if self.steps == 2:
            self.started, self.first = self.clock(), frames
        if self.steps > 2:
            elapsed = self.clock() - self.started
            self.rate = (frames - self.first) * self.trainer.config.features.frame_shift / elapsed
        if self.steps > 2 and (elapsed > self.seconds or batch == num_batches):
            raise KeyboardInterrupt


def measure_ours(data: Dataset, output: Path, seconds: float) -> float:
    """Train with Govor's loop; return seconds of speech per second."""
    rates, spent = [], 0.0
    while spent < seconds:
        started = time.process_time()
        trainer = Trainer(data.config, data, data, output, alphabet=data.alphabet)
        stopwatch = Stopwatch(trainer, seconds - spent, time.process_time)
        try:
            trainer.run(stopwatch)
        except KeyboardInterrupt:
            rates.append(stopwatch.rate)
        spent += time.process_time() - started
    return float(np.mean(rates))


def compare_processes(utterances: list[Utterance], folder: Path, count: int, seconds: float) -> None:
    """Print the speed of one process and of several, all started by torchrun."""
    write_manifest(folder / "train.jsonl", utterances)
    rates = []
    for processes in (1, count):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", str(processes), __file__, "--rank", str(folder)]
        told = subprocess.run(
            [*command, "--seconds", str(seconds)], check=True, capture_output=True, text=True
        ).stdout
        rates.append(float(told.split()[-1]))
        print(
            f"{processes} processes{'':20} {rates[-1]:8.1f}   {rates[-1] / rates[0]:.2f} of one", flush=True
        )


def run_rank(folder: Path, seconds: float) -> None:
    """Train as one of the processes of `compare_processes`; the first prints the speed."""
    from govor.ranks import RankLostError, join

    data = dataset(list(read_manifest(folder / "train.jsonl")))
    with join("cpu") as ranks:
        trainer = Trainer(
            data.config, data, data, folder / f"run{ranks.size}", alphabet=data.alphabet, ranks=ranks
        )
        stopwatch = Stopwatch(trainer, seconds, time.perf_counter)
        try:
            trainer.run(stopwatch)
        except KeyboardInterrupt:
            print(stopwatch.rate)
        except RankLostError:
            # The first has stopped, and so do the others.
            return


if __name__ == "__main__":
    main()
