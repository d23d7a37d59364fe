"""Feature files: ``.npy`` of any width and CMU Sphinx ``.mfc`` of 13 coefficients a frame."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from govor.errors import InputNotFoundError, ManifestError, system_reason
from govor.language import tr

MFC_WIDTH = 13
"""An .mfc file does not say how wide its frames are; all of VoxForge-ru have this many coefficients."""


def load_features(path: Path) -> NDArray[np.float32]:
    """Read (T, F) float32 features from a ``.npy`` or a CMU Sphinx ``.mfc`` file.

    An ``.mfc`` is an int32 count of the floats that follow and then float32, 13 per frame, all of them
    little-endian or all big-endian: the count must fit the size of the file.

    Raises InputNotFoundError if the file cannot be opened, ManifestError if it is truncated, of another shape
    or kind, or holds NaN or infinity.
    """
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".mfc"):
        raise ManifestError(
            tr(f"{path}: признаки бывают .npy и .mfc", f"{path}: feature files are .npy or .mfc")
        )
    try:
        values = _read_npy(path) if suffix == ".npy" else _read_mfc(path)
    except OSError as error:
        reason = system_reason(error)
        raise InputNotFoundError(
            tr(f"не открыть признаки {path}: {reason}", f"cannot open features {path}: {reason}")
        ) from error
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        frame = int(np.argmin(finite))
        raise ManifestError(
            tr(
                f"{path}: в кадре {frame} не число (NaN или бесконечность); создайте файл заново",
                f"{path}: frame {frame} has NaN or infinity; make the file again",
            )
        )
    return values


def save_mfc(path: Path, values: NDArray[np.float32]) -> None:
    """Write (T, 13) features as a little-endian CMU Sphinx ``.mfc`` file.

    Raises ManifestError if the shape is another one or a value is not finite: nothing could read that back.
    """
    if values.ndim != 2 or values.shape[1] != MFC_WIDTH or not np.isfinite(values).all():
        raise ManifestError(
            tr(
                f"{path}: .mfc хранит конечные числа формы (T, {MFC_WIDTH}), а не {values.shape}",
                f"{path}: .mfc holds finite numbers of shape (T, {MFC_WIDTH}), not {values.shape}",
            )
        )
    count = np.array([values.size], "<i4")
    path.write_bytes(count.tobytes() + values.astype("<f4").tobytes())


def _read_npy(path: Path) -> NDArray[np.float32]:
    try:
        with path.open("rb") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
    # The first is numpy's for a header that breaks off, the last one's for a shape that nothing can hold.
    except (TokenError, ValueError, EOFError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise ManifestError(
            tr(f"{path}: испорченный .npy ({reason})", f"{path}: damaged .npy ({reason})")
        ) from error
    if values.ndim != 2 or values.shape[1] == 0 or not np.issubdtype(values.dtype, np.floating):
        raise ManifestError(
            tr(
                f"{path}: нужны дробные числа формы (T, F), а не {values.dtype} {values.shape}",
                f"{path}: floats of shape (T, F) are needed, not {values.dtype} {values.shape}",
            )
        )
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _read_mfc(path: Path) -> NDArray[np.float32]:
    content = path.read_bytes()
    present = (len(content) - 4) / 4
    counts = {order: int.from_bytes(content[:4], order, signed=True) for order in ("little", "big")}
    if present not in counts.values():
        raise ManifestError(
            tr(
                f"{path}: не .mfc или обрезан: в заголовке {counts['little']} чисел, а в файле "
                f"{len(content)} байт; создайте файл заново",
                f"{path}: not an .mfc or cut short: the header says {counts['little']} floats, the file has "
                f"{len(content)} bytes; make the file again",
            )
        )
    if present % MFC_WIDTH:
        raise ManifestError(
            tr(
                f"{path}: {present:.0f} чисел не делятся на кадры по {MFC_WIDTH}; извлеките по столько",
                f"{path}: {present:.0f} floats do not make frames of {MFC_WIDTH}; extract that many",
            )
        )
    dtype = "<f4" if counts["little"] == present else ">f4"
    return np.frombuffer(content, dtype, offset=4).astype(np.float32).reshape(-1, MFC_WIDTH)
