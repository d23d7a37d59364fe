from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from page_world import (
    CHROMIUM,
    EXAMPLES,
    PATIENCE,
    ROOT,
    Open,
    Server,
    asks_before_closing,
    character_errors,
    saved,
    until,
)

pytest.importorskip("fastapi", reason="the server needs the extra [server]")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
pytest_plugins = ["page_fixtures"]
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing")

PICTURES = ROOT / "artifacts" / "screenshots"


def test_files_are_recognised_played_edited_and_exported(open_page: Open) -> None:
    page = open_page("files")
    page.click("#file-hotwords-label")
    page.fill("#file-hotwords", "пирог, яблоко")
    page.evaluate(
        """() => {
          globalThis.sentHotwords = [];
          const append = FormData.prototype.append;
          FormData.prototype.append = function (...field) {
            if (field[0] === "hotwords") sentHotwords.push(field[1]);
            return append.apply(this, field);
          };
        }"""
    )
    page.set_input_files("#files", [EXAMPLES / "male.wav", EXAMPLES / "female.wav", ROOT / "LICENSE"])
    card = page.locator("article", has_text="male.wav").first
    card.locator(".word").first.wait_for()
    page.locator("article", has_text="female.wav").locator(".word").first.wait_for()
    refused = page.locator("article", has_text="LICENSE").locator(".problem")
    refused.wait_for()
    assert "Failed" in refused.inner_text()
    assert character_errors(" ".join(card.locator(".word").all_inner_texts())) < 0.4
    assert page.evaluate("sentHotwords") == ["пирог, яблоко"] * 3
    # What is expected in files is expected in speech as well, and the other way round.
    assert page.input_value("#hotwords") == "пирог, яблоко"
    # A click on a word plays from it, and it is lit.
    third = card.locator(".word").nth(2)
    third.click()
    until(page, "document.querySelector('.word.lit') !== null")
    now = int(card.locator(".wave").get_attribute("aria-valuenow"))
    assert 0 < now < 4
    card.get_by_role("button", name="Stop").wait_for()
    # An edit ends up in every export, and does not look like a recognised word in any language.
    third.dblclick()
    card.get_by_role("button", name="Play").wait_for()
    card.locator(".word-input").fill("дедушка")
    card.locator(".word-input").press("Enter")
    page.click("#language")
    page.click("#language")
    assert card.locator(".word.edited").inner_text() == "дедушка"
    card.get_by_role("button", name="Remove male.wav").click()
    assert card.get_by_role("button", name="Remove with the edits? male.wav").is_visible()
    assert asks_before_closing(page)
    for kind in ("txt", "srt", "vtt", "json"):
        text = saved(page, f"article >> nth=0 >> [aria-label='Download {kind.upper()}']")
        assert "дедушка" in text
        assert ("-->" in text) == (kind in ("srt", "vtt"))
        assert text.startswith("WEBVTT") == (kind == "vtt")
    assert not asks_before_closing(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card.get_by_role("button", name="Copy the text of male.wav").click()
    until(page, "document.querySelector('#announcer').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == card.locator(".word").all_inner_texts()


def test_the_language_can_be_switched_and_is_remembered(open_page: Open) -> None:
    page = open_page(locale="ru-RU")
    tabs = [f"#tab-{name}" for name in ("speak", "files", "voice", "about")]
    russian = [page.inner_text(tab) for tab in tabs]
    assert russian == ["Говорить", "Файлы", "Мой голос", "О модели"]
    assert page.evaluate("document.documentElement.lang") == "ru"
    page.click("#language")
    assert [page.inner_text(tab) for tab in tabs] == ["Speak", "Files", "My voice", "About"]
    # What was said is Russian whatever the page speaks; a screen reader must read it so.
    assert page.get_attribute("#talk-text", "lang") == "ru"
    page.reload()
    assert page.inner_text("#tab-voice") == "My voice"
    # The server's own words are in the language of the page, not in that of the server.
    for language, word in (("en", "no Russian letters"), ("ru", "нет русских букв")):
        answer = page.request.post(
            page.url.split("#")[0] + "v1/voice/prompts",
            data={"phrases": ["hello"]},
            headers={"Accept-Language": language},
        )
        assert word in answer.json()["refused"]["hello"]


def test_a_server_with_a_token_asks_for_it_and_then_serves_speech_and_studio(
    browser: Any, tmp_path: Path
) -> None:
    guarded = Server(tmp_path / "my_voice", "--token", "a-long-secret")
    guarded.start()
    context = browser.new_context(locale="en-GB", permissions=["microphone"])
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(guarded.url)
    page.click("#talk")
    page.wait_for_selector("#token-dialog[open]")
    page.fill("#token", "a-wrong-secret")
    page.keyboard.press("Enter")
    page.wait_for_selector("#token-dialog[open]")
    page.fill("#token", "a-long-secret")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#talk-state').textContent == 'Listening'")
    page.click("#talk")
    page.click("#tab-voice")
    page.wait_for_selector("#studio-record")
    context.close()
    guarded.stop()


def test_every_text_of_the_page_exists_in_both_languages_and_no_text_is_missing() -> None:
    scripts = ROOT / "src" / "govor" / "server" / "static"
    texts = (scripts / "js" / "texts.js").read_text(encoding="utf-8")
    known = dict(re.findall(r"^  (\w+): \[\s*(.*?)\s*\],$", texts, re.MULTILINE | re.DOTALL))
    used = set(re.findall(r'data-(?:text|label|hint)="(\w+)"', (scripts / "index.html").read_text("utf-8")))
    for script in (scripts / "js").glob("*.js"):
        used |= set(re.findall(r'\b(?:t|plural)\("(\w+)"', script.read_text(encoding="utf-8")))
    assert len(known) > 100 and used - known.keys() == set()
    for name, pair in known.items():
        found = re.findall(r'"((?:[^"\\]|\\.)*)"', pair)
        assert len(found) == 2, name
        assert set(re.findall(r"{\w+}", found[0])) == set(re.findall(r"{\w+}", found[1])), name


def test_numbers_take_the_form_of_the_word_that_their_language_asks_for(open_page: Open) -> None:
    page = open_page(locale="ru-RU")
    count = """async (numbers) => {
      const { plural } = await import("./js/language.js");
      return numbers.map((number) => plural("phrases_kept", number));
    }"""
    numbers = [0, 1, 2, 5, 11, 21, 104, 112]
    russian = ["фраз", "фраза", "фразы", "фраз", "фраз", "фраза", "фразы", "фраз"]
    assert page.evaluate(count, numbers) == russian
    page.click("#language")
    assert page.evaluate(count, numbers) == ["phrases", "phrase", *["phrases"] * 6]


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.className"))


def test_the_page_can_be_used_by_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    assert focused(page) == "skip"
    page.keyboard.press("Tab")
    assert focused(page) == "tab-speak"
    page.keyboard.press("ArrowRight")
    assert focused(page) == "tab-files"
    assert page.is_visible("#panel-files") and not page.is_visible("#panel-speak")
    page.keyboard.press("End")
    assert focused(page) == "tab-about"
    page.keyboard.press("Home")
    order = []
    while focused(page) != "talk":
        page.keyboard.press("Tab")
        order.append(focused(page))
        assert len(order) < 10
    assert order == ["language", "theme", "talk"]
    # Where the focus is can be seen.
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector("#talk[aria-pressed=true]")
    # It was out of use for moments; the focus is still there.
    assert focused(page) == "talk"
    page.keyboard.press("Space")
    page.wait_for_selector("#talk[aria-pressed=false][aria-disabled=false]")
    page.click("#tab-files")
    page.set_input_files("#files", EXAMPLES / "male.wav")
    page.locator(".word").first.wait_for()
    page.locator(".word").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("F2")
    page.keyboard.type("днём")
    page.keyboard.press("Enter")
    assert page.locator(".word").nth(1).inner_text() == "днём"
    assert page.evaluate("document.activeElement.textContent") == "днём"
    page.locator(".wave").focus()
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('.wave').ariaValueNow == 2")


def test_sound_is_resampled_without_aliases(open_page: Open) -> None:
    page = open_page()
    levels = page.evaluate(
        """async () => {
          const { Resampler } = await import("./js/resampler.js");
          const level = (source, hertz) => {
            const resampler = new Resampler(source, 16000);
            const pieces = [];
            for (let start = 0; start < source; start += 1000) {
              const block = Float32Array.from({ length: Math.min(1000, source - start) }, (_, index) =>
                Math.sin((2 * Math.PI * hertz * (start + index)) / source));
              pieces.push(...resampler.feed(block));
            }
            const middle = pieces.slice(4000, 12000);
            const power = middle.reduce((sum, x) => sum + x * x, 1e-20) / middle.length;
            return [pieces.length, 10 * Math.log10(2 * power)];
          };
          return Object.fromEntries([[48000, 1000], [48000, 6000], [48000, 9000], [48000, 15000],
            [44100, 3000], [44100, 10000], [8000, 1000]].map(
            ([rate, hertz]) => [`${rate} ${hertz}`, level(rate, hertz)]));
        }"""
    )
    for name, (count, decibels) in levels.items():
        rate, hertz = map(int, name.split())
        # The filter's reach at the end of the stream is still to come: 36 samples of 16 kHz, 64 of 8 kHz's.
        assert 16000 - 140 <= count <= 16000
        if hertz < 7000:
            assert decibels == pytest.approx(0, abs=0.05), name
        else:
            # Measured: -93 dB and lower.
            assert decibels < -80, name
        assert rate in (8000, 44100, 48000)


DESKTOP, PHONE = {"width": 1100, "height": 860}, {"width": 375, "height": 740}


@pytest.mark.parametrize(
    ("place", "size", "theme"),
    [("desktop", DESKTOP, "light"), ("desktop", DESKTOP, "dark"), ("phone", PHONE, "light")],
)
def test_every_tab_is_accessible_fits_its_window_and_is_pictured(
    open_page: Open, place: str, size: dict[str, int], theme: str
) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page = open_page(color_scheme=theme, viewport=size, locale="ru-RU")
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    faults: list[str] = []
    for tab in ("speak", "files", "voice", "about"):
        page.click(f"#tab-{tab}")
        if tab == "speak":
            page.click("#talk-settings summary")
        elif tab == "files":
            page.set_input_files("#files", [EXAMPLES / "male.wav", ROOT / "LICENSE"])
            page.locator(".word").first.wait_for()
            page.locator(".file-state.problem").wait_for()
        elif tab == "voice":
            page.wait_for_selector("#studio-record")
        else:
            until(page, "document.querySelector('#measure[aria-disabled=false]') !== null")
            # A set of the model card is named in whole words: two or three lines, not a letter a line.
            heights = "[...document.querySelectorAll('.prose td:first-child')].map(cell => cell.clientHeight)"
            names = page.evaluate(heights)[:4]
            assert names and max(names) < 100, names
        page.screenshot(path=PICTURES / f"{tab}-{place}-{theme}.png", full_page=True)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > size["width"]:
            faults.append(f"{tab}: {width} pixels wide")
        response = axe.Axe().run(page).response
        found = response["violations"]
        assert len(response["passes"]) > 15
        faults += [f"{tab}: {one['id']}: {node['html']}" for one in found for node in one["nodes"]]
    assert faults == []
