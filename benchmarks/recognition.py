"""Speed, start-up, memory and growth of recognition, one process and one thread, beside their bars.

    python benchmarks/recognition.py [--model M] [--minutes 1 10 60 180] [--recordings DIR…]
                                     [--whisper-python PYTHON] [--whisper-model base|DIR]

The sound is real recordings joined with pauses: those of DIR, else festvox-ru, else examples/. Each row runs
in a process of its own. Speed is judged by processor time, which wall time equals on an idle machine; both
are shown. faster-whisper (int8, beam 5, as it comes) gets the first minute, if its package and
model are there. Exit code 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

from keeping import keep

RATE = 16000
PAUSE_SECONDS = 0.6
STARTS = 5
ROOT = Path(__file__).resolve().parents[1]
FESTVOX = Path("/usr/share/festival/voices/russian")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def peak_megabytes() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        # Counts from the start of this program; ru_maxrss is never below what its parent had.
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def recognise(job: dict[str, str]) -> dict[str, float]:
    """Recognise one file in this process and measure it; the model is loaded before."""
    if job["who"] == "govor":
        from govor import load_model

        recognizer = load_model(job["model"] or None)
        recognizer.decoder(job["decoder"])

        def work(file: str) -> str:
            return recognizer.transcribe(file, job["decoder"]).text
    else:
        from faster_whisper import WhisperModel  # type: ignore[import-not-found]

        whisper = WhisperModel(job["model"], compute_type="int8", cpu_threads=1, local_files_only=True)

        def work(file: str) -> str:
            return " ".join(part.text for part in whisper.transcribe(file, language="ru")[0])

    # The first one also imports libraries, which start to first text counts.
    work(job["short"])
    wall, cpu = time.perf_counter(), time.process_time()
    text = work(job["file"])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"wall": wall, "cpu": cpu, "peak": peak_megabytes(), "words": len(text.split())}


def measure(python: str, **job: str) -> dict[str, float] | str:
    """Run a job in a process of its own; what it measured, or the last line of what went wrong."""
    done = subprocess.run(
        [python, __file__, "--job", json.dumps(job)],
        capture_output=True,
        text=True,
        env={**os.environ, **ONE_THREAD},
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:150]
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def start_seconds(decoder: str, model: str, recording: Path) -> tuple[float, float]:
    """Median wall and processor time from the start of ``govor transcribe`` to its first text."""
    command = [sys.executable, "-m", "govor", "transcribe", str(recording), "--decoder", decoder]
    command += ["--model", model] if model else []
    times = []
    used = []
    for _ in range(STARTS + 1):
        before = children_seconds()
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        times.append(time.perf_counter() - started)
        process.communicate()
        # What it takes to end is in it, too: some hundredths of a second.
        used.append(children_seconds() - before)
        if process.returncode or not line.strip():
            raise SystemExit(f"no text from: {' '.join(command)}")
    # The first one reads the files from the disk.
    return statistics.median(times[1:]), statistics.median(used[1:])


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def recordings(folders: list[Path]) -> list[Path]:
    for place in [*folders] if folders else [FESTVOX, ROOT / "examples"]:
        found = sorted(place.rglob("*.wav"))
        if found:
            return found
    raise SystemExit("no recordings (*.wav) found; name a folder: --recordings DIR")


def joined(sources: list[Path], samples: int) -> Iterator[bytes]:
    """Yield 16-bit sound of that many samples: the recordings one after the other, again and again."""
    from govor.audio.loading import load_audio

    left = samples
    kept: dict[Path, bytes] = {}
    while left:
        for source in sources:
            if source not in kept:
                waveform = load_audio(source, RATE).samples
                kept[source] = (waveform * 32767).clip(-32768, 32767).astype("<i2").tobytes()
                kept[source] += bytes(2 * round(PAUSE_SECONDS * RATE))
            piece = kept[source][: 2 * left]
            left -= len(piece) // 2
            yield piece
            if not left:
                return


def write_wav(path: Path, sources: list[Path], seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for piece in joined(sources, round(seconds * RATE)):
            file.writeframesraw(piece)


def exponent(lengths: list[float], times: list[float]) -> float:
    """Slope of log time over log length, by least squares."""
    x, y = [math.log(value) for value in lengths], [math.log(value) for value in times]
    middle = statistics.fmean(x)
    return sum((a - middle) * b for a, b in zip(x, y, strict=True)) / sum((a - middle) ** 2 for a in x)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60, 180])
    parser.add_argument("--recordings", type=Path, nargs="*", default=[])
    parser.add_argument("--whisper-python", default=sys.executable, help="python with faster-whisper")
    parser.add_argument("--whisper-model", default="base", help="its name in the local cache, or its folder")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    minutes = sorted(arguments.minutes)
    sources = recordings(arguments.recordings)
    print(
        f"{len(sources)} recordings, from {sources[0].parent}; load of the machine {os.getloadavg()[0]:.1f}"
    )
    missed: list[str] = []
    starts: dict[str, float] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "short.wav"
        write_wav(short, sources, 4)
        print("\n| | sound, min | times real time | wall, s | processor, s | peak memory, MB | words |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        found: dict[str, list[dict[str, float]]] = {"greedy": [], "beam": []}
        common = {"short": str(short)}
        for length in minutes:
            path = Path(folder) / f"{length:g}.wav"
            write_wav(path, sources, 60 * length)
            for decoder, name in (("greedy", "govor, acoustic only"), ("beam", "govor, language model")):
                row = measure(
                    sys.executable,
                    who="govor",
                    decoder=decoder,
                    file=str(path),
                    model=arguments.model,
                    **common,
                )
                if isinstance(row, str):
                    raise SystemExit(row)
                found[decoder].append(row)
                show(name, length, row)
            if length == minutes[0]:
                row = measure(
                    arguments.whisper_python,
                    who="whisper",
                    file=str(path),
                    model=arguments.whisper_model,
                    **common,
                )
                if isinstance(row, str):
                    print(f"| faster-whisper base, int8 | | not measured: {row} | | | | |")
                else:
                    show("faster-whisper base, int8", length, row)
            path.unlink()
        print("\n| | measured | bar | |\n|---|---:|---:|---|")
        for decoder, name, speed, memory in (
            ("greedy", "acoustic only", 100, 200),
            ("beam", "with language model", 40, 260),
        ):
            rows = found[decoder]
            # The shortest recording's time is mostly noise of a fraction of a second.
            times = [60 * length / row["cpu"] for length, row in zip(minutes, rows, strict=True)]
            judge(f"{name}: times real time", statistics.median(times), speed, math.inf, missed)
            judge(f"{name}: peak memory, MB", max(row["peak"] for row in rows), 0, memory, missed)
            wall, cpu = start_seconds(decoder, arguments.model, short)
            starts[decoder] = cpu
            judge(f"{name}: start to first text, s (wall {wall:.2f})", cpu, 0, 0.8, missed)
            if len(minutes) > 1:
                growth = exponent(minutes, [row["cpu"] for row in rows])
                judge(
                    f"{name}: growth exponent, {minutes[0]:g} to {minutes[-1]:g} min",
                    growth,
                    0.95,
                    1.05,
                    missed,
                )
    kept = {
        name: [{"minutes": length} | row for length, row in zip(minutes, rows, strict=True)]
        for name, rows in found.items()
    }
    keep(arguments.json, kept | {"start_seconds": starts, "load_average": load})
    if missed:
        print("\nmissed: " + "; ".join(missed))
    return 1 if missed else 0


def show(name: str, minutes: float, row: dict[str, float]) -> None:
    print(
        f"| {name} | {minutes:g} | {60 * minutes / row['cpu']:.1f} | {row['wall']:.1f} "
        f"| {row['cpu']:.1f} | {row['peak']:.0f} | {row['words']:.0f} |",
        flush=True,
    )


def judge(what: str, value: float, low: float, high: float, missed: list[str]) -> None:
    fine = low <= value <= high
    bar = f"≥ {low:g}" if high == math.inf else f"≤ {high:g}" if low == 0 else f"{low:g} to {high:g}"
    print(f"| {what} | {value:.3g} | {bar} | {'' if fine else 'missed'} |", flush=True)
    if not fine:
        missed.append(what)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        print(json.dumps(recognise(json.loads(sys.argv[2]))))
    else:
        sys.exit(main())
