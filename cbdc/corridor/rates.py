"""Prices as ratios of whole numbers: so many tiyn for so many minor units of an asset. No fraction is ever stored.

The rate source is a stand-in that follows from the seed: each day it moves the base price up or down by at most so
many basis points. Every division below names who gets what is broken.

- A client who buys for an amount of tenge pays it whole and gets whole units; the broken unit stays with the dealer.
- A client who sells for an amount of tenge gets it whole and gives whole units; the broken unit goes to the dealer.
- For a cap in US dollars a broken cent counts as a whole cent, so that rounding never opens a cap.
"""

from typing import NamedTuple

from cbdc.errors import Malformed
from cbdc.money import check_tiyn
from cbdc.ports import Clock, Entropy

BASIS_POINTS = 10_000
_DAY_SECONDS = 86_400


class Ratio(NamedTuple):
    """`tiyn` tiyn for `units` minor units; both at least 1."""

    tiyn: int
    units: int

    def moved(self, basis_points: int) -> "Ratio":
        """The ratio dearer (or, below zero, cheaper) by so many basis points, exactly."""
        return check_ratio(Ratio(self.tiyn * (BASIS_POINTS + basis_points), self.units * BASIS_POINTS))

    def units_bought(self, amount_tiyn: int) -> int:
        """The whole units that this much buys; the broken unit stays with the seller."""
        return check_tiyn(amount_tiyn) * self.units // self.tiyn

    def units_sold(self, amount_tiyn: int) -> int:
        """The whole units that are given for this much; the broken unit goes to the buyer."""
        return -(-check_tiyn(amount_tiyn) * self.units // self.tiyn)

    def worth_tiyn(self, units: int) -> int:
        """What so many units are worth, in whole tiyn; a broken tiyn is left out."""
        return units * self.tiyn // self.units


def check_ratio(ratio: Ratio) -> Ratio:
    """The ratio itself; E_ASSET_RATE unless both sides are at least 1."""
    if ratio.tiyn < 1 or ratio.units < 1:
        raise Malformed("E_ASSET_RATE", tiyn=ratio.tiyn, units=ratio.units)
    return ratio


def usd_cents_of(amount_tiyn: int, tiyn_per_usd: int) -> int:
    """An amount in US cents at `tiyn_per_usd` (51,345: 513.45 tenge a dollar); a broken cent counts as a whole one."""
    if tiyn_per_usd < 1:
        raise Malformed("E_ASSET_RATE", tiyn=tiyn_per_usd, units=1)
    return -(-check_tiyn(amount_tiyn) * 100 // tiyn_per_usd)


def tiyn_of_usd_cents(usd_cents: int, tiyn_per_usd: int) -> int:
    """The most tiyn that count as no more than `usd_cents`: the other direction of `usd_cents_of`."""
    return usd_cents * tiyn_per_usd // 100


class SimulatedRates:
    """The rate source: `base` moved each day by up to `swing` basis points, as the seed says."""

    def __init__(
        self, entropy: Entropy, asset: str, base: Ratio, swing_basis_points: int, clock: Clock
    ) -> None:
        """Raises E_ASSET_RATE for a base or a swing that could give no price."""
        self._entropy = entropy
        self._asset = asset
        self._base = check_ratio(base)
        self._swing = swing_basis_points
        self._clock = clock
        check_ratio(base.moved(-swing_basis_points))

    def now(self) -> Ratio:
        """The middle price of this moment's day (days in UTC)."""
        day = (self._clock.now() // _DAY_SECONDS).to_bytes(8, "big")
        chance = int.from_bytes(self._entropy.bytes("corridor rate", self._asset.encode() + day, 8), "big")
        return self._base.moved(chance % (2 * self._swing + 1) - self._swing)
