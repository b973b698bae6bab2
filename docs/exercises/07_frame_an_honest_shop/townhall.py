"""The court of a small town: the world and the weak code of this lab.

Five clerks judge files of evidence. Each of them is careful in everything but one thing. These weaknesses stand here
and nowhere else. You are the accuser: you want the honest shop condemned, and you have opened your own device.

    town = Town(seed=7)
    town.you, town.shop              names
    town.certificates[name]          what the banks certified, for everybody
    town.spent                       transfers of the shop's device, all honest: each spends other money
    town.statement                   what the shop's device said of itself before it made these transfers
    town.your_key                    the key of your own opened device, which is certified as yours
    town.pen                         a key that nobody has certified
    town.network, town.root          what signatures are made for; ROOT, which every judge has
    town.authority                   ROOT and the certificates under it
    town.file(items)                 a file of evidence with these items, as `file_of` makes it
    town.judge(clerk, file)          whom a clerk condemns; "" for nobody
    town.product(file)               the product's judge: (type, key id, tiyn), or a refusal raised
"""

import random
from typing import Any

from cbdc import canonical
from cbdc.authority import BANK_CA, Authority, Root
from cbdc.errors import TengeError
from cbdc.keys import ES256, PublicKey, SoftwareKey
from cbdc.record import Record, Signed, open_part, signing_message
from cbdc.token import MERCHANT, PERSON
from offline.admission import check_certificate_issue
from offline.evidence import verify_evidence
from offline.opened import OpenedElement, open_for_attack
from offline.records import DeviceCertificate, Outpoint, SyncRequest, Transfer
from wallets.cast import Member
from wallets.desk import derived
from wallets.sandbox import Sandbox

PEOPLE = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat", "Asel", "Kairat")
SHOPS = ("Samal", "Dastarkhan", "Kolsai", "Arman", "Tulpar", "Kaindy")
CLERKS = ("twins", "cover", "paper", "voice", "calendar")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def file_of(authority: Authority, items: list[Any]) -> bytes:
    """A file of evidence with these items and every bank's certificate: [1, [AUTH...], items]."""
    banks = [auth.envelope() for auth in authority.auths if auth.record.role == BANK_CA]
    return canonical.encode([1, banks[:4], items])


class Town:
    """A shop, its accuser, a neighbour, and somebody who really cheats; the same seed gives the same town."""

    SHOWN = (
        "you",
        "shop",
        "certificates",
        "spent",
        "statement",
        "your_key",
        "pen",
        "network",
        "root",
        "authority",
    )
    CALLS = ("file", "judge", "product")

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sandbox = Sandbox.in_memory(seed)
        self.sandbox.issue(tenge=900_000)
        self.you, self.neighbour, self.cheat = self.chance.sample(PEOPLE, 3)
        self.shop, self.other_shop = self.chance.sample(SHOPS, 2)
        self._members: dict[str, Member] = {}
        for name in (self.you, self.neighbour, self.cheat, self.shop, self.other_shop):
            kind = MERCHANT if name in (self.shop, self.other_shop) else PERSON
            self._members[name] = self.sandbox.person(name, deposit_tenge=60_000, category=kind)
        for name in (self.you, self.neighbour, self.cheat, self.shop):
            for tenge in self.chance.sample(range(1_000, 4_000, 100), 3):
                self.sandbox.buy_and_load(self._members[name], tenge)
        self._open()
        self._paid = 0
        shop = self.elements[self.shop]
        self.statement: Signed[SyncRequest] = shop.sync_begin(derived("statement", 1))
        spent = [self.pay(self.shop, pick) for pick in self._purse(self.shop)]
        spent.append(self.pay(self.shop, Outpoint(spent[0].oid, 1)))  # its change
        self.spent: tuple[Signed[Transfer], ...] = tuple(self.chance.sample(spent, len(spent)))
        self.your_key = self.key(self.you)
        self.pen = SoftwareKey(ES256, self.chance.randbytes(32))

    def _open(self) -> None:
        # The papers are signed by copies, so that the world can say what each device would sign. Only yours is given.
        self.elements: dict[str, OpenedElement] = {}
        for name in (self.you, self.neighbour, self.cheat, self.shop):
            element: Any = self._members[name].device.element
            self.elements[name] = open_for_attack(element, "to make papers for a court")

    def _purse(self, name: str) -> list[Outpoint]:
        return list(self.elements[name].status(self.sandbox.clock.now()).purse)

    def key(self, name: str) -> SoftwareKey:
        """The key of somebody's device; the grader's, except for yours."""
        paper: Any = self.elements[name].capture().state.papers[b"key"]
        return SoftwareKey(*paper)

    def pay(self, name: str, pick: Outpoint) -> Signed[Transfer]:
        """An honest payment of somebody at the other shop, with one outpoint."""
        now = self.sandbox.clock.now()
        shop: Any = self._members[self.other_shop].device
        payee = open_for_attack(shop.element, "to make papers for a court")
        self._paid += 1
        amount_tiyn = self.chance.randrange(1_00, 400_00)
        invoice = payee.invoice(
            derived("court", self._paid), amount_tiyn, 0, now + 600, 4, 1 << 16, b"", b"", now
        )
        made: Signed[Transfer] = self.elements[name].pay(invoice, shop.certificate, [pick], now)[0]
        return made

    @property
    def certificates(self) -> dict[str, Signed[DeviceCertificate]]:
        """What the banks certified, by name."""
        return {name: member.device.certificate for name, member in self._members.items()}

    @property
    def authority(self) -> Authority:
        """ROOT and the certificates under it."""
        return self.sandbox.system.authority

    @property
    def root(self) -> Signed[Root]:
        """ROOT, which every judge has."""
        return self.sandbox.trusted_root

    @property
    def network(self) -> bytes:
        """What every signature here is made for."""
        return self.authority.network

    def file(self, items: list[Any]) -> bytes:
        """A file of evidence with these items."""
        return file_of(self.authority, items)

    def product(self, file: bytes) -> tuple[int, bytes, int]:
        """What the product's judge says; E_EVIDENCE raised, with its reason, when the file proves nothing."""
        verdict = verify_evidence(file, self.root)
        return verdict.type, verdict.kid, verdict.amount_tiyn

    def judge(self, clerk: str, file: bytes) -> str:
        """The name of whom a clerk condemns; "" when he is not convinced."""
        by_device = {one.record.device_id: name for name, one in self.certificates.items()}
        try:
            device_id = Clerk(clerk, self.root).judge(file)
        except (TengeError, ValueError, TypeError, LookupError, AttributeError):
            return ""
        return by_device.get(device_id, "")


