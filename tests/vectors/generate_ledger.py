"""Make the ledger's vectors, or check them: `python -m tests.vectors.generate_ledger [--check]`.

`transactions.json` says what each transaction is answered by a ledger of this network: "ok" or a code.

- `open`: the bytes are judged alone (guard G1).
- `submit`: the bytes are sent to a ledger that has taken the context's `journal`, and then those of the case's own
  `before`, in order; a row of the journal is [time, bytes]. The transaction is judged at the case's `now`.

Everything follows from fixed keys and deterministic signatures, so the file is the same on every machine.
"""

import copy
import sys
from functools import cache
from typing import Any

from cbdc.errors import TengeError
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ledger.entry import open_genesis
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ports import ManualClock
from cbdc.transaction import open_transaction
from tests.cbdc import test_transaction
from tests.cbdc.scene import Row, scene
from tests.cbdc.test_rules import ROWS
from tests.vectors.case import FOLDER, Case, case, text_of

NAME = "transactions"


def rows_of(ledger: Ledger, start: int) -> list[list[Any]]:
    """The journal from `start` on: [time, bytes] each."""
    return [[entry.time, entry.payload.hex()] for entry in ledger.entries(start)]


def submitted(row: Row) -> Case:
    """The vector of a row of the table test."""
    world = scene()
    size = world.ledger.size
    transaction = row.build(world)
    before = rows_of(world.ledger, size)
    more = {"before": before} if before else {}
    what = f"{row.kind}: {row.name.replace('_', ' ')}"
    return case(
        f"{row.kind}-{row.name}",
        what,
        "submit",
        transaction.encode(),
        row.code or "ok",
        id_of_transaction=transaction.id,
        now=world.clock.now(),
        **more,
    )


def opened() -> list[Case]:
    """The vectors of guard G1."""
    made = [
        case(f"open-{name.replace(' ', '-')}", name, "open", data, code)
        for name, data, code in test_transaction.BAD_BYTES
    ]
    whole = test_transaction.SIGNED.encode()
    made.append(case("open-a-transfer", "two outputs, two witnesses of both algorithms", "open", whole))
    made += [
        case(f"open-cut-{size}", f"cut after {size} bytes", "open", whole[:size], answer(whole[:size]))
        for size in range(1, len(whole), 37)
    ]
    return made


def answer(data: bytes) -> str:
    """What guard G1 says."""
    try:
        open_transaction(data, test_transaction.NETWORK)
    except TengeError as refusal:
        return refusal.code
    return "ok"


def make() -> dict[str, Any]:
    """The file."""
    world = scene()
    genesis = world.ledger.entry(0)
    return {
        "origin": "made by tests/vectors/generate_ledger.py from the table tests of the ledger",
        "schema": {
            "open": "judge `bytes` alone, for the network `open_network`",
            "submit": "submit `bytes` at `now` after `journal` and `before`; an accepted one has `id_of_transaction`",
        },
        "context": {
            "open_network": test_transaction.NETWORK.hex(),
            "network": world.network.hex(),
            "ledger_secret": world.key("ledger").secret.hex(),
            "genesis": [genesis.time, genesis.payload.hex()],
            "journal": rows_of(world.ledger, 1),
        },
        "cases": [*opened(), *(submitted(row) for row in ROWS)],
    }


# --- running a case: needs the file and the ledger, and nothing of the tests' world ---


@cache
def _prepared(genesis: tuple[int, str], journal: tuple[tuple[int, str], ...], secret: str) -> MemoryStore:
    store = MemoryStore()
    clock = ManualClock(genesis[0])
    signer = SoftwareKey(ED25519, bytes.fromhex(secret))
    ledger = Ledger.create(store, bytes.fromhex(genesis[1]), signer, clock)
    for time, data in journal:
        clock.move_to(time)
        ledger.submit(bytes.fromhex(data))
    return store


def run(one: Case, context: dict[str, Any]) -> str:
    """Run a case: "ok", or the code of the refusal."""
    data = bytes.fromhex(one["bytes"])
    try:
        if one["check"] == "open":
            opened = open_transaction(data, bytes.fromhex(context["open_network"]))
            assert opened.encode() == data
        else:
            _submit(one, context, data)
    except TengeError as refusal:
        return refusal.code
    return "ok"


def _submit(one: Case, context: dict[str, Any], data: bytes) -> None:
    genesis = (context["genesis"][0], context["genesis"][1])
    journal = tuple((time, payload) for time, payload in context["journal"])
    store = copy.deepcopy(_prepared(genesis, journal, context["ledger_secret"]))
    clock = ManualClock(genesis[0])
    signer = SoftwareKey(ED25519, bytes.fromhex(context["ledger_secret"]))
    ledger = Ledger(store, signer, clock)
    assert (
        open_genesis(bytes.fromhex(genesis[1])).network == ledger.network == bytes.fromhex(context["network"])
    )
    for time, payload in one.get("before", ()):
        clock.move_to(time)
        ledger.submit(bytes.fromhex(payload))
    clock.move_to(one["now"])
    receipt = ledger.submit(data)
    assert receipt.transaction_id.hex() == one["id_of_transaction"]


def stale() -> bool:
    """Whether the file is missing or other than it should be."""
    path = FOLDER / f"{NAME}.json"
    return not path.exists() or path.read_bytes() != text_of(make()).encode()


def main(arguments: list[str]) -> int:
    """Write the file; with `--check` only tell whether it is as it should be."""
    if arguments == ["--check"]:
        wrong = stale()
        if wrong:
            print(f"{NAME}.json is stale; run `python -m tests.vectors.generate_ledger`")
        return int(wrong)
    (FOLDER / f"{NAME}.json").write_bytes(text_of(make()).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
