from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declined_numbers import CASES, decline
from govor.text.number_reading import words_to_digits

# These mean something else when nothing stands beside them.
_WORDS_ALONE = {1, 40, 7, 1000}


def _as_written(number: int, said: str) -> set[str]:
    return {str(number), said} if number in _WORDS_ALONE else {str(number)}


@pytest.mark.parametrize("case", CASES)
def test_every_number_below_a_thousand_is_read_in_every_case(case: str) -> None:
    for number in range(1, 1000):
        said = decline(number, case)
        assert words_to_digits(said) in _as_written(number, said)
        assert words_to_digits(said.replace("ё", "е")) in _as_written(number, said.replace("ё", "е"))


@pytest.mark.parametrize("case", CASES)
def test_every_number_of_thousands_is_read_in_every_case(case: str) -> None:
    for thousands in range(1, 1000):
        for rest in (0, (thousands * 7) % 1000):
            said = decline(thousands * 1000 + rest, case)
            assert words_to_digits(said) in _as_written(thousands * 1000 + rest, said)


@given(st.integers(1, 999_999), st.sampled_from(CASES))
def test_a_number_among_words_is_read_in_every_case(number: int, case: str) -> None:
    said = decline(number, case)
    texts = {f"здесь {written} человек" for written in _as_written(number, said)}
    assert words_to_digits(f"здесь {said} человек") in texts


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("вижу двадцать одного человека", "вижу 21 человека"),
        ("около двадцати одной тысячи", "около 21000"),
        ("тысячи двухсот рублей", "1200 рублей"),
        ("к двум тысячам двадцати шести", "к 2026"),
        ("с двумястами пятьюдесятью", "с 250"),
        ("пятидесятью рублями", "50 рублями"),
        ("в двухтысячном году", "в 2000-м году"),
        ("в тысяча девятьсот сорок пятом году", "в 1945-м году"),
        ("двадцать пятой дивизией", "25-й дивизией"),
        ("пятым и третьей", "5-м и 3-й"),
        ("до трёх целых пяти десятых", "до 3,5"),
        ("одной целой двум сотым", "1,02"),
        # Which number is meant, one or two, cannot be told.
        ("из двадцати один", "из двадцати один"),
        ("из ста двадцать пять ответили", "из ста двадцать пять ответили"),
        ("до двадцати пятого", "до двадцати пятого"),
        ("из двух тысяч двести", "из двух тысяч двести"),
        ("около двадцати тысяча", "около двадцати тысяча"),
        # These count nothing.
        ("с нуля", "с нуля"),
        ("сорока и моя семью", "сорока и моя семью"),
        ("полтора миллиона", "полтора миллиона"),
        ("тысячи двадцать лет", "тысячи 20 лет"),
        ("одного одной первым", "одного одной первым"),
        ("одна пятая и две пятых", "одна пятая и 2 пятых"),
        ("во вторых и в третьих", "во вторых и в третьих"),
    ],
)
def test_oblique_numbers_become_figures_or_stay_words_whole(said: str, written: str) -> None:
    assert words_to_digits(said) == written
