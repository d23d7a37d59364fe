"""Every command of the documentation is run; both languages show the same ones; the site can be built."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from apache_index import ApacheIndex
from documentation import (
    NOT_RUN,
    ROOT,
    START,
    blocks,
    commands,
    in_english,
    is_start,
    pages,
    reason_not_to_run,
)
from documentation_run import Page, make_programs, opened
from documentation_world import VOICE, archives, make_world, recordings
from virtual_microphone import VirtualMicrophone, started_virtual_microphone

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
RUSSIAN = pages("ru")
# Python that needs more than a file: a microphone without end, VoxForge's server, minutes of training. The
# clients of serve.md are run by test_server_docs.
PYTHON_NOT_RUN = {"adapt", "corpus", "listen", "record", "serve"}


def all_commands(path: Path) -> list[str]:
    return [command for block in blocks(path, "bash") for command in commands(block.text)]


def runnable(path: Path) -> list[str]:
    return [one for one in all_commands(path) if not is_start(one) and not reason_not_to_run(one)]


def programs(path: Path) -> list[list[str]]:
    """The lines of the programs of a page, without comments, names of files in English."""
    found = []
    for block in blocks(path, "python"):
        lines = [re.sub(r"(^|\s+)#.*", "", line) for line in block.text.splitlines()]
        found.append([in_english(line) for line in lines if line.strip()])
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not VOICE.is_dir():
        pytest.skip("needs real speech: apt install festvox-ru")
    folder = tmp_path_factory.mktemp("world") / "pristine"
    folder.mkdir()
    make_world(folder)
    make_programs(folder.parent / "programs")
    return folder


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualMicrophone]:
    with started_virtual_microphone() as microphone, microphone.awake():
        yield microphone


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    if not VOICE.is_dir():
        pytest.skip("needs real speech: apt install festvox-ru")
    with ApacheIndex(archives()) as server:
        yield server.url


@pytest.fixture(scope="module")
def earlier() -> dict[str, Path]:
    return {}


@pytest.mark.parametrize(
    "name", [name for name, path in RUSSIAN.items() if all_commands(path) or blocks(path, "python")]
)
def test_every_command_of_the_page_works(
    name: str,
    world: Path,
    index: str,
    earlier: dict[str, Path],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    written = runnable(RUSSIAN[name])
    for program in ("curl", "ffmpeg"):
        if any(re.match(program, one) for one in written) and not shutil.which(program):
            pytest.skip(f"needs {program}")
    folder = tmp_path / "govor"
    shutil.copytree(world, folder)
    needs_microphone = any(re.search(r"govor (listen|record|devices)", one) for one in written)
    microphone = request.getfixturevalue("virtual") if needs_microphone else None
    with opened(Page(folder, world.parent / "programs", microphone, recordings(), index, earlier)) as page:
        page.run(written)
        if name not in PYTHON_NOT_RUN:
            for block in blocks(RUSSIAN[name], "python"):
                (folder / "program.py").write_text(block.text, encoding="utf-8")
                page.run(["python program.py"])


@pytest.mark.parametrize("name", RUSSIAN)
def test_both_languages_show_the_same_commands_and_programs(name: str) -> None:
    english = pages("en")[name]
    ours, theirs = all_commands(RUSSIAN[name]), all_commands(english)
    assert [in_english(one) for one in ours] == [one.partition("\n")[0] for one in theirs]
    assert programs(RUSSIAN[name]) == programs(english)


def test_both_languages_have_the_same_pages() -> None:
    assert list(RUSSIAN) == list(pages("en"))


@pytest.mark.parametrize("name", RUSSIAN)
def test_what_is_not_run_is_there(name: str) -> None:
    for command in all_commands(RUSSIAN[name]):
        if install := re.match(r"pipx? install (?:-e )?'?([^']+)'?$", command):
            requirement = Requirement(install[1].replace(".", "govor", 1))
            assert requirement.name == "govor"
            assert requirement.extras <= set(EXTRAS), command
        if script := re.search(r"python ((?:benchmarks|recipes)/\S+\.py)(.*)", command):
            text = (ROOT / script[1]).read_text("utf-8")
            for option in re.findall(r"--[a-z-]+", script[2]):
                assert f'"{option}"' in text, command


def test_make_bench_runs_the_script_with_the_options_that_it_is_given() -> None:
    if not shutil.which("make"):
        pytest.skip("needs make")
    command = ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/.dev", "bench"]
    command += ["BENCH=--only decoding hotwords"]
    # Below `make test` this make would be one of its kind, with the options of that.
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True, env=alone)
    last = done.stdout.splitlines()[-1]
    assert last == ".venv/bin/python benchmarks/measure.py --only decoding hotwords"


@pytest.mark.parametrize("pattern", [*NOT_RUN, *START])
def test_no_exception_outlives_its_command(pattern: str) -> None:
    every = [one for path in RUSSIAN.values() for one in all_commands(path)]
    assert any(re.fullmatch(pattern, one) for one in every)


@pytest.mark.parametrize("name", RUSSIAN)
def test_programs_import_what_there_is(name: str) -> None:
    for block in blocks(RUSSIAN[name], "python"):
        compile(block.text, f"{name}:{block.line}", "exec")
        for module, names in re.findall(r"^from (govor[\w.]*) import ([\w, ]+)$", block.text, re.MULTILINE):
            found = importlib.import_module(module)
            for one in names.split(", "):
                assert hasattr(found, one.split(" as ")[0]), f"{module}.{one}"


def test_the_site_is_built_in_both_languages_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    for config, target in (("mkdocs.yml", tmp_path), ("mkdocs.en.yml", tmp_path / "en")):
        done = subprocess.run(
            [*build, "--config-file", str(ROOT / config), "--site-dir", str(target)],
            cwd=ROOT,
            env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARNING" not in done.stderr
    for page in ("tutorial", "cli", "python", "accuracy", "decisions/0001-onnx-graph-by-hand"):
        ours, theirs = ((tmp_path / part / f"{page}.html").read_text("utf-8") for part in ("", "en"))
        assert 'lang="ru"' in ours
        assert 'lang="en"' in theirs
        assert f"/en/{page}.html" in ours
        assert f"/../{page}.html" in theirs
    # A link may lead elsewhere; nothing that is loaded may.
    loaded = re.compile(
        r"""<(?:script|img|iframe)[^>]*\bsrc=["']?(?:https?:)?//|<link[^>]*\bhref=["']?(?:https?:)?//"""
    )
    for path in tmp_path.rglob("*.html"):
        assert not loaded.search(path.read_text("utf-8")), path
    for path in tmp_path.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", path.read_text("utf-8")), path


def test_a_clone_starts_as_the_readme_says(tmp_path: Path) -> None:
    start = [one for one in all_commands(RUSSIAN["README"]) if is_start(one)][:2]
    assert start[1] == "make demo"
    if not (ROOT / ".git").exists() or not shutil.which("make"):
        pytest.skip("needs a git repository and make")
    clone = re.sub("АДРЕС_ЭТОГО_РЕПОЗИТОРИЯ", f"file://{ROOT}", start[0])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script = f"set -e\n{clone}\n{start[1]}\nsource .venv/bin/activate\ngovor transcribe examples/male.wav"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment | {"GOVOR_LANG": "ru"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode and re.search("No matching|Could not find a version|Failed to establish", done.stderr):
        pytest.skip("no package index to install from")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "male.wav" in done.stdout
    assert re.search("[а-яё]+ [а-яё]+", done.stdout.splitlines()[-1])
