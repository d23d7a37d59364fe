"""Russian numbers said in words, in any case, to digits; the way back is in `govor.text.numbers`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from govor.text.numbers import HUNDREDS, MAX_NUMBER, ONES, ORDINAL_STEMS, SOFT_ORDINAL, TEENS, TENS

# Nominative, genitive, dative, accusative of things and of the living («вижу двадцать одного»),
# instrumental, prepositional.
_CASES = frozenset("ngdavip")
_NOMINATIVE = "nav"
_SMALL: dict[int, dict[str, str]] = {
    1: {
        **{"один": "na", "одна": "n", "одно": "na", "одни": "na", "одну": "av", "одного": "gv"},
        **{"одному": "d", "одной": "gdip", "одною": "i", "одним": "id", "одном": "p", "одних": "gvp"},
        "одними": "i",
    },
    2: {"два": "na", "две": _NOMINATIVE, "двух": "gvp", "двум": "d", "двумя": "i"},
    3: {"три": _NOMINATIVE, "трёх": "gvp", "трём": "d", "тремя": "i"},
    4: {"четыре": _NOMINATIVE, "четырёх": "gvp", "четырём": "d", "четырьмя": "i"},
}
# By what is counted: one thousand, two to four, five and more.
_THOUSAND: tuple[dict[str, str], ...] = (
    {"тысяча": "n", "тысячи": "g", "тысяче": "dp", "тысячу": "av", "тысячей": "i", "тысячью": "i"},
    {"тысячи": _NOMINATIVE, "тысяч": "g", "тысячам": "d", "тысячами": "i", "тысячах": "p"},
    {"тысяч": _NOMINATIVE + "g", "тысячам": "d", "тысячами": "i", "тысячах": "p"},
)
_MILLION: tuple[dict[str, str], ...] = (
    {"миллион": _NOMINATIVE, "миллиона": "g", "миллиону": "d", "миллионом": "i", "миллионе": "p"},
    {"миллиона": _NOMINATIVE, "миллионов": "g", "миллионам": "d", "миллионами": "i", "миллионах": "p"},
    {"миллионов": _NOMINATIVE + "g", "миллионам": "d", "миллионами": "i", "миллионах": "p"},
)
_SCALES = {
    word: (scale, forms)
    for scale, forms in ((1_000_000, _MILLION), (1000, _THOUSAND))
    for each in forms
    for word in each
}
# Ending of an ordinal, hard and soft, and what is written of it after the hyphen.
_HARD = {
    **{"ый": "й", "ой": "й", "ая": "я", "ое": "е", "ые": "е", "ого": "го", "ому": "му", "ым": "м", "ом": "м"},
    **{"ую": "ю", "ых": "х", "ыми": "ми"},
}
_SOFT = {
    **{"ий": "й", "ьей": "й", "ья": "я", "ье": "е", "ьи": "и", "ьего": "го", "ьему": "му", "ьим": "м"},
    **{"ьем": "м", "ью": "ю", "ьих": "х", "ьими": "ми"},
}
_FEMININE = ("ая", "ой", "ую", "ья", "ьей", "ью")
_WHOLE = {f"цел{ending}" for ending in ("ая", "ой", "ую", "ых", "ым", "ыми")}
_PARTS = {
    f"{stem}{ending}": places
    for places, stem in enumerate(("десят", "сот", "тысячн"), start=1)
    for ending in ("ая", "ой", "ую", "ых", "ым", "ыми")
}
# Alone it is rather a magpie, a family, or a start: «с нуля».
_OTHER_MEANING = ("сорока", "семью")
# «Во-вторых», which is heard as two words.
_ADVERBS = {("во", "вторых"), ("в", "третьих")}


@dataclass(frozen=True)
class _Numeral:
    value: int
    place: int
    """The power of ten that it fills; 1 are the teens, which fill both tens and ones."""
    cases: frozenset[str]
    written: str = ""
    """What stands after the hyphen of an ordinal; nothing makes it a cardinal."""


def words_to_digits(text: str) -> str:
    """Replace numbers said in words by digits: ``двадцать пятого мая в семь`` -> ``25-го мая в 7``.

    Words parted by single spaces, numbers in any case: ``около двадцати одного`` -> ``около 21``. «один»,
    «одна», «первый» and their like alone stay words: mostly they do not count. Words that do not make one
    number together make several: ``пять шесть`` -> ``5 6``; where only their cases forbid it they all stay
    words, as it may be one number said carelessly: ``из ста двадцать``. Tenths, hundredths and thousandths
    follow a comma: ``три целых пять десятых`` -> ``3,5``.
    """
    return " ".join(shown for _, shown in read_numbers(text.split()))


def read_numbers(words: list[str]) -> Iterator[tuple[int, str]]:
    """Yield what `words_to_digits` makes of words: how many of them, and what is written for these."""
    position = 0
    while position < len(words):
        length, shown = _read_decimal(words[position:])
        if not length:
            length, shown = _read_number(words[position:])
        if not length or (words[position - 1] if position else "", words[position]) in _ADVERBS:
            length, shown = 1, words[position]
        yield length, shown
        position += length
        # «пять десятых» without «целых», «одна пятая» are no ordinals.
        if position < len(words) and _is_fraction(words[position - 1], shown, words[position]):
            yield 1, words[position]
            position += 1


def _is_fraction(counting: str, shown: str, counted: str) -> bool:
    known = _numerals()
    if counted not in _PARTS and not (counted in known and known[counted].written):
        return False
    if shown.isdigit():
        return counted.endswith(("ых", "ьих", "ыми", "ьими"))
    return counting == shown and counting in ("одна", "одной", "одну") and counted.endswith(_FEMININE)


def _read_decimal(words: list[str]) -> tuple[int, str]:
    """Read a decimal fraction at the start as `_read_number` does."""
    length, whole = _read_number(words, alone=True)
    if not whole.isdigit() or length == len(words) or words[length] not in _WHOLE:
        return 0, ""
    length += 1
    length += words[length : length + 1] == ["и"]
    more, part = _read_number(words[length:], alone=True)
    length += more
    places = _PARTS.get(words[length], 0) if length < len(words) else 0
    if not part.isdigit() or len(part) > places:
        return 0, ""
    return length + 1, f"{whole},{part.zfill(places)}"


def _read_number(words: list[str], alone: bool = False) -> tuple[int, str]:
    """Read the longest number at the start: how many words, and it in digits; (0, "") if there is none.

    It is in words where their cases contradict each other. What by itself means something else than a
    number, «один» for one, is a number only if `alone`.
    """
    total, group, place, last_scale = 0, 0, 4, MAX_NUMBER + 1
    cases = _CASES
    written = ""
    length = 0
    for word in words:
        if word == ONES[0]:
            return (length, str(total + group)) if length else (1, "0")
        if word in _SCALES:
            scale, forms = _SCALES[word]
            agreeing = cases & _cases_of_scale(word, forms, group)
            # «тысячи людей» and «несколько тысяч» count nothing.
            if scale >= last_scale or not (agreeing or group):
                break
            total, group, place, last_scale = total + (group or 1) * scale, 0, 4, scale
        else:
            numeral = _numerals().get(word)
            if numeral is None or numeral.place >= place or (numeral.place == 1 and place <= 2):
                break
            agreeing = cases & numeral.cases
            if not agreeing and words[:length] in (["тысячи"], ["миллиона"]):
                return 0, ""
            group += numeral.value
            place = 0 if numeral.place == 1 else numeral.place
            written = numeral.written
        if not agreeing:
            length += _read_number(words[length:])[0] or 1
            return length, " ".join(words[:length])
        cases = agreeing
        length += 1
        if written:
            break
    if not length or (length == 1 and not alone and _means_something_else(words[0], total + group)):
        return 0, ""
    return length, str(total + group) + (f"-{written}" if written else "")


def _means_something_else(word: str, value: int) -> bool:
    return value == 1 or word in _OTHER_MEANING or word in ("тысячи", "миллиона")


def _cases_of_scale(word: str, forms: tuple[dict[str, str], ...], group: int) -> frozenset[str]:
    """Return the cases of «тысяч» and the like after a number; any, if it should be another form."""
    if group == 0:
        return frozenset(forms[0].get(word, ""))
    last = group % 10 if group % 100 not in range(11, 15) else 0
    fitting = forms[0 if last == 1 else 1 if last in (2, 3, 4) else 2].get(word)
    return frozenset(fitting or "".join(each.get(word, "") for each in forms))


def _declined(nominative: str, oblique: str, instrumental: str) -> dict[str, str]:
    return {oblique: "gdp", instrumental: "i"} | {nominative: _NOMINATIVE}


def _cardinals() -> Iterator[tuple[int, dict[str, str]]]:
    """Give every cardinal below a thousand that is one word: its value, and its forms with their cases."""
    small = dict(_SMALL)
    for value, word in [
        *enumerate(ONES[5:], start=5),
        *enumerate(TEENS, start=10),
        (20, TENS[0]),
        (30, TENS[1]),
    ]:
        small[value] = _declined(word, word[:-1] + "и", word + "ю")
    small[8] = {"восемь": _NOMINATIVE, "восьми": "gdp", "восемью": "i", "восьмью": "i"}
    yield from small.items()
    yield from (
        (value, {word: _NOMINATIVE, word[:-1] + "а": "gdip"})
        for value, word in ((90, TENS[-1]), (100, HUNDREDS[0]))
    )
    yield 40, {"сорок": _NOMINATIVE, "сорока": "gdip"}
    for ones in range(2, 10):
        by_case = [[word for word, cases in small[ones].items() if case in cases] for case in "gdip"]
        genitive, dative, instrumental, prepositional = by_case
        if 5 <= ones <= 8:
            forms = {f"{word}десяти": "gdp" for word in genitive}
            # «Пятидесятью» is wrong, but often said.
            forms |= {f"{word}десятью": "i" for word in instrumental + genitive}
            yield 10 * ones, forms | {TENS[ones - 2]: _NOMINATIVE}
        forms = {f"{word}сот": "g" for word in genitive} | {f"{word}стам": "d" for word in dative}
        forms |= {f"{word}стами": "i" for word in instrumental} | {
            f"{word}стах": "p" for word in prepositional
        }
        yield 100 * ones, forms | {HUNDREDS[ones - 1]: _NOMINATIVE}


@lru_cache(maxsize=1)
def _numerals() -> Mapping[str, _Numeral]:
    found = {
        word: _Numeral(value, _place(value), frozenset(cases))
        for value, forms in _cardinals()
        for word, cases in forms.items()
    }
    for value, stem in (ORDINAL_STEMS | {2000: "двухтысячн"}).items():
        for ending, written in (_SOFT if value == SOFT_ORDINAL else _HARD).items():
            # All that stands before an ordinal is in the nominative, or, carelessly, in the accusative.
            found[stem + ending] = _Numeral(value, _place(value), frozenset("na"), written)
    return found | {word.replace("ё", "е"): numeral for word, numeral in found.items()}


def _place(value: int) -> int:
    return 0 if value < 10 else 1 if value < 20 else 2 if value < 100 else 3
