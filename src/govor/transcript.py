"""What was recognised: words with times and confidences, in segments, and the formats they are written in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; times to the millisecond."""
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "text": self.text,
            "words": [word.to_json() for word in self.words],
            "confidence": round(self.confidence, 4),
        }


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
    finished: str | None = None
    """The text as `govor.text_finishing` makes it pleasant to read, where that was asked for."""

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
        """Return the words alone, in one line, finished where that was asked for."""
        return self.text if self.finished is None else self.finished

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object: ``audio_filepath`` first, then duration, text, segments; warnings if any."""
        row: dict[str, Any] = {
            "audio_filepath": self.audio_filepath,
            "duration": round(self.duration, 4),
            "text": self.text,
            "segments": [segment.to_json() for segment in self.segments],
        }
        if self.alternatives:
            row["alternatives"] = [alternative.to_json() for alternative in self.alternatives]
        if self.finished is not None:
            row["finished"] = self.finished
        if self.warnings:
            row["warnings"] = list(self.warnings)
        return row

    def to_jsonl(self) -> str:
        """Return the JSON object as one line, without the line feed."""
        return json.dumps(self.to_json(), ensure_ascii=False)
