"""Load on ``govor serve``: live streams that speak all the time, and uploads beside them.

Each stream comes from an address of its own (127.1.x.y) and plays recordings as fast as speech, with 1.5 s
between them. Every utterance played must be covered by a final, every upload answered with the text that it
gets alone. Latency of a partial: from when the last sound that it covers was due to be sent, to its arrival.
Exits with 1 if anything was lost or, in five minutes and more, the memory grew. Everything stays on this
machine, and ends a few minutes after its time at the latest.

    python benchmarks/serving.py --minutes 10
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

from keeping import keep

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000
CHUNK_SECONDS = 0.1
PAUSE_SECONDS = 1.5
START_SECONDS = 60
STOP_SECONDS = 60
# For what is still to be recognised when the speakers have stopped.
OVERTIME_SECONDS = 400
FLAT = 1.1
FLAT_AFTER_SECONDS = 290


@dataclass
class Figures:
    partials: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)
    utterances: int = 0
    lost: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)


def recordings() -> list[bytes]:
    found = []
    for path in [ROOT / "examples" / "male.wav", ROOT / "examples" / "female.wav"]:
        with wave.open(str(path), "rb") as file:
            assert file.getframerate() == RATE and file.getnchannels() == 1
            found.append(file.readframes(file.getnframes()))
    return found


def chunk_of(end: float) -> int:
    """The number of the chunk that ends at `end` seconds, or holds it; a millisecond is rounding."""
    return max(0, math.ceil((end - 0.001) / CHUNK_SECONDS) - 1)


async def stream(number: int, url: str, sounds: list[bytes], until: float, figures: Figures) -> None:
    """One speaker: says recording after recording until the time is over."""
    order = random.Random(number)
    await asyncio.sleep(order.uniform(0, 3))
    sent_at: list[float] = []
    spoken: list[tuple[float, float]] = []
    heard: list[tuple[float, float]] = []
    address = (f"127.1.{number // 250}.{number % 250 + 1}", 0)
    try:
        async with connect(url, local_addr=address, open_timeout=120, ping_interval=None) as socket:

            async def listen() -> None:
                while True:
                    try:
                        row = json.loads(await socket.recv())
                    except ConnectionClosedOK:
                        return
                    now = time.monotonic()
                    if row["type"] in ("partial", "final") and row["text"]:
                        place = min(chunk_of(row["end"]), len(sent_at) - 1)
                        kind = figures.partials if row["type"] == "partial" else figures.finals
                        kind.append(now - sent_at[place])
                    if row["type"] == "final":
                        heard.append((row["start"], row["end"]))
                    elif row["type"] == "error":
                        figures.errors[row["code"]] += 1

            listening = asyncio.ensure_future(listen())
            step = round(CHUNK_SECONDS * RATE) * 2
            due = time.monotonic()
            seconds = 0.0
            while time.monotonic() < until:
                sound = order.choice(sounds)
                spoken.append((seconds, seconds + len(sound) / 2 / RATE))
                sound += bytes(round(PAUSE_SECONDS * RATE) * 2)
                for first in range(0, len(sound) // step * step, step):
                    # When it was due, so that a server that takes sound late is not measured from then.
                    sent_at.append(due)
                    await socket.send(sound[first : first + step])
                    seconds += CHUNK_SECONDS
                    due += CHUNK_SECONDS
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
            await socket.send('{"type": "end"}')
            await asyncio.wait_for(listening, 300)
    except Exception as error:
        figures.errors[f"stream: {type(error).__name__}: {error}"] += 1
    figures.utterances += len(spoken)
    figures.lost += sum(
        not any(start < last and end > first for start, end in heard) for first, last in spoken
    )


async def upload(number: int, url: str, wav: bytes, expected: str, at: float, figures: Figures) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))
    address = f"127.2.0.{number % 20 + 1}"
    started = time.monotonic()
    try:
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(transport=transport, timeout=600) as client:
            answer = await client.post(url, files={"file": wav})
        if answer.status_code != 200 or answer.json()["text"] != expected:
            figures.errors[f"upload: {answer.status_code} {answer.text[:80]}"] += 1
        figures.uploads.append(time.monotonic() - started)
    except Exception as error:
        figures.errors[f"upload: {type(error).__name__}: {error}"] += 1


async def watch(pid: int, figures: Figures) -> None:
    while True:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        figures.memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        await asyncio.sleep(1)


async def load(arguments: argparse.Namespace, http: str, pid: int) -> Figures:
    figures = Figures()
    url = f"{http}/v1/audio/transcriptions"
    sounds = recordings()
    wavs = [(ROOT / "examples" / name).read_bytes() for name in ("male.wav", "female.wav")]
    async with httpx.AsyncClient(timeout=120) as client:
        texts = [(await client.post(url, files={"file": wav})).json()["text"] for wav in wavs]
    watching = asyncio.ensure_future(watch(pid, figures))
    now = time.monotonic()
    until = now + 60 * arguments.minutes
    tasks = [
        stream(number, http.replace("http", "ws", 1) + "/v1/stream", sounds, until, figures)
        for number in range(arguments.streams)
    ]
    for number in range(arguments.uploads):
        at = now + 60 * arguments.minutes * number / arguments.uploads
        tasks.append(upload(number, url, wavs[number % 2], texts[number % 2], at, figures))
    await asyncio.gather(*tasks)
    watching.cancel()
    return figures


def p50_and_p95(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values) or [float("nan")]
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]


def quantiles(name: str, values: list[float]) -> None:
    p50, p95 = p50_and_p95(values)
    most = max(values, default=float("nan"))
    print(f"{name:28} n {len(values):7}   p50 {p50:7.3f} s   p95 {p95:7.3f} s   max {most:7.3f} s")


def memory_of_quarters(figures: Figures) -> tuple[float, float]:
    """MB in the second quarter of the time, and in the last."""
    quarter = max(1, len(figures.memory) // 4)
    return sum(figures.memory[quarter : 2 * quarter]) / quarter, sum(figures.memory[-quarter:]) / quarter


@contextlib.contextmanager
def running_server(workers: int, streams: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server on this machine alone; it is stopped whatever happens."""
    options = ["--port", "0", "--workers", str(workers), "--max-streams", str(streams)]
    with tempfile.TemporaryDirectory() as folder:
        # Its log would fill a pipe; only the line that says where it listens is wanted.
        path = Path(folder) / "log"
        with path.open("wb") as log:
            command = [sys.executable, "-m", "govor", "serve", *options, "--voice", f"{folder}/voice"]
            process = subprocess.Popen(command, stderr=log)
        try:
            yield wait_until_ready(process, path), process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if row["event"] == "ready":
                    return str(row["http"])
        time.sleep(0.1)
    raise SystemExit(f"the server does not start:\n{log.read_text(encoding='utf-8')}")


