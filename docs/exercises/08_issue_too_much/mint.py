"""A small issuer of digital money, its log, and an auditor who is easily pleased: the world and weak code of this lab.

The log is a list of entries, each the canonical bytes of one of

    ["deposit", bank, amount_tiyn]     the bank puts reserves at the issuer
    ["issue", bank, amount_tiyn]       the issuer makes money for the bank, against its reserves
    ["redeem", bank, amount_tiyn]      the bank gives money back, and it is destroyed
    ["withdraw", bank, amount_tiyn]    the bank takes reserves back

For each bank, money outstanding (issued less redeemed) must never be more than its reserves. The issuer signs heads of
its log: how long it is, and the root of a Merkle tree over it. In this lab you are the issuer, and nothing stops you.

    mint = Mint(seed=7)
    mint.entries()                   the log as it is now
    mint.write(entry)                add an entry; nobody asks whether it may be
    mint.replace(index, entry)       change one that is there
    mint.publish(reserves, money)    sign a head, and a statement of the two sums as you like them (tiyn)
    mint.show(bank, entries)         let a bank see other entries than there are
"""

import hashlib
import random
from collections.abc import Sequence

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.keys import ED25519, SoftwareKey, public_key
from cbdc.ports import SeededEntropy

BANKS = ("Kokshe", "Syrdarya", "Altai")
KINDS = ("deposit", "issue", "redeem", "withdraw")
HEAD_DOMAIN = b"lab/log-head\0"


def entry(kind: str, bank: str, amount_tiyn: int) -> bytes:
    """The bytes of an entry."""
    return canonical.encode([kind, bank, amount_tiyn])


def read(data: bytes) -> tuple[str, str, int]:
    """(kind, bank, amount_tiyn) of an entry; ValueError when the bytes are none."""
    try:
        kind, bank, amount = canonical.decode_array(data)
    except (TengeError, ValueError) as error:
        raise ValueError("no entry") from error
    if kind not in KINDS or bank not in BANKS or type(amount) is not int or amount < 1:
        raise ValueError("no entry")
    return str(kind), str(bank), amount


def head_message(size: int, root: bytes) -> bytes:
    """What the issuer signs of a log with `size` entries and this root."""
    return HEAD_DOMAIN + canonical.encode([size, root])


def head_stands(key: bytes, size: int, root: bytes, signature: bytes) -> bool:
    """Whether the issuer (its raw Ed25519 key) has signed this head. Given, so that nobody's time is lost on it."""
    try:
        public_key(ED25519, key).verify(signature, head_message(size, root))
    except TengeError:
        return False
    return True


def weak_root(entries: Sequence[bytes]) -> bytes:
    """The issuer's own root. (It is a right one: the weakness of this lab is who looks at it.)"""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    half = 1 << ((len(entries) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + weak_root(entries[:half]) + weak_root(entries[half:])).digest()


class LazyAuditor:
    """Comes by after each publication, and is easily pleased. Every sentence below is a weakness.

    It believes the issuer's statement of the sums. It reads only entries that are new since its last visit, and adds
    up nothing older. It keeps no head, so it cannot see that the past has changed. It talks to no other auditor.
    """

    def __init__(self) -> None:
        self._read = 0

    def visit(self, entries: Sequence[bytes], reserves_tiyn: int, money_tiyn: int) -> str:
        """ "" when it is pleased, else what it says."""
        if money_tiyn > reserves_tiyn:
            return "the statement itself says that there is more money than reserves"
        for data in entries[self._read :]:
            try:
                kind, _, amount_tiyn = read(data)
            except ValueError:
                return "an entry that is none"
            if kind == "issue" and amount_tiyn > reserves_tiyn:
                return "one issue is larger than all the reserves"
        self._read = len(entries)
        return ""


class Mint:
    """The issuer and its log after some honest weeks; the same seed gives the same log."""

    SHOWN = ("banks",)
    CALLS = ("entries", "write", "replace", "publish", "show")
    banks = BANKS

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self._key = SoftwareKey(ED25519, SeededEntropy(seed).bytes("mint", b""))
        self.key: bytes = self._key.public.raw
        self._log = honest_log(chance, chance.randrange(9, 24))
        self.auditor = LazyAuditor()
        self._bank_auditors = {bank: LazyAuditor() for bank in BANKS}
        self.said: list[str] = []
        self.heads: list[tuple[int, bytes, bytes]] = []
        self.seen_by: dict[str, tuple[bytes, ...]] = {}
        self.published: list[tuple[bytes, ...]] = []
        reserves, money = sums(self._log)
        self.publish(sum(reserves.values()), sum(money.values()))

    def entries(self) -> list[bytes]:
        """The log as it is now."""
        return list(self._log)

    def write(self, data: bytes) -> None:
        """Add an entry at the end."""
        self._log.append(bytes(data))

    def replace(self, index: int, data: bytes) -> None:
        """Change an entry that is there."""
        self._log[index] = bytes(data)

    def publish(self, reserves_tiyn: int, money_tiyn: int) -> tuple[int, bytes, bytes]:
        """Sign a head (size, root, signature) and state the sums; the lazy auditor visits."""
        head = self.sign(self._log)
        self.published.append(tuple(self._log))
        self.said.append(self.auditor.visit(self._log, reserves_tiyn, money_tiyn))
        return head

    def show(self, bank: str, entries: Sequence[bytes]) -> tuple[int, bytes, bytes]:
        """Show a bank these entries under a head of their own; the bank's lazy auditor visits."""
        head = self.sign(list(entries))
        self.seen_by[bank] = tuple(bytes(one) for one in entries)
        reserves, money = sums(entries)
        self.said.append(
            self._bank_auditors[bank].visit(entries, sum(reserves.values()), sum(money.values()))
        )
        return head

    def sign(self, entries: Sequence[bytes]) -> tuple[int, bytes, bytes]:
        """A head over these entries."""
        root = weak_root(entries)
        head = (len(entries), root, self._key.sign(head_message(len(entries), root)))
        self.heads.append(head)
        return head


def sums(entries: Sequence[bytes]) -> tuple[dict[str, int], dict[str, int]]:
    """(reserves, money outstanding) of each bank, added up as the entries say, in tiyn."""
    reserves, money = dict.fromkeys(BANKS, 0), dict.fromkeys(BANKS, 0)
    for data in entries:
        kind, bank, amount = read(data)
        if kind in {"deposit", "withdraw"}:
            reserves[bank] += amount if kind == "deposit" else -amount
        else:
            money[bank] += amount if kind == "issue" else -amount
    return reserves, money


def honest_log(chance: random.Random, length: int) -> list[bytes]:
    """Entries that all keep the rule."""
    log: list[bytes] = [entry("deposit", bank, chance.randrange(500_000_00, 9_000_000_00)) for bank in BANKS]
    while len(log) < length:
        reserves, money = sums(log)
        bank, kind = chance.choice(BANKS), chance.choice(KINDS)
        most = {
            "deposit": 900_000_00,
            "issue": reserves[bank] - money[bank],
            "redeem": money[bank],
            "withdraw": reserves[bank] - money[bank],
        }[kind]
        if most > 1:
            log.append(entry(kind, bank, chance.randrange(1, most)))
    return log
