"""Double-entry books: reserves, deposits, what circulates, what was lost. Every posting sums to zero.

One set of books holds the accounts of all institutions, so that a movement between two of them (a bank buys digital
tenge with its reserves) is **one** posting: there is no moment at which one side has booked it and the other has not.

    posting   an id made by whoever orders it, a moment, a text, and lines of (account, amount)
    line      a debit is positive, a credit negative; the lines sum to zero in each institution they touch
    account   institution, kind, name; it exists as soon as a posting names it

Rules kept here:

- the same id again is no second posting; the same id with other lines or another text is E_ID_REUSED;
- **nothing goes below zero**: an asset that one does not have and a debt turned into a claim are E_FUNDS_ACCOUNT, so
  no deposit and no reserve account is ever overdrawn. Only results and equity may have either sign;
- `post_many` is one commit, all of it or nothing; `post_each` is one commit of those that the rules allow.

Source: `docs/domain.md`: digital tenge is a liability of the National Bank like cash, issued 1:1 against a bank's
account with it, and customers' tokens are on no bank's balance sheet.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cbdc import canonical
from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.money import check_tiyn
from cbdc.record import AMOUNT, HASH, Group, Items, Text, Unsigned

ASSET = 1
LIABILITY = 2
EQUITY = 3
INCOME = 4
EXPENSE = 5

KIND_NAMES = {ASSET: "asset", LIABILITY: "liability", EQUITY: "equity", INCOME: "income", EXPENSE: "expense"}
_DEBIT_KINDS = (ASSET, EXPENSE)
_NEVER_NEGATIVE = (ASSET, LIABILITY)
MAX_LINES = 1_024

NATIONAL_BANK = "national bank"
TREASURY_PARTY = 0


class Account(NamedTuple):
    """Where money stands in the books: the institution, the kind of account, and its name within the institution."""

    institution: str
    kind: int
    name: str

    @property
    def path(self) -> str:
        """One text that names the account: `national bank/liability/reserve:1`."""
        return f"{self.institution}/{KIND_NAMES[self.kind]}/{self.name}"

    def natural(self, debit_tiyn: int) -> int:
        """A balance as people read it: assets and expenses grow by debits, the others by credits."""
        return debit_tiyn if self.kind in _DEBIT_KINDS else -debit_tiyn


class Line(NamedTuple):
    """One side of a posting: positive is a debit, negative a credit; tiyn, never zero."""

    account: Account
    amount_tiyn: int


def debit(account: Account, amount_tiyn: int) -> Line:
    """A debit of `amount_tiyn` (more of an asset, less of a debt)."""
    return Line(account, amount_tiyn)


def credit(account: Account, amount_tiyn: int) -> Line:
    """A credit of `amount_tiyn` (less of an asset, more of a debt)."""
    return Line(account, -amount_tiyn)


# --- the chart of accounts ---

GOVERNMENT_AND_OTHER = Account(NATIONAL_BANK, ASSET, "government and other")
ISSUE_IN_PROGRESS = Account(NATIONAL_BANK, LIABILITY, "issue in progress")
CIRCULATION = Account(NATIONAL_BANK, LIABILITY, "digital tenge in circulation")
OFFLINE_LOSSES = Account(NATIONAL_BANK, EXPENSE, "losses: reserve for offline payments")


def institution_of(bank_id: int) -> str:
    """The name of a bank in the books."""
    return f"bank {bank_id}"


def reserve(party: int) -> Account:
    """What the National Bank owes a bank (its reserve account), or the treasury (party 0)."""
    return Account(NATIONAL_BANK, LIABILITY, f"reserve:{party}")


def reserves(bank_id: int) -> Account:
    """The same money in the bank's own books."""
    return Account(institution_of(bank_id), ASSET, "reserves at the national bank")


def ordered(bank_id: int) -> Account:
    """Digital tenge that the bank has paid for and that is being issued."""
    return Account(institution_of(bank_id), ASSET, "digital tenge ordered")


def inventory(bank_id: int) -> Account:
    """Digital tenge that the bank itself holds, to sell."""
    return Account(institution_of(bank_id), ASSET, "digital tenge in the inventory")


def deposit(bank_id: int, customer: bytes) -> Account:
    """A customer's deposit."""
    return Account(institution_of(bank_id), LIABILITY, f"deposit:{customer.hex()}")


def being_sold(bank_id: int) -> Account:
    """Deposits already debited for digital tenge that is on its way to the customer."""
    return Account(institution_of(bank_id), LIABILITY, "digital tenge being sold")


