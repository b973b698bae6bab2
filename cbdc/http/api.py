"""What the institutions offer over HTTP: the handlers, each one call of the system, and the table of routes.

Everything that moves money is authorised by the signatures inside what is sent; reading what belongs to one key is
authorised by a proof of that key. Nothing here asks for a password, and no cookie exists.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Protocol

from cbdc.canonical import MAX_LENGTH
from cbdc.distribution import CommercialBank
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.http import wire
from cbdc.http.routes import Ask, Route
from cbdc.ledger.entry import Receipt
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.pipeline import Pipeline
from cbdc.orders import FundOrder
from cbdc.record import open_envelope
from cbdc.token import TokenId
from cbdc.transaction import MAX_TRANSACTION_BYTES

_TRANSACTION = "a transaction's 32-byte id in hexadecimal"
_KID = "a 32-byte key id in hexadecimal"
_BANK = "a bank's number"


class Institutions(Protocol):
    """What is served; `cbdc.system.System` fits it."""

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        ...

    @property
    def banks(self) -> Mapping[int, CommercialBank]:
        """The banks by number; may be empty."""
        ...


class Piped:
    """A system whose transactions go through a pipeline: `create_app(Piped(system, pipeline))`.

    Requests that only submit do not wait for one another's turn then: they meet in the pipeline's line, which lets all
    who came during a commit share the next. Everything else takes its turn as before, over the same ledger.
    """

    def __init__(self, system: Institutions, pipeline: Pipeline) -> None:
        assert pipeline.ledger is system.ledger
        self.ledger = system.ledger
        self.banks = system.banks
        self.pipeline = pipeline


class Submits(Protocol):
    """A ledger, or whatever stands before it, for those who only submit."""

    def submit(self, transaction: bytes) -> Receipt:
        """The receipt of one transaction, or its refusal raised."""
        ...

    def submit_many(self, transactions: Sequence[bytes]) -> list[Receipt | TengeError]:
        """For each transaction its receipt or its refusal."""
        ...


def writing_routes(writer: Submits, waits: bool = False) -> list[Route]:
    """The two routes that write; `waits` when what they ask takes its turn with everything else."""

    def submit(ask: Ask) -> wire.Json:
        """Judge and book one transaction."""
        return wire.write_receipt(writer.submit(ask.body))

    def submit_many(ask: Ask) -> wire.Json:
        """Judge and book many transactions in one group."""
        results = writer.submit_many(wire.read_batch(ask.body))
        return {"results": [wire.write_result(result, ask.language) for result in results]}

    return [
        Route(
            "POST",
            "/v1/transactions",
            "Judge and book one transaction; the same bytes get the same receipt for ever.",
            submit,
            "Receipt",
            takes="one transaction's canonical bytes",
            limit_bytes=MAX_TRANSACTION_BYTES,
            waits=waits,
        ),
        Route(
            "POST",
            "/v1/transactions/batch",
            "Judge and book many transactions in one durable group; for each its receipt or its problem.",
            submit_many,
            "Results",
            takes="a canonical array of 1 to 1,000 transactions' bytes",
            limit_bytes=wire.MAX_BODY_BYTES,
            waits=waits,
        ),
    ]


class Api:
    """The handlers over one system."""

    def __init__(self, system: Institutions) -> None:
        self._system = system
        self._ledger = system.ledger
        self._writer = system.pipeline if isinstance(system, Piped) else system.ledger

    def health(self, ask: Ask) -> wire.Json:
        """Which network answers, and how far its journal is."""
        record = self._ledger.head().record
        return {
            "status": "ok",
            "network": self._ledger.network.hex(),
            "entries": record.size,
            "time": record.time,
        }

    def supply(self, ask: Ask) -> wire.Json:
        """The supply table."""
        return wire.write_supply(self._ledger.supply())

    def head(self, ask: Ask) -> wire.Json:
        """The newest signed head."""
        return wire.write_head(self._ledger.head())

    def consistency(self, ask: Ask) -> wire.Json:
        """The proof that the newest head continues an older one."""
        size = ask.number("size")
        proof = self._ledger.consistency(size)
        head = wire.write_head(self._ledger.head())
        return {"old_size": size, "head": head, "proof": [node.hex() for node in proof]}

    def entry(self, ask: Ask) -> wire.Json:
        """One entry of the journal."""
        return wire.write_entry(self._ledger.entry(ask.number("index")))

    def entries(self, ask: Ask) -> wire.Json:
        """A page of the journal."""
        start, most = ask.number("index"), ask.number("count")
        if not 1 <= most <= wire.MAX_PAGE_ENTRIES:
            raise Malformed("E_HTTP_ARGUMENT", name="count", value=str(most))
        size = self._ledger.size
        if start >= size:
            raise Refused("E_ENTRY_UNKNOWN", index=start, size=size)
        page: list[bytes] = []
        room = wire.MAX_PAGE_BYTES
        for entry in islice(self._ledger.entries(start), min(most, size - start)):
            data = entry.encode()
            room -= len(data)
            if page and room < 0:
                break
            page.append(data)
        return {"start": start, "size": size, "entries": [data.hex() for data in page]}

    def transaction(self, ask: Ask) -> wire.Json:
        """The receipt of an accepted transaction."""
        return wire.write_receipt(self._receipt(ask))

    def proof(self, ask: Ask) -> wire.Json:
        """The proof that a transaction is in the log."""
        return wire.write_inclusion(self._ledger.inclusion(self._receipt(ask)))

    def _receipt(self, ask: Ask) -> Receipt:
        identity = ask.octets("id")
        receipt = self._ledger.find(identity)
        if receipt is None:
            raise Refused("E_HTTP_NONE", what="transaction", id=identity)
        return receipt

    def token(self, ask: Ask) -> wire.Json:
        """An unspent token."""
        identity = TokenId(*ask.token_id("id"))
        token = self._ledger.token(identity)
        if token is None:
            raise Refused(
                "E_HTTP_NONE", what="token", id=f"{identity.transaction_id.hex()}:{identity.output}"
            )
        return wire.write_token(identity, token)

    def key(self, ask: Ask) -> wire.Json:
        """What the ledger knows of a key."""
        kid = ask.octets("kid")
        key = self._ledger.registered(kid)
        if key is None:
            raise Refused("E_HTTP_NONE", what="key", id=kid)
        return wire.write_key(kid, key)

    def tokens(self, ask: Ask) -> wire.Json:
        """The unspent tokens of a key, for its holder."""
        kid = ask.octets("kid")
        if self._ledger.registered(kid) is not None:
            ask.require_holder(kid)
        return {"tokens": [wire.write_token(identity, token) for identity, token in self._ledger.owned(kid)]}

    def banks(self, ask: Ask) -> wire.Json:
        """Every bank."""
        return {"banks": [_written(bank) for bank in self._system.banks.values()]}

    def bank(self, ask: Ask) -> wire.Json:
        """One bank."""
        return _written(self._bank(ask))

    def fund(self, ask: Ask) -> wire.Json:
        """Digital tenge for a deposit."""
        bank = self._bank(ask)
        return wire.write_receipt(bank.fund(open_envelope(ask.body, FundOrder, self._ledger.network)))

    def defund(self, ask: Ask) -> wire.Json:
        """A deposit for digital tenge."""
        return wire.write_receipt(self._bank(ask).defund(ask.body))

    def deposit(self, ask: Ask) -> wire.Json:
        """What the holder of a key has on deposit."""
        bank, kid = self._bank(ask), ask.octets("kid")
        ask.require_holder(kid)
        customer = bank.customers.owner_of(kid)
        return {"kid": kid.hex(), "deposit_tiyn": bank.deposit_tiyn(customer.id)}

    def _bank(self, ask: Ask) -> CommercialBank:
        number = ask.number("bank_id")
        bank = self._system.banks.get(number)
        if bank is None:
            raise Refused("E_BANK_UNKNOWN", bank_id=number)
        return bank

    def routes(self) -> list[Route]:
        """The table. `docs/http.md` holds every line of it, and a test compares."""
        return [
            Route(
                "GET",
                "/v1/health",
                "Which network answers, and how far its journal is.",
                self.health,
                "Health",
                waits=False,
            ),
            Route(
                "GET",
                "/v1/supply",
                "The supply: issued, redeemed, and who holds the rest.",
                self.supply,
                "Supply",
            ),
            Route("GET", "/v1/head", "The newest signed head of the log.", self.head, "Head"),
            Route(
                "GET",
                "/v1/consistency/{size}",
                "The proof that the newest head continues the head of an older size.",
                self.consistency,
                "Consistency",
                {"size": "the older size"},
                refusals=("E_ENTRY_UNKNOWN",),
            ),
            *self._entry_routes(),
            Route(
                "GET",
                "/v1/transactions/{id}",
                "The receipt of an accepted transaction.",
                self.transaction,
                "Receipt",
                {"id": _TRANSACTION},
                refusals=("E_HTTP_NONE",),
            ),
            Route(
                "GET",
                "/v1/transactions/{id}/proof",
                "The proof that a transaction is in the log of its receipt's head.",
                self.proof,
                "Proof",
                {"id": _TRANSACTION},
                refusals=("E_HTTP_NONE",),
            ),
            Route(
                "GET",
                "/v1/tokens/{id}",
                "An unspent token.",
                self.token,
                "Token",
                {"id": "a token's id: transaction id, colon, output"},
                refusals=("E_HTTP_NONE",),
            ),
            *self._key_routes(),
            *writing_routes(self._writer, waits=not isinstance(self._system, Piped)),
            *self._bank_routes(),
        ]

    def _entry_routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/v1/entries/{index}",
                "One entry of the journal; entry 0 is the genesis.",
                self.entry,
                "Entry",
                {"index": "the entry's number"},
                refusals=("E_ENTRY_UNKNOWN",),
            ),
            Route(
                "GET",
                "/v1/entries/{index}/{count}",
                "Up to so many entries from one on, as their bytes; fewer at the end, or where they are large.",
                self.entries,
                "JournalPage",
                {"index": "the first entry's number", "count": "how many at most: 1 to 1000"},
                refusals=("E_ENTRY_UNKNOWN",),
            ),
        ]

    def _key_routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/v1/keys/{kid}",
                "What the ledger knows of a key: bank, tier, category, pseudonym.",
                self.key,
                "Key",
                {"kid": _KID},
                refusals=("E_HTTP_NONE",),
            ),
            Route(
                "GET",
                "/v1/keys/{kid}/tokens",
                "The unspent tokens of a key, for its holder only.",
                self.tokens,
                "Tokens",
                {"kid": _KID},
                proof=True,
                refusals=("E_HTTP_PROOF",),
            ),
        ]

    def _bank_routes(self) -> list[Route]:
        return [
            Route("GET", "/v1/banks", "Every bank and the key to pay for a deposit.", self.banks, "Banks"),
            Route(
                "GET",
                "/v1/banks/{bank_id}",
                "One bank and the key to pay for a deposit.",
                self.bank,
                "Bank",
                {"bank_id": _BANK},
                refusals=("E_BANK_UNKNOWN",),
            ),
            Route(
                "POST",
                "/v1/banks/{bank_id}/fund",
                "Digital tenge for a deposit: the customer's signed order is carried out, once for its id.",
                self.fund,
                "Receipt",
                {"bank_id": _BANK},
                takes="the canonical envelope of a FundOrder",
                limit_bytes=MAX_LENGTH,
                refusals=("E_BANK_UNKNOWN", "E_BANK_SCOPE", "E_CUSTOMER_KEY", "E_FUNDS_ACCOUNT", "E_TILL"),
            ),
            Route(
                "POST",
                "/v1/banks/{bank_id}/defund",
                "A deposit for digital tenge: the customer's transfer to the bank is booked and credited, once.",
                self.defund,
                "Receipt",
                {"bank_id": _BANK},
                takes="a transfer's canonical bytes",
                limit_bytes=MAX_TRANSACTION_BYTES,
                refusals=("E_BANK_UNKNOWN", "E_BUYBACK", "E_CUSTOMER_KEY", "E_MARK_BLOCKS"),
            ),
            Route(
                "GET",
                "/v1/banks/{bank_id}/deposits/{kid}",
                "What the customer with this key has on deposit, for its holder only.",
                self.deposit,
                "Deposit",
                {"bank_id": _BANK, "kid": _KID},
                proof=True,
                refusals=("E_BANK_UNKNOWN", "E_CUSTOMER_KEY", "E_HTTP_PROOF"),
            ),
        ]


def _written(bank: CommercialBank) -> wire.Json:
    return {"bank_id": bank.bank_id, "name": bank.name, "inventory_kid": bank.inventory_kid.hex()}
