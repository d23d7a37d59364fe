from __future__ import annotations

import io
from itertools import pairwise

import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from govor.subtitles import (
    GAP,
    LINE_LENGTH,
    LONGEST,
    READING_SPEED,
    SHORTEST,
    subtitles,
    to_srt,
    to_vtt,
    wrap,
)
from govor.text.finishing import finish
from govor.transcript import Segment, Transcript, Word

# Times in the files are whole milliseconds.
ROUNDING = 0.0015


def spoken(*words: tuple[str, float, float], channel: int | None = None) -> Segment:
    found = tuple(Word(text, start, end, 0.9) for text, start, end in words)
    text = " ".join(word.text for word in found)
    return Segment(found[0].start, found[-1].end, text, found, 0.9, channel=channel)


def transcript(*segments: Segment, finished: str | None = None) -> Transcript:
    duration = max((segment.end for segment in segments), default=0.0) + 5
    return Transcript(" ".join(segment.text for segment in segments), segments, duration, finished=finished)


@st.composite
def speeches(draw: st.DrawFn, channels: bool = False) -> Transcript:
    segments = []
    for channel in draw(st.sampled_from([[None], [1, 2]] if channels else [[None]])):
        place = draw(st.floats(0, 5))
        words = []
        for _ in range(draw(st.integers(0, 60))):
            text = "ж" * draw(st.sampled_from([1, 1, 2, 3, 5, 7, 9, 12, 20, 60, 130]))
            length = max(0.02, len(text) * draw(st.floats(0.02, 0.15)))
            words.append((text, place, place + length))
            place += length + draw(st.sampled_from([0, 0, 0, 0.05, 0.3, 0.9, 1.2, 4.0]))
        if words:
            segments.append(spoken(*words, channel=channel))
    return transcript(*segments)


def assert_rules(heard: Transcript, shown: list[tuple[float, float, str]]) -> None:
    for start, end, text in shown:
        lines = text.split("\n")
        assert 1 <= len(lines) <= 2
        assert all(0 < len(line) <= LINE_LENGTH for line in lines)
        assert SHORTEST - ROUNDING <= end - start <= LONGEST + ROUNDING
    for (_, end, _), (start, _, _) in pairwise(shown):
        assert start - end >= GAP - ROUNDING


@settings(max_examples=60, deadline=None)
@given(speeches())
def test_srt_as_another_program_reads_it_obeys_the_rules_and_holds_every_word(heard: Transcript) -> None:
    shown = [
        (each.start.total_seconds(), each.end.total_seconds(), each.content)
        for each in srt.parse(to_srt(heard))
    ]
    # Two words of 20 ms in a row, and a pause, leave no 5/6 s; no one speaks like that.
    if all(word.end - word.start >= 0.05 for word in heard.words):
        assert_rules(heard, shown)
    letters = "".join(text for _, _, text in shown).replace(" ", "").replace("\n", "")
    assert letters == heard.text.replace(" ", "")


@settings(max_examples=30, deadline=None)
@given(speeches(channels=True))
def test_vtt_as_another_program_reads_it_obeys_the_rules_and_holds_every_word(heard: Transcript) -> None:
    shown = [
        (each.start_in_seconds, each.end_in_seconds, each.text)
        for each in webvtt.from_buffer(io.StringIO(to_vtt(heard)))
    ]
    # The parser gives whole seconds for both in some versions; so only what it says of the text.
    assert all(len(line) <= LINE_LENGTH for _, _, text in shown for line in text.split("\n"))
    exact = [(each.start, each.end, each.text) for each in subtitles(heard)]
    assert len(exact) == len(shown)
    assert_rules(heard, exact)
    assert sorted("".join(text for *_, text in shown)) == sorted("".join(text for *_, text in exact))


def test_times_survive_both_formats_to_the_millisecond() -> None:
    heard = transcript(spoken(("да", 3661.0016, 3662.5)), spoken(("нет", 3700.25, 3701.999)))
    (first, second) = srt.parse(to_srt(heard))
    assert (first.start.total_seconds(), second.start.total_seconds()) == (3661.002, 3700.25)
    assert second.end.total_seconds() == 3701.999
    vtt = to_vtt(heard)
    assert vtt.startswith("WEBVTT\n\n01:01:01.002 --> 01:01:02.500\nда\n")
    assert [each.text for each in webvtt.from_buffer(io.StringIO(vtt))] == ["да", "нет"]


