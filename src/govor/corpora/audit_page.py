"""An audit as one HTML page that needs nothing else: styles and plots (SVG) are inside."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from govor.corpora.audit import KINDS, NOISY_SNR_DB, QUIET_DB, SILENT_SHARE, Audit, Histogram, Suspect
from govor.language import speaks_russian, tr

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 460, 190, 44, 26, 12
_SPEAKERS_SHOWN = 40

_STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #fff; --ink: #22262b; --soft: #6b7280;
  --line: #e4e2dc; --bar: #2f6f8f; --bad: #c2552d; --bar-soft: #2f6f8f22; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --card: #1d2127; --ink: #e6e8eb;
  --soft: #98a1ad; --line: #30363e; --bar: #6fb3d2; --bad: #f08a5d; --bar-soft: #6fb3d222; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 40px 0 12px; }
p { margin: 0 0 12px; color: var(--soft); overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px;
  margin-top: 20px; }
.card, figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 12px 16px; } .card b { display: block; font-size: 24px; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: 13px; } .card.bad b { color: var(--bad); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 14px; }
figure { margin: 0; padding: 14px 14px 8px; } figcaption { font-weight: 600; }
figcaption small { display: block; font-weight: 400; color: var(--soft); }
svg { width: 100%; height: auto; display: block; margin-top: 6px; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg .bar { fill: var(--bar); } svg .bad { fill: var(--bad); } svg .grid { stroke: var(--line); }
svg .limit { stroke: var(--bad); stroke-dasharray: 4 3; }
details { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: 10px 0; }
summary { padding: 10px 16px; cursor: pointer; font-weight: 600; }
summary em { font-style: normal; color: var(--bad); margin-left: 6px; }
summary small { display: block; font-weight: 400; color: var(--soft); }
.scroll { overflow-x: auto; padding: 0 16px 12px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: 5px 10px 5px 0; border-top: 1px solid var(--line); vertical-align: top; }
td:first-child { font-variant-numeric: tabular-nums; white-space: nowrap; }
td:last-child { min-width: 9em; }
td code { color: var(--soft); font-size: 12px; overflow-wrap: anywhere; }
"""


def render_page(audit: Audit, title: str) -> str:
    """Return the page in the user's language; it makes no requests and runs no script."""
    suspected = sum(audit.counts.values())
    cards = [
        (f"{audit.num_utterances:,}".replace(",", " "), tr("фраз", "utterances"), "card"),
        (_hours(audit.seconds), tr("звука", "of speech"), "card"),
        (str(len([name for name in audit.speakers if name])), tr("голосов", "speakers"), "card"),
        (f"{audit.num_texts:,}".replace(",", " "), tr("разных текстов", "different texts"), "card"),
        (str(suspected), tr("подозрений", "suspicions"), "card bad" if suspected else "card"),
    ]
    body = [
        f"<h1>{escape(tr('Проверка корпуса', 'Corpus audit'))}</h1><p>{escape(title)}</p>",
        '<div class="cards">',
        *(
            f'<div class="{kind}"><b>{escape(value)}</b><span>{escape(label)}</span></div>'
            for value, label, kind in cards
        ),
        f"</div><h2>{escape(tr('Распределения', 'Distributions'))}</h2>",
        f'<div class="plots">{"".join(_plots(audit))}</div>',
        f"<h2>{escape(tr('Голоса', 'Speakers'))}</h2>{_speakers(audit.speakers)}",
        f"<h2>{escape(tr('Стоит послушать', 'Worth listening to'))}</h2>",
        *(_suspects(kind, audit) for kind in KINDS if audit.counts[kind]),
    ]
    if not suspected:
        body.append(f"<p>{escape(tr('Ничего подозрительного.', 'Nothing suspicious.'))}</p>")
    if not audit.num_recognized:
        note = tr("Тексты с записями не сверялись: нужна модель.", "Texts were not compared with a model's.")
        body.append(f"<p>{escape(note)}</p>")
    language = "ru" if speaks_russian() else "en"
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(tr('Проверка корпуса', 'Corpus audit'))}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _plots(audit: Audit) -> list[str]:
    described = {
        "duration": (tr("Длительность", "Duration"), tr("с", "s"), ()),
        "rate": (
            tr("Темп", "Tempo"),
            tr("букв в секунду речи", "letters a second of speech"),
            (audit.limits["slow"], audit.limits["fast"]),
        ),
        "speech": (
            tr("Громкость речи", "Level of speech"),
            tr("дБ от полной шкалы", "dB of full scale"),
            (QUIET_DB,),
        ),
        "peak": (tr("Пик", "Peak"), tr("дБ от полной шкалы", "dB of full scale"), ()),
        "snr": (tr("Речь над шумом", "Speech above noise"), tr("дБ", "dB"), (NOISY_SNR_DB,)),
        "silence": (tr("Доля тишины", "Share of silence"), "", (SILENT_SHARE,)),
        "cer": (
            tr("Расхождение с распознанным", "Difference from what is recognised"),
            "CER",
            (audit.limits["transcript"],),
        ),
    }
    return [
        _figure(audit.histograms[name], caption, unit, limits)
        for name, (caption, unit, limits) in described.items()
        if name in audit.histograms
    ]


