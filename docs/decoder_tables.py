"""Tables of the decoders: phrase lists, the beam search and hot words."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from tabulating import Figures, Language, table

# What is known of a source, by the name of its manifest or the folder it lies in.
SOURCES = {
    "dev": ("люди, `dev`: её предложения", "people, `dev`: its sentences"),
    "tuxpaint": ("человек, `tuxpaint`: короткие фразы", "a man, `tuxpaint`: short phrases"),
    "tuxpaint-gpl2": ("человек, `tuxpaint`", "a man, `tuxpaint`"),
    "dub": ("актёры, `dub-cc0`: похожие реплики", "actors, `dub-cc0`: lines that are much alike"),
    "dub-cc0": ("актёры, `dub-cc0`", "actors, `dub-cc0`"),
    "msu_ru_nsh_clunits": ("диктор `festvox-ru`", "the voice of `festvox-ru`"),
    "festival": ("команды, festival", "commands, festival"),
    "espeak-ng": ("команды, espeak-ng (робот)", "commands, espeak-ng (a robot)"),
}
VARIED = ("; другие голоса, комнаты, телефоны", "; other voices, rooms, telephones")
NOISY = ("; другие голоса, комнаты, шум", "; other voices, rooms, noise")
TELEPHONE = (" по телефону", " over telephones")
# All weights stand in the figures; these are shown.
HOTWORD_WEIGHTS = (6, 8, 10, 16)


def phrases(run: Figures, tr: Language) -> str:
    """Phrase lists: what is found and accepted, and what is accepted though it was not said."""
    head = ["", tr("записей", "recordings"), tr("фраз в списке", "phrases listed")]
    head += [tr.percent(rate) for rate in run["asked"]]
    rows = []
    for row in run["rows"]:
        found = row["found"] or [None] * len(run["asked"])
        shares = [
            f"{'–' if part is None else tr.number(part, 3)} / {tr.number(false, 3)}"
            for part, false in zip(found, row["false"], strict=True)
        ]
        lists = f"{row['lists']} × {row['listed']}" if "lists" in row else str(row["listed"])
        rows.append((source(row, tr), str(row["recordings"]), lists, *shares))
    shown = table(head, rows)
    if speed := run["speed"]:
        count, nodes = tr.whole(speed["phrases"]), tr.whole(speed["nodes"])
        milliseconds = tr.number(speed["milliseconds"])
        shown += "\n\n" + tr(
            f"{count} фраз ({nodes} узлов) на 3 с речи: {milliseconds} мс процессора.",
            f"{count} phrases ({nodes} nodes) over 3 s of speech: {milliseconds} ms of processor.",
        )
    return shown


def source(row: Figures, tr: Language) -> str:
    """Return who speaks, and how."""
    name, _, kind = row["name"].partition(", ")
    stem = name.removesuffix("_varied")
    # Others are named by a folder and a file in it.
    known = next((SOURCES[part] for part in stem.split("/") if part in SOURCES), (f"`{stem}`", f"`{stem}`"))
    label = tr(*known)
    if stem != name:
        label += tr(*VARIED)
    elif kind:
        label += tr(*(NOISY if kind == "varied" else TELEPHONE))
    return label + tr(": ни одной команды", ": no command") if row["kind"] == "others" else label


def decoding(run: Figures, tr: Language) -> str:
    """Speed, memory and errors, the widths of one decoder in one row; then how much longer the peer takes."""
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
        peaks = sorted({round(row["peak"]) for row in rows})
        lines.append(
            (
                name,
                tr("да", "yes") if lm else tr("нет", "no"),
                "–" if name == "greedy" else " / ".join(str(row["beam"]) for row in rows),
                tr.pair([row["rtf"] for row in rows], 5),
                tr.number(max(row["load"] for row in rows), 2),
                f"{peaks[0]}–{peaks[-1]}" if len(peaks) > 1 else str(peaks[0]),
                tr.pair([row["wer"] for row in rows], 3),
                tr.pair([row["cer"] for row in rows], 3),
            )
        )
    count, minutes = run["utterances"], tr.number(run["minutes"], 1)
    network = tr.number(run["network_rtf"], 4)
    below = tr(
        f"`benchmarks/decoding.py`, фраз dev: {count} ({minutes} мин), одно ядро, время процессора на сам декодер\n"
        f"(сеть: {network}).",
        f"`benchmarks/decoding.py`: {count} dev utterances ({minutes} min), one core, the processor's time of the\n"
        f"decoder alone (the network: {network}).",
    )
    if times := ratios(run["rows"]):
        plain, fused = (" / ".join(tr.number(value, 1) for value in times[lm]) for lm in (False, True))
        below += tr(
            f" pyctcdecode с теми же весами занимает процессор во столько раз дольше: без языковой\n"
            f"модели {plain}, с ней {fused}.",
            f" pyctcdecode with the same weights takes {plain} times as long without\n"
            f"a language model, {fused} with it.",
        )
    parts = [table(head, lines, words=2), below]
    if total := run.get("whole"):
        errors = [
            f"{tr('жадно', 'greedy') if row['name'] == 'greedy' else '`' + row['name'] + '`'} "
            f"WER {tr.number(row['wer'], 3)}, CER {tr.number(row['cer'], 3)}{_text_fit(row, tr)}"
            for row in total["rows"]
        ]
        all_of_it = tr(
            f"Вся dev, фраз: {total['utterances']}, луч {total['beam']}: ",
            f"All of dev, {total['utterances']} utterances, beam {total['beam']}: ",
        )
        parts.append(all_of_it + "; ".join(errors) + ".")
    return "\n\n".join(parts)


def _text_fit(row: Figures, tr: Language) -> str:
    """Return how well a language model knows the sentences, where that was measured."""
    if "perplexity" not in row:
        return ""
    perplexity, unknown = tr.number(row["perplexity"]), tr.percent(row["unknown"], 1)
    return tr(
        f" (перплексия {perplexity}, незнакомых слов {unknown})",
        f" (perplexity {perplexity}, {unknown} unknown words)",
    )


def ratios(rows: list[Figures]) -> dict[bool, list[float]]:
    """Return how many times as long the peer took, for each width, without and with a language model."""
    seconds = {(row["name"], row["lm"], row["beam"]): row["rtf"] for row in rows}
    found: dict[bool, list[float]] = {}
    for (name, lm, beam), rtf in seconds.items():
        if name == "pyctcdecode":
            found.setdefault(lm, []).append(rtf / seconds["govor", lm, beam])
    return found


def hotwords(run: Figures, tr: Language) -> str:
    """How often rare words are found, by the length of the list and the weight."""
    head = [
        tr("горячих слов", "hot words"),
        tr("вес", "weight"),
        tr("редких слов узнано", "rare words found"),
        tr("лишних в час", "inserted an hour"),
        "WER",
    ]
    none = next(row for row in run["rows"] if row["weight"] == 0)
    lines = [(tr("любое число", "any"), [none])]
    shown = [row for row in run["rows"] if row["weight"] in HOTWORD_WEIGHTS]
    lines += [(str(size), list(rows)) for size, rows in groupby(shown, lambda row: row["size"])]

    def cells(rows: list[Figures], show: Callable[[Figures], str]) -> str:
        # The weight that is the default is bold.
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
