from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest

from govor.audio.loading import Samples, load_audio
from govor.audio.microphone import Block
from govor.corpora.prompts import MAX_LETTERS, check_phrase, propose, read_phrases
from govor.corpora.prompts_ru import PROMPTS
from govor.corpora.recordings import RecordingFolder, Speaker
from govor.corpora.takes import Fault, Take, count_clipped, find_problems, record_take
from govor.corpora.voxforge import read_voxforge
from govor.errors import GovorError, ManifestError
from govor.manifest import read_manifest
from govor.speech.endpointing import EndpointConfig, Endpointer
from govor.text.alphabet import RUSSIAN_LETTERS, normalize
from kept_recordings import check_whole
from sound_scenes import noise, scene, silence, voice

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
RATE = 16000


def blocks(samples: Samples, overflow_at: float = -1.0) -> list[Block]:
    starts = range(0, len(samples), 512)
    return [Block(samples[i : i + 512], i <= overflow_at * RATE < i + 512) for i in starts]


def listen(samples: Samples, text: str, overflow_at: float = -1.0) -> Take:
    endpointer = Endpointer(RATE, EndpointConfig(silence_seconds=1.0), use_silero=False)
    return record_take(blocks(samples, overflow_at), RATE, text, start_timeout=4.0, endpointer=endpointer)


def faults(take: Take, text: str) -> set[Fault]:
    return {problem.fault for problem in find_problems(take, text)}


PHRASE = "Потуши свет в гостиной."
GOOD = scene(silence(1.5), voice(2.0), silence(2.0))


def test_a_good_take_has_margins_of_silence_on_both_sides_and_no_problem() -> None:
    take = listen(GOOD, PHRASE)
    assert faults(take, PHRASE) == set()
    assert take.ended and not take.overflowed and take.num_clipped == 0
    assert take.speech_start == pytest.approx(0.4, abs=0.04)
    assert take.duration == pytest.approx(2.8, abs=0.15)
    # The margins are the sound itself, not padding.
    start = round((1.5 - take.speech_start) * RATE)
    offset = int(np.argmax(np.correlate(GOOD[start - 2000 :], take.samples, "valid"))) + start - 2000
    np.testing.assert_array_equal(take.samples, GOOD[offset : offset + len(take.samples)])


