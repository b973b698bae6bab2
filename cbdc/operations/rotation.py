"""Which of the ledger's certified keys signs: a number in a file of the sandbox's folder, which only grows.

    rotate(folder, to=2)        # from its next start on, the server signs with the ledger's second key

A genesis may certify several keys of the ledger at once (`cbdc.system.Setup.keys_in_turn`). A head is judged by every
ledger key that was certified at its own time, so heads and receipts of an earlier key stay verifiable for ever.

Rules kept here: the number never falls, so a key that was left is not taken again by mistake; the same wish again
changes nothing; the file is replaced whole, so a kill leaves the old number or the new one; a number that the genesis
certifies no key for is refused before it is written; of two who write at once one is refused.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cbdc import private
from cbdc.authority import LEDGER, Authority
from cbdc.errors import Refused, Unavailable
from cbdc.institutions import signing_number
from cbdc.ledger.entry import open_entry, open_genesis
from cbdc.ledger.store import Store
from cbdc.operations.alone import alone

FILE = "rotation.json"
LOCK = "rotation.lock"
MOST_KEYS = 9


class Rotated(NamedTuple):
    """Which key signs from the next start on, which did before, and how many are certified."""

    number: int
    before: int
    certified: int


def ledger_number(folder: Path | None) -> int:
    """The number of the ledger's key that signs, 1 without a file; E_ROTATION_FILE."""
    if folder is None:
        return 1
    path = folder / FILE
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        return 1
    except (OSError, ValueError, RecursionError):
        raise Refused("E_ROTATION_FILE", file=FILE) from None
    number = told.get("ledger") if isinstance(told, dict) else None
    if type(number) is not int or not 1 <= number <= MOST_KEYS:
        raise Refused("E_ROTATION_FILE", file=FILE)
    return number


def certified_keys(store: Store) -> int:
    """How many keys of the ledger the genesis of a store certifies; E_LEDGER_EMPTY."""
    return len(_authority(store).with_role(LEDGER))


def _authority(store: Store) -> Authority:
    first = next(store.entries(0, 1), None)
    if first is None:
        raise Refused("E_LEDGER_EMPTY")
    return open_genesis(open_entry(first.data).payload).authority


def rotate(folder: Path, store: Store, to: int) -> Rotated:
    """Let the ledger's key with number `to` sign from the next start on.

    Raises E_ROTATION_BACK for an earlier key than the present one, E_ROTATION_NONE when the genesis certifies none with
    this number, E_ROTATION_FILE, E_LEDGER_EMPTY.
    """
    before, certified = ledger_number(folder), certified_keys(store)
    # Another folder's server may have gone on with a later key than this folder's.
    present = max(before, signing_number(store, _authority(store)))
    if to < present:
        raise Refused("E_ROTATION_BACK", number=to, present=present)
    if to > certified:
        raise Refused("E_ROTATION_NONE", number=to, certified=certified)
    if to > before:
        with alone(folder, LOCK, "another program changes the key that signs"):
            # Somebody may have been here since: the number never falls.
            before = ledger_number(folder)
            if before > to:
                raise Refused("E_ROTATION_BACK", number=to, present=before)
            _write(folder / FILE, json.dumps({"ledger": to}).encode() + b"\n")
    return Rotated(to, before, certified)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        with open(part, "wb", opener=private.opener) as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, path)
        if hasattr(os, "O_DIRECTORY"):
            place = os.open(path.parent, os.O_DIRECTORY)
            try:
                os.fsync(place)
            finally:
                os.close(place)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise Unavailable("E_STORE_UNAVAILABLE", detail=f"{path.name}: {error.strerror}") from None
