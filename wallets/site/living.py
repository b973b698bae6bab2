"""A virtual day in the life of a street: people and shops of both banks pay each other, online and with no network.

The street's residents are **simulated** wallets and devices in this server; they are there so that every desk has
something to show. A day is a list of small steps that follows from its seed and its options alone (`plan`), each with a
minute of the day: wages and top-ups, purchases, money taken offline, payments, vouchers of a ministry, an order of a
bank, a refund, a wallet mislaid and found, and in the evening syncs and sales. Whoever is cut off from the network when
it is its turn pays from device to device in place of online, and does not sync. With fraud, one resident's device is
opened (the loud attack of this sandbox) and pays twice with the same note.

Rules kept here: the same seed in a new sandbox is the same day, byte for byte; a step's ids follow from the day and the
step, so a step that was cut off is completed by doing it again; a step is done when its line in the day's log is
written, with the count of steps in one commit; what is refused is written down with its code and holds up nobody.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from cbdc.cabinet import Row
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.money import tenge
from cbdc.ports import SeededEntropy
from wallets.cast import Member
from wallets.desk import derived
from wallets.pilot.folder import canonical_json
from wallets.site import bank_rules, living_acts
from wallets.site.living_acts import Told, is_cut
from wallets.site.opening import STREET
from wallets.site.world import World

MINUTE_SECONDS = 60
DAY_SECONDS = 86_400
MOST_PAYMENTS = 200
PEOPLE = sum(1 for one in STREET if not living_acts.is_shop(one))
MORNING, NOON, AFTERNOON, EVENING = 7 * 60, 12 * 60, 15 * 60, 20 * 60
_DAYS = "site day"
_PAYMENTS_FROM, _PAYMENTS_TO = 8 * 60, 19 * 60


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its minute of the day, what it is, who (a place in the street) and whom, how much, and by which way."""

    minute: int
    kind: str
    payer: int = 0
    payee: int = 0
    amount_tiyn: int = 0
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A day and how far it is: `done` of `of` steps. `began` is its first moment (virtual seconds), `request` the id
    under which it was asked for, `cheat` the place of who cheats (-1: nobody), `left` whether it was given up."""

    number: int
    request: str
    seed: int
    payments: int
    fraud: bool
    outage: str
    began: int
    of: int
    cheat: int = -1
    done: int = 0
    left: bool = False
    online: int = 0
    offline: int = 0
    refused: int = 0
    paid_tiyn: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.left or self.done == self.of

    @property
    def moment(self) -> str:
        """The time of day of the next step, HH:MM."""
        steps = plan_of(self)
        minute = steps[min(self.done, len(steps) - 1)].minute
        return f"{minute // 60:02d}:{minute % 60:02d}"


class Chance:
    """Numbers that follow from a seed and from what they are for."""

    def __init__(self, seed: int) -> None:
        self._entropy = SeededEntropy(seed)

    def below(self, bound: int, what: str, number: int) -> int:
        """A number from 0 to `bound` - 1."""
        data = self._entropy.bytes("site day", derived(what, number), 8)
        return int.from_bytes(data, "big") % bound


# --- the plan ---


def plan(seed: int, payments: int, outage: str = "", cheat: int = -1) -> tuple[Step, ...]:
    """The steps of a day in their order. The same arguments give the same plan."""
    chance = Chance(seed)
    steps = [
        Step(MORNING, "wages", amount_tiyn=tenge(3_000)),
        Step(MORNING + 5, "order", amount_tiyn=tenge(20_000)),
        Step(MORNING + 10, "top-up"),
        Step(MORNING + 20, "buy", amount_tiyn=tenge(4_000)),
        Step(MORNING + 40, "load", amount_tiyn=tenge(1_500)),
        Step(NOON - 60, "purpose", amount_tiyn=tenge(1_200)),
        Step(AFTERNOON, "mislaid", payer=chance.below(PEOPLE, "mislaid", 0)),
        Step(AFTERNOON + 45, "found", payer=chance.below(PEOPLE, "mislaid", 0)),
        Step(AFTERNOON + 60, "refund", payer=PEOPLE),
        Step(EVENING, "sync"),
        Step(EVENING + 20, "home"),
        Step(EVENING + 40, "sell"),
        Step(EVENING + 60, "close"),
    ]
    length = _PAYMENTS_TO - _PAYMENTS_FROM
    for number in range(payments):
        minute = _PAYMENTS_FROM + number * length // payments
        steps.append(_payment(chance, number, minute))
    for number in range(min(PEOPLE, payments // 5)):
        amount = tenge(200 + 50 * chance.below(5, "meal", number))
        steps.append(Step(NOON + 5 * number, "meal", number, len(STREET) - 1, amount))
    for number in range(min(4, payments // 10)):
        amount = tenge(100 + chance.below(400, "guest", number))
        steps.append(
            Step(NOON + 90 + number, "guest", chance.below(PEOPLE, "guest payer", number), number, amount)
        )
    if outage:
        steps += [Step(MORNING + 120, "cut"), Step(NOON - 30, "connect")]
    if cheat >= 0:
        steps += _fraud(cheat)
    return tuple(sorted(steps, key=lambda step: step.minute))


def _payment(chance: Chance, number: int, minute: int) -> Step:
    """Somebody pays somebody else, more often a shop than a neighbour; two of five from device to device."""
    payer = chance.below(PEOPLE, "payer", number)
    if chance.below(3, "shop", number):
        payee = PEOPLE + chance.below(len(STREET) - PEOPLE, "payee shop", number)
    else:
        payee = (payer + 1 + chance.below(PEOPLE - 1, "payee", number)) % PEOPLE
    amount = tenge(20 + chance.below(280, "amount", number))
    return Step(minute, "pay", payer, payee, amount, chance.below(5, "way", number) < 2)


def _fraud(cheat: int) -> list[Step]:
    """The device is opened and copied, and both pay with the same note."""
    first, second = (cheat + 1) % PEOPLE, PEOPLE + cheat % (len(STREET) - PEOPLE)
    amount = tenge(700)
    begin = _PAYMENTS_TO
    return [
        Step(begin, "fraud load", cheat, amount_tiyn=amount),
        Step(begin + 1, "fraud copy", cheat),
        Step(begin + 2, "fraud pay", cheat, first, amount, True),
        Step(begin + 3, "fraud again", cheat, second, amount, True),
    ]


def plan_of(day: Day) -> tuple[Step, ...]:
    """The plan of a day."""
    return plan(day.seed, day.payments, day.outage, day.cheat)


# --- days that are kept ---


def days(world: World) -> list[Day]:
    """Every day of this act, oldest first."""
    return [_load(data) for _, data in world.system.stores.cabinet.all(_DAYS)]


def present_day(world: World) -> Day | None:
    """The newest day."""
    found = days(world)
    return found[-1] if found else None


def log(world: World, day: Day) -> list[dict[str, Any]]:
    """The lines of a day's log, oldest first: kind, who, whom, amount_tiyn, way, transaction, code, moment."""
    return [json.loads(data) for _, data in world.system.stores.cabinet.all(_log(day.number))]


