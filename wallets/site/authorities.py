"""Under which names institutions may ask this server: what a signed call names as its host (`cbdc.http.signed_calls`).

A name is a host with the server's port, or without one where it is the protocol's own (80, with TLS 443). The server
answers to the host that it listens on; on every address (`0.0.0.0`, `::`) to those of this computer. A server behind a
proxy is asked under a name that it cannot know: `tenge serve --authority cbdc.example` says it.
"""

import ipaddress
import re
from collections.abc import Iterable

from cbdc.errors import Refused
from wallets.site.tls import addresses_of_this_computer
from wallets.web.app import LOCAL_NAMES
from wallets.web.server import is_loopback, is_wildcard

_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)


def checked(names: Iterable[str]) -> tuple[str, ...]:
    """Names that an operator gave, in lower case; E_SERVE_AUTHORITY for one that is no host with or without a port."""
    lower = tuple(name.lower() for name in names)
    for name in lower:
        if not _NAME.fullmatch(name):
            raise Refused("E_SERVE_AUTHORITY", authority=name[:120])
    return lower


def authorities_of(host: str, port: int, tls: bool, more: Iterable[str] = ()) -> frozenset[str]:
    """The authorities of a server that listens on `host` and `port`, and `more` that it was told."""
    hosts = {host.lower()}
    if is_wildcard(host) or is_loopback(host):
        hosts |= LOCAL_NAMES
    if is_wildcard(host):
        hosts |= {str(one) for one in addresses_of_this_computer()}
    plain = {_bracketed(one) for one in hosts}
    names = {f"{one}:{port}" for one in plain}
    if port == (443 if tls else 80):
        names |= plain
    return frozenset(names) | frozenset(checked(more))


def _bracketed(host: str) -> str:
    try:
        six = ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).version == 6
    except ValueError:
        return host
    return f"[{host.strip('[]')}]" if six else host
