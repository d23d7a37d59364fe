"""What is fuzzed in child processes: a target takes a folder of files and gives a function of a seed."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fuzz.mutations import mutate
from govor.decoding.beam import BeamDecoder
from govor.errors import GovorError
from govor.text.alphabet import Alphabet

Run = Callable[[int], None]
ALPHABET = Alphabet()


def originals(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("mutated"))


def audio(folder: Path) -> Run:
    """Mutated recordings of all formats, as a file or a stream; every fifth one is also recognised."""
    from govor.audio.loading import load_audio, probe_duration, read_blocks
    from govor.recognizer import load_model

    paths = originals(folder)
    contents = [path.read_bytes() for path in paths]
    recognizer = load_model()
    load_audio(paths[0], 16000)

    def run(seed: int) -> None:
        path = paths[seed % len(paths)]
        data = mutate(contents[seed % len(paths)], seed, contents)
        mutated = folder / f"mutated{path.suffix}"
        mutated.write_bytes(data)
        assert probe_duration(mutated) >= 0
        source = mutated if seed % 2 else io.BytesIO(data)
        warnings: list[str] = []
        for block in read_blocks(source, 16000, warnings=warnings):
            assert block.dtype == np.float32 and block.ndim == 1 and np.isfinite(block).all()
        assert all(warnings)
        if seed % 5 == 0:
            transcript = recognizer.transcribe(mutated, "greedy")
            assert all(word.end >= word.start for segment in transcript.segments for word in segment.words)

    return run


def language_model(folder: Path) -> Run:
    """Mutated language models, packed and ARPA: loaded, searched with, and read back."""
    from govor.language_model import read_kenlm

    paths = originals(folder)
    contents = [path.read_bytes() for path in paths]
    rng = np.random.default_rng(0)
    log_probs = np.log(rng.dirichlet(np.full(len(ALPHABET), 0.05), 60) + 1e-30).astype(np.float32)

    def run(seed: int) -> None:
        path = paths[seed % len(paths)]
        mutated = folder / f"mutated{path.suffix}"
        mutated.write_bytes(mutate(contents[seed % len(paths)], seed, contents))
        try:
            decoded = BeamDecoder(ALPHABET, mutated)(log_probs)
            assert np.isfinite(decoded.score)
        except GovorError:
            pass
        if path.suffix == ".klm":
            read_kenlm(mutated)

    return run


def network(folder: Path) -> Run:
    """Mutated ONNX models: loaded and run."""
    from govor.onnx.model import load_onnx_model

    paths = originals(folder)
    contents = [path.read_bytes() for path in paths]

    def run(seed: int) -> None:
        mutated = folder / "mutated.onnx"
        mutated.write_bytes(mutate(contents[seed % len(paths)], seed, contents))
        model = load_onnx_model(mutated)
        width = model.config.features.num_cepstra
        values = np.random.default_rng(seed).normal(size=(40, width)).astype(np.float32)
        for log_probs in model.log_probs([values, values[:7], values[:0]]):
            assert log_probs.shape[1] == len(model.alphabet)

    return run


def faulty(_: Path) -> Run:
    """What the sandbox must see: case 1 crashes, 2 raises, 3 never ends, 4 swells."""

    def run(seed: int) -> None:
        if seed == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        elif seed == 2:
            raise KeyError("a bug")
        elif seed == 3:
            while True:
                pass
        elif seed == 4:
            np.ones(160_000_000)

    return run


TARGETS: dict[str, Callable[[Path], Run]] = {
    "audio": audio,
    "faulty": faulty,
    "language_model": language_model,
    "network": network,
}
