from __future__ import annotations

from pathlib import Path

import pytest

from govor.inputs import find_recordings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.wav", "a.MP3", "deep/er/c.mkv", "notes.txt", ".hidden/d.wav", "e.pcm"):
        path = tmp_path / "calls" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "calls"


def test_a_folder_gives_its_recordings_to_the_bottom_in_order(folder: Path) -> None:
    found = find_recordings([str(folder)])
    assert [Path(each.source).relative_to(folder).as_posix() for each in found.recordings] == [
        "a.MP3",
        "b.wav",
        "deep/er/c.mkv",
    ]
    assert [each.stem.as_posix() for each in found.recordings] == ["a", "b", "deep/er/c"]
    assert found.errors == ()


def test_raw_takes_the_files_without_a_header(folder: Path) -> None:
    (only,) = find_recordings([str(folder)], raw=True).recordings
    assert Path(only.source).name == "e.pcm"


def test_a_quoted_pattern_is_expanded_and_a_file_of_that_name_is_itself(folder: Path) -> None:
    found = find_recordings([str(folder / "**" / "*.wav"), str(folder / "?.MP3")])
    assert [each.stem.as_posix() for each in found.recordings] == ["b", "a"]
    strange = folder / "b [1].wav"
    strange.write_bytes(b"")
    (itself,) = find_recordings([str(strange)]).recordings
    assert itself.source == str(strange)


def test_what_stands_for_nothing_is_a_line_and_a_missing_file_is_left_to_whoever_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOVOR_LANG", "en")
    (tmp_path / "empty").mkdir()
    found = find_recordings([str(tmp_path / "*.wav"), str(tmp_path / "empty"), "absent.wav", "-"])
    assert [line.split(": ")[-1] for line in found.errors] == [
        "no file matches this pattern",
        "no recordings in this folder",
    ]
    assert [each.source for each in found.recordings] == ["absent.wav", "-"]
    assert found.recordings[1].stem == Path("stdin")


def test_an_address_is_told_how_to_become_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVOR_LANG", "en")
    found = find_recordings(["https://example.org/talk.mp3?part=[1]", "a.wav"])
    assert [each.source for each in found.recordings] == ["a.wav"]
    assert found.errors == (
        "https://example.org/talk.mp3?part=[1]: an address, not a file; "
        "download it first: curl -LO 'https://example.org/talk.mp3?part=[1]'",
    )


def test_outputs_of_the_same_name_keep_their_suffix(folder: Path) -> None:
    (folder / "b.mp3").write_bytes(b"")
    found = find_recordings([str(folder)])
    assert [each.stem.as_posix() for each in found.recordings] == ["a", "b.mp3", "b.wav", "deep/er/c"]


def test_a_file_named_twice_is_taken_once_where_it_is_written(folder: Path) -> None:
    names = [str(folder / "b.wav"), str(folder), str(folder / "deep" / ".." / "b.wav")]
    assert len(find_recordings(names).recordings) == 5
    once = find_recordings(names, unique=True).recordings
    assert [each.stem.as_posix() for each in once] == ["b", "a", "deep/er/c"]
    assert once[0].source == names[0]


def test_standard_input_is_taken_once(folder: Path) -> None:
    found = find_recordings(["-", str(folder / "b.wav"), "-", str(folder / "b.wav")]).recordings
    assert [each.source for each in found] == ["-", str(folder / "b.wav"), str(folder / "b.wav")]
