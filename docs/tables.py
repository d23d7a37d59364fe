"""Put what was measured into the pages and the READMEs: ``make tables``.

A benchmark writes its figures with ``--json`` to benchmarks/measured/NAME.json; ``make bench`` runs them all.
Here each file becomes a table between ``<!-- table NAME -->`` and ``<!-- end of table -->``, in both languages.
Nothing between those marks is written by hand; a test compares. Tables of the decoders are in decoder_tables.py,
whole pages that are made in the same way in site_pages.py.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import decoder_tables
from recognition_tables import confidence, recognition, sound_quality
from site_pages import SETS, newest_run, written
from tabulating import Language, figures, is_stale, stale_note, table
from text_figures import filled_text, megabytes

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
PAGES = {
    "ru": [ROOT / "README.md", *sorted((ROOT / "docs" / "ru").glob("*.md"))],
    "en": [ROOT / "README.en.md", *sorted((ROOT / "docs" / "en").glob("*.md"))],
}
# Pages that there are in English only.
ENGLISH = [ROOT / "recipes" / "seed" / "README.md", ROOT / "recipes" / "language_model" / "README.md"]


def listening(tr: Language) -> str:
    """Live text of a quiet recording and of a noisy one."""
    runs = [figures("listening"), figures("listening-noise")]
    head = ["", tr("тихая запись", "quiet recording")]
    head.append(
        tr(
            f"белый шум на {runs[1]['snr']:.0f} дБ тише речи",
            f"white noise {runs[1]['snr']:.0f} dB below the speech",
        )
    )
    seconds, milliseconds = tr("с", "s"), tr("мс", "ms")
    rows = [
        (tr("записей", "recordings"), lambda run: str(run["recordings"])),
        (
            tr("слов показано дольше секунды", "words shown for over a second"),
            lambda run: str(run["words_held"]),
        ),
        (
            tr("из них потом изменилось", "of them changed later"),
            lambda run: tr.percent(run["words_changed"] / max(run["words_held"], 1), 1),
        ),
        (
            tr("от конца слова до показа, медиана / 90 %", "word's end to its showing, median / 90 %"),
            lambda run: f"{tr.pair(run['shown_after_seconds'], 2)} {seconds}",
        ),
        (
            tr("доля одного ядра: всего / во время речи", "share of one core: in all / while speaking"),
            lambda run: f"{tr.pair([100 * part for part in run['core_share']])} %",
        ),
        (
            tr(
                "от решения «речь кончилась» до текста, медиана / худшее",
                "“speech has ended” decided to the text, median / worst",
            ),
            lambda run: f"{tr.pair(run['final_milliseconds'])} {milliseconds}",
        ),
    ]
    return table(head, [(name, *(show(run) for run in runs)) for name, show in rows], numbers=False)


def serving(tr: Language) -> str:
    """The server under load."""
    run = figures("serving")
    seconds = tr("с", "s")
    head = [
        "",
        tr(
            f"{run['streams']} потока, {run['uploads']} записей, {run['minutes']:g} мин",
            f"{run['streams']} streams, {run['uploads']} uploads, {run['minutes']:g} min",
        ),
    ]
    rows = [
        (
            tr("ошибок; фраз без `final`", "errors; utterances without `final`"),
            tr(
                f"{run['errors']}; {run['lost']} из {run['utterances']}",
                f"{run['errors']}; {run['lost']} of {run['utterances']}",
            ),
        ),
        (
            tr("`partial` после своего звука: p50 / p95", "`partial` after its sound: p50 / p95"),
            f"{tr.pair(run['partial_seconds'], 2)} {seconds}",
        ),
        (
            tr(
                "`final` после последнего слова (из них 0,8 с — пауза): p50 / p95",
                "`final` after the last word (0.8 s of it is the pause): p50 / p95",
            ),
            f"{tr.pair(run['final_seconds'], 1)} {seconds}",
        ),
        (
            tr("запись 4 с: p50 / p95", "upload of 4 s: p50 / p95"),
            f"{tr.pair(run['upload_seconds'], 1)} {seconds}",
        ),
        (
            tr("память, вторая / последняя четверть", "memory, second / last quarter"),
            f"{tr.pair(run['memory_megabytes'])} {tr('МБ', 'MB')}",
        ),
        (
            tr("процессора занято", "processor used"),
            f"{tr.number(run['cores'], 2)} {tr('ядра', 'cores')}",
        ),
        (
            tr("загрузка машины (load average)", "load average of the machine"),
            tr.number(run["load_average"], 1),
        ),
    ]
    return table(head, rows, numbers=False)


def word_times(tr: Language) -> str:
    """Errors of the boundaries of words."""
    run = figures("word-times")
    head = [
        tr(f"записей: {run['recordings']}", f"recordings: {run['recordings']}"),
        tr("медиана", "median"),
        tr("в пределах 60 мс", "within 60 ms"),
    ]
    names = {
        "forced_true": tr("`govor align` против разметки", "`govor align` against the marks"),
        "heard_forced": tr(
            "распознанные слова против `govor align`", "recognised words against `govor align`"
        ),
        "heard_true": tr("распознанные слова против разметки", "recognised words against the marks"),
    }
    milliseconds = tr("мс", "ms")
    rows = [
        (
            title,
            f"{tr.number(run[name]['median_ms'])} {milliseconds}",
            tr.percent(run[name]["within_60_ms"]),
        )
        for name, title in names.items()
    ]
    return table(head, rows, numbers=False)


def foreign(tr: Language) -> str:
    """CER of the same model in other runtimes."""
    head = [tr("CER", "CER"), tr("Говор", "Govor"), "sherpa-onnx", "onnx-asr"]
    titles = {
        "foreign": tr("диктор festvox-ru", "festvox-ru's speaker"),
        "foreign-noise": tr("он же, белый шум {snr:.0f} дБ", "the same, white noise {snr:.0f} dB"),
        "foreign-sentences": tr("игра актёров, 16 кГц Opus", "actors, 16 kHz Opus"),
        "foreign-short": tr("короткие фразы, 16 кГц Opus", "short phrases, 16 kHz Opus"),
        "foreign-elsewhere": tr("записи не из корпуса", "recordings from elsewhere"),
    }
    rows = []
    for name, title in titles.items():
        run = figures(name)
        said = tr(
            f"{title}: записей {run['recordings']}, {tr.number(run['minutes'], 1)} мин",
            f"{title}: {run['recordings']} recordings, {tr.number(run['minutes'], 1)} min",
        )
        cers = (tr.number(run["cer"][one], 3) for one in ("govor", "sherpa-onnx", "onnx-asr"))
        rows.append((said.format(snr=run["snr"] or 0), *cers))
    return table(head, rows)


def card_rows(tr: Language) -> list[str]:
    """Return the lines of the model card's table."""
    card = (ROOT / "src/govor/models/MODEL_CARD.md").read_text("utf-8")
    russian, _, english = card.partition("\n---\n")
    part = re.split(r"^## (?:Точность|Accuracy)\n", tr(russian, english), maxsplit=1, flags=re.MULTILINE)[1]
    # The first table; after it the card shows what was misheard.
    rows = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert rows is not None
    return rows[0].splitlines()


