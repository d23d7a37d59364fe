"""Closed phrase lists measured: accuracy and false accepts on recordings, and the time they take.

    python benchmarks/phrases.py [--model m.onnx] [--manifest data/test_unseen_speaker.jsonl] [--commands]
    [--people tuxpaint.jsonl dub.jsonl …] [--others dub/manifest.jsonl festvox/wav …] [--speed]

``--manifest``: the recordings' own sentences are the list. In-list: how many are found and accepted.
Out-of-list: each recording is heard again with its own sentence taken off the list; an acceptance is then
false. ``--people``: the same with lists of 50 drawn from a manifest's texts, each text on one of them;
out-of-list is what is heard with another list. ``--commands``: festival and espeak-ng speak commands.txt
(in-list) and other_phrases.txt (out-of-list), also with changed voices, rooms and noise and over telephones.
``--others``: manifests of audio, or folders of wav files, of which no recording is a command: what part of
150 of them passes for one, as recorded and over telephones. ``--speed``: 5,000 phrases, an utterance of 3 s.
``--json FILE``: the figures also go there; docs/tables.py makes a table of them.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.audio.loading import from_array, load_audio
from govor.corpora.utterances import load_utterance
from govor.features import extract, load_features
from govor.manifest import read_manifest
from govor.phrases.decoder import EXTRA_LETTERS, PhraseDecoder
from govor.phrases.patterns import parse_phrases, read_phrases
from govor.phrases.thresholds import Thresholds, model_thresholds
from govor.recognizer import Recognizer, load_model
from govor.text.alphabet import normalize
from keeping import keep

HERE = Path(__file__).parent
RATES = (0.01, 0.03, 0.1)

Found = dict[str, Any]


def report(
    kind: str, name: str, rows: list[tuple[bool, float, int, float, int]], table: Thresholds, list_size: int
) -> Found:
    """Print and return the rates of accepted phrases.

    Rows: is the likeliest phrase right, its ratio and length; those of the best without the right one.
    """
    right, inside, inside_length, outside, outside_length = map(np.array, zip(*rows, strict=True))
    found = [float(np.mean(right & (inside >= table.at(rate, list_size, inside_length)))) for rate in RATES]
    false = [float(np.mean(outside >= table.at(rate, list_size, outside_length))) for rate in RATES]
    cells = [f"{rate:.2f}: {one:.4f} / {two:.4f}" for rate, one, two in zip(RATES, found, false, strict=True)]
    print(
        f"{name:24s} {list_size:4d} phrases {len(rows):4d} | most likely {right.mean():.4f} "
        "| asked: in-list / false  " + "  ".join(cells),
        flush=True,
    )
    about = {"kind": kind, "name": name, "recordings": len(rows), "listed": list_size}
    return about | {"found": found, "false": false}


def own_sentences(recognizer: Recognizer, manifest: Path) -> Found:
    utterances = [each for each in read_manifest(manifest) if each.features is not None]
    phrases = parse_phrases(sorted({normalize(each.text) for each in utterances}))
    table = model_thresholds(recognizer.model.decoding)
    decoder = PhraseDecoder(phrases, recognizer.model.alphabet, thresholds=table)
    texts = [phrase.text for phrase in phrases]
    lengths = np.array([len(text) for text in texts]) + EXTRA_LETTERS
    rows = []
    for utterance in utterances:
        (log_probs,) = recognizer.model.for_search().log_probs([load_features(utterance.features)])
        scores = decoder.tree.scores(log_probs)
        garbage = log_probs.max(axis=1).sum(dtype=np.float64)
        own = texts.index(normalize(utterance.text))
        best = int(scores.argmax())
        inside = (scores[best] - garbage) / lengths[best]
        scores[own] = -np.inf
        other = int(scores.argmax())
        outside = (scores[other] - garbage) / lengths[other]
        rows.append((best == own, inside, len(texts[best]), outside, len(texts[other])))
    return report("sentences", manifest.stem, rows, table, len(texts))


def people(recognizer: Recognizer, manifest: Path, size: int = 50) -> Found:
    """Commands that people say: every recording with the list of 50 that its text is on, and with another.

    The manifest is of sound or of features.
    """
    utterances = list(read_manifest(manifest))
    texts = sorted({normalize(each.text) for each in utterances})
    np.random.default_rng(1).shuffle(texts)
    table = model_thresholds(recognizer.model.decoding)
    decoders = [
        PhraseDecoder(parse_phrases(texts[first : first + size]), recognizer.model.alphabet, thresholds=table)
        for first in range(0, len(texts) - size + 1, size)
    ]
    place = {phrase.text: i for i, decoder in enumerate(decoders) for phrase in decoder.phrases}
    rows = []
    for utterance in utterances:
        own = place.get(normalize(utterance.text))
        if own is None:
            continue
        features = load_utterance(utterance, recognizer.model.config.features)
        (log_probs,) = recognizer.model.for_search().log_probs([features])
        inside, outside = (decoders[i % len(decoders)].match(log_probs) for i in (own, own + 1))
        right = inside.phrase.text == normalize(utterance.text)
        rows.append((right, inside.ratio, len(inside.phrase.text), outside.ratio, len(outside.phrase.text)))
    return report("people", manifest.stem, rows, table, size) | {"lists": len(decoders)}


def commands(recognizer: Recognizer) -> list[Found]:
    from govor.corpora.variation import draw_variation, vary
    from govor.corpora.voices import speak_espeak, speak_festival

    config = recognizer.model.config.features
    table = model_thresholds(recognizer.model.decoding)
    listed, others = read_phrases(HERE / "commands.txt"), read_phrases(HERE / "other_phrases.txt")
    decoder = PhraseDecoder(listed, recognizer.model.alphabet, thresholds=table)

    def listen(sound: NDArray[np.float32], rate: int) -> tuple[str, float]:
        samples = from_array(sound, rate, config.sample_rate).samples
        (log_probs,) = recognizer.model.for_search().log_probs([extract(samples, config).values])
        match = decoder.match(log_probs)
        return match.phrase.text, match.ratio

    reports = []
    for voice in (
        "festival",
        "festival, varied",
        "festival, telephone",
        "espeak-ng",
        "espeak-ng, telephone",
    ):
        rng = np.random.default_rng(1)
        heard = []
        for phrases in (listed, others):
            pairs = [(str(i), phrase.text) for i, phrase in enumerate(phrases)]
            spoken = speak_festival(pairs, []) if voice.startswith("festival") else speak_espeak(pairs, [])
            results = []
            for speech in spoken:
                sound, rate = speech.waveform, speech.sample_rate
                if "," in voice:
                    variation = replace(draw_variation(rng), telephone=voice.endswith("telephone"))
                    sound, rate = vary(sound, rate, config.sample_rate, variation), config.sample_rate
                found, ratio = listen(sound, rate)
                results.append((found == speech.text, ratio, len(found)))
            heard.append(results)
        rows = [(*inside, *outside[1:]) for inside, outside in zip(*heard, strict=True)]
        reports.append(report("commands", voice, rows, table, len(listed)))
    return reports


def others(recognizer: Recognizer, source: Path) -> list[Found]:
    from govor.corpora.variation import draw_variation, vary

    config = recognizer.model.config.features
    table = model_thresholds(recognizer.model.decoding)
    listed = read_phrases(HERE / "commands.txt")
    decoder = PhraseDecoder(listed, recognizer.model.alphabet, thresholds=table)
    if source.is_dir():
        paths = sorted(source.glob("*.wav"))
    else:
        paths = [each.audio_filepath for each in read_manifest(source) if each.audio_filepath is not None]
    rng = np.random.default_rng(1)
    reports = []
    for telephone in (False, True):
        ratios, lengths = [], []
        for path in paths[:: max(len(paths) // 150, 1)]:
            samples = load_audio(path, config.sample_rate).samples
            if telephone:
                variation = replace(draw_variation(rng), telephone=True)
                samples = vary(samples, config.sample_rate, config.sample_rate, variation)
            (log_probs,) = recognizer.model.for_search().log_probs([extract(samples, config).values])
            match = decoder.match(log_probs)
            ratios.append(match.ratio)
            lengths.append(len(match.phrase.text))
        false = [float(np.mean(ratios >= table.at(rate, len(listed), np.array(lengths)))) for rate in RATES]
        name = f"{source.parent.name}/{source.name}{', telephone' if telephone else ''}"
        about = {"kind": "others", "name": name, "recordings": len(ratios), "listed": len(listed)}
        reports.append(about | {"found": None, "false": false})
        cells = "  ".join(f"{rate:.2f}: {part:.4f}" for rate, part in zip(RATES, false, strict=True))
        print(f"{name:48s} {len(ratios):4d} | asked: false  {cells}", flush=True)
    return reports


def speed(recognizer: Recognizer) -> Found:
    rng = np.random.default_rng(1)
    verbs = ("включи", "выключи", "открой", "закрой", "подними", "опусти", "сделай", "поставь", "найди")
    things = ("свет", "лампу", "музыку", "дверь", "окно", "шторы", "чайник", "телевизор", "радио", "фильм")
    places = [f"в комнате {number}" for number in range(1, 60)]
    lines = sorted({f"{v} {t} {p}" for v in verbs for t in things for p in places})
    chosen = [lines[i] for i in rng.choice(len(lines), 5000, replace=False)]
    started = time.perf_counter()
    decoder = PhraseDecoder(parse_phrases(chosen), recognizer.model.alphabet)
    built = time.perf_counter() - started
    num_frames = round(
        3 / (recognizer.model.config.features.frame_shift * recognizer.model.config.network.stride)
    )
    logits = rng.normal(size=(num_frames, len(recognizer.model.alphabet))) * 3
    log_probs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
    wall, cpu = [], []
    for _ in range(20):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        decoder.match(log_probs)
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - begun_cpu)
    print(
        f"5000 phrases, {len(decoder.tree)} nodes, {num_frames} frames: "
        f"{1000 * np.median(cpu):.1f} ms of processor, "
        f"{1000 * min(wall):.1f} ms by the clock at best; list compiled in {built:.2f} s"
    )
    return {"phrases": 5000, "nodes": len(decoder.tree), "milliseconds": 1000 * float(np.median(cpu))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--manifest", type=Path, nargs="*", default=[])
    parser.add_argument("--commands", action="store_true")
    parser.add_argument("--people", type=Path, nargs="*", default=[])
    parser.add_argument("--others", type=Path, nargs="*", default=[])
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    recognizer = load_model(arguments.model)
    rows = [own_sentences(recognizer, manifest) for manifest in arguments.manifest]
    rows += [people(recognizer, manifest) for manifest in arguments.people]
    if arguments.commands:
        rows += commands(recognizer)
    for source in arguments.others:
        rows += others(recognizer, source)
    figures = {"asked": RATES, "rows": rows, "speed": speed(recognizer) if arguments.speed else None}
    keep(arguments.json, figures)


if __name__ == "__main__":
    main()
