"""What every importer asks of a recording and its text before they become an utterance."""

from __future__ import annotations

from pathlib import Path

from govor.corpora.lengths import Length, measure_length
from govor.errors import ManifestError
from govor.language import tr
from govor.text.alphabet import RUSSIAN_LETTERS, is_speakable, normalize

LOWEST_RATE = 8000
# Nobody speaks so fast; the text belongs to another recording, or this one is cut.
_MOST_LETTERS_A_SECOND = 40.0


def check_text(raw: str, letters: str = RUSSIAN_LETTERS) -> str:
    """Return the normalised text. Raises ManifestError if normalising would change what was said."""
    if not raw.strip():
        raise ManifestError(tr("пустой текст", "an empty text"))
    if not is_speakable(raw, letters):
        raise ManifestError(
            tr(
                f"в тексте цифры, латиница или ни одной буквы: {raw!r}",
                f"digits, Latin letters or no letters in the text: {raw!r}",
            )
            if letters == RUSSIAN_LETTERS
            else tr(
                f"в тексте не только буквы «{letters}»: {raw!r}",
                f"the text has more than the letters “{letters}”: {raw!r}",
            )
        )
    return normalize(raw, letters)


def check_name(path: Path) -> None:
    """Raise ManifestError if a manifest cannot hold the name of a file, or no file can have it."""
    if "\0" in str(path):
        raise ManifestError(tr("в имени файла нулевой байт", "there is a zero byte in the file's name"))
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ManifestError(tr("имя файла не UTF-8", "the file's name is not UTF-8")) from error


def check_recording(path: Path) -> Length:
    """Measure a recording. Raises ManifestError if it is empty or too low, and what `measure_length` does."""
    check_name(path)
    try:
        empty = not path.stat().st_size
    except OSError as error:
        raise ManifestError(tr(f"нет записи {path}", f"no recording {path}")) from error
    if empty:
        raise ManifestError(tr("пустой файл (0 байт)", "an empty file (0 bytes)"))
    length = measure_length(path)
    if length.sample_rate < LOWEST_RATE:
        raise ManifestError(
            tr(
                f"{length.sample_rate} Гц, а нужно хотя бы {LOWEST_RATE}",
                f"{length.sample_rate} Hz, at least {LOWEST_RATE} are needed",
            )
        )
    return length


def check_tempo(text: str, duration: float) -> None:
    """Raise ManifestError if a normalised text cannot be said in so many seconds."""
    if len(text) > duration * _MOST_LETTERS_A_SECOND:
        raise ManifestError(
            tr(
                f"{duration:.2f} с мало для {len(text)} букв",
                f"{duration:.2f} s are too few for {len(text)} letters",
            )
        )
