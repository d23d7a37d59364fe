"""Pages that are made from what was measured, and from the program: each function takes a language, gives Markdown.

Those that other pages link to lie in docs/ru and docs/en too (`WRITTEN`), so that the links lead somewhere in the
repository as well; ``make tables`` writes them, a test compares.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabulating import Language, figures, stale_note
from text_figures import megabytes

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BENCHMARKS = ROOT / "benchmarks"
SETS = ("dev", "test_unseen_speaker", "test_unseen_text", "shared_audio")

Run = dict[str, Any]


def cli_reference(language: str) -> str:
    """Return all commands as the program itself tells of them; the language is chosen when it is imported."""
    environment = os.environ | {"GOVOR_LANG": language, "PYTHONUTF8": "1"}
    environment["PYTHONPATH"] = str(ROOT / "src")
    done = subprocess.run(
        [sys.executable, str(DOCS / "cli_reference.py")],
        env=environment,
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    return done.stdout


REFERENCE = (
    (
        "Распознать",
        "Recognise",
        "recognizer.load_model recognizer.Recognizer decoding.beam.BeamDecoder decoding.beam.BeamSettings",
    ),
    ("Что распознано", "What was recognised", "transcript outputs.render outputs.write_whole"),
    (
        "Живой текст",
        "Live text",
        "streaming.Stream streaming.Partial streaming.Final audio.microphone audio.level",
    ),
    ("Списки фраз", "Phrase lists", "phrases.patterns.parse_phrases phrases.decoder.PhraseDecoder"),
    ("Выравнивание", "Alignment", "alignment.align_recording alignment.AlignedText"),
    (
        "Звук и признаки",
        "Sound and features",
        "audio.loading.load_audio audio.raw.RawFormat features.extract features.Features",
    ),
    ("Тексты и манифесты", "Texts and manifests", "text.alphabet manifest"),
    ("Ошибки распознавания", "Error rates", "metrics evaluation.evaluate evaluation.Evaluation"),
    ("Настройки", "Settings", "config"),
    (
        "Корпус",
        "The corpus",
        "corpora.download corpora.voxforge corpora.importing corpora.audit corpora.recordings",
    ),
    (
        "Обучение",
        "Training",
        "training.loop checkpoint.load_checkpoint checkpoint.Checkpoint onnx.export.export_onnx",
    ),
    ("Дообучение", "Adapting", "adaptation.adapt adaptation.Adaptation"),
    ("Исключения", "Exceptions", "errors"),
)
"""Headings of the Python reference, and what stands under each: modules of govor, or names in them."""


def python_reference(language: str) -> str:
    """Return the page that mkdocstrings fills from the docstrings."""
    lines = ["# Python", ""]
    lines += (
        [
            "Сделано из самого кода, поэтому по-английски. Начните с [`load_model`][govor.recognizer.load_model].",
            "",
        ]
        if language == "ru"
        else ["Made from the code itself. Begin with [`load_model`][govor.recognizer.load_model].", ""]
    )
    for russian, english, names in REFERENCE:
        lines += [f"## {russian if language == 'ru' else english}", ""]
        for name in names.split():
            lines += [f"::: govor.{name}", ""]
    return "\n".join(lines)


def model_card(language: str) -> str:
    """Return the half of the shipped model's card that is in this language."""
    text = (ROOT / "src/govor/models/MODEL_CARD.md").read_text("utf-8")
    russian, _, english = text.partition("\n---\n")
    return (english if language == "en" else russian.replace("*English below.*\n", "")).strip() + "\n"


