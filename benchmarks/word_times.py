"""Word times against the hand-checked phone times of Debian's festvox-ru.

    python benchmarks/word_times.py [--model m.onnx] [--count 100] [--fit]

Prints the median distance of word boundaries: forced alignment against the phones, recognised words against
the forced alignment, recognised words against the phones. ``--fit`` also prints the offsets that fit best on
the first half, measured on the second. The voice's recordings are part of VoxForge's training set: times are
measured here, not recognition.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from govor.alignment import align_recording
from govor.decoding.word_times import Offsets
from govor.recognizer import Recognizer, load_model
from govor.text.alphabet import normalize
from keeping import keep

VOICE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
SCRIPT = """
(voice_msu_ru_nsh_clunits)
(define (dump id text)
  (let ((u (eval (list 'Utterance 'Text text))))
    (Initialize u) (Text u) (Token_POS u) (Token u) (POS u) (Phrasify u) (Word u) (Pauses u) (PostLex u)
    (mapcar
      (lambda (w)
        (format t "%s %s %l\\n" id (item.name w)
          (mapcar (lambda (s) (item.name s)) (item.leafs (item.relation w 'SylStructure)))))
      (utt.relation.items u 'Word))))
"""


@dataclass(frozen=True)
class TimedWord:
    text: str
    start: float
    end: float


def spoken_phones(prompts: dict[str, str]) -> dict[str, list[tuple[str, list[str]]]]:
    """Ask festival how it would say the prompts: words with their phones."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "dump.scm"
        calls = "\n".join(f'(dump "{key}" "{text}")' for key, text in prompts.items())
        script.write_text(SCRIPT + calls, encoding="utf-8")
        command = ["festival", "--batch", str(script)]
        output = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8", "replace")
    words: dict[str, list[tuple[str, list[str]]]] = {key: [] for key in prompts}
    for line in output.splitlines():
        match = re.fullmatch(r"(\S+) (\S+) \((.*)\)", line.strip())
        if match and match[1] in words:
            words[match[1]].append((match[2], re.findall(r"[a-z]+", match[3])))
    # item.leafs runs on to the end of the utterance; the rest of the next word is what is too much.
    return {
        key: [
            (text, parts[: len(parts) - (len(row[i + 1][1]) if i + 1 < len(row) else 0)])
            for i, (text, parts) in enumerate(row)
        ]
        for key, row in words.items()
    }


def lab_phones(path: Path) -> list[TimedWord]:
    phones, before = [], 0.0
    for line in path.read_text().splitlines():
        fields = line.split()
        if len(fields) == 3:
            phones.append(TimedWord(fields[2], before, float(fields[0])))
            before = float(fields[0])
    return phones


def true_words(words: list[tuple[str, list[str]]], phones: list[TimedWord]) -> list[TimedWord]:
    """Give the words the times of the phones that match theirs in order; only words with both ends found."""
    spoken = [phone for phone in phones if phone.text != "pau"]
    expected = [(phone, i) for i, (_, parts) in enumerate(words) for phone in parts if phone != "pau"]
    matcher = SequenceMatcher(None, [e[0] for e in expected], [p.text for p in spoken], autojunk=False)
    place: dict[int, int] = {}
    for block in matcher.get_matching_blocks():
        place |= {block.a + k: block.b + k for k in range(block.size)}
    found = []
    for i, (text, _) in enumerate(words):
        mine = [k for k, (_, word) in enumerate(expected) if word == i]
        if mine and mine[0] in place and mine[-1] in place:
            found.append(
                TimedWord(normalize(text), spoken[place[mine[0]]].start, spoken[place[mine[-1]]].end)
            )
    return found


def paired(ours: list[TimedWord], theirs: list[TimedWord]) -> list[tuple[TimedWord, TimedWord]]:
    """Pair equal words in order."""
    matcher = SequenceMatcher(None, [w.text for w in ours], [w.text for w in theirs], autojunk=False)
    return [(ours[b.a + k], theirs[b.b + k]) for b in matcher.get_matching_blocks() for k in range(b.size)]


def errors(pairs: list[tuple[TimedWord, TimedWord]]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.array([1000 * (a.start - b.start) for a, b in pairs]),
        np.array([1000 * (a.end - b.end) for a, b in pairs]),
    )


def show(name: str, pairs: list[tuple[TimedWord, TimedWord]]) -> None:
    starts, ends = errors(pairs)
    both = np.abs(np.concatenate([starts, ends]))
    print(
        f"{name:34s} {len(pairs):5d} words"
        f" | median |error| {np.median(both):4.0f} ms, 90 % {np.quantile(both, 0.9):4.0f}"
        f" | start {np.median(starts):+4.0f} end {np.median(ends):+4.0f}"
        f" | within 60 ms {np.mean(both <= 60):.3f}"
    )


Pairs = list[tuple[TimedWord, TimedWord]]


def voice_prompts(count: int) -> dict[str, str]:
    """Return `count` of the voice's recordings, evenly spread: names and texts."""
    pattern = re.compile(r'\( (\S+) "(.*)" \)')
    matches = map(pattern.match, (VOICE / "etc/txt.done.data").read_text(encoding="utf-8").splitlines())
    prompts = {match[1]: match[2] for match in matches if match}
    return dict(list(prompts.items())[:: max(len(prompts) // count, 1)][:count])


def measured(
    recognizer: Recognizer, count: int, offsets: Offsets | None, recognize: bool = True
) -> tuple[list[Pairs], list[Pairs], list[Pairs]]:
    """Pair words for each recording: forced with true, recognised with forced, recognised with true."""
    chosen = voice_prompts(count)
    words = spoken_phones(chosen)
    forced_true, heard_forced, heard_true = [], [], []
    for key in chosen:
        wave = VOICE / "wav" / f"{key}.wav"
        truth = true_words(words[key], lab_phones(VOICE / "lab" / f"{key}.lab"))
        forced = align_recording(recognizer, wave, " ".join(text for text, _ in words[key]), offsets)
        forced_words = [TimedWord(word.text, word.start, word.end) for word in forced.words]
        forced_true.append(paired(forced_words, truth))
        if recognize:
            heard = [TimedWord(w.text, w.start, w.end) for w in recognizer.transcribe(wave).words]
            heard_forced.append(paired(heard, forced_words))
            heard_true.append(paired(heard, truth))
    return forced_true, heard_forced, heard_true


def fitted_offsets(forced_true: list[Pairs]) -> Offsets:
    """Return the offsets that leave no median error, for words aligned with `Offsets(0, 0)`."""
    starts, ends = errors([*chain.from_iterable(forced_true)])
    return Offsets(round(float(np.median(starts)) / 1000, 3), round(-float(np.median(ends)) / 1000, 3))


def moved(pairs: Pairs, offsets: Offsets) -> Pairs:
    return [(TimedWord(a.text, a.start - offsets.lead, a.end + offsets.tail), b) for a, b in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    recognizer = load_model(arguments.model)
    forced_true, heard_forced, heard_true = measured(
        recognizer, arguments.count, Offsets(0.0, 0.0) if arguments.fit else None
    )
    if arguments.fit:
        half = len(forced_true) // 2
        offsets = fitted_offsets(forced_true[:half])
        print(f"best offsets: lead {offsets.lead:.3f} s, tail {offsets.tail:.3f} s")
        rest = [*chain.from_iterable(forced_true[half:])]
        show("moved forced / phones, other half", moved(rest, offsets))
    compared = {
        "forced_true": ("forced alignment / phones", forced_true),
        "heard_forced": ("recognised / forced alignment", heard_forced),
        "heard_true": ("recognised / phones", heard_true),
    }
    kept: dict[str, Any] = {"recordings": len(forced_true)}
    # recipes/finish_model.py fits the offsets to every second of 80 recordings; these are the others.
    others = np.abs(np.concatenate(errors([*chain.from_iterable(forced_true[1::2])])))
    kept["others_median_ms"] = round(float(np.median(others)), 1)
    for key, (name, pairs) in compared.items():
        show(name, [*chain.from_iterable(pairs)])
        both = np.abs(np.concatenate(errors([*chain.from_iterable(pairs)])))
        kept[key] = {
            "median_ms": round(float(np.median(both)), 1),
            "within_60_ms": round(float(np.mean(both <= 60)), 4),
        }
    keep(arguments.json, kept)


if __name__ == "__main__":
    main()
