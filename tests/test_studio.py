from __future__ import annotations

import os
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest

from govor.audio.loading import load_audio
from govor.corpora.recordings import MANIFEST, RecordingFolder, Speaker
from govor.corpora.voxforge import read_voxforge
from govor.errors import GovorError, ManifestError
from govor.language import speaking, speaks_russian, tr
from govor.manifest import read_manifest
from sound_scenes import scene, silence

pytest.importorskip("fastapi", reason="the server needs the extra [server]")
testclient = pytest.importorskip("fastapi.testclient", reason="the test client needs httpx")

from govor.recognizer import Recognizer  # noqa: E402
from govor.server.app import create_app  # noqa: E402
from govor.server.settings import ServerSettings  # noqa: E402
from govor.server.studio_adaptation import AdaptationJob  # noqa: E402
from govor.server.studio_corpus import StudioCorpus, judge  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PHRASE = "Завтра утром бабушка испечёт пирог с яблоками."
TEXT = "завтра утром бабушка испечёт пирог с яблоками"
# 4.2 s and 3.8 s with hardly any silence at the ends.
MALE = load_audio(EXAMPLES / "male.wav", 16000).samples
FEMALE = load_audio(EXAMPLES / "female.wav", 16000).samples
GOOD = scene(silence(1.0), MALE, silence(1.5))
OTHER = scene(silence(1.2), FEMALE, silence(1.5))


def pcm(samples: Any) -> bytes:
    return np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


@pytest.fixture
def client(tmp_path: Path, recognizer: Recognizer) -> Iterator[Any]:
    app = create_app(ServerSettings(studio=tmp_path / "my_voice", workers=1), recognizer)
    with testclient.TestClient(app, base_url="http://127.0.0.1:8000") as client:
        yield client


def send(client: Any, path: str, phrase: str = PHRASE, samples: Any = GOOD, **form: str) -> Any:
    given = {"phrase": phrase, **({"speaker": "ivan"} if path == "recordings" else {}), **form}
    return client.post(f"/v1/voice/{path}", data=given, files={"audio": ("a.pcm", pcm(samples))})


def test_a_take_is_judged_without_being_kept_and_kept_once_however_often_it_is_sent(
    client: Any, tmp_path: Path
) -> None:
    verdict = send(client, "check").json()
    assert verdict["fine"] and verdict["problems"] == []
    # What is spoken, and 0.4 s of silence before and after.
    assert verdict["seconds"] == pytest.approx(4.5, abs=0.3)
    assert client.get("/v1/voice").json()["num_phrases"] == 0
    answers = [send(client, "recordings") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    (item,) = read_manifest(tmp_path / "my_voice" / MANIFEST)
    assert (item.text, item.speaker) == (TEXT, "ivan")
    (submission,) = read_voxforge(tmp_path / "my_voice")
    assert [one.text for one in submission.utterances] == [TEXT]


def test_another_take_of_the_same_phrase_is_another_recording(client: Any) -> None:
    send(client, "recordings")
    send(client, "recordings", samples=OTHER)
    assert client.get("/v1/voice").json()["num_phrases"] == 2


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (scene(silence(3.0)), "no_speech"),
        (np.zeros(48000, np.float32), "dead"),
        (np.clip(GOOD * 40, -1, 1), "clipped"),
        (GOOD[: 3 * 16000], "endless"),
        (np.zeros(0, np.float32), "dead"),
    ],
)
def test_an_unfit_take_is_refused_with_its_fault(client: Any, samples: Any, fault: str) -> None:
    answer = send(client, "recordings", samples=samples)
    assert answer.status_code == 422
    assert fault in [problem["fault"] for problem in answer.json()["problems"]]
    assert client.get("/v1/voice").json()["num_phrases"] == 0


def test_a_pause_inside_the_phrase_does_not_end_it() -> None:
    take = judge(PHRASE, scene(silence(1.0), MALE[:32000], silence(2.5), MALE[32000:], silence(1.0))).take
    assert take.speech_seconds == pytest.approx(2.5 + 3.9, abs=0.4)