def used_seconds(pid: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(figures: Figures, memory: tuple[float, float]) -> bool:
    """Print the figures; tell whether nothing was lost and the memory stayed flat."""
    quantiles("partial after its sound", figures.partials)
    quantiles("final after its last word", figures.finals)
    quantiles("upload", figures.uploads)
    print(
        f"utterances {figures.utterances}, without a final {figures.lost}; "
        f"errors {sum(figures.errors.values())}"
    )
    for error, number in figures.errors.most_common(5):
        print(f"  {number} × {error}")
    early, late = memory
    # In less time, threads and arenas are still being made.
    judged = len(figures.memory) > FLAT_AFTER_SECONDS
    is_flat = late <= FLAT * early
    verdict = ("flat" if is_flat else "not flat") if judged else "too short to judge"
    print(
        f"memory {early:.0f} MB in the second quarter, {late:.0f} MB in the last, "
        f"most {max(figures.memory):.0f} MB: {verdict}"
    )
    return not figures.lost and not figures.errors and (is_flat or not judged)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with running_server(arguments.workers, arguments.streams) as (http, process):
        limit = 60 * arguments.minutes + OVERTIME_SECONDS
        figures = asyncio.run(asyncio.wait_for(load(arguments, http, process.pid), limit))
        used = used_seconds(process.pid)
        metrics = httpx.get(f"{http}/metrics").text
    print(
        f"{arguments.streams} streams, {arguments.uploads} uploads, "
        f"{arguments.minutes:g} min, {arguments.workers} workers"
    )
    memory = memory_of_quarters(figures)
    is_fine = report(figures, memory)
    print(
        f"processor {used / 60 / arguments.minutes:.2f} cores; load of the machine {os.getloadavg()[0]:.1f}"
    )
    print(
        next(line for line in metrics.splitlines() if line.startswith("govor_steps_without_partials_total"))
    )
    keep(
        arguments.json,
        {
            **{name: getattr(arguments, name) for name in ("streams", "uploads", "minutes", "workers")},
            "errors": sum(figures.errors.values()),
            "lost": figures.lost,
            "utterances": figures.utterances,
            "partial_seconds": p50_and_p95(figures.partials),
            "final_seconds": p50_and_p95(figures.finals),
            "upload_seconds": p50_and_p95(figures.uploads),
            "memory_megabytes": [round(part) for part in memory],
            "cores": round(used / 60 / arguments.minutes, 2),
            "load_average": round(os.getloadavg()[0], 1),
        },
    )
    return 0 if is_fine and process.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
