from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from running_server import MALE


def test_recognition_leaves_nothing_in_the_home_and_the_temporary_folder(tmp_path: Path) -> None:
    # onnxruntime's telemetry would write the machine's number and what is to be reported.
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "LOCALAPPDATA"), str(tmp_path))
    subprocess.run(
        [sys.executable, "-m", "govor", "transcribe", str(MALE)],
        env=environment | places,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()] == []
