"""Commands and programs out of the documentation, and how each kind of command is run here.

A page is run from its first command to its last in a folder of its own, as a reader would: what an earlier
command makes, a later one uses. Everything is run as it stands but for the `CHANGES` and `NOT_RUN` below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
READMES = {"ru": ROOT / "README.md", "en": ROOT / "README.en.md"}

# Commands, without comments, that are not run, each with the reason.
NOT_RUN = {
    r"git clone --depth 1 https://\S+": "the network; a small folder of the same layout takes its place",
    r"sudo apt install .*": "changes the machine; .ci/run installs these packages",
    r"docker build .*": "needs a Docker daemon and a base image; test_deploy reads the Dockerfile",
    r"docker run .*": "needs a Docker daemon",
    r"GOVOR_TOKEN=\S+ docker compose .*": "needs a Docker daemon; test_deploy runs nginx with its file",
    r"govor transcribe \S+ --output-dir \S+ --ray .*": "needs a Ray cluster; test_batch runs --ray local",
    r"torchrun --nnodes 2 .*": "needs two machines; test_ranks kills and restarts ranks on one",
    r"python (benchmarks/(phrases|recognition|training)|recipes/(confidence|finish_model))\.py.*": "a "
    "corpus, or a bar of speed that a busy machine misses; that the script knows its options is checked",
}
# What is run once for all pages: the start from a clone, by a test of its own.
START = (r"git clone (АДРЕС_ЭТОГО_РЕПОЗИТОРИЯ|ADDRESS_OF_THIS_REPOSITORY) govor && cd govor", r"make demo")
START += (
    r"python3 -m venv \.venv",
    r"source \.venv/bin/activate",
    r"pipx? install .*",
    r"govor --install-completion",
)
# Regular expression, replacement: what must be smaller or nearer here.
CHANGES = (
    # A network of a thousand weights and one epoch instead of hours; it cannot begin with the shipped one,
    # which test_shipped_models and test_training look after.
    (r"--config small --init small\b", "--config tiny.toml"),
    (r"--config small\b", "--config tiny.toml"),
    (r"govor train --train", "govor train --config tiny.toml --train"),
    (
        r'preset = "small"',
        "conv_channels = 8\nconv_kernel = 3\nhidden_size = 8\nnum_layers = 1\n"
        "[training]\nepochs = 1\nbfloat16 = false",
    ),
    (r"(govor adapt .*)", r"\1 --epochs 1"),
    # VoxForge's server, imitated on this machine.
    (r"(govor download voxforge-ru .*)", r"\1 --url {index}"),
    # The only microphone of this machine.
    (r"--device USB", "--device default"),
    # Ports that are free here.
    (r"127\.0\.0\.1:8000", "127.0.0.1:{port}"),
    (r"govor serve\b", "govor serve --port {port}"),
    (r"--wyoming 10300", "--wyoming 0"),
    # What `make bench` runs (test_make_bench_…), on a few recordings and without touching the pages.
    (
        r'make bench BENCH="(.*)"',
        r"python {root}/benchmarks/measure.py \1 --data data/features --measured new"
        r" && test -s new/decoding.json -a -s new/hotwords.json",
    ),
    (r"--vosk 2700", "--vosk 0"),
    (r"(python benchmarks/foreign\.py)$", r"\1 --every 200"),
    (r"(python benchmarks/foreign\.py) --every 16", r"\1 --every 200"),
    (r"(python benchmarks/sound_quality\.py .*)", r"\1 --num 2 --only recorded"),
    (r"(python benchmarks/training_memory\.py)", r"\1 --counts 100 200"),
    (r"python benchmarks/", "python {root}/benchmarks/"),
)
# Names of files in the Russian pages, and what they are called in the English ones.
NAMES = {
    "речь": "speech",
    "запись": "recording",
    "записи": "recordings",
    "тексты": "texts",
    "входящие": "incoming",
    "обработка": "processing",
    "интервью": "interview",
    "звонок": "call",
    "звонки": "calls",
    "лекция": "lecture",
    "лекции": "lectures",
    "субтитры": "subtitles",
    "письма": "letters",
    "глава": "chapter",
    "команда": "command",
    "команды": "commands",
    "проверка": "test",
    "отчёт": "report",
    "папка": "folder",
    "начальник": "head",
    "первая": "first",
    "моя-программа": "my-program",
    "АДРЕС_ЭТОГО_РЕПОЗИТОРИЯ": "ADDRESS_OF_THIS_REPOSITORY",
}


# Commands that read the examples only and leave nothing behind; run once for all pages.
READS_ONLY = (
    r"govor (transcribe|evaluate|align|listen|devices)( examples/\S+| --(format|decoder|hotwords) \S+)*"
)
# What one page has made is laid into the folders of others that make it by the same command.
MAKES_A_FILE = r"govor (adapt|train|export|lm build) .*--output (?P<file>\S+\.\w+)"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str
    line: int


def pages(language: str) -> dict[str, Path]:
    """Return the pages of a language by name; the README is one of them."""
    found = {path.stem: path for path in sorted((DOCS / language).glob("*.md"))}
    return {"README": READMES[language], **found}


def blocks(path: Path, kind: str) -> list[Block]:
    """Return the blocks of a page that are fenced as this kind."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(kind, match[1], text[: match.start()].count("\n") + 2)
        for match in re.finditer(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


def commands(text: str) -> list[str]:
    """Cut a block into commands: a line each, or more with a backslash at its end or a here-document."""
    found: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        while line.endswith("\\"):
            line = f"{line[:-1].rstrip()} {next(lines).lstrip()}"
        if here := re.search(r"<<'(\w+)'", line):
            while True:
                more = next(lines)
                line += f"\n{more}"
                if more == here[1]:
                    break
        else:
            line = bare(line)
        found.append(line)
    return found


def bare(command: str) -> str:
    """Drop the comment at the end."""
    return re.sub(r"\s+#.*", "", command).strip()


def in_english(command: str) -> str:
    """Return a command of a Russian page as the English one has it, its first line of a here-document."""
    first = command.partition("\n")[0]
    return re.sub(r"[а-яёА-ЯЁ][\w-]*", lambda word: NAMES.get(word[0], word[0]), first)


def reason_not_to_run(command: str) -> str:
    """Return why a command is not run, or ""."""
    return next((why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, command)), "")


def is_start(command: str) -> bool:
    """Tell whether the command belongs to installing, which is run once."""
    return any(re.fullmatch(pattern, command) for pattern in START)


def changed(command: str, **values: object) -> str:
    """Return the command as it is run here."""
    for pattern, replacement in CHANGES:
        command = re.sub(pattern, replacement, command)
    for name, value in values.items():
        command = command.replace(f"{{{name}}}", str(value))
    return command
