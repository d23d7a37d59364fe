"""What browsers ask before pages of other origins, those of ``--origin``, may use the server: CORS.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Mapping

_METHODS = "GET, POST, PUT, DELETE"
_PREFLIGHT_SECONDS = 600


def sharing_headers(origin: str) -> dict[str, str]:
    """Return what lets pages of `origin` read an answer."""
    return {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": "retry-after",
        "vary": "origin",
    }


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a browser only asks what it may send; it shows no token yet."""
    return method == "OPTIONS" and "access-control-request-method" in headers


def preflight_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what such a question is answered with: clients add headers of their own, and all are allowed."""
    return {
        "access-control-allow-methods": _METHODS,
        "access-control-allow-headers": headers.get("access-control-request-headers", ""),
        "access-control-max-age": str(_PREFLIGHT_SECONDS),
        "content-length": "0",
    }
