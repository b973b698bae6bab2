"""Vectors of what a front end says to a writer: certificates and batches, good and bad, in `fronts.json`.

    python -m tests.roles.make_vectors --write

Everything follows from the fixed keys of the town of the fault runs. A certificate is judged as a front's own at the
moment `now`; a batch is read by a writer of the file's network.
"""

import json
import sys
from pathlib import Path
from typing import Any

from cbdc import canonical
from cbdc.authority import BANK, FRONT, LEDGER, Auth
from cbdc.http.fronts import write_vouched
from cbdc.record import sign
from tests.cbdc.world import DAY, END, START, fixed_key
from tests.faults.town import town

FILE = Path(__file__).with_name("fronts.json")
NOW = START + DAY


def _certificates() -> list[tuple[str, str, str]]:
    world, key = town().world, fixed_key("front 0").public
    auth = Auth(FRONT, key.algorithm, key.raw, START, END, ())

    def by(name: str, network: bytes = world.network, record: Auth = auth) -> str:
        return sign(record, network, world.key(name)).encode().hex()

    def changed(**fields: Any) -> Auth:
        values = {name: getattr(auth, name) for name in Auth.__slots__} | fields
        return Auth(**values)

    good = by("root")
    return [
        ("good", good, "ok"),
        ("good to the last second", by("root", record=changed(expires=NOW)), "ok"),
        ("expired a second ago", by("root", record=changed(expires=NOW - 1)), "E_AUTHORITY_TIME"),
        ("good in a second", by("root", record=changed(not_before=NOW + 1)), "E_AUTHORITY_TIME"),
        ("a bank's", by("root", record=changed(role=BANK, scope=(1,))), "E_AUTHORITY"),
        ("a ledger's", by("root", record=changed(role=LEDGER)), "E_AUTHORITY"),
        ("signed by a bank", by("bank1"), "E_SIG"),
        ("signed by itself", sign(auth, world.network, fixed_key("front 0")).encode().hex(), "E_SIG"),
        ("for another network", by("root", b"another!"), "E_SIG"),
        ("one bit of its signature turned", good[:-1] + f"{int(good[-1], 16) ^ 1:x}", "E_SIG"),
        ("cut short", good[:-2], "E_DECODE"),
        ("empty", "", "E_DECODE"),
    ]


def _batches() -> list[tuple[str, str, str]]:
    network = town().world.network
    pair = (b"\x80", 1)

    def of(*parts: Any) -> str:
        return canonical.encode(parts).hex()

    good = write_vouched(network, [pair, (b"\x90", 0), (b"", (1 << 32) - 1)]).hex()
    return [
        ("three transactions", good, "ok"),
        ("one transaction", write_vouched(network, [pair]).hex(), "ok"),
        ("another network's", write_vouched(b"another!", [pair]).hex(), "E_FRONT_NETWORK"),
        ("no network", of(((b"\x80", 1),)), "E_FIELD"),
        ("a short network", of(network[:7], (pair,)), "E_FIELD"),
        ("nothing in it", of(network, ()), "E_COUNT"),
        ("a bit for a thirty-third signature", of(network, ((b"\x80", 1 << 32),)), "E_FIELD"),
        ("a text for a transaction", of(network, (("80", 1),)), "E_TYPE"),
        ("a pair of three", of(network, ((b"\x80", 1, 1),)), "E_FIELD"),
        ("no array", canonical.encode(network).hex(), "E_TYPE"),
        ("a byte too many", good + "00", "E_DECODE"),
        ("a longer form of a number", good.replace("c4018001", "c40180cc01", 1), "E_NONCANON"),
        ("empty", "", "E_DECODE"),
    ]


def made() -> str:
    """The file's text."""
    world = town().world
    value = {
        "network": world.network.hex(),
        "root": world.root.encode().hex(),
        "front": fixed_key("front 0").public.kid.hex(),
        "now": NOW,
        "certificates": [
            {"what": what, "bytes": data, "expect": code} for what, data, code in _certificates()
        ],
        "batches": [{"what": what, "bytes": data, "expect": code} for what, data, code in _batches()],
    }
    return json.dumps(value, indent=1) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        FILE.write_text(made(), encoding="ascii")
    sys.exit(FILE.read_text(encoding="ascii") != made())
