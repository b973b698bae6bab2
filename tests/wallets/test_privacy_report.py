"""Linkability is counted from what each party is shown: known answers, nobody links more than it saw, reuse links."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.transaction import Issue, Transfer
from wallets.pilot.journal_report import read_journal
from wallets.pilot.moves import Holder, Move, Piece
from wallets.pilot.privacy_report import (
    JOURNAL,
    OFFLINE,
    ONLINE,
    OWN,
    VIEWS,
    Count,
    Fact,
    Known,
    Linkability,
    Payment,
    payments_of,
)
from wallets.sandbox import Sandbox

PERSON, SHOP = 1, 2
FIRST_BANK, SECOND_BANK = 1, 2
# Aigerim has two keys at the first bank, Bolat one there, the shop and the kiosk theirs at the second.
KEYS = {
    b"aigerim-1": Holder(FIRST_BANK, PERSON, b"a"),
    b"aigerim-2": Holder(FIRST_BANK, PERSON, b"a"),
    b"bolat": Holder(FIRST_BANK, PERSON, b"b"),
    b"shop": Holder(SECOND_BANK, SHOP, b"s"),
    b"kiosk": Holder(SECOND_BANK, SHOP, b"k"),
}
KNOWN = Known(
    KEYS,
    {FIRST_BANK: frozenset({b"a", b"b"}), SECOND_BANK: frozenset({b"s", b"k"})},
    accounts={b"dev-a": b"aigerim-1", b"dev-b": b"bolat", b"dev-s": b"shop"},
    loaders={b"dev-a": b"aigerim-1"},
)


def online(number: int, payer: bytes, payee: bytes) -> Payment:
    return Payment(b"on%d" % number, ONLINE, payer, payee)


def offline(number: int, payer: bytes, payee: bytes, *history: Payment) -> Payment:
    return Payment(b"off%d" % number, OFFLINE, payer, payee, history)


def row(payments: list[Payment], party: str, reads: str, known: Known = KNOWN) -> dict[str, int]:
    counted = Linkability(known)
    for payment in payments:
        counted.add(payment)
    (found,) = [one for one in counted.report()["parties"] if (one["party"], one["reads"]) == (party, reads)]
    return {key: value for key, value in found.items() if isinstance(value, int)}


def figures(payments: list[Payment], party: str, reads: str) -> tuple[int, int, int, int]:
    found = row(payments, party, reads)
    return found["seen"], found["to_a_person"], found["linked"], found["largest"]


ONE_DAY = [
    online(1, b"aigerim-1", b"shop"),
    online(2, b"aigerim-1", b"shop"),
    online(3, b"aigerim-2", b"shop"),
    online(4, b"aigerim-1", b"kiosk"),
    online(5, b"bolat", b"kiosk"),
]


@pytest.mark.parametrize(
    ("party", "reads", "seen", "to_a_person", "linked", "largest"),
    [
        ("payer_bank", OWN, 0, 0, 0, 0),
        # All five payers are customers of the first bank; Aigerim's four hang together, whatever key she used.
        ("payer_bank", JOURNAL, 5, 5, 4, 4),
        ("payee_bank", OWN, 0, 0, 0, 0),
        # The second bank names whom it has: the shop and the kiosk.
        ("payee_bank", JOURNAL, 5, 5, 4, 4),
        # The shop sees one key twice and another once; the kiosk sees two payers once.
        ("payee", OWN, 5, 0, 2, 2),
        ("payee", JOURNAL, 5, 0, 4, 4),
        ("national_bank", OWN, 5, 0, 4, 4),
        ("supervisor", JOURNAL, 5, 0, 4, 4),
    ],
)
def test_a_day_online(party: str, reads: str, seen: int, to_a_person: int, linked: int, largest: int) -> None:
    assert figures(ONE_DAY, party, reads) == (seen, to_a_person, linked, largest)


def test_a_bank_names_its_own_customers_only() -> None:
    found = row([online(1, b"aigerim-1", b"shop")], "payer_bank", JOURNAL)
    assert (found["payer_named"], found["payee_named"], found["to_a_person"]) == (1, 0, 1)
    found = row([online(1, b"aigerim-1", b"shop")], "payee_bank", JOURNAL)
    assert (found["payer_named"], found["payee_named"], found["to_a_person"]) == (0, 1, 1)
    # Both at one bank: it names both, and the payment still counts once.
    found = row([online(1, b"aigerim-1", b"bolat")], "payer_bank", JOURNAL)
    assert (found["payer_named"], found["payee_named"], found["to_a_person"]) == (1, 1, 1)


def test_a_bank_that_lost_its_file_names_nobody() -> None:
    known = Known(KEYS, {FIRST_BANK: frozenset(), SECOND_BANK: frozenset()})
    found = row(ONE_DAY, "payer_bank", JOURNAL, known)
    assert (found["to_a_person"], found["linked"]) == (0, 4)


@pytest.mark.parametrize("party", ["payee", "national_bank", "supervisor"])
def test_only_banks_have_names(party: str) -> None:
    for name, reads in VIEWS:
        if name == party:
            assert row(ONE_DAY, party, reads)["to_a_person"] == 0


def test_offline_a_payee_sees_the_earlier_hops() -> None:
    first = offline(1, b"dev-a", b"dev-b")
    second = offline(2, b"dev-b", b"dev-s", first)
    # Bolat's device sees the first, the shop's device both: two payments, each seen; nobody sees one payer twice.
    assert figures([first, second], "payee", OWN) == (2, 0, 0, 0 + 1)
    third = offline(3, b"dev-a", b"dev-s")
    # Now the shop was paid by Aigerim's device and holds a note that passed through it before.
    assert figures([first, second, third], "payee", OWN) == (3, 0, 2, 2)


def test_two_lines_through_one_payment_are_one_sight_of_it() -> None:
    first = offline(1, b"dev-a", b"dev-b")
    twice = [first, offline(2, b"dev-b", b"dev-s", first), offline(3, b"dev-b", b"dev-s", first)]
    found = row(twice, "payee", OWN)
    # The shop's device saw payment 1 on both lines; the two payments of Bolat's device hang together.
    assert (found["seen"], found["linked"], found["largest"]) == (3, 2, 2)


def test_a_load_in_the_journal_gives_the_device_away() -> None:
    """The device that loaded stands in the journal beside its holder's key; the one that only received does not."""
    day = [online(1, b"aigerim-2", b"kiosk"), offline(2, b"dev-a", b"dev-s"), offline(3, b"dev-b", b"dev-s")]
    assert row(day, "payee", OWN)["linked"] == 0
    assert row(day, "payee", JOURNAL)["linked"] == 2
    assert row(day, "national_bank", OWN)["linked"] == 2


