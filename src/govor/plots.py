"""Pictures for notebooks: waveform, features, letter probabilities over time, a training (matplotlib)."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from govor.errors import InputNotFoundError, MissingExtraError, system_reason
from govor.language import tr
from govor.text.alphabet import Alphabet
from govor.transcript import Word

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure that a notebook shows by itself."""

    figure: Figure

    def save(self, path: Path | str) -> None:
        """Write it as png, svg or pdf, by the ending of `path`."""
        self.figure.savefig(path)

    def _repr_png_(self) -> bytes:
        # matplotlib gives notebooks pictures of pyplot's figures only.
        data = io.BytesIO()
        self.figure.savefig(data, format="png", dpi=90)
        return data.getvalue()


INK, ACCENT, PALE = "#1b4965", "#d1495b", "#bcd4de"


def plot_waveform(
    waveform: NDArray[np.float32], sample_rate: int, words: Sequence[Word] = (), title: str = ""
) -> Picture:
    """Draw a waveform (N,) over seconds, with the words, if any, over the time they take."""
    figure, axes = _figure(2.4)
    # A line through every sample of a minute is slow to draw and looks no different.
    step = max(1, len(waveform) // 20_000)
    usable = waveform[: len(waveform) // step * step].reshape(-1, step)
    seconds = np.arange(len(usable)) * step / sample_rate
    axes.fill_between(seconds, usable.min(axis=1), usable.max(axis=1), color=INK, linewidth=0.4)
    top = max(float(np.abs(waveform).max(initial=0)), 1e-3)
    for word in words:
        axes.axvspan(word.start, word.end, color=PALE, alpha=0.5, zorder=0)
        axes.text((word.start + word.end) / 2, 1.15 * top, word.text, ha="center", va="bottom", fontsize=9)
    axes.set(xlim=(0, len(waveform) / sample_rate), ylim=(-1.1 * top, (1.5 if words else 1.1) * top))
    axes.set_xlabel(tr("секунды", "seconds"))
    axes.set_yticks([])
    return _titled(figure, title)


def plot_features(features: NDArray[np.float32], frame_shift: float, title: str = "") -> Picture:
    """Draw features (T, F) as a map: time to the right, coefficients upwards, each in its own spread."""
    figure, axes = _figure(2.2)
    spread = features.std(axis=0) + 1e-6
    image = ((features - features.mean(axis=0)) / spread).T
    extent = (0.0, len(features) * frame_shift, -0.5, features.shape[1] - 0.5)
    axes.imshow(image, aspect="auto", origin="lower", cmap="magma", vmin=-2.5, vmax=2.5, extent=extent)
    axes.set_xlabel(tr("секунды без вырезанных пауз", "seconds, removed pauses left out"))
    axes.set_ylabel(tr("коэффициент", "coefficient"))
    return _titled(figure, title)


def plot_letters(
    log_probs: NDArray[np.float32], alphabet: Alphabet, frame_shift: float, title: str = ""
) -> Picture:
    """Draw the probability of each letter over time, log_probs (T', V); the blank is the grey area.

    `frame_shift` is seconds per row: the features' shift times the network's stride.
    """
    figure, axes = _figure(2.8)
    probabilities = np.exp(log_probs)
    seconds = (np.arange(len(probabilities)) + 0.5) * frame_shift
    axes.fill_between(seconds, probabilities[:, alphabet.blank], color="0.92")
    spoken = np.delete(np.arange(probabilities.shape[1]), alphabet.blank)
    for label in spoken:
        line = probabilities[:, label]
        if line.max(initial=0) < 0.2:
            continue
        axes.plot(seconds, line, linewidth=1)
        peaks = np.flatnonzero((line > 0.2) & (line >= np.roll(line, 1)) & (line > np.roll(line, -1)))
        for peak in peaks:
            letter = alphabet.decode([int(label)])
            shown = "␣" if letter == " " else letter
            axes.text(seconds[peak], line[peak] + 0.02, shown, ha="center", fontsize=9)
    axes.set(xlim=(0, len(probabilities) * frame_shift), ylim=(0, 1.15))
    axes.set_xlabel(tr("секунды без вырезанных пауз", "seconds, removed pauses left out"))
    axes.set_ylabel(tr("вероятность", "probability"))
    return _titled(figure, title)


def plot_training(run: Path | str) -> Picture:
    """Draw how the error on dev fell, from the ``metrics.jsonl`` of the folder of a run.

    Raises InputNotFoundError if there is none.
    """
    path = Path(run) / "metrics.jsonl"
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputNotFoundError(
            tr(f"нет {path}: {system_reason(error)}", f"no {path}: {system_reason(error)}")
        ) from error
    figure, axes = _figure(3.0)
    epochs = [row["epoch"] + 1 for row in rows]
    for key, label, colour in (
        ("dev_cer", tr("ошибка в буквах (CER)", "letters wrong (CER)"), INK),
        ("dev_wer", tr("ошибка в словах (WER)", "words wrong (WER)"), ACCENT),
    ):
        axes.plot(epochs, [row[key] for row in rows], marker="o", markersize=3, color=colour, label=label)
    axes.set(ylim=(0, None), xlabel=tr("эпоха", "epoch"))
    axes.legend(frameon=False)
    return _titled(figure, "")


def _figure(height: float) -> tuple[Figure, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            tr(
                "для рисунков нужен matplotlib: pip install 'govor[notebooks]'",
                "pictures need matplotlib: pip install 'govor[notebooks]'",
            )
        ) from error
    # Not pyplot: it keeps every figure alive and chooses a window system.
    figure = Figure(figsize=(11, height), layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _titled(figure: Figure, title: str) -> Picture:
    if title:
        figure.axes[0].set_title(title, loc="left", fontsize=11)
    return Picture(figure)
