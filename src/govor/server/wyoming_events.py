"""Wyoming's events on the wire: a line of JSON, then data and sound.

They are read here rather than by the wyoming package, which believes any length it is told.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from wyoming.event import Event

from govor.errors import GovorError
from govor.language import tr

MAX_HEADER = 64 * 1024
_MAX_DATA = 256 * 1024
_MAX_PAYLOAD = 1024 * 1024


class ProtocolError(GovorError):
    """The client does not speak Wyoming."""


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """Read one event; None at the end. Raises ProtocolError for what is no event or too large."""
    try:
        line = await reader.readline()
    except ValueError as error:
        raise ProtocolError(tr("строка заголовка слишком длинна", "the header line is too long")) from error
    if not line:
        return None
    try:
        header = json.loads(line)
        kind = header["type"]
        sizes = [header.get(name) or 0 for name in ("data_length", "payload_length")]
        data = header.get("data") or {}
        if not isinstance(kind, str) or not isinstance(data, dict):
            raise TypeError
        _check_size(sizes[0], _MAX_DATA)
        _check_size(sizes[1], _MAX_PAYLOAD)
        if sizes[0]:
            data = {**data, **json.loads(await reader.readexactly(sizes[0]))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(tr("это не событие Wyoming", "this is no Wyoming event")) from error
    payload = await reader.readexactly(sizes[1]) if sizes[1] else None
    return Event(kind, data, payload)


def _check_size(size: Any, limit: int) -> None:
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= limit:
        raise ProtocolError(tr(f"длина {size}: до {limit}", f"length {size}: up to {limit}"))


async def write_event(writer: asyncio.StreamWriter, event: Event) -> None:
    """Send one event. Raises asyncio.TimeoutError if the client does not read."""
    data = json.dumps(event.data or {}, ensure_ascii=False).encode()
    header = {"type": event.type, "version": "1.5.3", "data_length": len(data)}
    writer.write(json.dumps(header).encode() + b"\n" + data)
    await asyncio.wait_for(writer.drain(), 30)
