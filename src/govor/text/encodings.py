"""What to say of a text file that is not UTF-8: which encoding it seems to have, and how to convert it."""

from __future__ import annotations

import codecs

from govor.errors import ManifestError
from govor.language import tr


def wrong_encoding(place: str, sample: bytes) -> ManifestError:
    """Return the error for bytes that are not UTF-8; `place` is the file, and the line where it is known."""
    encoding = guessed_encoding(sample)
    if not encoding and b"\0" in sample:
        return ManifestError(
            tr(
                f"{place}: не текст; нужен текстовый файл в UTF-8",
                f"{place}: no text; give a text file in UTF-8",
            )
        )
    guess = tr(f", похоже на {encoding}", f", it looks like {encoding}") if encoding else ""
    command = f"iconv -f {encoding or 'cp1251'} -t utf-8"
    return ManifestError(
        tr(
            f"{place}: не UTF-8{guess}; сохраните в UTF-8: {command}",
            f"{place}: not UTF-8{guess}; save it as UTF-8: {command}",
        )
    )


def guessed_encoding(sample: bytes) -> str:
    """Return the encoding that Russian text has if it is not UTF-8, as iconv calls it, or an empty string."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-16le", "utf-16be"):
        # Without their mark; the high byte of Russian letters is 4, that of spaces 0.
        high = sample[1 if encoding == "utf-16le" else 0 :: 2]
        if len(high) > 1 and high.count(4) + high.count(0) > 0.9 * len(high) and 4 in high:
            return encoding
    # In Russian text of either most letters are small ones, which are the capitals of the other.
    small = {
        encoding: sum("а" <= letter <= "я" for letter in sample.decode(encoding, "ignore"))
        for encoding in ("cp1251", "koi8-r")
    }
    likely = max(small, key=small.__getitem__)
    return likely if small[likely] > len(sample) / 2 else ""
