"""Put what was measured into the pages and the READMEs: ``make tables``.

A benchmark writes its figures with ``--json`` to benchmarks/measured/NAME.json; ``make bench`` runs them all.
Here each file becomes a table between ``<!-- table NAME -->`` and ``<!-- end of table -->``, in both languages.
Nothing between those marks is written by hand; a test compares.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured"
MARKED = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
PAGES = {
    "ru": [ROOT / "README.md", *sorted((ROOT / "docs" / "ru").glob("*.md"))],
    "en": [ROOT / "README.en.md", *sorted((ROOT / "docs" / "en").glob("*.md"))],
}

Figures = Any
Row = Sequence[str]


def figures(name: str) -> Figures:
    """Return what a benchmark has measured."""
    return json.loads((MEASURED / f"{name}.json").read_text("utf-8"))


class Language:
    """Words and numbers of one of the two languages."""

    def __init__(self, code: str) -> None:
        """Take "ru" or "en"."""
        self.code = code

    def __call__(self, russian: str, english: str) -> str:
        """Choose."""
        return russian if self.code == "ru" else english

    def number(self, value: float, places: int = 0) -> str:
        """Write a number with the decimal mark of the language."""
        text = f"{value:.{places}f}"
        return text.replace(".", ",") if self.code == "ru" else text

    def percent(self, value: float, places: int = 0) -> str:
        """Write a share."""
        return f"{self.number(100 * value, places)} %"

    def pair(self, values: Sequence[float], places: int = 0) -> str:
        """Write numbers with slashes between."""
        return " / ".join(self.number(value, places) for value in values)


def table(head: Row, rows: Sequence[Row], numbers: bool = True) -> str:
    """Return Markdown; all columns but the first are numbers, unless told otherwise."""
    rule = ["---", *(["---:" if numbers else "---"] * (len(head) - 1))]
    lines = [f"| {' | '.join(head)} |".replace("|  |", "| |"), f"|{'|'.join(rule)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


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
            f"потоков: {run['streams']}, записей: {run['uploads']}, минут: {tr.number(run['minutes'])}",
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


def hotwords(tr: Language) -> str:
    """How often rare words are found, by the length of the list and the weight."""
    run = figures("hotwords")
    head = [
        tr("горячих слов", "hot words"),
        tr("вес", "weight"),
        tr("редких слов узнано", "rare words found"),
        tr("лишних в час", "inserted an hour"),
        "WER",
    ]
    none, *rest = sorted(run["rows"], key=lambda row: (row["weight"] > 0, row["size"], row["weight"]))
    lines = [(tr("любое", "any"), [none])]
    lines += [
        (str(size), list(rows))
        for size, rows in groupby((row for row in rest if row["weight"]), lambda row: row["size"])
    ]

    def cells(rows: list[dict[str, float]], show: Callable[[dict[str, float]], str]) -> str:
        parts = [f"**{show(row)}**" if row["weight"] == run["default"] else show(row) for row in rows]
        return " / ".join(parts)

    return table(
        head,
        [
            (
                name,
                cells(rows, lambda row: f"{row['weight']:g}"),
                cells(rows, lambda row: tr.number(100 * row["found"])) + " %",
                cells(rows, lambda row: tr.number(row["inserted"])),
                cells(rows, lambda row: tr.number(row["wer"], 3)),
            )
            for name, rows in lines
        ],
    )


def decoding(tr: Language) -> str:
    """Time and errors of the search beside pyctcdecode."""
    run = figures("decoding")
    head = [
        tr("декодер", "decoder"),
        tr("ЯМ", "LM"),
        tr("луч", "beam"),
        tr("доля реального времени", "real-time factor"),
        tr("загрузка, с", "load, s"),
        tr("память, МБ", "peak RSS, MB"),
        "WER",
        "CER",
    ]
    lines = []
    for (name, lm), group in groupby(run["rows"], lambda row: (row["name"], row["lm"])):
        rows = list(group)
        lines.append(
            (
                name,
                tr("да", "yes") if lm else tr("нет", "no"),
                "–" if name == "greedy" else " / ".join(str(row["beam"]) for row in rows),
                " / ".join(tr.number(row["rtf"], 5) for row in rows),
                tr.number(max(row["load"] for row in rows), 2),
                tr.number(max(row["peak"] for row in rows)),
                tr.pair([row["wer"] for row in rows], 3),
                tr.pair([row["cer"] for row in rows], 3),
            )
        )
    shown = [
        table(head, lines),
        "",
        tr(
            f"Фраз dev: {run['utterances']} ({tr.number(run['minutes'], 1)} мин), одно ядро, время процессора на сам "
            f"декодер; сеть: {tr.number(run['network_rtf'], 4)}.",
            f"Utterances of dev: {run['utterances']} ({tr.number(run['minutes'], 1)} min), one core, the processor's "
            f"time of the decoder alone; the network: {tr.number(run['network_rtf'], 4)}.",
        ),
    ]
    if times := peer_times(run["rows"]):
        plain, fused = (tr.pair(times[lm], 1) for lm in (False, True))
        shown[-1] += tr(
            f"\npyctcdecode с теми же весами медленнее в {plain} раза, с языковой моделью — в {fused}.",
            f"\npyctcdecode with the same weights takes {plain} times as long, {fused} with the language model.",
        )
    return "\n".join(shown)


def peer_times(rows: list[dict[str, Any]]) -> dict[bool, list[float]]:
    """Return how many times as long pyctcdecode took for each beam, without and with a language model."""
    seconds = {(row["name"], row["lm"], row["beam"]): row["rtf"] for row in rows}
    found: dict[bool, list[float]] = {}
    for (name, lm, beam), rtf in seconds.items():
        if name == "pyctcdecode":
            found.setdefault(lm, []).append(rtf / seconds["govor", lm, beam])
    return found


def phrases(tr: Language) -> str:
    """Phrase lists: what is found and accepted, and what is accepted though it was not said."""
    run = figures("phrases")
    varied = ("то же: другие голоса, комнаты, телефоны", "the same: other voices, rooms, telephones")
    titles = {
        "dev": ("люди, `dev`: её предложения", "people, `dev`: its sentences"),
        "tuxpaint": ("человек, `tuxpaint`: короткие фразы", "a man, `tuxpaint`: short phrases"),
        "tuxpaint_varied": varied,
        "dub": ("актёры, `dub-cc0`: похожие реплики", "actors, `dub-cc0`: lines that are much alike"),
        "dub_varied": varied,
        "festival": ("команды, festival", "commands, festival"),
        "festival, varied": ("festival: другие голоса, комнаты, шум", "festival: other voices, rooms, noise"),
        "festival, telephone": ("festival по телефону", "festival over telephones"),
        "espeak-ng": ("espeak-ng (робот)", "espeak-ng (a robot)"),
        "espeak-ng, telephone": ("espeak-ng по телефону", "espeak-ng over telephones"),
    }
    silent = {
        "dub": ("актёры, `dub-cc0`", "actors, `dub-cc0`"),
        "tuxpaint": ("человек, `tuxpaint`", "a man, `tuxpaint`"),
        "msu_ru_nsh_clunits": ("диктор `festvox-ru`", "the voice of `festvox-ru`"),
    }
    column = 0 if tr.code == "ru" else 1
    head = ["", tr("записей", "recordings"), tr("фраз в списке", "phrases listed")]
    head += [tr.percent(rate) for rate in run["asked"]]
    rows = []
    for row in run["rows"]:
        title = titles.get(row["name"], (row["name"], row["name"]))[column]
        if row["found"] is None:
            name, comma, _ = row["name"].partition(", telephone")
            title = next((both for part, both in silent.items() if part in name), (name, name))[column]
            title += tr(", по телефону", ", telephone") if comma else ""
            title += tr(": ни одной команды", ": no command")
        found = row["found"] or [None] * len(run["asked"])
        shares = [
            f"{'–' if part is None else tr.number(part, 3)} / {tr.number(false, 3)}"
            for part, false in zip(found, row["false"], strict=True)
        ]
        rows.append((title, str(row["recordings"] or "–"), str(row["listed"]), *shares))
    return table(head, rows)


def accuracy(tr: Language) -> str:
    """The table of the model card without its intervals, and what the model costs."""
    card = (ROOT / "src/govor/models/MODEL_CARD.md").read_text("utf-8")
    russian, _, english = card.partition("\n---\n")
    part = re.split(r"^## (?:Точность|Accuracy)\n", tr(russian, english), maxsplit=1, flags=re.MULTILINE)[1]
    # The first table; after it the card shows what was misheard.
    rows = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert rows is not None
    shown = [re.sub(r" \([\d.]+–[\d.]+\)", "", row) for row in rows[0].splitlines()]
    if tr.code == "ru":
        shown = [re.sub(r"(\d)\.(\d)", r"\1,\2", row) for row in shown]
    speed = json.loads((ROOT / "benchmarks" / "speed.json").read_text("utf-8"))
    hour = {name: 3600 / times for name, times in speed["times_faster_than_speech"].items()}
    network, searched = tr.number(speed["model_megabytes"], 1), tr.number(speed["language_model_megabytes"])
    return "\n".join(
        [
            *shown,
            "",
            tr(
                f"Доли неверных букв (CER) и слов (WER): сначала жадно, только сеть ({network} МБ), потом с поставляемой "
                f"языковой\nмоделью (ещё {searched} МБ). На час речи одному ядру нужно {hour['greedy']:.0f} с, с языковой "
                f"моделью {hour['beam']:.0f} с.",
                f"Shares of wrong letters (CER) and words (WER): first greedy, the network alone ({network} MB), then with "
                f"the language model\nthat ships (another {searched} MB). An hour of speech takes one core "
                f"{hour['greedy']:.0f} s, {hour['beam']:.0f} s with the language model.",
            ),
        ]
    )


TABLES: dict[str, Callable[[Language], str]] = {
    "accuracy": accuracy,
    "decoding": decoding,
    "foreign": foreign,
    "hotwords": hotwords,
    "listening": listening,
    "phrases": phrases,
    "serving": serving,
    "word-times": word_times,
}


def filled(text: str, language: str) -> str:
    """Return a page with its tables made anew."""
    tr = Language(language)
    return MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]](tr)}\n\n{found[3]}", text)


def main() -> None:
    """Write what has changed."""
    for language, paths in PAGES.items():
        for path in paths:
            before = path.read_text("utf-8")
            after = filled(before, language)
            if after != before:
                path.write_text(after, encoding="utf-8")
                print(path.relative_to(ROOT), file=sys.stderr)


if __name__ == "__main__":
    main()
