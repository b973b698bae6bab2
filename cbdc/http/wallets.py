"""What a wallet outside this process needs besides paying: joining a bank, its history, its limits, marks, aliases.

All of it is an extension of `cbdc.http`: more routes in the same table. What changes anything is authorised by a
signature inside it (a key's own, or a join code); what belongs to one key is read with a proof of that key. A page can
ask once more after a lost answer: joining, claiming and looking up give the same answer to the same question.
"""

from collections.abc import Mapping
from functools import partial

from cbdc import canonical
from cbdc.aliases import AliasDirectory
from cbdc.errors import Refused
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
from cbdc.joining import JoinDesk
from cbdc.keys import public_key
from cbdc.ledger.entry import PERIOD_NAMES
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.state import MARK, RegisteredKey, StateKey, day_counter, period_counter
from cbdc.marks import open_definition
from cbdc.news import News
from cbdc.orders import HolderProof
from cbdc.ports import Clock
from cbdc.record import (
    ALGORITHM,
    HASH,
    ONLINE_DOMAIN,
    RAW_KEY,
    Bytes,
    Group,
    Text,
    object_id,
    open_envelope,
    signing_message,
)
from cbdc.rule_words import rule_in_words

LOOKUP_PURPOSE = "POST /v1/aliases/lookups"
_MOST_BODY_BYTES = 1_024
_OFFER = Group((Text(40), ALGORITHM, RAW_KEY))
_JOIN = Group((Text(40), ALGORITHM, RAW_KEY, Bytes((64,))))
_CLAIM = Group((Text(40), Bytes(most=_MOST_BODY_BYTES)))
_MOVE = Group((Text(40), HASH, Bytes(most=_MOST_BODY_BYTES)))
_LOOKUP = Group((HASH, Text(40), Bytes(most=_MOST_BODY_BYTES)))
_BANK = {"bank_id": "a bank's number"}
_KID = {"kid": "a 32-byte key id in hexadecimal"}
_TEXT = {"type": "string"}

SCHEMAS: Mapping[str, wire.Json] = {
    "Offer": object_schema(type=NUMBER_SCHEMA, body=HEX_SCHEMA, id=HEX_SCHEMA, message=HEX_SCHEMA),
    "Entries": object_schema(entries=list_of(reference("Entry")), next=NUMBER_SCHEMA, size=NUMBER_SCHEMA),
    "Limits": object_schema(
        tier=NUMBER_SCHEMA,
        holding_tiyn=NUMBER_SCHEMA,
        holding_limit_tiyn=NUMBER_SCHEMA,
        payment_limit_tiyn=NUMBER_SCHEMA,
        paid_today_tiyn=NUMBER_SCHEMA,
        day_limit_tiyn=NUMBER_SCHEMA,
        periods=list_of(object_schema(period=_TEXT, paid_tiyn=NUMBER_SCHEMA, limit_tiyn=NUMBER_SCHEMA)),
        frozen=_TEXT,
        successor=_TEXT,
    ),
    "Mark": object_schema(
        mark=HEX_SCHEMA, label=_TEXT, purpose=NUMBER_SCHEMA, envelope=HEX_SCHEMA, words=list_of(_TEXT)
    ),
    "Alias": object_schema(kid=HEX_SCHEMA),
    "Done": object_schema(done={"type": "boolean"}),
}


