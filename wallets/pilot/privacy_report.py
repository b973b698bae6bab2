"""Linkability, measured: how many payments of a run each party can link to a person, and to each other.

A **payment** is one somebody made to somebody else, online (a transfer between holders in the journal) or offline (the
transfers that answer one invoice, as settlement was handed them). A party **names** a payer or payee when it can lead
the key to a person's name, which only the bank that registered the key can. It **links** two payments when it sees
that both have the same payer.

Each party is a function from one payment and what is known of keys to the facts that this party sees of it
(`VIEWS`). Then the facts are counted, by one counter that knows nothing of the parties. Most parties have two views,
because this sandbox shows its journal to whoever reaches it (`docs/http.md`):

    own       what the party is handed in its own business, and nothing else
    journal   that, and the journal with its registered keys

What each is shown, in this system:

    payer's bank, payee's bank   no payment of their own: wallets talk to the ledger. With the journal, every online
                                 payment; and the names of the bank's own customers behind their pseudonyms
    payee (merchant)             the key of who pays it. Offline also the earlier holders of the notes it gets: device
                                 keys and amounts, hop by hop. With the journal, the pseudonym behind each key, and
                                 behind each device that ever loaded: a load names its device
    National Bank                the ledger and offline settlement: every payment, by pseudonym and by device key; a
                                 device's enrolment names its online key, so both sides of a holder are one. No name
    supervisor                   the journal. Of offline life only loads and what settlement books

A pseudonym is one for all keys of a customer, so a new key for each payment hides nothing from who reads the journal;
it does hide from a merchant that only knows the key it was paid by.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cbdc.transaction import Transfer
from wallets.pilot.moves import Holder, Move

ONLINE, OFFLINE = "online", "offline"
OWN, JOURNAL = "own", "journal"
_PAYERS = "wallets"
_PAYEES = ("wallets", "treasury")


class Payment(NamedTuple):
    """One payment as it was. `payer` and `payee` are online key ids, or device key ids when `channel` is offline.

    `history` holds the payments that the notes of an offline payment passed through before, oldest first.
    """

    id: bytes
    channel: str
    payer: bytes
    payee: bytes
    history: tuple["Payment", ...] = ()


class Fact(NamedTuple):
    """What one party sees of one payment: the handle it knows the payer by, and which names it can put to it."""

    party: Hashable
    payment: bytes
    payer: bytes
    payer_named: bool = False
    payee_named: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to know of keys.

    `keys` are the registrations by online key id, `customers` each bank's customers (their pseudonyms), `accounts` the
    online key behind each device key, as its enrolment says, and `loaders` the same as the journal tells it: a load
    names the device it is for, so a device that ever loaded stands there with its holder's key.
    """

    keys: Mapping[bytes, Holder]
    customers: Mapping[int, frozenset[bytes]]
    accounts: Mapping[bytes, bytes] = field(default_factory=dict)
    loaders: Mapping[bytes, bytes] = field(default_factory=dict)

    def named_by(self, bank: int, kid: bytes) -> bool:
        """Whether a bank has a name behind an online key."""
        holder = self.keys.get(kid)
        return holder is not None and holder.pseudonym in self.customers.get(bank, ())

    def bank_of(self, kid: bytes) -> int:
        """The bank that registered an online key, 0 for a key nobody registered."""
        holder = self.keys.get(kid)
        return holder.bank_id if holder is not None else 0

    def pseudonym(self, kid: bytes) -> bytes:
        """The pseudonym behind an online key, or the key itself."""
        holder = self.keys.get(kid)
        return holder.pseudonym if holder is not None else kid


View = Callable[[Known, Payment], Iterable[Fact]]
_Group = tuple[Hashable, bytes]


def nothing(known: Known, payment: Payment) -> Iterator[Fact]:
    """A bank's own business holds no payment between wallets: they go to the ledger, or from device to device."""
    yield from ()


def _bank(known: Known, payment: Payment, bank: int) -> Iterator[Fact]:
    if payment.channel == ONLINE:
        names = known.named_by(bank, payment.payer), known.named_by(bank, payment.payee)
        yield Fact(JOURNAL, payment.id, known.pseudonym(payment.payer), *names)


def payers_bank(known: Known, payment: Payment) -> Iterator[Fact]:
    """The payer's bank with the journal: this payment by pseudonym, and the names of its own customers."""
    yield from _bank(known, payment, known.bank_of(payment.payer))


def payees_bank(known: Known, payment: Payment) -> Iterator[Fact]:
    """The payee's bank with the journal: the same for who was paid."""
    yield from _bank(known, payment, known.bank_of(payment.payee))


def payee(known: Known, payment: Payment) -> Iterator[Fact]:
    """Who is paid: the key it was paid by, and offline the keys of the notes' earlier holders."""
    own = known.pseudonym(known.accounts.get(payment.payee, payment.payee))
    yield Fact(own, payment.id, payment.payer)
    for earlier in payment.history:
        yield Fact(own, earlier.id, earlier.payer)


