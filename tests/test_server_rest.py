from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from govor import load_model
from govor.server.hints import hotwords_from_prompt
from running_server import FEMALE, MALE, RunningServer, long_speech, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.http}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def transcript() -> Any:
    return load_model().transcribe(MALE)


def test_the_openai_client_gets_the_text_that_the_library_gives(client: Any, transcript: Any) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=MALE, language="ru")
    assert answer.text == transcript.text != ""


def test_the_openai_client_gets_words_and_segments_with_times(client: Any, transcript: Any) -> None:
    answer = client.audio.transcriptions.create(
        model="whisper-1",
        file=MALE,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        temperature=0.2,
    )
    assert answer.duration == pytest.approx(transcript.duration, abs=1e-3)
    assert [(word.word, word.start, word.end) for word in answer.words] == [
        (word.text, pytest.approx(word.start, abs=1e-3), pytest.approx(word.end, abs=1e-3))
        for word in transcript.words
    ]
    assert [segment.text for segment in answer.segments] == [segment.text for segment in transcript.segments]


def test_words_are_left_out_unless_they_are_asked_for(client: Any) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=MALE, response_format="verbose_json")
    assert answer.words is None
    assert len(answer.segments) >= 1


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("text", r"\A[а-яё ]+\n\Z"),
        ("srt", r"\A1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n[а-яё \n]+\Z"),
        ("vtt", r"\AWEBVTT\n\n(.*\n)?00:00:0\d\.\d{3} --> 00:00:0\d\.\d{3}\n[а-яё \n]+\Z"),
    ],
)
def test_the_openai_client_gets_text_and_subtitles(client: Any, form: str, pattern: str) -> None:
    answer = client.audio.transcriptions.create(model="whisper-1", file=MALE, response_format=form)
    assert re.match(pattern, answer), answer


def test_streaming_sends_deltas_that_add_up_to_the_text(client: Any) -> None:
    sound = long_speech(12)
    stream = client.audio.transcriptions.create(model="whisper-1", file=("x.wav", sound), stream=True)
    events = list(stream)
    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    # Fifty seconds are more than one piece.
    assert len(events) > 2
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == load_model().transcribe(sound).text
    assert "".join(event.delta for event in events[:-1]) == events[-1].text


def test_a_streamed_recording_is_in_the_log_as_any_other(server: RunningServer) -> None:
    before = len(server.events("transcribed"))
    for stream in ("true", "false"):
        answer = httpx.post(
            f"{server.http}/v1/audio/transcriptions",
            files={"file": FEMALE.read_bytes()},
            data={"stream": stream},
            timeout=60,
        )
        assert answer.status_code == 200
    httpx.get(f"{server.http}/health")
    rows = [{**row, "time": ""} for row in server.events("transcribed")[before:]]
    assert len(rows) == 2
    assert rows[0] == rows[1]
    assert rows[0]["audio_seconds"] > 0


def test_streaming_reports_an_error_in_an_event(server: RunningServer) -> None:
    answer = httpx.post(
        f"{server.http}/v1/audio/transcriptions", files={"file": b"no sound"}, data={"stream": "true"}
    )
    (event,) = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert event["type"] == "error"
    assert event["error"]["message"]


def test_the_openai_client_lists_the_models_and_finds_one(client: Any) -> None:
    names = [model.id for model in client.models.list()]
    assert "whisper-1" in names
    assert client.models.retrieve(names[0]).id == names[0]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_a_phrase_list_allows_nothing_but_its_phrases(server: RunningServer) -> None:
    texts = []
    for phrases in (
        "завтра утром бабушка испечёт пирог с яблоками\nвключи свет",
        "включи свет\nвыключи свет",
    ):
        answer = httpx.post(
            f"{server.http}/v1/audio/transcriptions",
            files={"file": MALE.read_bytes()},
            data={"phrases": phrases},
        )
        texts.append(answer.json()["text"])
    assert texts == [
        "завтра утром бабушка испечет пирог с яблоками".replace("испечет", "испечёт"),
        "",
    ] or texts == [
        "завтра утром бабушка испечет пирог с яблоками",
        "",
    ]


def test_finished_text_has_a_capital(server: RunningServer) -> None:
    answer = httpx.post(
        f"{server.http}/v1/audio/transcriptions",
        files={"file": MALE.read_bytes()},
        data={"format_text": "true"},
    )
    assert answer.json()["text"][0].isupper()


