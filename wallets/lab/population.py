"""Who lives where and meets whom: the contact graph of one region, as a function of the seed.

People are dealt out to villages in turn. Within a village they stand on a ring in the order of their numbers:

- a **household** is the next `household` people of the ring; they pay each other most;
- **neighbours** are the `neighbours` nearest on the ring (half to each side), of whom a share is **rewired** to anybody
  of the region: a small world in the sense of Watts and Strogatz (Nature 393, 1998);
- each village has shops of its own, the region has a market for all: the bipartite part of the graph.

An assumption of this sandbox, and no survey. All of it is whole numbers: the same seed gives the same graph.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cbdc.money import tenge
from cbdc.token import MERCHANT, PERSON
from offline.records import TIER_SE, TIER_SW, TIER_TEE
from wallets.lab.settings import Plan
from wallets.pilot.sampling import choice, label_number, uniform, word

MARKET = 0


@dataclass(slots=True)
class Agent:
    """Somebody with a device. `village` counts from 1, 0 is the market; `habit` is the place of its sync habit,
    `online_tiyn` what its wallet holds at the beginning.

    `opened` and `ring` are places in the plan's [[opened]], -1 for everybody else: whose device was opened, and who
    takes such a device's payments knowingly.
    """

    number: int
    name: str
    category: int
    village: int
    tier: int
    habit: int
    online_tiyn: int
    household: tuple[int, ...] = ()
    neighbours: tuple[int, ...] = ()
    shops: tuple[int, ...] = ()
    villagers: tuple[int, ...] = ()
    opened: int = -1
    ring: int = -1
    ring_of: tuple[int, ...] = ()

    @property
    def honest(self) -> bool:
        """Whether it plays by the rules."""
        return self.opened < 0 and self.ring < 0

    @property
    def is_shop(self) -> bool:
        """Whether it takes payments for a living."""
        return self.category == MERCHANT


class Chance:
    """Whole-number chance by question: the same (seed, label, numbers) gives the same draw."""

    def __init__(self, seed: int, region: int) -> None:
        self._seed = seed * 1_000 + region

    def word(self, label: str, *numbers: int) -> int:
        """64 bits."""
        number = 0
        for part in numbers:
            number = number * 1_000_003 + part + 1
        return word(self._seed, label_number(label), number)

    def permille(self, share: int, label: str, *numbers: int) -> bool:
        """Whether something with this probability (thousandths) happens."""
        return uniform(self.word(label, *numbers), 0, 999) < share

    def place(self, many: int, label: str, *numbers: int) -> int:
        """A place from 0 to `many` - 1."""
        return uniform(self.word(label, *numbers), 0, many - 1)

    def count(self, permille: int, label: str, *numbers: int) -> int:
        """A whole number with the mean `permille`/1000: its whole part, and one more with the rest's probability."""
        whole, rest = divmod(permille, 1_000)
        return whole + self.permille(rest, label, *numbers)


@dataclass(slots=True)
class Region:
    """The people and shops of one region, people first."""

    agents: list[Agent] = field(default_factory=list)
    market: tuple[int, ...] = ()


def populate(plan: Plan, chance: Chance) -> Region:
    """The region of this plan and chance."""
    people, shops = plan.people, plan.shops
    region = Region()
    for number in range(people.count):
        tiers = (people.tier_se, people.tier_tee, people.tier_sw)
        tier = (TIER_SE, TIER_TEE, TIER_SW)[choice(chance.word("tier", number), *tiers)]
        village = number % people.villages + 1
        region.agents.append(
            Agent(
                number,
                f"person {number}",
                PERSON,
                village,
                tier,
                _habit(plan, chance, number),
                tenge(people.online),
            )
        )
    for village in range(1, people.villages + 1):
        mine = [agent.number for agent in region.agents if agent.village == village and not agent.is_shop]
        stands = _shops(plan, chance, region, village, shops.per_village)
        for place, number in enumerate(mine):
            agent = region.agents[number]
            first = place - place % people.household
            agent.household = tuple(n for n in mine[first : first + people.household] if n != number)
            agent.neighbours = _neighbours(plan, chance, mine, place)
            agent.shops = stands
        for stand in stands:
            region.agents[stand].villagers = tuple(mine)
    region.market = _shops(plan, chance, region, MARKET, shops.market)
    for stand in region.market:
        region.agents[stand].villagers = tuple(range(people.count))
    _open(plan, chance, region)
    return region


def _habit(plan: Plan, chance: Chance, number: int) -> int:
    return choice(chance.word("habit", number), *(habit.weight for habit in plan.habits))


def _shops(plan: Plan, chance: Chance, region: Region, village: int, count: int) -> tuple[int, ...]:
    first = len(region.agents)
    for number in range(first, first + count):
        region.agents.append(
            Agent(number, f"shop {number}", MERCHANT, village, TIER_SE, _habit(plan, chance, number), 0)
        )
    return tuple(range(first, first + count))


def _neighbours(plan: Plan, chance: Chance, mine: Sequence[int], place: int) -> tuple[int, ...]:
    me, found = mine[place], []
    for step in range(1, plan.people.neighbours + 1):
        side = (step + 1) // 2 * (1 if step % 2 else -1)
        friend = mine[(place + side) % len(mine)]
        if chance.permille(plan.people.rewired, "rewire", me, step):
            friend = chance.place(plan.people.count, "friend", me, step)
        if friend != me and friend not in found:
            found.append(friend)
    return tuple(found)


def _open(plan: Plan, chance: Chance, region: Region) -> None:
    """Choose whose devices are opened, and their colluders, by a shuffle of the people."""
    order = sorted(range(plan.people.count), key=lambda number: (chance.word("open", number), number))
    taken = iter(order)
    for place, row in enumerate(plan.opened):
        for _ in range(row.count):
            agent = region.agents[next(taken)]
            agent.opened, agent.online_tiyn = place, tenge(row.online)
            agent.ring_of = tuple(next(taken) for _ in range(row.colluders))
            for colluder in agent.ring_of:
                region.agents[colluder].ring = place
