"""Write the measured tables of docs/*/phrases.md and docs/*/language-model.md from benchmarks/tables/*.json.

    python docs/tables.py                       # the pages anew, from the figures as they are
    python docs/tables.py --dev dev.jsonl --people tuxpaint.jsonl dub.jsonl --others dub/manifest.jsonl \
        [--peer PYTHON] [--honest honest.klm]   # measure first: some minutes of one idle core

Measured are phrase lists, the beam search (every eighth utterance; ``--peer`` as benchmarks/decoding.py has it)
and hot words (every second one), all with the shipped model. A table stands between two comments that name it;
what is between them is replaced.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BENCHMARKS = ROOT / "benchmarks"
FIGURES = BENCHMARKS / "tables"

Figures = dict[str, Any]
Say = Callable[[str, str], str]

# What is known of a source, by the name of its manifest or the folder it lies in.
SOURCES = {
    "dev": ("люди, `dev`", "people, `dev`"),
    "tuxpaint": ("человек, `tuxpaint`", "a man, `tuxpaint`"),
    "tuxpaint-gpl2": ("человек, `tuxpaint`", "a man, `tuxpaint`"),
    "dub": ("актёры, `dub-cc0`", "actors, `dub-cc0`"),
    "dub-cc0": ("актёры, `dub-cc0`", "actors, `dub-cc0`"),
    "msu_ru_nsh_clunits": ("диктор `festvox-ru`", "the voice of `festvox-ru`"),
    "festival": ("festival", "festival"),
    "espeak-ng": ("espeak-ng (робот)", "espeak-ng (a robot)"),
}
HOTWORD_WEIGHTS = (0, 6, 8, 10, 16)
VARIED = (": другие голоса, комнаты, телефоны", ": other voices, rooms, telephones")
NOISY = (": другие голоса, комнаты, шум", ": other voices, rooms, noise")
TELEPHONE = (" по телефону", " over telephones")


def main() -> None:
    """Measure if asked to, and write the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dev", type=Path, help="measure, on this manifest")
    parser.add_argument("--people", type=Path, nargs="*", default=[])
    parser.add_argument("--others", type=Path, nargs="*", default=[])
    parser.add_argument("--peer")
    parser.add_argument("--honest", type=Path, help="language model that has seen no transcript")
    options = parser.parse_args()
    if options.dev:
        measure(options)
    for language in ("ru", "en"):
        write_pages(language)


def measure(options: argparse.Namespace) -> None:
    """Run the benchmarks, each of which writes its figures."""
    from govor.beam import shipped_language_model

    FIGURES.mkdir(exist_ok=True)
    models = [str(path) for path in (shipped_language_model(), options.honest) if path is not None]
    jobs: dict[str, list[Any]] = {
        "phrases": ["--manifest", options.dev, "--commands", "--speed"]
        + (["--people", *options.people] if options.people else [])
        + (["--others", *options.others] if options.others else []),
        "decoding": ["--manifest", options.dev, "--every", 8, "--whole", *models]
        + (["--peer", options.peer] if options.peer else []),
        "hotwords": ["--manifest", options.dev, "--weights", *HOTWORD_WEIGHTS],
    }
    for name, arguments in jobs.items():
        print(f"== {name}", flush=True)
        command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *map(str, arguments)]
        subprocess.run([*command, "--json", str(FIGURES / f"{name}.json")], check=True)


def write_pages(language: str) -> None:
    """Replace the tables of one language."""

    def say(russian: str, english: str) -> str:
        return russian if language == "ru" else english

    for page in ("phrases", "language-model"):
        path = DOCS / language / f"{page}.md"
        path.write_text(with_tables(path.read_text(encoding="utf-8"), say), encoding="utf-8")


def with_tables(text: str, say: Say) -> str:
    """Return a page with what stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` made anew."""

    def table(found: re.Match[str]) -> str:
        name = found[1]
        figures = json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))
        return f"<!-- table: {name} -->\n\n{TABLES[name](figures, say)}\n\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?\n<!-- end -->", table, text, flags=re.DOTALL)


def phrases(figures: Figures, say: Say) -> str:
    """Found and accepted / others accepted, a row for each source, a column for each rate asked for."""
    percents = [f"{100 * rate:g} %" for rate in figures["rates"]]
    lines = [f"| | {' | '.join(percents)} |", "|---|" + "---|" * len(percents)]
    for row in figures["rows"]:
        found = row.get("found", [None] * len(percents))
        pairs = [
            f"{number(one, 3, say)} / {number(two, 3, say)}"
            for one, two in zip(found, row["false"], strict=True)
        ]
        lines.append(f"| {source(row, say)} | {' | '.join(pairs)} |")
    if speed := figures["speed"]:
        count, nodes = (f"{speed[key]:,}" for key in ("phrases", "nodes"))
        lines += [
            "",
            say(
                f"{count.replace(',', ' ')} фраз ({nodes.replace(',', ' ')} узлов) на 3 с речи: "
                f"{number(speed['milliseconds'], 0, say)} мс процессора.",
                f"{count} phrases ({nodes} nodes) over 3 s of speech: "
                f"{number(speed['milliseconds'], 0, say)} ms of processor.",
            ),
        ]
    return "\n".join(lines)


