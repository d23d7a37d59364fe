"""Russian numbers in words: 0 to 999,999,999, ordinals in the common cases, decimals.

The way back is in `govor.text.number_reading`.
"""

from __future__ import annotations

import re

MAX_NUMBER = 999_999_999

ONES = ["ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"]
TEENS = [
    "десять",
    "одиннадцать",
    "двенадцать",
    "тринадцать",
    "четырнадцать",
    "пятнадцать",
    "шестнадцать",
    "семнадцать",
    "восемнадцать",
    "девятнадцать",
]
TENS = ["двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто"]
HUNDREDS = [
    "сто",
    "двести",
    "триста",
    "четыреста",
    "пятьсот",
    "шестьсот",
    "семьсот",
    "восемьсот",
    "девятьсот",
]
_SCALES = ((1_000_000, ("миллион", "миллиона", "миллионов")), (1000, ("тысяча", "тысячи", "тысяч")))

SOFT_ORDINAL = 3
# Stems of ordinals; «третий» alone is soft: третьего, третья.
ORDINAL_STEMS = (
    {1: "перв", 2: "втор", 3: "трет", 4: "четвёрт", 5: "пят", 6: "шест", 7: "седьм", 8: "восьм", 9: "девят"}
    | {10 + i: teen[:-1] for i, teen in enumerate(TEENS)}
    | {20: "двадцат", 30: "тридцат", 40: "сороков", 50: "пятидесят", 60: "шестидесят"}
    | {70: "семидесят", 80: "восьмидесят", 90: "девяност"}
    | {100: "сот", 200: "двухсот", 300: "трёхсот", 400: "четырёхсот", 500: "пятисот"}
    | {600: "шестисот", 700: "семисот", 800: "восьмисот", 900: "девятисот"}
)
_STRESSED_ENDING = {2, 6, 7, 8, 40}
# What is written after the hyphen, and the endings it stands for: hard, soft.
_CASES = {
    "й": ("ый", "ий"),
    "я": ("ая", "ья"),
    "е": ("ое", "ье"),
    "го": ("ого", "ьего"),
    "му": ("ому", "ьему"),
    "м": ("ом", "ьем"),
    "ю": ("ую", "ью"),
    "х": ("ых", "ьих"),
}
# Written longer than the rules want; «5-ой» may be «пятый» of a hasty writer or «пятой», so it is not here.
_LONG_CASES = {
    **dict.fromkeys(("ый", "ий"), "й"),
    **dict.fromkeys(("ая", "ья"), "я"),
    **dict.fromkeys(("ое", "ье"), "е"),
    **dict.fromkeys(("ого", "его"), "го"),
    **dict.fromkeys(("ому", "ему"), "му"),
    **dict.fromkeys(("ом", "ем"), "м"),
    **dict.fromkeys(("ую", "ью"), "ю"),
    **dict.fromkeys(("ых", "их"), "х"),
}
# Thousands are parted by spaces that do not break, or by plain ones where 000 at the end shows what they are.
_DIGITS = re.compile(
    r"(?<![\w])(\d{1,3}(?: \d{3})* 000(?!\d)|\d+(?:[\u00a0\u202f]\d{3})*)"
    rf"(?:-({'|'.join((*_LONG_CASES, *_CASES))})(?!\w))?(?!\d)"
)
_MINUS = re.compile(r"(?<![^\s(«\"])[-\u2212](?=\d)")
# «5-ти», «100-летие»: how they are said is not in the digits. «25-а», a house, is.
_UNKNOWN_ENDING = re.compile(r"\d-[а-яё]{2,}", re.IGNORECASE)


# 0,5 is «ноль целых пять десятых». Dates and versions, with two points, are none.
_DECIMAL = re.compile(r"(?<![\w.,])(\d+)[.,](\d{1,3})(?![\w]|[.,]\d)")
_WHOLE = ("целая", "целых")
_PARTS = {1: ("десятая", "десятых"), 2: ("сотая", "сотых"), 3: ("тысячная", "тысячных")}


