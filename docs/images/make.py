"""Take the pictures of web.md: a real server, Chromium, and examples/male.wav for a microphone.

python docs/images/make.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from page_world import CHROMIUM, EXAMPLES, Server, browser_arguments, speak_phrases, until, write_microphone

SIZE = {"width": 1000, "height": 640}


def picture_speaking(page: Any) -> None:
    """Take speak.png in the middle of a second phrase."""
    page.click("#talk")
    page.wait_for_selector("#talk-text p")
    until(page, "document.querySelector('#talk-partial').textContent.length > 14")
    page.screenshot(path=HERE / "speak.png")
    page.click("#talk")
    page.wait_for_selector("#talk[aria-pressed=false][aria-disabled=false]")


def picture_files(page: Any) -> None:
    """Take files.png while one of two recordings plays."""
    page.click("#tab-files")
    page.set_input_files("#files", [EXAMPLES / "male.wav", EXAMPLES / "female.wav"])
    cards = [page.locator("article", has_text=f"{name}.wav").first for name in ("male", "female")]
    for card in cards:
        card.locator(".word").first.wait_for()
    cards[1].locator(".word").nth(2).click()
    until(page, "document.querySelector('.word.lit') !== null")
    page.wait_for_timeout(500)
    page.screenshot(path=HERE / "files.png", full_page=True)


def picture_studio(page: Any) -> None:
    """Take studio.png with a take to decide on."""
    page.click("#tab-voice")
    page.click("#studio-record")
    page.wait_for_selector("#studio-keep:visible")
    page.evaluate("document.querySelector('#studio-keep').blur()")
    page.screenshot(path=HERE / "studio.png", full_page=True)


def main() -> None:
    """Take all three."""
    with tempfile.TemporaryDirectory() as folder:
        microphone, voice = Path(folder) / "microphone.wav", Path(folder) / "my_voice"
        write_microphone(microphone, EXAMPLES / "male.wav")
        speak_phrases(voice, 11)
        server = Server(voice)
        server.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=browser_arguments(microphone)
                )
                page = browser.new_page(viewport=SIZE, locale="ru-RU", permissions=["microphone"])
                page.set_default_timeout(60_000)
                page.goto(server.url)
                picture_speaking(page)
                picture_files(page)
                picture_studio(page)
                browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
