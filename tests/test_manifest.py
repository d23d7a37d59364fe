from __future__ import annotations

import json
from pathlib import Path

import pytest

from govor.errors import InputNotFoundError, ManifestError
from govor.manifest import BadLine, Utterance, read_manifest, write_manifest

GOOD = '{"audio_filepath": "a.wav", "duration": 1.5, "text": "да"}'


def read(path: Path, content: str | bytes) -> tuple[list[Utterance], list[BadLine]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    bad: list[BadLine] = []
    return list(read_manifest(path, bad)), bad


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = [
        Utterance("1", 1.25, "ещё бы", "анна", audio_filepath=tmp_path / "звук" / "a b.wav"),
        Utterance("2", 0.0, "", features=tmp_path / "x.npy"),
        Utterance("3", 2.0, 'кавычка " и \n строка', features=Path("/elsewhere/y.mfc")),
    ]
    assert write_manifest(tmp_path / "m" / ".." / "m.jsonl", written) == 3
    assert list(read_manifest(tmp_path / "m.jsonl")) == written


def test_paths_inside_the_folder_are_written_relative_so_that_it_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    write_manifest(
        tmp_path / "old" / "m.jsonl", [Utterance("1", 1.0, "да", features=tmp_path / "old" / "f" / "x.mfc")]
    )
    row = json.loads((tmp_path / "old" / "m.jsonl").read_text(encoding="utf-8"))
    assert row == {"features": "f/x.mfc", "duration": 1.0, "text": "да", "speaker": "", "id": "1"}
    (tmp_path / "old").rename(tmp_path / "new")
    (moved,) = read_manifest(tmp_path / "new" / "m.jsonl")
    assert moved.features == tmp_path / "new" / "f" / "x.mfc"


def test_nemo_manifest_without_our_keys_is_read(tmp_path: Path) -> None:
    ((utterance,), bad) = read(tmp_path / "m.jsonl", GOOD)
    assert utterance == Utterance("a.wav", 1.5, "да", audio_filepath=tmp_path / "a.wav")
    assert bad == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        (GOOD.replace('"a.wav"', '""'), "exactly one path"),
        (GOOD.replace('"a.wav"', "3"), "exactly one path"),
        (GOOD.replace("audio_filepath", "audio"), "exactly one path"),
        (GOOD.replace('"text"', '"features": "x.npy", "text"'), "exactly one path"),
        (GOOD.replace("1.5", "NaN"), "unusable duration nan"),
        (GOOD.replace("1.5", "1e999"), "unusable duration inf"),
        (GOOD.replace("1.5", "1" + "0" * 400), "unusable duration 1000"),
        # Not JSON to a Python that limits the digits of a number, an unusable duration to an older one.
        (GOOD.replace("1.5", "1" + "0" * 5000), ""),
        (GOOD.replace("1.5", "-1"), "unusable duration -1"),
        (GOOD.replace("1.5", "true"), "must be a number"),
        (GOOD.replace("1.5", '"1.5"'), "must be a number"),
        (GOOD.replace(', "text": "да"', ""), "text must be a string"),
        (GOOD.replace('"да"', "5"), "text must be a string"),
        (GOOD.replace("a.wav", "a\\u0000.wav"), "unusable characters"),
        (GOOD.replace("да", "\\ud800"), "unusable characters"),
    ],
)
def test_bad_line_is_listed_with_place_and_reason_and_the_others_survive(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = tmp_path / "m.jsonl"
    utterances, bad = read(path, f"{GOOD}\n{line}\n{GOOD}\n")
    assert [utterance.text for utterance in utterances] == ["да", "да"]
    assert [one.place for one in bad] == [f"{path}:2"]
    assert reason in bad[0].reason
    assert len(bad[0].reason) < 200
    with pytest.raises(ManifestError, match=r"m\.jsonl:2: "):
        list(read_manifest(path))


def test_line_that_is_not_utf8_is_a_bad_line(tmp_path: Path) -> None:
    utterances, bad = read(tmp_path / "m.jsonl", GOOD.encode("cp1251") + b"\n" + GOOD.encode())
    assert len(utterances) == 1
    assert bad == [BadLine(f"{tmp_path / 'm.jsonl'}:1", "not UTF-8")]


@pytest.mark.parametrize(
    "content", [f"\ufeff{GOOD}\r\n\r\n  \n{GOOD}", f"\ufeff\n{GOOD}\n{GOOD}\n\n", f"{GOOD}\r\n{GOOD}\r\n"]
)
def test_windows_line_ends_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path, content: str) -> None:
    utterances, bad = read(tmp_path / "m.jsonl", content)
    assert (len(utterances), bad) == (2, [])


def test_missing_manifest_and_a_folder_are_not_found(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(InputNotFoundError, match="no manifest"):
            list(read_manifest(path))


def test_failed_write_leaves_the_old_manifest_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write_manifest(path, [Utterance("1", 1.0, "да", features=Path("/x.npy"))])

    def broken() -> object:
        yield Utterance("2", 1.0, "нет", features=Path("/y.npy"))
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_manifest(path, broken())  # type: ignore[arg-type]
    assert [utterance.id for utterance in read_manifest(path)] == ["1"]
