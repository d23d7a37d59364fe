from __future__ import annotations

import asyncio
import json
from pathlib import Path
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


async def upload_for_ever(host: str, port: int, path: str, uploading: asyncio.Event) -> tuple[str, Any]:
    """Send a form whose file has no end, in chunks, and return the head and the body of what is answered."""
    reader, writer = await asyncio.open_connection(host, port)
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n"
    head += "Accept-Language: en\r\nContent-Type: multipart/form-data; boundary=B\r\n\r\n"
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(20_000)
    writer.write(head.encode())
    answer = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
    while not answer.done():
        writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        await writer.drain()
        part = bytes(2000)
        uploading.set()
        await asyncio.sleep(0.02)
    lines = answer.result().decode().lower()
    length = int(lines.split("content-length: ")[1].split("\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return lines, json.loads(body)


def test_who_can_be_waited_for_no_longer_is_told_and_no_file_is_left(tmp_path: Path) -> None:
    options = ("--drain-seconds", "0.2", "--voice", str(tmp_path / "voice"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with running_server(*options, TMPDIR=str(temporary)) as server:

        async def run() -> tuple[list[tuple[str, Any]], list[str]]:
            uploads = []
            for path in ("/v1/audio/transcriptions", "/v1/voice/check"):
                uploading = asyncio.Event()
                upload = upload_for_ever(server.host, server.port, path, uploading)
                uploads.append(asyncio.ensure_future(upload))
                await uploading.wait()
            async with (
                httpx.AsyncClient(timeout=120) as client,
                client.stream(
                    "POST",
                    f"{server.http}/v1/audio/transcriptions",
                    data={"stream": "true"},
                    files={"file": long_speech(60)},
                    headers={"accept-language": "en"},
                ) as events,
            ):
                lines = events.aiter_lines()
                told = [await anext(lines)]
                server.process.terminate()
                # To its end: an answer that breaks off would raise.
                told += [line async for line in lines]
            return await asyncio.gather(*uploads), told

        answers, told = asyncio.run(run())
        assert server.process.wait(60) == 0
    for head, body in answers:
        assert head.startswith("http/1.1 503 ")
        assert "\r\nretry-after: 5\r\n" in head
        assert body["error"]["code"] == "draining"
        assert "try again" in body["error"]["message"]
    last = json.loads([line for line in told if line][-1].removeprefix("data: "))
    assert (last["type"], last["error"]["code"]) == ("error", "draining")
    assert list(temporary.iterdir()) == []
    assert server.events("drain_timeout")
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