@pytest.mark.parametrize(
    ("sound", "text", "fault"),
    [
        (silence(6), PHRASE, Fault.dead),
        (scene(silence(6)) * 8, PHRASE, Fault.no_speech),
        (np.clip(GOOD * 30, -1, 1), PHRASE, Fault.clipped),
        (scene(silence(1.5), voice(2.0, -52.0), silence(2.0)), PHRASE, Fault.quiet),
        (GOOD + noise(5.5, -34.0), PHRASE, Fault.noisy),
        (scene(silence(1.5), voice(0.12), silence(3.0)), "Да.", Fault.short),
        (scene(silence(1.5), voice(0.5), silence(4.0)), PHRASE, Fault.fast),
        (scene(silence(0.5), *[voice(0.5), silence(0.3)] * 60), PHRASE, Fault.endless),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_an_unfit_take_is_refused_for_its_very_fault(sound: Samples, text: str, fault: Fault) -> None:
    take = listen(sound.astype(np.float32), text)
    assert faults(take, text) == {fault}


def test_every_refusal_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVOR_LANG", "ru")
    (problem,) = find_problems(listen(np.clip(GOOD * 30, -1, 1), PHRASE), PHRASE)
    assert problem.message.startswith("слишком громко") and "отодвиньтесь" in problem.message


def test_sound_lost_inside_the_phrase_is_refused_and_before_it_forgiven() -> None:
    assert faults(listen(GOOD, PHRASE, overflow_at=2.0), PHRASE) == {Fault.gaps}
    assert faults(listen(GOOD, PHRASE, overflow_at=0.3), PHRASE) == set()


def test_speech_that_began_with_the_recording_is_refused() -> None:
    take = listen(scene(silence(0.04), voice(2.0), silence(2.0)), PHRASE)
    assert faults(take, PHRASE) == {Fault.cut_start}


def test_a_speaker_who_has_said_too_little_for_the_text_may_pause_longer() -> None:
    text = "а" * 60
    sound = scene(silence(1.0), voice(1.0), silence(1.7), voice(3.0), silence(3.0))
    assert listen(sound, text).speech_seconds == pytest.approx(5.7, abs=0.2)
    assert listen(sound, "Да.").speech_seconds == pytest.approx(1.0, abs=0.2)


def test_only_runs_at_full_scale_count_as_clipping() -> None:
    samples = np.array([1, 0, 1, 1, 0, 1, 1, 1, 0, -1, -1, -1, -1], dtype=np.float32)
    assert count_clipped(samples) == 7


@pytest.mark.parametrize("name", ["male", "female", "microphone"])
@pytest.mark.parametrize("use_silero", [True, False])
def test_real_recordings_pass_the_checks(name: str, use_silero: bool) -> None:
    if not (SHARED / "audio").is_dir():
        pytest.skip("the shared recordings are absent")
    manifest = (SHARED / "audio" / "manifest.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in manifest.splitlines()]
    text = next(row["text"] for row in rows if row["audio_filepath"] == f"{name}.wav")
    samples = load_audio(SHARED / "audio" / f"{name}.wav", RATE).samples
    endpointer = Endpointer(RATE, EndpointConfig(silence_seconds=1.0), use_silero)
    take = record_take(blocks(samples), RATE, text, endpointer=endpointer)
    assert faults(take, text) == set()


def test_phrases_are_tidied_and_keep_their_yo() -> None:
    assert check_phrase("  Е\u0308лка — это\tде\u0301рево… ") == "Ёлка — это де\u0301рево…"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no Russian"),
        ("?!", "no Russian"),
        ("ровно 5 минут", "“5”"),
        ("это CD диск", "“CD”|“DC”"),
        ("а" * (MAX_LETTERS + 1), "301"),
        ("тут\x07звонок", "control"),
    ],
)
def test_a_phrase_that_cannot_be_read_aloud_is_refused(text: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        check_phrase(text)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("первая\nвторая 2\n".encode(), ":2: "),
        ("первая\n\nэто word\n".encode(), ":3: "),
        ("первая\nвторая\n".encode("cp1251"), ":1: "),
        ("первая\n---\n".encode(), ":2: "),
        (b"\n  \n", ""),
        (b"", ""),
    ],
)
def test_a_bad_prompt_file_is_refused_with_the_line(tmp_path: Path, content: bytes, place: str) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=re.escape(f"{path}{place}")) as caught:
        read_phrases(path)
    assert "\n" not in str(caught.value)


