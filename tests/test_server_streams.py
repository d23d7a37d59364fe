from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from typing import Any

import jsonschema
import pytest
import yaml

from running_server import FEMALE, MALE, RunningServer, dial, pcm, running_server, said_by_the_library

ASYNCAPI = yaml.safe_load(files("govor.server").joinpath("asyncapi.yaml").read_text(encoding="utf-8"))
CHUNK = 3200
# Seconds; a machine that runs other tests as well may be slow.
PATIENCE = 120


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server("--max-minutes", "0.5") as running:
        yield running


@pytest.fixture(scope="module")
def said() -> list[str]:
    return said_by_the_library()


def payload(name: str) -> dict[str, Any]:
    return {**ASYNCAPI["components"]["messages"][name]["payload"], "components": ASYNCAPI["components"]}


def check(direction: str, text: str) -> dict[str, Any]:
    """Check one message against the description; exactly one kind of message fits."""
    row = json.loads(text)
    operation = ASYNCAPI["operations"][direction]
    names = [message["$ref"].rsplit("/", 1)[1] for message in operation["messages"]]
    fitting = []
    for name in names:
        try:
            jsonschema.validate(row, payload(name))
        except jsonschema.ValidationError:
            continue
        fitting.append(name)
    assert len(fitting) == 1, (row, fitting)
    return row


