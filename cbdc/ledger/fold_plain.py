"""Plain transfers in a fold, judged on numbers: what the ledger's short way does, for millions of entries in a row.

What is taken here are transfers with **one signer** among wallets, inventories of banks and treasury accounts, with
exactly the changes of `cbdc.ledger.rules.decide`; property tests hold it against the law and the ledger's short way.
Nothing is refused: whatever is not plainly right (a token that is gone or another's, an escrow, a freeze, a limit, a
replaced key, a sum that is wrong, several signers) is left to the general judge, and nothing of it was changed.

The rows are those of `cbdc.ledger.rows` in memory: counters are numbers, and a plain token's bytes end with its key id.
What is known of a registered key is kept in an `Account` until the row of the key changes.
"""

from collections.abc import Iterable, Sequence

import msgspec

from cbdc.canonical import MAX_INTEGER
from cbdc.ledger.entry import PERIOD_NAMES, Policy, TierLimits
from cbdc.ledger.reading import Said
from cbdc.ledger.rows import TAIL_BYTES, TOKEN_HEAD, Value, token_tail
from cbdc.ledger.state import (
    FREEZE,
    KEY,
    TOKEN,
    class_counter,
    day_counter,
    holding_counter,
    period_counter,
)
from cbdc.ledger.store import EntryRow
from cbdc.plain_form import MAX_OUTPUTS
from cbdc.token import holder_class

MOST_ACCOUNTS = 200_000
"""How many accounts are remembered; then all are forgotten, and read again from their rows."""

_WITHOUT_LIMITS = ("bank_inventory", "treasury")
_KEY = bytes([KEY])
_FREEZE = bytes([FREEZE])
_TOKEN = bytes([TOKEN])
_PLACES = [place.to_bytes(2, "big") for place in range(MAX_OUTPUTS)]
_encode = msgspec.msgpack.Encoder().encode
_decode_number = msgspec.msgpack.Decoder(int).decode
_decode_key = msgspec.msgpack.Decoder(tuple[int, bytes, int, int, int, bytes, bytes]).decode