class Clerk:
    """Careful in everything but one thing: see the five places where `self._name` is asked."""

    def __init__(self, name: str, root: Signed[Root]) -> None:
        if name not in CLERKS:
            raise ValueError(f"the clerks are {', '.join(CLERKS)}")
        self._name, self._root = name, root

    def judge(self, file: bytes) -> bytes:
        """The device of the guilty; ValueError, or a refusal of the house, when he is not convinced."""
        version, auths, (number, *items) = canonical.decode_array(file, 1 << 19)  # type: ignore[misc]
        authority = Authority(self._root, auths)  # type: ignore[arg-type]
        if number == 3 and items.pop(0) != 2:
            raise ValueError("of charge 3 only form 2 is known here")
        certificate = open_part(items[0], DeviceCertificate, authority.network)
        if self._name != "paper":  # he believes the paper that calls itself a certificate
            check_certificate_issue(certificate, authority)
        if version != 1 or number not in (1, 3):
            raise ValueError("no such charge")
        if number == 1:
            self._double_spend(authority, certificate, items[1:])
        else:
            self._held_and_spent(authority, certificate, items[1:])
        return certificate.record.device_id

    def _double_spend(
        self, authority: Authority, certificate: Signed[DeviceCertificate], items: list[Any]
    ) -> None:
        first, second, *more = items
        key = certificate.record.key
        if more and self._name == "voice":  # a friend of the accused has signed for him
            friend = open_part(more[0], DeviceCertificate, authority.network)
            check_certificate_issue(friend, authority)
            key = friend.record.key
        one, two = (self._heard(item, Transfer, authority, certificate, key) for item in (first, second))
        outpoints = [one.record.outpoint, two.record.outpoint]
        if more and self._name == "cover":  # he reads the cover sheet: [[previous, index], [previous, index]]
            outpoints = [Outpoint(*row) for row in more[0]]
        elif more and self._name != "voice":
            raise ValueError("more than was asked for")
        same = one.envelope() == two.envelope() if self._name == "twins" else one.oid == two.oid
        if same or len(outpoints) != 2 or outpoints[0] != outpoints[1]:
            raise ValueError("no double spend")

    def _held_and_spent(
        self, authority: Authority, certificate: Signed[DeviceCertificate], items: list[Any]
    ) -> None:
        stated, spent = items
        key = certificate.record.key
        request = self._heard(stated, SyncRequest, authority, certificate, key)
        transfer = self._heard(spent, Transfer, authority, certificate, key)
        held = {Outpoint(previous, index) for previous, index, _ in request.record.purse}
        if transfer.record.outpoint not in held:
            raise ValueError("it never said that it held this")
        # He has no calendar: what was said before the payment is to him as what was said after it.
        if self._name != "calendar" and transfer.record.counter > request.record.counter:
            raise ValueError("it held this before it spent it")

    def _heard(
        self,
        envelope: object,
        kind: type[Any],
        authority: Authority,
        certificate: Signed[DeviceCertificate],
        key: PublicKey,
    ) -> Signed[Any]:
        signed: Signed[Any] = open_part(envelope, kind, authority.network)
        speaker = signed.record.payer if kind is Transfer else signed.record.kid
        if speaker != certificate.record.kid:
            raise ValueError("it speaks of another device")
        try:
            signed.verify(key)
        except TengeError:
            if (
                self._name != "twins"
            ):  # "any signature that the curve accepts": (r, s) and (r, order - s) alike
                raise
            key.verify(turned(signed.signature), signing_of(signed))
        return signed


def turned(signature: bytes) -> bytes:
    """The other signature of the same key over the same message: (r, order - s). Anybody can make it."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + (P256_ORDER - s).to_bytes(32, "big")


def signing_of(signed: Signed[Record]) -> bytes:
    """The bytes that are signed for an object."""
    return signing_message(signed.record.DOMAIN, signed.record.TYPE, signed.oid)
