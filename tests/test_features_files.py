"""Reading and writing feature files: what is right comes back, what is wrong is named in one line."""

import struct
from pathlib import Path

import numpy as np
import pytest

from govor.errors import InputNotFoundError, ManifestError
from govor.features import load_features, save_mfc

VALUES = np.arange(39, dtype=np.float32).reshape(3, 13) / 7


def mfc(count: int, values: np.ndarray, order: str = "<") -> bytes:
    return struct.pack(f"{order}i", count) + values.astype(f"{order}f4").tobytes()


def test_a_saved_mfc_is_the_layout_of_sphinx_and_comes_back(tmp_path):
    path = tmp_path / "a.mfc"
    save_mfc(path, VALUES)
    assert path.read_bytes() == mfc(39, VALUES)
    np.testing.assert_array_equal(load_features(path), VALUES)


def test_a_big_endian_mfc_reads_the_same(tmp_path):
    path = tmp_path / "a.mfc"
    path.write_bytes(mfc(39, VALUES, ">"))
    np.testing.assert_array_equal(load_features(path), VALUES)


def test_an_mfc_without_frames_is_empty(tmp_path):
    path = tmp_path / "a.mfc"
    save_mfc(path, VALUES[:0])
    assert load_features(path).shape == (0, 13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_npy_of_any_width_and_precision_reads_as_float32(dtype, tmp_path):
    path = tmp_path / "a.NPY"
    with path.open("wb") as file:
        np.save(file, np.ones((4, 40), dtype))
    values = load_features(path)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.ones((4, 40)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"\x01", "1 bytes"),
        (mfc(39, VALUES)[:-1], "159 bytes"),
        (mfc(39, VALUES)[:-52], "39 floats"),
        (mfc(26, VALUES), "26 floats"),
        (mfc(-1, VALUES), "-1 floats"),
        (mfc(38, VALUES.ravel()[:38]), "38 floats do not make frames of 13"),
        (mfc(39, np.where(VALUES[1, 4] == VALUES, np.nan, VALUES)), "frame 1 "),
        (mfc(39, np.where(VALUES[2, 0] == VALUES, np.inf, VALUES)), "frame 2 "),
    ],
)
def test_a_damaged_mfc_is_named_with_what_is_wrong(content, message, tmp_path, monkeypatch):
    monkeypatch.setenv("GOVOR_LANG", "en")
    path = tmp_path / "bad.mfc"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=message) as caught:
        load_features(path)
    assert "bad.mfc" in str(caught.value)
    assert "\n" not in str(caught.value)


def npy(values: np.ndarray, folder: Path) -> bytes:
    path = folder / "good.npy"
    np.save(path, values)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(13, np.float32), r"\(13,\)"),
        (np.ones((2, 3, 4), np.float32), r"\(2, 3, 4\)"),
        (np.ones((5, 0), np.float32), r"\(5, 0\)"),
        (np.ones((5, 13), np.int32), "int32"),
        (np.full((5, 13), np.nan, np.float32), "frame 0 "),
        (np.full((5, 13), 1e300), "frame 0 "),
        (np.array([[{}]], object), "damaged"),
    ],
)
def test_an_npy_that_holds_no_features_is_refused(values, message, tmp_path, monkeypatch):
    monkeypatch.setenv("GOVOR_LANG", "en")
    path = tmp_path / "bad.npy"
    path.write_bytes(npy(values, tmp_path))
    with pytest.raises(ManifestError, match=message):
        load_features(path)


@pytest.mark.parametrize("length", [0, 5, 60, 200])
def test_a_cut_npy_is_refused(length, tmp_path):
    path = tmp_path / "bad.npy"
    path.write_bytes(npy(VALUES, tmp_path)[:length])
    with pytest.raises(ManifestError, match=r"bad\.npy"):
        load_features(path)


def test_a_missing_file_and_a_folder_are_not_found(tmp_path):
    (tmp_path / "folder.mfc").mkdir()
    for name in ("absent.mfc", "absent.npy", "folder.mfc"):
        with pytest.raises(InputNotFoundError, match=name):
            load_features(tmp_path / name)


def test_other_kinds_of_file_are_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"a\.wav"):
        load_features(tmp_path / "a.wav")


@pytest.mark.parametrize("values", [VALUES[:, :12], VALUES.ravel(), VALUES * np.nan])
def test_features_that_could_not_be_read_back_are_not_saved(values, tmp_path):
    with pytest.raises(ManifestError):
        save_mfc(tmp_path / "a.mfc", values)
    assert not (tmp_path / "a.mfc").exists()
