"""Speed, memory and accuracy of the decoders on one set of log-probabilities.

    python benchmarks/decoding.py --manifest dev.jsonl [--model M] [--lm ru.klm] [--every 5] [--peer PYTHON]

The real-time factor counts the processor's time in user mode and the decoder alone, the best of five
passes; the network's is printed first. Loading is the processor's time too. Each row runs in a process of its
own, so that its peak memory is its own. ``--peer`` names an interpreter with kenlm, pygtrie, hypothesis and
pyctcdecode (``--no-deps``, as it asks for numpy<2); it gets the same log-probabilities, model file,
vocabulary and weights. ``portable`` is our own search in Python, without ctc-beam-decoder. ``--whole`` also
gives the errors on all of the manifest, tuned, greedy and with each language model named. ``--json FILE``:
the figures also go there; docs/tables.py makes a table of them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WIDTHS = (8, 32, 128)
PASSES = 5


def peak_megabytes() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        # Counts from the start of this program; ru_maxrss is never below what its parent had.
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def user_seconds() -> float:
    # To the microsecond; os.times() counts hundredths of a second.
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def run(job: dict[str, object]) -> None:
    """Decode a prepared set in this process and print the result as JSON."""
    import numpy as np

    with np.load(str(job["set"])) as archive:
        log_probs = [archive[str(i)] for i in range(len(archive.files))]
    before = peak_megabytes()
    started = time.process_time()
    makers = {
        "greedy": make_greedy,
        "govor": make_govor,
        "portable": make_portable,
        "pyctcdecode": make_pyctcdecode,
    }
    decode = makers[str(job["name"])](job)
    loaded = time.process_time() - started
    # The processor's time, which another program on the same core lengthens less than the clock's.
    seconds = float("inf")
    for _ in range(PASSES):
        started = user_seconds()
        texts = [decode(one) for one in log_probs]
        seconds = min(seconds, user_seconds() - started)
    print(
        json.dumps(
            {"texts": texts, "seconds": seconds, "load": loaded, "before": before, "peak": peak_megabytes()}
        )
    )


def make_greedy(_: dict[str, object]):  # type: ignore[no-untyped-def]
    from govor.decoding.greedy import greedy
    from govor.text.alphabet import Alphabet

    alphabet = Alphabet()
    return lambda log_probs: greedy(log_probs, alphabet).text


def make_govor(job: dict[str, object]):  # type: ignore[no-untyped-def]
    import numpy as np

    from govor.decoding.beam import BeamDecoder, BeamSettings
    from govor.text.alphabet import Alphabet

    lm = Path(str(job["lm"])) if job["lm"] else None
    decode = BeamDecoder(Alphabet(), lm, BeamSettings(**job["weights"])).text  # type: ignore[arg-type]
    # The shipped model loads beside the caller; the first decoding waits for it.
    decode(np.full((1, len(Alphabet())), -3.5, np.float32))
    return decode


def make_portable(job: dict[str, object]):  # type: ignore[no-untyped-def]
    # As on a machine that ctc-beam-decoder has no wheel for.
    sys.modules["ctc_beam_decoder"] = None  # type: ignore[assignment]
    return make_govor(job)


def make_pyctcdecode(job: dict[str, object]):  # type: ignore[no-untyped-def]
    from pyctcdecode import build_ctcdecoder

    weights = dict(job["weights"])  # type: ignore[call-overload]
    options = {}
    if job["lm"]:
        options = {
            "kenlm_model_path": job["lm"],
            "unigrams": Path(str(job["words"])).read_text(encoding="utf-8").split(),
            "alpha": weights["alpha"],
            "beta": weights["beta"],
            "unk_score_offset": weights["unknown"],
        }
    decoder = build_ctcdecoder(["", *str(job["letters"])], **options)
    width = weights["beam_width"]
    return lambda log_probs: " ".join(decoder.decode(log_probs, beam_width=width).split())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--lm", type=Path)
    parser.add_argument("--every", type=int, default=5, help="take every n-th utterance")
    parser.add_argument("--peer", help="python with pyctcdecode and kenlm")
    parser.add_argument("--whole", type=Path, nargs="*", metavar="LM", help="language models; ru.klm if none")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()

    import numpy as np

    from govor.decoding.beam import shipped_language_model
    from govor.features import load_features
    from govor.language_model import read_vocabulary
    from govor.manifest import read_manifest
    from govor.metrics import score
    from govor.recognizer import load_model
    from govor.text.alphabet import normalize
    from keeping import keep

    recognizer = load_model(arguments.model)
    lm = arguments.lm or shipped_language_model()
    everything = [row for row in read_manifest(arguments.manifest) if row.features]
    utterances = everything[:: arguments.every]
    settings = recognizer.beam_decoder(lm).settings
    seconds = sum(row.duration for row in utterances)
    print(f"{len(utterances)} utterances, {seconds / 60:.1f} min, LM {lm}, {settings}")
    figures: dict[str, object] = {"utterances": len(utterances), "minutes": seconds / 60}
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        words, archive = Path(folder) / "words.txt", Path(folder) / "set.npz"
        words.write_text("\n".join(read_vocabulary(lm)) if lm else "", encoding="utf-8")
        started = user_seconds()
        arrays = {
            str(i): recognizer.model.for_search().log_probs([load_features(row.features)])[0]
            for i, row in enumerate(utterances)
            if row.features
        }
        for values in arrays.values():
            # Weakened for all of them: the peer has no such weight.
            values[:, 0] -= settings.blank
        figures["network_rtf"] = (user_seconds() - started) / seconds
        print(f"network: real-time factor {figures['network_rtf']:.5f}")
        np.savez(archive, **arrays)
        print("| decoder | LM | beam | real-time factor | load, s | peak RSS, MB | WER | CER |")
        print("|---|---|---:|---:|---:|---:|---:|---:|")
        texts: dict[tuple[str, object, int], list[str]] = {}
        jobs: list[tuple[str, Path | None, int]] = [("greedy", None, 1)]
        for name in ("govor", "portable", "pyctcdecode") if arguments.peer else ("govor", "portable"):
            jobs += [(name, model, width) for model in (None, lm) for width in WIDTHS]
        for name, model, width in jobs:
            weights = {"beam_width": width, "alpha": settings.alpha, "beta": settings.beta}
            weights["unknown"] = settings.unknown
            job = {
                "name": name,
                "set": str(archive),
                "lm": str(model) if model else None,
                "words": str(words),
            }
            job |= {"weights": weights, "letters": "".join(recognizer.model.alphabet.symbols[1:])}
            program = arguments.peer if name == "pyctcdecode" else sys.executable
            done = subprocess.run(
                [program, __file__, "--job", json.dumps(job)], capture_output=True, text=True, check=True
            )
            found = json.loads(done.stdout.strip().splitlines()[-1])
            texts[name, model, width] = found["texts"]
            scores = score([normalize(row.text) for row in utterances], found["texts"])
            row = {"rtf": found["seconds"] / seconds, "load": found["load"], "peak": found["peak"]}
            row |= {"wer": scores.words.rate, "cer": scores.characters.rate}
            rows.append({"name": name, "lm": model is not None, "beam": width, **row})
            print(
                f"| {name} | {'yes' if model else 'no'} | {width} | {found['seconds'] / seconds:.5f} "
                f"| {found['load']:.2f} | {found['peak']:.0f} | {scores.words.rate:.4f} "
                f"| {scores.characters.rate:.4f} |",
                flush=True,
            )
        for name, model, width in jobs:
            if name == "pyctcdecode":
                pairs = zip(texts[name, model, width], texts["govor", model, width], strict=True)
                same = sum(a == b for a, b in pairs)
                print(f"beam {width}, LM {'yes' if model else 'no'}: same text {same} of {len(utterances)}")
    if arguments.whole is not None:
        figures["whole"] = whole(recognizer, everything, arguments.whole or [lm])
    keep(arguments.json, figures | {"rows": rows})


def whole(recognizer, utterances, language_models):  # type: ignore[no-untyped-def]
    """Return the errors of greedy decoding and of the tuned search with each language model."""
    from govor.features import load_features
    from govor.language_model import read_kenlm
    from govor.metrics import score
    from govor.text.alphabet import normalize

    references = [normalize(row.text) for row in utterances]
    sentences = [text.split() for text in references]
    decoders = [("greedy", recognizer.decoder("greedy"))]
    by_name = {path.name: path for path in language_models}
    decoders += [(name, recognizer.beam_decoder(path)) for name, path in by_name.items()]
    features = [load_features(row.features) for row in utterances]
    found = []
    for name, decode in decoders:
        model = recognizer.model if name == "greedy" else recognizer.model.for_search()
        texts = [decode(model.log_probs([values])[0]).text for values in features]
        scores = score(references, texts)
        found.append({"name": name, "wer": scores.words.rate, "cer": scores.characters.rate})
        if name != "greedy":
            text = read_kenlm(by_name[name]).perplexity(sentences)
            found[-1] |= {"perplexity": text.perplexity, "unknown": text.unknown_rate}
        print(f"all {len(utterances)}: {name} WER {scores.words.rate:.4f} CER {scores.characters.rate:.4f}")
    width = decoders[-1][1].settings.beam_width
    return {"utterances": len(utterances), "beam": width, "rows": found}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        run(json.loads(sys.argv[2]))
    else:
        main()