def _figure(histogram: Histogram, caption: str, unit: str, limits: tuple[float, ...]) -> str:
    median, low, high = (histogram.quantile(share) for share in (0.5, 0.05, 0.95))
    words = tr(
        f"медиана {median:.3g}, 90 % от {low:.3g} до {high:.3g} {unit}",
        f"median {median:.3g}, 90 % from {low:.3g} to {high:.3g} {unit}",
    )
    return (
        f"<figure><figcaption>{escape(caption)}<small>{escape(words)}</small></figcaption>"
        f"{_histogram_svg(histogram, limits, caption)}</figure>"
    )


def _histogram_svg(histogram: Histogram, limits: tuple[float, ...], label: str) -> str:
    # Even, so that half of it is a whole number as well.
    most = (max(histogram.counts) + 1) // 2 * 2
    width, height = _WIDTH - _LEFT - 8, _HEIGHT - _BOTTOM - _TOP
    span = histogram.high - histogram.low
    base = _HEIGHT - _BOTTOM

    def x_of(value: float) -> float:
        return _LEFT + (value - histogram.low) / span * width

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">']
    for share in (0.5, 1.0):
        y = base - share * height
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most * share:.0f}</text>')
    bar = width / histogram.num_bins
    for index, count in enumerate(histogram.counts):
        if not count:
            continue
        # A single utterance must still be seen beside thousands.
        tall = max(count / most * height, 1.5)
        edge, end = histogram.edge(index), histogram.edge(index + 1)
        parts.append(
            f'<rect class="bar" x="{_LEFT + index * bar:.1f}" y="{base - tall:.1f}" width="{bar * 0.86:.1f}" '
            f'height="{tall:.1f}" rx="1"><title>{edge:.3g}…{end:.3g}: {count}</title></rect>'
        )
    parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{base}" y2="{base}"/>')
    for step in range(6):
        value = histogram.low + span * step / 5
        parts.append(f'<text x="{x_of(value):.1f}" y="{base + 16}" text-anchor="middle">{value:.3g}</text>')
    for limit in limits:
        if histogram.low < limit < histogram.high:
            x = x_of(limit)
            parts.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{base}"/>')
    return "".join(parts) + "</svg>"


def _hours(seconds: float) -> str:
    if seconds < 3600:
        return tr(f"{seconds / 60:.1f} мин", f"{seconds / 60:.1f} min")
    return tr(f"{seconds / 3600:.1f} ч", f"{seconds / 3600:.1f} h")