def payee_with_journal(known: Known, payment: Payment) -> Iterator[Fact]:
    """Who is paid and reads the journal: the payer's pseudonym, also behind the device keys that ever loaded."""
    if payment.channel == ONLINE:
        yield Fact(JOURNAL, payment.id, known.pseudonym(payment.payer))
        return
    for fact in payee(known, payment):
        if fact.payer in known.loaders:
            yield Fact(JOURNAL, fact.payment, known.pseudonym(known.loaders[fact.payer]))
        else:
            yield fact


def national_bank(known: Known, payment: Payment) -> Iterator[Fact]:
    """Who runs the ledger and offline settlement: every payment, a device led back to its holder's pseudonym."""
    payer = known.accounts.get(payment.payer, payment.payer)
    yield Fact("national bank", payment.id, known.pseudonym(payer))


def supervisor(known: Known, payment: Payment) -> Iterator[Fact]:
    """Who reads the journal and nothing else: online payments by pseudonym."""
    if payment.channel == ONLINE:
        yield Fact(JOURNAL, payment.id, known.pseudonym(payment.payer))


VIEWS: Mapping[tuple[str, str], View] = {
    ("payer_bank", OWN): nothing,
    ("payer_bank", JOURNAL): payers_bank,
    ("payee_bank", OWN): nothing,
    ("payee_bank", JOURNAL): payees_bank,
    ("payee", OWN): payee,
    ("payee", JOURNAL): payee_with_journal,
    ("national_bank", OWN): national_bank,
    ("supervisor", JOURNAL): supervisor,
}


class Count:
    """Counts payments by the facts of one view: one is counted once, however many parties of the view see it.

    What it keeps grows with (party, payer) pairs, and with the payments that several parties see (offline ones).
    """

    def __init__(self) -> None:
        self._groups: Counter[_Group] = Counter()
        self._alone: Counter[_Group] = Counter()
        self._shared: dict[bytes, set[_Group]] = {}
        self._named = [0, 0, 0]

    def add(self, fact: Fact, shared: bool) -> None:
        """One fact more; `shared` says that other parties of the view may see the same payment.

        Two lines of notes may have passed through the same payment: to one party that is one fact.
        """
        group = fact.party, fact.payer
        if shared:
            groups = self._shared.setdefault(fact.payment, set())
            if group in groups:
                return
            groups.add(group)
        else:
            self._alone[group] += 1
        self._groups[group] += 1
        named = fact.payer_named, fact.payee_named, fact.payer_named or fact.payee_named
        self._named = [count + one for count, one in zip(self._named, named, strict=True)]

    @property
    def seen(self) -> int:
        """How many payments some party of the view sees."""
        return self._alone.total() + len(self._shared)

    @property
    def linked(self) -> int:
        """How many payments some party sees to have the payer of another payment that it sees."""
        alone = sum(count for group, count in self._alone.items() if self._groups[group] > 1)
        return alone + sum(
            any(self._groups[group] > 1 for group in groups) for groups in self._shared.values()
        )

    @property
    def largest(self) -> int:
        """The most payments that one party sees of one payer."""
        return max(self._groups.values(), default=0)

    def row(self) -> dict[str, int]:
        """The figures for a report."""
        payer, payee, person = self._named
        named = {"payer_named": payer, "payee_named": payee, "to_a_person": person}
        return {"seen": self.seen, **named, "linked": self.linked, "largest": self.largest}


class Linkability:
    """Counts every view over the payments of a run, as they go by."""

    def __init__(self, known: Known, views: Mapping[tuple[str, str], View] = VIEWS) -> None:
        self._known = known
        self._views = views
        self._counts = {name: Count() for name in views}
        self.payments: Counter[str] = Counter()

    def add(self, payment: Payment) -> None:
        """One payment more; each payment comes once."""
        self.payments[payment.channel] += 1
        for name, view in self._views.items():
            for fact in view(self._known, payment):
                self._counts[name].add(fact, shared=payment.channel == OFFLINE)

    def report(self) -> dict[str, Any]:
        """What the report holds: payments by channel, and a row for each party and what it reads."""
        return {
            "payments": {channel: self.payments[channel] for channel in (ONLINE, OFFLINE)},
            "parties": [
                {"party": party, "reads": reads, **self._counts[party, reads].row()}
                for party, reads in self._views
            ],
        }


def payments_of(move: Move, keys: Mapping[bytes, Holder]) -> Iterator[Payment]:
    """The payments that one move of the journal is: one for each payee other than the payer; none for what is not."""
    if move.type != Transfer.TYPE or keys[move.payer].line != _PAYERS:
        return
    own = keys[move.payer].pseudonym
    payees = dict.fromkeys(
        piece.holder
        for piece in move.made
        if keys[piece.holder].line in _PAYEES and keys[piece.holder].pseudonym != own
    )
    for kid in payees:
        yield Payment(move.entry.to_bytes(8, "big") + kid[:8], ONLINE, move.payer, kid)
