from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import govor
from govor.errors import AudioError, ConfigError, GovorError, InputNotFoundError, ModelError
from govor.long_recordings.cutting import cut_windows
from govor.metrics import error_rate
from govor.onnx.model import SHIPPED_MODEL
from govor.recognizer import Recognizer, load_model
from tiny_model import (
    ALPHABET,
    HOOT_SECONDS,
    HOOT_SPAN,
    hooting_model,
    hoots,
    metadata,
    spell,
    spelling_model,
    write,
)
from tiny_recordings import write_wav

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "audio"
SHIPPED = Path(govor.__file__).parent / "models" / SHIPPED_MODEL


@pytest.fixture(scope="module")
def speller(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return load_model(spelling_model(tmp_path_factory.mktemp("model") / "speller.onnx"))


@pytest.fixture(scope="module")
def hooter_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hooting_model(tmp_path_factory.mktemp("model") / "hooter.onnx")


@pytest.fixture(scope="module")
def hooter(hooter_path: Path) -> Recognizer:
    return load_model(hooter_path)


def test_features_that_spell_a_text_give_that_text(speller: Recognizer) -> None:
    text = "съешь ещё этих мягких французских булок да выпей чаю"
    transcript = speller.transcribe_features(spell(text))
    assert transcript.text == text
    assert [word.text for word in transcript.words] == text.split()
    # The 3rd word starts after 10 symbols of 2 frames of 10 ms; its last letter's frame is number 26.
    assert transcript.words[2].start == pytest.approx(0.20)
    assert transcript.words[2].end == pytest.approx(0.27)


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_a_batch_of_many_gives_the_same_text_as_one_at_a_time(tmp_path: Path, decoder: str) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx", stride=2))
    texts = ["а", "мама мыла раму", "ёж", "аа бб вв гг", "длинный длинный текст про ежа и ужа"]
    features = [spell(text, frames=2) for text in texts]
    decode = recognizer.decoder(decoder)
    together = [decode(log_probs).text for log_probs in recognizer.model.log_probs(features)]
    alone = [recognizer.transcribe_features(values, decoder).text for values in features]
    assert together == alone == texts


def test_an_odd_number_of_frames_keeps_its_last_output(tmp_path: Path) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx", stride=2))
    lengths = [len(x) for x in recognizer.model.log_probs([spell("аб")[:3], spell("аб"), spell("а")[:0]])]
    assert lengths == [2, 2, 0]


def test_words_in_a_recording_come_with_their_times(hooter: Recognizer, tmp_path: Path) -> None:
    transcript = hooter.transcribe(write_wav(tmp_path / "a.wav", hoots(3)))
    assert transcript.text == "а а а"
    assert transcript.duration == pytest.approx(3 * HOOT_SECONDS)
    for i, word in enumerate(transcript.words):
        # A 25 ms window sees the tone one window earlier than its edge, and frames lie 10 ms apart.
        assert word.start == pytest.approx(HOOT_SPAN[0] + i * HOOT_SECONDS, abs=0.03)
        assert word.end == pytest.approx(HOOT_SPAN[1] + i * HOOT_SECONDS, abs=0.03)
        assert 0.9 < word.confidence <= 1


def test_a_long_recording_loses_and_doubles_nothing(hooter: Recognizer, tmp_path: Path) -> None:
    count = 150
    seconds: list[float] = []
    path = write_wav(tmp_path / "long.wav", hoots(count))
    transcript = hooter.transcribe(path, on_progress=seconds.append)
    assert transcript.text == " ".join(["а"] * count)
    expected = [HOOT_SPAN[0] + i * HOOT_SECONDS for i in range(count)]
    np.testing.assert_allclose([word.start for word in transcript.words], expected, atol=0.03)
    assert len(transcript.segments) > 5
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(transcript.duration) == pytest.approx(count * HOOT_SECONDS)


def test_path_bytes_stream_and_array_give_the_same_transcript(hooter: Recognizer, tmp_path: Path) -> None:
    samples = hoots(2)
    path = write_wav(tmp_path / "a.wav", samples)
    from_path = hooter.transcribe(str(path))
    assert from_path.audio_filepath == str(path)
    with path.open("rb") as stream:
        others = [
            hooter.transcribe(path.read_bytes()),
            hooter.transcribe(io.BytesIO(path.read_bytes())),
            hooter.transcribe(stream),
            hooter.transcribe((samples * 32767).astype(np.int16), sample_rate=16000),
            hooter.transcribe(np.stack([samples, samples], axis=1), sample_rate=16000),
        ]
    for other in others:
        assert other.audio_filepath is None
        assert other.text == from_path.text == "а а"
        np.testing.assert_allclose(
            [word.start for word in other.words], [word.start for word in from_path.words], atol=0.011
        )


def test_silence_gives_an_empty_transcript(hooter: Recognizer) -> None:
    transcript = hooter.transcribe(np.zeros(16000, np.float32), sample_rate=16000)
    assert transcript.text == ""
    assert transcript.segments == ()
    assert transcript.duration == 1.0


def test_a_single_sample_gives_a_transcript(hooter: Recognizer) -> None:
    assert hooter.transcribe(np.zeros(1, np.int16), sample_rate=16000).duration == 1 / 16000


def test_the_shipped_front_end_maps_times_over_the_silence_it_removes(tmp_path: Path) -> None:
    weights = np.zeros((13, len(ALPHABET)), np.float32)
    bias = np.zeros(len(ALPHABET), np.float32)
    weights[0, ALPHABET.encode("а")[0]] = 20
    recognizer = load_model(write(tmp_path / "m.onnx", weights, bias, metadata("sphinx8k")))
    rate = 8000
    noise = np.random.default_rng(0).normal(0, 1, 6 * rate).astype(np.float32)
    envelope = np.full(6 * rate, 1e-4, np.float32)
    envelope[4 * rate : 5 * rate] = 0.3
    transcript = recognizer.transcribe(noise * envelope, sample_rate=rate)
    loud = max(transcript.words, key=lambda word: word.end - word.start)
    # Three seconds of silence before it are cut out of the features but not out of the times.
    assert 3.7 < loud.start < 4.3
    assert loud.end <= 6.0


def test_windows_hold_every_sample_once_and_are_cut_in_the_quiet() -> None:
    rate = 1000
    samples = np.random.default_rng(1).normal(0, 1, 100 * rate).astype(np.float32)
    samples[20 * rate : 20 * rate + 400] *= 0.01
    windows = list(cut_windows(np.array_split(samples, 7), rate))
    np.testing.assert_array_equal(np.concatenate([part for _, part in windows]), samples)
    assert [first for first, _ in windows] == np.cumsum([0, *(len(p) for _, p in windows)])[:-1].tolist()
    assert 20 * rate < windows[1][0] < 20 * rate + 400
    assert all(17 * rate <= len(part) <= 25 * rate for _, part in windows[:-1])


def test_windows_do_not_depend_on_the_blocks() -> None:
    samples = np.random.default_rng(2).normal(0, 1, 70_000).astype(np.float32)
    whole = [first for first, _ in cut_windows([samples], 1000)]
    assert whole == [first for first, _ in cut_windows(np.array_split(samples, 333), 1000)]
    assert len(whole) > 2


def test_an_array_without_its_rate_is_refused(hooter: Recognizer) -> None:
    with pytest.raises(ConfigError, match="sample_rate"):
        hooter.transcribe(np.zeros(100, np.float32))


def test_an_unknown_decoder_is_refused(hooter: Recognizer) -> None:
    with pytest.raises(ConfigError, match="viterbi"):
        hooter.transcribe(np.zeros(100, np.float32), "viterbi", sample_rate=16000)


def test_a_truncated_recording_is_recognised_with_a_warning(
    hooter: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOVOR_LANG", "en")
    data = write_wav(tmp_path / "a.wav", hoots(4)).read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(data[: len(data) // 2])
    transcript = hooter.transcribe(cut)
    assert transcript.text == "а а"
    assert "truncated" in transcript.warnings[0]


def test_a_missing_recording_is_an_input_not_found_error(hooter: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"absent\.wav"):
        hooter.transcribe(tmp_path / "absent.wav")
    with pytest.raises(AudioError):
        hooter.transcribe(b"plain text")


def _without_metadata(path: Path) -> None:
    write(path, np.zeros((13, 35), np.float32), np.zeros(35, np.float32), None)


def _other(path: Path, **changes: object) -> None:
    write(path, np.zeros((13, 35), np.float32), np.zeros(35, np.float32), metadata(**changes))  # type: ignore[arg-type]


BAD_MODELS = {
    "empty": (lambda path: path.write_bytes(b""), "corrupt"),
    "text": (lambda path: path.write_text("not a model at all"), "corrupt"),
    "cut": (lambda path: path.write_bytes(spelling_model(path).read_bytes()[:-900]), "corrupt|not a Govor"),
    "foreign": (_without_metadata, "not a Govor model"),
    "metadata is not JSON": (
        lambda path: write(path, np.zeros((13, 35), np.float32), np.zeros(35, np.float32), "{oops"),
        "corrupt",
    ),
    "format 2": (lambda path: _other(path, format=2), "format 2"),
    "short alphabet": (lambda path: _other(path, alphabet=["<blank>", " ", "а"]), "35 outputs but 3 symbols"),
    "latin": (lambda path: _other(path, alphabet=["<blank>", " ", *"abcdefg"]), "35 outputs but 9 symbols"),
    "no alphabet": (lambda path: _other(path, alphabet=None), "alphabet"),
    "no blank": (lambda path: _other(path, alphabet=[" ", *"абв"]), "<blank>"),
    "20 features": (
        lambda path: write(path, np.zeros((20, 35), np.float32), np.zeros(35, np.float32), metadata()),
        "20 network inputs, 13 features",
    ),
    "unknown key": (lambda path: _other(path, config={"colour": "red"}), "colour"),
    "other outputs": (
        lambda path: write(
            path, np.zeros((13, 35), np.float32), np.zeros(35, np.float32), metadata(), names=("y", "n")
        ),
        "not a Govor model",
    ),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_a_bad_model_is_one_clear_line(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVOR_LANG", "en")
    make, words = BAD_MODELS[case]
    path = tmp_path / "bad.onnx"
    make(path)
    with pytest.raises(GovorError, match=words) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    if case != "no blank":
        assert "bad.onnx" in str(caught.value)


def test_a_missing_model_is_both_a_model_error_and_a_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(ModelError, match=path.name) as caught:
            load_model(path)
        assert isinstance(caught.value, FileNotFoundError)
        assert "\n" not in str(caught.value)


def test_a_network_that_gives_nan_is_a_model_error(tmp_path: Path) -> None:
    weights = np.full((13, 35), np.nan, np.float32)
    recognizer = load_model(write(tmp_path / "m.onnx", weights, np.zeros(35, np.float32), metadata()))
    with pytest.raises(ModelError, match="NaN"):
        recognizer.transcribe_features(spell("а"))


def test_features_of_another_width_are_refused(speller: Recognizer) -> None:
    with pytest.raises(ModelError, match=r"\(5, 20\)"):
        speller.model.log_probs([np.zeros((5, 20), np.float32)])


def test_provenance_and_tuned_decoding_come_with_the_model(tmp_path: Path) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx", decoding={"beam_width": 8, "alpha": 0.3}))
    assert recognizer.model.provenance == {"corpus": "none"}
    assert recognizer.model.decoding == {"beam_width": 8, "alpha": 0.3}
    assert recognizer.transcribe_features(spell("да нет"), "beam").text == "да нет"


def test_importing_govor_loads_no_heavy_library() -> None:
    code = (
        "import sys, govor; from govor import GovorError, Transcript, __version__;"
        "heavy = {'numpy', 'av', 'onnxruntime', 'torch', 'pydantic', 'jiwer'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_half_an_hour_is_transcribed_without_torch_in_bounded_memory(
    hooter_path: Path, tmp_path: Path
) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    audio = write_wav(tmp_path / "long.wav", hoots(1286, 8000), 8000)
    code = (
        "import sys, json, pathlib; from govor import load_model;"
        f"t = load_model({str(hooter_path)!r}).transcribe({str(audio)!r});"
        # Not getrusage: its maximum is inherited from the process that runs the tests.
        "status = pathlib.Path('/proc/self/status').read_text();"
        "peak = int(status.split('VmHWM:')[1].split()[0]) / 1024;"
        "print(json.dumps([len(t.words), peak, 'torch' in sys.modules, 'onnx' in sys.modules]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300
    )
    num_words, peak, has_torch, has_onnx = json.loads(run.stdout)
    # A tone above 4 kHz does not survive 8 kHz: no spaces, so all is one word a window; only memory counts.
    assert num_words > 50
    assert not has_torch
    assert not has_onnx
    # Measured 140 MB; the promise for any length is 250.
    assert peak < 200


def test_the_shipped_model_reads_human_voices() -> None:
    if not SHIPPED.exists():
        pytest.skip(f"no shipped model at {SHIPPED}")
    if not SHARED.exists():
        pytest.skip(f"no human recordings at {SHARED}")
    rows = [json.loads(line) for line in (SHARED / "manifest.jsonl").read_text("utf-8").splitlines()]
    references = {row["audio_filepath"]: row["text"] for row in rows}
    recognizer = load_model()
    heard = {name: recognizer.transcribe(SHARED / name) for name in ("male.wav", "female.wav")}
    spoken = [references[name] for name in heard]
    # Measured 0.21: 0.07 for the man, 0.39 for the woman.
    assert error_rate(spoken, [said.text for said in heard.values()], "character").rate < 0.35
    for transcript in heard.values():
        times = [time for word in transcript.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= transcript.duration


def test_the_tiny_models_are_valid_onnx(hooter_path: Path) -> None:
    onnx.checker.check_model(onnx.load(hooter_path), full_check=True)
