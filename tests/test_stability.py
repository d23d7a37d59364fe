from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from govor.stability import Steady
from govor.transcript import Word


def words(text: str, end: float = 1.0) -> tuple[Word, ...]:
    return tuple(Word(word, end - 0.2, end, 0.9) for word in text.split())


def shown(steady: Steady, text: str, edge: float = 9.0, whole: bool = False) -> str:
    return " ".join(word.text for word in steady.take(words(text), edge, whole))


def test_a_word_is_shown_when_two_decodings_in_a_row_agree_on_it() -> None:
    steady = Steady()
    assert shown(steady, "он открыл") == ""
    assert shown(steady, "он открыт дверь") == "он"
    assert shown(steady, "он открыт дверь") == "он открыт дверь"


def test_a_word_at_the_edge_of_the_sound_is_held_back() -> None:
    steady = Steady(edge_seconds=0.25)
    for _ in range(3):
        assert shown(steady, "снах", edge=1.2) == ""
    assert shown(steady, "сначала", edge=1.3) == ""
    assert shown(steady, "сначала", edge=1.4) == "сначала"


def test_one_decoding_that_disagrees_takes_nothing_back_and_two_do() -> None:
    steady = Steady()
    for _ in range(2):
        assert shown(steady, "дверь в спальню где") in ("", "дверь в спальню где")
    assert shown(steady, "дверь спальню где") == "дверь в спальню где"
    assert shown(steady, "дверь спальню где") == "дверь спальню где"


def test_a_pause_shows_everything_at_once() -> None:
    steady = Steady()
    assert shown(steady, "потуши свет", edge=1.0, whole=True) == "потуши свет"
    assert shown(steady, "потуши свет в", edge=9.0) == "потуши свет"


@given(st.lists(st.lists(st.sampled_from("абв"), max_size=5), max_size=8))
def test_nothing_is_shown_that_no_decoding_said(decodings: list[list[str]]) -> None:
    steady = Steady()
    said: set[str] = set()
    for decoding in decodings:
        said.update(decoding)
        assert set(shown(steady, " ".join(decoding)).split()) <= said


@given(st.lists(st.sampled_from("абв"), max_size=5), st.integers(2, 5))
def test_decodings_that_all_agree_are_shown_whole(decoding: list[str], times: int) -> None:
    steady = Steady()
    for _ in range(times):
        last = shown(steady, " ".join(decoding))
    assert last == " ".join(decoding)
