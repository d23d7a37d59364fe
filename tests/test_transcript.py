from __future__ import annotations

import json

import pytest

from govor.transcript import Segment, Transcript, Word

FIRST = Segment(
    0.5, 1.25, "добрый день", (Word("добрый", 0.5, 0.91234, 0.987654), Word("день", 1.0, 1.25, 0.5)), 0.743827
)
SECOND = Segment(2.0, 2.5, "ёжик", (Word("ёжик", 2.0, 2.5, 1.0),), 1.0)
TRANSCRIPT = Transcript("добрый день ёжик", (FIRST, SECOND), 3.0, "папка/запись.wav")


def test_jsonl_is_one_line_with_the_given_path_first() -> None:
    line = TRANSCRIPT.to_jsonl()
    assert line.startswith(
        '{"schema": "govor-transcript/1", "audio_filepath": "папка/запись.wav", "duration": 3.0, '
        '"text": "добрый день ёжик"'
    )
    assert "\n" not in line
    assert json.loads(line) == TRANSCRIPT.to_json()


def test_json_holds_segments_with_words_rounded_to_the_millisecond() -> None:
    assert TRANSCRIPT.to_json()["segments"][0] == {
        "start": 0.5,
        "end": 1.25,
        "text": "добрый день",
        "words": [
            {"text": "добрый", "start": 0.5, "end": 0.912, "confidence": 0.9877},
            {"text": "день", "start": 1.0, "end": 1.25, "confidence": 0.5},
        ],
        "confidence": 0.7438,
    }


def test_warnings_are_in_the_json_only_if_there_are_any() -> None:
    assert "warnings" not in TRANSCRIPT.to_json()
    warned = Transcript("", (), 1.0, None, ("обрывается",))
    assert warned.to_json() == {
        "schema": "govor-transcript/1",
        "audio_filepath": None,
        "duration": 1.0,
        "text": "",
        "segments": [],
        "warnings": ["обрывается"],
    }


def test_words_run_over_all_segments_and_txt_is_the_text() -> None:
    assert [word.text for word in TRANSCRIPT.words] == ["добрый", "день", "ёжик"]
    assert TRANSCRIPT.to_txt() == "добрый день ёжик"


def test_a_transcript_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        TRANSCRIPT.text = ""  # type: ignore[misc]
