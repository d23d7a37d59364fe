import gc
import json
import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from govor.audio.loading import load_audio
from govor.cli.app import run
from govor.corpora.lengths import measure_length
from govor.corpora.submission import decode_text, read_prompts, read_readme
from govor.corpora.voxforge import PARTS, prepare_voxforge, read_voxforge
from govor.errors import AudioError, InputNotFoundError
from govor.manifest import Utterance, read_manifest
from voxforge_fixture import README, submission, wav_bytes, write

TEXTS = {"ru_0001": "Съешь ещё этих мягких булок.", "ru_0002": "Да выпей чаю, кто-то ждёт!"}
SPOKEN = {"ru_0001": "съешь ещё этих мягких булок", "ru_0002": "да выпей чаю кто то ждёт"}
NAME = "alisa-20100101-aaa"


def read(tmp_path, files, name=NAME):
    """Return text by id, and reason by id, of one submission."""
    write(tmp_path / "corpus" / name, files)
    (one,) = read_voxforge(tmp_path / "corpus")
    head = f"{name}/wav/"
    texts = {utterance.id.removeprefix(head): utterance.text for utterance in one.utterances}
    return texts, {drop.id.removeprefix(head): drop.reason for drop in one.dropped}


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("GOVOR_LANG", "en")


def test_an_ordinary_submission_gives_texts_durations_and_its_speaker(tmp_path):
    write(tmp_path / NAME, submission(NAME, TEXTS, "Женский", "Юношеский", wav_bytes(1.25)))
    (one,) = read_voxforge(tmp_path)
    assert [(u.id, u.text, u.duration, u.speaker) for u in one.utterances] == [
        (f"{NAME}/wav/{key}", text, 1.25, "alisa") for key, text in SPOKEN.items()
    ]
    assert one.dropped == [] and one.rates == {16000: 2}
    found = (one.readme.gender, one.readme.age, one.readme.dialect, one.readme.microphone)
    assert found == ("female", "youth", "Москва", "Встроенный микрофон")


def test_upper_case_without_punctuation_is_enough(tmp_path):
    files = submission(NAME, TEXTS)
    del files["etc/prompts-original"]
    texts, dropped = read(tmp_path, files)
    assert (texts, dropped) == (SPOKEN, {})


@pytest.mark.parametrize("name", ["etc/readme", "etc/ReadMe.txt", "README"])
def test_a_readme_in_another_case_or_place_is_found(tmp_path, name):
    files = submission(NAME, TEXTS, "Женский")
    files[name] = files.pop("etc/README")
    write(tmp_path, files)
    assert read_readme(tmp_path).gender == "female"


def test_without_a_readme_the_recordings_are_still_used(tmp_path):
    files = submission(NAME, TEXTS)
    del files["etc/README"]
    assert read(tmp_path, files) == (SPOKEN, {})
    assert read_readme(tmp_path / "corpus" / NAME).gender == ""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1251", "koi8-r", "cp866", "utf-16"])
@pytest.mark.parametrize("upper", [False, True])
def test_texts_in_old_encodings_are_read(tmp_path, encoding, upper):
    files = submission(NAME, TEXTS)
    del files["etc/PROMPTS" if not upper else "etc/prompts-original"]
    recoded = {
        path: data.decode().encode(encoding) if path.startswith("etc/") else data
        for path, data in files.items()
    }
    assert read(tmp_path, recoded) == (SPOKEN, {})
    readme = read_readme(tmp_path / "corpus" / NAME)
    assert (readme.gender, readme.dialect) == ("male", "Москва")


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "cp866"])
@pytest.mark.parametrize(
    "text", ["Мама мыла раму", "ДА", "мужской", "Съешь ещё этих булок", "ЧЕРЕЗ ГОД", "ёжик бежит"]
)
def test_the_encoding_of_a_word_or_two_is_told_apart(encoding, text):
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "name, line",
    [
        ("prompts.txt", "{key} {text}"),
        ("Transcriptions.txt", "{key}.wav\t{text}"),
        ("PROMPTS", "*/{key} {text}"),
        ("PROMPTS", "../../mfc/8kHz/{key}.mfc {text}"),
        ("transcription.txt", "<s> {text} <sil> </s> ({key})"),
        ("Prompts-Original", "{key}: {text}\r"),
        ("prompts", "  {key}   {text}\n\n"),
    ],
)
def test_prompts_under_other_names_and_in_other_forms_are_read(tmp_path, name, line):
    files = {
        p: data for p, data in submission(NAME, TEXTS).items() if "rompts" not in p and "PROMPTS" not in p
    }
    files[f"etc/{name}"] = "\n".join(line.format(key=k, text=t) for k, t in TEXTS.items()).encode()
    assert read(tmp_path, files) == (SPOKEN, {})


