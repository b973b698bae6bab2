"""Cards in a wallet over HTTP: seen, linked, frozen and held to a terminal by the wallet's own key, and nobody else's.

Reading takes a proof of the key, as every reading of what belongs to one. What changes something is a signed word
(`HolderProof`) of the key for exactly that:

    card link ID                   the wallet's own id for the card, 32 bytes
    card freeze CARD, card unfreeze CARD
    card hold CARD ID AMOUNT       one amount in tiyn at one terminal; `ID` has 16 bytes, so that a word fits

A word is good for five minutes of real time. Said again, linking and holding give the answer they gave; of freezing
and unfreezing the newer word counts.

Filling the pocket and emptying it are no business of these: they are transfers that the wallet signs and hands in.
"""

import re
from collections.abc import Mapping

from cbdc import canonical
from cbdc.cabinet import Row
from cbdc.cards.numbers import masked, merchant_number
from cbdc.cards.registry import BLOCKED, Card
from cbdc.cards.rules import CHANNELS, DAY_COUNT, STANDARD_RULES, WITH_MOST
from cbdc.cards.system import Outcome
from cbdc.errors import Refused, TengeError
from cbdc.http import wire
from cbdc.http.routes import (
    HEX_SCHEMA,
    NUMBER_SCHEMA,
    PROOF_SECONDS,
    Ask,
    Route,
    list_of,
    object_schema,
    reference,
)
from cbdc.orders import HolderProof
from cbdc.record import Unsigned, open_envelope
from wallets.site.cards import HELD_SECONDS, Holding
from wallets.site.opening import customer_id
from wallets.site.words import Words
from wallets.site.world import World

LINK = "card link {}"
FREEZE = "card freeze {}"
UNFREEZE = "card unfreeze {}"
HOLD = "card hold {} {} {}"
UNUSED = "unused"
_LINK = re.compile(r"card link ([0-9a-f]{64})", re.ASCII)
_HOLD = re.compile(r"card hold ([0-9a-f]{64}) ([0-9a-f]{32}) ([1-9][0-9]{0,15})", re.ASCII)
_WORDS = "site card/word"
_KID = {"kid": "a 32-byte key id in hexadecimal"}
_CARD = {**_KID, "card": "a card's 32-byte id in hexadecimal"}
_MOST_BYTES = 1_024
_TEXT = {"type": "string"}

SCHEMAS: Mapping[str, wire.Json] = {
    "CardMovement": object_schema(
        id=HEX_SCHEMA,
        time=NUMBER_SCHEMA,
        amount_tiyn=NUMBER_SCHEMA,
        state=_TEXT | {"description": "as the till's bank keeps it; unused: no till took it"},
        shop=_TEXT,
        code=_TEXT | {"description": "why it came to nothing; empty where it did not"},
        sentence=_TEXT,
        next=_TEXT,
    ),
    "CardLimit": object_schema(
        rule=_TEXT, channel=_TEXT, counts={"type": "boolean"}, most=NUMBER_SCHEMA, used=NUMBER_SCHEMA
    ),
    "Card": object_schema(
        id=HEX_SCHEMA,
        number=_TEXT | {"description": "masked"},
        network=_TEXT | {"description": "the simulated network"},
        expires=_TEXT | {"description": "the last month, YYMM"},
        frozen={"type": "boolean"},
        pocket_tiyn=NUMBER_SCHEMA,
        lock=list_of(HEX_SCHEMA)
        | {"description": "the keys of the pocket, the wallet's first; any one opens it"},
        limits=list_of(reference("CardLimit")),
        movements=list_of(reference("CardMovement")),
    ),
    "Cards": object_schema(simulated={"type": "boolean"}, cards=list_of(reference("Card"))),
    "CardHolding": object_schema(
        code=_TEXT | {"description": "what the till asks for"}, amount_tiyn=NUMBER_SCHEMA, until=NUMBER_SCHEMA
    ),
}


