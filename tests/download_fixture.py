"""Five submissions packed as the classic repository packs them, and what must come of them."""

import hashlib
import random

from govor.corpora.download import (
    Patience,
    download_voxforge,
    mirror_source,
)
from voxforge_fixture import submission, tgz

QUICK = Patience(attempts=4, first_delay=0.01, longest_delay=0.05, read_timeout=0.5)
NAMES = ("alisa-20100101-aaa", "anonymous-20110101-bbb", "boris-20100101-ccc", "boris-20110101-ddd", "vera")
NOISE = random.Random(1).randbytes(150_000)


def files_of(name):
    texts = {"ru_0001": f"Привет, {name}.", "ru_0002": "До свидания."}
    # Noise, so that the archive is large enough to be interrupted.
    return submission(name, texts) | {"wav/ru_0003.wav": NOISE}


ARCHIVES = {f"{name}.tgz": tgz(files_of(name), name) for name in NAMES}


def fetch(server, output, **options):
    options.setdefault("patience", QUICK)
    return download_voxforge(output, [mirror_source(server.url)], **options)


def tree(folder):
    """Every submission's files with their content."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != ".download"
    }


def work_files(folder):
    return {path.name for path in (folder / ".download").iterdir()} - {"lock", "rate"}


def assert_whole(folder, names=NAMES):
    expected = {
        f"{name}/{path}": hashlib.sha256(data).hexdigest()
        for name in names
        for path, data in files_of(name).items()
    }
    found = tree(folder)
    assert {path: value for path, value in found.items() if not path.endswith(".govor.json")} == expected
    assert {path.split("/")[0] for path in found if path.endswith("/.govor.json")} == set(names)
    assert work_files(folder) == set()


def tmp_path_without(folder, name):
    (folder / name).unlink()
    return folder
