"""Run the commands of one page in a folder as a reader would: typing, speaking, pressing Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from documentation import MAKES_A_FILE, READS_ONLY, changed
from documentation_world import Said
from running_record import Session
from virtual_microphone import VirtualMicrophone

ROOT = Path(__file__).resolve().parents[1]
# Of a machine that does much else at the same time.
PATIENCE = 120.0
READY = "говорите"
# Ctrl-C may have been switched off for whoever runs the tests. The process tells its number, so that one
# program of a pipe can be stopped.
GOVOR = """#!/bin/sh
[ -n "$TELL_PID" ] && echo $$ >"$TELL_PID"
exec {python} -c 'import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from govor.cli import main
sys.exit(main())' "$@"
"""
CAT = "#!/bin/sh\nexec cat\n"


class Page:
    """One page that is being run."""

    def __init__(
        self,
        folder: Path,
        programs: Path,
        microphone: VirtualMicrophone | None,
        said: list[Said],
        index: str,
        earlier: dict[str, Path],
    ) -> None:
        """`earlier` is what other pages have run, and the files that they made."""
        self.folder, self.microphone, self.index = folder, microphone, index
        self.said = next(one for one in said if one.seconds > 2)
        # Long enough for any phrase that is proposed.
        self.said_slowly = next(one for one in said if one.seconds > 4)
        self.earlier = earlier
        self.port = 0
        self.server: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._sessions: list[Session] = []
        self.environment = dict(os.environ if microphone is None else microphone.environment)
        self.environment |= {
            "PATH": f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONUTF8": "1",
            "OMP_NUM_THREADS": "1",
            "GOVOR_LANG": "ru",
            "COLUMNS": "100",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, written: list[str]) -> None:
        """Run commands in order; neighbours that listen to the microphone listen together."""
        new = [command for command in written if not self._has_been_run(command)]
        for kind, group in groupby(new, kind_of):
            if kind == "listen":
                listening = list(group)
                self._listen([self._changed(command) for command in listening])
                self._remember(*listening)
                continue
            for command in group:
                # Not asked before the page runs: an earlier command of it may write the same file.
                made = re.fullmatch(MAKES_A_FILE, command)
                if made and command in self.earlier:
                    shutil.copy(self.earlier[command], self.folder / made["file"])
                    continue
                getattr(self, f"_{kind}")(self._changed(command))
                self._remember(command)

    def _has_been_run(self, command: str) -> bool:
        return bool(re.fullmatch(READS_ONLY, command)) and command in self.earlier

    def _remember(self, *commands: str) -> None:
        for command in commands:
            made = re.fullmatch(MAKES_A_FILE, command)
            self.earlier[command] = self.folder / made["file"] if made else self.folder

    def _changed(self, command: str) -> str:
        if kind_of(command) == "serve":
            self.port = _free_port()
        return changed(command, port=self.port, index=self.index, root=shlex.quote(str(ROOT)))

    def _shell(self, command: str) -> str:
        """Run to the end; the exit code must be 0."""
        if assigned := re.fullmatch(r"([A-Z_]+)=(\S+)", command):
            self.environment[assigned[1]] = assigned[2]
            return ""
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail\n{command}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def _start(self, command: str, number: int = 0) -> tuple[subprocess.Popen[bytes], Path]:
        """Start without waiting; what it writes goes to files."""
        stem = self.folder / f".run{number}"
        with stem.with_suffix(".out").open("wb") as out, stem.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(
                ["bash", "-c", f"set -o pipefail\n{command}"],
                cwd=self.folder,
                env=self.environment | {"TELL_PID": str(stem.with_suffix(".pid"))},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self._started.append(process)
        return process, stem

    def close(self) -> None:
        """End what still runs, with all that it has started."""
        for process in self._started:
            # Only while it is ours: the number of a process that has ended may be another's by now.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for session in self._sessions:
            session.process.kill()
            session.process.wait()

    def _listen(self, listening: list[str]) -> None:
        """Start them all, say one recording, press Ctrl-C; those that take any phrase must have heard it."""
        assert self.microphone is not None
        running = [self._start(command, number) for number, command in enumerate(listening)]
        try:
            for process, stem in running:
                _wait(
                    lambda p=process, s=stem: (
                        READY in _text(s, "err") + _text(s, "out") or p.poll() is not None
                    )
                )
                assert process.poll() is None, (_text(stem, "out"), _text(stem, "err"))
            expecting = [
                stem
                for (_, stem), command in zip(running, listening, strict=True)
                if "--phrases" not in command
            ]
            for _ in range(3):
                self.microphone.play(self.said.path)
                with contextlib.suppress(AssertionError):
                    _wait(lambda: all(_heard(stem) for stem in expecting), 15)
                    break
            for stem in expecting:
                assert _heard(stem), (_text(stem, "out"), _text(stem, "err"))
        finally:
            for process, stem in running:
                _interrupt(process, stem)
            codes = [process.wait(PATIENCE) for process, _ in running]
        assert codes == [0] * len(codes), [
            (_text(stem, "err"), code) for (_, stem), code in zip(running, codes, strict=True)
        ]

    def _record(self, command: str) -> None:
        """Record a phrase with the keys that the page tells of, and quit."""
        assert self.microphone is not None
        session = Session(self.environment, *shlex.split(command)[2:], folder=self.folder, terminal=True)
        self._sessions.append(session)
        session.wait_for("начать")
        session.press("\r")
        session.wait_for("говорите")
        self.microphone.play(self.said_slowly.path)
        session.wait_for("сохранить")
        session.press("\r")
        session.wait_for("начать")
        session.press("q")
        assert session.finish() == 0, session.shown

    def _serve(self, command: str) -> None:
        """Start the server, and stop the one before; it answers before the next command is run."""
        self.stop_server()
        self.server, stem = self._start(command, 90)
        address = f"http://127.0.0.1:{self.port}/health"

        def answers() -> bool:
            assert self.server is not None and self.server.poll() is None, _text(stem, "err")
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(address, timeout=5).status == 200
            return False

        _wait(answers)

    def stop_server(self) -> None:
        """End the server as Ctrl-C does."""
        if self.server is not None:
            _interrupt(self.server, self.folder / ".run90")
            assert self.server.wait(PATIENCE) == 0, _text(self.folder / ".run90", "err")
            self.server = None

    def _watch(self, command: str) -> None:
        """Put a recording into the watched folder, wait for its text, press Ctrl-C."""
        process, stem = self._start(command, 91)
        watched = self.folder / re.search(r"--watch (\S+)", command)[1]  # type: ignore[index]
        output = re.search(r"--output-dir (\S+)", command)
        shutil.copy(self.said.path, watched / "new.part")
        (watched / "new.part").rename(watched / "new.wav")

        def recognised() -> bool:
            assert process.poll() is None, _text(stem, "err")
            if output is None:
                return "new.wav" in _text(stem, "out")
            return (self.folder / output[1] / "new.txt").exists()

        _wait(recognised)
        _interrupt(process, stem)
        assert process.wait(PATIENCE) == 0, _text(stem, "err")


def kind_of(command: str) -> str:
    """Return which method of `Page` runs a command."""
    bare = re.sub(r"^([A-Z_]+=\S+ )+", "", command)
    for start, kind in (
        ("govor listen", "listen"),
        ("govor record", "record"),
        ("govor serve", "serve"),
        ("govor transcribe --watch", "watch"),
    ):
        if bare.startswith(start):
            return kind
    return "shell"


@contextlib.contextmanager
def opened(page: Page) -> Iterator[Page]:
    """Leave nothing running behind."""
    try:
        yield page
        page.stop_server()
    finally:
        page.close()


def make_programs(folder: Path) -> Path:
    """Write `govor`, `python` and the readers' own programs that the pages name."""
    folder.mkdir()
    for name, text in {
        "govor": GOVOR.format(python=shlex.quote(sys.executable)),
        "python": f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n',
        **dict.fromkeys(("обработка", "processing", "моя-программа", "my-program"), CAT),
    }.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    return folder


def _heard(stem: Path) -> bool:
    """Tell whether something was finally heard, in whatever form it is written."""
    text = _text(stem, "out").replace(READY, "")
    if '"event"' in text:
        return '"event": "final"' in text
    return bool(re.search("[а-яё]{2}", text))


def _text(stem: Path, kind: str) -> str:
    path = stem.with_suffix(f".{kind}")
    return path.read_text("utf-8", "replace") if path.exists() else ""


def _interrupt(process: subprocess.Popen[bytes], stem: Path) -> None:
    """Press Ctrl-C for `govor` alone; the shell that waits for it shows that the number is still its own."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(_text(stem, "pid")), signal.SIGINT)


def _wait(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
