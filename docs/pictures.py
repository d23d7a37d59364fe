"""Make the pictures of the explanations from the shipped model and examples/male.wav: ``python docs/pictures.py``.

They show what this model does with this recording, so make them anew when the model changes (`make pictures`).
Both languages get their own: docs/images/ru and docs/images/en.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("agg")
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from govor import Recognizer, load_model
from govor.alignment import align_recording
from govor.audio.loading import load_audio
from govor.decoding.greedy import greedy
from govor.features import extract
from govor.features.sphinx import filterbank
from govor.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[1]
INK, ACCENT, PALE, GREY = "#1b4965", "#d1495b", "#bcd4de", "#8d99a6"
WIDTH = 8.5

Array = Any


class Maker:
    """Everything that the pictures show, computed once, and one method a picture."""

    def __init__(self, language: str) -> None:
        self.russian = language == "ru"
        self.recognizer: Recognizer = load_model()
        model = self.recognizer.model
        self.model, self.alphabet = model, model.alphabet
        self.config = model.config.features
        path = ROOT / "examples" / "male.wav"
        self.text = next(
            row.text for row in read_manifest(ROOT / "examples" / "manifest.jsonl") if row.id == "male"
        )
        self.wave = load_audio(path, self.config.sample_rate).samples
        self.rate = self.config.sample_rate
        self.words = align_recording(self.recognizer, path, self.text).words
        self.features = extract(self.wave, self.config)
        (self.log_probs,) = model.log_probs([self.features.values])
        self.step = self.config.frame_shift * model.config.network.stride

    def say(self, russian: str, english: str) -> str:
        """Choose the language."""
        return russian if self.russian else english

    def waveform(self) -> Figure:
        """The recording, its words, and one frame of it."""
        figure, (whole, part) = _figure(3.6, 2, [1.3, 1])
        seconds = np.arange(len(self.wave)) / self.rate
        whole.plot(seconds, self.wave, color=INK, linewidth=0.4)
        top = float(np.abs(self.wave).max())
        for word in self.words:
            whole.axvspan(word.start, word.end, color=PALE, alpha=0.45, linewidth=0)
            whole.text((word.start + word.end) / 2, 1.15 * top, word.text, ha="center", fontsize=9)
        start = self._loud_frame() / self.rate
        whole.axvspan(start, start + self.config.window_ms / 1000, color=ACCENT)
        whole.set(xlim=(0, seconds[-1]), ylim=(-1.1 * top, 1.45 * top), yticks=[])
        whole.set_xlabel(self.say("секунды; красное — один кадр", "seconds; one frame is red"))
        frame, window = self._frame()
        milliseconds = np.arange(len(frame)) / self.rate * 1000
        part.plot(milliseconds, frame, color=GREY, linewidth=1)
        part.plot(milliseconds, frame * window, color=ACCENT, linewidth=1.4)
        part.set(xlim=(0, milliseconds[-1]), yticks=[])
        part.set_xlabel(
            self.say(
                "миллисекунды; серое — звук, красное — в окне Хэмминга",
                "milliseconds; grey is the sound, red is it in a Hamming window",
            )
        )
        return figure

    def filters(self) -> Figure:
        """The spectrum of that frame and the bands that sum it up."""
        figure, (lines, bars) = _figure(4.2, 2, [1.3, 1])
        frame, window = self._frame()
        emphasised = np.append(frame[:1], frame[1:] - self.config.preemphasis * frame[:-1])
        power = np.abs(np.fft.rfft(emphasised * window, self.config.fft_size)) ** 2
        hertz = np.fft.rfftfreq(self.config.fft_size, 1 / self.rate)
        decibels = 10 * np.log10(power + 1e-9)
        lines.plot(hertz, decibels, color=INK, linewidth=1)
        low, high = np.percentile(decibels, 2), decibels.max()
        bank = filterbank(self.config)
        for number, weights in enumerate(bank.T):
            shape = low + (high - low) * 0.9 * weights / weights.max()
            lines.plot(
                hertz[weights > 0], shape[weights > 0], color=ACCENT if number % 2 else GREY, linewidth=0.8
            )
        lines.set(xlim=(0, self.rate / 2), ylim=(low, high + 3))
        lines.set_xlabel(self.say("герцы", "hertz"))
        lines.set_ylabel(self.say("дБ", "dB"))
        bars.bar(np.arange(bank.shape[1]) + 1, np.log(power @ bank + 1e-9), color=INK, width=0.7)
        bars.set(xlabel=self.say("полоса mel", "mel band"), ylabel=self.say("ln энергии", "ln of energy"))
        return figure

    def mfcc(self) -> Figure:
        """From the spectrogram through the bands to the cepstra."""
        figure, rows = _figure(5.6, 3, [1, 1, 1])
        shift = round(self.config.frame_shift * self.rate)
        size = round(self.config.window_ms / 1000 * self.rate)
        padded = np.pad(self.wave, (0, size))
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(self.wave) : shift]
        power = np.abs(np.fft.rfft(frames * np.hamming(size), self.config.fft_size)) ** 2
        bands = np.log(power @ filterbank(self.config) + 1e-7)
        end = len(self.wave) / self.rate
        spread = np.percentile(10 * np.log10(power + 1e-9), (20, 99.7))
        rows[0].imshow(
            10 * np.log10(power + 1e-9).T, aspect="auto", origin="lower", cmap="magma",
            extent=(0, end, 0, self.rate / 2000), vmin=spread[0], vmax=spread[1],
        )  # fmt: skip
        rows[0].set_ylabel(self.say("кГц", "kHz"))
        rows[1].imshow(
            bands.T, aspect="auto", origin="lower", cmap="magma", extent=(0, end, 0.5, 15.5),
            vmin=np.percentile(bands, 20), vmax=np.percentile(bands, 99.7),
        )  # fmt: skip
        rows[1].set_ylabel(self.say("полоса", "band"))
        # Where silence was removed there are no features.
        number = np.full((len(frames), self.config.num_cepstra), np.nan)
        values = self.features.values
        places = np.round(self.features.times / self.config.frame_shift).astype(int)
        number[np.minimum(places, len(number) - 1)] = (values - values.mean(0)) / (values.std(0) + 1e-6)
        rows[2].imshow(
            number.T, aspect="auto", origin="lower", cmap="magma", extent=(0, end, -0.5, 12.5), vmin=-2.5, vmax=2.5,
            interpolation="none",
        )  # fmt: skip
        rows[2].set_ylabel("MFCC")
        rows[2].set_xlabel(self.say("секунды; белое — вырезанные паузы", "seconds; white is pauses left out"))
        return figure

    def network(self) -> Figure:
        """What stands between 13 numbers and 35 probabilities."""
        net = self.model.config.network
        figure, axes = _figure(2.0)
        axes.set(xlim=(0, 10), ylim=(0.35, 2.75))
        axes.axis("off")
        shift = f"{self.config.frame_shift_ms:.0f}"
        wide = f"{self.step * 1000:.0f}"
        boxes = [
            (f"MFCC\n{net.num_features}", self.say(f"каждые {shift} мс", f"every {shift} ms"), PALE),
            (self.say("свёртки\n", "convolutions\n") + str(net.conv_channels), self.say(f"каждые {wide} мс", f"every {wide} ms"), PALE),
            *((f"BLSTM {i + 1}\n2 × {net.hidden_size}", "⇄", "#cfe8d5") for i in range(net.num_layers)),
            (self.say("буквы\n", "letters\n") + str(len(self.alphabet)), self.say("вероятности", "probabilities"), "#f6d6da"),
        ]  # fmt: skip
        width = 10 / len(boxes)
        for number, (name, under, colour) in enumerate(boxes):
            left = number * width + 0.12
            box = FancyBboxPatch((left, 1.1), width - 0.42, 1.5, boxstyle="round,pad=0.05", fc=colour, ec=INK)
            axes.add_patch(box)
            middle = left + (width - 0.42) / 2
            axes.text(middle, 1.85, name, ha="center", va="center", fontsize=10)
            axes.text(middle, 0.6, under, ha="center", va="center", fontsize=9, color=INK)
            if number:
                axes.add_patch(
                    FancyArrowPatch(
                        (left - 0.3, 1.85),
                        (left - 0.03, 1.85),
                        arrowstyle="-|>",
                        mutation_scale=12,
                        color=INK,
                    )
                )
        return figure

    def prefixes(self) -> Figure:
        """What is heard while the sentence is still being said: both directions matter."""
        figure, axes = _figure(2.4)
        values, times = self.features.values, self.features.times
        whole = greedy(self.log_probs, self.alphabet)
        shares = (0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
        for row, share in enumerate(shares):
            count = max(10, int(len(values) * share))
            (log_probs,) = self.model.log_probs([values[:count]])
            text = greedy(log_probs, self.alphabet).text
            same = sum(1 for _ in _common(text, whole.text))
            place = len(shares) - row
            axes.text(
                0, place, f"{times[count - 1]:.1f} {self.say('с', 's')}", ha="right", fontsize=9, color=GREY
            )
            axes.text(0.03, place, text[:same], fontsize=9.5, color=INK, family="monospace")
            axes.text(0.03, place, " " * same + text[same:], fontsize=9.5, color=ACCENT, family="monospace")
        axes.set(xlim=(-0.1, 5.2), ylim=(0.3, len(shares) + 0.8))
        axes.axis("off")
        return figure

    def letters(self) -> Figure:
        """The probability of every letter over time."""
        figure, axes = _figure(3.0)
        self._letters(axes, 0, len(self.log_probs))
        axes.set_ylabel(self.say("вероятность", "probability"))
        return figure

    def collapse(self) -> Figure:
        """The likeliest symbol of each frame of a word, and what is left of them."""
        figure, axes = _figure(2.6)
        found = greedy(self.log_probs, self.alphabet).words
        # Not longer than can be read across a page.
        word = max(found, key=lambda one: (one.end - one.start <= 36) * len(one.text))
        first = max(0, word.start - 3)
        last = min(len(self.log_probs), word.end + 4)
        best = self.log_probs[first:last].argmax(axis=1)
        previous = -1
        for column, label in enumerate(best):
            blank = label == self.alphabet.blank
            symbol = "–" if blank else self.alphabet.symbols[label].replace(" ", "␣")
            kept = not blank and label != previous
            probability = float(np.exp(self.log_probs[first + column, label]))
            axes.add_patch(
                FancyBboxPatch(
                    (column + 0.08, 1.1),
                    0.84,
                    0.8,
                    boxstyle="round,pad=0.02",
                    lw=0,
                    fc=PALE,
                    alpha=probability,
                )
            )
            axes.text(
                column + 0.5, 1.5, symbol, ha="center", va="center", fontsize=12, color=GREY if blank else INK
            )
            if kept:
                axes.text(column + 0.5, 0.3, symbol, ha="center", va="center", fontsize=15, color=ACCENT)
                axes.annotate(
                    "",
                    (column + 0.5, 0.55),
                    (column + 0.5, 1.05),
                    arrowprops={"arrowstyle": "-", "color": GREY},
                )
            previous = int(label)
        axes.set(xlim=(0, len(best)), ylim=(0, 2.1))
        axes.axis("off")
        return figure

    def search(self) -> Figure:
        """The best texts of the search with the language model and their scores, beside the greedy one."""
        from govor.decoding.beam import shipped_language_model

        decoder = self.recognizer.beam_decoder(shipped_language_model(), num_alternatives=6)
        result = decoder(self.log_probs)
        figure, axes = _figure(2.8)
        rows = [(one.text, one.score) for one in result.alternatives][:6]
        best = rows[0][1]
        for place, (text, score) in enumerate(reversed(rows)):
            axes.barh(place, np.exp((score - best) / 4), color=PALE, height=0.75)
            axes.text(0.01, place, f"{text}", va="center", fontsize=9.5, color=INK)
            axes.text(1.02, place, f"{score - best:.1f}", va="center", fontsize=9, color=GREY)
        plain = greedy(self.log_probs, self.alphabet).text
        axes.barh(len(rows) + 0.4, 1, color="#f6d6da", height=0.75)
        label = self.say("жадно: ", "greedy: ")
        axes.text(0.01, len(rows) + 0.4, label + plain, va="center", fontsize=9.5, color=INK)
        axes.set(xlim=(0, 1.12), ylim=(-0.6, len(rows) + 1))
        axes.axis("off")
        return figure

    def _letters(self, axes: Any, first: int, last: int) -> None:
        probabilities = np.exp(self.log_probs[first:last])
        seconds = (np.arange(first, last) + 0.5) * self.step
        axes.fill_between(seconds, probabilities[:, self.alphabet.blank], color="0.9", linewidth=0)
        for label in range(1, probabilities.shape[1]):
            line = probabilities[:, label]
            if line.max(initial=0) < 0.2:
                continue
            axes.plot(seconds, line, linewidth=1)
            for peak in np.flatnonzero(
                (line > 0.3) & (line >= np.roll(line, 1)) & (line > np.roll(line, -1))
            ):
                symbol = self.alphabet.symbols[label].replace(" ", "␣")
                axes.text(seconds[peak], line[peak] + 0.03, symbol, ha="center", fontsize=9)
        axes.set(xlim=(seconds[0], seconds[-1]), ylim=(0, 1.2))
        axes.set_xlabel(
            self.say(
                "секунды без вырезанных пауз; серое — пустой символ",
                "seconds, pauses left out; grey is the blank",
            )
        )

    def _loud_frame(self) -> int:
        """Where the strongest frame begins, in samples."""
        size = round(self.config.window_ms / 1000 * self.rate)
        energy = np.convolve(np.square(self.wave), np.ones(size), "valid")
        return int(energy.argmax())

    def _frame(self) -> tuple[Array, Array]:
        size = round(self.config.window_ms / 1000 * self.rate)
        start = self._loud_frame()
        return self.wave[start : start + size] * 32768, np.hamming(size)


PICTURES = ("waveform", "filters", "mfcc", "network", "prefixes", "letters", "collapse", "search")


def _common(one: str, other: str) -> Any:
    for left, right in zip(one, other, strict=False):
        if left != right:
            return
        yield left


def _figure(height: float, rows: int = 1, ratios: list[float] | None = None) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, 1, gridspec_kw={"height_ratios": ratios} if ratios else None)
    for one in np.atleast_1d(axes):
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
        one.tick_params(labelsize=8)
    return figure, axes


def main() -> None:
    """Write all pictures of both languages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    for language in ("ru", "en"):
        maker = Maker(language)
        (options.output / language).mkdir(parents=True, exist_ok=True)
        for name in PICTURES:
            target = options.output / language / f"{name}.png"
            drawn = io.BytesIO()
            getattr(maker, name)().savefig(drawn, dpi=110)
            # Colours enough for a picture, a third of the size; and no date or version inside the file.
            Image.open(drawn).convert("RGB").quantize(96, dither=Image.Dither.NONE).save(
                target, optimize=True
            )


if __name__ == "__main__":
    main()
