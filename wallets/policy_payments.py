"""Payments as a policy wants them: what is missing comes out of the deposit, what is too much goes on into one.

    1  top up    payers whose tier has `reverse_waterfall` buy what they lack, in one group for each bank
    2  terms     payees whose tier has `waterfall` are asked, at their banks, how they receive it
    3  prepare   each payment is an intent, saved before anything is sent
    4  send      payments by terms through the payee's bank, the others straight to the ledger

Every id follows from the call's id and the payment's place in it, so a call that was cut off is completed by repeating
it. A payment that was refused for lack of money when it was asked first stays refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cbdc.cabinet import Row
from cbdc.errors import TengeError, Unavailable
from cbdc.ledger.entry import Receipt
from cbdc.overflow import Terms
from cbdc.policies import PolicySet
from cbdc.ports import Clock
from cbdc.purchases import PurchaseDesk
from cbdc.sales import SaleOrder
from cbdc.system import System
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import open_transaction
from wallets.cast import Member
from wallets.desk import Answers, Desk, derived
from wallets.store import Intent, WalletStore
from wallets.wallet import answer_of, close, find_tokens_of, open_refusal, refusal_result, send

_POOR = "policy payments without cover"

Wanted = tuple[Member, Member, int]


@dataclass(slots=True)
class _Batch:
    """The payments of one call: their ids, what was answered already, terms by place, intents by place."""

    rows: Sequence[Wanted]
    ids: Sequence[bytes]
    answers: dict[int, TengeError] = field(default_factory=dict)
    terms: dict[int, Terms] = field(default_factory=dict)
    intents: dict[int, Intent] = field(default_factory=dict)

    def open(self) -> list[int]:
        """The places that were not refused yet."""
        return [place for place in range(len(self.rows)) if place not in self.answers]


class PolicyPayments:
    """Online payments under a policy. `purchases` are the banks' purchase desks by bank id."""

    def __init__(
        self,
        system: System,
        desk: Desk,
        store: WalletStore,
        policy: PolicySet,
        purchases: Mapping[int, PurchaseDesk],
        directory: Mapping[bytes, str],
        clock: Clock,
    ) -> None:
        self._system = system
        self._desk = desk
        self._store = store
        self._policy = policy
        self._purchases = purchases
        self._directory = directory
        self._clock = clock

    def pay(self, rows: Sequence[Wanted], id: bytes) -> Answers:
        """Members pay members in free money; for each payment None, or its refusal."""
        ids = [derived(id, "policy pay", place, row[0].name) for place, row in enumerate(rows)]
        batch = _Batch(rows, ids)
        for place, intent_id in enumerate(ids):
            before = self._system.stores.cabinet.get(_POOR, intent_id)
            if before is not None:
                batch.answers[place] = open_refusal(before)
        self._top_up(batch)
        self._ask_terms(batch)
        self._prepare(batch)
        self._send(batch)
        return [batch.answers.get(place) for place in range(len(rows))]

    def transaction_id(self, id: bytes, place: int, payer: Member) -> bytes:
        """The id of the transfer that an accepted payment of `pay` became, by the call's id and its place in it."""
        intent_id = derived(id, "policy pay", place, payer.name)
        intent = self._store.intent(payer.wallet.name, intent_id)
        assert intent is not None, "an accepted payment has its intent"
        return open_transaction(intent.body, self._system.network).id

    def buy(self, orders: Sequence[tuple[Member, int, bytes]]) -> Answers:
        """Members buy digital tenge at their banks (member, tiyn, order id); for each None, or its refusal."""
        answers: Answers = [None] * len(orders)
        for bank_id in sorted({self._desk.bank_id(member.bank) for member, _, _ in orders}):
            places = [p for p, row in enumerate(orders) if self._desk.bank_id(row[0].bank) == bank_id]
            sales = [
                SaleOrder(name, member.customer, member.wallet.kid, tiyn)
                for member, tiyn, name in (orders[place] for place in places)
            ]
            try:
                results = self._purchases[bank_id].buy(sales)
            except TengeError as refusal:
                results = [refusal] * len(sales)
            for place, answer in zip(places, results, strict=True):
                answers[place] = answer if isinstance(answer, TengeError) else None
        find_tokens_of(self._store, self._system.ledger, [member.wallet for member, _, _ in orders])
        return answers

    def _tier(self, member: Member) -> int:
        known = self._system.ledger.registered(member.wallet.kid)
        return known.tier if known is not None else 0

    def _top_up(self, batch: _Batch) -> None:
        spoken_for: dict[str, int] = {}
        orders: list[tuple[Member, int, bytes]] = []
        places: list[int] = []
        for place in batch.open():
            payer, _, amount = batch.rows[place]
            if self._store.intent(payer.wallet.name, batch.ids[place]) is not None:
                continue
            before = spoken_for.get(payer.wallet.name, 0)
            free = max(0, payer.wallet.balance_tiyn() - before)
            spoken_for[payer.wallet.name] = before + min(amount, free)
            if amount > free and self._policy.holds("reverse_waterfall", self._tier(payer)):
                orders.append((payer, amount - free, derived(batch.ids[place], "top up")))
                places.append(place)
        poor: list[Row] = []
        for place, answer in zip(places, self.buy(orders) if orders else [], strict=True):
            if answer is not None:
                batch.answers[place] = answer
                if not isinstance(answer, Unavailable):
                    poor.append(Row(_POOR, batch.ids[place], refusal_result(answer)))
        if poor:
            self._system.stores.cabinet.put_many(poor)

    def _ask_terms(self, batch: _Batch) -> None:
        asked: dict[int, list[int]] = {}
        for place in batch.open():
            payee = batch.rows[place][1]
            if self._policy.holds("waterfall", self._tier(payee)):
                asked.setdefault(self._desk.bank_id(payee.bank), []).append(place)
        for bank_id, places in sorted(asked.items()):
            wishes = [
                (derived(batch.ids[place], "terms"), batch.rows[place][1].wallet.kid, batch.rows[place][2])
                for place in places
            ]
            given = self._system.banks[bank_id].overflow.terms(wishes, self._policy)
            for place, terms in zip(places, given, strict=True):
                if isinstance(terms, Terms):
                    batch.terms[place] = terms
                else:
                    batch.answers[place] = terms

    def _prepare(self, batch: _Batch) -> None:
        taken: set[TokenId] = set()
        poor: list[Row] = []
        for place in batch.open():
            payer, payee, amount = batch.rows[place]
            terms = batch.terms.get(place)
            outputs = [Token(amount, KeyLock(payee.wallet.kid))] if terms is None else list(terms.outputs)
            nonce = b"" if terms is None else terms.nonce
            try:
                batch.intents[place] = payer.wallet.prepare_outputs(
                    batch.ids[place], "pay", outputs, taken, nonce
                )
            except TengeError as refusal:
                batch.answers[place] = refusal
                poor.append(Row(_POOR, batch.ids[place], refusal_result(refusal)))
        if poor:
            self._system.stores.cabinet.put_many(poor)

    def _send(self, batch: _Batch) -> None:
        plain = [place for place in batch.intents if place not in batch.terms]
        results = send(
            self._store,
            self._system.ledger,
            [batch.intents[place] for place in plain],
            self._directory,
            self._clock,
        )
        for place, answer in zip(plain, results, strict=True):
            self._note(batch, place, answer)
        for bank_id in sorted(self._system.banks):
            places = [
                place
                for place in batch.terms
                if place in batch.intents and self._desk.bank_id(batch.rows[place][1].bank) == bank_id
            ]
            self._settle(batch, bank_id, places)

    def _settle(self, batch: _Batch, bank_id: int, places: Sequence[int]) -> None:
        known = [self._store.intent(batch.intents[p].wallet, batch.intents[p].id) for p in places]
        closed = [one if one is not None and one.state != "saved" else None for one in known]
        fresh = [place for place, one in zip(places, closed, strict=True) if one is None]
        saved = self._store.save_intents([batch.intents[place] for place in fresh])
        answers = self._system.banks[bank_id].overflow.settle([intent.body for intent in saved])
        close(self._store, self._system.network, saved, answers, self._directory, self._clock)
        for place, answer in zip(fresh, answers, strict=True):
            self._note(batch, place, answer)
        for place, one in zip(places, closed, strict=True):
            if one is not None:
                self._note(batch, place, answer_of(one, self._system.ledger))

    @staticmethod
    def _note(batch: _Batch, place: int, answer: Receipt | TengeError) -> None:
        if isinstance(answer, TengeError):
            batch.answers[place] = answer
