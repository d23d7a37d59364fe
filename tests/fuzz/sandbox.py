"""Run fuzz cases in child processes and tell which of them crash, hang, swell or raise what is wrong."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

HANG_SECONDS = 10.0
"""A case that takes more processor time counts as hung."""
# On a busy machine a case waits for its turn; one that waits so long waits for nothing.
STILL_SECONDS = 120.0
MAX_MEGABYTES = 1000
TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Report:
    """What became of a range of cases."""

    num_cases: int
    faults: tuple[str, ...]
    peak_megabytes: int


def run_cases(target: str, folder: Path, count: int, hang_seconds: float = HANG_SECONDS) -> Report:
    """Run cases 0 to `count` of a target; after a crash or a hang a new process takes the next case."""
    faults: list[str] = []
    done = peak = 0
    while done < count:
        first = done
        process = subprocess.Popen(
            [
                sys.executable,
                "-X",
                "faulthandler",
                "-m",
                "fuzz.child",
                target,
                str(folder),
                str(first),
                str(count),
            ],
            cwd=TESTS,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "GOVOR_LANG": "en", "OMP_NUM_THREADS": "1"},
            text=True,
        )
        assert process.stdout is not None and process.stderr is not None
        lines: queue.Queue[str | None] = queue.Queue()
        errors: list[str] = []
        readers = [
            threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True),
            threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True),
        ]
        for reader in readers:
            reader.start()
        case, hung = -1, False
        began, used = time.monotonic(), 0.0
        try:
            while True:
                try:
                    line = lines.get(timeout=hang_seconds)
                except queue.Empty:
                    still = time.monotonic() - began < STILL_SECONDS
                    if still and (case < 0 or cpu_seconds(process.pid) - used < hang_seconds):
                        continue
                    faults.append(f"{target} {case}: no end after {hang_seconds:g} s")
                    hung = True
                    process.kill()
                    break
                if line is None:
                    break
                kind, value, *rest = line.split(" ", 2)
                began, used = time.monotonic(), cpu_seconds(process.pid)
                if kind == "begin":
                    case = int(value)
                    done = case + 1
                elif kind == "fault":
                    faults.append(f"{target} {value}: {' '.join(rest)}")
                elif kind == "peak":
                    peak = max(peak, int(value))
            code = process.wait(STILL_SECONDS)
        finally:
            process.kill()
            process.wait()
            for reader in readers:
                reader.join()
            process.stdout.close()
            process.stderr.close()
        if code and not hung:
            faults.append(f"{target} {case}: exit code {code}: {''.join(errors)[-1500:]}")
            if done == first:
                break
    return Report(done, tuple(faults), peak)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pump(stream: object, lines: queue.Queue[str | None]) -> None:
    for line in stream:  # type: ignore[attr-defined]
        lines.put(line.rstrip("\n"))
    lines.put(None)
