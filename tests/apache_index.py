"""A local web server that lists and serves files as Apache does, and misbehaves on request."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

MODIFIED = "Sat, 05 May 2012 12:00:00 GMT"


@dataclass(frozen=True)
class Fault:
    """One spoiled answer to a GET."""

    kind: str
    """status, drop (an honest header, then the line breaks), short (the same, but closed politely), slow,
    claims_less (Content-Length below the truth), redirect, deaf (ignores Range), blind (a range of the new
    file in spite of If-Range), no_range_total, html (a page instead of the file)."""
    value: int = 0
    """The status code; bytes sent before the end; bytes left out of the length."""
    header: tuple[str, str] | None = None
    location: str = ""
    seconds: float = 0.0


class ApacheIndex:
    """``with ApacheIndex({"a.tgz": data}) as server: server.url``; a request uses up one of `faults`."""

    def __init__(
        self, files: dict[str, bytes], style: str = "apache", validators: bool = True, delay: float = 0.0
    ) -> None:
        self.files, self.style, self.validators, self.delay = dict(files), style, validators, delay
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.requests: list[tuple[str, str, str]] = []
        """Method, name and Range header of every request."""
        self.times: list[float] = []
        self.busy = self.most_busy = 0
        self.lock = threading.Lock()

    def __enter__(self) -> ApacheIndex:
        owner = self

        class Handler(_Handler):
            index = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.host}/downloads/Russian/Trunk/Audio/Main/16kHz_16bit/"

    def gets(self, name: str) -> list[str]:
        """Return the Range headers of the GETs of a file, "" where it had none."""
        return [value for method, asked, value in self.requests if method == "GET" and asked == name]

    def page(self) -> str:
        lines = []
        for name, data in sorted(self.files.items()):
            size = {"apache": _rounded(len(data)), "nginx": str(len(data)), "bare": ""}[self.style]
            # Apache cuts what it shows of long names, not the link.
            shown = name if len(name) < 23 else name[:20] + "..&gt;"
            date = "" if self.style == "bare" else "2012-05-05 12:00  "
            lines.append(f'<img alt="[ ]"> <a href="{quote(name)}">{shown}</a> {date}{size}  ')
        head = '<a href="?C=N;O=D">Name</a> <hr><a href="/up/">Parent Directory</a> - '
        return f"<html><body><h1>Index of /16kHz_16bit</h1><pre>{head}\n" + "\n".join(lines) + "</pre></html>"


def _rounded(size: int) -> str:
    for unit in ("", "K", "M", "G"):
        if size < 1024:
            return f"{size:.1f}{unit}" if unit and size < 10 else f"{size:.0f}{unit}"
        size = size / 1024  # type: ignore[assignment]
    raise ValueError(size)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    index: ApacheIndex

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        with self.index.lock:
            self.index.busy += 1
            self.index.most_busy = max(self.index.most_busy, self.index.busy)
        try:
            self._answer(body=True)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.index.lock:
                self.index.busy -= 1

    def _answer(self, body: bool) -> None:
        name = unquote(self.path.rsplit("/", 1)[-1])
        with self.index.lock:
            self.index.requests.append((self.command, name, self.headers.get("Range", "")))
            self.index.times.append(time.monotonic())
            faults = self.index.faults.get(name)
            fault = faults.popleft() if faults and body else Fault("")
        if fault.kind == "status":
            self._send(fault.value, b"<html>sorry</html>", [fault.header] if fault.header else [])
        elif fault.kind == "redirect":
            self._send(302, b"", [("Location", fault.location)])
        elif fault.kind == "html":
            self._send(200, b"<html>log in to the network first</html>" * 50)
        elif not name:
            self._send(200, self.index.page().encode(), [("Content-Type", "text/html;charset=UTF-8")])
        elif name not in self.index.files:
            self._send(404, b"not found")
        else:
            self._file(self.index.files[name], fault, body)

    def _file(self, data: bytes, fault: Fault, body: bool) -> None:
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        headers = [("Accept-Ranges", "bytes"), ("Content-Type", "application/x-gzip")]
        if self.index.validators:
            headers += [("ETag", tag), ("Last-Modified", MODIFIED)]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        unchanged = self.headers.get("If-Range", tag) in (tag, MODIFIED) or fault.kind == "blind"
        status, start = 200, 0
        if asked and unchanged and fault.kind != "deaf":
            start = int(asked[1])
            if start >= len(data):
                self._send(416, b"", [("Content-Range", f"bytes */{len(data)}")])
                return
            status = 206
            total = "*" if fault.kind == "no_range_total" else str(len(data))
            headers.append(("Content-Range", f"bytes {start}-{len(data) - 1}/{total}"))
        rest = data[start:]
        length = len(rest) - (fault.value if fault.kind == "claims_less" else 0)
        self._head(status, length, headers)
        if not body:
            return
        if fault.kind in ("drop", "short"):
            self.wfile.write(rest[: fault.value])
            self.wfile.flush()
            self.close_connection = True
            if fault.kind == "drop":
                # Zero linger: the client sees a reset, as when a line breaks.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()
        elif fault.kind == "slow":
            for position in range(0, len(rest), max(fault.value, 1)):
                self.wfile.write(rest[position : position + max(fault.value, 1)])
                time.sleep(fault.seconds)
        elif self.index.delay:
            step = max(len(rest) // 8, 1)
            for position in range(0, len(rest), step):
                self.wfile.write(rest[position : position + step])
                time.sleep(self.index.delay / 8)
        else:
            self.wfile.write(rest[:length])

    def _send(self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None) -> None:
        self._head(status, len(body), headers or [])
        if self.command == "GET":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
