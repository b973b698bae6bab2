"""One case before the ledger: the transaction, what it can see, who truly signed it, and the draft of its effects.

Guards G2 (signatures) and G4 (authority and locks) are answered here, because every kind of transaction asks them.
"""

import hashlib
from dataclasses import dataclass

from cbdc import authority, keys
from cbdc.authority import Auth
from cbdc.errors import Refused
from cbdc.ledger.entry import Genesis
from cbdc.ledger.view import Draft, View, registered
from cbdc.token import HashLock, KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import RegisterKey, RotateKey, SignedTransaction, Transfer


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule works with. `signers` are the key ids whose signatures were verified."""

    genesis: Genesis
    view: View
    transaction: SignedTransaction
    now: int
    signers: frozenset[bytes]
    draft: Draft


def open_case(genesis: Genesis, view: View, transaction: SignedTransaction, now: int) -> Case:
    """The case, with every signature verified (G2); E_KEY_UNKNOWN, E_KEY or E_SIG."""
    message = transaction.message
    for kid, signature in transaction.witnesses:
        witness_key(genesis, view, transaction, kid).verify(signature, message)
    signers = frozenset(kid for kid, _ in transaction.witnesses)
    return Case(genesis, view, transaction, now, signers, Draft(view))


def witness_key(genesis: Genesis, view: View, transaction: SignedTransaction, kid: bytes) -> keys.PublicKey:
    """The public key behind a witness: certified by ROOT, registered, or the new key that registers itself."""
    if genesis.authority.holds(kid):
        return genesis.authority.key(kid)
    record = transaction.record
    if (
        isinstance(record, RegisterKey | RotateKey)
        and keys.key_id(record.algorithm, record.public_key) == kid
    ):
        return keys.public_key(record.algorithm, record.public_key)
    return registered(view, kid).key


def require_role(case: Case, role: int) -> Auth:
    """The certificate of a signer who has `role` now (G4); E_AUTHORITY or E_AUTHORITY_TIME when no signer has it."""
    refusal = Refused("E_AUTHORITY", kid=min(case.signers), role=authority.ROLE_NAMES[role])
    for kid in sorted(case.signers):
        try:
            return case.genesis.authority.require(kid, role, case.now)
        except Refused as error:
            if error.code == "E_AUTHORITY_TIME":
                refusal = error
    raise refusal


def require_emission(case: Case) -> None:
    """E_QUORUM unless as many emission officers signed as their certificates ask for (G4)."""
    officers = [
        auth
        for auth in case.genesis.authority.with_role(authority.EMISSION)
        if auth.not_before <= case.now <= auth.expires
    ]
    threshold = max((auth.scope[0] for auth in officers if auth.scope), default=1)
    keys.check_quorum(threshold, frozenset(auth.kid for auth in officers), sorted(case.signers))


def spend_all(case: Case) -> list[Token]:
    """Spend each input (G3) whose lock the signers open (G4)."""
    spends = case.transaction.record.spends
    tokens = [case.draft.spend(identity) for identity in spends]
    for identity, token in zip(spends, tokens, strict=True):
        check_lock(case, identity, token)
    return tokens


def check_lock(case: Case, identity: TokenId, token: Token) -> None:
    """E_LOCKED (or E_QUORUM) unless the signers, the time and the preimages open the token's lock."""
    lock = token.lock
    refusal = Refused("E_LOCKED", transaction_id=identity.transaction_id, output=identity.output)
    if isinstance(lock, KeyLock):
        if lock.kid not in case.signers:
            raise refusal
    elif isinstance(lock, QuorumLock):
        keys.check_quorum(lock.threshold, frozenset(lock.kids), sorted(case.signers & set(lock.kids)))
    elif case.now > lock.deadline:
        if lock.refund not in case.signers:
            raise refusal
    elif lock.claim not in case.signers or not _shows_preimage(case, lock):
        raise refusal


def _shows_preimage(case: Case, lock: HashLock) -> bool:
    record = case.transaction.record
    preimages = record.preimages if isinstance(record, Transfer) else ()
    return any(hashlib.sha256(preimage).digest() == lock.hash for preimage in preimages)


def create_all(case: Case) -> None:
    """Create each output under its index."""
    for place, token in enumerate(case.transaction.record.creates):
        case.draft.create(TokenId(case.transaction.id, place), token)
