"""The browser may refuse the microphone: the page says so, and hears once it may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from page_world import CHROMIUM, EXAMPLES, Open, Server, browser_arguments, until, write_microphone

pytest.importorskip("fastapi", reason="the server needs the extra [server]")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
pytest_plugins = ["page_fixtures"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser that asks; without a window nobody answers, and it takes that for a closed question."""
    microphone = tmp_path_factory.mktemp("sound") / "microphone.wav"
    write_microphone(microphone, EXAMPLES / "male.wav")
    from playwright.sync_api import sync_playwright

    arguments = [one for one in browser_arguments(microphone) if "fake-ui" not in one]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


def set_microphone(page: Any, server: Server, setting: str) -> None:
    """Set what the user would in the site's settings."""
    target = page.context.new_cdp_session(page).send("Target.getTargetInfo")["targetInfo"]
    page.context.browser.new_browser_cdp_session().send(
        "Browser.setPermission",
        {
            "permission": {"name": "microphone"},
            "setting": setting,
            "origin": server.url.rstrip("/"),
            "browserContextId": target["browserContextId"],
        },
    )


def until_says(page: Any, place: str, words: str) -> None:
    until(page, f"document.querySelector('{place}').textContent.includes('{words}')")


def test_a_refused_microphone_is_told_with_its_cure_and_heard_once_allowed(
    open_page: Open, server: Server
) -> None:
    page = open_page(locale="ru-RU", permissions=None)
    set_microphone(page, server, "denied")
    page.click("#talk")
    until_says(page, "#talk-state", "Браузер не дал доступ к микрофону. Разрешите его в настройках сайта")
    assert "problem" in page.get_attribute("#talk-state", "class")
    assert page.get_attribute("#talk", "aria-pressed") == "false"
    # What was said before stays no Russian island in an English page.
    page.click("#language")
    until_says(page, "#talk-state", "The browser refused the microphone. Allow it in the site settings")
    set_microphone(page, server, "granted")
    until_says(page, "#talk-state", "Ready to listen")
    assert "problem" not in page.get_attribute("#talk-state", "class")
    page.click("#talk")
    until(page, "document.querySelector('#talk-partial').textContent.length > 3")
    set_microphone(page, server, "denied")
    until_says(page, "#talk-state", "The browser refused the microphone")
    page.wait_for_selector("#talk[aria-pressed=false][aria-disabled=false]")
    assert page.inner_text("#talk-text")
    set_microphone(page, server, "prompt")
    page.click("#talk")
    until_says(page, "#talk-state", "Press again and answer “Allow”")


def test_the_studio_tells_a_refused_microphone_and_records_once_allowed(
    open_page: Open, server: Server
) -> None:
    page = open_page("voice", permissions=None)
    until(page, "document.querySelector('#prompt')?.textContent")
    set_microphone(page, server, "denied")
    page.click("#studio-record")
    until_says(page, "#studio-verdict", "The browser refused the microphone. Allow it in the site settings")
    assert "problem" in page.get_attribute("#studio-verdict", "class")
    # Whoever works by keyboard stands where the next try starts.
    assert page.evaluate("document.activeElement.id") == "studio-record"
    page.click("#language")
    until_says(page, "#studio-verdict", "Браузер не дал доступ к микрофону")
    set_microphone(page, server, "granted")
    until_says(page, "#studio-verdict", "Готов слушать")
    page.click("#studio-record")
    page.wait_for_selector("#studio-keep:visible")
