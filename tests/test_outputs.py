from __future__ import annotations

import csv
import io
import json
import os
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from govor.outputs import FORMATS, render, render_pieces, write_whole
from govor.transcript import (
    SCHEMA,
    Alternative,
    Coverage,
    Problem,
    Segment,
    Stretch,
    Transcript,
    Word,
)

WORDS = (Word("да", 0.5, 0.75, 0.9), Word("нет", 1.0, 1.25, 0.5))
FULL = Transcript(
    "да нет",
    (
        Segment(0.5, 0.75, "да", WORDS[:1], 0.9, (Alternative("да", -1.0),), channel=1),
        Segment(1.0, 1.25, "нет", WORDS[1:], 0.5, (Alternative("нет", -2.0),), channel=2),
    ),
    5.0,
    "звонок.wav",
    warnings=("обрывается",),
    coverage=Coverage(
        (
            Stretch(0.0, 3.0, "recognized", 1),
            Stretch(3.0, 5.0, "silence", 1),
            Stretch(0.0, 5.0, "noise", 2),
        )
    ),
    problems=(Problem("noise", "шум"),),
    finished="Да нет",
)
PLAIN = Transcript("", (), 0.0)


def schema() -> dict[str, Any]:
    return json.loads(files("govor").joinpath("data", "transcript-1.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("transcript", [FULL, PLAIN])
def test_json_obeys_the_schema_that_comes_with_the_package(transcript: Transcript) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    checker = jsonschema.Draft202012Validator(schema())
    checker.validate(json.loads(render(transcript, "json")))
    (line,) = render(transcript, "jsonl").splitlines()
    checker.validate(json.loads(line))


def test_the_schema_knows_every_key_and_refuses_others() -> None:
    assert set(FULL.to_json()) == set(schema()["properties"])
    assert schema()["properties"]["schema"]["const"] == SCHEMA
    checker = jsonschema.Draft202012Validator(schema())
    for change in (
        {"extra": 1},
        {"schema": "govor-transcript/2"},
        {"duration": "5"},
        {"problems": [{"code": "x"}]},
    ):
        assert not checker.is_valid({**FULL.to_json(), **change})


def test_tsv_is_a_table_of_segments_with_their_channels() -> None:
    rows = list(csv.DictReader(io.StringIO(render(FULL, "tsv")), delimiter="\t"))
    assert rows[1] == {
        "start": "1.000",
        "end": "1.250",
        "channel": "2",
        "confidence": "0.5000",
        "text": "Нет",
    }
    assert len(rows) == 2
    heard = replace(FULL, finished=None)
    assert render(heard, "tsv").splitlines()[2] == "1.000\t1.250\t2\t0.5000\tнет"
    assert render(PLAIN, "tsv") == "start\tend\tchannel\tconfidence\ttext\n"


def test_txt_has_a_line_for_each_turn_where_channels_are_apart() -> None:
    apart = Transcript(FULL.text, FULL.segments, 5.0)
    assert render(apart, "txt") == "[1] да\n[2] нет\n"
    assert render(PLAIN, "txt") == "\n"


def test_every_format_ends_with_a_line_feed_and_others_are_refused() -> None:
    assert FORMATS == ("txt", "json", "jsonl", "srt", "vtt", "tsv")
    assert all(render(FULL, name).endswith("\n") for name in FORMATS)
    with pytest.raises(ValueError, match="doc"):
        render(FULL, "doc")


def test_a_file_is_written_whole_or_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_whole(path, "старое\n")
    assert path.read_bytes() == "старое\n".encode()

    def broken() -> Iterator[str]:
        yield "новое "
        raise MemoryError

    with pytest.raises(MemoryError):
        write_whole(path, broken())
    assert path.read_text("utf-8") == "старое\n"
    assert [file.name for file in path.parent.iterdir()] == ["b.txt"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "")
    (tmp_path / "b.txt").write_text("")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_coverage_finds_what_nobody_accounts_for() -> None:
    assert FULL.coverage is not None
    assert FULL.coverage.gaps(5.0) == ()
    assert [FULL.coverage.seconds(kind) for kind in ("recognized", "silence", "noise")] == [3.0, 2.0, 5.0]
    torn = Coverage(
        (Stretch(0.0, 1.0, "recognized"), Stretch(1.5, 3.0, "silence"), Stretch(2.0, 4.0, "silence"))
    )
    assert torn.gaps(6.0) == ((1.0, 1.5), (2.0, 3.0), (4.0, 6.0))
    assert Coverage(()).gaps(1.0) == ((0.0, 1.0),)


def test_json_is_written_in_pieces_that_never_are_in_memory_whole(tmp_path: Path) -> None:
    words = tuple(Word("слово", second / 2, second / 2 + 0.4, 0.5) for second in range(20))
    long = Transcript("", tuple(Segment(0.0, 9.9, "слово", words, 0.5) for _ in range(1000)), 10000.0)
    tracemalloc.start()
    write_whole(tmp_path / "long.json", render_pieces(long, "json"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = (tmp_path / "long.json").stat().st_size
    # 0.03 of it, the buffers of the file; ten times as much when it was made whole.
    assert peak < 0.1 * size and size > 2e6
    for transcript in (FULL, PLAIN, long):
        whole = json.dumps(transcript.to_json(), ensure_ascii=False, indent=2) + "\n"
        assert "".join(render_pieces(transcript, "json")) == render(transcript, "json") == whole
