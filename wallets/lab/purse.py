"""The comparison engine A: a balance in the element, as in Mondex and its children (protocol, section 3, family A).

The element holds a number. To pay, it lowers the number and signs "so much to this payee, for this request"; the payee
checks the bank's certificate and that one signature, and raises its own number. So a payment has the same size however
often the money has moved, and needs no history. Signatures and limits are real; the online side is plain accounts of
this module, because nothing is compared there.

What it gives up shows in the same days as DTO/1's. An opened element pays what it does not have, and no payee can
tell. At a sync a device declares totals; the centre sees **in the sum** that more came home than ever went out, but no
two signatures contradict each other, so nobody can be named, nobody is revoked, and the attack goes on.

A payment that was cut stays in the payer's exception log (as Mondex had one) and is handed in at its next sync; the
payee is credited when its own sync has cancelled the request.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cbdc import canonical
from cbdc.errors import Refused, TengeError
from cbdc.keys import ED25519, SoftwareKey
from cbdc.money import tenge
from cbdc.ports import SeededEntropy
from cbdc.record import Signed, sign
from offline.parameters import limits_for
from offline.purse import Totals, check_in, check_out
from offline.records import DeviceCertificate
from wallets.lab.counter import Air, Cut, Lost
from wallets.lab.measures import expected_tiyn, second_spends
from wallets.lab.notebook import Notebook
from wallets.lab.population import Agent, Region
from wallets.lab.settings import Link, Plan
from wallets.lab.tally import Paid, Tally
from wallets.lab.world import DAY_SECONDS, START

_NETWORK = b"purses\0\0"
_LIFE_SECONDS = 10 * 365 * DAY_SECONDS
_SURE = Link(0, 1)
NOTHING = Totals(0, 0, 0, 0)


@dataclass(slots=True)
class Purse:
    """The state of one element: a balance in tiyn, a counter that rises, totals that never fall; what lies open.

    `open` maps the nonce of each request to its amount, `exceptions` the nonce of each payment without a receipt to
    [payee, tiyn]. `base` are the totals of the last sync, `synced` its moment.
    """

    balance_tiyn: int = 0
    counter: int = 0
    totals: Totals = NOTHING
    base: Totals = NOTHING
    synced: int = START
    open: dict[bytes, int] = field(default_factory=dict)
    exceptions: dict[bytes, list[int]] = field(default_factory=dict)

    def pay(self, amount_tiyn: int) -> int:
        """Lower the balance and raise the counter, which is given; E_COINS when there is too little."""
        if self.balance_tiyn < amount_tiyn:
            raise Refused(
                "E_COINS", amount_tiyn=amount_tiyn, purpose=0, parts=1, usable_tiyn=self.balance_tiyn
            )
        self.balance_tiyn -= amount_tiyn
        self.counter += 1
        self.totals = self.totals._replace(
            out_tiyn=self.totals.out_tiyn + amount_tiyn, out_count=self.totals.out_count + 1
        )
        return self.counter

    def take(self, nonce: bytes) -> None:
        """Raise the balance by what was asked for under this nonce: once."""
        amount_tiyn = self.open.pop(nonce)
        self.balance_tiyn += amount_tiyn
        self.totals = self.totals._replace(
            in_tiyn=self.totals.in_tiyn + amount_tiyn, in_count=self.totals.in_count + 1
        )

    @classmethod
    def of(cls, values: list[Any]) -> "Purse":
        """The purse that `values` gave."""
        balance, counter, totals, base, synced, asked, exceptions = values
        return cls(balance, counter, Totals(*totals), Totals(*base), synced, dict(asked), dict(exceptions))

    def values(self) -> list[Any]:
        """The state as a plain value."""
        return [
            self.balance_tiyn, self.counter, list(self.totals), list(self.base), self.synced,
            sorted(self.open.items()), sorted(self.exceptions.items()),
        ]  # fmt: skip


@dataclass(slots=True)
class Centre:
    """The centre's side: tiyn online by agent, the escrow behind all purses, what the reserve paid, cut payments."""

    online: dict[int, int]
    escrow_tiyn: int = 0
    loaded_tiyn: int = 0
    redeemed_tiyn: int = 0
    reserve_paid_tiyn: int = 0
    claims: dict[bytes, list[int]] = field(default_factory=dict)
    cancelled: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    def of(cls, values: list[Any]) -> "Centre":
        """The centre that `values` gave."""
        online, escrow, loaded, redeemed, paid, claims, cancelled = values
        return cls(dict(online), escrow, loaded, redeemed, paid, dict(claims), dict(cancelled))

    def values(self) -> list[Any]:
        """Everything as a plain value."""
        plain = [self.escrow_tiyn, self.loaded_tiyn, self.redeemed_tiyn, self.reserve_paid_tiyn]
        return [
            sorted(self.online.items()),
            *plain,
            sorted(self.claims.items()),
            sorted(self.cancelled.items()),
        ]

    def redeem(self, number: int, amount_tiyn: int) -> None:
        """Money comes home; the loss reserve pays what the escrow does not hold (more came home than went out)."""
        self.online[number] += amount_tiyn
        self.redeemed_tiyn += amount_tiyn
        covered = min(self.escrow_tiyn, amount_tiyn)
        self.escrow_tiyn -= covered
        self.reserve_paid_tiyn += amount_tiyn - covered