class WalletApi:
    """The handlers. `joining` has a desk for each bank by its number, `aliases` is the directory of phone numbers."""

    def __init__(
        self, ledger: Ledger, joining: Mapping[int, JoinDesk], aliases: AliasDirectory, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._joining = joining
        self._aliases = aliases
        self._clock = clock
        self._news = News(ledger)

    # --- joining a bank ---

    def offer(self, ask: Ask) -> wire.Json:
        """The registration that a key signs to join."""
        code, algorithm, raw = _OFFER.load(canonical.decode(ask.body), "offer")
        record = self._desk(ask).offer(code, public_key(algorithm, raw))
        body = record.body()
        name = object_id(ONLINE_DOMAIN, record.TYPE, self._ledger.network, body)
        message = signing_message(ONLINE_DOMAIN, record.TYPE, name)
        return {"type": record.TYPE, "body": body.hex(), "id": name.hex(), "message": message.hex()}

    def join(self, ask: Ask) -> wire.Json:
        """Register the key as the customer's."""
        code, algorithm, raw, possession = _JOIN.load(canonical.decode(ask.body), "join")
        return wire.write_receipt(self._desk(ask).join(code, public_key(algorithm, raw), possession))

    def _desk(self, ask: Ask) -> JoinDesk:
        number = ask.number("bank_id")
        desk = self._joining.get(number)
        if desk is None:
            raise Refused("E_BANK_UNKNOWN", bank_id=number)
        return desk

    # --- what happened, what one may ---

    def entries(self, ask: Ask) -> wire.Json:
        """The journal's entries that pay a key or that it signed, from one on."""
        kid, since = ask.octets("kid"), ask.number("since")
        found = self._news.since(kid, since)
        entries = [wire.write_entry(self._ledger.entry(index)) for index in found.indices]
        return {"entries": entries, "next": found.next, "size": found.size}

    def limits(self, ask: Ask) -> wire.Json:
        """What the holder of a key holds and has paid, beside what it may."""
        kid = ask.octets("kid")
        key = self._registered(kid)
        ask.require_holder(kid)
        policy, now = self._ledger.genesis.policy, self._clock.now()
        limits = policy.limits(key.tier)
        today = day_counter(key.pseudonym, policy.day(now))
        periods = [(kind, limit) for tier, kind, limit in policy.periods if tier == key.tier]
        names = {
            kind: period_counter(key.pseudonym, PERIOD_NAMES[kind], policy.period(kind, now))
            for kind, _ in periods
        }
        counted = self._ledger.load([today, *names.values()])
        return {
            "tier": key.tier,
            "holding_tiyn": self._ledger.holding_tiyn(key.pseudonym),
            "holding_limit_tiyn": limits.holding_limit_tiyn,
            "payment_limit_tiyn": limits.payment_limit_tiyn,
            "paid_today_tiyn": _count(counted[today]),
            "day_limit_tiyn": limits.day_limit_tiyn,
            "periods": [
                {"period": PERIOD_NAMES[kind], "paid_tiyn": _count(counted[names[kind]]), "limit_tiyn": limit}
                for kind, limit in periods
            ],
            "frozen": self._ledger.frozen(key.pseudonym),
            "successor": key.successor.hex(),
        }

    def mark(self, ask: Ask) -> wire.Json:
        """A mark's definition and its rule in words."""
        mark = ask.octets("mark")
        key = StateKey(MARK, mark)
        value = self._ledger.load([key])[key]
        if not isinstance(value, bytes):
            raise Refused("E_HTTP_NONE", what="mark", id=mark)
        definition = open_definition(value, self._ledger.network).record
        offset = self._ledger.genesis.policy.day_offset_seconds
        return {
            "mark": mark.hex(),
            "label": definition.label,
            "purpose": definition.purpose,
            "envelope": value.hex(),
            "words": rule_in_words(definition, ask.language, mark, offset_seconds=offset),
        }

    # --- paying by phone number ---

    def claim(self, ask: Ask) -> wire.Json:
        """A number leads to the key that signed."""
        number, envelope = _CLAIM.load(canonical.decode(ask.body), "claim")
        self._aliases.claim(number, open_envelope(envelope, HolderProof, self._ledger.network))
        return {"done": True}

    def move(self, ask: Ask) -> wire.Json:
        """A number leads to another key from now on."""
        number, kid, envelope = _MOVE.load(canonical.decode(ask.body), "move")
        self._aliases.move(number, kid, open_envelope(envelope, HolderProof, self._ledger.network))
        return {"done": True}

    def remove(self, ask: Ask) -> wire.Json:
        """A number leads nowhere."""
        number, envelope = _CLAIM.load(canonical.decode(ask.body), "removal")
        self._aliases.remove(number, open_envelope(envelope, HolderProof, self._ledger.network))
        return {"done": True}

    def look_up(self, ask: Ask) -> wire.Json:
        """The key behind a number, for a registered holder who proves to be one."""
        lookup, number, envelope = _LOOKUP.load(canonical.decode(ask.body), "lookup")
        proof = open_envelope(envelope, HolderProof, self._ledger.network)
        asker = proof.record.kid
        key = self._registered(asker)
        if proof.record.purpose != LOOKUP_PURPOSE:
            raise Refused("E_HTTP_PROOF", kid=asker, problem="it is for another request")
        if abs(proof.record.time - ask.real_clock.now()) > PROOF_SECONDS:
            raise Refused("E_HTTP_PROOF", kid=asker, problem="it is too old, or a clock is wrong")
        proof.verify(key.key)
        return {"kid": self._aliases.resolve(lookup, asker, number).hex()}

    def _registered(self, kid: bytes) -> RegisteredKey:
        key = self._ledger.registered(kid)
        if key is None:
            raise Refused("E_HTTP_NONE", what="key", id=kid)
        return key

    # --- the table ---

    def routes(self) -> list[Route]:
        """The routes, for an `Extension` together with SCHEMAS."""
        return [*self._join_routes(), *self._reading_routes(), *self._alias_routes()]

    def _join_routes(self) -> list[Route]:
        offered = "a canonical array: the code, the key's algorithm, the public key"
        codes = ("E_BANK_UNKNOWN", "E_JOIN_CODE", "E_JOIN_USED", "E_JOIN_EXPIRED")
        join = partial(Route, "POST", arguments=_BANK, limit_bytes=_MOST_BODY_BYTES)
        return [
            join(
                "/v1/banks/{bank_id}/offers",
                "What a key must sign to join a bank account by a code.",
                self.offer,
                "Offer",
                takes=offered,
                refusals=codes,
            ),
            join(
                "/v1/banks/{bank_id}/joins",
                "The key joins the account: registered on the ledger, once for a code.",
                self.join,
                "Receipt",
                takes=f"{offered}, its signature of the offer",
                refusals=(*codes, "E_SIG", "E_KEY_TAKEN"),
            ),
        ]

    def _reading_routes(self) -> list[Route]:
        read = partial(Route, "GET")
        return [
            read(
                "/v1/keys/{kid}/entries/{since}",
                "The journal's entries that pay a key or that it signed, from a number on, a thousand looked at.",
                self.entries,
                "Entries",
                {**_KID, "since": "the first entry's number"},
            ),
            read(
                "/v1/keys/{kid}/limits",
                "What the holder of a key holds and has paid beside the limits, for its holder only.",
                self.limits,
                "Limits",
                _KID,
                proof=True,
                refusals=("E_HTTP_PROOF", "E_HTTP_NONE"),
            ),
            read(
                "/v1/marks/{mark}",
                "A mark's signed definition, and its rule in words.",
                self.mark,
                "Mark",
                {"mark": "a mark's 32-byte id in hexadecimal"},
                refusals=("E_HTTP_NONE",),
            ),
        ]

    def _alias_routes(self) -> list[Route]:
        taken, proven = "a canonical array: {}the number, {}", "a HolderProof's envelope"
        common = ("E_ALIAS_NUMBER", "E_ALIAS_PROOF", "E_SIG", "E_FROZEN")
        alias = partial(Route, "POST", limit_bytes=2 * _MOST_BODY_BYTES)
        return [
            alias(
                "/v1/aliases/claims",
                "A phone number leads to the key that signed.",
                self.claim,
                "Done",
                takes=taken.format("", proven),
                refusals=(*common, "E_ALIAS_TAKEN"),
            ),
            alias(
                "/v1/aliases/moves",
                "A phone number leads to another key; signed by the one it leads to.",
                self.move,
                "Done",
                takes=taken.format("", f"the other key's id, {proven}"),
                refusals=(*common, "E_ALIAS_UNKNOWN"),
            ),
            alias(
                "/v1/aliases/removals",
                "A phone number leads nowhere; signed by the key it leads to.",
                self.remove,
                "Done",
                takes=taken.format("", proven),
                refusals=(*common, "E_ALIAS_UNKNOWN"),
            ),
            alias(
                "/v1/aliases/lookups",
                "The key behind a phone number, for a registered holder, so many a day; once for a lookup's id.",
                self.look_up,
                "Alias",
                takes=taken.format("32 bytes that name the lookup, ", f"{proven} with this purpose"),
                refusals=("E_ALIAS_NUMBER", "E_ALIAS_UNKNOWN", "E_ALIAS_RATE", "E_HTTP_PROOF", "E_SIG"),
            ),
        ]


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
