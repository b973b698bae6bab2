"""The days of a region: who meets whom, when, for how much, who is on the network; the same for every engine.

A day has `slots`. At the beginning of each the devices that find the network sync together; then people pay in the
order of the clock. Everything follows from the seed by question (`Chance`), not from a stream, so a run that was cut
off goes on from the last saved day and meets the same people.

Sync habits are whole numbers: `exponential` is a coin thrown in each slot with the probability slot / mean, which is
the exponential distribution of discrete time (geometric, without memory); `daily` is one fixed slot a day.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cbdc.money import tenge
from wallets.desk import derived
from wallets.lab.engine import Engine
from wallets.lab.population import Agent, Chance
from wallets.lab.settings import Habit, Plan
from wallets.lab.tally import Paid
from wallets.lab.world import DAY_SECONDS, START
from wallets.pilot.sampling import choice, lognormal

DAY_HOURS = 24
_FIRST_SECOND = 60

Progress = Callable[[int, int, int], None]
"""Told (days done, of how many, payments so far)."""


@dataclass(frozen=True, slots=True, order=True)
class Meeting:
    """Somebody pays somebody: `second` of the day first, so that meetings sort by time. `attack`: with copied money."""

    second: int
    payer: int
    number: int
    payees: tuple[int, ...]
    amount_tiyn: int
    near: bool
    attack: bool


class Days:
    """Plays the days of one region on one engine."""

    def __init__(self, engine: Engine, chance: Chance) -> None:
        self._engine = engine
        self._plan: Plan = engine.plan
        self._agents: Sequence[Agent] = engine.region.agents
        self._market = engine.region.market
        self._chance = chance

    def play(self, first: int, progress: Progress) -> None:
        """Every day from `first` on, saved one by one; then the end."""
        days = self._plan.lab.days
        for day in range(first, days):
            self._day(day)
            self._engine.tally.days.append([*self._engine.day_row(), self._engine.tally.waiting_tiyn()])
            self._engine.save(day + 1)
            progress(day + 1, days, self._payments())
        self._engine.move_to(START + days * DAY_SECONDS)
        if self._plan.lab.close:
            self._engine.settle_all()

    def _payments(self) -> int:
        return self._engine.tally.outcomes["paid"] + self._engine.tally.attack_outcomes["paid"]

    def _day(self, day: int) -> None:
        slots = self._plan.lab.slots
        slot_seconds = DAY_SECONDS // slots
        midnight = START + day * DAY_SECONDS
        meetings = sorted(self._meetings(day))
        place = 0
        for slot in range(slots):
            self._engine.move_to(midnight + slot * slot_seconds)
            online = [agent.number for agent in self._agents if self._online(agent, day, slot)]
            if online:
                self._engine.sync(online, derived("sync", day, slot))
                self._engine.tally.handed_in(set(online))
                self._engine.tally.sums["syncs"] += len(online)
            until = (slot + 1) * slot_seconds
            while place < len(meetings) and meetings[place].second < until:
                self._engine.move_to(midnight + meetings[place].second)
                self._meet(meetings[place], day)
                place += 1

    # --- the network ---

    def _online(self, agent: Agent, day: int, slot: int) -> bool:
        for outage in self._plan.outages:
            if outage.from_day <= day <= outage.to_day and outage.village in (0, agent.village):
                return False
        if agent.opened >= 0 and day >= self._plan.opened[agent.opened].from_day:
            return False
        slots = self._plan.lab.slots
        if agent.ring >= 0:
            hide = self._plan.opened[agent.ring].hide * slots
            now = (day * slots + slot) * DAY_HOURS
            return now // hide != (now - DAY_HOURS) // hide
        return self._habit(self._plan.habits[agent.habit], agent.number, day, slot)

    def _habit(self, habit: Habit, number: int, day: int, slot: int) -> bool:
        if habit.kind == "never":
            return False
        if habit.kind == "daily":
            return slot == number % self._plan.lab.slots
        slots = self._plan.lab.slots
        return self._chance.place(habit.hours * slots, "online", number, day, slot) < DAY_HOURS

    # --- the counter ---

    def _meetings(self, day: int) -> list[Meeting]:
        found = []
        for agent in self._agents:
            permille = self._plan.shops.wages if agent.is_shop else self._plan.payments.a_day
            for number in range(self._chance.count(permille, "how many", agent.number, day)):
                payee = self._payee(agent, day, number)
                if payee is not None:
                    found.append(self._meeting(agent, day, number, (payee,), False))
            if agent.opened >= 0 and day >= self._plan.opened[agent.opened].from_day:
                found += self._attacks(agent, day)
        return found

    def _meeting(self, agent: Agent, day: int, number: int, payees: tuple[int, ...], attack: bool) -> Meeting:
        question = (agent.number, day, number, int(attack))
        payments = self._plan.payments
        amount = max(1, lognormal(self._chance.word("amount", *question), payments.mean, payments.spread))
        second = _FIRST_SECOND + self._chance.place(DAY_SECONDS - _FIRST_SECOND, "second", *question)
        near = self._chance.permille(payments.near, "near", *question)
        return Meeting(second, agent.number, number, payees, tenge(amount), near, attack)

    def _payee(self, agent: Agent, day: int, number: int) -> int | None:
        question = (agent.number, day, number)
        payments = self._plan.payments
        circles = [agent.shops, self._market, agent.household, agent.neighbours]
        weights = [payments.to_shop, payments.to_market, payments.to_household, payments.to_neighbour]
        if agent.is_shop:
            circles, weights = [agent.villagers], [1]
        there = [weight if circle else 0 for weight, circle in zip(weights, circles, strict=True)]
        if not sum(there):
            return None
        circle = circles[choice(self._chance.word("circle", *question), *there)]
        return circle[self._chance.place(len(circle), "payee", *question)]

    def _attacks(self, agent: Agent, day: int) -> list[Meeting]:
        row = self._plan.opened[agent.opened]
        copies = row.copies if row.behaviour == "rollback" else 1
        found = []
        for number in range(self._chance.count(row.a_day, "attacks", agent.number, day)):
            payees = self._victims(agent, day, number, copies)
            if payees:
                found.append(self._meeting(agent, day, number, payees, True))
        return found

    def _victims(self, agent: Agent, day: int, number: int, copies: int) -> tuple[int, ...]:
        everybody = agent.ring_of or (*agent.shops, *self._market, *agent.neighbours, *agent.household)
        order = sorted(
            dict.fromkeys(everybody),
            key=lambda payee: (self._chance.word("victim", agent.number, day, number, payee), payee),
        )
        return tuple(order[:copies])

    def _meet(self, meeting: Meeting, day: int) -> None:
        tally, now = self._engine.tally, START + day * DAY_SECONDS + meeting.second
        question = (meeting.payer, day, meeting.number)
        name = derived("payment", *question, int(meeting.attack))[:16]
        if meeting.attack:
            paid = self._engine.attack(meeting.payer, meeting.payees, meeting.amount_tiyn, name)
            for payee, one in zip(meeting.payees, paid, strict=True):
                tally.took_place(meeting.payer, payee, meeting.amount_tiyn, one, now, False)
                self._remember(one, now, meeting.amount_tiyn)
            return
        (payee,) = meeting.payees

        def lost(sent: int) -> bool:
            return self._chance.permille(self._plan.link.lost, "lost", *question, sent)

        one = self._engine.pay(meeting.payer, payee, meeting.amount_tiyn, meeting.near, name, lost)
        honest = self._agents[meeting.payer].honest and self._agents[payee].honest
        tally.took_place(meeting.payer, payee, meeting.amount_tiyn, one, now, honest)
        if self._agents[meeting.payer].opened >= 0:
            self._remember(one, now, meeting.amount_tiyn)

    def _remember(self, paid: Paid, now: int, amount_tiyn: int) -> None:
        for previous, position, transfer, _ in paid.spent:
            taken = int(paid.outcome == "paid")
            self._engine.tally.attacks.append([previous, position, transfer, now, amount_tiyn, taken])
