"""A whole server with a third party, two holders whose wallets are in this process, and their clients."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cbdc import conditional
from cbdc.cabinet import follow
from cbdc.errors import TengeError
from cbdc.http.client import HttpGateway, WsgiTransport
from cbdc.http.partner_client import ConsentClient, PartnerClient
from cbdc.keys import ED25519, SoftwareKey
from cbdc.partners.records import SCOPES, Consent
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.token import KeyLock, Lock, Token, load_lock
from tests.site.visitor import START, opened
from wallets.cast import Member
from wallets.site.whole import Whole
from wallets.wallet import refresh

DAY = 86_400


def number(text: str) -> bytes:
    """An id of 32 bytes for a test."""
    return follow("test", text.encode())


class Scene:
    """What a test of third parties works with: `asel` and `timur` hold wallets, `books` is a third party."""

    def __init__(self, whole: Whole, clock: ManualClock, chance: int = 99) -> None:
        self.whole = whole
        self.clock = clock
        self.world = whole.world
        self.asel, self.timur, self.zhanna, self.shop = whole.world.neighbours
        self.entropy = SeededEntropy(chance)
        self.books = self.partner("Bookkeeper")
        self.made = 0

    @property
    def now(self) -> int:
        return self.world.clock.now()

    def gateway(self, *signers: Any) -> HttpGateway:
        known = {signer.public.kid: signer for signer in signers}
        return HttpGateway(WsgiTransport(self.whole), known.get, self.clock, self.entropy)

    def partner(self, name: str) -> PartnerClient:
        signer = SoftwareKey(ED25519, number(name))
        client = PartnerClient(self.gateway(signer), signer, self.entropy, self.clock)
        client.introduce(name)
        return client

    def holder(self, member: Member) -> ConsentClient:
        signer = member.wallet.signer
        return ConsentClient(self.gateway(signer), signer, self.entropy, self.clock)

    def consent(self, member: Member, **changed: Any) -> bytes:
        """A consent of the member for Bookkeeper, given; its id."""
        self.made += 1
        values: dict[str, Any] = {
            "id": number(f"consent {self.made}"),
            "holder": member.wallet.kid,
            "partner": self.books.kid,
            "scopes": SCOPES,
            "payment_limit_tiyn": 500_00,
            "day_limit_tiyn": 800_00,
            "first": self.now - 10,
            "last": self.now + 30 * DAY,
        }
        record = Consent(**(values | changed))
        self.holder(member).give(record)
        return record.id

    def fresh(self) -> bytes:
        self.made += 1
        return number(f"request {self.made}")

    def ask(self, consent: bytes, *shares: tuple[Member, int], **changed: Any) -> dict[str, Any]:
        """An order to pay members, under a fresh request id."""
        rows = [(member.wallet.kid, tiyn) for member, tiyn in shares]
        expires = changed.pop("expires", self.now + 3_600)
        return self.books.ask_to_pay(self.fresh(), consent, rows, changed.pop("memo", "bill"), expires)

    def signed(self, member: Member, outputs: list[Token], id: bytes = b"") -> bytes:
        """A transaction of the member's wallet with these outputs (and change)."""
        refresh(self.world.sandbox.store, self.world.system.ledger, member.wallet)
        intent = member.wallet.prepare_outputs(id or self.fresh(), "pay", outputs)
        return intent.body

    def signed_order(self, member: Member, order: Mapping[str, Any]) -> bytes:
        """The transaction that an order asks for."""
        return self.signed(member, [Token(one["amount_tiyn"], lock_of(one)) for one in order["outputs"]])

    def pay(self, member: Member, order: Mapping[str, Any]) -> dict[str, Any]:
        """Sign what an order asks for and hand it in."""
        id = bytes.fromhex(order["id"])
        return self.holder(member).pay(id, self.signed_order(member, order))

    def balance(self, member: Member) -> int:
        owned = self.world.system.ledger.owned(member.wallet.kid)
        return sum(token.amount_tiyn for _, token in owned if isinstance(token.lock, KeyLock))


def lock(play: Scene, secret: bytes, deadline: int | None = None) -> Lock:
    """A hash lock from Asel to Timur."""
    until = play.now + 600 if deadline is None else deadline
    return conditional.hash_lock(
        conditional.hash_of(secret), play.timur.wallet.kid, play.asel.wallet.kid, until
    )


def lock_of(output: Mapping[str, Any]) -> Lock:
    return load_lock(_bytes(output["lock"]))


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    return bytes.fromhex(value) if isinstance(value, str) else value


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(TengeError) as caught:
        yield
    assert caught.value.code == code, caught.value


@contextmanager
def scene(seed: int = 7, folder: Path | None = None) -> Iterator[Scene]:
    with opened(seed, folder) as whole:
        clock = whole.world.real_clock
        assert isinstance(clock, ManualClock)
        assert clock.now() >= START
        yield Scene(whole, clock)