def test_the_supervisor_and_banks_see_nothing_offline() -> None:
    day = [offline(1, b"dev-a", b"dev-s"), offline(2, b"dev-a", b"dev-s")]
    for party, reads in (("supervisor", JOURNAL), ("payer_bank", JOURNAL), ("payee_bank", JOURNAL)):
        assert figures(day, party, reads) == (0, 0, 0, 0)
    assert figures(day, "national_bank", OWN) == (2, 0, 2, 2)


# --- reuse of keys ---


def test_without_reuse_a_merchant_links_nothing() -> None:
    reused = [online(1, b"aigerim-1", b"shop"), online(2, b"aigerim-1", b"shop")]
    fresh = [online(1, b"aigerim-1", b"shop"), online(2, b"aigerim-2", b"shop")]
    assert row(reused, "payee", OWN)["linked"] == 2
    assert row(fresh, "payee", OWN)["linked"] == 0
    # Who reads the journal is not deceived by it: both keys carry one pseudonym.
    assert row(fresh, "payee", JOURNAL)["linked"] == row(fresh, "supervisor", JOURNAL)["linked"] == 2


def test_without_reuse_of_the_pseudonym_nobody_links() -> None:
    keys = {**KEYS, b"aigerim-2": Holder(FIRST_BANK, PERSON, b"a2")}
    known = Known(keys, {FIRST_BANK: frozenset({b"a", b"a2", b"b"}), SECOND_BANK: frozenset({b"s", b"k"})})
    fresh = [online(1, b"aigerim-1", b"shop"), online(2, b"aigerim-2", b"shop")]
    for party, reads in VIEWS:
        assert row(fresh, party, reads, known)["linked"] == 0
    assert row(fresh, "payer_bank", JOURNAL, known)["to_a_person"] == 2


# --- nobody links more than it was shown ---

PAYERS = sorted(KEYS)
DEVICES = [b"dev-a", b"dev-b", b"dev-s"]


