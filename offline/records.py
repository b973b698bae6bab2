"""The objects of the offline protocol DTO/1, each with its type number, its signer and its fields in wire order.

    1 ROOT, 2 AUTH          in `cbdc.authority`
    3 DEVCERT               a bank's certificate for one device key: tier, category, limits, validity
    4 NOTE                  the central bank's promise to one device key, backed by one escrow token
    5 TRANSFER              a device spends one outpoint: to the payee, and change to itself
    6 INVOICE, 7 RECEIPT    what a payee asks for and what it answers
    8 SYNC_REQ, 9 SYNC_ACK  a device's signed statement about itself, and the settlement's signed answer
    10 TRUST                revocations, tainted notes, policy and purposes, with a rising sequence number
    11 REDEEM_ORDER         a bank's signed account for a redemption, so that a host cannot redirect it
    12 SUBMIT_ACK, 13 OUTCOME   settlement's signed answers to a batch and to a claim
    14 ENROL                proof that a device holds the key it asks a certificate for
    15 CERTLOG              the head of the log of certificates, with the loosest limits of every key

Nothing here verifies a signature or a rule; that is `offline.verify`. Amounts are tiyn, moments Unix seconds.

Source: DTO/1, sections 5.3, 5.4 and 5.19.
"""

import hashlib
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from cbdc.keys import PublicKey, key_id, public_key
from cbdc.record import (
    ALGORITHM,
    AMOUNT,
    HASH,
    HASH_OR_NONE,
    MOMENT,
    NONCE,
    OFFLINE_DOMAIN,
    RAW_KEY,
    REFERENCE,
    Bytes,
    Group,
    Items,
    Kind,
    Record,
    Signed,
    Unsigned,
)

PAY = 0
REDEEM = 1

# A higher tier is trusted with more: software, a trusted environment, a secure element.
TIER_SW = 1
TIER_TEE = 2
TIER_SE = 3

MAX_CERTIFICATES = 24
MAX_TRUST_KIDS = 4_096
MAX_TRUST_REFERENCES = 256
MAX_TOKENS = 8
MAX_TRANSFERS = 12
MAX_SLOTS = 1_024
CONTAINER_VERSION = 1

# An output or a note of nothing decodes, so that the rule it breaks (E_SUM, E_AMOUNT) can be named and proven.
_OUTPUTS = Items(Group((Unsigned(), HASH)), most=2, least=1)
_PURPOSE = Unsigned(0, 65_535)
_SMALL = Unsigned(0, 255)


class Limits(NamedTuple):
    """What a certificate allows its device: amounts in tiyn, counts, days and hops (DTO/1, 5.18)."""

    max_balance_tiyn: int
    max_payment_tiyn: int
    max_out_tiyn: int
    max_count: int
    max_age_days: int
    max_hops: int


class Output(NamedTuple):
    """One output of a transfer: an amount and the key id (or, when redeeming, the account) that owns it."""

    amount_tiyn: int
    owner: bytes


class Outpoint(NamedTuple):
    """What a transfer spends: output number `position` of the object `previous` (a note has only position 0)."""

    previous: bytes
    position: int


@dataclass(frozen=True, slots=True)
class DeviceCertificate(Record):
    """DEVCERT: a bank vouches for one device key; no name, no phone, only tier, category and limits."""

    ca_reference: bytes
    device_id: bytes
    algorithm: int
    public_key: bytes
    tier: int
    category: int
    limits: Limits
    not_before: int
    expires: int
    certificate_number: int

    TYPE: ClassVar[int] = 3
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        REFERENCE, NONCE, ALGORITHM, RAW_KEY, Unsigned(1, 255), _SMALL, Group((Unsigned(),) * 6), MOMENT,
        MOMENT, Unsigned(),
    )  # fmt: skip

    def __post_init__(self) -> None:
        if type(self.limits) is tuple and len(self.limits) == 6:
            object.__setattr__(self, "limits", Limits(*self.limits))

    @property
    def key(self) -> PublicKey:
        """The device's key; raises E_KEY when it is unusable."""
        return public_key(self.algorithm, self.public_key)

    @property
    def kid(self) -> bytes:
        """The device's key id."""
        return key_id(self.algorithm, self.public_key)


