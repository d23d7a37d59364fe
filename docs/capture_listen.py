"""Film a real terminal in which `govor listen` hears a virtual microphone: docs/images/listen.gif.

    python docs/capture_listen.py

Needs tmux, chromium, pulseaudio, pulseaudio-utils, libasound2-plugins, libportaudio2 and, for a second voice,
festvox-ru. Nothing is staged: the terminal's own content is taken eight times a second.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from virtual_microphone import VirtualMicrophone, started_virtual_microphone

COLUMNS, LINES = 72, 8
EVERY = 0.125
SOCKET = "govor-capture"
VOICE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits/wav")
PAGE = """<body style="margin:0;background:#0c0c0c"><pre style="margin:0;padding:18px 22px;font:17px/1.45
'DejaVu Sans Mono',monospace;color:#d9d9d9;display:inline-block;width:{width}ch;height:{height}em">{code}</pre></body>"""


def main() -> None:
    """Film, draw the frames, write the GIF."""
    sounds = [ROOT / "examples" / "male.wav", *(VOICE / f"ru_{number}.wav" for number in ("0054", "0045"))]
    with started_virtual_microphone() as microphone, microphone.awake():
        frames = film(microphone, [path for path in sounds if path.exists()])
    write_gif(frames, ROOT / "docs" / "images" / "listen.gif")


def film(microphone: VirtualMicrophone, sounds: list[Path]) -> list[tuple[str, float]]:
    """Return what the terminal showed and for how many seconds."""
    environment = microphone.environment | {"GOVOR_LANG": "ru", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}
    environment["PYTHONPATH"] = str(ROOT / "src")
    settings = " ".join(f"{name}={shlex.quote(environment[name])}" for name in sorted(environment) if "PULSE" in name
                        or name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "GOVOR_LANG", "PYTHONPATH", "PYTHONUTF8", "LC_ALL"))  # fmt: skip
    command = f"{settings} {shlex.quote(sys.executable)} -m govor listen; sleep 60"
    size = ["-x", str(COLUMNS), "-y", str(LINES)]
    tmux("new-session", "-d", "-s", "film", *size, "sh", "-c", f"printf '$ govor listen\\n'; {command}")
    frames: list[tuple[str, float]] = []

    def watch(until: float, done: subprocess.Popen[bytes] | None = None) -> None:
        while time.monotonic() < until and (done is None or done.poll() is None):
            began = time.monotonic()
            shown = tmux("capture-pane", "-e", "-p", "-t", "film")
            if frames and frames[-1][0] == shown:
                frames[-1] = (shown, frames[-1][1] + EVERY)
            else:
                frames.append((shown, EVERY))
            time.sleep(max(0.0, EVERY - (time.monotonic() - began)))

    try:
        while "говорите" not in tmux("capture-pane", "-p", "-t", "film"):
            time.sleep(0.2)
        watch(time.monotonic() + 0.7)
        for path in sounds:
            playing = subprocess.Popen(["paplay", "--device=virtmic", str(path)], env=microphone.environment)
            watch(time.monotonic() + 30, playing)
            watch(time.monotonic() + 1.6)
        tmux("send-keys", "-t", "film", "C-c")
        watch(time.monotonic() + 1.5)
    finally:
        tmux("kill-server")
    return frames


def tmux(*command: str) -> str:
    """Give tmux a command on a server of our own."""
    done = subprocess.run(
        ["tmux", "-L", SOCKET, "-u", *command], capture_output=True, encoding="utf-8", check=False
    )
    return done.stdout


def write_gif(frames: list[tuple[str, float]], target: Path) -> None:
    """Draw the frames as a browser draws them."""
    pictures = []
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        for shown, _ in frames:
            console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
            console.print(Text.from_ansi(re.sub(r"\n+$", "", shown)), soft_wrap=True, end="")
            code = console.export_html(theme=MONOKAI, inline_styles=True, code_format="{code}")
            page.set_content(PAGE.format(width=COLUMNS, height=LINES * 1.45, code=code))
            pictures.append(Image.open(io.BytesIO(page.locator("pre").screenshot())).convert("RGB"))
        browser.close()
    # One palette for all frames, so that only what changes is stored.
    palette = pictures[-2].quantize(48)
    drawn = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    lengths = [round(seconds * 1000) for _, seconds in frames]
    lengths[-1] += 3000
    drawn[0].save(target, save_all=True, append_images=drawn[1:], duration=lengths, loop=0, optimize=True)
    print(f"{target}: {len(drawn)} frames, {sum(lengths) / 1000:.1f} s, {target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
