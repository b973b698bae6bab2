"""Quick objects for tests of the pure derivation: right ids, signatures that nobody verifies, and random play.

`Play` moves money between a few devices at random and cheats now and then: it spends an output again, signs sums that
are wrong, uses a counter twice, and tells the centre what it likes. What comes out is a list of (object, arrival).
"""

import hashlib
import random
from collections.abc import Callable
from typing import Any

from cbdc.record import Record, Signed, object_id
from offline.admission import Parent, check_caps, check_spend, check_statement
from offline.graph import Rules
from offline.records import (
    PAY,
    REDEEM,
    DeviceCertificate,
    Invoice,
    Limits,
    Note,
    Outpoint,
    Output,
    SyncRequest,
    Transfer,
    genesis_link,
)

NETWORK = b"fakes..."
ISSUED = 1_000
SPEND_BY = 2_000
REDEEM_BY = 3_000
GRACE = 500
CLOSES = REDEEM_BY + GRACE


def digest(*parts: object) -> bytes:
    """32 bytes that belong to the parts."""
    return hashlib.sha256(repr(parts).encode()).digest()


def fake(record: Record, salt: str = "") -> Signed[Any]:
    """The record with its right id and a signature that means nothing; another `salt` gives another signature."""
    body = record.body()
    oid = object_id(record.DOMAIN, record.TYPE, NETWORK, body)
    return Signed(record, body, digest(oid, salt) + digest(oid, salt, 2), oid)


def follows(transfer: Signed[Transfer], parent: Parent, note: Signed[Note]) -> None:
    """The rule of admission without signatures."""
    check_spend(transfer, parent)
    check_statement(transfer, parent)
    if transfer.record.kind == PAY:
        check_caps(transfer.record, note.record)


def rules() -> Rules:
    """Fresh rules under which every refused transfer is a proof."""
    return Rules(follows, lambda transfer, parent: True)


def certificate(name: str) -> Signed[DeviceCertificate]:
    """A certificate for the device of that name."""
    return fake(
        DeviceCertificate(
            b"bank....",
            digest("device", name)[:16],
            1,
            digest("key", name),
            1,
            1,
            Limits(1, 1, 1, 1, 1, 1),
            0,
            9_999,
            1,
        )
    )


def kid(name: str) -> bytes:
    """The key id of the device of that name."""
    return certificate(name).record.kid


def note(owner: str, amount_tiyn: int, number: int = 1, **fields: Any) -> Signed[Note]:
    """A note for the device of that name."""
    values: dict[str, Any] = {
        "issuer_reference": b"issuer..",
        "serial": (1).to_bytes(4, "big") + number.to_bytes(8, "big") + bytes(4),
        "amount_tiyn": amount_tiyn,
        "owner": kid(owner),
        "purpose": 0,
        "max_hops": 5,
        "max_length": 12,
        "issued": ISSUED,
        "spend_by": SPEND_BY,
        "redeem_by": REDEEM_BY,
        "load_number": number,
    }
    return fake(Note(**{**values, **fields}))


def held(parent: Signed[Any], index: int) -> Output:
    """Output `index` of a note or transfer."""
    if isinstance(parent.record, Note):
        return Output(parent.record.amount_tiyn, parent.record.owner)
    output: Output = parent.record.outputs[index]
    return output


def hop_of(parent: Signed[Any], index: int) -> int:
    """The hop that an output stands at."""
    if isinstance(parent.record, Note):
        return 0
    hop: int = parent.record.hop
    return hop - 1 if parent.record.kind == PAY and index == 1 else hop


class Logs:
    """Counters and links of all devices; `make` signs a record for a key id."""

    def __init__(
        self, make: Callable[[Record, bytes], Signed[Any]] = lambda record, kid: fake(record)
    ) -> None:
        self.heads: dict[bytes, tuple[int, bytes]] = {}
        self.make = make

    def head(self, payer: bytes) -> tuple[int, bytes]:
        """The counter and the head of a device's log."""
        return self.heads.get(payer, (0, genesis_link(payer)))

    def transfer(
        self, parent: Signed[Any], index: int, payee: bytes, amount_tiyn: int, **fields: Any
    ) -> Signed[Transfer]:
        """The owner of an output spends it: `amount_tiyn` to the payee (an account when redeeming), the rest back."""
        have = held(parent, index)
        payer = fields.get("payer", have.owner)
        counter, link = self.head(payer)
        kind = fields.get("kind", PAY)
        outputs = [Output(amount_tiyn, payee)]
        if have.amount_tiyn > amount_tiyn:
            outputs.append(Output(have.amount_tiyn - amount_tiyn, payer))
        values: dict[str, Any] = {
            "kind": kind,
            "previous": parent.oid,
            "index": index,
            "outputs": tuple(outputs),
            "payer": payer,
            "counter": counter + 1,
            "link": link,
            "reference": digest("reference"),
            "part": 0,
            "parts": 1,
            "hop": hop_of(parent, index) + (kind == PAY),
            "length": (parent.record.length if isinstance(parent.record, Transfer) else 0) + 1,
            "purpose": parent.record.purpose,
            "spend_by": parent.record.spend_by,
            "trust_sequence": 1,
            "sync_time": 900,
            "time": 1_200,
        }
        made = self.make(Transfer(**{**values, **fields}), payer)
        if "counter" not in fields and "link" not in fields:
            self.heads[payer] = (counter + 1, made.oid)
        return made