def capital(bank_id: int) -> Account:
    """The owners' money in a bank."""
    return Account(institution_of(bank_id), EQUITY, "capital")


# --- postings ---

_INSTITUTION = Text(64)
_LINE = Group((_INSTITUTION, Unsigned(ASSET, EXPENSE), Text(128), Unsigned(0, 1), AMOUNT))
_CONTENT = Group((Text(200), Items(_LINE, most=MAX_LINES, least=2)))


@dataclass(frozen=True, slots=True)
class Posting:
    """One movement: `id` (32 bytes, made by whoever orders it), `time` (virtual seconds), `text`, `lines`.

    Raises E_FIELD or E_TYPE for a wrong form, E_COUNT for fewer than two lines, E_MONEY_RANGE for a line of nothing,
    E_POSTING_SUM unless the lines of each institution sum to zero.
    """

    id: bytes
    time: int
    text: str
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        HASH.load(self.id, "posting id")
        for line in self.lines:
            check_tiyn(abs(line.amount_tiyn), at_least=1)
        sums: Counter[str] = Counter()
        for account, amount_tiyn in self.lines:
            sums[account.institution] += amount_tiyn
        for institution, sum_tiyn in sums.items():
            if sum_tiyn:
                raise Malformed("E_POSTING_SUM", institution=institution, sum_tiyn=sum_tiyn)
        _CONTENT.load(self._wire(), "posting")

    def _wire(self) -> list[object]:
        return [
            self.text,
            [[*account, 1 if amount < 0 else 0, abs(amount)] for account, amount in self.lines],
        ]

    def content(self) -> bytes:
        """The canonical bytes of the text and the lines; the moment is not part of what makes two postings the same."""
        return canonical.encode(self._wire())


def open_posting(id: bytes, time: int, content: bytes) -> Posting:
    """The posting with this stored content; decoding errors."""
    text, lines = _CONTENT.load(canonical.decode(content), "posting")
    return Posting(
        id,
        time,
        text,
        tuple(
            Line(Account(institution, kind, name), -amount if side else amount)
            for institution, kind, name, side, amount in lines
        ),
    )


class BalanceSheet(NamedTuple):
    """An institution's accounts by kind, each list in order of the names, amounts as people read them (tiyn)."""

    institution: str
    assets: list[tuple[str, int]]
    liabilities: list[tuple[str, int]]
    equity: list[tuple[str, int]]
    result_tiyn: int

    @property
    def assets_tiyn(self) -> int:
        """All assets."""
        return sum(amount for _, amount in self.assets)

    @property
    def claims_tiyn(self) -> int:
        """All liabilities, the equity and the result: equals the assets, always."""
        return sum(amount for _, amount in [*self.liabilities, *self.equity]) + self.result_tiyn


# --- the books ---


class BooksEngine(Protocol):
    """What keeps postings and balances: see `cbdc.accounts_store`."""

    def contents(self, ids: Iterable[bytes]) -> dict[bytes, bytes]:
        """The content of those postings that are there."""
        ...

    def read(self, accounts: Iterable[Account]) -> dict[Account, int]:
        """The debit balances of those accounts that were ever touched."""
        ...

    def write(self, postings: Sequence[Posting], balances: dict[Account, int]) -> None:
        """Add postings and set balances in one durable commit; E_STORE_UNAVAILABLE when nothing could be written."""
        ...

    def balances(self, institution: str | None) -> dict[Account, int]:
        """Every debit balance, of one institution or of all, in order of the account."""
        ...

    def postings(self, account: Account | None) -> Iterator[Posting]:
        """Every posting, oldest first; only those that touch `account` if one is named."""
        ...

    def close(self) -> None:
        """Release files."""
        ...