class CardsApi:
    """The handlers over the present act of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._words = Words()

    # --- reading ---

    def cards(self, ask: Ask) -> wire.Json:
        """The cards of a wallet."""
        kid = ask.octets("kid")
        bank_id = self._bank_of(kid)
        ask.require_holder(kid)
        found = self._world.cards.cards_of(bank_id, kid)
        return {"simulated": True, "cards": [self._written(ask, bank_id, card) for card in found]}

    def _bank_of(self, kid: bytes) -> int:
        key = self._world.system.ledger.registered(kid)
        if key is None or key.bank_id not in self._world.system.banks:
            raise Refused("E_HTTP_NONE", what="key", id=kid)
        return key.bank_id

    def _written(self, ask: Ask, bank_id: int, card: Card) -> wire.Json:
        registry = self._world.cards.cards.issuers[bank_id].registry
        return {
            "id": card.id.hex(),
            "number": masked(card.numbers[0]),
            "network": card.network,
            "expires": registry.device(card.numbers[0]).expires,
            "frozen": card.state == BLOCKED,
            "pocket_tiyn": self._world.cards.pocket_tiyn(bank_id, card),
            "lock": [kid.hex() for kid in registry.lock(card.id).kids],
            "limits": self._limits(bank_id, card),
            "movements": [
                self._movement(ask.language, holding, outcome)
                for holding, outcome in self._world.cards.movements(card)
            ],
        }

    def _limits(self, bank_id: int, card: Card) -> list[wire.Json]:
        paid = self._world.cards.cards.issuers[bank_id].judge.paid_today(card)
        rows: list[wire.Json] = []
        for rule in STANDARD_RULES:
            if rule.kind in WITH_MOST:
                counts = rule.kind == DAY_COUNT
                used = paid.get(rule.channel, (0, 0))[counts] if rule.kind.startswith("day") else 0
                assert rule.channel in CHANNELS, "a rule binds a channel"
                rows.append(
                    {
                        "rule": rule.name,
                        "channel": rule.channel,
                        "counts": counts,
                        "most": rule.most,
                        "used": used,
                    }
                )
        return rows

    def _movement(self, language: str, holding: Holding, outcome: Outcome | None) -> wire.Json:
        refusal: TengeError | None = outcome.refusal if outcome is not None else None
        return {
            "id": holding.id.hex(),
            "time": holding.time,
            "amount_tiyn": holding.amount_tiyn,
            "state": outcome.sale.state if outcome is not None else UNUSED,
            "shop": self._shop(language, holding),
            "code": refusal.code if refusal is not None else "",
            "sentence": refusal.sentence(language) if refusal is not None else "",
            "next": refusal.next_step(language) if refusal is not None else "",
        }

    def _shop(self, language: str, holding: Holding) -> str:
        if not holding.merchant:
            return ""
        for user in self._world.users.all():
            if user.is_customer and customer_id(user) == holding.merchant:
                return self._words.say(language, user.name)
        return merchant_number(holding.merchant)

    # --- words ---

    def _said(self, ask: Ask, kid: bytes, envelope: bytes) -> HolderProof:
        """What the holder of the key said just now; E_HTTP_PROOF, E_SIG, E_KEY_RETIRED."""
        word = open_envelope(envelope, HolderProof, self._world.system.network)
        if word.record.kid != kid:
            raise Refused("E_HTTP_PROOF", kid=kid, problem="it is for another request")
        key = self._world.system.ledger.registered(kid)
        assert key is not None, "asked before"
        word.verify(key.key)
        if key.successor:
            raise Refused("E_KEY_RETIRED", kid=kid)
        if abs(word.record.time - ask.real_clock.now()) > PROOF_SECONDS:
            raise Refused("E_HTTP_PROOF", kid=kid, problem="it is too old, or a clock is wrong")
        return word.record

    def link(self, ask: Ask) -> wire.Json:
        """The bank issues a card to the wallet."""
        kid = ask.octets("kid")
        bank_id = self._bank_of(kid)
        asked = _LINK.fullmatch(self._said(ask, kid, ask.body).purpose)
        if asked is None:
            raise Refused("E_HTTP_PROOF", kid=kid, problem="it is for another request")
        bank = self._world.system.banks[bank_id]
        customer = bank.customers.owner_of(kid).id
        card = self._world.cards.link(bank, customer, kid, bytes.fromhex(asked[1]))
        return self._written(ask, bank_id, card)

    def say(self, ask: Ask) -> wire.Json:
        """The holder freezes a card, or unfreezes it."""
        kid, name = ask.octets("kid"), ask.octets("card")
        bank_id = self._bank_of(kid)
        said = self._said(ask, kid, ask.body)
        if said.purpose not in (FREEZE.format(name.hex()), UNFREEZE.format(name.hex())):
            raise Refused("E_HTTP_PROOF", kid=kid, problem="it is for another request")
        card = self._world.cards.card(bank_id, kid, name)
        wish, frozen = said.purpose.startswith("card freeze "), card.state == BLOCKED
        cabinet = self._world.system.stores.cabinet
        known = cabinet.get(_WORDS, name)
        last = 0 if known is None else Unsigned().load(canonical.decode(known), "time")
        if said.time < last or (said.time == last and wish != frozen):
            raise Refused("E_HTTP_PROOF", kid=kid, problem="a newer word was said")
        card = self._world.cards.freeze(bank_id, name, wish)
        cabinet.put_many([Row(_WORDS, name, canonical.encode(said.time))])
        return self._written(ask, bank_id, card)

    def hold(self, ask: Ask) -> wire.Json:
        """The holder holds a card to a terminal for one amount."""
        kid, name = ask.octets("kid"), ask.octets("card")
        bank_id = self._bank_of(kid)
        asked = _HOLD.fullmatch(self._said(ask, kid, ask.body).purpose)
        if asked is None or asked[1] != name.hex():
            raise Refused("E_HTTP_PROOF", kid=kid, problem="it is for another request")
        card = self._world.cards.card(bank_id, kid, name)
        holding, code = self._world.cards.hold(card, bytes.fromhex(asked[2]), int(asked[3]))
        return {
            "code": code,
            "amount_tiyn": holding.amount_tiyn,
            "until": holding.time + HELD_SECONDS,
        }

    # --- the table ---

    def routes(self) -> list[Route]:
        """The routes, for an `Extension` together with SCHEMAS."""
        word = "a HolderProof's envelope for {}, of this key, in real time"
        refusals = ("E_HTTP_PROOF", "E_HTTP_NONE", "E_KEY_RETIRED", "E_SIG")
        return [
            Route(
                "GET",
                "/v1/keys/{kid}/cards",
                "The simulated cards of a wallet: pocket, limits, last movements; for the holder only.",
                self.cards,
                "Cards",
                _KID,
                proof=True,
                refusals=("E_HTTP_PROOF", "E_HTTP_NONE"),
            ),
            Route(
                "POST",
                "/v1/keys/{kid}/cards",
                "The bank issues a simulated card to the wallet, once for an id.",
                self.link,
                "Card",
                _KID,
                takes=word.format("`card link ID` (the wallet's own id for it)"),
                limit_bytes=_MOST_BYTES,
                refusals=(*refusals, "E_CARDS_MOST"),
            ),
            Route(
                "POST",
                "/v1/keys/{kid}/cards/{card}/words",
                "The holder freezes a card, or unfreezes it; of two words the newer counts.",
                self.say,
                "Card",
                _CARD,
                takes=word.format("`card freeze CARD` or `card unfreeze CARD`"),
                limit_bytes=_MOST_BYTES,
                refusals=(*refusals, "E_CARD_UNKNOWN"),
            ),
            Route(
                "POST",
                "/v1/keys/{kid}/cards/{card}/holdings",
                "The holder holds a card to a simulated terminal for one amount; a code for the till, good once.",
                self.hold,
                "CardHolding",
                _CARD,
                takes=word.format("`card hold CARD ID AMOUNT` (an id of 16 bytes, tiyn)"),
                limit_bytes=_MOST_BYTES,
                refusals=(*refusals, "E_CARD_UNKNOWN", "E_ID_REUSED"),
            ),
        ]
