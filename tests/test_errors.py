"""What the system says against a file or an address is said in the user's language."""

from __future__ import annotations

import io
import re
import socket
from pathlib import Path

import av
import numpy as np
import pytest

from govor.audio.loading import load_audio
from govor.errors import AudioError, InputNotFoundError, system_error_text, system_reason
from govor.language import speaking


def _fail(path: Path) -> OSError:
    with pytest.raises(OSError) as caught:
        path.read_bytes()
    return caught.value


def test_the_reason_of_the_system_is_russian_for_russians(tmp_path: Path) -> None:
    for error, russian, english in (
        (_fail(tmp_path / "нет.wav"), "нет такого файла или папки", "No such file or directory"),
        (_fail(tmp_path), "это папка", "Is a directory"),
    ):
        with speaking("ru"):
            assert system_reason(error) == russian
            assert system_error_text(error) == f"{error.filename}: {russian}"
        with speaking("en"):
            assert system_reason(error) == english


def test_a_missing_recording_has_no_english_in_its_russian_line(tmp_path: Path) -> None:
    with speaking("ru"), pytest.raises(InputNotFoundError) as caught:
        load_audio(tmp_path / "запись", 8000)
    line = str(caught.value).removeprefix(str(tmp_path / "запись"))
    assert line == ": не открывается (нет такого файла или папки); проверьте путь и права"


def test_a_film_without_sound_is_told_in_russian() -> None:
    film = io.BytesIO()
    with av.open(film, mode="w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        output.mux([*stream.encode(picture), *stream.encode(None)])
    with speaking("ru"), pytest.raises(AudioError, match=r"нет звуковой дорожки.*\(есть: видео\)"):
        load_audio(film.getvalue(), 8000)


def test_a_taken_port_is_told_in_russian() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError) as caught:
        socket.create_server(taken.getsockname())
    with speaking("ru"):
        assert system_reason(caught.value) == "адрес уже занят"


def test_our_own_words_and_unknown_reasons_stay() -> None:
    with speaking("ru"):
        assert system_reason(InputNotFoundError("нет манифеста")) == "нет манифеста"
        assert system_reason(PermissionError(0, "это папка или нет прав")) == "это папка или нет прав"
        assert system_reason(ValueError("embedded null byte")) == "embedded null byte"
        assert not re.search("[а-я]", system_reason(OSError(-2, "Name or service not known")))
