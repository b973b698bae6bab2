"""Forge a token. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        what the ledger says to your attacks
"""

from collections.abc import Mapping

from bazaar import Bazaar

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import Transaction, Transfer, sign_transaction

Witnesses = tuple[tuple[bytes, bytes], ...]


def wire(record: Transaction, witnesses: Witnesses) -> bytes:
    """A transaction's bytes with the signatures you give it: [[key id, signature]...]. Nothing is checked."""
    return canonical.encode([record.TYPE, record.body(), witnesses])


def refusal(bazaar: Bazaar, data: bytes) -> tuple[str, str]:
    """Submit, and read what the ledger says: the code of its refusal and the guard; two empty texts if it accepts."""
    try:
        bazaar.submit(data)
    except TengeError as error:
        return error.code, error.rule
    return "", ""


def example_pay_a_key_nobody_knows(bazaar: Bazaar) -> tuple[str, str]:
    """A worked example: an honest payment, except that no bank has registered the payee's key."""
    identity, token = bazaar.your_tokens()[0]
    record = Transfer(
        bazaar.nonce("example"),
        (identity,),
        (Token(token.amount_tiyn, KeyLock(bytes(32))),),
    )
    return refusal(bazaar, sign_transaction(record, bazaar.network, [bazaar.you]).encode())


# --- part 1: attacks. Each submits one forged transaction and returns (code, guard), as `refusal` gives it. ---


def change_the_amount(bazaar: Bazaar) -> tuple[str, str]:
    """Take Shygaibai's payment that waits, give yourself more than he signed for, and leave his signature on it.

    Hint: `open_transaction(bazaar.waiting, bazaar.network)` has `.record` and `.witnesses`; `dataclasses.replace`
    changes a record; `wire` puts old signatures on it.
    """
    raise NotImplementedError("TODO")


def invent_a_token(bazaar: Bazaar) -> tuple[str, str]:
    """Spend a token that never existed, signed with your own key as it should be.

    Hint: a token id is `TokenId(transaction id of 32 bytes, output number)`. Any will do.
    """
    raise NotImplementedError("TODO")


def spend_again(bazaar: Bazaar) -> tuple[str, str]:
    """Spend `bazaar.spent` a second time, in a new payment to yourself with a nonce of its own.

    Hint: what the token was worth stands in `settled`: its outputs sum to it.
    """
    raise NotImplementedError("TODO")


def take_anothers_token(bazaar: Bazaar) -> tuple[str, str]:
    """Pay yourself one of Shygaibai's tokens, signed with the only key you have.

    Hint: `bazaar.misers_tokens()`.
    """
    raise NotImplementedError("TODO")


def make_more_of_it(bazaar: Bazaar) -> tuple[str, str]:
    """Spend a token of yours, rightly signed, into outputs that are worth more.

    Hint: this one is the worked example with another amount and your own key as payee.
    """
    raise NotImplementedError("TODO")


def count_it_twice(bazaar: Bazaar) -> tuple[str, str]:
    """Name one token of yours twice among the inputs of one payment, so that the sums agree with twice its amount.

    Hint: `sign_transaction` signs what you give it; it is the ledger that looks.
    """
    raise NotImplementedError("TODO")


def issue_without_officers(bazaar: Bazaar) -> tuple[str, str]:
    """Issue money to yourself as the National Bank does, only that you sign alone.

    Hint: `cbdc.transaction.Issue(nonce, request, outputs)`; a request is 32 bytes.
    """
    raise NotImplementedError("TODO")


def key_of_small_order(bazaar: Bazaar) -> tuple[str, str]:
    """Register a key under which one signature fits every message, and prove with that signature that you hold it.

    Hint: of Ed25519's points, the one written as the byte 1 and 31 zero bytes adds nothing to anything. As public key
    A and as R, with S = 0, it satisfies S*B = R + h*A for every h: the signature is those 32 bytes and 32 zero bytes.
    Build a `RegisterKey` (`key_id` gives its key id), and put that witness on it with `wire`.
    """
    raise NotImplementedError("TODO")


def replay(bazaar: Bazaar) -> int:
    """Submit `settled` once more, and return the index in the journal that the receipt names.

    Nobody refuses this. Look at the index, and at `journal_size()` before and after: why is it harmless?
    """
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


class Forged(Exception):
    """What `accept` raises, with the reason."""


def accept(
    data: bytes,
    network: bytes,
    keys: Mapping[bytes, tuple[int, bytes]],
    unspent: Mapping[TokenId, Token],
) -> None:
    """Return if `data` is a payment (a Transfer) to be booked; raise `Forged` or a TengeError if it is anything else.

    `keys` maps the key ids that banks have registered to (algorithm, public key); `unspent` holds every token there is
    to spend, each locked by one key. Judge only: change nothing, remember nothing, and never fail in another way,
    whatever the bytes are.

    Hint: `open_transaction` judges the form and gives `.record`, `.witnesses` and `.message`, what each witness must
    have signed. `cbdc.keys.public_key(algorithm, raw)` gives a key whose `verify` raises. Then go through the guards on
    the page, from G2 to G6, and ask of each what it would need to know here.
    """
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    for attack in (
        example_pay_a_key_nobody_knows,
        change_the_amount,
        invent_a_token,
        spend_again,
        take_anothers_token,
        make_more_of_it,
        count_it_twice,
        issue_without_officers,
        key_of_small_order,
        replay,
    ):
        try:
            print(f"{attack.__name__:<32}", attack(Bazaar(seed=7)))
        except NotImplementedError:
            print(f"{attack.__name__:<32} not written yet")
