"""Transcripts in the shapes of the OpenAI interface."""

from __future__ import annotations

import math
import zlib
from typing import Any

from govor.transcript import Segment, Transcript


def verbose(transcript: Transcript, granularities: set[str], temperature: float) -> dict[str, Any]:
    """Return ``verbose_json``; segments and words as `granularities` asks, segments if it asks for nothing.

    ``avg_logprob`` is the log of our confidence, which is nearest to what clients use it for.
    """
    row: dict[str, Any] = {
        "task": "transcribe",
        "language": "russian",
        "duration": round(transcript.duration, 3),
        "text": transcript.to_txt(),
    }
    if "word" in granularities:
        row["words"] = [
            {
                "word": word.text,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
                "confidence": round(word.confidence, 4),
            }
            for word in transcript.words
        ]
    if "segment" in granularities or not granularities:
        row["segments"] = [
            _segment(number, segment, temperature) for number, segment in enumerate(transcript.segments)
        ]
    if transcript.warnings:
        row["warnings"] = list(transcript.warnings)
    return row


def _segment(number: int, segment: Segment, temperature: float) -> dict[str, Any]:
    data = segment.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": [],
        "temperature": temperature,
        "avg_logprob": round(math.log(max(segment.confidence, 1e-6)), 4),
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 4),
        "no_speech_prob": 0.0,
        "confidence": round(segment.confidence, 4),
    }
