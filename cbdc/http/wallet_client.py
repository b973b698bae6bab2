"""What a wallet outside the institutions' process asks besides paying: the other side of `cbdc.http.wallets` and
`cbdc.http.requests`.

    account = WalletClient(gateway, bank_id, signer, clock, entropy)      gateway: cbdc.http.client.HttpGateway
    account.join("7K2M-XQ4T-9B")
    account.limits().holding_tiyn
    kid = account.look_up(lookup_id, "+77010001122")

Paying itself is a wallet's (`wallets.wallet` over the same gateway): it saves what it sends. Ids are the caller's, kept
before anything is sent; then every call may be repeated after a lost answer.

No answer is believed further than its form, with two exceptions where a lie would cost money: the registration that is
signed at joining must be of the own key, and a payment request must be signed by the key it asks to pay.
"""

from collections.abc import Mapping
from typing import NamedTuple

from cbdc import canonical
from cbdc.aliases import claim_purpose, move_purpose, normal, remove_purpose
from cbdc.errors import Unavailable
from cbdc.http import wire
from cbdc.http.client import HttpGateway
from cbdc.http.wallets import LOOKUP_PURPOSE
from cbdc.keys import Signer
from cbdc.ledger.entry import Entry, Receipt
from cbdc.marks import MarkDefinition
from cbdc.orders import HolderProof
from cbdc.ports import Clock, Entropy
from cbdc.record import HASH, ONLINE_DOMAIN, Signed, object_id, open_envelope, sign, signing_message
from cbdc.request_board import (
    Posted,
    RequestToPay,
    address_purpose,
    decline_purpose,
    paid_purpose,
    withdraw_purpose,
)
from cbdc.transaction import RegisterKey

_NONCE_BYTES = 16


class Page(NamedTuple):
    """Entries of the journal that concern a key, the number to ask from next, and how many entries there are."""

    entries: list[Entry]
    next: int
    size: int


class Period(NamedTuple):
    """What was paid in a period (month, year) beside its limit, in tiyn."""

    period: str
    paid_tiyn: int
    limit_tiyn: int


class LimitsLeft(NamedTuple):
    """What a holder holds and paid beside what it may, in tiyn (a limit of 0: none); why it is frozen, or empty.

    `successor` is the key that replaced the asking one, empty while it is in use.
    """

    tier: int
    holding_tiyn: int
    holding_limit_tiyn: int
    payment_limit_tiyn: int
    paid_today_tiyn: int
    day_limit_tiyn: int
    periods: tuple[Period, ...]
    frozen: str
    successor: bytes


class MarkWords(NamedTuple):
    """A mark's definition (not verified here) and its rule in words."""

    definition: Signed[MarkDefinition]
    words: tuple[str, ...]