def source(row: Figures, say: Say) -> str:
    """Return who speaks, how many recordings there are and what list they are heard with."""
    name, _, kind = row["name"].partition(", ")
    stem = name.removesuffix("_varied")
    # Others are named by a folder and a file in it.
    known = next((SOURCES[part] for part in stem.split("/") if part in SOURCES), (f"`{stem}`", f"`{stem}`"))
    label = say(*known)
    if stem != name:
        label += say(*VARIED)
    elif kind:
        label += say(*(NOISY if kind == "varied" else TELEPHONE))
    count = row["number"]
    if row["kind"] == "others":
        return label + say(f": {count} записей, ни одной команды", f": {count} recordings, no command")
    size = row["phrases"]
    if row["kind"] == "people":
        lists = row["lists"]
        return label + say(
            f"; {count} записей, списков по {size}: {lists}", f"; {count} recordings, {lists} lists of {size}"
        )
    if row["kind"] == "commands":
        return label + say(f"; команд: {size}", f"; {size} commands")
    return label + say(f"; {count} записей, предложений: {size}", f"; {count} recordings, {size} sentences")


def decoding(figures: Figures, say: Say) -> str:
    """Speed, memory and errors, the widths of one decoder in one row; then how much longer the peer takes."""
    head = say(
        "| декодер | ЯМ | луч | доля реального времени | загрузка, с | память, МБ | WER | CER |",
        "| decoder | LM | beam | real-time factor | load, s | peak RSS, MB | WER | CER |",
    )
    lines = [head, "|---|---|---:|---:|---:|---:|---:|---:|"]
    for (name, lm), group in groupby(figures["rows"], key=lambda row: (row["decoder"], row["lm"])):
        rows = list(group)

        def cell(key: str, digits: int, rows: list[Figures] = rows) -> str:
            return " / ".join(number(row[key], digits, say) for row in rows)

        beams = "–" if name == "greedy" else " / ".join(str(row["beam"]) for row in rows)
        peaks = sorted({round(row["peak"]) for row in rows})
        memory = f"{peaks[0]}–{peaks[-1]}" if len(peaks) > 1 else f"{peaks[0]}"
        load = number(max(row["load"] for row in rows), 2, say)
        lines.append(
            f"| {name} | {say('да', 'yes') if lm else say('нет', 'no')} | {beams} | {cell('rtf', 5)} "
            f"| {load} | {memory} | {cell('wer', 3)} | {cell('cer', 3)} |"
        )
    minutes = number(figures["minutes"], 1, say)
    network = number(figures["network"], 4, say)
    count = figures["utterances"]
    lines += [
        "",
        say(
            f"`benchmarks/decoding.py`: {count} фраз dev ({minutes} мин), одно ядро, время процессора на сам декодер "
            f"(сеть: {network}).",
            f"`benchmarks/decoding.py`: {count} dev utterances ({minutes} min), one core, the processor's time of the "
            f"decoder alone (the network: {network}).",
        ),
    ]
    if times := ratios(figures["rows"]):
        plain, fused = (", ".join(number(value, 1, say) for value in times[lm]) for lm in (False, True))
        lines[-1] += " " + say(
            f"pyctcdecode с теми же весами медленнее: без языковой модели в {plain} раза, с ней в {fused}.",
            f"pyctcdecode with the same weights takes {plain} times as long without a language model, {fused} with it.",
        )
    if total := figures.get("whole"):
        parts = [
            f"{say('жадно', 'greedy') if row['name'] == 'greedy' else '`' + row['name'] + '`'} "
            f"WER {number(row['wer'], 3, say)}, CER {number(row['cer'], 3, say)}"
            for row in total["rows"]
        ]
        lines += [
            "",
            say(
                f"Вся dev, {total['utterances']} фраз, луч {total['beam']}: ",
                f"All of dev, {total['utterances']} utterances, beam {total['beam']}: ",
            )
            + "; ".join(parts)
            + ".",
        ]
    return "\n".join(lines)


def ratios(rows: list[Figures]) -> dict[bool, list[float]]:
    """Return how many times as long the peer took, for each width, without and with a language model."""
    seconds = {(row["decoder"], row["lm"], row["beam"]): row["rtf"] for row in rows}
    found: dict[bool, list[float]] = {}
    for (name, lm, beam), rtf in seconds.items():
        if name == "pyctcdecode":
            found.setdefault(lm, []).append(rtf / seconds["govor", lm, beam])
    return found


def hotwords(figures: Figures, say: Say) -> str:
    """Rare words found against words heard that nobody said; a row for each length of the list and weight."""
    lines = [
        say(
            "| горячих слов | вес | редких слов найдено | вставлено за час | WER |",
            "| hot words | weight | rare words found | inserted an hour | WER |",
        ),
        "|---:|---:|---:|---:|---:|",
    ]
    base = next(row for row in figures["rows"] if row["weight"] == 0)
    rows = [base | {"words": say("любое число", "any")}]
    rows += [row for row in figures["rows"] if row["weight"] in HOTWORD_WEIGHTS[1:]]
    lines += [
        f"| {row['words']} | {row['weight']:g} | {100 * row['found']:.0f} % | {row['inserted']:.0f} "
        f"| {number(row['wer'], 3, say)} |"
        for row in rows
    ]
    return "\n".join(lines)


def number(value: float | None, digits: int, say: Say) -> str:
    """Return a number as the language writes it; a dash for what was not measured."""
    if value is None:
        return "–"
    return say(f"{value:.{digits}f}".replace(".", ","), f"{value:.{digits}f}")


TABLES: dict[str, Callable[[Figures, Say], str]] = {
    "phrases": phrases,
    "decoding": decoding,
    "hotwords": hotwords,
}


if __name__ == "__main__":
    main()
