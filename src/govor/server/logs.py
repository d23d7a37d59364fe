"""The log: a JSON object a line on standard error. Texts appear only where asked for, sound never."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

LOGGER = logging.getLogger("govor.server")


class JsonLines(logging.Formatter):
    """Format a record as one line of JSON: time, level, event, and the fields given to `log_event`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        row: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        row.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            row["exception"] = self.formatException(record.exc_info)
        return json.dumps(row, ensure_ascii=False, default=str)


def log_event(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line to the log."""
    LOGGER.log(level, event, extra={"fields": fields})


def write_to_stderr() -> None:
    """Send our log, and what goes wrong below us, to standard error, a JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    # What a form's parser does not like is told to its client.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    for name, level in (
        ("govor.server", logging.INFO),
        ("uvicorn", logging.WARNING),
        ("asyncio", logging.WARNING),
    ):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