@dataclass(frozen=True, slots=True)
class Note(Record):
    """NOTE: offline money at its source. `serial` is epoch (4 bytes), journal entry (8) and output (4)."""

    issuer_reference: bytes
    serial: bytes
    amount_tiyn: int
    owner: bytes
    purpose: int
    max_hops: int
    max_length: int
    issued: int
    spend_by: int
    redeem_by: int
    load_number: int

    TYPE: ClassVar[int] = 4
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        REFERENCE, NONCE, Unsigned(), HASH, _PURPOSE, _SMALL, _SMALL, MOMENT, MOMENT, MOMENT, Unsigned(),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Transfer(Record):
    """TRANSFER: one device spends one outpoint.

    PAY: outputs[0] is the payee's, outputs[1] (optional) the payer's change. REDEEM: outputs[0].owner is an account.
    `counter` rises by one with each transfer of a device and `link` is the id of the one before, so a device that
    signs twice with one state leaves a proof. `reference` is the invoice (or the redeem order) it answers.
    """

    kind: int
    previous: bytes
    index: int
    outputs: tuple[Output, ...]
    payer: bytes
    counter: int
    link: bytes
    reference: bytes
    part: int
    parts: int
    hop: int
    length: int
    purpose: int
    spend_by: int
    trust_sequence: int
    sync_time: int
    time: int

    TYPE: ClassVar[int] = 5
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        _SMALL, HASH, Unsigned(0, 255), _OUTPUTS, HASH, Unsigned(1), HASH, HASH, _SMALL, _SMALL, _SMALL,
        _SMALL, _PURPOSE, MOMENT, Unsigned(), MOMENT, MOMENT,
    )  # fmt: skip

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", tuple([Output(*output) for output in self.outputs]))

    @property
    def outpoint(self) -> Outpoint:
        """What it spends."""
        return Outpoint(self.previous, self.index)


@dataclass(frozen=True, slots=True)
class Invoice(Record):
    """INVOICE: a payee's one-time request; `offer` binds it to an offer seen before, `memo` to a text (both hashes)."""

    payee: bytes
    invoice_number: int
    nonce: bytes
    amount_tiyn: int
    purpose: int
    expires: int
    trust_sequence: int
    max_parts: int
    max_bytes: int
    offer: bytes
    memo: bytes

    TYPE: ClassVar[int] = 6
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH, Unsigned(), NONCE, AMOUNT, _PURPOSE, MOMENT, Unsigned(), Unsigned(1, MAX_TOKENS), Unsigned(),
        HASH_OR_NONE, HASH_OR_NONE,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Receipt(Record):
    """RECEIPT: the payee's element says what it accepted; `payment_root` hashes the transfers' ids in order."""

    payee: bytes
    invoice: bytes
    payment_root: bytes
    status: int
    time: int

    TYPE: ClassVar[int] = 7
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, HASH, HASH, _SMALL, MOMENT)


_SLOT = Group((HASH, Unsigned(0, 255), AMOUNT))
_OUTPOINT = Group((HASH, Unsigned(0, 255)))


@dataclass(frozen=True, slots=True)
class SyncRequest(Record):
    """SYNC_REQ: a device's statement of itself: counter, log head, purse, totals. It cancels pending invoices."""

    kid: bytes
    sync_number: int
    counter: int
    head: bytes
    invoice_number: int
    purse: tuple[tuple[bytes, int, int], ...]
    out_total_tiyn: int
    in_total_tiyn: int
    out_count: int
    in_count: int
    trust_sequence: int
    nonce: bytes

    TYPE: ClassVar[int] = 8
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH, Unsigned(), Unsigned(), HASH, Unsigned(), Items(_SLOT, most=MAX_SLOTS), Unsigned(), Unsigned(),
        Unsigned(), Unsigned(), Unsigned(), NONCE,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SyncAck(Record):
    """SYNC_ACK: settlement's answer to one SYNC_REQ: new baselines, the time, and slots to drop.

    `action` 0 carries on, 1 blocks spending. `drop` lists outpoints that are not the device's at the centre.
    """

    kid: bytes
    sync_number: int
    request: bytes
    base_out_tiyn: int
    base_in_tiyn: int
    base_out_count: int
    base_in_count: int
    closed_invoice_number: int
    time: int
    min_trust_sequence: int
    action: int
    drop: tuple[tuple[bytes, int], ...]
    certificate: bytes

    TYPE: ClassVar[int] = 9
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH, Unsigned(), HASH, Unsigned(), Unsigned(), Unsigned(), Unsigned(), Unsigned(), MOMENT,
        Unsigned(), _SMALL, Items(_OUTPOINT, most=MAX_SLOTS), HASH_OR_NONE,
    )  # fmt: skip


