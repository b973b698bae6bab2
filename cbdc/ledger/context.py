"""One case before the ledger: the transaction, what it can see, who truly signed it, and the draft of its effects.

Guards that every kind of transaction asks are answered here: G2 (keys and signatures), G3 (tokens), G4 (authority and
locks) and G8 (freezes).
"""

import hashlib
from dataclasses import dataclass

from cbdc import authority, keys
from cbdc.authority import Auth
from cbdc.errors import Refused
from cbdc.ledger.entry import Genesis
from cbdc.ledger.state import FREEZE, KEY, RegisteredKey, StateKey
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
    """The case, with every signature verified and every key that is to receive known and current (G2).

    Raises E_KEY_UNKNOWN, E_KEY, E_SIG or E_KEY_RETIRED.
    """
    message = transaction.message
    for kid, signature in transaction.witnesses:
        witness_key(genesis, view, transaction, kid).verify(signature, message)
    for token in transaction.record.creates:
        for kid in token.lock.kids:
            if registered(view, kid).successor:
                raise Refused("E_KEY_RETIRED", kid=kid)
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


def signing_as(case: Case, role: int) -> list[Auth]:
    """The certificates that give signers `role` now (G4); E_AUTHORITY or E_AUTHORITY_TIME when there are none."""
    named = [auth for auth in case.genesis.authority.with_role(role) if auth.kid in case.signers]
    if not named:
        raise Refused("E_AUTHORITY", kid=min(case.signers), role=authority.ROLE_NAMES[role])
    current = [auth for auth in named if auth.not_before <= case.now <= auth.expires]
    if not current:
        raise Refused("E_AUTHORITY_TIME", kid=named[0].kid, role=authority.ROLE_NAMES[role], now=case.now)
    return current


def require_emission(case: Case) -> None:
    """E_QUORUM unless as many emission officers signed as their certificates ask for, and at least one (G4)."""
    officers = [
        auth
        for auth in case.genesis.authority.with_role(authority.EMISSION)
        if auth.not_before <= case.now <= auth.expires
    ]
    threshold = max((auth.scope[0] for auth in officers if auth.scope), default=1)
    keys.check_quorum(max(threshold, 1), frozenset(auth.kid for auth in officers), sorted(case.signers))


def spend_all(case: Case) -> None:
    """Take every input away (G3)."""
    for identity in case.transaction.record.spends:
        case.draft.spend(identity)


def open_locks(case: Case) -> None:
    """E_LOCKED or E_QUORUM unless the signers open the lock of every input (G4)."""
    for identity, token, _ in case.draft.spent:
        check_lock(case, identity, token)


def check_lock(case: Case, identity: TokenId, token: Token) -> None:
    """E_LOCKED (or E_QUORUM) unless the signers, the time and the preimages open the token's lock."""
    lock = token.lock
    if isinstance(lock, QuorumLock):
        keys.check_quorum(lock.threshold, frozenset(lock.kids), sorted(case.signers & set(lock.kids)))
        return
    if isinstance(lock, KeyLock):
        opened = lock.kid in case.signers
    elif case.now > lock.deadline:
        opened = lock.refund in case.signers
    else:
        opened = lock.claim in case.signers and _shows_preimage(case, lock)
    if not opened:
        raise Refused("E_LOCKED", transaction_id=identity.transaction_id, output=identity.output)


def _shows_preimage(case: Case, lock: HashLock) -> bool:
    record = case.transaction.record
    preimages = record.preimages if isinstance(record, Transfer) else ()
    return any(hashlib.sha256(preimage).digest() == lock.hash for preimage in preimages)


def check_not_frozen(case: Case) -> None:
    """E_FROZEN when a holder whose money moves, or one who signed for it, is frozen (G8)."""
    spenders = [holder for _, _, holder in case.draft.spent]
    signers = [case.view[StateKey(KEY, kid)] for kid in sorted(case.signers)]
    for holder in (*spenders, *signers):
        if isinstance(holder, RegisteredKey):
            reference = case.view[StateKey(FREEZE, holder.pseudonym)]
            if reference is not None:
                raise Refused("E_FROZEN", holder=holder.pseudonym, legal_reference=reference)


def create_all(case: Case) -> None:
    """Create each output under its index; refuses nothing."""
    for place, token in enumerate(case.transaction.record.creates):
        case.draft.create(TokenId(case.transaction.id, place), token)
