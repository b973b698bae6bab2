"""Plain transfers in a fold, judged on numbers: what the ledger's short way does, for millions of entries in a row.

What is taken here is exactly what `cbdc.ledger.rules_plain.decide_plain` accepts of transfers with **one signer**, with
the same changes; a property test holds the two side by side. Nothing is refused: whatever is not plainly right (a token
that is gone or another's, an account that is no wallet, a freeze, a limit, a replaced key, a sum that is wrong, several
signers) is left to the general judge, and nothing of it was changed.

The rows are those of `cbdc.ledger.rows` in memory: tokens are amounts with key ids, counters are numbers. What is known
of a registered key is kept in an `Account` until the row of the key changes.
"""

from collections.abc import Sequence

import msgspec

from cbdc.canonical import MAX_INTEGER
from cbdc.ledger.entry import PERIOD_NAMES, Policy
from cbdc.ledger.reading import Said
from cbdc.ledger.rows import Value
from cbdc.ledger.state import (
    FREEZE,
    KEY,
    TOKEN,
    day_counter,
    holding_counter,
    period_counter,
)
from cbdc.ledger.store import EntryRow
from cbdc.plain_form import MAX_OUTPUTS
from cbdc.token import holder_class

MOST_ACCOUNTS = 200_000
"""How many accounts are remembered; then all are forgotten, and read again from their rows."""

_KEY = bytes([KEY])
_FREEZE = bytes([FREEZE])
_TOKEN = bytes([TOKEN])
_PLACES = [place.to_bytes(2, "big") for place in range(MAX_OUTPUTS)]
_decode_key = msgspec.msgpack.Decoder(tuple[int, bytes, int, int, int, bytes, bytes]).decode


class Account:
    """A registered key of a wallet, with the limits of its tier (0: none) and the places of its holder's rows."""

    __slots__ = (
        "current",
        "day",
        "day_key",
        "day_limit_tiyn",
        "freeze",
        "holding",
        "holding_limit_tiyn",
        "kid",
        "payment_limit_tiyn",
        "periods",
        "pseudonym",
    )

    def __init__(self, kid: bytes, pseudonym: bytes, tier: int, current: bool, policy: Policy) -> None:
        """Raises E_TIER when the policy has no such tier."""
        limits = policy.limits(tier)
        self.kid = kid
        self.pseudonym = pseudonym
        self.current = current
        self.holding = holding_counter.__wrapped__(pseudonym).pack()
        self.freeze = _FREEZE + pseudonym
        self.payment_limit_tiyn = limits.payment_limit_tiyn
        self.day_limit_tiyn = limits.day_limit_tiyn
        self.holding_limit_tiyn = limits.holding_limit_tiyn
        self.periods = [(kind, limit) for of, kind, limit in policy.periods if of == tier]
        self.day = -1
        self.day_key = b""


class PlainFold:
    """Plain transfers over `rows`, which are changed in place."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._tiers = {row[0] for row in policy.tiers}
        self._accounts: dict[bytes, Account | None] = {}
        self._asked: Sequence[bytes] = ()
        self._found: list[Account | None] = []

    def forget(self, kid: bytes) -> None:
        """The row of a key has changed."""
        self._accounts.pop(kid, None)
        self._asked = ()

    def _learn(self, rows: dict[bytes, Value], kids: Sequence[bytes]) -> list[Account | None]:
        """The accounts of key ids; None for what is no wallet's key. The list it was last asked it has."""
        if kids is not self._asked:
            accounts = self._accounts
            if len(accounts) > MOST_ACCOUNTS:
                accounts.clear()
            for kid in kids:
                if kid not in accounts:
                    accounts[kid] = self._account(rows, kid)
            self._found = [accounts[kid] for kid in kids]
            self._asked = kids
        return self._found

    def _account(self, rows: dict[bytes, Value], kid: bytes) -> Account | None:
        row = rows.get(_KEY + kid)
        if type(row) is not bytes:
            return None
        _, _, _, tier, category, pseudonym, successor = _decode_key(row)
        if holder_class(category) != "wallets" or tier not in self._tiers:
            return None
        return Account(kid, pseudonym, tier, not successor, self._policy)

    def take(
        self,
        rows: dict[bytes, Value],
        entries: Sequence[tuple[EntryRow, int, Said]],
        kids: Sequence[bytes],
        last_time: int,
    ) -> int:
        """Make the changes of entries, each with its time and what was said of it, up to the first that is not plainly
        right; how many were taken. `kids` are the key ids that what is said names by number.
        """
        accounts = self._learn(rows, kids)
        get = rows.get
        now, day, taken = -1, 0, 0
        for row, time, one in entries:
            if type(one) is int or time < last_time:
                break
            signers, spends, payees, amounts, total = one  # type: ignore[misc]
            payer = accounts[signers[0]]
            if payer is None or len(signers) != 1 or get(payer.freeze) is not None:
                break
            kid, spent = payer.kid, 0
            for key in spends:
                token = get(key)
                # One signer, so every token is behind his key.
                if type(token) is not tuple or token[1] != kid:
                    break
                spent += token[0]
            else:
                if spent != total:
                    break
                if time != now:
                    now, day = time, self._policy.day(time)
                moved = self._moved(rows, payer, [accounts[place] for place in payees], amounts, time, day)
                if moved is None:
                    break
                for key in spends:
                    del rows[key]
                stem = _TOKEN + row.transaction_id
                for place, payee in enumerate(payees):
                    rows[stem + _PLACES[place]] = (amounts[place], kids[payee])
                for key, number in moved:
                    if number:
                        rows[key] = number
                    else:
                        rows.pop(key, None)
                last_time = time
                taken += 1
                continue
            break
        return taken

    def _moved(
        self,
        rows: dict[bytes, Value],
        payer: Account,
        payees: Sequence[Account | None],
        amounts: Sequence[int],
        time: int,
        day: int,
    ) -> list[tuple[bytes, int]] | None:
        """The counters after a transfer; None when an account may not take part, or a limit is passed."""
        paid, pseudonym = 0, payer.pseudonym
        gains: dict[bytes, int] = {}
        others: list[Account] = []
        for payee, amount in zip(payees, amounts, strict=True):
            if payee is None or not payee.current:
                return None
            if payee is payer or payee.pseudonym == pseudonym:
                continue
            paid += amount
            others.append(payee)
            gains[payee.holding] = gains.get(payee.holding, 0) + amount
        if not paid:
            return []
        left = _number(rows, payer.holding) - paid
        if left < 0 or 0 < payer.payment_limit_tiyn < paid:
            return None
        moved = [(payer.holding, left)]
        if payer.day_limit_tiyn:
            if payer.day != day:
                payer.day, payer.day_key = day, day_counter.__wrapped__(pseudonym, day).pack()
            total = _number(rows, payer.day_key) + paid
            if total > payer.day_limit_tiyn:
                return None
            moved.append((payer.day_key, total))
        for kind, limit in payer.periods:
            number = self._policy.period(kind, time)
            key = period_counter.__wrapped__(pseudonym, PERIOD_NAMES[kind], number).pack()
            total = _number(rows, key) + paid
            if total > limit:
                return None
            moved.append((key, total))
        for payee in others:
            held = _number(rows, payee.holding) + gains[payee.holding]
            if held > MAX_INTEGER or 0 < payee.holding_limit_tiyn < held:
                return None
            moved.append((payee.holding, held))
        return moved


def _number(rows: dict[bytes, Value], key: bytes) -> int:
    """A counter in memory, 0 when it is not there."""
    value = rows.get(key, 0)
    assert type(value) is int
    return value