_EDGE = Group((_SMALL, Items(_SMALL, most=64)))
_LIMIT = Group((Items(_SMALL, most=32), Items(_SMALL, most=32), Unsigned(), MOMENT, MOMENT))
_PURPOSES = Items(
    Group((_PURPOSE, Items(_EDGE, most=64), Unsigned(0, 1), _SMALL, Unsigned(0, 1), Items(_LIMIT, most=33))),
    most=256,
)
LimitRow = tuple[tuple[int, ...], tuple[int, ...], int, int, int]
PurposeRow = tuple[int, tuple[tuple[int, tuple[int, ...]], ...], int, int, int, tuple[LimitRow, ...]]


@dataclass(frozen=True, slots=True)
class Trust(Record):
    """TRUST: what every device should know: revocations, tainted notes, risk policy and purposes.

    `policy` is [[parameter id, value]...]; `purposes` is [[id, edges, person-to-person 0/1, max hops, converts 0/1,
    limits]...] with edges [[payer category, [payee category...]]...] (DTO/1, 5.19.6) and limits [[payers, payees, cap
    (0: none), from, until]...], where no payers or payees are all.
    """

    sequence: int
    base_sequence: int
    issued: int
    next_update: int
    revoked_kids: tuple[bytes, ...]
    revoked_references: tuple[bytes, ...]
    tainted_notes: tuple[bytes, ...]
    policy: tuple[tuple[int, int], ...]
    purposes: tuple[PurposeRow, ...]

    TYPE: ClassVar[int] = 10
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        Unsigned(), Unsigned(), MOMENT, MOMENT, Items(Bytes((16,)), most=MAX_TRUST_KIDS),
        Items(REFERENCE, most=MAX_TRUST_REFERENCES), Items(Bytes((16,)), most=MAX_TRUST_KIDS), Items(Group((Unsigned(),
        Unsigned())), most=64), _PURPOSES,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RedeemOrder(Record):
    """REDEEM_ORDER: the bank's CA key names the account that `kid` may redeem to until `expires`."""

    kid: bytes
    account: bytes
    nonce: bytes
    expires: int

    TYPE: ClassVar[int] = 11
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, HASH, NONCE, MOMENT)


@dataclass(frozen=True, slots=True)
class SubmitAck(Record):
    """SUBMIT_ACK: settlement has taken in a batch; its objects are in the log of this size and root."""

    batch_id: bytes
    batch_hash: bytes
    log_size: int
    log_root: bytes
    time: int

    TYPE: ClassVar[int] = 12
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, HASH, Unsigned(), HASH, MOMENT)


@dataclass(frozen=True, slots=True)
class Outcome(Record):
    """OUTCOME: what settlement decided of one claim (status 1 credited, 2 held, 3 denied, 4 late)."""

    subject: bytes
    status: int
    amount_tiyn: int
    evidence: bytes
    log_index: int
    time: int

    TYPE: ClassVar[int] = 13
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, _SMALL, Unsigned(), HASH_OR_NONE, Unsigned(), MOMENT)


@dataclass(frozen=True, slots=True)
class Enrol(Record):
    """ENROL: a device proves to a bank that it holds the key it wants certified."""

    bank_id: int
    algorithm: int
    public_key: bytes
    challenge: bytes

    TYPE: ClassVar[int] = 14
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (Unsigned(), ALGORITHM, RAW_KEY, HASH)


@dataclass(frozen=True, slots=True)
class CertificateLogHead(Record):
    """CERTLOG: the log of certificates, and the loosest limits each key was ever given (`offline.certificate_log`).

    `after` is empty, or the hash of objects that this head was made after.
    """

    size: int
    log_root: bytes
    keys: int
    limits_root: bytes
    after: bytes
    time: int

    TYPE: ClassVar[int] = 15
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (Unsigned(), HASH, Unsigned(), HASH, HASH_OR_NONE, MOMENT)


SignedTransfer = Signed[Transfer]


def genesis_link(kid: bytes) -> bytes:
    """The `link` of a device's first transfer: SHA-256(DST || "genesis\\0" || key id)."""
    return hashlib.sha256(OFFLINE_DOMAIN + b"genesis\0" + kid).digest()
