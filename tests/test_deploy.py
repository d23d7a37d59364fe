from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from govor.server.settings import Limits
from running_server import MALE, dial, pcm, running_server

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "correct-horse-battery"


def instructions() -> list[list[str]]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.split(maxsplit=1) for line in lines]


def copied() -> list[tuple[str, str]]:
    """What COPY takes from the project and where to."""
    pairs = []
    for name, rest in instructions():
        words = shlex.split(rest)
        if name == "COPY" and not words[0].startswith("--from"):
            pairs += [(source, words[-1]) for source in words[:-1]]
    return pairs


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a path through: nothing but the lines with an exclamation mark."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*"
    allowed = [line[1:] for line in lines if line.startswith("!")]
    return any(path == pattern or path.startswith(pattern + "/") for pattern in allowed)


def test_every_path_that_the_image_copies_is_there_and_is_sent_to_the_builder() -> None:
    sources = [source for source, _ in copied()]
    assert {"src", "pyproject.toml", "deploy/healthcheck.py"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert is_sent(source), source


def test_the_image_runs_as_nobody_special_with_a_health_check_and_the_port_that_it_asks() -> None:
    found = dict(map(tuple, instructions()))
    assert found["USER"] == "govor"
    assert "healthcheck.py" in found["HEALTHCHECK"]
    assert "8000" in found["EXPOSE"].split()
    assert json.loads(found["ENTRYPOINT"])[:2] == ["govor", "serve"]
    healthcheck = next(target for source, target in copied() if "healthcheck" in source)
    assert json.loads(found["HEALTHCHECK"].split("CMD", 1)[1])[-1] == healthcheck
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert all(base.endswith("-slim") for base in bases)


def test_compose_and_nginx_mean_the_same_two_servers() -> None:
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
    nginx = (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8")
    services = compose["services"]
    addresses = {name: service["networks"]["inner"]["ipv4_address"] for name, service in services.items()}
    upstream = re.findall(r"^ +server ([0-9.]+):8000", nginx, re.MULTILINE)
    assert sorted(upstream) == sorted(addresses[name] for name in services if name != "nginx")
    assert len(upstream) == 2
    for name, service in services.items():
        if name != "nginx":
            assert service["command"] == ["--proxy", addresses["nginx"]]
            assert (ROOT / "deploy" / service["build"]["context"] / "Dockerfile").is_file()
            assert float(service["stop_grace_period"].removesuffix("s")) > Limits().drain_seconds
    for volume in services["nginx"]["volumes"]:
        assert (ROOT / "deploy" / volume.split(":")[0]).is_file()
    assert int(re.findall(r"client_max_body_size (\d+)m", nginx)[0]) >= Limits().upload_mb


@pytest.mark.slow
def test_what_the_image_copies_installs_in_a_clean_environment_and_serves(tmp_path: Path) -> None:
    context, environment = tmp_path / "src", tmp_path / "venv"
    for source, target in copied():
        if "healthcheck" in source:
            continue
        place = context / (source if target == "./" else target)
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, place, ignore=ignored)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, place)
    (command,) = [
        shlex.split(rest) for name, rest in instructions() if name == "RUN" and "pip install" in rest
    ]
    assert command[0] == "/opt/govor/bin/pip"
    command = [str(environment / "bin" / "pip"), *(word for word in command[1:] if word != "--no-cache-dir")]
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    subprocess.run(
        [*command, "--quiet", "--no-compile", "--disable-pip-version-check"], cwd=context, check=True
    )
    (_, rest) = next(line for line in instructions() if line[0] == "ENTRYPOINT")
    entry = json.loads(rest)
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    process = subprocess.Popen(
        [str(environment / "bin" / entry[0]), *entry[1:], "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**variables, "GOVOR_TOKEN": TOKEN},
    )
    assert process.stderr is not None
    try:
        port = json.loads(process.stderr.readline())["http"].rsplit(":", 1)[1]
        check = subprocess.run(
            [sys.executable, str(ROOT / "deploy/healthcheck.py")], env={**variables, "GOVOR_PORT": port}
        )
        assert check.returncode == 0
        answer = httpx.post(
            f"http://127.0.0.1:{port}/v1/audio/transcriptions",
            files={"file": MALE.read_bytes()},
            headers={"authorization": f"Bearer {TOKEN}"},
            timeout=120,
        )
        assert len(answer.json()["text"].split()) > 3
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=60).status_code == 200
    finally:
        process.terminate()
        assert process.wait(60) == 0
        process.stderr.close()
    check = subprocess.run(
        [sys.executable, str(ROOT / "deploy/healthcheck.py")],
        env={**variables, "GOVOR_PORT": port},
        capture_output=True,
    )
    assert check.returncode == 1


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed: apt install nginx-light")
def test_behind_nginx_uploads_and_streams_work_and_every_client_is_itself(tmp_path: Path) -> None:
    options = ("--proxy", "127.0.0.1")
    with (
        running_server(*options, GOVOR_TOKEN=TOKEN) as one,
        running_server(*options, GOVOR_TOKEN=TOKEN) as two,
    ):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        text = (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8")
        for address, server in (("172.30.0.11:8000", one), ("172.30.0.12:8000", two)):
            text = text.replace(address, f"127.0.0.1:{server.port}")
        text = text.replace("listen 8000;", f"listen 127.0.0.1:{port};")
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            text = text.replace("http {", f"http {{\n    {kind}_temp_path {tmp_path}/{kind};", 1)
        text = text.replace("/dev/stdout", f"{tmp_path}/access.log")
        config = tmp_path / "nginx.conf"
        config.write_text(f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n{text}")
        nginx = subprocess.Popen(
            ["nginx", "-p", str(tmp_path), "-c", str(config), "-e", f"{tmp_path}/error.log"]
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url)
            headers = {"authorization": f"Bearer {TOKEN}"}
            texts = set()
            # Ports decide where an address goes; of sixteen, hardly ever all to one server.
            for number in range(1, 17):
                transport = httpx.HTTPTransport(local_address=f"127.0.0.{number}")
                with httpx.Client(transport=transport, headers=headers, timeout=120) as client:
                    files = {"file": MALE.read_bytes()}
                    texts.add(client.post(f"{url}/v1/audio/transcriptions", files=files).json()["text"])
            assert len(texts) == 1

            async def talk() -> list[dict[str, Any]]:
                address = f"ws://127.0.0.1:{port}/v1/stream?token={TOKEN}"
                async with dial(address, origin=url) as stream:
                    await stream.send(pcm(MALE)[0])
                    await stream.send('{"type": "end"}')
                    return [json.loads(message) async for message in stream]

            assert [row["type"] for row in asyncio.run(talk())][-2:] == ["final", "done"]
        finally:
            nginx.terminate()
            nginx.wait(60)
        clients = [{row["client"] for row in server.events("transcribed")} for server in (one, two)]
        assert clients[0] | clients[1] == {f"127.0.0.{number}" for number in range(1, 17)}
        assert all(clients), "both replicas have work"
        log = (tmp_path / "access.log").read_text(encoding="utf-8")
        assert "/v1/stream" in log
        assert TOKEN not in log


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    host, port = url.removeprefix("http://").split(":")
    while not answers(host, int(port)):
        assert time.monotonic() < deadline, f"nothing answers at {url}"
        time.sleep(0.1)


def answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
