from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.ping import Ping

from running_server import MALE, dial, long_speech, pcm, rest_of, running_server


def test_sigterm_gives_open_streams_their_finals_and_uploads_their_text() -> None:
    with running_server("--drain-seconds", "120") as server:

        async def run() -> tuple[list[dict[str, Any]], httpx.Response]:
            async with dial(f"{server.ws}/v1/stream") as stream, httpx.AsyncClient(timeout=120) as client:
                for _ in range(2):
                    await stream.send(pcm(MALE)[0])
                await stream.send('{"type": "flush"}')
                rows = []
                while not rows or rows[-1]["type"] != "flush":
                    rows.append(json.loads(await asyncio.wait_for(stream.recv(), 120)))
                await stream.send(pcm(MALE)[0])
                # Long enough to be under way when the signal comes.
                upload = asyncio.ensure_future(
                    client.post(f"{server.http}/v1/audio/transcriptions", files={"file": long_speech()})
                )
                while "govor_uploads 1.0" not in (await client.get(f"{server.http}/metrics")).text:
                    assert not upload.done()
                server.process.terminate()
                return rows + await rest_of(stream), await upload

        rows, answer = asyncio.run(run())
        assert server.process.wait(60) == 0
    assert [row["type"] for row in rows if row["type"] in ("final", "done")][-2:] == ["final", "done"]
    assert "final" in [row["type"] for row in rows[: [row["type"] for row in rows].index("flush")]]
    assert answer.status_code == 200
    assert answer.json()["text"]
    assert server.events("drained")
    assert not server.events("RAW")


def test_the_vosk_client_gets_its_final_when_the_server_stops() -> None:
    with running_server() as server:

        async def run() -> tuple[dict[str, Any], int | None]:
            async with dial(server.vosk) as connection:
                await connection.send(pcm(MALE)[0])
                await asyncio.wait_for(connection.recv(), 120)
                server.process.terminate()
                final: dict[str, Any] = json.loads(await asyncio.wait_for(connection.recv(), 120))
                await connection.wait_closed()
                return final, connection.close_code

        final, code = asyncio.run(run())
        assert server.process.wait(60) == 0
    assert final["text"]
    assert code == 1012


def test_a_wyoming_command_that_has_begun_is_answered_when_the_server_stops() -> None:
    with running_server() as server:

        async def run() -> str:
            sound, rate = pcm(MALE)
            async with AsyncClient.from_uri(server.wyoming) as client:
                await client.write_event(AudioStart(rate, 2, 1).event())
                await client.write_event(AudioChunk(rate, 2, 1, sound).event())
                await client.write_event(Ping().event())
                assert await asyncio.wait_for(client.read_event(), 120)
                server.process.terminate()
                while not server.events("draining"):
                    await asyncio.sleep(0.02)
                await client.write_event(AudioStop().event())
                answer = await asyncio.wait_for(client.read_event(), 120)
                assert answer is not None
                return Transcript.from_event(answer).text

        assert asyncio.run(run())
        assert server.process.wait(60) == 0


def test_connected_clients_that_have_said_nothing_hold_up_no_stop() -> None:
    with running_server("--drain-seconds", "5") as server:

        async def run() -> None:
            async with dial(f"{server.ws}/v1/stream") as stream, dial(server.vosk) as vosk:
                await vosk.send('{"config": {"sample_rate": 8000}}')
                server.process.terminate()
                await asyncio.wait_for(asyncio.gather(stream.wait_closed(), vosk.wait_closed()), 60)

        asyncio.run(run())
        assert server.process.wait(60) == 0
    assert server.events("drained")
    assert not server.events("drain_timeout")
