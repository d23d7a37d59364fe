"""Other runtimes, installed from their packages, read what Govor hears."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from govor.audio.loading import from_array, load_audio
from govor.cli.app import run
from govor.config import FEATURE_PRESETS
from govor.decoding.greedy import greedy
from govor.features import extract, htk, sphinx
from govor.features.frames import SAMPLE_SCALE, Framing, mel_powers
from govor.foreign.filterbanks import KALDI, NEMO, ForeignBank, our_bands
from govor.foreign.folders import export_folder
from govor.foreign.front import model_behind
from govor.onnx.model import OnnxModel, load_onnx_model, read_model_bytes
from govor.recognizer import Recognizer
from govor.text.alphabet import normalize
from tiny_model import ALPHABET, hooting_model, hoots

ROOT = Path(__file__).resolve().parents[1]
FESTVOX = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
RATE = 16000
Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def shipped() -> OnnxModel:
    return load_onnx_model()


@pytest.fixture(scope="module")
def sherpa(tmp_path_factory: pytest.TempPathFactory) -> Any:
    sherpa_onnx = pytest.importorskip("sherpa_onnx")
    folder = tmp_path_factory.mktemp("sherpa")
    export_folder(None, "sherpa-onnx", folder)
    return sherpa_onnx.OfflineRecognizer.from_wenet_ctc(
        model=str(folder / "model.onnx"), tokens=str(folder / "tokens.txt")
    )


@pytest.fixture(scope="module")
def onnx_asr_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    onnx_asr = pytest.importorskip("onnx_asr")
    folder = tmp_path_factory.mktemp("onnx-asr")
    export_folder(None, "onnx-asr", folder)
    # As many threads as processors spin and wait for each other where other programs run.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnx_asr.load_model("nemo-conformer-ctc", folder, sess_options=options)


def of_sherpa(sherpa: Any, samples: Samples) -> Any:
    stream = sherpa.create_stream()
    stream.accept_waveform(RATE, samples)
    sherpa.decode_stream(stream)
    return stream.result


def real_speech() -> list[tuple[Samples, str]]:
    prompts = FESTVOX / "etc" / "txt.done.data"
    if not prompts.exists():
        pytest.skip("no festvox-ru")
    rows = re.findall(r'^\( (\S+) "(.*)" \)', prompts.read_text(encoding="utf-8"), re.MULTILINE)[9::75]
    chosen = [(FESTVOX / "wav" / f"{name}.wav", normalize(text.replace("+", ""))) for name, text in rows]
    return [(load_audio(path, RATE).samples, text) for path, text in chosen]


def our_powers(samples: Samples, model: OnnxModel) -> NDArray[np.float64]:
    """The powers in our own bands, before noise, silence and cepstra."""
    config = model.config.features
    size = int(config.window_ms / 1000 * config.sample_rate + 0.5)
    if config.frontend == "sphinx":
        filters, window = sphinx.filterbank(config), np.hamming(size)
        num_frames = 2 + (len(samples) - size) // 80
    else:
        filters = np.column_stack((np.ones(257), htk.filterbank(config))) / 512
        window = np.ones(size)
        num_frames = 1 + -(-(len(samples) - size) // 160)
    is_sphinx = config.frontend == "sphinx"
    shift = round(config.sample_rate * config.frame_shift)
    framing = Framing(size, shift, config.fft_size, config.preemphasis, window, quantize=is_sphinx)
    return np.concatenate([some for _, some in mel_powers(samples, framing, filters, num_frames, 512)])


def behind_own_bands(model: OnnxModel, path: Path | None, samples: Samples) -> NDArray[np.float32]:
    """What the network answers when the graph is given the logarithms of our own bands."""
    powers = our_powers(samples, model)
    graph = model_behind(
        onnx.load_from_string(read_model_bytes(path)[0]),
        model.config.features,
        len(model.alphabet),
        model.config.network.stride,
        np.eye(powers.shape[1]),
    )
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    log_mel = np.log(powers + 1e-30).astype(np.float32)[None]
    laid, lengths = session.run(None, {"log_mel": log_mel, "mel_lengths": np.array([len(powers)])})
    assert laid.shape[1] == lengths[0] == -(-len(powers) // model.config.network.stride)
    return np.asarray(laid[0])


@pytest.mark.parametrize("name", ["male.wav", "female.wav"])
def test_where_the_filterbank_agrees_the_graph_gives_our_text_and_our_probabilities(
    name: str, shipped: OnnxModel
) -> None:
    rate = shipped.config.features.sample_rate
    samples = load_audio(ROOT / "examples" / name, rate).samples
    found = behind_own_bands(shipped, None, samples)
    features = extract(samples, shipped.config.features)
    (expected,) = shipped.log_probs([features.values])
    assert greedy(found, shipped.alphabet).text == greedy(expected, shipped.alphabet).text != ""
    # Row i of the network stands where its first frame was in the recording.
    stride = shipped.config.network.stride
    frames = np.round(features.times / shipped.config.features.frame_shift).astype(int)
    at = frames[::stride] // stride
    # Measured 1e-4 in single precision.
    np.testing.assert_allclose(found[at], expected, atol=2e-3)


def test_the_graph_of_the_htk_front_end_gives_our_probabilities(tmp_path: Path) -> None:
    path = hooting_model(tmp_path / "hoot.onnx")
    model = load_onnx_model(path)
    samples = hoots(3) + 1e-3 * np.random.default_rng(0).normal(size=len(hoots(3))).astype(np.float32)
    found = behind_own_bands(model, path, samples.astype(np.float32))
    (expected,) = model.log_probs([extract(samples.astype(np.float32), model.config.features).values])
    assert greedy(found, ALPHABET).text == greedy(expected, ALPHABET).text != ""
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_our_filterbanks_of_other_programs_equal_those_of_onnx_asr() -> None:
    numpy_preprocessor = pytest.importorskip("onnx_asr.preprocessors.numpy_preprocessor")
    rng = np.random.default_rng(0)
    samples = rng.normal(size=16000).astype(np.float32) * np.linspace(0, 0.3, 16000, dtype=np.float32)
    lengths = np.array([16000])
    theirs, _ = numpy_preprocessor.KaldiPreprocessorNumpy("kaldi")(samples[None], lengths)
    ours = KALDI.log_mel(samples) - 2 * np.log(SAMPLE_SCALE)
    # onnx-asr takes no int16 steps, so its floor lies higher: where it does not matter.
    loud = theirs[0].min(axis=1) > -12
    assert loud.sum() > 80
    np.testing.assert_allclose(ours[loud], theirs[0][loud], atol=2e-3)
    theirs, _ = numpy_preprocessor.NemoPreprocessorNumpy("nemo80")(samples[None], lengths)
    ours = NEMO.log_mel(samples)
    ours = (ours - ours.mean(axis=0)) / ours.std(axis=0, ddof=1)
    np.testing.assert_allclose(ours.T, theirs[0, :, : len(ours)], atol=5e-3)


@pytest.mark.parametrize("bank", [KALDI, NEMO], ids=["kaldi", "nemo"])
def test_our_bands_out_of_theirs_are_ours_within_half_a_neper(bank: ForeignBank, shipped: OnnxModel) -> None:
    samples = load_audio(ROOT / "examples" / "male.wav", RATE).samples
    ours = our_powers(from_array(samples, RATE, 8000).samples, shipped)
    guard = bank.log_guard if bank.kind == "nemo" else 0.0
    theirs = np.maximum(np.exp(bank.log_mel(samples)) - guard, 0) @ our_bands(
        FEATURE_PRESETS["sphinx8k"], bank
    )
    # Their frames lie one shift earlier.
    count = min(len(ours), len(theirs) - 1)
    loud = ours[:count] > np.quantile(ours, 0.5)
    error = (np.log(theirs[1 : count + 1] + 1) - np.log(ours[:count] + 1))[loud]
    # Measured: mean 0.00 to 0.02, deviation 0.25 (kaldi) and 0.42 (nemo), as frames lie 2 ms apart.
    assert abs(error.mean()) < 0.05
    assert error.std() < 0.55


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_bands_that_were_normalised_return_to_where_they_were(noise: float, shipped: OnnxModel) -> None:
    speech = load_audio(ROOT / "examples" / "female.wav", RATE).samples
    speech = 0.8 * speech / np.abs(speech).max()
    speech = speech + noise * np.random.default_rng(0).normal(size=len(speech))
    log_mel = NEMO.log_mel(np.concatenate([np.zeros(RATE // 2), speech]).astype(np.float32))
    normalized = (log_mel - log_mel.mean(axis=0)) / log_mel.std(axis=0, ddof=1)
    weights = our_bands(shipped.config.features, NEMO)
    graph = model_behind(
        onnx.load_from_string(read_model_bytes(None)[0]),
        shipped.config.features,
        len(shipped.alphabet),
        shipped.config.network.stride,
        weights,
        guard=NEMO.log_guard,
        normalized=True,
    )
    graph.graph.output.append(onnx.helper.make_tensor_value_info("log_power", onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    # What pads a batch moves nothing.
    padded = np.pad(normalized, ((0, 100), (0, 0)), constant_values=-50.0).astype(np.float32)
    inputs = {"log_mel": padded[None], "mel_lengths": np.array([len(normalized)])}
    returned = session.run(["log_power"], inputs)[0][0, : len(normalized)]
    used = weights.sum(axis=1) > 1e-3 * weights.sum(axis=1).max()
    spread_error = np.log(returned.std(axis=0) / log_mel.std(axis=0))[used]
    # Measured: -0.10 and -0.03, deviation 0.05 and 0.07.
    assert abs(spread_error.mean()) < 0.15
    assert spread_error.std() < 0.1
    # Nothing lies below the guard, and digital silence on it but for a band that the usual level puts higher.
    above_guard = returned[:, used] - np.log(NEMO.log_guard)
    assert above_guard.min() > -1e-3
    assert np.quantile(above_guard[:45], 0.9) < 1e-3
    assert above_guard[:45].max() < 1


def test_sherpa_onnx_and_onnx_asr_err_on_real_speech_as_we_do(
    sherpa: Any, onnx_asr_model: Any, shipped: OnnxModel
) -> None:
    recordings = real_speech()
    references = [text for _, text in recordings]
    ours = [
        Recognizer(shipped).transcribe(samples, "greedy", sample_rate=RATE).text for samples, _ in recordings
    ]
    expected = jiwer.cer(references, ours)
    of_onnx_asr = [onnx_asr_model.recognize(samples, sample_rate=RATE) for samples, _ in recordings]
    for name, texts in {
        "sherpa-onnx": [of_sherpa(sherpa, samples).text.strip() for samples, _ in recordings],
        "onnx-asr": of_onnx_asr,
    }.items():
        assert jiwer.cer(references, texts) < expected + 0.03, name
    # A batch is padded and normalised by lengths, which must not change what is heard.
    waveforms = [samples for samples, _ in recordings[:4]]
    assert onnx_asr_model.recognize(waveforms, sample_rate=RATE) == of_onnx_asr[:4]


def test_sherpa_onnx_tells_the_time_of_letters_although_silence_was_cut(
    sherpa: Any, shipped: OnnxModel
) -> None:
    speech = load_audio(ROOT / "examples" / "male.wav", RATE).samples
    quiet = np.random.default_rng(0).normal(size=3 * RATE).astype(np.float32) * 1e-3
    samples = np.concatenate([quiet, speech, quiet])
    (segment,) = Recognizer(shipped).transcribe(samples, "greedy", sample_rate=RATE).segments
    times = of_sherpa(sherpa, samples).timestamps
    late = [time for time in times if time > 1]
    # A letter is heard up to 0.2 s after its sound begins.
    assert min(late) == pytest.approx(segment.start, abs=0.35)
    assert max(late) == pytest.approx(segment.end, abs=0.35)


def test_silence_and_the_shortest_recordings_give_no_text(sherpa: Any, onnx_asr_model: Any) -> None:
    for count in (800, 8000, 16000, 80000):
        silence = np.zeros(count, np.float32)
        assert of_sherpa(sherpa, silence).text == ""
        assert onnx_asr_model.recognize(silence, sample_rate=RATE) == ""


def test_the_command_exports_without_torch_and_says_how_to_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = hooting_model(tmp_path / "hoot.onnx")
    assert run(["export", "--to", "onnx-asr", str(model), str(tmp_path / "out")]) == 0
    assert 'onnx_asr.load_model("nemo-conformer-ctc", ".")' in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "config.json",
        "model.onnx",
        "vocab.txt",
    ]
    assert run(["export", "--to", "sherpa-onnx", str(model), "--output", str(tmp_path / "out2")]) == 0
    tokens = (tmp_path / "out2" / "tokens.txt").read_text(encoding="utf-8").splitlines()
    assert tokens[:3] == ["<blk> 0", "▁ 1", "а 2"]


def test_mistaken_calls_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = hooting_model(tmp_path / "hoot.onnx")
    for arguments, code, words in (
        (["--to", "sherpa-onnx", str(tmp_path / "no.onnx"), str(tmp_path / "out")], 1, "no.onnx"),
        ([str(model), "--output", str(tmp_path / "x.onnx")], 1, "--to"),
        (["--to", "sherpa-onnx", str(model)], 2, "--output"),
        (["--to", "sherpa-onnx", str(model), "a", "--output", "b"], 2, "give one of them"),
    ):
        assert run(["export", *arguments]) == code
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
