from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from govor.stability import Steady
from govor.transcript import Word


def words(text: str, end: float = 1.0) -> tuple[Word, ...]:
    """The words of a text; those with a question mark are doubtful."""
    return tuple(
        Word(word.rstrip("?"), end - 0.2, end, 0.3 if word.endswith("?") else 0.9) for word in text.split()
    )


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


def test_a_shown_word_changes_only_after_as_many_decodings_as_asked_agree_on_another() -> None:
    steady = Steady(many=4)
    for _ in range(2):
        last = shown(steady, "дверь в спальню где")
    assert last == "дверь в спальню где"
    for _ in range(3):
        assert shown(steady, "дверь спальню где он") == "дверь в спальню где"
    assert shown(steady, "дверь спальню где он") == "дверь спальню где он"


def test_a_decoding_that_goes_back_starts_the_count_anew() -> None:
    steady = Steady(many=3)
    texts = ["да", "да", "нет", "нет", "да", "нет", "нет", "нет"]
    assert [shown(steady, text) for text in texts] == ["", *["да"] * 6, "нет"]


def test_a_doubtful_word_waits_and_so_do_those_behind_it() -> None:
    steady = Steady(many=4)
    assert [shown(steady, "через колет? путешествие") for _ in range(4)] == [
        "",
        "через",
        "через",
        "через колет путешествие",
    ]


def test_a_decoding_too_short_to_contradict_takes_nothing_back() -> None:
    steady = Steady()
    for _ in range(2):
        shown(steady, "он открыл дверь")
    assert shown(steady, "он") == shown(steady, "") == shown(steady, "он") == "он открыл дверь"


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