def accuracy(tr: Language) -> str:
    """The table of the model card without its intervals, and what the model costs."""
    shown = [re.sub(r" \([\d.]+–[\d.]+\)", "", row) for row in card_rows(tr)]
    if tr.code == "ru":
        shown = [re.sub(r"(\d)\.(\d)", r"\1,\2", row) for row in shown]
    speed = figures("speed")
    hour = {name: 3600 / times for name, times in speed["times_faster_than_speech"].items()}
    old = (
        tr(" (измерено с прежними моделями)", " (measured with the models before)") if is_stale(speed) else ""
    )
    network, searched = tr.number(megabytes("small.onnx"), 1), tr.number(megabytes("ru.klm"))
    return "\n".join(
        [
            *shown,
            "",
            tr(
                f"Доли неверных букв (CER) и слов (WER): сначала жадно, только сеть ({network} МБ), потом с поставляемой "
                f"языковой\nмоделью (ещё {searched} МБ). На час речи одному ядру нужно {hour['greedy']:.0f} с, с языковой "
                f"моделью {hour['beam']:.0f} с{old}.",
                f"Shares of wrong letters (CER) and words (WER): first greedy, the network alone ({network} MB), then with "
                f"the language model\nthat ships (another {searched} MB). An hour of speech takes one core "
                f"{hour['greedy']:.0f} s, {hour['beam']:.0f} s with the language model{old}.",
            ),
        ]
    )


