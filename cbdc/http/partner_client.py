"""A third party's client, and what a holder's program does with consents and orders: both over HTTP only.

    shop = PartnerClient(gateway, signer, entropy, clock)        gateway: cbdc.http.client.HttpGateway
    shop.introduce("Bookkeeper")
    order = shop.ask_to_pay(request_id, consent_id, [(payee_kid, 150_00)], "bill 17", expires)
    shop.order(order["id"])["state"]

Request ids are the caller's: 32 bytes, kept before anything is sent. The same request again, after a lost answer, is
signed anew and answered the same way; nothing is done twice.
"""

from collections.abc import Sequence
from typing import Any

from cbdc.errors import Unavailable
from cbdc.http.client import HttpGateway
from cbdc.http.partners import CALL_HEADER, packed
from cbdc.keys import PublicKey, Signer, public_key
from cbdc.mandates import Mandate
from cbdc.mandates import revoke_purpose as mandate_revoke_purpose
from cbdc.money import split
from cbdc.orders import HolderProof
from cbdc.partners.records import (
    Call,
    Collection,
    Consent,
    HookOrder,
    Introduction,
    OpeningOrder,
    PaymentOrder,
    decline_purpose,
    revoke_purpose,
)
from cbdc.ports import Clock, Entropy
from cbdc.record import Record, sign
from cbdc.token import KeyLock, Lock, Token, TokenId

Json = dict[str, Any]
_NONCE_BYTES = 16


class PartnerClient:
    """One third party. `real_clock` dates its calls, `entropy` makes their nonces."""

    def __init__(self, gateway: HttpGateway, signer: Signer, entropy: Entropy, real_clock: Clock) -> None:
        self._gateway = gateway
        self._signer = signer
        self._entropy = entropy
        self._clock = real_clock
        self._called = 0
        self._base = f"/v1/partners/{signer.public.kid.hex()}"

    @property
    def kid(self) -> bytes:
        """The third party's key id."""
        return self._signer.public.kid

    # --- how ---

    def _call(self, method: str, path: str, id: bytes, carried: bytes) -> bytes:
        self._called += 1
        question = id + self._called.to_bytes(8, "big")
        nonce = self._entropy.bytes("partner call", question, _NONCE_BYTES)
        call = Call(id, self.kid, f"{method} {path}", carried, self._clock.now(), nonce)
        return sign(call, self._gateway.network, self._signer).encode()

    def _post(self, name: str, id: bytes, order: Record | None) -> Json:
        path = f"{self._base}/{name}"
        carried = b"" if order is None else order.body()
        return _object(self._gateway.post(path, self._call("POST", path, id, carried)))

    def _get(self, name: str) -> Json:
        path = f"{self._base}/{name}"
        call = self._call("GET", path, bytes(32), b"")
        return _object(self._gateway.get(path, {CALL_HEADER: packed(call)}))

    # --- who ---

    def introduce(self, name: str) -> Json:
        """Introduce this third party; the same name again changes nothing. E_ID_REUSED, E_PARTNER_MANY."""
        public = self._signer.public
        introduction = Introduction(public.algorithm, public.raw, name, self._clock.now())
        signed = sign(introduction, self._gateway.network, self._signer)
        return _object(self._gateway.post("/v1/partners", signed.encode()))

    def consents(self) -> list[Json]:
        """The consents that name this third party."""
        return list(self._get("consents")["consents"])

    # --- reading ---

    def balance(self, consent: bytes) -> Json:
        """What the holder has: `free_tiyn` and `marked_tiyn`."""
        return self._get(f"consents/{consent.hex()}/balance")

    def history(self, consent: bytes, start: int = 1) -> Json:
        """What the holder paid and got from an entry on, and the `next` entry to ask from."""
        return self._get(f"consents/{consent.hex()}/history/{start}")

    # --- starting ---

    def ask_to_pay(
        self, id: bytes, consent: bytes, shares: Sequence[tuple[bytes, int]], memo: str, expires: int
    ) -> Json:
        """Ask the holder to pay these key ids these amounts (tiyn), all in one transaction."""
        outputs = tuple(Token(amount, KeyLock(kid)) for kid, amount in shares)
        return self._post("orders", id, PaymentOrder(consent, outputs, memo, expires))

    def ask_to_split(
        self, id: bytes, consent: bytes, payees: Sequence[bytes], total_tiyn: int, memo: str, expires: int
    ) -> Json:
        """Ask the holder to pay a total in equal shares; the first payees get the tiyn that are left over."""
        shares = split(total_tiyn, len(payees), "first")
        return self.ask_to_pay(id, consent, list(zip(payees, shares, strict=True)), memo, expires)

    def ask_to_lock(
        self, id: bytes, consent: bytes, lock: Lock, amount_tiyn: int, memo: str, expires: int
    ) -> Json:
        """Ask the holder to put an amount behind a hash lock or a quorum."""
        return self._post("orders", id, PaymentOrder(consent, (Token(amount_tiyn, lock),), memo, expires))

    def ask_to_open(
        self,
        id: bytes,
        consent: bytes,
        kind: int,
        locked: TokenId,
        expires: int,
        secret: bytes = b"",
        shares: Sequence[tuple[bytes, int]] = (),
    ) -> Json:
        """Ask that a locked token be claimed (with its secret), taken back or released (in `shares`)."""
        order = OpeningOrder(consent, kind, *locked, secret, tuple(shares), expires)
        return self._post("openings", id, order)

    def order(self, id: bytes) -> Json:
        """What became of an order."""
        return self._get(f"orders/{id.hex()}")

    def collect(self, id: bytes, consent: bytes, mandate: bytes, amount_tiyn: int) -> Json:
        """Collect on a mandate of the holder."""
        return self._post("collections", id, Collection(consent, mandate, amount_tiyn))

    # --- events ---

    def add_webhook(self, id: bytes, url: str, events: Sequence[str]) -> Json:
        """Have events delivered to an address."""
        return self._post("webhooks", id, HookOrder(url, tuple(sorted(events))))

    def remove_webhook(self, id: bytes, hook: bytes) -> Json:
        """Forget an address."""
        return self._post(f"webhooks/{hook.hex()}/remove", id, None)

    def events(self) -> Json:
        """The addresses, what waits and what could not be delivered."""
        return self._get("webhooks")

    def deliver_again(self, id: bytes, delivery: bytes) -> Json:
        """Have a dead letter delivered again."""
        return self._post(f"dead-letters/{delivery.hex()}/again", id, None)

    def webhook_key(self) -> PublicKey:
        """The key under which deliveries verify (`cbdc.http.webhook.Receiver`); E_PEER_ANSWER, E_KEY."""
        answer = _object(self._gateway.get("/v1/webhooks/key"))
        try:
            return public_key(answer["algorithm"], bytes.fromhex(answer["public_key"]))
        except (KeyError, TypeError, ValueError):
            raise Unavailable("E_PEER_ANSWER", answer="webhook key") from None


