"""Where VoxForge-ru can be had: an index of ``.tgz`` files, or one archive of everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RATES = {"16kHz_16bit": "Main", "8kHz_16bit": "Main", "48kHz_16bit": "Original"}
"""The repository's folders of recordings, and the folder each lies in."""
CLASSIC_HOST = "www.repository.voxforge1.org"


@dataclass(frozen=True)
class Source:
    """One place to fetch the corpus from."""

    kind: Literal["index", "archive"]
    location: str
    """The address of the index page; the address or path of the archive."""
    sha256: str = ""
    """Of the archive, in hex; "" leaves it unchecked."""
    rate: str = ""
    """The folder of `RATES` that it holds, if known."""

    @property
    def is_remote(self) -> bool:
        """Tell whether it has to be fetched."""
        return self.location.startswith(("http://", "https://"))


def classic_source(host: str = CLASSIC_HOST, rate: str = "16kHz_16bit") -> Source:
    """Return the classic repository; `host` may carry ``https://`` and a port, `rate` is of `RATES`."""
    base = host if "://" in host else f"http://{host}"
    path = f"downloads/Russian/Trunk/Audio/{RATES[rate]}/{rate}/"
    return Source("index", f"{base.rstrip('/')}/{path}", rate=rate)


def mirror_source(url: str, rate: str = "") -> Source:
    """Return an index page of ``NAME.tgz`` files at any address."""
    # Relative links count from the folder, so the slash matters.
    return Source("index", url if url.endswith((".html", "/")) else url + "/", rate=rate)


def archive_source(location: str, sha256: str = "") -> Source:
    """Return one ``.tar.gz`` with all submissions, by address or path."""
    return Source("archive", location, sha256=sha256)
