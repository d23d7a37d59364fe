"""Fixtures of the browser tests: the server, the browser and pages that must behave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from page_world import CHROMIUM, EXAMPLES, PATIENCE, Open, Server, browser_arguments, write_microphone


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "my_voice"


@pytest.fixture(scope="module")
def server(voice: Path) -> Iterator[Server]:
    running = Server(voice)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    microphone = tmp_path_factory.mktemp("sound") / "microphone.wav"
    write_microphone(microphone, EXAMPLES / "male.wav")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=browser_arguments(microphone))
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Any, server: Server) -> Iterator[Open]:
    """Open the page; at the end it must have asked only our server and complained of nothing."""
    contexts: list[Any] = []
    complaints: list[str] = []
    strangers: list[str] = []

    def complain(message: Any) -> None:
        # That the server is away is said in the console by the browser itself.
        if message.type in ("error", "warning") and "net::ERR_" not in message.text:
            complaints.append(message.text)

    def watch(request: Any) -> None:
        if not request.url.startswith((server.url, "blob:", "data:")):
            strangers.append(request.url)

    def opened(tab: str = "speak", **options: Any) -> Any:
        context = browser.new_context(**{"locale": "en-GB", "permissions": ["microphone"], **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", watch)
        page.goto(f"{server.url}#{tab}")
        page.wait_for_selector(f"#panel-{tab}:not([hidden])")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert strangers == []
