"""Network addresses: which mean this machine, which lie in a network, which are one client."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

_Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"


def _parsed(address: str) -> _Address | None:
    """Return the address without zone and brackets, an IPv4 one also where IPv6 wraps it; None for a name."""
    try:
        found = ipaddress.ip_address(address.split("%")[0].strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine alone."""
    found = _parsed(host)
    return host == "localhost" or (found is not None and found.is_loopback)


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Tell whether an address lies in one of the networks, such as ``192.168.1.0/24``."""
    found = _parsed(address)
    return found is not None and any(found in ipaddress.ip_network(net, strict=False) for net in networks)


def client_key(address: str | None) -> str:
    """Return what counts as one client: an IPv4 address or an IPv6 network of 64 bits."""
    if not address:
        return "local"
    found = _parsed(address)
    if found is None:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