def decisions_index() -> str:
    """List the decisions, the newest last; one page for both languages, as the decisions themselves are."""
    lines = [
        "# Решения · Decisions",
        "",
        "Почему сделано так, а не иначе, что пробовали ещё и чего это стоит. Страницы — по-английски.",
        "",
        "Why it is made so and not otherwise, what else was tried, and what it costs.",
        "",
    ]
    for path in sorted((DOCS / "decisions").glob("0*.md")):
        title = path.read_text("utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines) + "\n"


def runs() -> list[Run]:
    """Return the training runs of benchmarks/results in their order."""
    return [json.loads(path.read_text("utf-8")) for path in sorted((BENCHMARKS / "results").glob("*.json"))]


def newest_run(model: str) -> Run:
    """Return the newest training run of a model, by the name of its file: 00-seed5.json is one of seed."""
    names = [path.stem for path in sorted((BENCHMARKS / "results").glob(f"*-{model}*.json"))]
    return json.loads((BENCHMARKS / "results" / f"{names[-1]}.json").read_text("utf-8"))


def accuracy(language: str) -> str:
    """Return the table of the shipped model from its card, and how the runs came to it."""
    russian = language == "ru"
    lines = ["# Точность" if russian else "# Accuracy", ""]
    heading = "## Точность" if russian else "## Accuracy"
    card = model_card(language).partition(heading + "\n")[2]
    lines += [re.split(r"^## ", card, maxsplit=1, flags=re.MULTILINE)[0].strip(), ""]
    lines += (
        [
            "CER — доля неверных букв, WER — доля неверных слов: замены, пропуски и вставки, делённые на длину того, что "
            "сказано. Одна неверная буква портит целое слово, поэтому WER больше. Повторить на своих записях:",
            "",
            "```console",
            "$ govor evaluate МАНИФЕСТ",
            "$ govor evaluate МАНИФЕСТ --decoder greedy",
            "```",
            "",
            "## Как к этому пришли",
            "",
            "Обучения по порядку, ошибки — жадно → с языковой моделью. Настройки каждого — в [опытах](../../benchmarks/RESULTS.md).",
        ]
        if russian
        else [
            "CER is the part of letters that are wrong, WER the part of words: substitutions, deletions and insertions "
            "divided by the length of what was said. One wrong letter spoils a whole word, so WER is higher. To repeat "
            "it on your recordings:",
            "",
            "```console",
            "$ govor evaluate MANIFEST",
            "$ govor evaluate MANIFEST --decoder greedy",
            "```",
            "",
            "## How it came to this",
            "",
            "Trainings in order; errors are greedy → with the language model. The settings of each stand in the "
            "[experiments](../../benchmarks/RESULTS.md).",
        ]
    )
    names = ("обучение", "весов, млн", "часов") if russian else ("training", "weights, M", "hours")
    lines += ["", f"| {' | '.join((*names, *(f'{name}, WER' for name in SETS)))} |", "|---|" + "---:|" * 6]
    for run in runs():
        cells = [
            _in(language, run["title"]),
            f"{run['num_weights'] / 1e6:.2f}",
            f"{run['training_hours']:.2f}",
        ]
        cells += [_errors(run.get("evaluations", {}).get(name, {}), "wer") for name in SETS]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _in(language: str, title: str) -> str:
    """Take one language of «название · title»; what stands before a colon belongs to both."""
    russian, _, english = title.partition(" · ")
    if language == "ru" or not english:
        return russian
    common, colon, _ = russian.partition(": ")
    return f"{common}: {english}" if colon else english


def _errors(found: dict[str, Any], figure: str) -> str:
    shown = [f"{found[name][figure]:.3f}" for name in ("greedy", "lm") if name in found]
    return " → ".join(shown) or "–"


def speed(language: str) -> str:
    """Return the figures of benchmarks/speed.json."""
    run = figures("speed")
    machine, times, start = run["machine"], run["times_faster_than_speech"], run["start"]
    phrases = run["phrases"]
    where = f"{machine['processor']}, {machine['system']}, Python {machine['python']}"
    where += f", onnxruntime {machine['onnxruntime']}, numpy {machine['numpy']}"
    model, lm = (f"{megabytes(name):.1f}" for name in ("small.onnx", "ru.klm"))

    def hour(name: str) -> str:
        return f"{3600 / times[name]:.0f}"

    rows = [
        ("признаки (MFCC)", "features (MFCC)", f"{times['features']:.0f} ×", hour("features")),
        ("распознать, жадно", "recognise, greedy", f"{times['greedy']:.0f} ×", hour("greedy")),
        (
            "распознать с языковой моделью",
            "recognise with the language model",
            f"{times['beam']:.0f} ×",
            hour("beam"),
        ),
    ]
    column = 0 if language == "ru" else 1
    first, size = (
        (
            f"# Скорость\n\nОдно ядро, один поток: {where}. Скорость — в процессорном времени.\n\n"
            "| | быстрее речи | секунд на час речи |",
            f"Модель — {model} МБ, языковая модель — {lm} МБ.",
        )
        if language == "ru"
        else (
            f"# Speed\n\nOne core, one thread: {where}. Speed is in processor time.\n\n"
            "| | faster than speech | seconds for an hour of speech |",
            f"The model has {model} MB, the language model {lm} MB.",
        )
    )
    lines = [first, "|---|---:|---:|", *(f"| {row[column]} | {row[2]} | {row[3]} |" for row in rows), ""]
    greedy, beam = start["greedy"], start["beam"]
    if times["greedy"] < times["beam"]:
        # Measured on the two recordings of examples/, of which one is heard badly without a language model.
        why = (
            "Жадно здесь не быстрее: в одной из записей слова без языковой модели так сомнительны, "
            "что Silero спрашивают, говорит ли там кто-то.",
            "Greedy is no quicker here: in one of the recordings the words are so doubtful without a language model "
            "that Silero is asked whether anybody speaks.",
        )
        lines += [why[column], ""]
    if note := stale_note([run], Language(language)):
        lines += [note, ""]
    if language == "ru":
        lines += [
            "| вся команда `govor transcribe`, 4 с речи | жадно | с языковой моделью |",
            "|---|---:|---:|",
            f"| от запуска до текста, с процессора | {greedy['processor_seconds']} | {beam['processor_seconds']} |",
            f"| память, самое большее, МБ | {greedy['peak_megabytes']} | {beam['peak_megabytes']} |",
            "",
            f"Выбрать из {phrases['number']} команд умного дома по {phrases['speech_seconds']} с звука: "
            f"{phrases['milliseconds']:.0f} мс.",
            "",
            size,
            "",
            "Измерить здесь: `python benchmarks/speed.py`. Длинные записи, рядом с Whisper — "
            "`benchmarks/recognition.py`, живой текст — `benchmarks/listening.py`, сервер под нагрузкой — "
            "`benchmarks/serving.py`; их числа на страницах [записей](transcribe.md), [микрофона](listen.md), "
            "[сервера](serve.md).",
        ]
    else:
        lines += [
            "| the whole command `govor transcribe`, 4 s of speech | greedy | with the language model |",
            "|---|---:|---:|",
            f"| from start to text, s of processor | {greedy['processor_seconds']} | {beam['processor_seconds']} |",
            f"| memory at most, MB | {greedy['peak_megabytes']} | {beam['peak_megabytes']} |",
            "",
            f"To choose among {phrases['number']} commands of a smart home by {phrases['speech_seconds']} s of sound: "
            f"{phrases['milliseconds']:.0f} ms.",
            "",
            size,
            "",
            "To measure here: `python benchmarks/speed.py`. Long recordings beside Whisper: "
            "`benchmarks/recognition.py`, live text: `benchmarks/listening.py`, the server under load: "
            "`benchmarks/serving.py`; their figures stand on the pages of [recordings](transcribe.md), the "
            "[microphone](listen.md) and the [server](serve.md).",
        ]
    return "\n".join(lines) + "\n"


# An hour of speech in shards, MB: 20.8 measured by `govor prepare shards` on the 501 utterances of dev, 0.96 h. The
# features alone are 18.7, 13 floats a hundred times a second; the rest is texts and the tar around each utterance.
SHARD_MEGABYTES = 21
# What a doubling of the processes gives: 1.8 for two, then 5 % is lost by each further one.
SECOND, FURTHER = 1.8, 0.95
CORPORA = ((100, 40), (1_000, 20), (10_000, 5))
"""Hours, and epochs that are enough for so many: what matters is how often each letter is heard in all."""


def speedup(cores: int) -> float:
    """Return how many times faster so many cores are than one; `cores` is a power of two."""
    doublings = cores.bit_length() - 1
    return 1.0 if doublings == 0 else SECOND * (2 * FURTHER) ** (doublings - 1)


def costs(language: str) -> str:
    """Return what 100, 1,000 and 10,000 hours cost at the throughput of the newest run."""
    run = runs()[-1]
    epochs, hours = run["epochs"], run["speech_hours_per_epoch"]
    throughput = epochs * hours / run["training_hours"]
    weights = run["num_weights"] / 1e6
    machines = (1, 2, 16, 64)
    if language == "ru":
        lines = [
            "# Сколько стоит обучение",
            "",
            f"Измерено на последнем обучении, «{_in('ru', run['title'])}»: {epochs} эпох по {hours} ч речи за "
            f"{run['training_hours']} ч на одном ядре, проверка на dev и дополнение данных включены. Это "
            f"**{throughput:.0f} часов речи за час ядра** для сети в {weights:.1f} млн весов. Остальное — арифметика:",
            "",
            "| корпус | эпох | часов ядра | 2 ядра | 16 ядер | 4 машины по 16 ядер | шарды на диске |",
        ]
    else:
        lines = [
            "# What training costs",
            "",
            f"Measured on the newest training, “{_in('en', run['title'])}”: {epochs} epochs of {hours} h of speech in "
            f"{run['training_hours']} h on one core, judging on dev and augmentation included. That is "
            f"**{throughput:.0f} hours of speech in an hour of a core** for a network of {weights:.1f} M weights. "
            "The rest is arithmetic:",
            "",
            "| corpus | epochs | core hours | 2 cores | 16 cores | 4 machines of 16 cores | shards on disk |",
        ]
    lines.append("|" + "---:|" * 7)
    for corpus, passes in CORPORA:
        alone = corpus * passes / throughput
        shown = [_hours(alone / speedup(cores), language) for cores in machines]
        size = corpus * SHARD_MEGABYTES / 1000
        unit = ("ч", "ГБ") if language == "ru" else ("h", "GB")
        # Hours have a decimal comma in Russian; only the thousands of the corpus get a space.
        hours = f"{corpus:,}".replace(",", " " if language == "ru" else ",")
        lines.append(f"| {hours} {unit[0]} | {passes} | {' | '.join(shown)} | {size:.0f} {unit[1]} |")
    lines.append("")
    if language == "ru":
        lines += [
            "Принято, что двое работают за 1,8, а каждое следующее удвоение теряет 5 %; час речи в шардах — "
            f"{SHARD_MEGABYTES} МБ. Эпох тем меньше, чем больше корпус: важно, сколько всего речи прошло через сеть. Признаки "
            "считаются один раз, за тысячные доли этого времени ([скорость](speed.md)).",
            "",
            f"За шаг процессы обмениваются градиентом, {weights * 4:.0f} МБ: при сети в 10 Гбит/с это сотые доли секунды "
            "против почти секунды счёта. Для 10 000 ч сеть `small` мала: впятеро большая стоит "
            "впятеро дороже. Видеокарты у нас нет, и на ней этот код не проверен.",
            "",
            "Как это запускать: [обучение](training.md#несколько-процессов). Измерить у себя: "
            "`python benchmarks/training.py --manifest data/train.jsonl --processes 2`.",
        ]
    else:
        lines += [
            "It assumes that two do the work of 1.8, and that each further doubling loses 5 %; an hour of speech is "
            f"{SHARD_MEGABYTES} MB of shards. The larger the corpus the fewer the epochs: what matters is how much "
            "speech went through the network in all. Features are computed once, in a thousandth of that time "
            "([speed](speed.md)).",
            "",
            f"In a step processes exchange the gradient, {weights * 4:.0f} MB: at 10 Gbit/s hundredths of a second beside "
            "nearly a second of computing. For 10,000 h the network `small` is too small: one five times as large costs "
            "five times as much. We have no GPU, and this code is untried on one.",
            "",
            "How to start it: [training](training.md#several-processes). To measure yours: "
            "`python benchmarks/training.py --manifest data/train.jsonl --processes 2`.",
        ]
    return "\n".join(lines) + "\n"


def _hours(value: float, language: str) -> str:
    text = f"{value:.1f}" if value < 10 else f"{value:.0f}"
    return f"{text} {'ч' if language == 'ru' else 'h'}".replace(".", "," if language == "ru" else ".")


WRITTEN: dict[str, Callable[[str], str]] = {
    "accuracy.md": accuracy,
    "cli.md": cli_reference,
    "costs.md": costs,
    "speed.md": speed,
}
DECISIONS = DOCS / "decisions" / "README.md"


def written() -> dict[Path, str]:
    """Return the pages that lie in the repository, and what should stand in them."""
    pages = {DOCS / code / name: page(code) for code in ("ru", "en") for name, page in WRITTEN.items()}
    return {path: text.rstrip() + "\n" for path, text in (pages | {DECISIONS: decisions_index()}).items()}
