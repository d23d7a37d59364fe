"""RESULTS.md out of results/*.json, one file for every run that was tried.

    python benchmarks/results.py                 # write RESULTS.md anew
    python benchmarks/results.py add NAME RUN_FOLDER --commit HASH --title "…" \
        --evaluation dev=dev_greedy.json,dev_lm.json --evaluation test_unseen_text=…

RUN_FOLDER is a folder of `govor train` (metrics.jsonl, best.safetensors); an evaluation is one or two files
of `govor evaluate --json`: greedy, then with the language model. `add` keeps the evaluations that a run has.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SETS = ("dev", "test_unseen_speaker", "test_unseen_text", "shared_audio")
KEPT = ("wer", "cer", "wer_yo", "cer_yo", "num_utterances", "num_words", "rtf")

HEAD = """# Опыты и их результаты · Experiments and results

Эту страницу пишет `python benchmarks/results.py` из `benchmarks/results/*.json`; руками её не правят.
This page is written by `python benchmarks/results.py` from `benchmarks/results/*.json`; do not edit it.

WER и CER — доли, меньше лучше. «жадно» — самая вероятная буква каждого кадра, «с ЯМ» — поиск с языковой
моделью. `dev` выбирает лучшую эпоху и настройки, тесты служат только отчётом. Обучение считается по часам.

WER and CER are fractions, lower is better. “greedy” takes the likeliest letter of each frame, “LM” searches
with the language model. `dev` chooses epochs and settings; the tests only report. Training is
timed by the clock.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command")
    adding = commands.add_parser("add")
    adding.add_argument("name", help="file name, such as 03-small-stage3; the table is in this order")
    adding.add_argument("run", type=Path)
    adding.add_argument("--commit", required=True)
    adding.add_argument("--title", required=True)
    adding.add_argument("--note", default="")
    adding.add_argument("--evaluation", action="append", default=[], metavar="SET=GREEDY.json[,LM.json]")
    options = parser.parse_args()
    if options.command == "add":
        target = HERE / "results" / f"{options.name}.json"
        before = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
        entry = describe_run(options.run) | {
            "title": options.title,
            "commit": options.commit,
            "note": options.note,
            "evaluations": before.get("evaluations", {}) | read_evaluations(options.evaluation),
        }
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(entry, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (HERE / "RESULTS.md").write_text(page(HERE / "results"), encoding="utf-8")


def describe_run(run: Path) -> dict[str, Any]:
    """Return what a folder of ``govor train`` says of itself."""
    from govor.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(run / "best.safetensors")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    best = min(rows, key=lambda row: row["dev_cer"])
    return {
        "config": checkpoint.config.model_dump(mode="json"),
        "num_weights": sum(value.numel() for value in checkpoint.weights.values()),
        "epochs": len(rows),
        "best_epoch": best["epoch"],
        "training_hours": round(sum(row["seconds"] for row in rows) / 3600, 2),
        "speech_hours_per_epoch": round(sum(row["hours"] for row in rows) / len(rows), 1),
        "dev_while_training": {"cer": best["dev_cer"], "wer": best["dev_wer"]},
    }


def read_evaluations(pairs: list[str]) -> dict[str, dict[str, Any]]:
    """Return {set: {decoder: figures}} of arguments ``SET=GREEDY.json[,LM.json]``."""
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        name, _, paths = pair.partition("=")
        if name not in SETS:
            raise SystemExit(f"{name}: the sets are {', '.join(SETS)}")
        for decoder, path in zip(("greedy", "lm"), paths.split(","), strict=False):
            figures = json.loads(Path(path).read_text(encoding="utf-8"))
            found.setdefault(name, {})[decoder] = {key: figures[key] for key in KEPT if key in figures}
    return found


def page(folder: Path) -> str:
    """Return RESULTS.md for the runs in a folder."""
    runs = [
        (path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))
    ]
    return "\n".join([HEAD, *table(runs), "", *(line for run in runs for line in details(*run))])


def table(runs: list[tuple[str, dict[str, Any]]]) -> list[str]:
    columns = [
        "опыт · run",
        "весов, млн · weights, M",
        "эпох · epochs",
        "ч речи в эпоху · h of speech an epoch",
        "ч обучения · h of training",
        "dev: CER / WER при обучении · while training",
        *(
            f"{name}: {figures} жадно · greedy → с ЯМ · LM"
            for name, figures in (
                ("dev", "WER"),
                ("test_unseen_speaker", "WER"),
                ("test_unseen_text", "WER"),
                ("test_unseen_text", "CER"),
                ("shared_audio", "CER"),
            )
        ),
    ]
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    for name, run in runs:
        dev = run["dev_while_training"]
        cells = [
            f"[{run['title']}](#{name})",
            f"{run['num_weights'] / 1e6:.2f}",
            f"{run['epochs']}",
            f"{run['speech_hours_per_epoch']:.1f}",
            f"{run['training_hours']:.2f}",
            f"{dev['cer']:.3f} / {dev['wer']:.3f}",
            figure(run, "dev", "wer"),
            figure(run, "test_unseen_speaker", "wer"),
            figure(run, "test_unseen_text", "wer"),
            figure(run, "test_unseen_text", "cer"),
            figure(run, "shared_audio", "cer"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def figure(run: dict[str, Any], name: str, kind: str) -> str:
    """Return one figure of both decoders; a dash where it was not measured."""
    found = run["evaluations"].get(name, {})
    shown = [f"{found[decoder][kind]:.3f}" if decoder in found else "–" for decoder in ("greedy", "lm")]
    return " → ".join(shown) if found else "–"


def details(name: str, run: dict[str, Any]) -> list[str]:
    """Return the section of a run: where it comes from and its whole configuration."""
    lines = [
        f'<a id="{name}"></a>',
        f"## {run['title']}",
        "",
        f"Коммит · commit `{run['commit']}`, лучшая эпоха · best epoch {run['best_epoch']}.",
    ]
    if run["note"]:
        lines += ["", run["note"]]
    lines += ["", "<details><summary>config.toml</summary>", "", "```toml"]
    if run["config"].get("letters"):
        lines.append(f"letters = {json.dumps(run['config']['letters'], ensure_ascii=False)}")
    for section, values in run["config"].items():
        if section == "letters":
            continue
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    return [*lines, "```", "", "</details>", ""]


if __name__ == "__main__":
    main()