def invoice(payee: bytes, number: int, amount_tiyn: int = 1, trust_sequence: int = 1) -> Signed[Invoice]:
    """An invoice of a device."""
    nonce = digest("invoice", payee, number)[:16]
    return fake(Invoice(payee, number, nonce, amount_tiyn, 0, 1_900, trust_sequence, 8, 24_000, b"", b""))


def statement(
    payee: bytes, number: int, logs: Logs, purse: tuple[Any, ...] = (), **fields: Any
) -> Signed[SyncRequest]:
    """A device's SYNC_REQ with its present log head."""
    counter, head = logs.head(payee)
    values: dict[str, Any] = {
        "kid": payee,
        "sync_number": number,
        "counter": counter,
        "head": head,
        "invoice_number": 0,
        "purse": purse,
        "out_total_tiyn": 0,
        "in_total_tiyn": 0,
        "out_count": 0,
        "in_count": 0,
        "trust_sequence": 1,
        "nonce": digest("sync", payee, number)[:16],
    }
    return logs.make(SyncRequest(**{**values, **fields}), payee)


NAMES = ("ayan", "bota", "dana", "kairat", "shop")


class Play:
    """One random game: `notes`, and `events` as (object, arrival)."""

    def __init__(self, seed: int, steps: int = 14) -> None:
        self.chance = random.Random(seed)
        self.logs = Logs()
        self.notes = [
            note(self.chance.choice(NAMES), self.chance.randint(2, 50), number)
            for number in range(1, self.chance.randint(2, 4))
        ]
        self.events: list[tuple[Signed[Any], int]] = []
        for name in NAMES:
            if self.chance.random() < 0.95:
                self.emit(certificate(name))
        self.open: list[tuple[Signed[Any], int]] = [(one, 0) for one in self.notes]
        self.spent: list[tuple[Signed[Any], int]] = []
        self.invoices: dict[bytes, int] = {}
        for _ in range(steps):
            self.step()

    def emit(self, signed: Signed[Any]) -> None:
        """The centre will see it, at some moment, perhaps too late."""
        late = self.chance.random() < 0.05
        self.events.append(
            (signed, self.chance.randint(CLOSES + 1, 9_000) if late else self.chance.randint(1_000, CLOSES))
        )

    def step(self) -> None:
        """One thing happens."""
        dice = self.chance.random()
        if dice < 0.6 and self.open:
            self.pay(self.open.pop(self.chance.randrange(len(self.open))))
        elif dice < 0.75 and self.spent:
            self.pay(self.chance.choice(self.spent))
        elif dice < 0.82 and self.spent:
            parent, index = self.chance.choice(self.spent)
            have = held(parent, index)
            self.emit(self.logs.transfer(parent, index, kid("shop"), have.amount_tiyn + 1))
        elif dice < 0.88 and self.spent:
            parent, index = self.chance.choice(self.spent)
            self.pay((parent, index), counter=1)
        else:
            self.declare()

    def pay(self, outpoint: tuple[Signed[Any], int], **fields: Any) -> None:
        """The owner pays or redeems."""
        parent, index = outpoint
        have = held(parent, index)
        amount = self.chance.randint(1, have.amount_tiyn)
        redeem = self.chance.random() < 0.25
        others = [kid(name) for name in NAMES if kid(name) != have.owner]
        payee = digest("account") if redeem else self.chance.choice(others)
        if not redeem and self.chance.random() < 0.5:
            number = self.invoices.get(payee, 0) + 1
            self.invoices[payee] = number
            asked = invoice(payee, number)
            fields["reference"] = asked.oid
            if self.chance.random() < 0.8:
                self.emit(asked)
        made = self.logs.transfer(parent, index, payee, amount, kind=REDEEM if redeem else PAY, **fields)
        self.spent.append(outpoint)
        if self.chance.random() < 0.93:
            self.emit(made)
        self.open += [(made, place) for place in range(1 if redeem else 0, len(made.record.outputs))]

    def declare(self) -> None:
        """A device makes a statement of itself, sometimes a false one."""
        payee = kid(self.chance.choice(NAMES))
        purse = [
            (*Outpoint(parent.oid, index), held(parent, index).amount_tiyn)
            for parent, index in self.open
            if held(parent, index).owner == payee and self.chance.random() < 0.7
        ]
        number = self.chance.randint(1, 3)
        self.emit(
            statement(payee, number, self.logs, tuple(purse), invoice_number=self.invoices.get(payee, 0))
        )