class WalletClient:
    """One key at one bank. `clock` dates its words, `entropy` makes their nonces."""

    def __init__(
        self, gateway: HttpGateway, bank_id: int, signer: Signer, clock: Clock, entropy: Entropy
    ) -> None:
        self._gateway = gateway
        self._bank_id = bank_id
        self._signer = signer
        self._clock = clock
        self._entropy = entropy
        self._said = 0

    @property
    def kid(self) -> bytes:
        """The key's id."""
        return self._signer.public.kid

    # --- joining ---

    def join(self, code: str) -> Receipt:
        """Join the bank account of a code; the same again gives the same receipt.

        Raises E_JOIN_CODE, E_JOIN_USED, E_JOIN_EXPIRED, E_BANK_UNKNOWN, and E_PEER_ANSWER when the bank would have
        another key registered, or for another bank.
        """
        public = self._signer.public
        shown = [code, public.algorithm, public.raw]
        offer = self._gateway.post(f"/v1/banks/{self._bank_id}/offers", canonical.encode(shown))
        with wire.understood("offer"):
            body = wire.as_octets(wire.as_object(offer)["body"])
            record = RegisterKey.from_body(body)
        if (record.algorithm, record.public_key, record.bank_id) != (
            public.algorithm,
            public.raw,
            self._bank_id,
        ):
            raise Unavailable("E_PEER_ANSWER", answer="offer")
        # What is signed is made here from the body that was read, never taken from the answer.
        name = object_id(ONLINE_DOMAIN, RegisterKey.TYPE, self._gateway.network, body)
        possession = self._signer.sign(signing_message(ONLINE_DOMAIN, RegisterKey.TYPE, name))
        answer = self._gateway.post(
            f"/v1/banks/{self._bank_id}/joins", canonical.encode([*shown, possession])
        )
        return wire.read_receipt(answer, self._gateway.network)

    # --- what is and what was ---

    def entries(self, since: int) -> Page:
        """The journal's entries that pay this key or that it signed, from a number on."""
        answer = self._gateway.get(f"/v1/keys/{self.kid.hex()}/entries/{since}")
        with wire.understood("entries"):
            body = wire.as_object(answer)
            found = [wire.read_entry(one) for one in wire.as_list(body["entries"])]
            return Page(found, wire.as_number(body["next"]), wire.as_number(body["size"]))

    def limits(self) -> LimitsLeft:
        """What this key's holder holds and has paid beside what it may."""
        answer = self._mine("limits")
        with wire.understood("limits"):
            body = wire.as_object(answer)
            tier, holding, holding_limit, payment_limit, paid, day_limit = (
                wire.as_number(body[name]) for name in LimitsLeft._fields[:6]
            )
            periods = tuple(map(_period, wire.as_list(body["periods"])))
            frozen, successor = wire.as_text(body["frozen"]), wire.as_octets(body["successor"])
            return LimitsLeft(
                tier, holding, holding_limit, payment_limit, paid, day_limit, periods, frozen, successor
            )

    def mark(self, mark: bytes, language: str = "en") -> MarkWords:
        """A mark's definition and its rule in words; E_HTTP_NONE."""
        answer = self._gateway.get(f"/v1/marks/{mark.hex()}", {"Accept-Language": language})
        with wire.understood("mark"):
            body = wire.as_object(answer)
            definition = open_envelope(
                wire.as_octets(body["envelope"]), MarkDefinition, self._gateway.network
            )
            return MarkWords(definition, tuple(wire.as_text(line) for line in wire.as_list(body["words"])))

    # --- phone numbers ---

    def claim_alias(self, number: str) -> None:
        """Be found under a number; raises what `AliasDirectory.claim` raises."""
        body = canonical.encode([normal(number), self._word(claim_purpose(number))])
        self._gateway.post("/v1/aliases/claims", body)

    def move_alias(self, number: str, kid: bytes) -> None:
        """Send one's number to another key; raises what `AliasDirectory.move` raises."""
        body = canonical.encode([normal(number), kid, self._word(move_purpose(number, kid))])
        self._gateway.post("/v1/aliases/moves", body)

    def remove_alias(self, number: str) -> None:
        """Be found under a number no more; raises what `AliasDirectory.remove` raises."""
        body = canonical.encode([normal(number), self._word(remove_purpose(number))])
        self._gateway.post("/v1/aliases/removals", body)

    def look_up(self, id: bytes, number: str) -> bytes:
        """The key id to pay under a number; the same `id` (32 bytes) counts once. E_ALIAS_UNKNOWN, E_ALIAS_RATE."""
        body = canonical.encode([id, normal(number), self._word(LOOKUP_PURPOSE)])
        answer = self._gateway.post("/v1/aliases/lookups", body)
        with wire.understood("alias"):
            return bytes(HASH.load(wire.as_octets(wire.as_object(answer)["kid"]), "kid"))

    # --- payment requests ---

    def ask_for(self, id: bytes, amount_tiyn: int, memo: str = "", expires: int = 0) -> Posted:
        """Post a payment request under an id of one's own making; raises what `RequestBoard.post` raises.

        When it was made is part of it: repeat a lost request with `repost`.
        """
        record = RequestToPay(id, self.kid, amount_tiyn, memo, self._clock.now(), expires)
        return self.repost(sign(record, self._gateway.network, self._signer))

    def repost(self, request: Signed[RequestToPay]) -> Posted:
        """Hand in a signed request, once more or for the first time."""
        return self._posted(self._gateway.post("/v1/requests", request.encode()))

    def request(self, id: bytes) -> Posted:
        """The request behind a link, signed by the key it asks to pay; E_PAY_REQUEST_UNKNOWN, E_PEER_ANSWER."""
        posted = self._posted(self._gateway.get(f"/v1/requests/{id.hex()}"))
        payee = self._gateway.registered(posted.request.record.payee)
        if payee is None or posted.request.record.id != id:
            raise Unavailable("E_PEER_ANSWER", answer="request")
        with wire.understood("request"):
            posted.request.verify(payee.key)
        return posted

    def requests(self) -> list[Posted]:
        """The newest requests that this key posted, newest first."""
        answer = self._mine("requests")
        with wire.understood("requests"):
            return [self._posted(one) for one in wire.as_list(wire.as_object(answer)["requests"])]

    def mark_paid(self, id: bytes, transaction_id: bytes) -> Posted:
        """Say which own transaction paid a request; raises what `RequestBoard.mark_paid` raises."""
        body = canonical.encode([transaction_id, self._word(paid_purpose(id, transaction_id))])
        return self._posted(self._gateway.post(f"/v1/requests/{id.hex()}/payments", body))

    def withdraw_request(self, id: bytes) -> Posted:
        """Take an own request back; raises what `RequestBoard.withdraw` raises."""
        answer = self._gateway.post(f"/v1/requests/{id.hex()}/withdrawals", self._word(withdraw_purpose(id)))
        return self._posted(answer)

    def ask_of(self, id: bytes, kid: bytes) -> Posted:
        """Put an own request into the inbox of a key; raises what `RequestBoard.address` raises."""
        body = canonical.encode([kid, self._word(address_purpose(id, kid))])
        return self._posted(self._gateway.post(f"/v1/requests/{id.hex()}/addressees", body))

    def inbox(self) -> list[Posted]:
        """The newest requests that were addressed to this key, newest first."""
        answer = self._mine("inbox")
        with wire.understood("requests"):
            return [self._posted(one) for one in wire.as_list(wire.as_object(answer)["requests"])]

    def decline_request(self, id: bytes) -> Posted:
        """Say no to a request in the own inbox; raises what `RequestBoard.decline` raises."""
        answer = self._gateway.post(f"/v1/requests/{id.hex()}/refusals", self._word(decline_purpose(id)))
        return self._posted(answer)

    # --- cards ---

    def cards(self) -> list[Mapping[str, object]]:
        """The simulated cards of this key, as the interface writes them (schema `Card`)."""
        answer = self._mine("cards")
        with wire.understood("cards"):
            return [wire.as_object(one) for one in wire.as_list(wire.as_object(answer)["cards"])]

    def link_card(self, id: bytes) -> Mapping[str, object]:
        """A card for this wallet under an id of one's own (32 bytes), once; E_CARDS_MOST."""
        return self._card("", f"card link {id.hex()}")

    def freeze_card(self, card: bytes, frozen: bool) -> Mapping[str, object]:
        """The card pays nothing, or pays again; E_CARD_UNKNOWN."""
        word = "freeze" if frozen else "unfreeze"
        return self._card(f"/{card.hex()}/words", f"card {word} {card.hex()}")

    def hold_card(self, card: bytes, id: bytes, amount_tiyn: int) -> str:
        """Hold a card to a terminal for one amount, under an id of one's own (16 bytes): the code.

        Raises E_CARD_UNKNOWN, E_ID_REUSED.
        """
        purpose = f"card hold {card.hex()} {id.hex()} {amount_tiyn}"
        return wire.as_text(self._card(f"/{card.hex()}/holdings", purpose)["code"])

    def _card(self, path: str, purpose: str) -> Mapping[str, object]:
        answer = self._gateway.post(f"/v1/keys/{self.kid.hex()}/cards{path}", self._word(purpose))
        with wire.understood("card"):
            return wire.as_object(answer)

    # --- how ---

    def _posted(self, answer: object) -> Posted:
        with wire.understood("request"):
            body: Mapping[str, object] = wire.as_object(answer)
            envelope = wire.as_octets(body["envelope"])
            request = open_envelope(envelope, RequestToPay, self._gateway.network)
            payer = wire.as_octets(body["payer"])
            return Posted(request, wire.as_text(body["state"]), wire.as_octets(body["transaction_id"]), payer)

    def _mine(self, what: str) -> object:
        path = f"/v1/keys/{self.kid.hex()}/{what}"
        return self._gateway.get(path, self._gateway.proof(self.kid, "GET", path))

    def _word(self, purpose: str) -> bytes:
        self._said += 1
        nonce = self._entropy.bytes(
            "holder word", self.kid + self._said.to_bytes(8, "big") + purpose.encode(), _NONCE_BYTES
        )
        record = HolderProof(self.kid, purpose, self._clock.now(), nonce)
        return sign(record, self._gateway.network, self._signer).encode()


def _period(value: object) -> Period:
    row = wire.as_object(value)
    paid, limit = wire.as_number(row["paid_tiyn"]), wire.as_number(row["limit_tiyn"])
    return Period(wire.as_text(row["period"]), paid, limit)