@st.composite
def runs(draw: st.DrawFn) -> list[Payment]:
    payments: list[Payment] = []
    for number in range(draw(st.integers(0, 12))):
        if draw(st.booleans()):
            pair = draw(st.lists(st.sampled_from(PAYERS), min_size=2, max_size=2, unique=True))
            payments.append(online(number, *pair))
        else:
            pair = draw(st.lists(st.sampled_from(DEVICES), min_size=2, max_size=2, unique=True))
            before = [one._replace(history=()) for one in payments if one.channel == OFFLINE]
            history = draw(st.lists(st.sampled_from(before), max_size=3, unique=True)) if before else []
            payments.append(offline(number, *pair, *history))
    return payments


def shown(payments: list[Payment], view: tuple[str, str]) -> Iterator[Fact]:
    for payment in payments:
        yield from VIEWS[view](KNOWN, payment)


@given(runs())
def test_no_party_links_more_than_it_was_shown(payments: list[Payment]) -> None:
    """Counted the slow way, from the set of all facts that the parties of a view were shown."""
    for party, reads in VIEWS:
        facts = set(shown(payments, (party, reads)))
        found = row(payments, party, reads)
        assert found["seen"] == len({fact.payment for fact in facts}) <= len(payments)
        together = {
            one.payment
            for one in facts
            for other in facts
            if one.payment != other.payment and (one.party, one.payer) == (other.party, other.payer)
        }
        assert found["linked"] == len(together)
        named = {fact.payment for fact in facts if fact.payer_named or fact.payee_named}
        assert found["to_a_person"] == len(named) <= found["seen"]


@given(runs(), st.data())
def test_one_payment_less_never_links_more(payments: list[Payment], data: st.DataObject) -> None:
    if not payments:
        return
    gone = data.draw(st.integers(0, len(payments) - 1))
    fewer = [one for place, one in enumerate(payments) if place != gone]
    for party, reads in VIEWS:
        assert row(fewer, party, reads)["linked"] <= row(payments, party, reads)["linked"]


def test_counting_nothing() -> None:
    assert set(Count().row().values()) == {0}


# --- what a payment is ---


def _move(payer: bytes, *payees: bytes, kind: int = Transfer.TYPE) -> Move:
    made = tuple(Piece(kid, 5, b"") for kid in payees)
    return Move(7, 0, kind, 0, (Piece(payer, 5 * len(made), b""),), made)


def test_change_is_no_payment_and_two_payees_are_two() -> None:
    assert list(payments_of(_move(b"aigerim-1", b"aigerim-1", b"aigerim-2"), KEYS)) == []
    paid = list(payments_of(_move(b"aigerim-1", b"shop", b"kiosk", b"shop", b"aigerim-1"), KEYS))
    assert [(one.payer, one.payee) for one in paid] == [(b"aigerim-1", b"shop"), (b"aigerim-1", b"kiosk")]
    assert len({one.id for one in paid}) == 2


def test_what_banks_sell_and_other_transactions_are_no_payments() -> None:
    keys = {**KEYS, b"vault": Holder(FIRST_BANK, 200, b"v")}
    assert list(payments_of(_move(b"vault", b"bolat"), keys)) == []
    assert list(payments_of(_move(b"bolat", b"vault"), keys)) == []
    assert list(payments_of(_move(b"bolat", b"shop", kind=Issue.TYPE), keys)) == []


def test_a_real_run() -> None:
    """Two people at one bank; what the sandbox's own journal and archive show."""
    sandbox = Sandbox.in_memory(seed=11)
    sandbox.issue(tenge=5_000)
    one, two = sandbox.person("one", 900), sandbox.person("two", 900)
    sandbox.buy_once(one, 300)
    sandbox.pay_once(one, two, 10)
    sandbox.pay_once(one, two, 20)
    sandbox.buy_and_load(one, 50)
    sandbox.pay_offline_once(one, two, 50)
    sandbox.sync([two])
    found = read_journal(sandbox, {}).linkability
    assert found["payments"] == {"online": 2, "offline": 1}
    rows = {(line["party"], line["reads"]): line for line in found["parties"]}
    assert rows["payer_bank", JOURNAL]["to_a_person"] == 2
    assert rows["payee", OWN]["linked"] == 2
    assert rows["payee", JOURNAL]["linked"] == 3
    assert rows["national_bank", OWN]["linked"] == 3
    assert rows["national_bank", OWN]["to_a_person"] == 0
    assert rows["supervisor", JOURNAL]["seen"] == 2