@pytest.mark.parametrize(
    "field, gender",
    [
        ("Мужской", "male"),
        ("[Женский];", "female"),
        ("ж", "female"),
        ("(male)", "male"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_gender_is_read_through_brackets_and_semicolons(tmp_path, field, gender):
    write(tmp_path, {"etc/README": f"User Name: x;\nGENDER : {field}\n".encode()})
    assert read_readme(tmp_path).gender == gender


def test_stray_empty_short_and_foreign_files_are_dropped_each_with_its_reason(tmp_path):
    whole = wav_bytes(2.0)
    files = submission(NAME, TEXTS) | {
        "wav/.wav": whole,
        "wav/._ru_0001.wav": b"mac",
        "wav/Thumbs.db": b"windows",
        "wav/ru_0003.wav": whole,
        "wav/ru_0004.wav": b"",
        "wav/ru_0005.wav": whole[: len(whole) // 2],
        "wav/ru_0006.wav": b"<html>not found</html>",
        "wav/ru_0007.wav": whole,
        "wav/ru_0008.wav": whole,
        "wav/ru_0009.wav": wav_bytes(0.1),
        "wav/ru_0010.wav": wav_bytes(2.0, rate=4000),
        "wav/ru_0011.wav": wav_bytes(0.0),
    }
    more = {"ru_0004": "пусто", "ru_0005": "обрыв", "ru_0006": "страница", "ru_0007": "в 1980 году"}
    more |= {
        "ru_0008": "смотри file",
        "ru_0009": "длинная фраза",
        "ru_0010": "редко",
        "ru_0011": "нет",
        "ru_0012": "где",
    }
    files["etc/prompts-original"] += "".join(f"{key} {text}\n" for key, text in more.items()).encode()
    texts, dropped = read(tmp_path, files)
    assert texts == SPOKEN
    expected = {
        ".wav": "not a recording",
        "._ru_0001": "not a recording",
        "Thumbs.db": "not a recording",
        "ru_0003": "without a prompt",
        "ru_0004": "empty file",
        "ru_0005": "1.0 s are missing",
        "ru_0006": "not audio",
        "ru_0007": "digits",
        "ru_0008": "Latin",
        "ru_0009": "too few for 13 letters",
        "ru_0010": "4000 Hz",
        "ru_0011": "no samples",
        "ru_0012": "without a recording",
    }
    assert dropped.keys() == expected.keys()
    for key, reason in expected.items():
        assert reason in dropped[key]


def test_an_id_with_two_texts_is_dropped_and_with_the_same_text_kept(tmp_path):
    files = submission(NAME, TEXTS)
    files["etc/prompts-original"] += b"ru_0001 " + "СЪЕШЬ ЕЩЁ этих мягких булок\n".encode()
    files["etc/prompts-original"] += "ru_0002 Совсем другое.\n".encode()
    texts, dropped = read(tmp_path, files)
    assert texts == {"ru_0001": SPOKEN["ru_0001"]}
    assert dropped == {"ru_0002": "two different texts for this id"}


def test_of_two_recordings_of_one_id_the_wav_counts(tmp_path):
    files = submission(NAME, TEXTS) | {"flac/ru_0001.flac": encoded("flac", "s16", 0.5)}
    texts, dropped = read(tmp_path, files)
    assert texts == SPOKEN and dropped == {"ru_0001": "ru_0001.flac: duplicate id"}


def test_digits_in_the_original_are_replaced_by_the_words_of_prompts(tmp_path):
    files = submission(NAME, TEXTS)
    files["etc/prompts-original"] = "ru_0001 В 5 часов\nru_0002 Ёлка\n".encode()
    files["etc/PROMPTS"] = "N/mfc/ru_0001 В ПЯТЬ ЧАСОВ\nN/mfc/ru_0002 ЕЛКА\n".encode()
    texts, _ = read(tmp_path, files)
    assert texts == {"ru_0001": "в пять часов", "ru_0002": "ёлка"}


def encoded(codec, form, seconds, rate=16000, channels=1, container=None):
    import io

    data = io.BytesIO()
    with av.open(data, "w", format=container or codec) as target:
        stream = target.add_stream(
            codec, rate=rate, layout="mono" if channels == 1 else "stereo", format=form
        )
        samples = (8000 * np.sin(np.arange(int(seconds * rate) * channels) / 20)).astype(np.int16)[None]
        if form == "u8":
            samples = ((samples >> 8) + 128).astype(np.uint8)
        frame = av.AudioFrame.from_ndarray(samples, form, "mono" if channels == 1 else "stereo")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            target.mux(packet)
    return data.getvalue()


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_durations_agree_with_decoding_at_every_rate(tmp_path, rate, channels, kind):
    path = tmp_path / f"a.{kind}"
    data = wav_bytes(0.7, rate, channels) if kind == "wav" else encoded("flac", "s16", 0.7, rate, channels)
    path.write_bytes(data)
    found = measure_length(path)
    assert (found.sample_rate, found.channels) == (rate, channels)
    # Within a sample: 0.7 s need not be a whole number of them.
    assert found.duration == pytest.approx(load_audio(path, rate).duration, abs=1.5 / rate)
    assert found.duration == pytest.approx(0.7, abs=1.5 / rate)


@pytest.mark.parametrize("codec, form", [("pcm_u8", "u8"), ("pcm_mulaw", "s16"), ("pcm_s16le", "s16")])
def test_other_kinds_of_wav_are_measured(tmp_path, codec, form):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(codec, form, 1.5, 8000, container="wav"))
    assert measure_length(path).duration == pytest.approx(1.5)


def test_the_header_agrees_with_the_wave_module_and_odd_chunks_are_passed_over(tmp_path):
    path = tmp_path / "a.wav"
    data = wav_bytes(1.0, 44100, 2)
    path.write_bytes(data[:12] + b"LIST" + struct.pack("<I", 5) + b"abcde\0" + data[12:])
    with wave.open(str(path)) as reference:
        expected = reference.getnframes() / reference.getframerate()
    assert measure_length(path).duration == expected == 1.0


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_written_into_a_pipe_is_measured_by_its_size(tmp_path, size):
    path = tmp_path / "a.wav"
    data = wav_bytes(1.0)
    path.write_bytes(
        data[:4] + struct.pack("<I", 0xFFFFFFFF) + data[8:40] + struct.pack("<I", size) + data[44:]
    )
    assert measure_length(path).duration == 1.0


def test_a_cut_flac_is_told(tmp_path):
    path = tmp_path / "a.flac"
    data = encoded("flac", "s16", 4.0)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"truncated|damaged"):
        measure_length(path)


@pytest.fixture
def corpus(tmp_path):
    """Users with several submissions, anonymous ones, and a bare name."""
    folder = tmp_path / "corpus"
    for i in range(40):
        name = f"user{i % 20}-2010{i // 20 + 1:02}01-abc" if i % 2 else f"anonymous-201001{i + 1:02}-xyz"
        texts = {f"ru_{j:04}": f"фраза {'абвгдежзик'[j]} номер {'лмнопрстуф'[i % 10]}" for j in range(10)}
        write(folder / name, submission(name, texts, "Женский" if i % 3 else "Мужской"))
    write(folder / "urp", submission("urp", TEXTS))
    write(folder, {".download/x/wav/a.wav": b"", "notes.txt": b"not a submission"})
    return folder


def test_prepare_writes_manifest_parts_speakers_and_dropped(corpus, tmp_path):
    output = tmp_path / "out"
    done = prepare_voxforge(corpus, output)
    assert {path.name for path in output.iterdir()} == {
        "manifest.jsonl", "dropped.jsonl", "speakers.tsv", *(f"{part}.jsonl" for part in PARTS)
    }  # fmt: skip
    everything = list(read_manifest(output / "manifest.jsonl"))
    assert len(everything) == done.num_utterances == 402
    assert done.seconds == pytest.approx(402.0)
    parts = [u.id for part in PARTS for u in read_manifest(output / f"{part}.jsonl")]
    assert sorted(parts) == sorted(u.id for u in everything)
    assert all(u.audio_filepath.is_file() for u in everything)
    assert {u.speaker for u in everything if u.speaker.startswith("anonymous")} == {
        f"anonymous-201001{i + 1:02}-xyz" for i in range(0, 40, 2)
    }
    rows = [line.split("\t") for line in (output / "speakers.tsv").read_text().splitlines()]
    assert rows[0][:3] == ["speaker", "gender", "age"] and len(rows) == done.num_speakers + 1 == 32
    table = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert table["user1"]["submissions"] == "2" and table["user1"]["utterances"] == "20"
    assert table["user1"]["minutes"] == "0.33" and table["urp"]["gender"] == "male"


def test_a_larger_corpus_keeps_every_utterance_in_its_part(corpus, tmp_path):
    prepare_voxforge(corpus, tmp_path / "one")
    name = "aaa-20200101-new"
    write(corpus / name, submission(name, {f"ru_{i}": f"новая фраза {'абвгд'[i]}" for i in range(5)}))
    prepare_voxforge(corpus, tmp_path / "two")
    for part in PARTS:
        one, two = ({u.id for u in read_manifest(tmp_path / run / f"{part}.jsonl")} for run in ("one", "two"))
        assert {key for key in two if not key.startswith(name)} == one


def test_preparing_twice_gives_the_same_bytes(corpus, tmp_path):
    for run_name in ("one", "two"):
        prepare_voxforge(corpus, tmp_path / run_name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_the_root_of_an_unpacked_archive_may_lie_between(corpus, tmp_path):
    (tmp_path / "above").mkdir()
    corpus.rename(tmp_path / "above/voxforge-ru")
    assert prepare_voxforge(tmp_path / "above", tmp_path / "out").num_utterances == 402


def test_a_folder_without_submissions_is_an_error_with_the_cure(tmp_path):
    with pytest.raises(InputNotFoundError, match="govor download"):
        prepare_voxforge(tmp_path, tmp_path / "out")
    with pytest.raises(InputNotFoundError, match="nowhere"):
        prepare_voxforge(tmp_path / "nowhere", tmp_path / "out")


def test_a_file_name_that_is_no_utf_8_is_dropped(tmp_path):
    files = submission(NAME, TEXTS)
    files["etc/prompts-original"] += "ru_0003 да\n".encode()
    write(tmp_path / "corpus" / NAME, files)
    odd = Path(str(tmp_path / "corpus" / NAME / "wav/ru_0003.wav").encode().decode()).with_name("\udcff.wav")
    try:
        odd.write_bytes(wav_bytes())
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    done = prepare_voxforge(tmp_path / "corpus", tmp_path / "out")
    assert (done.num_utterances, done.num_dropped) == (2, 2)
    assert len((tmp_path / "out/dropped.jsonl").read_text().splitlines()) == 2


def test_the_command_tells_what_came_out(corpus, tmp_path, capsys):
    (corpus / "urp/wav/ru_0001.wav").write_bytes(b"")
    assert run(["prepare", "voxforge", str(corpus), "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert "401 utterances (401 at 16000 Hz)" in said and "urp/wav/ru_0001: an empty file" in said
    row = json.loads((tmp_path / "out/dropped.jsonl").read_text())
    assert row == {"id": "urp/wav/ru_0001", "reason": "an empty file (0 bytes)"}
    assert run(["prepare", "voxforge", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]) == 1


def test_the_readme_template_is_read_whole(tmp_path):
    text = README.format(user="alisa", gender="Женский", age="Взрослый", rate=48000)
    write(tmp_path, {"etc/README": text.encode("cp1251")})
    found = read_readme(tmp_path)
    assert (found.gender, found.age, found.dialect) == ("female", "adult", "Москва")
    assert read_prompts(tmp_path).texts == {}


def test_no_more_than_two_submissions_are_held_in_memory(tmp_path):
    # Peak memory itself is measured by benchmarks/corpus_memory.py; here, what would make it grow.
    for i in range(12):
        name = f"user{i:02}-20100101-abc"
        write(
            tmp_path / "corpus" / name, submission(name, {f"ru_{j}": f"фраза {'абвгд'[j]}" for j in range(5)})
        )
    held = []

    def count(done, total):
        held.append(sum(type(one) is Utterance for one in gc.get_objects()))

    gc.collect()
    assert prepare_voxforge(tmp_path / "corpus", tmp_path / "out", on_progress=count).num_utterances == 60
    assert len(held) == 12 and 5 <= max(held) <= 10
