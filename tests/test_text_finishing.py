from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import govor
from declined_numbers import decline
from govor.recognizer import load_model
from govor.text.alphabet import is_speakable, normalize
from govor.text.finishing import finish, restore_yo
from govor.text.number_reading import words_to_digits
from govor.text.numbers import MAX_NUMBER, digits_to_words, number_in_words, ordinal_in_words
from govor.transcript import Transcript
from tiny_model import spell, spelling_model


@given(st.integers(0, MAX_NUMBER))
def test_a_number_comes_back_from_its_words(number: int) -> None:
    words = number_in_words(number)
    assert digits_to_words(str(number)) == words
    # «Один» alone stays a word.
    assert words_to_digits(words) == (words if number == 1 else str(number))


@given(st.integers(1, MAX_NUMBER), st.sampled_from(["й", "я", "е", "го", "му", "м", "ю", "х"]))
def test_an_ordinal_comes_back_from_its_words(number: int, case: str) -> None:
    if number % 1000 == 0:
        with pytest.raises(ValueError, match="no ordinal"):
            ordinal_in_words(number, case)
        return
    words = ordinal_in_words(number, case)
    assert digits_to_words(f"{number}-{case}") == words
    assert words_to_digits(words) == (words if number == 1 else f"{number}-{case}")


@given(st.integers(1, 999_999))
def test_numbers_are_said_as_tables_of_whole_words_have_them(number: int) -> None:
    assert number_in_words(number) == decline(number, "nominative")


@given(st.text(alphabet="абё один двадцать сто тысяча 0123456789-йго ", max_size=60))
def test_finishing_never_fails_and_adds_no_lines(text: str) -> None:
    assert "\n" not in finish(normalize(text))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "ноль"),
        (7, "семь"),
        (10, "десять"),
        (19, "девятнадцать"),
        (40, "сорок"),
        (99, "девяносто девять"),
        (100, "сто"),
        (215, "двести пятнадцать"),
        (601, "шестьсот один"),
        (999, "девятьсот девяносто девять"),
        (1000, "тысяча"),
        (2001, "две тысячи один"),
        (11_000, "одиннадцать тысяч"),
        (21_000, "двадцать одна тысяча"),
        (102_022, "сто две тысячи двадцать два"),
        (1_000_000, "миллион"),
        (5_000_040, "пять миллионов сорок"),
        (22_000_112, "двадцать два миллиона сто двенадцать"),
    ],
)
def test_numbers_are_said_in_good_russian(number: int, words: str) -> None:
    assert number_in_words(number) == words


@pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1])
def test_numbers_out_of_range_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=str(number)):
        number_in_words(number)


@pytest.mark.parametrize(
    ("spoken", "finished"),
    [
        ("двадцать пять", "25"),
        ("еще двадцать пятого мая", "Ещё 25-го мая"),
        ("тысяча девятьсот девяносто девятый год", "1999-й год"),
        ("пять шесть семь", "5 6 7"),
        ("двадцать двадцать", "20 20"),
        ("ноль пять", "0 5"),
        ("один дома первый раз", "Один дома первый раз"),
        ("двадцать один день", "21 день"),
        ("четвертая елка", "4-я ёлка"),
        ("все небо", "Все небо"),
        ("ноль целых пять десятых", "0,5"),
        ("одна целая и двадцать одна сотая процента", "1,21 процента"),
        ("число пи три целых сто сорок одна тысячная", "Число пи 3,141"),
        ("две целых пять сотых", "2,05"),
        ("пять десятых", "5 десятых"),
        ("пять целых яблок", "5 целых яблок"),
        ("несколько тысяч людей", "Несколько тысяч людей"),
        ("тысячи", "Тысячи"),
        ("сто тысяч тысяч", "100000 тысяч"),
        ("две тысячи", "2000"),
        ("три целых пятьдесят десятых", "3 целых 50 десятых"),
        ("", ""),
    ],
)
def test_texts_are_finished_as_people_write(spoken: str, finished: str) -> None:
    assert finish(spoken) == finished


@given(st.integers(0, MAX_NUMBER), st.integers(1, 3), st.data())
def test_a_decimal_comes_back_from_its_words(whole: int, places: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, 10**places - 1))
    written = f"{whole},{part:0{places}d}"
    assert words_to_digits(digits_to_words(written)) == written
    assert digits_to_words(written.replace(",", ".")) == digits_to_words(written)


def test_decimals_are_said_in_good_russian_and_dates_are_none() -> None:
    assert digits_to_words("21,1 и 0.5") == "двадцать одна целая одна десятая и ноль целых пять десятых"
    assert digits_to_words("2,02, 1012,3") == "две целых две сотых, тысяча двенадцать целых три десятых"
    assert digits_to_words("31.12.2026") == "тридцать один.двенадцать.две тысячи двадцать шесть"
    with pytest.raises(ValueError, match="1000000000"):
        digits_to_words("1000000000,5")


def test_digits_in_a_text_are_said_with_leading_zeros_and_cases() -> None:
    assert digits_to_words("код 007, 9-го мая, 1\u00a0500 и 2-я") == (
        "код ноль ноль семь, девятого мая, тысяча пятьсот и вторая"
    )


def test_yo_stands_only_where_nothing_else_can_be_meant() -> None:
    assert restore_yo("еще зеленый шел идет все небо узнает") == "ещё зелёный шёл идёт все небо узнает"


def test_the_yo_words_are_russian_and_have_one_spelling() -> None:
    path = Path(govor.__file__).parent / "data" / "yo_words.txt"
    words = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert len(words) > 9000 and all("ё" in word and is_speakable(word) for word in words)
    assert len({word.replace("ё", "е") for word in words}) == len(words)


def test_finishing_leaves_the_raw_text_alone(tmp_path: Path) -> None:
    heard = load_model(spelling_model(tmp_path / "m.onnx")).transcribe_features(spell("канал пять"), "greedy")
    assert "finished" not in heard.to_json()
    finished = Transcript(heard.text, heard.segments, heard.duration, finished=finish(heard.text))
    row = json.loads(finished.to_jsonl())
    assert (row["text"], row["finished"], finished.to_txt()) == ("канал пять", "Канал 5", "Канал 5")
    assert [word["text"] for word in row["segments"][0]["words"]] == ["канал", "пять"]