@pytest.mark.parametrize(
    ("data", "param"),
    [
        ({"response_format": "docx"}, "response_format"),
        ({"language": "en"}, "language"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": "7"}, "temperature"),
        ({"timestamp_granularities[]": "letter"}, "timestamp_granularities"),
        ({"stream": "maybe"}, "stream"),
    ],
)
def test_a_wrong_field_is_named_in_an_error_of_the_openai_shape(
    server: RunningServer, data: dict[str, str], param: str
) -> None:
    answer = httpx.post(
        f"{server.http}/v1/audio/transcriptions", files={"file": MALE.read_bytes()}, data=data
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "sound", [b"", b"this is no sound", b"RIFF\xff\xff\xff\xffWAVE", b"#EXTM3U\n/etc/passwd\n"]
)
def test_what_is_no_sound_is_refused_in_one_line(client: Any, sound: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(model="whisper-1", file=("/etc/passwd", sound))
    message = caught.value.body["message"]  # type: ignore[index]
    assert "\n" not in message
    assert "/" not in message.replace("/tmp", "//")
    # Only the command line has options.
    assert "--" not in message


def test_a_form_without_a_file_and_no_form_at_all_are_refused(server: RunningServer) -> None:
    url = f"{server.http}/v1/audio/transcriptions"
    assert httpx.post(url, data={"model": "x"}).status_code == 400
    assert httpx.post(url, json={"file": "/etc/passwd"}).status_code == 400
    answer = httpx.post(url, files={"model": b"x"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"garbage", "the form cannot be read: "),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "the form cannot be read: "),
        (b"--b\r\nContent-Disposition: form-data; name=file; filename=x\r\n\r\nRIFF", "no file"),
        (b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\nRIFF\r\n--b--\r\n", "filename"),
        (2 * b"--b\r\nContent-Disposition: form-data; name=file; filename=x\r\n\r\nx\r\n" + b"--b--", "2"),
    ],
)
def test_a_form_that_cannot_be_used_is_told_what_is_wrong(
    server: RunningServer, content: bytes, words: str
) -> None:
    answer = httpx.post(
        f"{server.http}/v1/audio/transcriptions",
        content=content,
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert not server.events("RAW")


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", "/docs", "/metrics"])
def test_whoever_only_asks_for_the_head_gets_that_of_get(server: RunningServer, path: str) -> None:
    head, whole = httpx.head(server.http + path), httpx.get(server.http + path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_a_wrong_path_and_a_wrong_method_are_told_apart(server: RunningServer) -> None:
    nowhere = httpx.post(f"{server.http}/v1/audio/translations", files={"file": b"x"})
    assert (nowhere.status_code, "/docs" in nowhere.json()["error"]["message"]) == (404, True)
    answer = httpx.get(f"{server.http}/v1/audio/transcriptions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert httpx.delete(f"{server.http}/v1/voice/adaptation/x").status_code == 404
    answer = httpx.get(f"{server.http}/v1/stream")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")


def test_messages_come_in_the_language_of_the_browser(server: RunningServer) -> None:
    url = f"{server.http}/v1/audio/transcriptions"
    answers = [
        httpx.post(url, files={"model": b"x"}, headers={"accept-language": language}).json()
        for language in ("ru-RU,ru;q=0.9", "en")
    ]
    assert [answer["error"]["message"][:4] for answer in answers] == ["в фо", "the "]


def test_many_uploads_at_once_all_get_the_right_text(server: RunningServer, transcript: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    female = load_model().transcribe(FEMALE).text

    def send(number: int) -> bool:
        path, text = ((MALE, transcript.text), (FEMALE, female))[number % 2]
        answer = httpx.post(
            f"{server.http}/v1/audio/transcriptions", files={"file": path.read_bytes()}, timeout=60
        )
        return bool(answer.json()["text"] == text)

    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(send, range(36)))


def test_the_page_the_docs_and_every_answer_forbid_anything_from_elsewhere(server: RunningServer) -> None:
    for path in ("/", "/docs", "/health", "/nothing", "/v1/models"):
        answer = httpx.get(server.http + path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    page = httpx.get(f"{server.http}/docs").text
    assert "/v1/audio/transcriptions" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_openapi_describes_the_form(server: RunningServer) -> None:
    schema = httpx.get(f"{server.http}/openapi.json").json()
    body = schema["paths"]["/v1/audio/transcriptions"]["post"]["requestBody"]
    fields = body["content"]["multipart/form-data"]["schema"]["properties"]
    assert {"file", "response_format", "prompt", "stream", "timestamp_granularities[]"} <= fields.keys()


def test_metrics_count_what_was_done(server: RunningServer) -> None:
    def figure(name: str) -> float:
        lines = httpx.get(f"{server.http}/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    before = figure("govor_audio_seconds_total")
    httpx.post(f"{server.http}/v1/audio/transcriptions", files={"file": MALE.read_bytes()})
    # 4.168 s, as the header of the file says.
    assert figure("govor_audio_seconds_total") - before == pytest.approx(4.168, abs=0.001)
    assert figure("govor_requests_total") > 0
    assert figure("govor_uploads ") == 0


def test_the_log_is_json_lines_without_a_word_of_what_was_said(
    server: RunningServer, transcript: Any
) -> None:
    httpx.post(
        f"{server.http}/v1/audio/transcriptions",
        files={"file": ("secret-name.wav", MALE.read_bytes())},
        data={"prompt": "тайное слово"},
    )
    written = json.dumps(server.log, ensure_ascii=False)
    assert server.events("transcribed")
    assert not server.events("RAW")
    for word in [*transcript.text.split(), "secret-name", "тайное"]:
        assert f'"{word}' not in written
        assert f" {word} " not in written


@pytest.mark.parametrize(
    ("prompt", "hotwords"),
    [
        ("", ()),
        ("Смотрёшка, Алиса; умный дом", ("смотрёшка", "алиса", "умный дом")),
        (
            "Разговор о погоде в Нижнем Новгороде и о рыбалке.",
            ("разговор", "погоде", "нижнем", "новгороде", "рыбалке"),
        ),
        ("OpenAI, GPT-4", ()),
    ],
)
def test_a_prompt_gives_its_terms_as_hot_words(prompt: str, hotwords: tuple[str, ...]) -> None:
    found = hotwords_from_prompt(prompt)
    assert found == hotwords or found == tuple(word.replace("ё", "е") for word in hotwords)
