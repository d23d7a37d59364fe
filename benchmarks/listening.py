"""Live recognition of real recordings: do shown words stay, what does it cost, how soon is the text final.

    python benchmarks/listening.py                      # festvox-ru (Debian), with pauses between
    python benchmarks/listening.py a.wav b.wav --decoder greedy

Sound is fed in pieces of 32 ms, as a microphone gives it; times on the screen are those of the sound. The
processor's share is this process's time over the length of the sound, pauses included, and again over speech.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from govor import Recognizer, load_model
from govor.audio.loading import Samples, load_audio
from govor.streaming import Event, Final
from govor.transcript import Segment
from keeping import keep

RATE = 16000
CHUNK = 512
RECORDINGS = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits/wav")
HELD_SECONDS = 1.0


@dataclass
class Screen:
    """What a user sees of one utterance after another: how long each word has stood in its place."""

    held: int = 0
    """Words that stood for a second."""
    changed: int = 0
    """Those of them that changed or vanished later."""
    delays: list[float] = field(default_factory=list)
    """Seconds from a word's end to its showing, for words of the final text that were shown before it."""
    unseen: int = 0
    """Words that came only with the final text."""
    _words: list[tuple[str, float, bool]] = field(default_factory=list)

    def take(self, event: Event, now: float) -> None:
        """Show an event at `now` seconds of the sound."""
        if isinstance(event, Final):
            self._measure_delays(event.segment)
        texts = [word.text for word in (event.segment if isinstance(event, Final) else event).words]
        held_before = sum(is_held for _, _, is_held in self._words)
        self._words = [
            (text, since, is_held or now - since >= HELD_SECONDS) for text, since, is_held in self._words
        ]
        num_held = sum(is_held for _, _, is_held in self._words)
        self.held += num_held - held_before
        words = [(text, now, False) for text in texts]
        for place, old in self._kept(texts).items():
            words[place] = self._words[old]
        self.changed += num_held - sum(is_held for _, _, is_held in words)
        self._words = [] if isinstance(event, Final) else words

    def _kept(self, texts: Sequence[str]) -> dict[int, int]:
        """Return which of the new words are old ones, perhaps moved: place -> old place."""
        matcher = SequenceMatcher(None, [text for text, _, _ in self._words], texts, autojunk=False)
        return {
            block.b + i: block.a + i for block in matcher.get_matching_blocks() for i in range(block.size)
        }

    def _measure_delays(self, segment: Segment) -> None:
        kept = self._kept([word.text for word in segment.words])
        self.delays += [self._words[old][1] - segment.words[place].end for place, old in kept.items()]
        self.unseen += len(segment.words) - len(kept)


@dataclass
class Cost:
    """What the processor did."""

    speech_seconds: float = 0.0
    processor_seconds: float = 0.0
    speech_processor_seconds: float = 0.0
    final_ms: list[float] = field(default_factory=list)
    """Wall-clock time from the feeding of the frame that decides the end of speech to the final text."""


def join(paths: Sequence[Path], seed: int = 1) -> Samples:
    """Put recordings one after another with pauses of 1 to 2.5 s of quiet noise."""
    rng = np.random.default_rng(seed)
    parts = []
    for path in paths:
        size = round(rng.uniform(1.0, 2.5) * RATE)
        parts += [load_audio(path, RATE).samples, (1e-4 * rng.standard_normal(size)).astype(np.float32)]
    return np.concatenate(parts)


def listen(recognizer: Recognizer, sound: Samples, decoder: str) -> tuple[Screen, Cost, int]:
    """Stream the sound; return what was measured and the number of utterances."""
    stream = recognizer.stream(decoder, RATE)
    screen, cost, finals = Screen(), Cost(), 0
    for start in range(0, len(sound), CHUNK):
        wall, processor = time.perf_counter(), time.process_time()
        events = stream.feed(sound[start : start + CHUNK])
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        cost.processor_seconds += processor
        if stream.is_speaking:
            cost.speech_seconds += CHUNK / RATE
            cost.speech_processor_seconds += processor
        for event in events:
            screen.take(event, (start + CHUNK) / RATE)
            if isinstance(event, Final):
                finals += 1
                cost.final_ms.append(1000 * wall)
    for event in stream.finish():
        screen.take(event, len(sound) / RATE)
        finals += isinstance(event, Final)
    return screen, cost, finals


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--number", type=int, default=100, help="recordings of festvox-ru")
    parser.add_argument("--snr", type=float, help="add white noise so many dB below the speech")
    parser.add_argument("--decoder", default="auto")
    parser.add_argument("--model", default=None)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    paths = arguments.recordings or sorted(RECORDINGS.glob("*.wav"))[:: max(1, 620 // arguments.number)]
    if not paths:
        parser.error(f"no recordings: install festvox-ru ({RECORDINGS}) or name files")
    sound = join(paths)
    if arguments.snr is not None:
        loudness = float(np.sqrt(np.mean(np.square(sound)))) * 10 ** (-arguments.snr / 20)
        sound += loudness * np.random.default_rng(2).standard_normal(len(sound)).astype(np.float32)
    screen, cost, finals = listen(load_model(arguments.model), sound, arguments.decoder)
    seconds = len(sound) / RATE
    rows = [
        ("recordings", f"{len(paths)}, {seconds:.0f} s, {finals} utterances"),
        ("words shown for 1 s", f"{screen.held}"),
        ("  that changed later", f"{screen.changed} ({screen.changed / max(screen.held, 1):.1%})"),
        (
            "word's end to its showing",
            f"{np.median(screen.delays):.2f} s median, {np.quantile(screen.delays, 0.9):.2f} s 90 %",
        ),
        ("words only in the final", f"{screen.unseen} of {screen.unseen + len(screen.delays)}"),
        (
            "one core's share",
            f"{cost.processor_seconds / seconds:.1%} of all, "
            f"{cost.speech_processor_seconds / cost.speech_seconds:.1%} while speaking",
        ),
        (
            "end decided to final text",
            f"{np.median(cost.final_ms):.0f} ms median, {max(cost.final_ms):.0f} ms at most",
        ),
    ]
    for name, value in rows:
        print(f"{name:<28}{value}")
    keep(
        arguments.json,
        {
            "recordings": len(paths),
            "seconds": round(seconds),
            "snr": arguments.snr,
            "words_held": screen.held,
            "words_changed": screen.changed,
            "shown_after_seconds": [round(float(np.quantile(screen.delays, at)), 3) for at in (0.5, 0.9)],
            "core_share": [
                round(cost.processor_seconds / seconds, 4),
                round(cost.speech_processor_seconds / cost.speech_seconds, 4),
            ],
            "final_milliseconds": [round(float(np.median(cost.final_ms)), 1), round(max(cost.final_ms), 1)],
        },
    )


if __name__ == "__main__":
    main()
