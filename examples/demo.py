"""Recognise the example recordings and print each text beside what was said: ``make demo``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from govor import GovorError, load_model
from govor.language import tr
from govor.manifest import read_manifest
from govor.metrics import aligned_lines, error_rate

MANIFEST = Path(__file__).parent / "manifest.jsonl"


def main() -> int:
    """Print the demonstration; return the exit code."""
    try:
        started = time.perf_counter()
        recognizer = load_model()
        loaded = time.perf_counter() - started
        print(tr(f"модель загружена за {loaded:.2f} с", f"model loaded in {loaded:.2f} s"))
        for utterance in read_manifest(MANIFEST):
            assert utterance.audio_filepath is not None, "the examples are recordings"
            started = time.perf_counter()
            transcript = recognizer.transcribe(utterance.audio_filepath)
            rtf = (time.perf_counter() - started) / transcript.duration
            errors = error_rate([utterance.text], [transcript.text], "character")
            said, heard = aligned_lines(utterance.text, transcript.text)
            print()
            print(
                tr(
                    f"{utterance.audio_filepath.name}  {transcript.duration:.1f} с  "
                    f"CER {errors.rate:.1%}  RTF {rtf:.4f} (в {1 / rtf:.0f} раз быстрее речи)",
                    f"{utterance.audio_filepath.name}  {transcript.duration:.1f} s  "
                    f"CER {errors.rate:.1%}  RTF {rtf:.4f} ({1 / rtf:.0f} times faster than speech)",
                )
            )
            print(f"  {tr('сказано ', 'said ')} {said}")
            print(f"  {tr('услышано', 'heard')} {heard}")
    except GovorError as error:
        print(f"{tr('ошибка', 'error')}: {error}", file=sys.stderr)
        return 1
    print()
    print(
        tr(
            "Прописными — слова, услышанные иначе; *** — слова нет.",
            "In capitals: words heard otherwise; ***: no word there.",
        )
    )
    print(
        tr(
            "Своя запись: .venv/bin/govor transcribe запись.m4a",
            "A recording of yours: .venv/bin/govor transcribe recording.m4a",
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
