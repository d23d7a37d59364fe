import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from govor.audio.quality import check_sound
from govor.cli.app import run
from govor.corpora.audit import Histogram, audit_corpus
from govor.corpora.audit_page import render_page
from govor.manifest import Utterance, read_manifest
from tiny_model import hooting_model, hoots
from voxforge_fixture import wav_bytes

RATE = 16000
TEXT = "двадцать букв в фразе"


def tone(seconds=2.0, level=0.3, frequency=300.0):
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def speech(seconds=2.0, level=0.3):
    """A tone whose last fifth is 25 dB lower, as a pause in a quiet room."""
    samples = tone(seconds, level)
    samples[-len(samples) // 5 :] *= 10 ** (-25 / 20)
    return samples


def wav(samples):
    silent = wav_bytes(0.0)
    data = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    sizes = (len(data) + 36).to_bytes(4, "little"), len(data).to_bytes(4, "little")
    return silent[:4] + sizes[0] + silent[8:40] + sizes[1] + data


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("GOVOR_LANG", "en")


@pytest.fixture
def corpus(tmp_path):
    """60 fine recordings and one of each fault."""
    rng = np.random.default_rng(1)
    sounds = {f"fine{i}": (speech(2.0 + 0.01 * i), TEXT) for i in range(60)}
    sounds |= {
        "clipped": (np.clip(speech(level=1.6), -1, 1), TEXT),
        "quiet": (speech(level=0.003), TEXT),
        "noisy": (tone(level=0.1) + 0.1 * rng.standard_normal(2 * RATE).astype(np.float32), TEXT),
        "silent": (np.concatenate([speech(0.5), np.zeros(4 * RATE, np.float32)]), TEXT[:6]),
        "fast": (speech(1.0), TEXT * 3),
        "slow": (speech(4.0), "да"),
    }
    rows = []
    for name, (samples, text) in sounds.items():
        (tmp_path / f"{name}.wav").write_bytes(wav(samples))
        speaker = "anna" if name.startswith("fine") else "<b>boris</b>"
        rows.append(
            {"audio_filepath": f"{name}.wav", "duration": 1.0, "text": text, "speaker": speaker, "id": name}
        )
    rows.append(
        {"audio_filepath": "gone.wav", "duration": 1.0, "text": TEXT, "speaker": "anna", "id": "gone"}
    )
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_levels_agree_with_their_definitions():
    found = check_sound(tone(level=0.5, frequency=1000.0), RATE)
    assert found.peak_db == pytest.approx(-6.02, abs=0.01)
    # A sine's RMS is 3.01 dB below its peak.
    assert found.speech_db == pytest.approx(-9.03, abs=0.01)
    assert (found.duration, found.silence, found.clipped) == (2.0, 0.0, 0.0)


def test_silence_and_noise_are_measured_beside_speech():
    noise = 0.001 * np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    found = check_sound(np.concatenate([tone(1.0), noise]), RATE)
    assert found.silence == pytest.approx(0.5, abs=0.01)
    assert found.noise_db == pytest.approx(-60.0, abs=0.5)
    assert found.snr_db == pytest.approx(46.5, abs=0.6)


@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_flat_tops_are_counted_at_full_scale_and_below(gain):
    cut = gain * np.clip(tone(level=2.0), -1, 1)
    # Beyond half of the amplitude a sine spends 2/3 of the time.
    assert check_sound(cut.astype(np.float32), RATE).clipped == pytest.approx(2 / 3, abs=0.05)


def test_a_recording_of_a_few_samples_is_measured():
    assert check_sound(np.array([0.5], np.float32), RATE).peak_db == pytest.approx(-6.02, abs=0.01)
    assert check_sound(np.zeros(100, np.float32), RATE).speech_db == -100.0


def test_quantiles_agree_with_numpy_to_within_a_bin():
    values = np.random.default_rng(2).normal(10, 2, 5000)
    histogram = Histogram(0.0, 20.0, 400)
    for value in values:
        histogram.add(value)
    for share in (0.05, 0.5, 0.95):
        assert histogram.quantile(share) == pytest.approx(np.quantile(values, share), abs=0.05)
    deviation = np.median(np.abs(values - np.median(values)))
    assert histogram.deviation() == pytest.approx(deviation, abs=0.1)


def test_values_outside_fall_into_the_outer_bins():
    histogram = Histogram(0.0, 1.0, 2)
    for value in (-5.0, 0.1, 0.9, 7.0):
        histogram.add(value)
    assert histogram.counts == [2, 2]


def test_each_fault_is_found_and_the_fine_ones_are_not(corpus):
    found = audit_corpus(read_manifest(corpus))
    suspects = {kind: [one.id for one in rows] for kind, rows in found.suspects.items()}
    assert suspects == {
        "unreadable": ["gone"], "clipped": ["clipped"], "quiet": ["quiet"], "noisy": ["noisy"],
        "silent": ["silent"], "fast": ["fast"], "slow": ["slow"], "transcript": [],
    }  # fmt: skip
    assert found.counts == {kind: len(rows) for kind, rows in suspects.items()}
    assert (found.num_utterances, len(found.speakers), found.num_recognized) == (67, 2, 0)


def test_texts_that_differ_from_what_is_heard_are_suspected_whole_sentences_first(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(tone()))
    texts = {f"fine{i}": TEXT for i in range(30)} | {
        "word": "двадцать кот",
        "exchanged": "совсем иное предложение тут",
    }
    rows = [Utterance(id, 2.0, text, "a", tmp_path / "a.wav") for id, text in texts.items()]
    found = audit_corpus(rows, lambda utterance: TEXT.replace("а", "о"))
    assert [one.id for one in found.suspects["transcript"]] == ["exchanged", "word"]
    assert found.counts["transcript"] == 2 and found.num_recognized == 32


def test_more_suspects_than_are_shown_are_still_counted(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(tone(level=0.001)))
    rows = [Utterance(f"u{i}", 2.0, TEXT, "a", tmp_path / "a.wav") for i in range(100)]
    found = audit_corpus(rows)
    assert found.counts["quiet"] == 100 and len(found.suspects["quiet"]) == 40
    assert "the worst 40 are shown" in render_page(found, "x")


def test_features_give_duration_and_tempo_only(tmp_path):
    rows = [Utterance(f"u{i}", 2.0 + i, TEXT, features=tmp_path / "a.mfc") for i in range(5)]
    found = audit_corpus(rows)
    assert found.histograms.keys() == {"duration", "rate"} and found.seconds == 20.0


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for key, value in attributes if key in ("src", "href")]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_is_small_whole_and_asks_the_network_for_nothing(corpus, monkeypatch, language):
    monkeypatch.setenv("GOVOR_LANG", language)
    page = render_page(audit_corpus(read_manifest(corpus)), "manifest.jsonl")
    parsed = _Page()
    parsed.feed(page)
    assert parsed.links == [] and not {"script", "link", "img"} & set(parsed.tags)
    assert not re.search(r"https?://|@import|url\(", page)
    assert len(page) < 60_000
    assert parsed.tags.count("svg") == 7 and parsed.tags.count("details") == 7
    assert "<b>boris" not in page and "&lt;b&gt;boris" in page
    assert ("Проверка корпуса" in page) == (language == "ru")
    assert ("Worth listening to" in page) == (language == "en")


