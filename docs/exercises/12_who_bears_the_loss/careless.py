"""The weakened loss office of this exercise: shares that are rounded, and a lot that is known beforehand.

It makes three mistakes that the product's office does not make or does not make by default:

- `pro_rata` rounds each share to the nearest tiyn, so the shares together are not what there was;
- `draw` draws the branch that is paid by a hash that everybody can compute before the branch is made;
- it asks nobody how many branches a thief makes for himself, and divides by their number.

Nothing here is a switch in the product: the code lives in this folder only.
"""

import hashlib
import random
from collections.abc import Sequence

HONEST_SHOPS = ("Zhibek", "Tulpar", "Altyn Dan", "Nauryz", "Shanyrak", "Koktem", "Samruk")


def pro_rata(value_tiyn: int, branches: int) -> list[int]:
    """An equal share for each branch, rounded to the nearest tiyn (a half goes up)."""
    return [(2 * value_tiyn + branches) // (2 * branches)] * branches


def branch_id(payee: str, reference: bytes) -> bytes:
    """The id of a payment to this payee under this reference (32 bytes that the payer chooses)."""
    return hashlib.sha256(b"branch\0" + payee.encode() + b"\0" + reference).digest()


def draw(fork: bytes, branches: Sequence[bytes]) -> bytes:
    """The branch that is paid: the one whose hash with the fork's id is smallest."""
    return min(branches, key=lambda name: hashlib.sha256(fork + name).digest())


class Office:
    """The office and one fork that lies before it; the same seed gives the same.

    most_branches   so many spends of one output the office takes at most
    least_tiyn, most_tiyn   what one payment may be
    fork            32 bytes: the id of the output that was spent twice
    shops           the honest payees of that fork
    honest          their branches (ids), as they came in
    friend          the payee who is in it
    value_tiyn      what the output holds
    target_tiyn     what the ring wants a shop to keep of it at most
    device_tiyn, online_tiyn   what the thief's device, and its owner online, could pay for a loss
    max_out_tiyn    what the device may pay out between two syncs: the caps of WATERFALL are thousandths of it
    caps_permille   those caps: the owner's, the bank's
    """

    SHOWN = (
        "most_branches",
        "least_tiyn",
        "most_tiyn",
        "fork",
        "shops",
        "honest",
        "friend",
        "value_tiyn",
        "target_tiyn",
        "device_tiyn",
        "online_tiyn",
        "max_out_tiyn",
        "caps_permille",
    )
    CALLS = ("draw", "pro_rata")

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.most_branches = chance.randrange(5, 10)
        self.least_tiyn = chance.randrange(10_000, 50_000)
        self.most_tiyn = self.least_tiyn + chance.randrange(200_000, 900_000)
        self.fork = chance.randbytes(32)
        self.shops = tuple(chance.sample(HONEST_SHOPS, chance.randrange(3, 7)))
        self.honest = tuple(branch_id(shop, chance.randbytes(32)) for shop in self.shops)
        self.friend = chance.choice(("Kairat", "Yerkin", "Aslan"))
        self.value_tiyn = chance.randrange(300_000, 900_000)
        self.target_tiyn = self.value_tiyn * chance.randrange(12, 190) // 1_000
        self.device_tiyn, self.online_tiyn = (chance.randrange(50_000, 700_000) for _ in range(2))
        extra = chance.randrange(1, self.most_branches - 1)
        half_tiyn = extra * self.value_tiyn // 2
        self.max_out_tiyn = half_tiyn + chance.randrange(1, self.value_tiyn // 2 - 1)
        self.caps_permille = (2_000, 2_000)

    def draw(self, branches: Sequence[bytes]) -> bytes:
        """The branch that this office would pay."""
        return draw(self.fork, branches)

    def pro_rata(self, value_tiyn: int, branches: int) -> list[int]:
        """The shares that this office would pay."""
        return pro_rata(value_tiyn, branches)
