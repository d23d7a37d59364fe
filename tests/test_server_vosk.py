from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import websockets

from govor.audio.loading import from_array
from running_server import MALE, RunningServer, dial, pcm, running_server, said_by_the_library

# Seconds; a machine that runs other tests as well may be slow.
PATIENCE = 120


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def said() -> list[str]:
    return said_by_the_library()


class _File:
    """What the Vosk client takes for ffmpeg's standard output."""

    def __init__(self, data: bytes) -> None:
        self.stdout = self
        self._data = data

    async def read(self, size: int) -> bytes:
        data, self._data = self._data[:size], self._data[size:]
        return data


@pytest.mark.skipif(sys.platform == "darwin", reason="the vosk package has no wheel for every Mac")
@pytest.mark.parametrize("beside", [True, False])
def test_the_client_of_the_vosk_package_gets_the_text(
    server: RunningServer, said: list[str], beside: bool
) -> None:
    transcriber = pytest.importorskip("vosk.transcriber.transcriber")
    # Its constructor would download a model of Vosk's.
    client = transcriber.Transcriber.__new__(transcriber.Transcriber)
    client.args = Namespace(server=server.vosk if beside else f"{server.ws}/vosk", output_type="txt")
    sound, rate = pcm(MALE)
    result, size = asyncio.run(client.recognize_stream_server(_File(sound + bytes(2 * 2 * rate))))
    assert size == len(sound) + 4 * rate
    assert client.format_result(result).split() == " ".join(said).split()
    client.args.output_type = "srt"
    assert "-->" in client.format_result(result)


def vosk_talk(server: RunningServer, config: dict[str, Any] | None, sound: bytes, last: str) -> list[Any]:
    async def run() -> list[Any]:
        answers = []
        async with dial(server.vosk) as socket:
            if config is not None:
                await socket.send(json.dumps({"config": config}))
            for first in range(0, len(sound), 8000):
                await socket.send(sound[first : first + 8000])
                answers.append(json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)))
            await socket.send(last)
            answers.append(json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)))
        return answers

    return asyncio.run(run())


def test_vosk_words_have_the_four_fields_and_every_message_one_answer(server: RunningServer) -> None:
    sound = pcm(MALE)[0]
    answers = vosk_talk(server, {"sample_rate": 16000, "words": True}, sound, '{"eof" : 1}')
    assert len(answers) == -(-len(sound) // 8000) + 1
    assert all(row.keys() in ({"partial"}, {"text"}, {"result", "text"}) for row in answers)
    words = [word for row in answers for word in row.get("result", [])]
    assert words
    assert all(word.keys() == {"conf", "start", "end", "word"} for word in words)
    assert " ".join(word["word"] for word in words) == " ".join(
        row["text"] for row in answers if row.get("text")
    )


def test_vosk_without_words_gives_the_text_alone(server: RunningServer) -> None:
    answers = vosk_talk(server, {"sample_rate": 16000.0, "words": False}, pcm(MALE)[0], '{"eof" : 1}')
    assert {key for row in answers for key in row} == {"partial", "text"}
    assert any(row.get("text") for row in answers)


def test_vosk_alternatives_replace_the_text(server: RunningServer) -> None:
    last = vosk_talk(server, {"max_alternatives": 3}, pcm(MALE)[0], '{"eof" : 1}')[-1]
    assert last.keys() == {"alternatives"}
    assert 1 <= len(last["alternatives"]) <= 3
    assert last["alternatives"][0].keys() == {"confidence", "text", "result"}


def test_vosk_phrase_list_hears_only_its_phrases(server: RunningServer) -> None:
    phrases = ["завтра утром бабушка испечёт пирог с яблоками", "включи свет", "[unk]"]
    last = vosk_talk(server, {"phrase_list": phrases}, pcm(MALE)[0], '{"eof" : 1}')[-1]
    assert last["text"].replace("ё", "е") == "завтра утром бабушка испечет пирог с яблоками"
    assert vosk_talk(server, {"phrase_list": phrases[1:]}, pcm(MALE)[0], '{"eof" : 1}')[-1]["text"] == ""
    # As the recogniser of the vosk package takes its grammar.
    written = {"phrase_list": json.dumps(phrases)}
    assert vosk_talk(server, written, pcm(MALE)[0], '{"eof" : 1}')[-1]["text"] == last["text"]


def test_vosk_reset_gives_the_result_and_begins_anew(server: RunningServer) -> None:
    async def run() -> list[Any]:
        answers = []
        async with dial(server.vosk) as socket:
            for message in (pcm(MALE)[0], '{"reset" : 1}', bytes(8000), '{"eof" : 1}'):
                await socket.send(message)
                answers.append(json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)))
        return answers

    answers = asyncio.run(run())
    assert "partial" in answers[0]
    assert answers[1]["text"]
    assert answers[2:] == [{"partial": ""}, {"text": ""}]


