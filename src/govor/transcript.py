"""What was recognised: words with times and confidences, in segments, and the formats they are written in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA = "govor-transcript/1"
"""What `Transcript.to_json` obeys: data/transcript-1.schema.json. A new number is a breaking change."""


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word."""

    text: str
    start: float
    """Seconds from the start of the recording."""
    end: float
    confidence: float
    """0 to 1: how likely the word is right, if the model was calibrated; else how sure of its letters."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; times to the millisecond."""
        return {
            "text": self.text,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "confidence": round(self.confidence, 4),
        }


@dataclass(frozen=True)
class Alternative:
    """One of several texts that the same sound may have been."""

    text: str
    score: float
    """Natural log of its weight, the language model's part included; only differences mean something."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"text": self.text, "score": round(self.score, 3)}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech that was recognised in one piece."""

    start: float
    """Start of the first word, seconds from the start of the recording."""
    end: float
    text: str
    words: tuple[Word, ...]
    confidence: float
    """Mean of the words' confidences."""
    alternatives: tuple[Alternative, ...] = ()
    """The best texts, best first, where several were asked for."""
    channel: int | None = None
    """1 for the first, where the channels were recognised apart."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; times to the millisecond."""
        row: dict[str, Any] = {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "text": self.text,
            "words": [word.to_json() for word in self.words],
            "confidence": round(self.confidence, 4),
        }
        if self.channel is not None:
            row["channel"] = self.channel
        return row


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was done with a part of a recording."""

    start: float
    """Seconds from the start of the recording."""
    end: float
    kind: Literal["recognized", "silence", "noise"]
    """``silence`` was left out; ``noise`` sounded and gave words, but nobody spoke, so they were dropped."""
    channel: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; times to the millisecond."""
        row: dict[str, Any] = {"start": round(self.start, 3), "end": round(self.end, 3), "kind": self.kind}
        return row if self.channel is None else {**row, "channel": self.channel}


@dataclass(frozen=True)
class Coverage:
    """What was done with every second of a recording: the stretches of a channel follow without a gap."""

    stretches: tuple[Stretch, ...]

    def seconds(self, kind: str) -> float:
        """Return how much was ``recognized``, left out as ``silence`` or as ``noise``; channels add up."""
        return sum(stretch.end - stretch.start for stretch in self.stretches if stretch.kind == kind)

    def gaps(self, duration: float) -> tuple[tuple[float, float], ...]:
        """Return what of 0 to `duration` seconds no stretch accounts for, or two do; none, if all is well."""
        found = []
        channels = {stretch.channel for stretch in self.stretches} or {None}
        for channel in sorted(channels, key=lambda channel: channel or 0):
            reached = 0.0
            for stretch in (*self.stretches, Stretch(duration, duration, "silence", channel)):
                if stretch.channel == channel:
                    # A sample at 384 kHz takes 2.6 µs.
                    if abs(stretch.start - reached) > 1e-6:
                        found.append((min(reached, stretch.start), max(reached, stretch.start)))
                    reached = stretch.end
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object: seconds of each kind, and the stretches that were left out."""
        return {
            "recognized": round(self.seconds("recognized"), 3),
            "silence": round(self.seconds("silence"), 3),
            "noise": round(self.seconds("noise"), 3),
            "left_out": [stretch.to_json() for stretch in self.stretches if stretch.kind != "recognized"],
        }


@dataclass(frozen=True)
class Problem:
    """Something about the sound that makes recognition worse."""

    code: Literal["clipping", "quiet", "rate", "noise"]
    message: str
    """A line for the user: what, how much, the cure."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True)
class Transcript:
    """All that was recognised in one recording."""

    text: str
    segments: tuple[Segment, ...]
    duration: float
    """Seconds of audio that were read."""
    audio_filepath: str | None = None
    """The input's path as it was given; None for bytes, streams and arrays."""
    warnings: tuple[str, ...] = ()
    """What the user should know, such as a file that breaks off; a line each."""
    coverage: Coverage | None = None
    """What was done with every second; None where features were recognised."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the sound itself."""
    finished: str | None = None
    """The text as `govor.text.finishing` makes it pleasant to read, where that was asked for."""

    @property
    def words(self) -> tuple[Word, ...]:
        """All words in the order they were spoken."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """The best texts of the whole recording, best first; as many as each segment was asked for."""
        lists = [segment.alternatives for segment in self.segments if segment.alternatives]
        best = [Alternative("", 0.0)] if lists else []
        for options in lists:
            joined = [
                Alternative(f"{before.text} {option.text}".strip(), before.score + option.score)
                for before in best
                for option in options
            ]
            joined.sort(key=lambda alternative: -alternative.score)
            best = joined[: max(map(len, lists))]
        return tuple(best)

    def to_txt(self) -> str:
        """Return the words alone, in one line, finished where that was asked for.

        Where the channels were recognised apart each segment has a line, which starts with its ``[channel]``.
        """
        if self.finished is not None:
            return self.finished
        if any(segment.channel is not None for segment in self.segments):
            return "\n".join(f"[{segment.channel}] {segment.text}" for segment in self.segments)
        return self.text

    def to_tsv(self, finish: Callable[[str], str] = str) -> str:
        """Return a table: start and end in seconds, channel (empty if they were mixed), confidence, text.

        `finish` makes the texts pleasant to read.
        """
        rows = ["start\tend\tchannel\tconfidence\ttext"]
        for each in self.segments:
            channel = "" if each.channel is None else str(each.channel)
            rows.append(
                f"{each.start:.3f}\t{each.end:.3f}\t{channel}\t{each.confidence:.4f}\t{finish(each.text)}"
            )
        return "\n".join(rows) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object as data/transcript-1.schema.json describes it."""
        return self._row([segment.to_json() for segment in self.segments])

    def _row(self, segments: Sequence[object]) -> dict[str, Any]:
        row: dict[str, Any] = {
            "schema": SCHEMA,
            "audio_filepath": self.audio_filepath,
            "duration": round(self.duration, 4),
            "text": self.text,
            "segments": segments,
        }
        if self.alternatives:
            row["alternatives"] = [alternative.to_json() for alternative in self.alternatives]
        if self.finished is not None:
            row["finished"] = self.finished
        if self.coverage is not None:
            row["coverage"] = self.coverage.to_json()
        if self.problems:
            row["problems"] = [problem.to_json() for problem in self.problems]
        if self.warnings:
            row["warnings"] = list(self.warnings)
        return row

    def json_pieces(self) -> Iterator[str]:
        """Yield the JSON object as indented text, in pieces: that of ten hours would take 150 MB whole."""
        # The encoder asks what a segment is when it comes to it.
        row = self._row(list(self.segments))
        yield from json.JSONEncoder(ensure_ascii=False, indent=2, default=Segment.to_json).iterencode(row)

    def to_jsonl(self) -> str:
        """Return the JSON object as one line, without the line feed."""
        return json.dumps(self.to_json(), ensure_ascii=False)
