"""Do all that a new model needs after training, in one command, and write it into the model's file.

    python recipes/finish_model.py NEW.onnx --dev data/dev.jsonl --more synthetic/dev.jsonl -o small.onnx

1. Weights of the beam search with the language model, on dev (as `govor tune`).
2. Confidence of words for both decoders, and thresholds of phrase lists, on dev and ``--more`` (as
   recipes/confidence.py).
3. Offsets of word times, on the recordings of Debian's festvox-ru; left out where that is not installed.

A few minutes of one core. The network itself stays as it is; the test sets are not touched.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from govor.decoding.beam import shipped_language_model
from govor.decoding.word_times import Offsets
from govor.manifest import read_manifest
from govor.onnx.metadata import update_decoding
from govor.recognizer import load_model
from govor.tuning import tune

HERE = Path(__file__).resolve().parent
# Recordings that the offsets are fitted to; as many others show how well they fit.
TIMED_RECORDINGS = 40


@contextmanager
def stage(name: str) -> Iterator[None]:
    print(f"== {name}", flush=True)
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(
        f"   {time.perf_counter() - wall:.0f} s, {time.process_time() - cpu:.0f} s of processor\n", flush=True
    )


def beam_weights(model: Path, dev: Path, language_model: Path | None) -> None:
    tuning = tune(
        list(read_manifest(dev)), load_model(model), language_model, lambda line: print("   " + line)
    )
    for name, trial in (("greedy", tuning.greedy), ("before", tuning.untuned), ("tuned", tuning.tuned)):
        print(f"   {name:6s} WER {trial.wer:.4f} CER {trial.cer:.4f}")
    update_decoding(model, model, tuning.entries(language_model))


def confidence(model: Path, manifests: list[Path], language_model: Path | None) -> None:
    sys.path.insert(0, str(HERE))
    from confidence import calibrate

    update_decoding(model, model, calibrate(load_model(model), manifests, language_model=language_model))


def times(model: Path) -> None:
    sys.path.insert(0, str(HERE.parent / "benchmarks"))
    from word_times import VOICE, fitted_offsets, measured, moved, show

    if not VOICE.is_dir():
        print("   no festvox-ru: the offsets stay as they are (apt install festival festvox-ru)")
        return
    pairs, _, _ = measured(load_model(model), 2 * TIMED_RECORDINGS, Offsets(0.0, 0.0), recognize=False)
    offsets = fitted_offsets(pairs[::2])
    print(f"   lead {offsets.lead:.3f} s, tail {offsets.tail:.3f} s")
    show("   on the other recordings", moved([*chain.from_iterable(pairs[1::2])], offsets))
    update_decoding(model, model, {"times": {"lead": offsets.lead, "tail": offsets.tail}})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--dev", type=Path, required=True, help="utterances held out, with features")
    parser.add_argument(
        "--more", type=Path, nargs="*", default=[], help="more utterances for confidence and phrases"
    )
    parser.add_argument("--lm", type=Path, help="language model; the shipped one if absent")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    # Worked on beside the result, so that a failure half-way leaves no half-finished model.
    work = arguments.output.with_name(arguments.output.name + ".unfinished")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    work.write_bytes(arguments.model.read_bytes())
    with stage("beam search: weights"):
        beam_weights(work, arguments.dev, arguments.lm or shipped_language_model())
    with stage("confidence of words, thresholds of phrases"):
        confidence(work, [arguments.dev, *arguments.more], arguments.lm)
    with stage("word times: offsets"):
        times(work)
    work.replace(arguments.output)
    print(f"{arguments.output}: done")


if __name__ == "__main__":
    main()
