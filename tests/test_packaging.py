"""What a user gets: the wheel, the sdist, and an installation out of a clean copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MEGABYTE = 1_000_000


def environment() -> dict[str, str]:
    """Without what leads Python, govor or pip elsewhere."""
    dropped = ("PYTHON", "VIRTUAL_ENV", "GOVOR")
    return {key: value for key, value in os.environ.items() if not key.startswith(dropped)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone of this state would hold: all files that git knows or does not ignore, and no others."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    folder = tmp_path_factory.mktemp("clone")
    for name in listed.stdout.decode().split("\0"):
        source, target = ROOT / name, folder / name
        if name and source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return folder


@pytest.fixture(scope="module")
def built(clone: Path) -> Path:
    pytest.importorskip("hatchling")
    pytest.importorskip("build")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return clone / "dist"


def test_the_wheel_holds_the_package_its_models_and_licences_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    # PyPI takes more, but a wheel on a slow line should not; beyond this the model gets a package of its own.
    assert wheel.stat().st_size < 25 * MEGABYTE
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"govor", f"govor-{PROJECT['version']}.dist-info"}
    needed = ["py.typed", "models/small.onnx", "models/ru.klm", "models/MODEL_CARD.md", "data/yo_words.txt"]
    assert {f"govor/{name}" for name in needed} <= set(names)
    ours = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "govor").rglob("*.py")}
    assert ours <= set(names)
    assert sum("/licenses/" in name for name in names) >= 4
    assert not [name for name in names if "__pycache__" in name or name.endswith((".part", ".pyc"))]


def test_the_sdist_holds_all_that_its_tests_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "constraints.txt", "Makefile"} <= names
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("*.py")} <= names
    assert not [name for name in names if name.startswith((".venv", "runs", "data/"))]


def test_the_sdist_builds_into_the_same_wheel_and_sdist_byte_for_byte(built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    # Other times, other rights and another folder than the clone's must leave no trace.
    shutil.unpack_archive(sdist, tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--wheel", "--outdir", "again"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    again = {path.name: path.read_bytes() for path in (tree / "again").iterdir()}
    assert again.keys() == {path.name for path in built.iterdir()}
    for path in built.iterdir():
        assert again[path.name] == path.read_bytes(), path.name


def test_the_package_installs_from_a_clean_copy_and_recognises(clone: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    # The pip of this environment serves the new one: half of the time would go into installing another.
    make = [sys.executable, "-m", "venv", "--without-pip", str(venv)]
    subprocess.run(make, check=True, env=environment())
    python = next(
        path for path in (venv / "bin" / "python", venv / "Scripts" / "python.exe") if path.exists()
    )
    quick = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *quick]
    command = [*pip, "-c", str(clone / "constraints.txt"), "."]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, env=environment())
    if done.returncode and re.search(
        r"Failed to establish|Could not find a version|No matching", done.stderr
    ):
        pytest.skip(f"no package index to install from: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    govor = python.with_name("govor")
    shown = subprocess.run([str(govor), "--version"], capture_output=True, text=True, env=environment())
    assert shown.stdout == f"govor {PROJECT['version']}\n"
    heard = subprocess.run(
        [str(govor), "transcribe", str(ROOT / "examples" / "male.wav")],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert (heard.returncode, heard.stderr) == (0, "")
    assert len(re.findall("[а-яё]+", heard.stdout)) >= 3
    # Whose types a user's mypy sees: those of the installed package.
    where = subprocess.run(
        [
            str(python),
            "-c",
            "import govor, pathlib; print(pathlib.Path(govor.__file__).with_name('py.typed'))",
        ],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert Path(where.stdout.strip()).is_file()
    assert str(venv) in where.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_knows_our_commands(shell: str) -> None:
    words = "govor pre"
    variables = {
        "_GOVOR_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": words,
        "COMP_CWORD": "1",
    }
    code = "import sys; sys.argv = ['govor']; from govor.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**environment(), **variables}
    )
    assert "prepare" in done.stdout, done.stderr


def environment_of(system: str, machine: str, python: str) -> dict[str, str]:
    platforms = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
    return {
        "sys_platform": system,
        "platform_system": platforms[system],
        "platform_machine": machine,
        # A kernel may call itself anything; pip before 25 fails on a marker that compares such a name.
        "platform_release": "6.18.44-some-build",
        "python_version": python,
        "python_full_version": f"{python}.0",
        "extra": "",
    }


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    ("system", "machine", "has_beam_search"),
    [
        ("linux", "x86_64", True),
        ("linux", "aarch64", False),
        ("linux", "armv7l", False),
        ("darwin", "arm64", True),
        ("darwin", "x86_64", False),
        ("win32", "AMD64", True),
        ("win32", "ARM64", False),
    ],
)
def test_the_beam_search_is_asked_for_only_where_it_has_a_wheel(
    python: str, system: str, machine: str, has_beam_search: bool
) -> None:
    wanted = environment_of(system, machine, python)
    names = set()
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        assert "platform_release" not in line
        if requirement.marker is None or requirement.marker.evaluate(wanted):
            names.add(requirement.name)
    assert ("ctc-beam-decoder" in names) == has_beam_search
    assert {"numpy", "onnxruntime", "av"} <= names
    assert ("tomli" in names) == (python == "3.10")


def test_every_supported_python_is_named_in_the_classifiers() -> None:
    named = [
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in PROJECT["classifiers"]
    ]
    assert [match[1] for match in named if match] == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    assert PROJECT["requires-python"] == ">=3.10"


def test_the_development_lock_pins_torch_and_every_direct_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = {Requirement(line).name for line in lines if line and not line.startswith("#")}
    assert "torch==2.13.0" in lines
    direct = [Requirement(line) for line in PROJECT["dependencies"]]
    for extra in ("train", "mic", "download", "dev"):
        direct += [Requirement(line) for line in PROJECT["optional-dependencies"][extra]]
    wanted = {re.sub(r"[-_.]+", "-", one.name).lower() for one in direct} - {"govor"}
    assert wanted - {re.sub(r"[-_.]+", "-", name).lower() for name in pins} == set()


def test_the_citation_names_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {PROJECT['version']}\n" in citation