class Talk:
    """A client of /v1/stream that checks every message in both directions."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def say(self, **row: Any) -> None:
        text = json.dumps(row)
        check("speak", text)
        await self.socket.send(text)

    async def sound(self, data: bytes) -> None:
        for first in range(0, len(data), CHUNK):
            await self.socket.send(data[first : first + CHUNK])

    async def until(self, *types: str) -> dict[str, Any]:
        while True:
            row = check("hear", await asyncio.wait_for(self.socket.recv(), PATIENCE))
            self.heard.append(row)
            if row["type"] in types:
                return row

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.heard if row["type"] == kind]


def test_asyncapi_is_whole_and_every_reference_leads_somewhere(server: RunningServer) -> None:
    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)

    references = list(walk(ASYNCAPI))
    assert len(references) > 20
    for reference in references:
        found = ASYNCAPI
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    assert ASYNCAPI["asyncapi"].startswith("3.")
    for message in ASYNCAPI["components"]["messages"].values():
        jsonschema.Draft202012Validator.check_schema(message["payload"])


def test_a_stream_gives_the_finals_of_the_library_with_word_times(
    server: RunningServer, said: list[str]
) -> None:
    async def run() -> Talk:
        async with dial(f"{server.ws}/v1/stream") as socket:
            talk = Talk(socket)
            sound, rate = pcm(MALE)
            await talk.say(type="start", sample_rate=rate)
            await talk.sound(sound + bytes(2 * 2 * rate))
            await talk.say(type="end")
            await talk.until("done")
            await socket.wait_closed()
            assert socket.close_code == 1000
            return talk

    talk = asyncio.run(run())
    assert [row["text"] for row in talk.all("final")] == said != []
    words = [word for row in talk.all("final") for word in row["words"]]
    assert all(first["end"] <= second["start"] + 1e-6 for first, second in pairwise(words))
    # The recording is 4.168 s long, silence follows it.
    assert 0 <= words[0]["start"] < words[-1]["end"] <= 4.2
    assert talk.all("done")[0]["seconds"] == pytest.approx(6.168, abs=0.05)


def test_partials_come_while_the_speaker_still_speaks(server: RunningServer) -> None:
    async def run() -> Talk:
        async with dial(f"{server.ws}/v1/stream") as socket:
            talk = Talk(socket)
            waiting = asyncio.ensure_future(talk.until("partial"))
            # As fast as one speaks, on and on without a pause or an end.
            sound = pcm(FEMALE)[0][: 2 * 16000 * 3]
            for first in range(0, 2 * 16000 * 29, CHUNK):
                if waiting.done():
                    break
                await socket.send((sound * 2)[first % len(sound) :][:CHUNK])
                await asyncio.sleep(CHUNK / 2 / 16000)
            await waiting
            return talk

    talk = asyncio.run(run())
    assert [row["type"] for row in talk.heard] == ["ready", "partial"]
    assert talk.heard[1]["text"]


def test_partials_can_be_left_out(server: RunningServer) -> None:
    async def run() -> Talk:
        async with dial(f"{server.ws}/v1/stream") as socket:
            talk = Talk(socket)
            await talk.say(type="start", partials=False)
            await talk.sound(pcm(MALE)[0])
            await talk.say(type="end")
            await talk.until("done")
            return talk

    talk = asyncio.run(run())
    assert talk.all("partial") == []
    assert len(talk.all("final")) >= 1


def test_flush_finishes_the_open_utterance_and_reset_forgets_it(server: RunningServer) -> None:
    async def run() -> tuple[Talk, int]:
        async with dial(f"{server.ws}/v1/stream") as socket:
            talk = Talk(socket)
            sound = pcm(MALE)[0]
            await talk.sound(sound)
            await talk.say(type="flush")
            await talk.until("flush")
            before = len(talk.all("final"))
            await talk.sound(sound)
            await talk.say(type="reset")
            await talk.until("reset")
            await talk.say(type="end")
            await talk.until("done")
            return talk, before

    talk, before = asyncio.run(run())
    assert before >= 1
    assert len(talk.all("final")) == before


def test_a_stream_of_another_rate_hot_words_alternatives_and_finished_text(server: RunningServer) -> None:
    import numpy as np

    from govor.audio.loading import from_array

    sound, rate = pcm(MALE)
    samples = from_array(np.frombuffer(sound, "<i2"), rate, 48_000).samples
    loud = (samples * 32767).astype("<i2").tobytes()

    async def run() -> Talk:
        async with dial(f"{server.ws}/v1/stream") as socket:
            talk = Talk(socket)
            await talk.say(
                type="start", sample_rate=48_000, hotwords=["бабушка"], alternatives=3, format_text=True
            )
            await talk.sound(loud)
            await talk.say(type="end")
            await talk.until("done")
            return talk

    final = asyncio.run(run()).all("final")[0]
    assert 1 <= len(final["alternatives"]) <= 3
    assert final["alternatives"][0]["text"] == final["text"]
    assert final["finished"][0].isupper()
    assert "бабушка" in final["text"]


@pytest.mark.parametrize(
    ("messages", "code", "close"),
    [
        (["{"], "bad_message", 1007),
        (['"start"'], "bad_message", 1007),
        (['{"type": "dance"}'], "bad_message", 1007),
        (['{"type": "start", "sample_rate": 4}'], "bad_message", 1007),
        (['{"type": "start", "volume": 11}'], "bad_message", 1007),
        (['{"type": "start"}', '{"type": "start"}'], "bad_message", 1008),
        (['{"type": "start", "hotwords": ["GPT"]}', b"\0\0"], "bad_request", 1007),
        (['{"type": "start", "phrases": ["(а"]}', b"\0\0"], "bad_request", 1007),
        (["[" * 100_000], "bad_message", 1007),
    ],
)
def test_a_wrong_message_gets_one_error_and_the_close_code(
    server: RunningServer, messages: list[str | bytes], code: str, close: int
) -> None:
    async def run() -> tuple[dict[str, Any], int | None]:
        async with dial(f"{server.ws}/v1/stream") as socket:
            talk = Talk(socket)
            for message in messages:
                await socket.send(message)
            error = await talk.until("error")
            await socket.wait_closed()
            return error, socket.close_code

    error, closed = asyncio.run(run())
    assert (error["code"], closed) == (code, close)


def test_a_stream_that_is_too_long_is_ended(server: RunningServer) -> None:
    async def run() -> dict[str, Any]:
        async with dial(f"{server.ws}/v1/stream") as socket:
            talk = Talk(socket)
            await talk.sound(bytes(2 * 16000 * 31))
            return await talk.until("error")

    assert asyncio.run(run())["code"] == "too_long"
