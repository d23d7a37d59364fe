from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from govor import load_model
from running_server import MALE, RunningServer, pcm, running_server

# Seconds; a machine that runs other tests as well may be slow.
PATIENCE = 120


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


def wyoming_talk(server: RunningServer, *events: Event, answers: int = 1) -> list[Event]:
    async def run() -> list[Event]:
        async with AsyncClient.from_uri(server.wyoming) as client:
            for event in events:
                await client.write_event(event)
            got = [await asyncio.wait_for(client.read_event(), PATIENCE) for _ in range(answers)]
            return [event for event in got if event is not None]

    return asyncio.run(run())


def wyoming_command(sound: bytes, rate: int, width: int = 2, channels: int = 1) -> list[Event]:
    chunks = [sound[first : first + 2048] for first in range(0, len(sound), 2048)]
    return [
        Transcribe(language="ru").event(),
        AudioStart(rate, width, channels).event(),
        *(AudioChunk(rate, width, channels, chunk).event() for chunk in chunks),
        AudioStop().event(),
    ]


def test_wyoming_describes_one_russian_program(server: RunningServer) -> None:
    (answer,) = wyoming_talk(server, Describe().event())
    (program,) = Info.from_event(answer).asr
    assert program.installed
    assert [model.languages for model in program.models] == [["ru"]]


def test_wyoming_gives_the_text_that_the_library_gives(server: RunningServer) -> None:
    expected = load_model().transcribe(MALE).text
    (answer,) = wyoming_talk(server, *wyoming_command(*pcm(MALE)))
    assert Transcript.from_event(answer).text == expected != ""


@pytest.mark.parametrize("width", [3, 4])
def test_wyoming_takes_wide_stereo_at_48_khz(server: RunningServer, width: int) -> None:
    import numpy as np

    from govor.audio.loading import from_array

    sound, rate = pcm(MALE)
    samples = from_array(np.frombuffer(sound, "<i2"), rate, 48_000).samples
    wide = np.repeat((samples * 2**30).astype("<i4")[:, None], 2, axis=1)
    # Little-endian: the last bytes are those that matter.
    data = wide.view(np.uint8).reshape(-1, 4)[:, 4 - width :].tobytes()
    (answer,) = wyoming_talk(server, *wyoming_command(data, 48_000, width, 2))
    assert "бабушка" in Transcript.from_event(answer).text


def test_wyoming_recognises_command_after_command_on_one_connection(server: RunningServer) -> None:
    command = wyoming_command(*pcm(MALE))
    answers = wyoming_talk(server, *command, *command, Ping(text="x").event(), answers=3)
    assert len({Transcript.from_event(answer).text for answer in answers[:2]}) == 1
    assert Pong.from_event(answers[2]).text == "x"


def test_wyoming_without_sound_gives_an_empty_text(server: RunningServer) -> None:
    (answer,) = wyoming_talk(server, AudioStart(16000, 2, 1).event(), AudioStop().event())
    assert Transcript.from_event(answer).text == ""


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[1]\n",
        b'{"type": 7}\n',
        b'{"type": "audio-chunk", "payload_length": 99999999999}\n',
        b'{"type": "audio-chunk", "data_length": -5}\n',
        b'{"type": "audio-start", "data": {"rate": 1, "width": 2, "channels": 1}}\n',
        b'{"type": "audio-start", "data": {"rate": 16000, "width": 5, "channels": 1}}\n',
        b'{"type": "transcribe", "data": {"language": "en"}}\n',
        b"x" * 200_000,
    ],
)
def test_wyoming_answers_nonsense_with_an_error_and_hangs_up(server: RunningServer, line: bytes) -> None:
    async def run() -> bytes:
        host, port = server.wyoming.removeprefix("tcp://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(line)
        try:
            answer = await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionResetError:
            # What it did not read is thrown away with the connection, and our answer with it.
            answer = b'{"type": "error"'
        writer.close()
        return answer

    assert asyncio.run(run()).startswith(b'{"type": "error"')
    assert wyoming_talk(server, Ping(text="alive").event())


def test_wyoming_refuses_sound_whose_format_changes_within_a_command(server: RunningServer) -> None:
    pieces = [AudioChunk(rate, 2, 1, bytes(2000)).event() for rate in (16000, 48000)]
    (answer,) = wyoming_talk(server, *pieces)
    assert (answer.type, answer.data["code"]) == ("error", "AudioError")


def test_wyoming_overlooks_names_that_are_no_list(server: RunningServer) -> None:
    nonsense = Event("transcribe", {"transcript_names": 5, "transcript_terms": "лампа"})
    assert wyoming_talk(server, nonsense, Ping(text="alive").event())[0].type == "pong"