def _log(number: int) -> str:
    return f"site day {number}"


def _load(data: bytes) -> Day:
    return Day(**json.loads(data))


def _row(day: Day) -> Row:
    return Row(_DAYS, derived("day", day.number), canonical_json(asdict(day)).encode())


def begin(world: World, request: str, seed: int, payments: int, fraud: bool, outage: str) -> Day:
    """Begin a day, once for the request. The residents come with the first one, and agree to be topped up.

    Raises E_DAY_BUSY while another day is not over, and E_DAY_HONEST with `fraud` when every device was opened before.
    """
    before = present_day(world)
    if before is not None and before.request == request:
        return before
    if before is not None and not before.is_over:
        raise Refused("E_DAY_BUSY", number=before.number, done=before.done, of=before.of)
    world.bring_street()
    for member in world.street[:PEOPLE]:
        bank_rules.agree(world, world.sandbox.desk.bank_id(member.bank), member.customer, True)
    cheat = _cheater(world, seed) if fraud else -1
    number = 1 if before is None else before.number + 1
    steps = plan(seed, payments, outage, cheat)
    # The next local midnight, so that days never run backwards.
    offset = world.system.genesis.policy.day_offset_seconds
    midnight = -(-(world.clock.now() + offset) // DAY_SECONDS) * DAY_SECONDS - offset
    day = Day(number, request, seed, payments, fraud, outage, midnight, len(steps), cheat)
    world.system.stores.cabinet.put_many([_row(day)])
    return day


def _cheater(world: World, seed: int) -> int:
    """Who cheats: somebody whose device nobody opened and nobody revoked; E_DAY_HONEST."""
    view, first = world.sandbox.field.centre.trust_view, Chance(seed).below(PEOPLE, "cheat", 0)
    places: list[int] = [*range(first, PEOPLE), *range(first)]
    for place in places:
        member = world.street[place]
        if member.device is not None and member.clone is None and not view.is_revoked(member.device.kid):
            return place
    raise Refused("E_DAY_HONEST", residents=PEOPLE)


def leave(world: World, day: Day) -> Day:
    """Give a day up: what was done stays."""
    left = replace(day, left=True)
    world.system.stores.cabinet.put_many([_row(left)])
    return left


def take_step(world: World, day: Day) -> Day:
    """Do the next step of a day, under the world's lock; the day as it is afterwards.

    What is malformed or refused is written down; what is unavailable is raised, and the step is done again later.
    """
    assert not day.is_over, "a day that is over has no next step"
    step = plan_of(day)[day.done]
    world.reach(day.began + step.minute * MINUTE_SECONDS)
    name = derived("day", day.number, "step", day.done)
    try:
        told = _ACTS[step.kind](Scene(world, day, step, name))
    except (Refused, Malformed) as refusal:
        told = Told(code=refusal.code, refused=1)
    return _keep(world, day, step, told)


def _keep(world: World, day: Day, step: Step, told: Told) -> Day:
    members = world.street
    line: dict[str, Any] = {
        "kind": step.kind,
        "who": told.who or (members[step.payer].name if step.kind in _PERSONAL else ""),
        "whom": told.whom or (members[step.payee].name if step.kind in _BETWEEN else ""),
        "amount_tiyn": told.amount_tiyn or (step.amount_tiyn if told.way or told.code else 0),
        "way": told.way,
        "transaction": told.transaction,
        "code": told.code,
        "moment": world.clock.now(),
    }
    paid = told.way in ("online", "offline")
    after = replace(
        day,
        done=day.done + 1,
        online=day.online + (told.way == "online"),
        offline=day.offline + (told.way == "offline"),
        refused=day.refused + told.refused,
        paid_tiyn=day.paid_tiyn + (line["amount_tiyn"] if paid else 0),
    )
    name = derived("day", day.number, "step", day.done)
    world.system.stores.cabinet.put_many(
        [Row(_log(day.number), name, canonical_json(line).encode()), _row(after)]
    )
    return after


# --- what a step does ---


@dataclass(frozen=True, slots=True)
class Scene:
    """What a step needs: the world, the day, the step and its 32-byte id."""

    world: World
    day: Day
    step: Step
    id: bytes

    @property
    def payer(self) -> Member:
        """Who pays, or whom the step is about."""
        return self.world.street[self.step.payer]

    @property
    def payee(self) -> Member:
        """Who is paid."""
        return self.world.street[self.step.payee]

    @property
    def people(self) -> list[Member]:
        """Everybody but the shops."""
        return self.world.street[:PEOPLE]

    @property
    def shops(self) -> list[Member]:
        """The shops."""
        return self.world.street[PEOPLE:]

    @property
    def reachable(self) -> list[Member]:
        """Whoever has network, without the cheat, who keeps its device to itself."""
        cheat = self.world.street[self.day.cheat].name if self.day.cheat >= 0 else ""
        return [one for one in self.world.street if not is_cut(self.world, one) and one.name != cheat]


def _summed(answers: Sequence[TengeError | None], amount_tiyn: int = 0) -> Told:
    """How a step of many went."""
    refused = [one for one in answers if one is not None]
    done = len(answers) - len(refused)
    return Told(amount_tiyn=amount_tiyn * done, refused=len(refused), code=refused[0].code if refused else "")


def _buy(scene: Scene) -> Told:
    amount, there = scene.step.amount_tiyn, [one for one in scene.people if not is_cut(scene.world, one)]
    return _summed(scene.world.sandbox.buy([(one, amount) for one in there], scene.id), amount)


def _load_notes(scene: Scene) -> Told:
    amount, there = scene.step.amount_tiyn, [one for one in scene.people if not is_cut(scene.world, one)]
    return _summed(scene.world.sandbox.load([(one, [amount]) for one in there], b"", scene.id), amount)


def _pay(scene: Scene) -> Told:
    world, step = scene.world, scene.step
    if step.offline or is_cut(world, scene.payer) or is_cut(world, scene.payee):
        world.sandbox.pay_offline(scene.payer, scene.payee, step.amount_tiyn, b"", scene.id)
        return Told(way="offline")
    return living_acts.pay_by_policy(world, scene.payer, scene.payee, step.amount_tiyn, scene.id)


def _sync(scene: Scene) -> Told:
    there = scene.reachable
    return _summed(scene.world.sandbox.sync(there, scene.id)) if there else Told()


def _fraud_pay(scene: Scene) -> Told:
    again = scene.step.kind == "fraud again"
    sandbox, amount = scene.world.sandbox, scene.step.amount_tiyn
    sandbox.pay_offline(scene.payer, scene.payee, amount, b"", scene.id, clone=again)
    return Told(way="offline")


def _fraud_load(scene: Scene) -> Told:
    rows = [(scene.payer, scene.step.amount_tiyn)]
    bought = scene.world.sandbox.buy(rows, scene.id)
    loaded = scene.world.sandbox.load([(scene.payer, [scene.step.amount_tiyn])], b"", scene.id)
    return _summed([*bought, *loaded])


def _copy(scene: Scene) -> Told:
    scene.world.sandbox.clone(scene.payer)
    return Told()


def _cut(scene: Scene) -> Told:
    scene.world.set_outage(scene.day.outage, scene.step.kind == "cut")
    return Told(who=scene.day.outage)


def _close(scene: Scene) -> Told:
    scene.world.sandbox.close_cases()
    return Told()


def _refund(scene: Scene) -> Told:
    lines = log(scene.world, scene.day)
    shop = scene.payer
    paid = [line for line in lines if line["whom"] == shop.name and line["transaction"] and not line["code"]]
    return living_acts.refund(scene.world, shop, paid[0] if paid else None, scene.id)


_BETWEEN = frozenset({"pay", "meal", "fraud pay", "fraud again"})
_PERSONAL = _BETWEEN | {"guest", "mislaid", "found", "refund", "fraud load", "fraud copy"}
_ACTS: dict[str, Callable[[Scene], Told]] = {
    "wages": lambda scene: living_acts.wages(scene.world, scene.people, scene.step.amount_tiyn, scene.id),
    "order": lambda scene: living_acts.orders(scene.world, scene.step.amount_tiyn, scene.id),
    "top-up": lambda scene: Told(amount_tiyn=bank_rules.top_up_all(scene.world, scene.id)),
    "buy": _buy,
    "load": _load_notes,
    "pay": _pay,
    "purpose": lambda scene: living_acts.vouchers(
        scene.world, scene.people, scene.step.amount_tiyn, scene.id
    ),
    "meal": lambda scene: living_acts.meal(
        scene.world, scene.payer, scene.payee, scene.step.amount_tiyn, scene.id
    ),
    "guest": lambda scene: living_acts.pay_guest(
        scene.world, scene.payer, scene.step.payee, scene.step.amount_tiyn, scene.id
    ),
    "mislaid": lambda scene: living_acts.mislay(scene.world, scene.payer, scene.id, True),
    "found": lambda scene: living_acts.mislay(scene.world, scene.payer, scene.id, False),
    "refund": _refund,
    "cut": _cut,
    "connect": _cut,
    "fraud load": _fraud_load,
    "fraud copy": _copy,
    "fraud pay": _fraud_pay,
    "fraud again": _fraud_pay,
    "sync": _sync,
    "home": lambda scene: living_acts.bring_home(scene.world, scene.shops, scene.id),
    "sell": lambda scene: living_acts.sell(scene.world, scene.shops, scene.id),
    "close": _close,
}
