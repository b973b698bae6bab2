"""An auditor that trusts nothing: it recomputes who owns what from raw bytes, by code of its own.

It reads three things and believes none of them: the **tapes** of all elements (each journal record as it was written),
the **rows** of settlement's archive, and the **entries** of the ledger. It imports nothing of the protocol's code: the
envelopes are opened, ids computed and signatures checked here, from section 5.3 and 5.4 of the protocol.

What it asserts while money moves (`check`):

- every outpoint is spent by at most one signed transfer, by its owner, and outputs sum to the input;
- an outpoint lies in one purse at most, that of its owner, with its own amount, and is not spent;
- what settlement has credited lies in no purse any more, and is credited once;
- unspent + sent home = notes, and escrow + paid out = notes, to the tiyn.

and when the last note has closed (`check_closed`): each account got exactly what its devices owned.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgpack
import nacl.bindings
import nacl.exceptions

DOMAIN = b"kzt-dt/offline/v1\0"
CERTIFICATE, NOTE, TRANSFER, REQUEST = 3, 4, 5, 8
LOAD, SETTLE = 72, 73
PAY, REDEEM = 0, 1
PURSE, OUTBOX = 1, 3

Outpoint = tuple[bytes, int]


class Unsound(AssertionError):
    """Value was lost or doubled, or somebody signed what nobody may sign."""


def require(sound: bool, problem: str) -> None:
    if not sound:
        raise Unsound(problem)


def unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, use_list=False, raw=False)


def object_id(network: bytes, kind: int, body: bytes) -> bytes:
    return hashlib.sha256(DOMAIN + bytes([kind]) + network + body).digest()


def key_id(algorithm: int, raw: bytes) -> bytes:
    return hashlib.sha256(DOMAIN + b"key\0" + bytes([algorithm]) + raw).digest()


def fact_of(subject: bytes) -> bytes:
    """The key of the fact that pays a claim with this subject."""
    return hashlib.sha256(DOMAIN + b"fact\0pay\0" + subject + bytes(4)).digest()


def subject_of(outpoint: Outpoint) -> bytes:
    return hashlib.sha256(DOMAIN + b"outpoint\0" + outpoint[0] + bytes([outpoint[1]])).digest()


class Auditor:
    """The books of one town; see the module's text. Amounts in tiyn."""

    def __init__(self, network: bytes, escrow: bytes) -> None:
        """`escrow` is the key id of the escrow account."""
        self.network = network
        self.escrow = escrow
        self.notes_tiyn = 0
        self.outputs: dict[Outpoint, tuple[int, bytes]] = {}
        self.spent: dict[Outpoint, bytes] = {}
        self.transfers: dict[bytes, tuple[Any, bytes, bytes]] = {}
        self.waiting: dict[bytes, Any] = {}
        self.home: dict[bytes, tuple[int, bytes]] = {}
        self.held: dict[bytes, dict[Outpoint, int]] = defaultdict(dict)
        self.facts: dict[bytes, tuple[int, bytes]] = {}
        self.fact_names: dict[bytes, Outpoint] = {}
        self.matched: set[bytes] = set()
        self.credited: dict[Outpoint, int] = {}
        self.loaded_tiyn = 0
        self.paid_tiyn = 0
        self._read: dict[bytes, int] = {}
        self._entries = 0

    # --- reading ---

    def note(self, envelope: bytes) -> None:
        """A note as it was handed to its owner."""
        kind, body, _ = unpack(envelope)
        require(kind == NOTE, "what was handed out as a note is none")
        values = unpack(body)
        outpoint = (object_id(self.network, NOTE, body), 0)
        if outpoint not in self.outputs:
            self._output(outpoint, values[2], values[3])
            self.notes_tiyn += values[2]

    def _output(self, outpoint: Outpoint, amount_tiyn: int, owner: bytes) -> None:
        self.outputs[outpoint] = (amount_tiyn, owner)
        self.fact_names[fact_of(subject_of(outpoint))] = outpoint

    def follow(self, tapes: Mapping[bytes, list[bytes]]) -> None:
        """Read what is new on the tapes (by device key id): first what was signed, then what was put in purses."""
        fresh: list[tuple[bytes, Any]] = []
        for kid, tape in tapes.items():
            start = self._read.get(kid, 0)
            fresh += [(kid, unpack(record)) for record in tape[start:]]
            self._read[kid] = len(tape)
        for kid, (_, _, puts, _) in fresh:
            for collection, _, _, value in puts:
                if collection == OUTBOX:
                    for envelope in value[4]:
                        self._signed(kid, envelope)
        self._link()
        for kid, (_, _, puts, gone) in fresh:
            purse = self.held[kid]
            for collection, key, position in gone:
                if collection == PURSE:
                    purse.pop((key, position), None)
            for collection, key, position, value in puts:
                if collection == PURSE:
                    purse[key, position] = value[0]

    def _signed(self, kid: bytes, envelope: Any) -> None:
        kind, body, signature = envelope
        require(kind == TRANSFER, "an outbox keeps transfers and nothing else")
        oid = object_id(self.network, TRANSFER, body)
        if oid in self.transfers:
            return
        values = unpack(body)
        require(values[4] == kid, "a device signed in another's name")
        self.transfers[oid] = (values, body, signature)
        self.waiting[oid] = values

    def _link(self) -> None:
        moved = True
        while moved and self.waiting:
            moved = False
            for oid, values in list(self.waiting.items()):
                if (values[1], values[2]) in self.outputs:
                    del self.waiting[oid]
                    self._spend(oid, values)
                    moved = True
        require(not self.waiting, "a transfer spends what never was")

    def _spend(self, oid: bytes, values: Any) -> None:
        kind, previous, index, outputs, payer = values[:5]
        outpoint = (previous, index)
        amount_tiyn, owner = self.outputs[outpoint]
        require(owner == payer, "a transfer spends what is another's")
        require(
            outpoint not in self.spent, f"an outpoint was spent twice: value doubled ({amount_tiyn} tiyn)"
        )
        require(sum(output[0] for output in outputs) == amount_tiyn, "outputs do not sum to the input")
        self.spent[outpoint] = oid
        for place, (part_tiyn, to) in enumerate(outputs):
            require(part_tiyn > 0, "an output of nothing")
            if kind == REDEEM and place == 0:
                self.home[oid] = (part_tiyn, to)
            else:
                self._output((oid, place), part_tiyn, to)

    def follow_ledger(self, entries: Iterable[Any]) -> None:
        """Read new entries of the ledger: what was loaded, and every fact that settlement booked."""
        for entry in entries:
            self._entries = entry.index + 1
            kind, body, *_ = unpack(entry.payload)
            if kind == LOAD:
                for amount_tiyn, lock, _ in unpack(body)[2]:
                    if lock != (1, self.escrow):
                        break
                    self.loaded_tiyn += amount_tiyn
            elif kind == SETTLE:
                _, settles, fact, _, outputs = unpack(body)
                require(settles in (1, 4), "settlement booked a loss though every element is honest")
                require(fact not in self.facts, "a fact was booked twice")
                amount_tiyn, lock, _ = outputs[0]
                self.facts[fact] = (amount_tiyn, lock[1])
                self.paid_tiyn += amount_tiyn

    @property
    def entries_read(self) -> int:
        """How many entries of the ledger were read."""
        return self._entries

    # --- judging ---

    def unspent(self) -> dict[Outpoint, tuple[int, bytes]]:
        """What nothing spends: amount and owner."""
        return {outpoint: held for outpoint, held in self.outputs.items() if outpoint not in self.spent}

    def check(self) -> int:
        """Assert everything that must hold at any moment; the tiyn on their way (sent, not taken)."""
        unspent = self.unspent()
        sent_home = sum(amount_tiyn for amount_tiyn, _ in self.home.values())
        total = sum(amount_tiyn for amount_tiyn, _ in unspent.values())
        require(
            total + sent_home == self.notes_tiyn, f"{self.notes_tiyn} in notes, {total + sent_home} found"
        )
        held_tiyn = 0
        held: set[Outpoint] = set()
        for kid, purse in self.held.items():
            for outpoint, amount_tiyn in purse.items():
                require(
                    unspent.get(outpoint) == (amount_tiyn, kid), "a purse holds what is spent or another's"
                )
                held.add(outpoint)
                held_tiyn += amount_tiyn
        away_tiyn = credited_tiyn = 0
        self._match_facts()
        for outpoint, (amount_tiyn, _) in unspent.items():
            booked = self.credited.get(outpoint)
            if booked is not None:
                require(outpoint not in held, f"credited and still in a purse: doubled ({amount_tiyn} tiyn)")
                credited_tiyn += booked
            elif outpoint not in held:
                require(outpoint[1] == 0, "change that its own payer does not hold: value lost")
                away_tiyn += amount_tiyn
        booked_home = sum(self.facts[fact][0] for oid in self.home if (fact := fact_of(oid)) in self.facts)
        require(credited_tiyn + booked_home == self.paid_tiyn, "settlement paid for what is nobody's")
        require(held_tiyn + away_tiyn + credited_tiyn + sent_home == self.notes_tiyn, "value lost")
        return away_tiyn

    def _match_facts(self) -> None:
        for fact in self.facts.keys() - self.matched:
            self.matched.add(fact)
            outpoint = self.fact_names.get(fact)
            if outpoint is not None:
                require(
                    self.facts[fact][0] == self.outputs[outpoint][0], "a claim was booked with another amount"
                )
                self.credited[outpoint] = self.facts[fact][0]

    def check_closed(self, account_of: Mapping[bytes, bytes]) -> None:
        """Assert that every note has ended: each owner's account got its own, and nobody got anything else."""
        due: dict[bytes, tuple[int, bytes]] = {}
        for outpoint, (amount_tiyn, owner) in self.unspent().items():
            due[fact_of(subject_of(outpoint))] = (amount_tiyn, account_of[owner])
        for oid, (amount_tiyn, account) in self.home.items():
            due[fact_of(oid)] = (amount_tiyn, account)
        require(due == self.facts, "what was paid in the end is not what was owned in the end")
        require(self.paid_tiyn == self.notes_tiyn == self.loaded_tiyn, "loads, notes and payments differ")

    def check_archive(self, rows: Iterable[Any]) -> None:
        """Assert that settlement knows every transfer ever signed and, of those whose signature stands, no other.

        What was changed on its way may name a payer who is nobody: it waits in the archive for ever, and is no money.
        """
        keys: dict[bytes, bytes] = {}
        found: dict[bytes, tuple[bytes, bytes]] = {}
        for row in rows:
            kind, body, signature = unpack(row.envelope)
            require(object_id(self.network, kind, body) == row.oid, "a row lies under another's id")
            if kind == CERTIFICATE:
                values = unpack(body)
                keys[key_id(values[2], values[3])] = values[3]
            elif kind == TRANSFER:
                found[row.oid] = (unpack(body)[4], signature)
        known = {oid for oid, (payer, signature) in found.items() if stands(oid, keys.get(payer), signature)}
        require(known == self.transfers.keys(), "settlement knows less, or more, than was ever signed")


def stands(oid: bytes, key: bytes | None, signature: bytes) -> bool:
    """Whether a transfer's signature is this key's; nobody's key signs nothing."""
    if key is None:
        return False
    message = DOMAIN + b"sig\0" + bytes([TRANSFER]) + oid
    try:
        nacl.bindings.crypto_sign_open(signature + message, key)
    except nacl.exceptions.BadSignatureError:
        return False
    return True
