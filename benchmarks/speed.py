"""Measure the shipped model on this machine, one thread, and write speed.json for the page of the site.

    taskset -c 0 python benchmarks/speed.py            # about a minute; measure on an idle machine
    python benchmarks/speed.py --show                  # print only

The sound is the two recordings of examples/, said over and over. Speed is in processor time, which wall time
equals on an idle machine; the best of several rounds counts. Start and memory are those of a new process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from govor import load_model
from govor.audio.loading import load_audio
from govor.decoding.beam import shipped_language_model
from govor.features import extract
from govor.phrases.decoder import PhraseDecoder
from govor.phrases.patterns import parse_phrases

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "benchmarks" / "speed.json"
MALE = ROOT / "examples" / "male.wav"
ROUNDS = 5
RATE = 16000
# A new process: from the command to the text, as a user waits for it.
ONE_COMMAND = """
import resource, sys, time
from govor.cli import main
sys.argv = ["govor", "transcribe", {path!r}, "--decoder", {decoder!r}]
try:
    main()
except SystemExit:
    pass
usage = resource.getrusage(resource.RUSAGE_SELF)
peak = next((line for line in open("/proc/self/status") if line.startswith("VmHWM")), "0 0 kB")
print(usage.ru_utime + usage.ru_stime, int(peak.split()[1]) / 1000, file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="print only, write nothing")
    options = parser.parse_args()
    figures = measure()
    text = json.dumps(figures, ensure_ascii=False, indent=1) + "\n"
    print(text, end="")
    if not options.show:
        TARGET.write_text(text, encoding="utf-8")


def measure() -> dict[str, object]:
    recognizer = load_model()
    recordings = [load_audio(ROOT / "examples" / f"{name}.wav", RATE).samples for name in ("male", "female")]
    pause = np.zeros(RATE // 2, np.float32)
    sound = np.concatenate([part for one in recordings * 4 for part in (one, pause)])
    seconds = len(sound) / RATE
    config = recognizer.model.config.features
    narrow = np.tile(load_audio(MALE, config.sample_rate).samples, 10)
    greedy, beam = quickest_in_turn(
        lambda: recognizer.transcribe(sound, "greedy", RATE),
        lambda: recognizer.transcribe(sound, "beam", RATE),
    )
    speeds = {
        "features": len(narrow) / config.sample_rate / quickest(lambda: extract(narrow, config)),
        "greedy": seconds / greedy,
        "beam": seconds / beam,
    }
    phrases = [f"поставь таймер на {word} минут" for word in ("пять", "десять", "сорок")] + [
        f"{verb} свет {place}"
        for verb in ("включи", "выключи", "зажги", "потуши", "убавь", "прибавь")
        for place in ("на кухне", "в спальне", "в ванной", "в гостиной", "в коридоре", "на балконе", "везде")
    ]
    decoder = PhraseDecoder(parse_phrases(phrases), recognizer.model.alphabet)
    command = recordings[0][: 3 * RATE]
    starts = {name: start(name) for name in ("greedy", "beam")}
    language_model = shipped_language_model()
    return {
        "machine": {
            "processor": processor(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "onnxruntime": version("onnxruntime"),
            "numpy": version("numpy"),
        },
        "model_megabytes": (ROOT / "src/govor/models/small.onnx").stat().st_size / 1e6,
        "language_model_megabytes": language_model.stat().st_size / 1e6 if language_model else 0.0,
        "times_faster_than_speech": {name: round(value, 1) for name, value in speeds.items()},
        "phrases": {
            "number": len(phrases),
            "milliseconds": round(1000 * quickest(lambda: recognizer.transcribe(command, decoder, RATE)), 1),
            "speech_seconds": 3,
        },
        "start": {
            name: {"processor_seconds": round(cpu, 2), "peak_megabytes": round(peak)}
            for name, (cpu, peak) in starts.items()
        },
    }


def quickest(work: Callable[[], object]) -> float:
    """Return the processor time of the quickest of several rounds, seconds."""
    return quickest_in_turn(work)[0]


def quickest_in_turn(*works: Callable[[], object]) -> list[float]:
    """Return the processor time of each one's quickest round, seconds.

    They take turns, so that a slower spell of the machine does not hit one of them alone.
    """
    found: list[list[float]] = [[] for _ in works]
    for number in range(ROUNDS + 1):
        for work, times in zip(works, found, strict=True):
            before = time.process_time()
            work()
            # The first round makes all ready.
            if number:
                times.append(time.process_time() - before)
    return [min(times) for times in found]


def start(decoder: str) -> tuple[float, float]:
    """Run ``govor transcribe`` in new processes; return CPU seconds and peak MB of the quickest."""
    code = ONE_COMMAND.format(path=str(MALE), decoder=decoder)
    found = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ,
        )
        cpu, peak = done.stderr.split()[-2:]
        found.append((float(cpu), float(peak)))
    return min(found)


def processor() -> str:
    """Return what the processor calls itself."""
    about = Path("/proc/cpuinfo")
    if about.exists():
        name = re.search(r"^model name\s*:\s*(.+)$", about.read_text(), re.MULTILINE)
        if name:
            return " ".join(name[1].split())
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