def test_a_subtitle_stays_until_it_can_be_read_where_the_speech_leaves_room() -> None:
    (shown,) = subtitles(transcript(spoken(("перелицензирование", 1.0, 1.4), ("завершено", 1.4, 1.8))))
    assert shown.end - shown.start == pytest.approx(len(shown.text) / READING_SPEED, abs=0.001)


def test_a_long_pause_and_the_seven_seconds_part_subtitles() -> None:
    words = [(f"слово{i}", i * 0.9, i * 0.9 + 0.85) for i in range(10)]
    shown = subtitles(transcript(spoken(*words), spoken(("конец", 20.0, 21.0))))
    assert shown[-1].lines == ("конец",)
    assert shown[-1].start == 20.0
    assert all(each.end - each.start <= LONGEST for each in shown)
    assert len(shown) >= 3


def test_lines_are_even_and_do_not_end_with_a_preposition() -> None:
    words = ["мы", "поехали", "с", "ними", "летом", "на", "дачу", "в", "деревню", "под", "старым", "городом"]
    lines = wrap(words)
    assert lines is not None
    first, second = lines
    assert abs(len(first) - len(second)) < 16
    assert first.split()[-1] not in {"с", "на", "в", "под"}
    assert wrap(["слово"]) == ("слово",)
    assert wrap(["ж" * 40, "ж" * 40, "ж" * 3]) is None


def test_channels_are_marked_in_srt_and_are_voices_in_vtt() -> None:
    heard = transcript(
        spoken(("алло", 0.0, 0.5), channel=1),
        spoken(("слушаю", 1.0, 1.6), channel=2),
        spoken(("да", 4.0, 4.5), channel=1),
    )
    assert [each.content for each in srt.parse(to_srt(heard))] == ["[1] алло", "[2] слушаю", "[1] да"]
    voices = [each.voice for each in webvtt.from_buffer(io.StringIO(to_vtt(heard)))]
    assert voices == ["1", "2", "1"]


def test_people_who_speak_at_once_are_shown_one_after_the_other() -> None:
    heard = transcript(spoken(("первый", 1.0, 3.0), channel=1), spoken(("второй", 1.5, 2.0), channel=2))
    first, second = subtitles(heard)
    assert (first.lines, second.lines) == (("первый",), ("второй",))
    assert second.start >= first.end + GAP - 0.001


def test_a_finished_transcript_has_finished_subtitles() -> None:
    heard = transcript(
        spoken(("еще", 0.0, 0.4), ("двадцать", 0.4, 0.8), ("пять", 0.8, 1.2)),
        spoken(("елка", 5.0, 6.0)),
        finished="Ещё 25 ёлка",
    )
    assert [each.text for each in subtitles(heard)] == ["Ещё 25", "Ёлка"]


def test_a_capital_does_not_leave_a_preposition_alone() -> None:
    words = (
        *(("на", 0, 0.16), ("поехали", 1.06, 1.62), ("дом", 1.92, 2.16), ("машина", 2.46, 2.94)),
        *(("и", 3.24, 3.34), ("необыкновенно", 3.34, 4.38), ("машина", 4.38, 4.86), ("поехали", 4.86, 5.42)),
        *(("необыкновенно", 5.52, 6.56), ("и", 6.66, 6.76), ("поехали", 6.86, 7.42), ("и", 7.72, 7.82)),
    )
    as_heard = subtitles(transcript(spoken(*words)))
    assert as_heard[0].text == "на поехали дом машина"
    finished = subtitles(transcript(spoken(*words), finished=""))
    assert [each.text.lower() for each in finished] == [each.text for each in as_heard]


@given(
    st.lists(st.sampled_from(["двадцать пять", "сто тысяч двадцать один", "еще", "колокольчик"]), min_size=1)
)
def test_no_subtitle_ends_inside_a_number(phrases: list[str]) -> None:
    words = " ".join(phrases).split()
    text = finish(" ".join(words))
    heard = transcript(
        spoken(*((word, 0.3 * i, 0.3 * i + 0.3) for i, word in enumerate(words))), finished=text
    )
    assert " ".join(each.text.replace("\n", " ") for each in subtitles(heard)) == text


def test_silence_gives_files_that_parsers_take() -> None:
    assert list(srt.parse(to_srt(transcript()))) == []
    assert list(webvtt.from_buffer(io.StringIO(to_vtt(transcript())))) == []