def test_a_prompt_file_may_have_a_mark_windows_line_ends_and_repetitions(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes("\ufeffЁлка.\r\n\r\nЕлка?\r\nёлка!\r\n".encode())
    assert read_phrases(path) == ["Ёлка.", "Елка?"]


def test_the_built_in_phrases_are_distinct_readable_and_rich() -> None:
    texts = [normalize(check_phrase(phrase)) for phrase in PROMPTS]
    joined = " ".join(texts)
    assert len(set(texts)) == len(texts) >= 100
    assert min(joined.count(letter) for letter in RUSSIAN_LETTERS) >= 10
    for letter in "бвгдзклмнпрстфх":
        soft = len(re.findall(f"{letter}[еёиюяь]", joined))
        hard = len(re.findall(f"{letter}[аоуыэ]", joined))
        assert soft >= 5 and hard >= 5, letter


def test_the_built_in_phrases_are_in_no_corpus_that_tests_use() -> None:
    splits = SHARED / "data" / "voxforge-ru-splits.json"
    if not splits.exists():
        pytest.skip("the shared data is absent")
    ours = {normalize(phrase) for phrase in PROMPTS}
    found = set()
    for path in [*SHARED.glob("audio/*.jsonl"), *SHARED.glob("data/*/manifest.jsonl")]:
        with path.open(encoding="utf-8") as stream:
            found |= {normalize(json.loads(line)["text"]) for line in stream} & ours
    assert found == set()


def test_proposals_take_the_richest_phrase_first_and_never_a_recorded_one() -> None:
    pool = ["ааа", "ааа ааа ааа", "жук и щука"]
    assert propose(3, pool=pool) == ["жук и щука", "ааа", "ааа ааа ааа"]
    assert propose(3, ["Жук и щука!"], pool) == ["ааа", "ааа ааа ааа"]
    assert propose(1, ["жук и щуки", "ааа"], pool) == ["жук и щука"]


def test_proposals_cover_more_trigrams_than_the_same_number_in_order() -> None:
    def covered(phrases: list[str]) -> int:
        padded = [f" {normalize(phrase)} " for phrase in phrases]
        return len({text[i : i + 3] for text in padded for i in range(len(text) - 2)})

    assert covered(propose(20)) > covered(list(PROMPTS[-20:])) * 1.1
    assert sorted(propose(1000)) == sorted(PROMPTS)


def test_a_kept_phrase_is_a_voxforge_submission_and_a_manifest_line(tmp_path: Path) -> None:
    samples = voice(1.0)
    with RecordingFolder(tmp_path, Speaker("ваня", "male")) as folder:
        first = folder.keep("Съешь ещё «ёлку»!", samples)
        folder.keep("Кто-то пришёл.", samples)
    name = first.id.split("/")[0]
    assert re.fullmatch(r"ваня-\d{8}-[a-z]{3}", name)
    etc = tmp_path / name / "etc"
    assert (etc / "PROMPTS").read_text(encoding="utf-8").splitlines() == [
        f"{name}/mfc/ru_0001 СЪЕШЬ ЕЩЁ ЁЛКУ",
        f"{name}/mfc/ru_0002 КТО ТО ПРИШЁЛ",
    ]
    original = (etc / "prompts-original").read_text(encoding="utf-8")
    assert original == "ru_0001 Съешь ещё «ёлку»!\nru_0002 Кто-то пришёл.\n"
    readme = (etc / "README").read_text(encoding="utf-8")
    assert "User Name:ваня\n" in readme and "Gender: Мужской\n" in readme and "Rate: 16000\n" in readme
    assert (tmp_path / name / "LICENSE").stat().st_size > 0
    (again, _) = read_manifest(tmp_path / "manifest.jsonl")
    assert (again.text, again.speaker, again.duration) == ("съешь ещё ёлку", "ваня", 1.0)
    assert again.audio_filepath == tmp_path / name / "wav" / "ru_0001.wav"
    with wave.open(str(again.audio_filepath)) as sound:
        assert sound.getparams()[:4] == (1, 2, RATE, RATE)
    restored = load_audio(again.audio_filepath, RATE).samples
    # Half a step of 16 bits.
    assert np.abs(restored - samples).max() <= 0.5 / 32768 + 1e-9


def test_the_voxforge_importer_reads_back_what_was_recorded(tmp_path: Path) -> None:
    with RecordingFolder(tmp_path, Speaker("ваня", "female")) as folder:
        folder.keep("Съешь ещё «ёлку»!", voice(1.0))
        folder.keep("Кто-то пришёл.", voice(1.5))
        written = folder.utterances
    (submission,) = read_voxforge(tmp_path)
    assert (submission.dropped, submission.speaker) == ([], "ваня")
    assert submission.readme.gender.lower()[:1] in ("f", "ж")
    assert submission.rates == {RATE: 2}
    read = [(item.text, item.duration, item.audio_filepath) for item in submission.utterances]
    assert read == [(item.text, item.duration, item.audio_filepath) for item in written]


def test_sound_beyond_full_scale_is_limited_and_not_wrapped(tmp_path: Path) -> None:
    with RecordingFolder(tmp_path, Speaker("a")) as folder:
        kept = folder.keep("да", np.array([1.5, -1.5, 1.0], dtype=np.float32))
    with wave.open(str(kept.audio_filepath)) as sound:
        assert np.frombuffer(sound.readframes(3), "<i2").tolist() == [32767, -32768, 32767]


def test_recorded_texts_are_those_of_this_speaker(tmp_path: Path) -> None:
    with RecordingFolder(tmp_path, Speaker("a")) as folder:
        folder.keep("Первая.", voice(0.1))
    with RecordingFolder(tmp_path, Speaker("b")) as folder:
        assert folder.recorded_texts() == set()
        folder.keep("Вторая.", voice(0.1))
    with RecordingFolder(tmp_path, Speaker("a")) as folder:
        assert folder.recorded_texts() == {"первая"}
        assert len(folder.utterances) == 2


def test_every_anonymous_submission_is_its_own_speaker(tmp_path: Path) -> None:
    for _ in range(2):
        with RecordingFolder(tmp_path, Speaker("anonymous")) as folder:
            folder.keep("да", voice(0.1))
    speakers = {utterance.speaker for utterance in read_manifest(tmp_path / "manifest.jsonl")}
    assert len(speakers) == 2 and all(name.startswith("anonymous-") for name in speakers)


def test_foreign_lines_of_the_manifest_stay_byte_by_byte(tmp_path: Path) -> None:
    line = b'{"audio_filepath":"x.wav", "duration":1,"text":"a", "extra": [1]}'
    (tmp_path / "manifest.jsonl").write_bytes(line)
    with RecordingFolder(tmp_path, Speaker("a")) as folder:
        folder.keep("да", voice(0.1))
    lines = (tmp_path / "manifest.jsonl").read_bytes().split(b"\n")
    assert lines[0] == line and len(lines) == 3


def test_a_damaged_manifest_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_text("{broken\n")
    with pytest.raises(ManifestError, match=r"manifest\.jsonl:1"):
        RecordingFolder(tmp_path, Speaker("a"))
    assert path.read_text() == "{broken\n"


def test_two_programs_cannot_record_into_one_folder(tmp_path: Path) -> None:
    with (
        RecordingFolder(tmp_path, Speaker("a")),
        pytest.raises(GovorError, match="another program"),
    ):
        RecordingFolder(tmp_path, Speaker("b"))
    RecordingFolder(tmp_path, Speaker("b")).close()


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "a-b", "x" * 41])
def test_a_speaker_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ManifestError):
        Speaker(name)