def test_refusals_are_in_the_language_of_the_asker(client: Any) -> None:
    for language, word in (("ru-RU,ru;q=0.9", "тишину"), ("en", "silence"), ("de", "silence")):
        client.headers["accept-language"] = language
        answer = send(client, "check", samples=np.zeros(32000, np.float32)).json()
        assert word in answer["problems"][0]["message"]
    assert not speaks_russian()
    with speaking("ru"):
        assert tr("да", "yes") == "да"
    assert tr("да", "yes") == "yes"


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "%2e%2e/%2e%2e",
        "x/..%2f..%2fmanifest.jsonl",
        "ivan/ru_0001",
        "a/b",
        "..%5c/ru_0001",
    ],
)
def test_no_name_but_a_recordings_leads_to_a_file(client: Any, name: str) -> None:
    send(client, "recordings")
    for method in ("GET", "DELETE"):
        answer = client.request(method, f"/v1/voice/recordings/{name}")
        assert answer.status_code in (400, 404, 405)
        assert b"root:" not in answer.content and b"audio_filepath" not in answer.content
    assert client.get("/v1/voice").json()["num_phrases"] == 1


def test_a_manifest_line_that_leads_elsewhere_is_never_deleted(tmp_path: Path) -> None:
    root, secret = tmp_path / "my_voice", tmp_path / "secret.wav"
    root.mkdir()
    secret.write_bytes(b"RIFF")
    line = '{"audio_filepath": "../secret.wav", "duration": 1.0, "text": "да", "id": "ivan/ru_0001"}\n'
    (root / MANIFEST).write_text(line, encoding="utf-8")
    with pytest.raises(ManifestError):
        StudioCorpus(root).remove("ivan/ru_0001")
    assert secret.exists() and (root / MANIFEST).read_text(encoding="utf-8") == line


@pytest.mark.parametrize("speaker", ["../x", "a/b", "", "a" * 41, "a\0b", "a b"])
def test_a_speaker_that_is_no_name_is_refused(client: Any, tmp_path: Path, speaker: str) -> None:
    assert send(client, "recordings", speaker=speaker).status_code == 400
    assert list(tmp_path.iterdir()) == []


def test_too_long_or_odd_sound_and_unspeakable_phrases_are_refused(client: Any) -> None:
    form = {"phrase": PHRASE}
    long = client.post("/v1/voice/check", data=form, files={"audio": ("a", bytes(3_000_000))})
    odd = client.post("/v1/voice/check", data=form, files={"audio": ("a", b"abc")})
    digits = send(client, "check", phrase="25 попугаев")
    assert {long.status_code, odd.status_code, digits.status_code} == {400}
    assert "16-bit" in long.json()["error"]["message"]
    assert "25" in digits.json()["error"]["message"]


def test_own_phrases_come_first_and_recorded_ones_never(client: Any) -> None:
    own = [PHRASE, "Позвони Ёжикову!", "25", "позвони ёжикову"]
    answer = client.post("/v1/voice/prompts", json={"speaker": "ivan", "phrases": own, "count": 4}).json()
    assert answer["prompts"][:2] == own[:2] and len(answer["prompts"]) == 4
    assert list(answer["refused"]) == ["25"]
    send(client, "recordings")
    answer = client.post("/v1/voice/prompts", json={"speaker": "ivan", "phrases": own, "count": 4}).json()
    assert answer["prompts"][0] == "Позвони Ёжикову!" and PHRASE not in answer["prompts"]


def test_a_recording_is_heard_as_it_was_kept_and_gone_once_deleted(client: Any, tmp_path: Path) -> None:
    name = send(client, "recordings").json()["id"]
    sound = client.get(f"/v1/voice/recordings/{name}")
    (path,) = (tmp_path / "my_voice").glob("*/wav/*.wav")
    assert sound.headers["content-type"] == "audio/wav" and sound.content == path.read_bytes()
    assert client.delete(f"/v1/voice/recordings/{name}").json()["num_phrases"] == 0
    assert not path.exists()
    assert client.get(f"/v1/voice/recordings/{name}").status_code == 400
    prompts = [file.read_text(encoding="utf-8") for file in path.parents[1].glob("etc/[Pp]*")]
    assert prompts == ["", ""]


def test_a_removal_that_was_killed_half_way_is_carried_out_on_opening(tmp_path: Path) -> None:
    with RecordingFolder(tmp_path, Speaker("ivan")) as folder:
        first = folder.keep("раз", GOOD)
        second = folder.keep("два", GOOD)
    # As a kill leaves it: the order is written, the manifest rewritten, the sound still there.
    (tmp_path / ".removing.json").write_text(f'{{"id": "{first.id}"}}', encoding="utf-8")
    (tmp_path / MANIFEST).write_text(second.to_json(tmp_path) + "\n", encoding="utf-8")
    with RecordingFolder(tmp_path, Speaker("ivan")) as folder:
        assert [item.id for item in folder.utterances] == [second.id]
    assert first.audio_filepath is not None and not first.audio_filepath.exists()
    assert second.audio_filepath is not None and second.audio_filepath.exists()
    assert not (tmp_path / ".removing.json").exists()
    (submission,) = read_voxforge(tmp_path)
    assert [one.text for one in submission.utterances] == ["два"] and not submission.dropped