class Books:
    """The books of all institutions over an engine."""

    def __init__(self, engine: BooksEngine) -> None:
        self._engine = engine

    def post(self, posting: Posting) -> None:
        """Book one posting durably. Raises E_FUNDS_ACCOUNT, E_ID_REUSED, E_MONEY_RANGE or E_STORE_UNAVAILABLE."""
        self.post_many([posting])

    def post_many(self, postings: Sequence[Posting]) -> None:
        """Book all of these in one commit, each seeing the ones before it; or raise the first refusal, and none."""
        fresh, balances, refusals = self._judge(postings)
        for refusal in refusals:
            if refusal is not None:
                raise refusal
        self._write(fresh, balances)

    def post_each(self, postings: Sequence[Posting]) -> list[TengeError | None]:
        """Book those that the rules allow in one commit; for each posting None, or its refusal."""
        fresh, balances, refusals = self._judge(postings)
        self._write(fresh, balances)
        return refusals

    def _write(self, fresh: list[Posting], balances: dict[Account, int]) -> None:
        if fresh:
            self._engine.write(fresh, balances)

    def _judge(
        self, postings: Sequence[Posting]
    ) -> tuple[list[Posting], dict[Account, int], list[TengeError | None]]:
        contents = self._engine.contents(posting.id for posting in postings)
        touched = {line.account for posting in postings for line in posting.lines}
        balances = self._engine.read(touched)
        after: dict[Account, int] = {}
        fresh: list[Posting] = []
        refusals: list[TengeError | None] = []
        for posting in postings:
            try:
                content = posting.content()
                if posting.id in contents:
                    if contents[posting.id] != content:
                        raise Refused("E_ID_REUSED", id=posting.id)
                else:
                    moved = _moved(posting, balances)
                    balances.update(moved)
                    after.update(moved)
                    contents[posting.id] = content
                    fresh.append(posting)
                refusals.append(None)
            except TengeError as refusal:
                refusals.append(refusal)
        return fresh, after, refusals

    def booked(self, id: bytes) -> bool:
        """Whether a posting with this id is in the books."""
        return bool(self._engine.contents([id]))

    def balance(self, account: Account) -> int:
        """An account's balance as people read it, in tiyn."""
        return account.natural(self._engine.read([account]).get(account, 0))

    def balance_each(self, accounts: Sequence[Account]) -> list[int]:
        """`balance` of each of these accounts, in their order."""
        found = self._engine.read(accounts)
        return [account.natural(found.get(account, 0)) for account in accounts]

    def balances(self, institution: str | None = None) -> dict[Account, int]:
        """Every account's balance as people read it, of one institution or of all, in order of the account."""
        return {
            account: account.natural(amount) for account, amount in self._engine.balances(institution).items()
        }

    def postings(self, account: Account | None = None) -> Iterator[Posting]:
        """Every posting, oldest first; only those that touch `account` if one is named."""
        return self._engine.postings(account)

    def balance_sheet(self, institution: str) -> BalanceSheet:
        """What an institution has and owes. Accounts that stand at zero are left out."""
        rows: dict[int, list[tuple[str, int]]] = {kind: [] for kind in KIND_NAMES}
        for account, amount in self.balances(institution).items():
            if amount:
                rows[account.kind].append((account.name, amount))
        result = sum(amount for _, amount in rows[INCOME]) - sum(amount for _, amount in rows[EXPENSE])
        return BalanceSheet(institution, rows[ASSET], rows[LIABILITY], rows[EQUITY], result)

    def check(self) -> None:
        """Recompute every balance from the postings; E_BOOKS_DAMAGED when one differs."""
        counted: Counter[Account] = Counter()
        for posting in self._engine.postings(None):
            for account, amount_tiyn in posting.lines:
                counted[account] += amount_tiyn
        kept = self._engine.balances(None)
        for account in sorted(counted.keys() | kept.keys()):
            if counted[account] != kept.get(account, 0):
                raise Refused("E_BOOKS_DAMAGED", account=account.path)
        assert sum(kept.values()) == 0, "every posting sums to zero, so the trial balance does"

    def close(self) -> None:
        """Release files."""
        self._engine.close()


def _moved(posting: Posting, balances: dict[Account, int]) -> dict[Account, int]:
    """The balances of the accounts a posting touches, after it; E_FUNDS_ACCOUNT or E_MONEY_RANGE."""
    moved: dict[Account, int] = {}
    for account, amount_tiyn in posting.lines:
        moved[account] = moved.get(account, balances.get(account, 0)) + amount_tiyn
    for account, amount in moved.items():
        natural = account.natural(amount)
        before = account.natural(balances.get(account, 0))
        if account.kind in _NEVER_NEGATIVE and natural < 0:
            raise Refused(
                "E_FUNDS_ACCOUNT", account=account.path, balance_tiyn=before, needed_tiyn=before - natural
            )
        if abs(natural) > MAX_INTEGER:
            raise Malformed("E_MONEY_RANGE", amount_tiyn=natural, least_tiyn=0, most_tiyn=MAX_INTEGER)
    return moved
