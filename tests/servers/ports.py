"""Ports for servers that are started a while after their port was chosen, and started again on it.

A port is drawn below those that the system hands out by itself, so nobody gets it by chance meanwhile. It is claimed
for this process by a UDP socket of the same number, so no other process of tests on this machine is given it, whichever
run it belongs to.
"""

import contextlib
import itertools
import os
import socket
from pathlib import Path

FIRST = 20_000
_OWN_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_END = 32_768
_FEWEST = 2_000
_claims: list[socket.socket] = []


def end() -> int:
    """The first port that the system hands out by itself; a usual one where that is not told or leaves too few."""
    try:
        first = int(_OWN_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _USUAL_END
    return first if first >= FIRST + _FEWEST else _USUAL_END


# Neighbours begin apart from each other, so that a claim rarely meets another's.
_numbers = itertools.count(os.getpid() * 61)


def free_port() -> int:
    """A port that nobody listens on, and that no process of tests is given until this one ends."""
    size = end() - FIRST
    for number in itertools.islice(_numbers, size):
        port = FIRST + number % size
        claim = socket.socket(type=socket.SOCK_DGRAM)
        with contextlib.suppress(OSError), socket.socket() as taken:
            claim.bind(("127.0.0.1", port))
            taken.bind(("127.0.0.1", port))
            _claims.append(claim)
            return port
        claim.close()
    raise AssertionError("there is no free port")
