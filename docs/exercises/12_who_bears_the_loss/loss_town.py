"""A small town with two thieves, for the laboratory: the world in which losses are measured.

    town = Town(seed=7)
    town.policies            the loss policies that are compared, three names
    town.measure(name)       what the laboratory measures under that policy: {measure: whole number}

Real is what the laboratory says is real: devices, notes, settlement, evidence. Assumed is everything about people.
One thief pays honest payees with copies of his notes, the other a friend who hides from the network; that friend
spends what he got as everybody does. The same seed gives the same bytes under every policy, so what differs is the
policy alone.
"""

import random
from functools import lru_cache

OFFERED = ("ISSUER", "WATERFALL", "CAPPED", "PRO_RATA", "PAYEE")
PARTIES = ("device", "owner", "bank", "reserve", "payees")
MEASURES = ("loss_tiyn", *(f"{party}_tiyn" for party in PARTIES), "ring_gain_tiyn", "denied_people")

_TOML = """
[lab]
name = "town"
days = {days}
slots = 2
loss_policy = "{policy}"
seed = {seed}
[people]
count = 6
villages = 1
household = 2
neighbours = 2
[shops]
per_village = 1
[payments]
a_day = 1000
[[habit]]
kind = "exponential"
hours = 36
[[opened]]
count = 1
copies = {copies}
online = {online}
from_day = 0
[[opened]]
count = 1
copies = 3
colluders = 1
online = {online}
from_day = 0
hide = {hide}
"""


class Town:
    """The town of a seed. `policies` are three names of `OFFERED`; `configuration` is what the laboratory reads."""

    SHOWN = ("policies", "configuration")
    CALLS = ("measure",)

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        others = [name for name in OFFERED if name not in ("WATERFALL", "PRO_RATA")]
        policies = ["WATERFALL", "PRO_RATA", chance.choice(others)]
        chance.shuffle(policies)
        self.policies = tuple(policies)
        self._numbers = (
            ("days", 2),
            ("seed", chance.randrange(1, 1_000_000)),
            ("copies", chance.randrange(3, 6)),
            ("online", chance.randrange(1_000, 4_000, 500)),
            ("hide", chance.randrange(36, 72)),
        )
        self.configuration = _TOML.format(policy="WATERFALL", **dict(self._numbers))

    def measure(self, policy: str) -> dict[str, int]:
        """The laboratory's measures of this town under a policy: the keys of `MEASURES`, whole numbers."""
        if policy not in OFFERED:
            raise ValueError(f"{policy!r} is none of {', '.join(OFFERED)}")
        return dict(_played(_TOML.format(policy=policy, **dict(self._numbers))))


@lru_cache(maxsize=64)
def _played(toml: str) -> tuple[tuple[str, int], ...]:
    """One run of the laboratory: about half a second."""
    from wallets.lab import jobs, results, settings

    (plan,) = settings.read("town.toml", toml.encode(), {}).points()
    part = jobs.play(plan, 1, None, lambda *_: None)
    assert part["audit"]["ok"], "the laboratory audits every run"
    found = results.measures([part])
    rows = {"loss_tiyn": found["loss_tiyn"]}
    rows |= {f"{party}_tiyn": found["borne_tiyn"][party] for party in PARTIES}
    rows |= {name: found[name] for name in ("ring_gain_tiyn", "denied_people")}
    return tuple((name, rows[name]) for name in MEASURES)
