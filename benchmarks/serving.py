"""Load on ``govor serve``: live streams that speak all the time, and uploads beside them.

Each stream comes from an address of its own (127.1.x.y) and plays recordings as fast as speech, with 1.5 s
between them. Every utterance played must be covered by a final, every upload answered with the text that it
gets alone. Latency of a partial: from sending the sound that it covers to its arrival. Exits with 1 if
anything was lost.

    python benchmarks/serving.py --minutes 10
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
import wave
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000
CHUNK_SECONDS = 0.1
PAUSE_SECONDS = 1.5


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
                        place = min(int(row["end"] / CHUNK_SECONDS), len(sent_at) - 1)
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
                    await socket.send(sound[first : first + step])
                    sent_at.append(time.monotonic())
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


def quantiles(name: str, values: list[float]) -> None:
    ordered = sorted(values) or [float("nan")]
    p50, p95 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
    print(f"{name:28} n {len(values):7}   p50 {p50:7.3f} s   p95 {p95:7.3f} s   max {ordered[-1]:7.3f} s")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    command = [
        "serve",
        "--port",
        "0",
        "--workers",
        str(arguments.workers),
        "--max-streams",
        str(arguments.streams),
    ]
    # Its log would fill the pipe; only the first line is wanted.
    log = (Path(os.environ.get("TMPDIR", "/tmp")) / f"govor-serving-{os.getpid()}.log").open(
        "w+", encoding="utf-8"
    )
    process = subprocess.Popen([sys.executable, "-m", "govor", *command], stderr=log)
    try:
        http = ""
        while not http:
            time.sleep(0.1)
            line = Path(log.name).read_text(encoding="utf-8").partition("\n")
            if line[1]:
                http = json.loads(line[0])["http"]
        figures = asyncio.run(load(arguments, http, process.pid))
        stat = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        used = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        metrics = httpx.get(f"{http}/metrics").text
    finally:
        process.terminate()
        code = process.wait(60)
        log.close()
        Path(log.name).unlink()
    print(
        f"{arguments.streams} streams, {arguments.uploads} uploads, "
        f"{arguments.minutes:g} min, {arguments.workers} workers"
    )
    quantiles("partial after its sound", figures.partials)
    quantiles("final after its last word", figures.finals)
    quantiles("upload", figures.uploads)
    print(
        f"utterances {figures.utterances}, without a final {figures.lost}; "
        f"errors {sum(figures.errors.values())}"
    )
    for error, number in figures.errors.most_common(5):
        print(f"  {number} × {error}")
    print(
        f"processor {used / 60 / arguments.minutes:.2f} cores; load of the machine {os.getloadavg()[0]:.1f}"
    )
    quarter = max(1, len(figures.memory) // 4)
    early = sum(figures.memory[quarter : 2 * quarter]) / quarter
    late = sum(figures.memory[-quarter:]) / quarter
    print(
        f"memory {early:.0f} MB in the second quarter, {late:.0f} MB in the last, "
        f"most {max(figures.memory):.0f} MB"
    )
    skipped = [line for line in metrics.splitlines() if line.startswith("govor_steps_without_partials_total")]
    print(skipped[0] if skipped else "")
    return 1 if figures.lost or figures.errors or code not in (0, -15) else 0


if __name__ == "__main__":
    sys.exit(main())
