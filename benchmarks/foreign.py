"""What it costs to recognise in sherpa-onnx and onnx-asr: CER and time on one core, real recordings.

python benchmarks/foreign.py [--manifest m.jsonl] [--every 8] [--snr 10]
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
import onnx_asr
import onnxruntime
import sherpa_onnx

from govor import load_model
from govor.audio.loading import load_audio
from govor.foreign.folders import export_folder
from govor.manifest import read_manifest
from govor.text.alphabet import normalize
from keeping import keep

FESTVOX = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
RATE = 16000
Recognize = Callable[[np.ndarray], str]


def recordings(manifest: Path | None, every: int) -> list[tuple[Path, str]]:
    if manifest is not None:
        utterances = [u for u in read_manifest(manifest) if u.audio_filepath is not None]
        return [(u.audio_filepath, u.text) for u in utterances[::every] if u.audio_filepath is not None]
    rows = re.findall(
        r'^\( (\S+) "(.*)" \)', (FESTVOX / "etc" / "txt.done.data").read_text("utf-8"), re.MULTILINE
    )
    return [
        (FESTVOX / "wav" / f"{name}.wav", normalize(text.replace("+", ""))) for name, text in rows[::every]
    ]


def recognizers(model: Path | None, folder: Path) -> dict[str, Recognize]:
    govor = load_model(model)
    export_folder(model, "sherpa-onnx", folder / "sherpa")
    export_folder(model, "onnx-asr", folder / "onnx-asr")
    sherpa = sherpa_onnx.OfflineRecognizer.from_wenet_ctc(
        model=str(folder / "sherpa" / "model.onnx"), tokens=str(folder / "sherpa" / "tokens.txt")
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    other = onnx_asr.load_model("nemo-conformer-ctc", folder / "onnx-asr", sess_options=options)

    def of_sherpa(samples: np.ndarray) -> str:
        stream = sherpa.create_stream()
        stream.accept_waveform(RATE, samples)
        sherpa.decode_stream(stream)
        return str(stream.result.text).strip()

    return {
        "govor, greedy": lambda samples: govor.transcribe(samples, "greedy", sample_rate=RATE).text,
        "sherpa-onnx": of_sherpa,
        "onnx-asr": lambda samples: str(other.recognize(samples, sample_rate=RATE)),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--snr", type=float, help="add white noise, dB under the speech")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    rows = recordings(options.manifest, options.every)
    rng = np.random.default_rng(0)
    sounds = []
    for path, _ in rows:
        samples = load_audio(path, RATE).samples
        if options.snr is not None:
            level = np.sqrt(np.square(samples).mean() / 10 ** (options.snr / 10))
            samples = (samples + level * rng.normal(size=len(samples))).astype(np.float32)
        sounds.append(samples)
    seconds = sum(map(len, sounds)) / RATE
    references = [text for _, text in rows]
    print(f"{len(rows)} recordings, {seconds / 60:.1f} min")
    cers = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, recognize in recognizers(options.model, Path(folder)).items():
            start = time.process_time()
            texts = [recognize(samples) for samples in sounds]
            spent = time.process_time() - start
            cers[name.partition(",")[0]] = round(jiwer.cer(references, texts), 4)
            print(
                f"{name:14} CER {jiwer.cer(references, texts):.4f}  WER {jiwer.wer(references, texts):.4f}  "
                f"{seconds / spent:.0f} times as fast as speech",
                flush=True,
            )
    keep(
        options.json,
        {"recordings": len(rows), "minutes": round(seconds / 60, 2), "snr": options.snr, "cer": cers},
    )


if __name__ == "__main__":
    main()
