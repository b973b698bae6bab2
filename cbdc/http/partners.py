"""Third parties over HTTP: the handlers for holders (consents, orders, mandates) and for third parties (signed calls).

A third party's POST has the canonical envelope of a `Call` as its body; its GET carries the same envelope, with an
empty body in it, in the header `Tenge-Call` (URL-safe Base64 without padding). Both name the method and the path.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cbdc.distribution import CommercialBank
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.http import addresses, wire
from cbdc.http.requests import Tell, nobody
from cbdc.http.routes import Ask
from cbdc.keys import PublicKey
from cbdc.ledger.ledger import Ledger
from cbdc.mandates import Mandate, MandateDesk
from cbdc.orders import HolderProof
from cbdc.partners.desk import PartnerDesk
from cbdc.partners.hooks import Hooks, received
from cbdc.partners.orders import OrderBook
from cbdc.partners.records import (
    BALANCE,
    HISTORY,
    MANDATE,
    Call,
    Collection,
    Consent,
    HookOrder,
    Introduction,
)
from cbdc.record import open_envelope
from cbdc.sales import SaleOrder
from cbdc.token import KeyLock, TokenId

CALL_HEADER = "Tenge-Call"
HISTORY_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Desks:
    """What the routes speak with. `webhook_key` signs deliveries; `public` lets them leave the private network; `news`
    lets the keys know that something of theirs waits or has changed."""

    ledger: Ledger
    partners: PartnerDesk
    orders: OrderBook
    hooks: Hooks
    mandates: MandateDesk
    webhook_key: PublicKey
    public: bool = False
    news: Tell = nobody


def out_of_deposit(ledger: Ledger, banks: Mapping[int, CommercialBank]) -> Any:
    """How a mandate is carried out here: the payer's bank sells to the payee out of the payer's deposit."""

    def execute(id: bytes, mandate: Mandate, amount_tiyn: int) -> None:
        key = ledger.registered(mandate.payer)
        bank = banks.get(key.bank_id) if key is not None else None
        if bank is None:
            raise Refused("E_KEY_UNKNOWN", kid=mandate.payer)
        customer = bank.customers.owner_of(mandate.payer)
        answer = bank.sell([SaleOrder(id, customer.id, mandate.payee, amount_tiyn)])[0]
        if isinstance(answer, TengeError):
            raise answer

    return execute


class PartnerApi:
    """The handlers."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks
        self._network = desks.ledger.network

    # --- calls ---

    def _posted(self, ask: Ask) -> Call:
        return self._own(ask, self._desks.partners.admit(ask.body, f"POST {ask.path}"))

    def _asked(self, ask: Ask) -> Call:
        text = ask.headers.get(CALL_HEADER, "")
        if not text:
            raise Refused("E_PARTNER_CALL", problem=f"the header {CALL_HEADER} is missing")
        call = self._desks.partners.admit(unpacked(text), f"GET {ask.path}")
        return self._own(ask, call)

    @staticmethod
    def _own(ask: Ask, call: Call) -> Call:
        if ask.octets("partner") != call.partner:
            raise Refused("E_PARTNER_CALL", problem="it is another third party's")
        return call

    # --- third parties ---

    def introduce(self, ask: Ask) -> wire.Json:
        """A third party introduces itself."""
        introduction = open_envelope(ask.body, Introduction, self._network)
        return self._partner(self._desks.partners.introduce(introduction))

    def partner(self, ask: Ask) -> wire.Json:
        """Who a third party is."""
        return self._partner(ask.octets("partner"))

    def _partner(self, kid: bytes) -> wire.Json:
        partner = self._desks.partners.partner(kid)
        return {
            "kid": kid.hex(),
            "name": partner.name,
            "since": partner.since,
            "algorithm": partner.key.algorithm,
            "public_key": partner.key.raw.hex(),
        }

    def partners(self, ask: Ask) -> wire.Json:
        """Every third party."""
        return {"partners": [self._partner(kid) for kid in self._desks.partners.all()]}

    def consents(self, ask: Ask) -> wire.Json:
        """The consents that name a third party."""
        call = self._asked(ask)
        return {"consents": [self._consent(one) for one in self._desks.partners.consents_for(call.partner)]}

    def balance(self, ask: Ask) -> wire.Json:
        """What the holder of a consent has."""
        consent = self._desks.partners.allowed(self._asked(ask).partner, ask.octets("consent"), BALANCE)
        kid = self._desks.partners.present(consent.holder)
        free = marked = 0
        for owner in dict.fromkeys((consent.holder, kid)):
            for _, token in self._desks.ledger.owned(owner):
                if isinstance(token.lock, KeyLock):
                    free += 0 if token.mark else token.amount_tiyn
                    marked += token.amount_tiyn if token.mark else 0
        return {"kid": kid.hex(), "free_tiyn": free, "marked_tiyn": marked}

    def history(self, ask: Ask) -> wire.Json:
        """What the holder of a consent paid and got, from an entry of the journal on."""
        consent = self._desks.partners.allowed(self._asked(ask).partner, ask.octets("consent"), HISTORY)
        ledger, start = self._desks.ledger, max(1, ask.number("start"))
        kids = {consent.holder, self._desks.partners.present(consent.holder)}
        end = min(ledger.size, start + HISTORY_ENTRIES)
        lines = [line for index in range(start, end) if (line := self._line(index, kids))]
        return {"lines": lines, "next": max(start, end)}

    def _line(self, index: int, kids: set[bytes]) -> wire.Json | None:
        ledger = self._desks.ledger
        transaction = ledger.transaction(index)
        got = sum(amount for kid, amount in received(ledger, index).items() if kid in kids)
        paid = 0
        if kids & {kid for kid, _ in transaction.witnesses}:
            spent = sum(self._amount(identity, kids) for identity in transaction.record.spends)
            back = sum(
                token.amount_tiyn
                for token in transaction.record.creates
                if isinstance(token.lock, KeyLock) and token.lock.kid in kids
            )
            paid, got = max(0, spent - back), max(0, back - spent) if spent else got
        if not got and not paid:
            return None
        return {
            "index": index,
            "time": ledger.entry(index).time,
            "transaction_id": transaction.id.hex(),
            "received_tiyn": got,
            "paid_tiyn": paid,
        }

    def _amount(self, identity: TokenId, kids: set[bytes]) -> int:
        made = self._desks.ledger.find(identity.transaction_id)
        assert made is not None, "what was spent was made"
        token = self._desks.ledger.transaction(made.index).record.creates[identity.output]
        return token.amount_tiyn if kids & set(token.lock.kids) else 0

    def order(self, ask: Ask) -> wire.Json:
        """A payment for the holder to sign."""
        return self._told(self._desks.orders.order_payment(self._posted(ask)))

    def opening(self, ask: Ask) -> wire.Json:
        """A lock for its keys to open."""
        return self._told(self._desks.orders.order_opening(self._posted(ask)))

    def _told(self, order: wire.Json) -> wire.Json:
        self._desks.news([bytes.fromhex(kid) for kid in order["signers"]])
        return order

    def state(self, ask: Ask) -> wire.Json:
        """What became of an order."""
        call, name = self._asked(ask), ask.octets("order")
        order = self._desks.orders.get(name)
        if order.partner != call.partner:
            raise Refused("E_ORDER_UNKNOWN", id=name)
        return self._desks.orders.show(order)

    def collect(self, ask: Ask) -> wire.Json:
        """A collection on a mandate."""
        call = self._posted(ask)
        desk, wish = self._desks.partners, Collection.from_body(call.carried)

        def do(id: bytes) -> wire.Json:
            consent = desk.allowed(call.partner, wish.consent, MANDATE)
            mandate = self._desks.mandates.mandate(wish.mandate)
            if not desk.same_holder(mandate.payer, consent.holder):
                raise Refused("E_MANDATE_UNKNOWN", id=wish.mandate)
            counted = desk.count(consent, wish.amount_tiyn)
            self._desks.mandates.collect(id, wish.mandate, mandate.payee, wish.amount_tiyn)
            self._desks.news(_both(mandate))
            desk.cabinet.put_many([counted])
            return {"id": id.hex(), "payee": mandate.payee.hex(), "amount_tiyn": wish.amount_tiyn}

        return desk.once(call, do)

    # --- events ---

    def webhook_key(self, ask: Ask) -> wire.Json:
        """The key that signs deliveries."""
        key = self._desks.webhook_key
        return {"kid": key.kid.hex(), "algorithm": key.algorithm, "public_key": key.raw.hex()}

    def add_hook(self, ask: Ask) -> wire.Json:
        """An address for events."""
        call = self._posted(ask)
        wish = HookOrder.from_body(call.carried)
        addresses.parse(wish.url, self._desks.public)
        return self._desks.partners.once(call, lambda name: self._desks.hooks.add(name, call.partner, wish))

    def remove_hook(self, ask: Ask) -> wire.Json:
        """An address is forgotten."""
        call = self._posted(ask)
        _nothing(call)
        hook = ask.octets("hook")
        return self._desks.partners.once(call, lambda name: self._desks.hooks.remove(call.partner, hook))

    def events(self, ask: Ask) -> wire.Json:
        """Addresses, what waits for them, and what could not be delivered."""
        partner = self._asked(ask).partner
        hooks = self._desks.hooks
        return {
            "hooks": hooks.of(partner),
            "waiting": [one.show() for one in hooks.waiting_for(partner)],
            "dead": [one.show() for one in hooks.dead_letters(partner)],
        }

    def again(self, ask: Ask) -> wire.Json:
        """A dead letter is delivered again."""
        call = self._posted(ask)
        _nothing(call)
        delivery = ask.octets("delivery")
        return self._desks.partners.once(call, lambda name: self._desks.hooks.again(call.partner, delivery))

    # --- holders ---

    def give_consent(self, ask: Ask) -> wire.Json:
        """A holder's consent."""
        consent = open_envelope(ask.body, Consent, self._network)
        self._desks.partners.accept(consent)
        self._desks.news([consent.record.holder])
        return self._consent(consent.record)

    def revoke_consent(self, ask: Ask) -> wire.Json:
        """A holder takes a consent back."""
        name = ask.octets("consent")
        self._desks.partners.revoke(open_envelope(ask.body, HolderProof, self._network), name)
        consent = self._desks.partners.consent(name)
        self._desks.news([consent.holder])
        return self._consent(consent)

    def consents_of(self, ask: Ask) -> wire.Json:
        """The consents that a key gave."""
        kid = ask.octets("kid")
        ask.require_holder(kid)
        return {"consents": [self._consent(one) for one in self._desks.partners.consents_of(kid)]}

    def orders_for(self, ask: Ask) -> wire.Json:
        """The orders that ask for a key's signature."""
        kid = ask.octets("kid")
        ask.require_holder(kid)
        book = self._desks.orders
        return {"orders": [book.show(order) for order in book.orders_for(kid)]}

    def pay(self, ask: Ask) -> wire.Json:
        """A signed transaction for an order."""
        answer = self._desks.orders.pay(ask.octets("order"), ask.body)
        self._told(answer["order"])
        return answer

    def decline(self, ask: Ask) -> wire.Json:
        """A holder says no."""
        proof = open_envelope(ask.body, HolderProof, self._network)
        return self._told(self._desks.orders.decline(ask.octets("order"), proof))

    def give_mandate(self, ask: Ask) -> wire.Json:
        """A payer's mandate."""
        mandate = open_envelope(ask.body, Mandate, self._network)
        self._desks.mandates.accept(mandate)
        self._desks.news(_both(mandate.record))
        return {"id": mandate.record.id.hex()}

    def revoke_mandate(self, ask: Ask) -> wire.Json:
        """A payer takes a mandate back."""
        name = ask.octets("mandate")
        self._desks.mandates.revoke(open_envelope(ask.body, HolderProof, self._network), name)
        self._desks.news(_both(self._desks.mandates.mandate(name)))
        return {"id": name.hex()}

    def mandates_of(self, ask: Ask) -> wire.Json:
        """The mandates that a key gave or may collect on."""
        kid = ask.octets("kid")
        ask.require_holder(kid)
        return {"mandates": [self._mandate(one) for one in self._desks.mandates.mandates_of(kid)]}

    def _mandate(self, mandate: Mandate) -> wire.Json:
        desk, period = self._desks.mandates, mandate.period(self._desks.partners.clock.now())
        tiyn, payments = desk.collected(mandate.id, period)
        return {
            "id": mandate.id.hex(),
            "payer": mandate.payer.hex(),
            "payee": mandate.payee.hex(),
            "payment_limit_tiyn": mandate.payment_limit_tiyn,
            "period_limit_tiyn": mandate.period_limit_tiyn,
            "most_payments": mandate.most_payments,
            "period_seconds": mandate.period_seconds,
            "first": mandate.first,
            "last": mandate.last,
            "problem": desk.standing(mandate),
            "collected_tiyn": tiyn,
            "payments": payments,
        }

    def _consent(self, consent: Consent) -> wire.Json:
        desk = self._desks.partners
        day = desk.day()
        return {
            "id": consent.id.hex(),
            "holder": consent.holder.hex(),
            "partner": consent.partner.hex(),
            "partner_name": desk.partner(consent.partner).name,
            "scopes": list(consent.scopes),
            "payment_limit_tiyn": consent.payment_limit_tiyn,
            "day_limit_tiyn": consent.day_limit_tiyn,
            "first": consent.first,
            "last": consent.last,
            "problem": desk.live(consent),
            "started_today_tiyn": desk.started_tiyn(consent.id, day),
        }


def _both(mandate: Mandate) -> Iterable[bytes]:
    return {mandate.payer, mandate.payee}


def _nothing(call: Call) -> None:
    if call.carried:
        raise Malformed("E_FIELD", field="body", problem="this call has none")


def packed(envelope: bytes) -> str:
    """A call's envelope as the header Tenge-Call."""
    return base64.urlsafe_b64encode(envelope).decode().rstrip("=")


def unpacked(text: str) -> bytes:
    """The envelope in a header Tenge-Call; E_FIELD."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("E_FIELD", field=CALL_HEADER, problem="not URL-safe Base64") from None