class PurseEngine:
    """`Engine` of balances; see the module's text."""

    def __init__(self, plan: Plan, number: int, region: Region, notebook: Notebook) -> None:
        """New, or as the notebook has it."""
        self.plan = plan
        self.region = region
        self.tally = Tally()
        self.first_day = 0
        self._now = START
        self._notebook = notebook
        entropy = SeededEntropy(plan.lab.seed * 1_000 + number)
        self._bank = SoftwareKey(ED25519, entropy.bytes("purse bank", b""))
        names = [agent.name.encode() for agent in region.agents]
        self._keys = [SoftwareKey(plan.lab.key_algorithm, entropy.bytes("purse", name)) for name in names]
        self._certificates = [self._certify(agent) for agent in region.agents]
        self._purses = [Purse() for _ in region.agents]
        self._copies: dict[int, Purse] = {}
        self._centre = Centre({agent.number: agent.online_tiyn for agent in region.agents})
        if notebook.state is None:
            self.sync([agent.number for agent in region.agents], b"")
        else:
            self.first_day, self._now, values, purses, copies, centre = notebook.state
            self.tally = Tally.of(values)
            self._purses = [Purse.of(one) for one in purses]
            self._copies = {number: Purse.of(one) for number, one in copies}
            self._centre = Centre.of(centre)

    def _certify(self, agent: Agent) -> Signed[DeviceCertificate]:
        key = self._keys[agent.number].public
        limits = limits_for(agent.tier, agent.category, self.plan.policy)
        record = DeviceCertificate(
            self._bank.public.kid[:8], key.kid[:16], key.algorithm, key.raw, agent.tier, agent.category, limits,
            START, START + _LIFE_SECONDS, agent.number + 1,
        )  # fmt: skip
        return sign(record, _NETWORK, self._bank)

    def move_to(self, moment: int) -> None:
        """It is this late now."""
        self._now = max(self._now, moment)

    # --- payments ---

    def pay(self, payer: int, payee: int, amount_tiyn: int, near: bool, id: bytes, lost: Lost) -> Paid:
        """One payment; both flows are the same three messages here."""
        air = Air(self.plan.link, lost)
        return self._pay(self._purses[payer], payer, payee, amount_tiyn, id, air)

    def attack(self, attacker: int, payees: Sequence[int], amount_tiyn: int, id: bytes) -> list[Paid]:
        """A copy (clone), or the purse as it was at the first attack (rollback), pays each of these."""
        paid = []
        clone = self.plan.opened[self.region.agents[attacker].opened].behaviour == "clone"
        for number, payee in enumerate(payees):
            known = self._copies.get(attacker)
            if known is None or (clone and known.balance_tiyn < amount_tiyn):
                known = self._copies[attacker] = Purse.of(self._purses[attacker].values())
            copy = known if clone else Purse.of(known.values())
            air = Air(_SURE, lambda sent: False)
            paid.append(self._pay(copy, attacker, payee, amount_tiyn, id + number.to_bytes(2, "big"), air))
        return paid

    def _pay(self, purse: Purse, payer: int, payee: int, amount_tiyn: int, nonce: bytes, air: Air) -> Paid:
        """REQUEST, PAYMENT, RECEIPT: three signed messages of a fixed size."""
        try:
            air.carry(self._request(payee, amount_tiyn, nonce))
            self._check_payer(purse, payer, amount_tiyn)
            counter = purse.pay(amount_tiyn)
        except Cut:
            return Paid("link", repeats=air.repeats)
        except TengeError as error:
            short = error.code == "E_COINS"
            return Paid("short") if short else Paid("refused", error.code, repeats=air.repeats)
        purse.exceptions[nonce] = [payee, amount_tiyn]
        body = canonical.encode([self._keys[payer].public.kid, self._kid(payee), nonce, amount_tiyn, counter])
        message = self._signed(payer, body)
        outcome = "interrupted"
        try:
            air.carry(message, counts=True)
            # What the payee checks: the bank's word for the key, and the key's word for the payment. Nothing else.
            certificate = self._certificates[payer]
            certificate.verify(self._bank.public)
            certificate.record.key.verify(message[-64:], body)
            self._purses[payee].take(nonce)
            outcome = "paid"
            air.carry(self._signed(payee, canonical.encode([self._kid(payee), nonce])))
            del purse.exceptions[nonce]
        except Cut:
            pass
        spent = ((self._keys[payer].public.kid, counter, hashlib.sha256(body).digest(), amount_tiyn),)
        return Paid(outcome, "", 1, 1, air.payment_bytes, air.talk_bytes, air.repeats, spent)

    def _request(self, payee: int, amount_tiyn: int, nonce: bytes) -> bytes:
        purse, limits = self._purses[payee], self._certificates[payee].record.limits
        reserved = sum(purse.open.values())
        check_in(amount_tiyn, purse.balance_tiyn, reserved, limits)
        purse.open[nonce] = amount_tiyn
        return self._signed(payee, canonical.encode([self._kid(payee), nonce, amount_tiyn, self._now]))

    def _check_payer(self, purse: Purse, payer: int, amount_tiyn: int) -> None:
        limits = self._certificates[payer].record.limits
        if self._now - purse.synced > limits.max_age_days * DAY_SECONDS:
            raise Refused(
                "E_SYNC_AGE", sync_time=purse.synced, now=self._now, max_age_days=limits.max_age_days
            )
        check_out(purse.totals, purse.base, limits, amount_tiyn)

    def _kid(self, number: int) -> bytes:
        return self._keys[number].public.kid

    def _signed(self, number: int, body: bytes) -> bytes:
        return self._certificates[number].encode() + body + self._keys[number].sign(body)

    # --- the network ---

    def sync(self, numbers: Sequence[int], id: bytes) -> None:
        """These purses declare their totals, hand in their exceptions, send home and fill up."""
        for number in numbers:
            self._sync(number, self.region.agents[number].is_shop)
        for number in numbers:
            if not self.region.agents[number].is_shop:
                self._refill(number)

    def _sync(self, number: int, redeem: bool) -> None:
        purse, centre = self._purses[number], self._centre
        for nonce, (payee, amount_tiyn) in purse.exceptions.items():
            centre.claims[nonce] = [payee, amount_tiyn]
        centre.cancelled |= dict.fromkeys(purse.open, number)
        purse.exceptions, purse.open = {}, {}
        for nonce in [nonce for nonce in centre.claims if nonce in centre.cancelled]:
            payee, amount_tiyn = centre.claims.pop(nonce)
            centre.redeem(payee, amount_tiyn)
        purse.base, purse.synced = purse.totals, self._now
        if redeem:
            centre.redeem(number, purse.balance_tiyn)
            purse.balance_tiyn = 0
        self.tally.sums["sync_bytes"] += len(self._signed(number, canonical.encode(list(purse.totals))))

    def _refill(self, number: int) -> None:
        purse, centre, people = self._purses[number], self._centre, self.plan.people
        if purse.balance_tiyn >= tenge(people.refill_below):
            return
        room = self._certificates[number].record.limits.max_balance_tiyn - purse.balance_tiyn
        amount_tiyn = min(tenge(people.purse) - purse.balance_tiyn, room, centre.online[number])
        if amount_tiyn > 0:
            centre.online[number] -= amount_tiyn
            centre.escrow_tiyn += amount_tiyn
            centre.loaded_tiyn += amount_tiyn
            purse.balance_tiyn += amount_tiyn

    def settle_all(self) -> None:
        """Everybody syncs twice and sends everything home, opened purses too: nobody knows of them."""
        everybody = [agent.number for agent in self.region.agents]
        for _ in range(2):
            for number in everybody:
                self._sync(number, True)
        self.tally.handed_in(set(everybody))

    # --- figures ---

    def day_row(self) -> list[int]:
        """Of the honest purses now: [tiyn held, 0]: a balance can always be paid on."""
        return [
            sum(self._purses[agent.number].balance_tiyn for agent in self.region.agents if agent.honest),
            0,
        ]

    def _books(self) -> dict[int, int]:
        return expected_tiyn(self.region, self.tally, lambda oid, payee: False)

    def findings(self) -> dict[str, Any]:
        """What the centre knows (sums), beside the truth of the tally: nobody is found."""
        agents, centre = self.region.agents, self._centre
        books = self._books()
        missing = [books[a.number] - centre.online[a.number] for a in agents if a.honest]
        ring = [centre.online[a.number] - books[a.number] for a in agents if not a.honest]
        closed = self.plan.lab.close
        return {
            "loss_tiyn": centre.reserve_paid_tiyn,
            "losses_tiyn": [],
            "borne_tiyn": {"device": 0, "owner": 0, "bank": 0, "reserve": centre.reserve_paid_tiyn},
            "double_spent": len(second_spends(self.tally)),
            "detected": 0,
            "detected_in_time": 0,
            "delays_seconds": [],
            "guilty": 0,
            "opened": sum(1 for agent in agents if agent.opened >= 0),
            "denied": 0,
            "honest": sum(1 for agent in agents if agent.honest),
            "payees_short": sum(1 for one in missing if one > 0) if closed else 0,
            "payees_tiyn": sum(missing) if closed else 0,
            "ring_gain_tiyn": sum(ring),
        }

    def audit(self) -> dict[str, Any]:
        """No tiyn is lost or made except by opened purses, and what those made is what the reserve paid or is held."""
        centre, agents = self._centre, self.region.agents
        start = sum(agent.online_tiyn for agent in agents)
        owned = sum(centre.online.values())
        conserved = owned + centre.escrow_tiyn == start + centre.reserve_paid_tiyn
        escrow = centre.escrow_tiyn == centre.loaded_tiyn - centre.redeemed_tiyn + centre.reserve_paid_tiyn
        checks: dict[str, Any] = {
            "conserved": {"ok": conserved, "owned_tiyn": owned},
            "escrow": {"ok": escrow, "escrow_tiyn": centre.escrow_tiyn},
        }
        if self.plan.lab.close:
            books = self._books()
            wrong = sum(1 for a in agents if a.honest and centre.online[a.number] != books[a.number])
            checks["people"] = {"ok": not wrong, "people": len(books), "wrong": wrong}
        return {"ok": all(one["ok"] for one in checks.values()), "checks": checks}

    def save(self, day: int) -> None:
        """Keep everything as it is at the end of this day."""
        purses = [purse.values() for purse in self._purses]
        copies = [[number, purse.values()] for number, purse in sorted(self._copies.items())]
        self._notebook.save(day, [day, self._now, self.tally.values(), purses, copies, self._centre.values()])

    def close(self) -> None:
        """Release files."""
        self._notebook.close()
