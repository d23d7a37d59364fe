"""Recognised words to subtitles: lines, lengths, durations and gaps as broadcasters want them.

The rules are those of Netflix's timed text guide for Russian: two lines of 42 characters, 5/6 s to 7 s, two
frames (of 24 a second) between subtitles, 17 characters a second where the speech allows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from govor.text.finishing import restore_yo
from govor.text.number_reading import read_numbers
from govor.transcript import Segment, Transcript, Word

LINE_LENGTH = 42
SHORTEST = 5 / 6
LONGEST = 7.0
GAP = 2 / 24
READING_SPEED = 17.0
# Who speaks at the same time as another must be read faster, or the subtitles would fall behind.
_HASTY_SPEED = 25.0
# A longer pause always ends a subtitle.
_PAUSE = 1.0
# A line or a subtitle should not end with a word that belongs to the next one.
_LEANING = {*"вксуоиа", *("во", "ко", "со", "на", "не", "ни", "но", "об", "от", "до", "из", "за", "по")}
_LEANING |= {"под", "над", "при", "про", "для", "без", "что", "как", "или"}


@dataclass(frozen=True)
class Subtitle:
    """One subtitle on the screen."""

    start: float
    """Seconds."""
    end: float
    lines: tuple[str, ...]
    """One or two, at most 42 characters each."""
    channel: int | None = None

    @property
    def text(self) -> str:
        """The lines with a line feed between."""
        return "\n".join(self.lines)


def subtitles(transcript: Transcript, *, mark_channels: bool = False) -> list[Subtitle]:
    """Cut a transcript into subtitles, in order and without overlap.

    Where the transcript is finished, so are they. With `mark_channels` each says its channel, as ``[1]``,
    where the channels were recognised apart. People who speak at the same time are shown one after the other.
    """
    found: list[Subtitle] = []
    for channel in sorted({segment.channel for segment in transcript.segments}, key=lambda c: c or 0):
        mark = f"[{channel}]" if mark_channels and channel is not None else ""
        segments = [segment for segment in transcript.segments if segment.channel == channel]
        for words in _groups(segments):
            # Before the cut, which would make of «двадцать пять» at the end of a subtitle 20 and 5.
            shown = _finished(words) if transcript.finished is not None else words
            parts = _cut([piece for word in shown for piece in _broken(word)], mark)
            found += [Subtitle(part[0].start, part[-1].end, _lines(part, mark), channel) for part in parts]
    found.sort(key=lambda subtitle: subtitle.start)
    return _timed(found)


def to_srt(transcript: Transcript) -> str:
    """Return a SubRip file."""
    blocks = [
        f"{number}\n{_clock(each.start, ',')} --> {_clock(each.end, ',')}\n{each.text}\n"
        for number, each in enumerate(subtitles(transcript, mark_channels=True), 1)
    ]
    return "\n".join(blocks)


def to_vtt(transcript: Transcript) -> str:
    """Return a WebVTT file; channels become voices."""
    blocks = ["WEBVTT\n"]
    for each in subtitles(transcript):
        voice = "" if each.channel is None else f"<v {each.channel}>"
        text = each.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_clock(each.start, '.')} --> {_clock(each.end, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


def wrap(words: Sequence[str], width: int = LINE_LENGTH) -> tuple[str, ...] | None:
    """Break words into one or two lines of about the same length; None if they do not fit."""
    whole = " ".join(words)
    if len(whole) <= width:
        return (whole,)
    best, best_cost = None, float("inf")
    for number in range(1, len(words)):
        first, second = " ".join(words[:number]), " ".join(words[number:])
        if len(first) <= width and len(second) <= width:
            cost = abs(len(first) - len(second)) + (10 if words[number - 1].lower() in _LEANING else 0)
            if cost < best_cost:
                best, best_cost = (first, second), cost
    return best


def _groups(segments: Sequence[Segment]) -> list[list[Word]]:
    """Return the words parted at long pauses."""
    groups: list[list[Word]] = []
    for word in (word for segment in segments for word in segment.words):
        if not groups or word.start - groups[-1][-1].end >= _PAUSE:
            groups.append([])
        groups[-1].append(word)
    return groups


def _finished(words: Sequence[Word]) -> list[Word]:
    """Write a group as finished: ё, a number's words as one word in digits, a capital at the start."""
    finished: list[Word] = []
    position = 0
    for length, shown in read_numbers([restore_yo(word.text) for word in words]):
        said = words[position : position + length]
        position += length
        if " " in shown:
            # A number that stays in words.
            finished += [replace(word, text=text) for word, text in zip(said, shown.split(), strict=True)]
        else:
            confidence = min(word.confidence for word in said)
            finished.append(Word(shown, said[0].start, said[-1].end, confidence))
    if finished:
        first = finished[0]
        finished[0] = replace(first, text=first.text[:1].upper() + first.text[1:])
    return finished