def _speakers(speakers: Mapping[str, float]) -> str:
    named = sorted(((s, n) for n, s in speakers.items() if n), reverse=True)
    if not named:
        return f"<p>{escape(tr('Голоса не подписаны.', 'Speakers are not named.'))}</p>"
    shown = named[:_SPEAKERS_SHOWN]
    total = sum(speakers.values()) or 1.0
    words = tr(
        f"минут у каждого; на десятерых самых долгих приходится {sum(s for s, _ in named[:10]) / total:.0%}",
        f"minutes of each; the ten longest make {sum(s for s, _ in named[:10]) / total:.0%} of the whole",
    )
    step, left, width = 17, 150, 920
    rows = []
    for row, (seconds, name) in enumerate(shown):
        long = max(seconds / shown[0][0] * (width - left - 70), 1.0) if shown[0][0] else 1.0
        y = row * step
        short = name if len(name) <= 22 else name[:21] + "…"
        rows.append(
            f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{escape(short)}</text>'
            f'<rect class="bar" x="{left}" y="{y + 3}" width="{long:.1f}" height="{step - 6}" rx="2">'
            f"<title>{escape(name)}</title></rect>"
            f'<text x="{left + long + 6:.1f}" y="{y + 12}">{seconds / 60:.1f}</text>'
        )
    more = len(named) - len(shown)
    tail = f"<p>{escape(tr(f'и ещё {more}', f'and {more} more'))}</p>" if more else ""
    return (
        f"<figure><figcaption><small>{escape(words)}</small></figcaption>"
        f'<svg viewBox="0 0 {width} {len(shown) * step + 4}" role="img">{"".join(rows)}</svg>{tail}</figure>'
    )


def _suspects(kind: str, audit: Audit) -> str:
    limits = audit.limits
    name, why, value = {
        "unreadable": (tr("Не читаются", "Unreadable"), "", ""),
        "clipped": (
            tr("Перегруз", "Clipped"),
            tr("срезанные вершины волны", "flat tops of the wave"),
            tr("доля", "share"),
        ),
        "quiet": (
            tr("Тихие", "Quiet"),
            tr(f"речь тише {QUIET_DB:.0f} дБ", f"speech below {QUIET_DB:.0f} dB"),
            tr("дБ", "dB"),
        ),
        "noisy": (
            tr("Шумные", "Noisy"),
            tr(
                f"речь выше шума меньше чем на {NOISY_SNR_DB:.0f} дБ",
                f"speech less than {NOISY_SNR_DB:.0f} dB above noise",
            ),
            tr("дБ", "dB"),
        ),
        "silent": (
            tr("Почти одна тишина", "Mostly silence"),
            tr(f"тишины больше {SILENT_SHARE:.0%}", f"over {SILENT_SHARE:.0%} silence"),
            tr("доля", "share"),
        ),
        "fast": (
            tr("Слишком быстро", "Too fast"),
            tr(
                f"больше {limits['fast']:.1f} букв/с: запись обрезана или текст чужой",
                f"over {limits['fast']:.1f} letters/s: the recording is cut, or the text another's",
            ),
            tr("букв/с", "letters/s"),
        ),
        "slow": (
            tr("Слишком медленно", "Too slow"),
            tr(
                f"меньше {limits['slow']:.1f} букв/с: сказано больше, чем в тексте",
                f"below {limits['slow']:.1f} letters/s: more was said than the text has",
            ),
            tr("букв/с", "letters/s"),
        ),
        "transcript": (
            tr("Текст, похоже, не тот", "The text may be wrong"),
            tr(f"CER больше {limits['transcript']:.2f}", f"CER over {limits['transcript']:.2f}"),
            "CER",
        ),
    }[kind]
    opened = " open" if kind in ("unreadable", "transcript") else ""
    rows = "".join(_row(one, bool(value)) for one in audit.suspects[kind])
    shown, count = len(audit.suspects[kind]), audit.counts[kind]
    part = tr(f"показаны худшие {shown}", f"the worst {shown} are shown") if shown < count else ""
    detail = "; ".join(words for words in (why, part) if words)
    heard = tr("распознано", "recognised") if kind == "transcript" else tr("замечание", "note")
    head = f"<th>{escape(value)}</th><th>{tr('текст', 'text')}</th><th>{heard}</th><th>id</th>"
    return (
        f"<details{opened}><summary>{escape(name)}<em>{count}</em>"
        f"<small>{escape(detail)}</small></summary>"
        f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div></details>'
    )


def _row(one: Suspect, has_value: bool) -> str:
    shown = f"{one.value:.3g}" if has_value else ""
    return (
        f"<tr><td>{shown}</td><td>{escape(one.text[:300])}</td><td>{escape(one.note[:300])}</td>"
        f'<td><code title="{escape(one.path)}">{escape(one.id)}</code></td></tr>'
    )