class Account:
    """A registered key of somebody who may pay and be paid: the places of its holder's rows, the limits of its tier.

    `tail` is how the row of a plain token of this key ends, `line` where its line of the supply table stands. Only
    wallets have holdings and limits (0: none); `payable` is a wallet's current key, `simple` one without limits of a
    month or a year.
    """

    __slots__ = (
        "current",
        "day",
        "day_key",
        "day_limit_tiyn",
        "freeze",
        "holding",
        "holding_limit_tiyn",
        "kid",
        "line",
        "payable",
        "payment_limit_tiyn",
        "periods",
        "pseudonym",
        "simple",
        "tail",
        "wallet",
    )

    def __init__(
        self, kid: bytes, pseudonym: bytes, line: str, current: bool, limits: TierLimits | None
    ) -> None:
        self.kid = kid
        self.tail = token_tail(kid)
        self.pseudonym = pseudonym
        self.current = current
        self.wallet = limits is not None
        self.payable = self.wallet and current
        self.line = class_counter(line).pack()
        self.holding = holding_counter.__wrapped__(pseudonym).pack()
        self.freeze = _FREEZE + pseudonym
        self.payment_limit_tiyn = 0 if limits is None else limits.payment_limit_tiyn
        self.day_limit_tiyn = 0 if limits is None else limits.day_limit_tiyn
        self.holding_limit_tiyn = 0 if limits is None else limits.holding_limit_tiyn
        self.periods: list[tuple[int, int]] = []
        self.simple = False
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
        line = holder_class(category)
        if line in _WITHOUT_LIMITS:
            return Account(kid, pseudonym, line, not successor, None)
        if line != "wallets" or tier not in self._tiers:
            return None
        account = Account(kid, pseudonym, line, not successor, self._policy.limits(tier))
        account.periods = [(kind, limit) for of, kind, limit in self._policy.periods if of == tier]
        account.simple = account.payable and not account.periods
        return account

    def take(
        self,
        rows: dict[bytes, Value],
        entries: Iterable[tuple[EntryRow, int, Said]],
        kids: Sequence[bytes],
        last_time: int,
    ) -> int:
        """Make the changes of entries, each with its time and what was said of it, up to the first that is not plainly
        right; how many were taken. `kids` are the key ids that what is said names by number.
        """
        accounts = self._learn(rows, kids)
        now, day, taken = -1, 0, 0
        for row, time, one in entries:
            if type(one) is int or time < last_time:
                break
            signers, spends, payees, amounts, total = one  # type: ignore[misc]
            payer = accounts[signers[0]]
            if payer is None or len(signers) != 1 or payer.freeze in rows:
                break
            if _spent(rows, spends, payer.tail) != total:
                break
            if time != now:
                now, day = time, self._policy.day(time)
            if not (
                len(payees) == 2
                and payer.simple
                and self._simply(rows, payer, accounts[payees[0]], accounts[payees[1]], amounts, day)
            ):
                to = [accounts[place] for place in payees]
                moved = self._moved(rows, payer, to, amounts, time, day)
                if moved is None:
                    break
                for key, number in moved:
                    if number:
                        rows[key] = number
                    else:
                        rows.pop(key, None)
            for key in spends:
                del rows[key]
            stem = _TOKEN + row.transaction_id
            for place, payee, amount in zip(_PLACES, payees, amounts, strict=False):
                rows[stem + place] = TOKEN_HEAD + _encode(amount) + accounts[payee].tail
            last_time = time
            taken += 1
        return taken

    def _simply(
        self,
        rows: dict[bytes, Value],
        payer: Account,
        first: Account | None,
        last: Account | None,
        amounts: Sequence[int],
        day: int,
    ) -> bool:
        """Move one payment between wallets with one piece of change, as `_moved` says; False leaves it to that."""
        payee, paid = first, amounts[0]
        if last is not payer:
            if first is not payer:
                return False
            payee, paid = last, amounts[1]
        if payee is None or not payee.payable or payee.pseudonym == payer.pseudonym:
            return False
        get = rows.get
        left: int = get(payer.holding, 0) - paid  # type: ignore[operator]
        if left < 0 or 0 < payer.payment_limit_tiyn < paid:
            return False
        held: int = get(payee.holding, 0) + paid  # type: ignore[operator]
        if held > MAX_INTEGER or 0 < payee.holding_limit_tiyn < held:
            return False
        if payer.day_limit_tiyn:
            if payer.day != day:
                payer.day, payer.day_key = day, day_counter.__wrapped__(payer.pseudonym, day).pack()
            total: int = get(payer.day_key, 0) + paid  # type: ignore[operator]
            if total > payer.day_limit_tiyn:
                return False
            rows[payer.day_key] = total
        if left:
            rows[payer.holding] = left
        else:
            rows.pop(payer.holding, None)
        rows[payee.holding] = held
        return True

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
        paid = 0
        gains: dict[bytes, int] = {}
        lines: dict[bytes, int] = {}
        others: list[Account] = []
        for payee, amount in zip(payees, amounts, strict=True):
            if payee is None or not payee.current:
                return None
            if payee.line != payer.line:
                lines[payer.line] = lines.get(payer.line, 0) - amount
                lines[payee.line] = lines.get(payee.line, 0) + amount
                if payee.pseudonym == payer.pseudonym:
                    return None
            elif payee.pseudonym == payer.pseudonym:
                continue
            paid += amount
            if payee.wallet:
                others.append(payee)
                gains[payee.holding] = gains.get(payee.holding, 0) + amount
        moved = self._paid(rows, payer, paid, time, day) if paid and payer.wallet else []
        if moved is None:
            return None
        for line, change in lines.items():
            total = _number(rows, line) + change
            if not 0 <= total <= MAX_INTEGER:
                return None
            moved.append((line, total))
        for payee in others:
            held = _number(rows, payee.holding) + gains[payee.holding]
            if held > MAX_INTEGER or 0 < payee.holding_limit_tiyn < held:
                return None
            moved.append((payee.holding, held))
        return moved

    def _paid(
        self, rows: dict[bytes, Value], payer: Account, paid: int, time: int, day: int
    ) -> list[tuple[bytes, int]] | None:
        """The counters of a wallet that pays; None when it does not hold so much, or a limit is passed."""
        left = _number(rows, payer.holding) - paid
        if left < 0 or 0 < payer.payment_limit_tiyn < paid:
            return None
        moved = [(payer.holding, left)]
        if payer.day_limit_tiyn:
            if payer.day != day:
                payer.day, payer.day_key = day, day_counter.__wrapped__(payer.pseudonym, day).pack()
            total = _number(rows, payer.day_key) + paid
            if total > payer.day_limit_tiyn:
                return None
            moved.append((payer.day_key, total))
        for kind, limit in payer.periods:
            number = self._policy.period(kind, time)
            key = period_counter.__wrapped__(payer.pseudonym, PERIOD_NAMES[kind], number).pack()
            total = _number(rows, key) + paid
            if total > limit:
                return None
            moved.append((key, total))
        return moved


def _spent(rows: dict[bytes, Value], spends: Iterable[bytes], tail: bytes) -> int:
    """What these tokens are worth together; -1 unless all are there, plain, and end so: behind one key."""
    spent = 0
    try:
        for key in spends:
            token: bytes = rows[key]  # type: ignore[assignment]
            if token[-TAIL_BYTES:] != tail:
                return -1
            # What ends so and has just one number before it is plain.
            spent += _decode_number(token[1:-TAIL_BYTES])
    except (KeyError, msgspec.DecodeError):
        return -1
    return spent


def _number(rows: dict[bytes, Value], key: bytes) -> int:
    """A counter in memory, 0 when it is not there."""
    value = rows.get(key, 0)
    assert type(value) is int
    return value
