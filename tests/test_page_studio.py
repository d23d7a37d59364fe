from __future__ import annotations

import json
import re
import shutil
import wave
from pathlib import Path
from typing import Any

import pytest

from govor.manifest import read_manifest
from govor.text.alphabet import normalize
from page_world import (
    CHROMIUM,
    EXAMPLES,
    Open,
    Server,
    asks_before_closing,
    character_errors,
    speak_phrases,
    until,
)

pytest.importorskip("fastapi", reason="the server needs the extra [server]")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
pytest_plugins = ["page_fixtures"]


def check_manifest(voice: Path) -> list[str]:
    if not (voice / "manifest.jsonl").exists():
        return []
    for item in (found := list(read_manifest(voice / "manifest.jsonl"))):
        assert item.audio_filepath is not None
        with wave.open(str(item.audio_filepath)) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
            assert sound.getnframes() / 16000 == pytest.approx(item.duration, abs=0.001)
    return [item.text for item in found]


def record(page: Any) -> str:
    until(page, "document.querySelector('#prompt')?.textContent")
    phrase = str(page.inner_text("#prompt"))
    page.click("#studio-record")
    page.wait_for_selector("#studio-keep:visible")
    return phrase


def test_a_phrase_is_recorded_heard_again_audited_and_deleted(open_page: Open, voice: Path) -> None:
    known = check_manifest(voice)
    page = open_page("voice")
    phrase = record(page)
    assert "good take" in page.inner_text("#studio-verdict")
    assert page.evaluate("document.activeElement.id") == "studio-keep"
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#studio-verdict').textContent.startsWith('Saved')")
    assert check_manifest(voice) == [*known, normalize(phrase)]
    # The browser's name for its fake device.
    assert any("Fake" in readme.read_text("utf-8") for readme in voice.glob("*/etc/README"))
    assert page.inner_text("#prompt") != phrase
    assert page.inner_text("#goal").startswith(f"{len(known) + 1} of 30")
    page.click("#audit")
    page.wait_for_selector("#audit[aria-disabled=false]")
    assert re.search(f"checked: {len(known) + 1}|of {len(known) + 1}", page.inner_text("#audit-report"))
    page.click("#kept-list summary")
    page.get_by_role("button", name=re.compile("^Listen to")).click()
    until(page, "performance.getEntriesByType('resource').some(e => e.name.includes('recordings/'))")
    delete = page.locator("#takes li").first.get_by_role("button", name=re.compile("^Delete|^Really"))
    delete.click()
    assert check_manifest(voice) == [*known, normalize(phrase)]
    delete.click()
    until(page, f"document.querySelector('#goal').textContent.startsWith('{len(known)} of')")
    assert check_manifest(voice) == known
    assert len(list(voice.glob("*/wav/*.wav"))) == len(known)


def test_a_phrase_kept_while_the_server_is_dead_survives_a_reload_and_arrives_once(
    open_page: Open, server: Server, voice: Path
) -> None:
    known = check_manifest(voice)
    page = open_page("voice")
    phrase = record(page)
    server.kill()
    page.click("#studio-keep")
    page.wait_for_selector("#takes .waiting", state="attached")
    assert "not be lost" in page.inner_text("#voice")
    # Reloaded before anything could be sent: what waits must come from the browser's storage.
    page.route("**/v1/voice/recordings", lambda route: route.abort())
    server.start()
    page.reload()
    page.wait_for_selector("#takes .waiting", state="attached")
    assert check_manifest(voice) == known
    page.unroute("**/v1/voice/recordings")
    page.reload()
    expected = f"{len(known) + 1} of"
    until(page, f"document.querySelector('#goal')?.textContent.startsWith('{expected}')")
    assert check_manifest(voice) == [*known, normalize(phrase)]
    until(page, "!document.querySelector('#takes .waiting')")


