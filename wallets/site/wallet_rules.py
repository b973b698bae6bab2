"""What a wallet's own bank does by itself for its holder: shown to the holder, and agreed to with the wallet's key.

The rules are the bank's (`wallets.site.bank_rules`): a waterfall, a reverse waterfall, an automatic top-up, by tier. A
holder agrees to the top-up, or ends it, by a signed word (`HolderProof`) for `bank top-up yes` or `bank top-up no`. A
word counts only if it is newer than the last one that counted, so one that was listened to turns nothing back.
"""

from collections.abc import Mapping

from cbdc import canonical
from cbdc.cabinet import Row
from cbdc.customers import Customer
from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.http.routes import NUMBER_SCHEMA, PROOF_SECONDS, Ask, Route, object_schema
from cbdc.orders import HolderProof
from cbdc.record import Unsigned, open_envelope
from wallets.site import bank_rules
from wallets.site.world import World

YES = "bank top-up yes"
NO = "bank top-up no"
_WORDS = "site wallet/top-up word"
_KID = {"kid": "a 32-byte key id in hexadecimal"}
_MOST_BYTES = 1_024

SCHEMAS: Mapping[str, wire.Json] = {
    "BankRules": object_schema(
        tier=NUMBER_SCHEMA,
        waterfall_tiyn=NUMBER_SCHEMA
        | {"description": "what a payment brings above it becomes a deposit; 0: off"},
        reverse={"type": "boolean", "description": "what a payment lacks comes out of the deposit"},
        floor_tiyn=NUMBER_SCHEMA | {"description": "below it a wallet is filled up; 0: off"},
        target_tiyn=NUMBER_SCHEMA,
        agreed={"type": "boolean", "description": "whether the holder lets the bank fill the wallet up"},
    ),
}


class RulesApi:
    """The handlers over the present act of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def rules(self, ask: Ask) -> wire.Json:
        """The bank's rules for the holder of a key."""
        kid = ask.octets("kid")
        bank_id, customer = self._customer(kid)
        ask.require_holder(kid)
        return self._written(bank_id, customer)

    def agree(self, ask: Ask) -> wire.Json:
        """The holder agrees to the top-up, or ends it."""
        kid = ask.octets("kid")
        bank_id, customer = self._customer(kid)
        word = open_envelope(ask.body, HolderProof, self._world.system.network)
        said = word.record
        if said.kid != kid or said.purpose not in (YES, NO):
            raise Refused("E_HTTP_PROOF", kid=kid, problem="it is for another request")
        key = self._world.system.ledger.registered(kid)
        assert key is not None, "a customer's key is registered"
        word.verify(key.key)
        if key.successor:
            raise Refused("E_KEY_RETIRED", kid=kid)
        if abs(said.time - ask.real_clock.now()) > PROOF_SECONDS:
            raise Refused("E_HTTP_PROOF", kid=kid, problem="it is too old, or a clock is wrong")
        cabinet = self._world.system.stores.cabinet
        known = cabinet.get(_WORDS, kid)
        last = 0 if known is None else Unsigned().load(canonical.decode(known), "time")
        agrees, wish = bank_rules.agrees(self._world, bank_id, customer.id), said.purpose == YES
        if said.time < last or (said.time == last and agrees != wish):
            raise Refused("E_HTTP_PROOF", kid=kid, problem="a newer word was said")
        bank_rules.agree(self._world, bank_id, customer.id, wish)
        cabinet.put_many([Row(_WORDS, kid, canonical.encode(said.time))])
        return self._written(bank_id, customer)

    def _customer(self, kid: bytes) -> tuple[int, Customer]:
        key = self._world.system.ledger.registered(kid)
        bank = self._world.system.banks.get(key.bank_id) if key is not None else None
        if bank is None:
            raise Refused("E_HTTP_NONE", what="key", id=kid)
        return bank.bank_id, bank.customers.owner_of(kid)

    def _written(self, bank_id: int, customer: Customer) -> wire.Json:
        rule = bank_rules.rules_of(self._world, bank_id).get(customer.tier, bank_rules.TierRules())
        return {
            "tier": customer.tier,
            "waterfall_tiyn": rule.waterfall_tiyn,
            "reverse": bool(rule.reverse),
            "floor_tiyn": rule.floor_tiyn,
            "target_tiyn": rule.target_tiyn,
            "agreed": bank_rules.agrees(self._world, bank_id, customer.id),
        }

    def routes(self) -> list[Route]:
        """The routes, for an `Extension` together with SCHEMAS."""
        return [
            Route(
                "GET",
                "/v1/keys/{kid}/bank-rules",
                "What the holder's bank does by itself: waterfall, reverse waterfall, top-up; for the holder only.",
                self.rules,
                "BankRules",
                _KID,
                proof=True,
                refusals=("E_HTTP_PROOF", "E_HTTP_NONE"),
            ),
            Route(
                "POST",
                "/v1/keys/{kid}/top-up-words",
                "The holder lets the bank fill the wallet up by its rule, or ends it.",
                self.agree,
                "BankRules",
                _KID,
                takes=f"a HolderProof's envelope for `{YES}` or `{NO}`, of this key, in real time",
                limit_bytes=_MOST_BYTES,
                refusals=("E_HTTP_PROOF", "E_HTTP_NONE", "E_KEY_RETIRED", "E_SIG"),
            ),
        ]