async def answers_to(socket: Any, *messages: str | bytes) -> list[Any]:
    answers = []
    for message in messages:
        await socket.send(message)
        answers.append(json.loads(await asyncio.wait_for(socket.recv(), PATIENCE)))
    return answers


def test_vosk_takes_a_config_before_every_utterance(server: RunningServer) -> None:
    async def run() -> list[Any]:
        async with dial(server.vosk) as socket:
            answers = []
            for config in (
                '{"config": {"sample_rate": 16000, "words": false}}',
                '{"config": {"sample_rate": 16000, "words": false}}',
                '{"config": {"phrase_list": ["включи свет", "[unk]"], "words": true}}',
                '{"config": {"words": false}}',
            ):
                await socket.send(config)
                # What comes after sound holds after the reset.
                answers.append((await answers_to(socket, pcm(MALE)[0], '{"reset": 1}'))[1])
            return answers

    *free, bound = asyncio.run(run())
    assert [row.keys() for row in free] == [{"text"}] * 3
    assert all("бабушка" in row["text"] for row in free)
    assert bound == {"text": ""}


def test_vosk_word_times_go_on_after_another_config(server: RunningServer) -> None:
    async def run() -> list[Any]:
        async with dial(server.vosk) as socket:
            (_, first) = await answers_to(socket, pcm(MALE)[0], '{"reset": 1}')
            await socket.send('{"config": {"max_alternatives": 1}}')
            await answers_to(socket, '{"reset": 1}')
            (_, second) = await answers_to(socket, pcm(MALE)[0], '{"eof": 1}')
            return [first["result"], second["alternatives"][0]["result"]]

    first, second = asyncio.run(run())
    assert first[-1]["end"] <= len(pcm(MALE)[0]) / 2 / 16000 <= second[0]["start"]


def test_vosk_keeps_what_a_second_config_leaves_out(server: RunningServer) -> None:
    sound, rate = pcm(MALE)
    slow = (from_array(np.frombuffer(sound, "<i2"), rate, 8000).samples * 32767).astype("<i2").tobytes()

    async def run() -> Any:
        async with dial(server.vosk) as socket:
            for config in ('{"sample_rate": "8000"}', '{"words": false, "phrase_list": null}'):
                await socket.send(f'{{"config": {config}}}')
            return await answers_to(socket, slow, '{"eof": 1}')

    assert "бабушка" in asyncio.run(run())[1]["text"]


def test_vosk_commands_may_come_as_binary_messages(server: RunningServer) -> None:
    async def run() -> Any:
        async with dial(server.vosk) as socket:
            await socket.send(b'{"config": {"words": false}}')
            return await answers_to(socket, pcm(MALE)[0], b'{"eof" : 1}')

    assert asyncio.run(run())[1]["text"]


def test_vosk_eof_without_sound_gives_an_empty_text(server: RunningServer) -> None:
    assert vosk_talk(server, None, b"", '{"eof" : 1}') == [{"text": ""}]


@pytest.mark.parametrize(
    "message",
    ["{", "[]", '{"config": 7}', '{"config": {"sample_rate": "x"}}', '{"config": {"sample_rate": 1}}'],
)
def test_vosk_closes_on_what_it_cannot_use(server: RunningServer, message: str) -> None:
    async def run() -> int | None:
        async with dial(server.vosk) as socket:
            await socket.send(message)
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(socket.recv(), PATIENCE)
            return socket.close_code

    assert asyncio.run(run()) == 1007
