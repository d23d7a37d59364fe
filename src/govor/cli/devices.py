"""``govor devices``: the microphones."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from govor.cli.console import Terminal
from govor.cli.options import example
from govor.errors import DeviceError
from govor.language import tr

HELP = example(
    "Перечислить микрофоны; номер или часть имени годится для --device.",
    "List the microphones; the number or a part of the name serves as --device.",
    "govor devices",
)


def devices() -> None:
    """List the microphones."""
    from govor.audio.microphone import list_devices

    found = list_devices()
    if not found:
        raise DeviceError(
            tr(
                "не найдено ни одного микрофона; подключите его и разрешите к нему доступ",
                "no microphone was found; connect one and permit access to it",
            )
        )
    table = Table(box=None, pad_edge=False)
    table.add_column(tr("№", "#"), justify="right")
    for heading in (tr("микрофон", "microphone"), tr("система", "system")):
        table.add_column(heading, overflow="fold")
    for heading in (tr("каналов", "channels"), tr("Гц", "Hz")):
        table.add_column(heading, justify="right")
    table.add_column("")
    for device in found:
        table.add_row(
            str(device.index),
            escape(device.name),
            escape(device.system),
            str(device.input_channels),
            str(device.sample_rate),
            tr("по умолчанию", "default") if device.is_default else "",
        )
    Terminal().results.print(table)