def test_the_audit_tells_totals_and_suspects(client: Any) -> None:
    send(client, "recordings")
    send(client, "recordings", samples=OTHER)
    found = client.post("/v1/voice/audit").json()
    assert found["num_phrases"] == 2 and found["speakers"].keys() == {"ivan"}
    # The other take is of another sentence: the recogniser hears that, and the page shows what it hears.
    (suspect,) = found["suspects"]["transcript"]
    assert suspect["text"] == TEXT and jiwer.cer("после обеда мы пошли гулять", suspect["note"]) < 1.0
    assert "path" not in suspect


def test_another_program_that_records_is_named_and_waited_for(client: Any, tmp_path: Path) -> None:
    with RecordingFolder(tmp_path / "my_voice", Speaker("ivan")):
        answer = send(client, "recordings")
        assert answer.status_code == 400
        assert "another program is recording" in answer.json()["error"]["message"]
    assert send(client, "recordings").status_code == 201


def test_many_threads_keep_every_phrase_once(tmp_path: Path) -> None:
    corpus = StudioCorpus(tmp_path)
    phrases = ["раз два три", "четыре пять шесть", "семь восемь девять"]

    def keep(phrase: str) -> None:
        corpus.keep(phrase, GOOD, Speaker("ivan"))

    threads = [threading.Thread(target=keep, args=(phrase,)) for phrase in phrases * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    corpus.close()
    assert sorted(item.text for item in corpus.utterances()) == sorted(phrases)


def test_without_a_folder_the_studio_is_off_and_says_how_to_turn_it_on(recognizer: Recognizer) -> None:
    app = create_app(ServerSettings(workers=1), recognizer)
    with testclient.TestClient(app, base_url="http://127.0.0.1:8000") as client:
        answer = client.get("/v1/voice")
        assert answer.status_code == 400 and "--voice" in answer.json()["error"]["message"]
        assert client.get("/v1/about").json()["studio"] is False


def test_the_card_and_the_measured_speed_are_told(client: Any) -> None:
    about = client.get("/v1/about", headers={"accept-language": "ru"}).json()
    assert about["cores"] >= 1 and about["model"]["bytes"] > 1e6
    english = client.get("/v1/about", headers={"accept-language": "en"}).json()
    assert english["card"] != about["card"] and "CTC" in english["card"]
    speed = client.post("/v1/about/speed").json()
    assert speed["times"] == pytest.approx(speed["seconds"] / speed["took"], rel=0.01)
    assert speed["seconds"] > 25 and speed["decoder"] in ("beam", "greedy")


def wait_for_end(job: AdaptationJob) -> dict[str, Any]:
    deadline = time.monotonic() + 300
    while job.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return job.state


def test_an_adaptation_without_recordings_fails_with_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    job = AdaptationJob(tmp_path, None)
    job.start()
    with pytest.raises(GovorError, match="running"):
        job.start()
    state = wait_for_end(job)
    assert state["state"] == "failed" and "manifest.jsonl" in state["message"]
    assert list(tmp_path.iterdir()) == []


def test_an_adaptation_can_be_stopped_and_leaves_no_process(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    job = AdaptationJob(tmp_path, None)
    job.start()
    process = job._process
    assert process is not None
    job.stop()
    assert job.state == {"state": "stopped"}
    assert process.poll() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_missing_packages_are_named_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Python itself finds no module of that name from here on.
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(GovorError, match=r"torch.*pip install 'govor\[train\]'"):
        AdaptationJob(tmp_path, None).start()


def test_the_sound_on_disk_is_sixteen_bits_at_sixteen_kilohertz(client: Any, tmp_path: Path) -> None:
    send(client, "recordings", gender="female", microphone="Buzz\n9000")
    (path,) = (tmp_path / "my_voice").glob("*/wav/*.wav")
    with wave.open(str(path)) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (16000, 2, 1)
    readme = (path.parents[1] / "etc" / "README").read_text(encoding="utf-8")
    assert "Gender: Женский" in readme and "Microphone type: Buzz9000" in readme
