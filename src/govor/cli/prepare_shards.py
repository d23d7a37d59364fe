"""``govor prepare shards``: manifests become tar files that a training reads as a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import ExitCode, Terminal, require
from govor.cli.options import Quiet, example
from govor.errors import ConfigError
from govor.language import tr
from govor.manifest import nothing_usable

HELP = example(
    "Сложить признаки и тексты в tar-файлы, которые обучение читает потоком: корпус любого размера.",
    "Put features and texts into tar files that a training reads as a stream: a corpus of any size.",
    "govor prepare shards data/train.jsonl --output shards",
    "govor train --train shards --dev data/dev.jsonl --output runs/my",
)


def shards(
    manifests: Annotated[
        list[Path], typer.Argument(help=tr("Манифесты; смешиваются.", "Manifests; they are mixed."))
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help=tr("Папка шардов.", "Folder of shards."))],
    config: Annotated[
        str,
        typer.Option(
            help=tr(
                "Чьи признаки считать: small, seed или файл TOML.",
                "Whose features to compute: small, seed or a TOML file.",
            )
        ),
    ] = "small",
    shard_hours: Annotated[
        float, typer.Option(min=0.001, help=tr("Часов речи в шарде.", "Hours of speech in a shard."))
    ] = 0.5,
    part: Annotated[
        str,
        typer.Option(
            metavar="I/N",
            help=tr("Эта машина пишет I-ю из N долей.", "This machine writes slice I of N."),
        ),
    ] = "1/1",
    seed: Annotated[int, typer.Option(help=tr("Зерно порядка фраз.", "Seed of the order."))] = 1,
    quiet: Quiet = False,
) -> int:
    """Write shards."""
    require("train", "webdataset")
    from govor.config import PRESETS, load_config
    from govor.dataset.shards import write_shards
    from govor.text.alphabet import Alphabet

    terminal = Terminal(quiet)
    settings = PRESETS[config] if config in PRESETS else load_config(Path(config))
    features = settings.features
    with terminal.progress(tr("шарды", "shards")) as update:
        written = write_shards(
            manifests,
            output,
            features,
            Alphabet.of(settings.letters),
            shard_hours=shard_hours,
            seed=seed,
            slice_number=_slice(part)[0],
            num_slices=_slice(part)[1],
            on_progress=update,
        )
    shown = 20
    for skip in written.skipped[:shown]:
        terminal.warn(f"{skip.id}: {skip.reason}")
    if len(written.skipped) > shown:
        more = len(written.skipped) - shown
        terminal.warn(tr(f"и ещё {more}", f"and {more} more"))
    count = sum(shard.num_utterances for shard in written.shards)
    hours = sum(shard.num_frames for shard in written.shards) * features.frame_shift / 3600
    terminal.say(
        tr(
            f"{output}: шардов {len(written.shards)}, фраз {count}, часов {hours:.2f}; "
            f"пропущено {len(written.skipped)}",
            f"{output}: {len(written.shards)} shards, {count} utterances, {hours:.2f} h; "
            f"left out {len(written.skipped)}",
        )
    )
    if not written.shards:
        terminal.fail(str(nothing_usable(", ".join(map(str, manifests)))))
    return ExitCode.SOME_FAILED if written.skipped or not written.shards else ExitCode.FINE


def _slice(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ConfigError(
            tr(
                f"--part {text}: нужно I/N, например 1/8 на первой из восьми машин",
                f"--part {text}: needs I/N, such as 1/8 on the first of eight machines",
            )
        )
    return int(number), int(count)