class ConsentClient:
    """A holder's side: consents and orders. `gateway` must know the holder's signer, to prove who asks."""

    def __init__(self, gateway: HttpGateway, signer: Signer, entropy: Entropy, real_clock: Clock) -> None:
        self._gateway = gateway
        self._signer = signer
        self._entropy = entropy
        self._clock = real_clock

    def give(self, consent: Consent) -> Json:
        """Sign a consent and hand it in."""
        return _object(
            self._gateway.post("/v1/consents", sign(consent, self._gateway.network, self._signer).encode())
        )

    def revoke(self, id: bytes) -> Json:
        """Take a consent back."""
        return _object(self._gateway.post(f"/v1/consents/{id.hex()}/revoke", self._word(revoke_purpose(id))))

    def decline(self, order: bytes) -> Json:
        """Say no to an order."""
        path = f"/v1/partner-orders/{order.hex()}/decline"
        return _object(self._gateway.post(path, self._word(decline_purpose(order))))

    def pay(self, order: bytes, transaction: bytes) -> Json:
        """Hand in the signed transaction that an order asks for."""
        return _object(self._gateway.post(f"/v1/partner-orders/{order.hex()}/pay", transaction))

    def consents(self) -> list[Json]:
        """The consents that this key gave."""
        return list(self._mine("consents")["consents"])

    def orders(self) -> list[Json]:
        """The orders that ask for this key's signature."""
        return list(self._mine("partner-orders")["orders"])

    def partners(self) -> list[Json]:
        """Every third party that introduced itself."""
        return list(_object(self._gateway.get("/v1/partners"))["partners"])

    def give_mandate(self, mandate: Mandate) -> Json:
        """Sign a mandate and hand it in."""
        signed = sign(mandate, self._gateway.network, self._signer)
        return _object(self._gateway.post("/v1/mandates", signed.encode()))

    def revoke_mandate(self, id: bytes) -> Json:
        """Take a mandate back."""
        path = f"/v1/mandates/{id.hex()}/revoke"
        return _object(self._gateway.post(path, self._word(mandate_revoke_purpose(id))))

    def mandates(self) -> list[Json]:
        """The newest mandates that this key gave or may collect on."""
        return list(self._mine("mandates")["mandates"])

    def _mine(self, name: str) -> Json:
        kid = self._signer.public.kid
        path = f"/v1/keys/{kid.hex()}/{name}"
        return _object(self._gateway.get(path, self._gateway.proof(kid, "GET", path)))

    def _word(self, purpose: str) -> bytes:
        kid, now = self._signer.public.kid, self._clock.now()
        nonce = self._entropy.bytes("holder word", kid + purpose.encode(), _NONCE_BYTES)
        return sign(HolderProof(kid, purpose, now, nonce), self._gateway.network, self._signer).encode()


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise Unavailable("E_PEER_ANSWER", answer=type(value).__name__)
    return value
