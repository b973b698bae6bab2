"""A lost wallet is restored through the bank: a new key of the same holder gets what the lost key held.

    report    the customer says that a wallet is lost or stolen: the holder is frozen at once (`theft_freeze`)
    request   the customer, identified (`recovery_identity`), names the new key; the waiting time begins
    complete  when the waiting time is over (`recovery_wait`), the bank registers the new key under the same pseudonym,
              and bank, enforcement authority and new key sign recoveries of all that the lost key holds; the lost key
              is retired, and the freeze of the report is lifted; another freeze, put in its place meanwhile, stays
    cancel    the customer, identified, ends a request that is not complete

Why a waiting time: whoever deceives a bank's clerk has the wallet's money at once otherwise. Why two words: neither a
bank nor the authority can move a holder's money alone, and the ledger lets them move it to the same holder only.
Nothing that was spent comes back, offline money on a lost device waits for the end of its notes, and a wallet whose
seed was kept needs none of this.

A key far away, in a browser, signs in between: `papers` says what it must sign, and `complete_signed` checks every
signature before anything moves. What the holder was paid meanwhile changes the papers; then they are asked for again.

Each step has an id of the caller's and may be repeated; a crash between two steps is mended by the same call.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow, follow_nonce
from cbdc.distribution import CommercialBank
from cbdc.enforcement import Enforcement
from cbdc.errors import Refused
from cbdc.gateway import Freezes, Gateway
from cbdc.keys import PublicKey, Signer
from cbdc.policies import PolicySet
from cbdc.ports import Clock
from cbdc.record import HASH, MOMENT, ONLINE_DOMAIN, Group, Text, Unsigned, object_id, signing_message
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import Recover, Transaction

TOKENS_AT_ONCE = 200
_REQUEST = Group((HASH, HASH, HASH, MOMENT))
_REPORT = Group((HASH, Text(128)))


class RecoveryDesk:
    """The recoveries of one bank."""

    def __init__(
        self,
        bank: CommercialBank,
        enforcement: Enforcement,
        gateway: Gateway,
        cabinet: Cabinet,
        policy: PolicySet,
        clock: Clock,
    ) -> None:
        self._bank = bank
        self._enforcement = enforcement
        self._gateway = gateway
        self._cabinet = cabinet
        self._policy = policy
        self._clock = clock
        name = f"bank {bank.bank_id}/recovery"
        self._requests, self._frozen, self._amounts, self._done = (
            f"{name}.{part}" for part in ("request", "frozen", "amount", "done")
        )

    def report(self, id: bytes, customer: bytes, reference: str) -> bool:
        """A customer's wallet is lost or stolen; True when it is frozen by this. E_CUSTOMER_UNKNOWN.

        A holder whom a court has frozen already stays under that freeze. One that is frozen under this very reference
        (a report that came another way) is taken over: a recovery lifts it.
        """
        holder = self._bank.customers.get(customer).pseudonym
        if not self._policy.holds("theft_freeze"):
            return False
        if not self._stands(customer, holder):
            try:
                self._enforcement.freeze(id, holder, reference)
            except Refused as refusal:
                if refusal.code != "E_FROZEN":
                    raise
                if not isinstance(self._gateway, Freezes) or self._gateway.frozen(holder) != reference:
                    return False
            self._cabinet.put_many([Row(self._frozen, customer, canonical.encode([id, reference]))])
        return True

    def _stands(self, customer: bytes, holder: bytes) -> bool:
        """Whether the freeze of an earlier report is there still; a clerk may have lifted it since."""
        data = self._cabinet.get(self._frozen, customer)
        if data is None:
            return False
        _, reference = _REPORT.load(canonical.decode(data), "report")
        return not isinstance(self._gateway, Freezes) or self._gateway.frozen(holder) == reference

    def request(self, id: bytes, customer: bytes, reference: str, lost: bytes, new: PublicKey) -> int:
        """Ask for what the key `lost` holds to go to the key `new`; the moment from which it may be completed.

        `reference` is the number of the document shown. Raises E_CUSTOMER_UNKNOWN, E_RECOVERY_IDENTITY, E_CUSTOMER_KEY,
        E_ID_REUSED.
        """
        self.identify(customer, reference)
        if self._bank.customers.owner_of(lost).id != customer:
            raise Refused("E_CUSTOMER_KEY", bank_id=self._bank.bank_id, kid=lost)
        known = self._cabinet.get(self._requests, HASH.load(id, "recovery id"))
        if known is None:
            row = canonical.encode([customer, lost, new.kid, self._clock.now()])
            self._cabinet.put_many([Row(self._requests, id, row)])
        elif self._load(known)[:3] != (customer, lost, new.kid):
            raise Refused("E_ID_REUSED", id=id)
        return self.ready(id)

    def cancel(self, id: bytes, reference: str) -> None:
        """End a request; E_RECOVERY_UNKNOWN, E_RECOVERY_IDENTITY."""
        customer = self._get(id)[0]
        self.identify(customer, reference)
        self._cabinet.put_many([Row(self._requests, id, None)])

    def complete(self, id: bytes, signer: Signer) -> int:
        """Restore the wallet to the new key, whose `signer` is at hand; how much it got (tiyn). Again: nothing more.

        Raises E_RECOVERY_UNKNOWN (also when another key comes), E_RECOVERY_WAIT, E_KEY_RETIRED when the lost key was
        replaced by another one meanwhile, or the ledger's refusal.
        """
        customer, lost, new, _ = self._get(id)
        if signer.public.kid != new:
            raise Refused("E_RECOVERY_UNKNOWN", bank_id=self._bank.bank_id, id=id)
        ready, now = self.ready(id), self._clock.now()
        if now < ready:
            raise Refused("E_RECOVERY_WAIT", ready=ready, now=now)
        amount_tiyn = self._planned(id, lost)
        if self._cabinet.get(self._done, id) is not None:
            # A later report of the same customer is not this request's to lift.
            return amount_tiyn
        self._bank.register_key(customer, signer)
        for record in self._records(id, lost, new):
            signed = self._enforcement.countersign(self._bank.sign_service(record, signer))
            self._gateway.submit(signed.encode())
        retired = self._gateway.registered(lost)
        if retired is None or retired.successor != new:
            raise Refused("E_KEY_RETIRED", kid=lost)
        self._unfreeze(id, customer)
        return amount_tiyn

    def papers(self, id: bytes, new: PublicKey) -> tuple[Transaction, ...]:
        """What the new key must sign, its enrolment first; nothing when the recovery is complete.

        Looking changes nothing. Raises E_RECOVERY_UNKNOWN (also when another key comes).
        """
        customer, lost, kid, _ = self._get(id)
        if new.kid != kid:
            raise Refused("E_RECOVERY_UNKNOWN", bank_id=self._bank.bank_id, id=id)
        if self._cabinet.get(self._done, id) is not None:
            return ()
        records = list(self._records(id, lost, kid))
        if len(records) > 1 and not records[-1].inputs:
            # The first one that moves money retires the lost key already.
            records.pop()
        return (self._bank.enrolment(customer, new), *records)

    def complete_signed(self, id: bytes, new: PublicKey, signatures: Sequence[bytes]) -> int:
        """As `complete`, by the new key's signatures over `papers`, in their order; how much it got (tiyn).

        Raises E_SIG for a signature that is missing, of another key or over other papers, before anything moves; and
        whatever `papers` and `complete` raise.
        """
        signed: dict[bytes, bytes] = {}
        papers = self.papers(id, new)
        if len(signatures) < len(papers):
            raise Refused("E_SIG", kid=new.kid)
        for record, signature in zip(papers, signatures, strict=False):
            message = self.message(record)
            new.verify(signature, message)
            signed[message] = signature
        return self.complete(id, _SignedBefore(new, signed))

    def message(self, record: Transaction) -> bytes:
        """The bytes over which a key signs one of `papers`."""
        identity = object_id(ONLINE_DOMAIN, record.TYPE, self._gateway.network, record.body())
        return signing_message(ONLINE_DOMAIN, record.TYPE, identity)

    def _records(self, id: bytes, lost: bytes, new: bytes) -> Iterator[Recover]:
        for inputs, outputs in self._parts(lost, new):
            named = b"".join(token.transaction_id + token.output.to_bytes(2, "big") for token in inputs)
            nonce = follow_nonce("recover", id, named)
            yield Recover(nonce, lost, new, inputs, outputs, f"recovery {id.hex()[:16]}")

    def _parts(self, lost: bytes, new: bytes) -> Iterator[tuple[tuple[TokenId, ...], tuple[Token, ...]]]:
        """What to move, a mark and so many tokens at a time; at last perhaps nothing, which retires the lost key."""
        held = [(i, t) for i, t in self._gateway.owned(lost) if t.lock == KeyLock(lost)]
        for mark in sorted({token.mark for _, token in held}):
            tokens = sorted((i, t.amount_tiyn) for i, t in held if t.mark == mark)
            for start in range(0, len(tokens), TOKENS_AT_ONCE):
                part = tokens[start : start + TOKENS_AT_ONCE]
                total = sum(amount for _, amount in part)
                yield tuple(identity for identity, _ in part), (Token(total, KeyLock(new), mark),)
        known = self._gateway.registered(lost)
        if known is not None and not known.successor:
            yield (), ()

    def _planned(self, id: bytes, lost: bytes) -> int:
        """What the lost key held when this was asked first: written down before anything moves."""
        if self._cabinet.get(self._amounts, id) is None:
            held = [t for _, t in self._gateway.owned(lost) if t.lock == KeyLock(lost)]
            amount = sum(token.amount_tiyn for token in held)
            self._cabinet.put_many([Row(self._amounts, id, canonical.encode(amount))])
        data = self._cabinet.get(self._amounts, id)
        return Unsigned().load(canonical.decode(data or b""), "amount")

    def _unfreeze(self, id: bytes, customer: bytes) -> None:
        """Lift the freeze of the customer's report, if it is still that one, and write the request down as done."""
        data = self._cabinet.get(self._frozen, customer)
        if data is not None:
            holder = self._bank.customers.get(customer).pseudonym
            _, reference = _REPORT.load(canonical.decode(data), "report")
            if not isinstance(self._gateway, Freezes) or self._gateway.frozen(holder) == reference:
                self._enforcement.unfreeze(follow("recovered", id), holder, f"recovery {id.hex()[:16]}")
        self._cabinet.put_many([Row(self._frozen, customer, None), Row(self._done, id, b"1")])

    def identify(self, customer: bytes, reference: str) -> None:
        """Return if `reference` is the document that the account was opened with; E_RECOVERY_IDENTITY."""
        known = self._bank.customers.get(customer)
        if self._policy.holds("recovery_identity") and known.reference != reference:
            raise Refused("E_RECOVERY_IDENTITY", bank_id=self._bank.bank_id)

    def is_done(self, id: bytes) -> bool:
        """Whether this recovery is complete."""
        return self._cabinet.get(self._done, HASH.load(id, "recovery id")) is not None

    def ready(self, id: bytes) -> int:
        """The moment from which a request may be completed; E_RECOVERY_UNKNOWN."""
        return self._get(id)[3] + (self._policy.value("recovery_wait") or 0)

    def _get(self, id: bytes) -> tuple[bytes, bytes, bytes, int]:
        data = self._cabinet.get(self._requests, id)
        if data is None:
            raise Refused("E_RECOVERY_UNKNOWN", bank_id=self._bank.bank_id, id=id)
        return self._load(data)

    def _load(self, data: bytes) -> tuple[bytes, bytes, bytes, int]:
        values: tuple[Any, ...] = _REQUEST.load(canonical.decode(data), "recovery")
        customer, lost, new, asked = values
        return customer, lost, new, asked


class _SignedBefore:
    """A key that is far away: it signs what it has signed before, and nothing else (E_SIG)."""

    def __init__(self, public: PublicKey, signed: Mapping[bytes, bytes]) -> None:
        self.public = public
        self._signed = signed

    def sign(self, message: bytes) -> bytes:
        signature = self._signed.get(message)
        if signature is None:
            raise Refused("E_SIG", kid=self.public.kid)
        return signature