# Keeps phrases in a child that dies of SIGKILL before its k-th access to the file system, for every k.
_KILLER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from govor.corpora.recordings import RecordingFolder, Speaker
sound = np.linspace(-0.5, 0.5, 4000, dtype=np.float32)
watched = {"open", "os.rename", "os.remove", "os.mkdir"}
left = -1
def hook(event, arguments):
    global left
    if left >= 0 and event in watched:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
root = Path(sys.argv[1])
for k in range(1000):
    child = os.fork()
    if child == 0:
        left = k
        with RecordingFolder(root / str(k), Speaker("a")) as folder:
            folder.keep("Первая ёлка.", sound)
            folder.keep("Вторая.", sound)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        print(k)
        break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_a_kill_before_any_access_to_the_disk_leaves_whole_phrases_only() -> None:
    # In memory where possible: hundreds of waits for a busy disk prove nothing more.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        kill_at_every_point(Path(folder))


def kill_at_every_point(tmp_path: Path) -> None:
    source = str(Path(__file__).resolve().parents[1] / "src")
    environment = os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", _KILLER, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    num_points = int(done.stdout)
    assert num_points > 40
    counts = []
    for k in range(num_points):
        root = tmp_path / str(k)
        RecordingFolder(root, Speaker("a")).close()
        counts.append(check_whole(root))
    # The further it got, the more was kept; both ends are reached.
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 2


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with RecordingFolder(tmp_path, Speaker("a")) as folder:
            folder.keep("первая", voice(0.1))
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
            with pytest.raises(OSError, match="File too large"):
                folder.keep("вторая", voice(5.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert check_whole(tmp_path) == 1
