"""Tables of whole recordings: their cost, what the quality guard finds, and how far confidence can be believed."""

from __future__ import annotations

from tabulating import Figures, Language, table

# Kinds of sound of benchmarks/sound_quality.py, in Russian.
KINDS = {
    "as recorded": "как есть",
    "peak at full scale": "громкие, без срезания",
    "20 dB softer": "на 20 дБ тише",
    "µ-law": "в µ-law",
    "noise, SNR 10 dB": "шум на 10 дБ тише речи",
    "noise, SNR 0 dB": "шум вровень с речью",
    "clipped by 3 dB": "срезано на 3 дБ",
    "clipped by 6 dB": "срезано на 6 дБ",
    "clipped by 12 dB": "срезано на 12 дБ",
    "60 dB softer": "на 60 дБ тише",
    "1.1 times as fast": "в 1,1 раза быстрее",
    "0.9 times as fast": "в 0,9 раза быстрее",
    "2 times as fast": "вдвое быстрее",
    "0.5 times as fast": "вдвое медленнее",
    "3 times as fast": "втрое быстрее",
    "0.33 times as fast": "втрое медленнее",
    "white noise": "белый шум",
    "pink noise": "розовый шум",
    "silence": "тишина",
    "music": "музыка",
}


def recognition(run: Figures, tr: Language) -> str:
    """Processor time and memory by the length of the recording, greedy and with the language model."""
    head = [
        tr("запись", "recording"),
        tr("процессора, с", "processor, s"),
        tr("память, МБ", "memory, MB"),
        tr("с языковой моделью: процессора, с", "with the language model: processor, s"),
        tr("память, МБ", "memory, MB"),
    ]
    rows = []
    for greedy, beam in zip(run["greedy"], run["beam"], strict=True):
        cells = [tr.number(one, 0 if one >= 10 else 1) for one in _costs(greedy, beam)]
        rows.append((f"{greedy['minutes']:g} {tr('мин', 'min')}", *cells))
    starts = " / ".join(tr.number(run["start_seconds"][name], 2) for name in ("greedy", "beam"))
    below = tr(
        f"`benchmarks/recognition.py`, один поток, загрузка машины {tr.number(run['load_average'], 1)}; от запуска команды до "
        f"первого\nтекста {starts} с процессора (жадно / с языковой моделью).",
        f"`benchmarks/recognition.py`, one thread, load of the machine {run['load_average']:.1f}; from the start of the "
        f"command to the\nfirst text {starts} s of processor (greedy / with the language model).",
    )
    return f"{table(head, rows)}\n\n{below}"


def _costs(*rows: Figures) -> list[float]:
    return [row[key] for row in rows for key in ("cpu", "peak")]


def sound_quality(run: Figures, tr: Language) -> str:
    """What each kind of sound was warned of, and how many words were heard in it."""
    head = [tr("звук", "sound"), tr("записей", "recordings")]
    head += [tr("предупреждения", "warnings"), tr("слов в записи", "words a recording")]
    rows = []
    for row in run["rows"]:
        warned = ", ".join(f"`{code}` {count}" for code, count in row["warned"].items() if count)
        words = tr.number(row["words"] / row["recordings"], 1)
        rows.append((tr(KINDS[row["kind"]], row["kind"]), str(row["recordings"]), warned or "–", words))
    return table(head, rows, numbers=False)


def confidence(run: Figures, tr: Language) -> str:
    """Calibration errors of both decoders."""
    head = ["ECE", tr("слов", "words"), tr("верных", "right")]
    head += [tr("без калибровки", "raw"), tr("с калибровкой", "calibrated")]
    names = {
        "greedy": tr("жадно", "greedy"),
        "beam": tr("с языковой моделью", "with the language model"),
    }
    rows = [
        (
            names[row["decoder"]],
            tr.whole(row["words"]),
            tr.percent(row["right"]),
            tr.number(row["raw"], 3),
            tr.number(row["fitted"], 3),
        )
        for row in run["rows"]
    ]
    return table(head, rows)