def seed_beside_small(tr: Language) -> str:
    """Errors of seed, as benchmarks/results has them, beside those of small, as its card has them."""
    seed = newest_run("seed")["evaluations"]
    head = ["WER / CER", "`seed`", "`seed` with LM", "`small`", "`small` with LM"]
    rows = []
    for name, card_row in zip(SETS, card_rows(tr)[2:], strict=True):
        title = card_row.split("|")[1].strip()
        values = [seed[name][decoder][kind] for decoder in ("greedy", "lm") for kind in ("wer", "cer")]
        values += [float(value) for value in re.findall(r"\*\*([\d.]+)\*\*", card_row)]
        pairs = zip(values[::2], values[1::2], strict=True)
        rows.append((title, *(f"{wer:.3f} / {cer:.3f}" for wer, cer in pairs)))
    return table(head, rows)


TABLES: dict[str, Callable[[Language], str]] = {
    "accuracy": accuracy,
    "confidence": lambda tr: confidence(figures("confidence"), tr),
    "decoding": lambda tr: decoder_tables.decoding(figures("decoding"), tr),
    "foreign": foreign,
    "hotwords": lambda tr: decoder_tables.hotwords(figures("hotwords"), tr),
    "listening": listening,
    "phrases": lambda tr: decoder_tables.phrases(figures("phrases"), tr),
    "recognition": lambda tr: recognition(figures("recognition"), tr),
    "seed": seed_beside_small,
    "serving": serving,
    "sound-quality": lambda tr: sound_quality(figures("sound-quality"), tr),
    "word-times": word_times,
}
# Files of figures that a table is made of, where they are not the one of its name.
SOURCES = {
    # The card is of the model that ships, which a test demands; the speed has a word of its own.
    "accuracy": (),
    "foreign": ("foreign", "foreign-noise", "foreign-sentences", "foreign-short", "foreign-elsewhere"),
    "listening": ("listening", "listening-noise"),
    # Runs of training; each is dated by its commit.
    "seed": (),
}


def made(name: str, language: str) -> str:
    """Return a table, and below it that its figures are of models that ship no longer, if they are."""
    tr = Language(language)
    runs = [figures(source) for source in SOURCES.get(name, (name,))]
    return "\n\n".join(filter(None, (TABLES[name](tr), stale_note(runs, tr))))


def filled(text: str, language: str) -> str:
    """Return a page with its tables and the figures of its text made anew."""
    text = MARKED.sub(lambda found: f"{found[1]}\n{made(found[2], language)}\n\n{found[3]}", text)
    return filled_text(text, Language(language))


def main() -> None:
    """Write what has changed."""
    for language, paths in (*PAGES.items(), ("en", ENGLISH)):
        for path in paths:
            before = path.read_text("utf-8")
            after = filled(before, language)
            if after != before:
                _write(path, after)
    for path, text in written().items():
        if not path.exists() or path.read_text("utf-8") != text:
            _write(path, text)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    print(path.relative_to(ROOT), file=sys.stderr)


if __name__ == "__main__":
    main()
