"""Peak memory of downloading, preparing and auditing corpora of two sizes: it must not grow with the size.

    python benchmarks/corpus_memory.py [--utterances 50000] [--skip-download]

Makes corpora of short tones in VoxForge's layout in a temporary folder, serves them from this process, and
runs each step in a process of its own, whose peak resident memory it prints.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from apache_index import ApacheIndex  # noqa: E402
from voxforge_fixture import submission, tgz, wav_bytes, write  # noqa: E402

PER_SUBMISSION = 100
LETTERS = "абвгдежзиклмнопрстуф"


def submissions(count: int):
    audio = wav_bytes(0.25, 8000)
    for number in range(count // PER_SUBMISSION):
        name = f"user{number:05}-20100101-abc"
        word = "".join(LETTERS[int(digit)] for digit in str(number))
        texts = {f"ru_{i:04}": f"{LETTERS[i % 20]}{LETTERS[i // 20]} {word}" for i in range(PER_SUBMISSION)}
        yield name, submission(name, texts, audio=audio)


def measure_peak(code: str, *arguments: str) -> tuple[float, float]:
    """Run Python code in a process; return its peak memory in MB and its seconds."""
    tail = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code + tail, *arguments]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    # Kilobytes on Linux, bytes on macOS.
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return int(output.split()[-1]) / unit, time.perf_counter() - start


DOWNLOAD = """
import sys; from pathlib import Path
from govor.corpora.download import download_voxforge, mirror_source
assert not download_voxforge(Path(sys.argv[1]), [mirror_source(sys.argv[2])]).failed
"""
PREPARE = """
import sys; from pathlib import Path
from govor.corpora.voxforge import prepare_voxforge
assert prepare_voxforge(Path(sys.argv[1]), Path(sys.argv[2])).num_utterances == int(sys.argv[3])
"""
AUDIT = """
import sys; from pathlib import Path
from govor.corpora.audit import audit_corpus; from govor.corpora.audit_page import render_page
from govor.manifest import read_manifest
found = audit_corpus(read_manifest(Path(sys.argv[1]) / "manifest.jsonl"))
assert found.num_utterances == int(sys.argv[2]); render_page(found, "")
"""


def measure(count: int, folder: Path, with_download: bool) -> dict[str, tuple[float, float]]:
    corpus, out = folder / "corpus", folder / "out"
    found = {}
    if with_download:
        archives = {f"{name}.tgz": tgz(files, name) for name, files in submissions(count)}
        with ApacheIndex(archives) as server:
            found["download"] = measure_peak(DOWNLOAD, str(corpus), server.url)
    else:
        for name, files in submissions(count):
            write(corpus / name, files)
    found["prepare"] = measure_peak(PREPARE, str(corpus), str(out), str(count))
    found["audit"] = measure_peak(AUDIT, str(out), str(count))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=50_000)
    parser.add_argument("--skip-download", action="store_true")
    options = parser.parse_args()
    sizes = (options.utterances // 10, options.utterances)
    found = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found[size] = measure(size, Path(folder), not options.skip_download)
    print(f"{'step':10}" + "".join(f"{size:>12} utt." for size in sizes) + "     growth")
    for step in found[sizes[0]]:
        small, large = (found[size][step] for size in sizes)
        cells = "".join(f"{peak:8.1f} MB {seconds:3.0f} s" for peak, seconds in (small, large))
        print(f"{step:10}{cells} {large[0] - small[0]:+7.1f} MB")


if __name__ == "__main__":
    main()