def test_the_bars_of_a_plot_add_up_to_the_corpus(corpus):
    found = audit_corpus(read_manifest(corpus))
    page = render_page(found, "x")
    figure = page[page.index("Duration") : page.index("</figure>")]
    assert sum(int(count) for count in re.findall(r"…[\d.]+: (\d+)</title>", figure)) == 66


def test_the_command_writes_the_page_and_tells_that_something_is_unreadable(corpus, tmp_path, capsys):
    output = tmp_path / "new/audit.html"
    arguments = ["corpus", "audit", str(corpus), "--output", str(output), "--no-model"]
    assert run(arguments) == 1
    assert "67 utterances" in capsys.readouterr().err
    rows = corpus.read_text(encoding="utf-8").splitlines(keepends=True)
    corpus.write_text("".join(rows[:-1]), encoding="utf-8")
    assert run(arguments) == 0
    assert output.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert run(["corpus", "audit", str(tmp_path / "no.jsonl"), "--output", str(output)]) == 1
    (tmp_path / "empty.jsonl").write_text("")
    assert run(["corpus", "audit", str(tmp_path / "empty.jsonl"), "--output", str(output)]) == 1


def test_the_command_compares_texts_with_the_model_given(tmp_path):
    model = hooting_model(tmp_path / "model.onnx")
    rows = []
    for name, num_heard, num_written in (("right", 12, 12), ("wrong", 12, 3)):
        (tmp_path / f"{name}.wav").write_bytes(wav(hoots(num_heard)))
        text = " ".join("а" * num_written)
        rows.append({"audio_filepath": f"{name}.wav", "duration": 1.0, "text": text, "id": name})
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = tmp_path / "audit.html"
    assert run(["corpus", "audit", str(manifest), "-o", str(output), "-m", str(model)]) == 0
    page = output.read_text(encoding="utf-8")
    table = page[page.index("The text may be wrong") :]
    assert "wrong</code>" in table and "right</code>" not in table
