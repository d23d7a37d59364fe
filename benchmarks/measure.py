"""Run the benchmarks whose figures stand in the documentation, then put them there: ``make bench``.

    python benchmarks/measure.py [--data data/voxforge] [--only listening serving …]

An idle machine, half an hour. Needs Debian's festival and festvox-ru; what needs a manifest of VoxForge or
other recordings is left out, and says so, where they are not. Each writes benchmarks/measured/NAME.json; the
tables are made of them by docs/tables.py. Each file also says which models it is of, so that a page can say
that its figures are of the model before. Rows of pyctcdecode need a Python that has it, ``--peer``; rows of
people's short phrases their manifests, ``--people``; rows of speech without a command, beside festvox-ru's,
``--others``. The first of either also makes a row of other runtimes. The errors with a language model that
has seen no transcript need ``--honest``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from govor.decoding.beam import shipped_language_model
from keeping import keep, shipped_digests

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MEASURED = HERE / "measured"
RELIABILITY = ROOT / "docs" / "images" / "reliability.svg"
# Of the network alone; the others have the language model in them too.
WITHOUT_LANGUAGE_MODEL = (
    "foreign",
    "foreign-noise",
    "foreign-elsewhere",
    "foreign-sentences",
    "foreign-short",
    "phrases",
)
FESTVOX = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits/wav")


def commands(
    data: Path,
    elsewhere: Path,
    people: list[Path],
    others: list[Path],
    peer: str,
    honest: list[Path],
    music: Path | None,
) -> dict[str, tuple[list[str], list[Path]]]:
    """Return, for each file of figures, the script with its options, and the files that it needs."""
    dev = data / "dev.jsonl"
    beside = ["--peer", peer] if peer else []
    sentences = others[0] if others else elsewhere.with_name("others.jsonl")
    short = people[0] if people else elsewhere.with_name("people.jsonl")
    # Without any, --whole takes the one that ships.
    models = [str(path) for path in (shipped_language_model(), *honest) if path is not None]
    return {
        "confidence": (["confidence.py", str(dev), "--output", str(RELIABILITY)], [dev]),
        "listening": (["listening.py", "--number", "40"], []),
        "listening-noise": (["listening.py", "--number", "20", "--snr", "12"], []),
        "word-times": (["word_times.py", "--count", "80"], []),
        "foreign": (["foreign.py"], []),
        "foreign-noise": (["foreign.py", "--every", "16", "--snr", "10"], []),
        "foreign-elsewhere": (["foreign.py", "--manifest", str(elsewhere), "--every", "1"], [elsewhere]),
        "foreign-sentences": (["foreign.py", "--manifest", str(sentences), "--every", "9"], [sentences]),
        "foreign-short": (["foreign.py", "--manifest", str(short), "--every", "12"], [short]),
        "hotwords": (["hotwords.py", "--manifest", str(dev)], [dev]),
        "decoding": (
            ["decoding.py", "--manifest", str(dev), "--every", "8", "--whole", *models, *beside],
            [dev, *honest],
        ),
        "phrases": (
            [
                *("phrases.py", "--manifest", str(dev), "--commands", "--speed"),
                *("--people", *map(str, people)),
                *("--others", *map(str, [*others, FESTVOX])),
            ],
            [dev, *people, *others],
        ),
        "speed": (["speed.py"], []),
        "recognition": (["recognition.py", "--minutes", "1", "60", "180"], []),
        "sound-quality": (["sound_quality.py", *(["--music", str(music)] if music else [])], []),
        "serving": (["serving.py", "--minutes", "10"], []),
    }


def main() -> int:
    """Measure one after another; a failure of one is told of at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "voxforge", help="has dev.jsonl")
    parser.add_argument("--elsewhere", type=Path, default=ROOT / "data" / "elsewhere.jsonl")
    parser.add_argument("--people", type=Path, nargs="*", default=[], help="manifests of short phrases")
    parser.add_argument(
        "--others", type=Path, nargs="*", default=[], help="manifests of recordings with no command"
    )
    parser.add_argument("--peer", default="", help="python with pyctcdecode and kenlm")
    parser.add_argument("--honest", type=Path, nargs="*", default=[], help="models that saw no transcript")
    parser.add_argument("--music", type=Path, help="a folder of .ogg, for the warning of noise")
    parser.add_argument("--measured", type=Path, help="put the figures here and leave the pages alone")
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    given = (arguments.people, arguments.others, arguments.peer, arguments.honest, arguments.music)
    known = commands(arguments.data, arguments.elsewhere, *given)
    if unknown := set(arguments.only) - set(known):
        parser.error(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    failed = []
    for name in arguments.only or known:
        script, needed = known[name]
        if missing := [path for path in needed if not path.exists()]:
            print(f"== {name}: left out, there is no {missing[0]}", flush=True)
            continue
        print(f"== {name}", flush=True)
        path = HERE / "speed.json" if name == "speed" else (arguments.measured or MEASURED) / f"{name}.json"
        target = [] if name == "speed" else ["--json", str(path)]
        before = path.read_bytes() if path.exists() else b""
        done = subprocess.run([sys.executable, str(HERE / script[0]), *script[1:], *target], check=False)
        if done.returncode:
            failed.append(name)
        # A bar that is missed fails, too, and its figures are new all the same.
        if path.exists() and path.read_bytes() != before:
            models = ["small.onnx"] if name in WITHOUT_LANGUAGE_MODEL else ["small.onnx", "ru.klm"]
            keep(path, json.loads(path.read_text("utf-8")) | {"models": shipped_digests(*models)})
    if arguments.measured is None:
        subprocess.run([sys.executable, str(ROOT / "docs" / "tables.py")], check=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