def _broken(word: Word, width: int = LINE_LENGTH - 5) -> list[Word]:
    """Break a word so that each piece fits into a line, even behind the mark of a channel."""
    if len(word.text) <= width:
        return [word]
    pieces = [word.text[i : i + width] for i in range(0, len(word.text), width)]
    each = (word.end - word.start) / len(pieces)
    return [
        Word(piece, word.start + i * each, word.start + (i + 1) * each, word.confidence)
        for i, piece in enumerate(pieces)
    ]


def _cut(words: list[Word], mark: str) -> list[list[Word]]:
    """Cut a group at the best places: the cheapest way by dynamic programming."""
    costs = [0.0] + [float("inf")] * len(words)
    starts = [0] * (len(words) + 1)
    for first in range(len(words)):
        length = len(mark)
        for last in range(first, len(words)):
            length += len(words[last].text) + 1
            if length > 2 * LINE_LENGTH + 2:
                break
            cost = costs[first] + _cost(words, first, last, mark)
            if cost < costs[last + 1]:
                costs[last + 1], starts[last + 1] = cost, first
    parts = []
    end = len(words)
    while end:
        parts.append(words[starts[end] : end])
        end = starts[end]
    return parts[::-1]


def _cost(words: list[Word], first: int, last: int, mark: str) -> float:
    """Return how bad a subtitle of these words is; infinite if it cannot be shown."""
    texts = [mark] * bool(mark) + [word.text for word in words[first : last + 1]]
    alone = first == last
    if not alone and (wrap(texts) is None or words[last].end - words[first].start > LONGEST):
        return float("inf")
    num_characters = len(" ".join(texts))
    cost = 1.0 + 2 * (1 - num_characters / (2 * LINE_LENGTH)) ** 2
    if last + 1 < len(words):
        room = words[last + 1].start - GAP - words[first].start
        pause = words[last + 1].start - words[last].end
        cost += 1.0 - min(pause, 0.5) / 0.5 * 2.0
        if room < SHORTEST:
            cost += 20
        if words[last].text.lower() in _LEANING:
            cost += 1
    else:
        # The pause that ends a group is longer than what a short last word lacks.
        room = max(words[last].end - words[first].start, SHORTEST) + _PAUSE - GAP
    return cost + 0.2 * max(num_characters / min(max(room, 0.1), LONGEST) - READING_SPEED, 0.0)


def _lines(words: list[Word], mark: str) -> tuple[str, ...]:
    texts = [word.text for word in words]
    # A lone word always fits: longer ones were broken.
    return wrap([mark] * bool(mark) + texts) or (" ".join(texts)[:LINE_LENGTH],)


def _timed(found: list[Subtitle]) -> list[Subtitle]:
    """Show each long enough to be read, as far as the next one lets it."""
    timed: list[Subtitle] = []
    for number, each in enumerate(found):
        # Whole milliseconds, which is what the files can say, so that rounding breaks no rule.
        start = round(each.start, 3)
        if timed:
            start = max(start, round(timed[-1].end + GAP, 3))
        wanted = max(each.end - start, SHORTEST, len(each.text) / READING_SPEED)
        end = start + min(wanted, LONGEST)
        if number + 1 < len(found):
            end = min(end, found[number + 1].start - GAP)
        # Only people who speak at once can leave less room; then the next one waits.
        least = SHORTEST
        if number + 1 < len(found) and found[number + 1].channel != each.channel:
            least = max(SHORTEST, len(each.text) / _HASTY_SPEED)
        end = max(end, start + least)
        timed.append(Subtitle(start, round(end, 3), each.lines, each.channel))
    return timed


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"