def number_in_words(number: int) -> str:
    """Say a number in the nominative: 25 is ``двадцать пять``, 2001 ``две тысячи один``.

    Raises ValueError if it is not 0 to 999,999,999.
    """
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"{number} is not 0 to {MAX_NUMBER}")
    if number == 0:
        return ONES[0]
    words: list[str] = []
    for scale, forms in _SCALES:
        count = number // scale % 1000
        if count:
            # «тысяча», not «одна тысяча», is what people say.
            words += [] if count == 1 else _below_thousand(count, feminine=scale == 1000)
            words.append(forms[_plural(count)])
    return " ".join(words + _below_thousand(number % 1000))


def decimal_in_words(whole: int, part: int, places: int) -> str:
    """Say a decimal fraction: ``3, 14, 2`` for 3,14 is ``три целых четырнадцать сотых``.

    `places` are 1 to 3 digits after the comma. Raises ValueError for numbers out of range.
    """
    if places not in _PARTS or not 0 <= part < 10**places or not 0 <= whole <= MAX_NUMBER:
        raise ValueError(f"{whole},{part:0{max(places, 0)}d} is not 0,0 to {MAX_NUMBER},999")
    said = []
    for number, forms in ((whole, _WHOLE), (part, _PARTS[places])):
        before = [number_in_words(number - number % 1000)] if number >= 1000 else []
        words = [*before, *_below_thousand(number % 1000, feminine=True)] or [ONES[0]]
        said += [*words, forms[_plural(number) > 0]]
    return " ".join(said)


def _below_thousand(number: int, feminine: bool = False) -> list[str]:
    words = [HUNDREDS[number // 100 - 1]] if number >= 100 else []
    rest = number % 100
    if 10 <= rest < 20:
        return [*words, TEENS[rest - 10]]
    if rest >= 20:
        words.append(TENS[rest // 10 - 2])
    if rest % 10:
        words.append(
            {1: "одна", 2: "две"}.get(rest % 10, "") if feminine and rest % 10 < 3 else ONES[rest % 10]
        )
    return words


def _plural(count: int) -> int:
    if count % 10 == 1 and count % 100 != 11:
        return 0
    return 1 if count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14) else 2


def ordinal_in_words(number: int, case: str = "й") -> str:
    """Say an ordinal; `case` is what is written after the hyphen: ``25, "го"`` is ``двадцать пятого``.

    Raises ValueError for a number without a simple ordinal (whole thousands, 0, too large) or an unknown
    case.
    """
    last = number % 100 if 10 < number % 100 < 20 else _last_part(number)
    if case not in _CASES or last == 0 or not 0 < number <= MAX_NUMBER:
        raise ValueError(f"no ordinal {number}-{case}")
    before = [number_in_words(number - last)] if number > last else []
    return " ".join([*before, _inflect(last, case)])


def _last_part(number: int) -> int:
    for unit in (10, 100, 1000):
        if number % unit:
            return number % unit
    return 0


def _inflect(part: int, case: str) -> str:
    hard, soft = _CASES[case]
    if part == SOFT_ORDINAL:
        return ORDINAL_STEMS[part] + soft
    if case == "й" and part in _STRESSED_ENDING:
        hard = "ой"
    return ORDINAL_STEMS[part] + hard


def digits_to_words(text: str) -> str:
    """Replace every number by words: ``канал 5`` -> ``канал пять``, ``9-го мая`` -> ``девятого мая``.

    ``3,5`` is ``три целых пять десятых``, ``-5`` ``минус пять``. Leading zeros are said one by one. Raises
    ValueError naming a number that cannot be said.
    """

    def say(match: re.Match[str]) -> str:
        digits, case = re.sub(r"\D", "", match[1]), _LONG_CASES.get(match[2], match[2])
        zeros = 0 if case or digits == "0" else len(digits) - len(digits.lstrip("0"))
        number = int(digits)
        rest = (
            []
            if zeros == len(digits)
            else [ordinal_in_words(number, case) if case else number_in_words(number)]
        )
        return " ".join([ONES[0]] * zeros + rest)

    def say_decimal(match: re.Match[str]) -> str:
        return decimal_in_words(int(match[1]), int(match[2]), len(match[2]))

    said = _DIGITS.sub(say, _DECIMAL.sub(say_decimal, _MINUS.sub("минус ", text)))
    known = [match for match in _DIGITS.finditer(text) if match[2]]
    for ending in _UNKNOWN_ENDING.finditer(text):
        if not any(match.start() <= ending.start() < match.end() for match in known):
            raise ValueError(f"{ending[0]} is not known")
    return said
