"""Where a delivery may go: addresses of this computer or of a private network, and nothing that lives beside them.

A server that posts to addresses which strangers name can be used to reach what only the server can reach. So:

- only `http` and `https`, without a name and password in it, and with a host;
- the host's address must be loopback or private (public ones only where that is asked for), and never link-local,
  multicast, unspecified or reserved: clouds answer secrets at link-local addresses. Names of this computer's metadata
  services are refused by name as well;
- a host name is looked up once, **every** address it has must be allowed, and the connection goes to the very address
  that was judged, so a name that changes its mind in between gains nothing.
"""

import ipaddress
import re
import socket
import urllib.parse
from collections.abc import Callable
from typing import NamedTuple

from cbdc.errors import Malformed, Refused

Resolve = Callable[[str, int], list[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+))*", re.ASCII)
_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


class Target(NamedTuple):
    """A judged URL in parts: `host` as it is written in the header Host, without the port; `path` with its query."""

    secure: bool
    host: str
    port: int
    path: str


def parse(url: str, public: bool = False) -> Target:
    """The URL's parts, judged as far as possible without looking up a name; E_HOOK_URL."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        raise _wrong(url, "it is no URL") from None
    if parts.scheme not in ("http", "https") or not url.isascii() or not url.isprintable() or " " in url:
        raise _wrong(url, "it must begin with http:// or https://")
    host = (parts.hostname or "").rstrip(".")
    if not host or "@" in parts.netloc or parts.fragment or "\\" in url:
        raise _wrong(url, "it needs a plain host, without a user's name and without a fragment")
    if host in _NAMES:
        raise _wrong(url, "this host is a metadata service")
    literal = _literal(host)
    if literal is not None and (problem := judge(literal, public)):
        raise _wrong(url, problem)
    if literal is None and _NUMBERS.fullmatch(host):
        raise _wrong(url, "numbers are written as addresses, in four parts")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(secure, host, port if port is not None else (443 if secure else 80), path)


def resolve(target: Target, public: bool = False, lookup: Resolve | None = None) -> str:
    """The address to connect to; E_HOOK_URL when the name has none, or any that is not allowed."""
    literal = _literal(target.host)
    if literal is not None:
        return str(literal)
    try:
        found = (lookup or _lookup)(target.host, target.port)
    except OSError:
        found = []
    if not found:
        raise _refused(target.host, "the name has no address")
    for text in found:
        address = _literal(text)
        problem = "the name has a strange address" if address is None else judge(address, public)
        if problem:
            raise _refused(target.host, problem)
    return found[0]


def judge(address: Address, public: bool = False) -> str:
    """What is wrong with an address; empty when a delivery may go there."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped is not None:
        return judge(mapped, public)
    if address in _METADATA:
        return "this address is a metadata service"
    if any(address in network for network in _PRIVATE if network.version == address.version):
        return ""
    if not public:
        return "only addresses of this computer or of a private network are allowed"
    return "" if address.is_global and not address.is_multicast else "this address is not for deliveries"


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _lookup(host: str, port: int) -> list[str]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def _wrong(url: str, problem: str) -> Malformed:
    return Malformed("E_HOOK_URL", url=url[:120], problem=problem)


def _refused(url: str, problem: str) -> Refused:
    return Refused("E_HOOK_HOST", host=url[:120], problem=problem)