def test_recording_can_begin_when_the_server_is_dead_already(
    open_page: Open, server: Server, voice: Path
) -> None:
    known = check_manifest(voice)
    page = open_page("voice")
    until(page, "document.querySelector('#prompt')?.textContent")
    page.click("#voice-intro")
    page.evaluate("import('./js/capture.js').then(({ prepare }) => prepare())")
    server.kill()
    page.wait_for_selector("#connection.bad")
    phrase = record(page)
    assert asks_before_closing(page)
    page.click("#studio-keep")
    page.wait_for_selector("#takes .waiting", state="attached")
    assert not asks_before_closing(page)
    server.start()
    until(page, f"document.querySelector('#goal').textContent.startsWith('{len(known) + 1} of')")
    assert check_manifest(voice) == [*known, normalize(phrase)]


def test_adaptation_runs_beside_the_server_and_its_model_can_be_switched_to(
    open_page: Open, server: Server, voice: Path
) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    # One program at a time records into a folder.
    server.stop()
    # A hurried robot with a high voice: something to learn for a model that knows plain ones.
    speak_phrases(voice, 10)
    server.start()
    page = open_page("voice")
    page.click("#adapt-start")
    page.wait_for_selector("#adapt-stop:visible")
    server.kill()
    page.wait_for_selector("#connection.bad")
    server.start()
    until(page, "document.querySelector('#adapt-state').textContent.includes('broke off')")
    page.click("#adapt-start")
    page.wait_for_selector("#adapt-stop:visible")
    until(page, "+document.querySelector('.bar:not([hidden])[aria-label=Adaptation]').ariaValueNow > 0", 400)
    # The server answers meanwhile.
    assert page.request.get(f"{server.url}health").ok
    page.wait_for_selector("#adapt-result table", timeout=400_000)
    rows = page.locator("#adapt-result table >> nth=0 >> tbody tr")
    assert rows.count() == 2
    figures = json.loads((voice / "mine.json").read_text(encoding="utf-8"))
    assert figures["after"][0]["loss"] < figures["before"][0]["loss"]
    page.check("input[name=model][value=mine]")
    until(page, "document.querySelector('#adapt-state').textContent.includes('your voice')")
    assert page.request.get(f"{server.url}v1/about").json()["model"]["name"] == "mine.onnx"
    sound = {"name": "a.wav", "mimeType": "audio/wav", "buffer": (EXAMPLES / "male.wav").read_bytes()}
    answer = page.request.post(f"{server.url}v1/audio/transcriptions", multipart={"file": sound})
    assert character_errors(answer.json()["text"]) < 0.6
    page.check("input[name=model][value=shipped]")
    until(page, "document.querySelector('#adapt-state').textContent.includes('general')")


def test_a_phrase_is_recorded_heard_kept_and_deleted_by_keyboard_alone(open_page: Open, voice: Path) -> None:
    known = check_manifest(voice)
    page = open_page("voice")
    until(page, "document.querySelector('#prompt')?.textContent")
    phrase = page.inner_text("#prompt")
    focused = "document.activeElement.id"

    def tab_to(place: str, key: str = "Tab") -> None:
        # Each take that other tests left in the list has its buttons on the way.
        for _ in range(80):
            page.keyboard.press(key)
            if page.evaluate(f"document.activeElement.matches({json.dumps(place)})"):
                # Where the focus is can be seen.
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
                return
        raise AssertionError(f"{key} does not lead to {place}")

    tab_to("#studio-record")
    # Whoever listens to the page hears what is to be read.
    assert page.get_attribute("#studio-record", "aria-describedby") == "prompt"
    page.keyboard.press("Space")
    page.wait_for_selector("#studio-keep:visible")
    assert page.evaluate(focused) == "studio-keep"
    tab_to("#studio-listen")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#studio-listen').textContent === 'Stop'")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#studio-listen').textContent === 'Listen'")
    tab_to("#studio-keep", "Shift+Tab")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#studio-verdict').textContent.startsWith('Saved')")
    until(page, f"{focused} === 'studio-record'")
    assert check_manifest(voice) == [*known, normalize(phrase)]
    tab_to("#kept-list summary")
    page.keyboard.press("Space")
    tab_to("#takes li button:last-child")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#announcer').textContent.startsWith('Really delete?')")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#announcer').textContent.startsWith('Deleted')")
    assert page.evaluate(focused) == "step-kept"
    assert check_manifest(voice) == known
    tab_to("#adapt-start")
    assert page.get_attribute("#adapt-start", "aria-describedby") == "adapt-state"
