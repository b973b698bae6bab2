"""Attacks on the ledger that a review found to succeed, each kept as a test of what must happen instead.

The lock of a token names who counts as its holder, so that holder must have a word in it.
"""

import hashlib
from collections.abc import Callable

import pytest

from cbdc.errors import TengeError
from cbdc.ledger.audit import audit
from cbdc.ledger.ledger import Ledger
from cbdc.ports import ManualClock
from cbdc.token import CANTEEN, PERSON, PUPIL, HashLock, QuorumLock, Token, TokenId
from cbdc.transaction import Transfer
from tests.cbdc.world import DAY, END, HOLDING_LIMIT, LEDGER_END, START, World, answer_of


@pytest.fixture
def world() -> World:
    """Ayan with three keys, a victim, and somebody rich."""
    made = World()
    for name in ("ayan", "ayan.2", "ayan.3", "victim", "shop"):
        made.register(name)
    made.register("rich", tier=0)
    made.fund(("rich", 30_000_000))
    return made


def _hidden(world: World, holder: str) -> QuorumLock:
    """A lock that only Ayan opens and whose holder, for every rule, is somebody else."""
    return QuorumLock(2, (world.kid(holder), world.kid("ayan.2"), world.kid("ayan.3")))


def _refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except TengeError:
        return True
    return False


def test_a_stranger_is_not_made_holder_of_money_he_cannot_spend(world: World) -> None:
    record = Transfer(
        world.nonce(),
        (world.funds("rich")[0][0],),
        (
            Token(HOLDING_LIMIT, _hidden(world, "victim")),
            Token(30_000_000 - HOLDING_LIMIT, world.lock("rich")),
        ),
    )
    answer_of(lambda: world.do(record, "rich"))
    assert answer_of(lambda: world.fund(("victim", 1_000))) == "ok"


def test_a_bank_is_not_made_holder_of_a_customers_money(world: World) -> None:
    record = Transfer(
        world.nonce(), (world.funds("rich")[0][0],), (Token(30_000_000, _hidden(world, "inventory1")),)
    )
    assert _refused(lambda: world.do(record, "rich"))


def test_a_hash_lock_returns_to_who_paid_into_it(world: World) -> None:
    digest = hashlib.sha256(bytes(32)).digest()
    lock = HashLock(digest, world.kid("ayan"), world.kid("inventory1"), END)
    record = Transfer(world.nonce(), (world.funds("rich")[0][0],), (Token(30_000_000, lock),))
    assert _refused(lambda: world.do(record, "rich"))


def test_only_the_treasury_puts_its_mark_on_money(world: World) -> None:
    world.register("pupil", PUPIL)
    definition = world.definition()
    world.mark(definition, ("pupil", 1_000))
    hide = Transfer(
        world.nonce(),
        (world.funds("rich")[0][0],),
        (Token(5_000, _hidden(world, "budget")), world.token("rich", 29_995_000)),
    )

    def forge() -> None:
        token = TokenId(world.do(hide, "rich").id, 0)
        marked = Token(5_000, world.lock("pupil"), definition.oid)
        world.do(Transfer(world.nonce(), (token,), (marked,)), "ayan.2", "ayan.3")

    assert _refused(forge)
    assert world.ledger.marked_tiyn(definition.oid) == 1_000


def test_marked_money_does_not_flow_against_its_edges_because_both_sides_pay(world: World) -> None:
    for name, category in (("pupil", PUPIL), ("other", PUPIL), ("canteen", CANTEEN)):
        world.register(name, category)
    definition = world.definition()
    world.mark(definition, ("pupil", 400_000), ("other", 1))
    tokens = (*world.funds("pupil", definition.oid), *world.funds("other", definition.oid))
    record = Transfer(
        world.nonce(),
        tuple(identity for identity, _ in tokens),
        (world.token("other", 400_001, definition.oid),),
    )
    assert answer_of(lambda: world.do(record, "pupil", "other")) == "E_MARK_EDGE"


def test_a_payment_cap_and_the_last_day_hold_when_payer_and_payee_both_pay(world: World) -> None:
    for name, category in (("pupil", PUPIL), ("canteen", CANTEEN)):
        world.register(name, category)
    definition = world.definition()
    world.mark(definition, ("pupil", 900_000))
    world.pay("pupil", ("canteen", 1), mark=definition.oid)
    world.clock.move_to(START + 200 * DAY)
    tokens = (*world.funds("pupil", definition.oid), *world.funds("canteen", definition.oid))
    record = Transfer(
        world.nonce(),
        tuple(identity for identity, _ in tokens),
        (world.token("canteen", 900_000, definition.oid),),
    )
    assert answer_of(lambda: world.do(record, "pupil", "canteen")) == "E_MARK_TIME"


def test_one_bank_does_not_register_a_key_for_the_holder_of_another(world: World) -> None:
    pseudonym = world.pseudonym("victim")
    assert _refused(lambda: world.register("crook", PERSON, bank=2, pseudonym=pseudonym))


def test_a_ledger_commits_nothing_that_it_could_not_open_again(world: World) -> None:
    # One jump of the clock beyond the ledger's own certificate is for ever: time never falls from entry to entry.
    world.clock.move_to(LEDGER_END + 1)
    answer_of(lambda: world.pay("rich", ("shop", 1)))
    Ledger(world.store, world.key("ledger"), ManualClock(START + 11 * DAY))
    assert audit(world.store).ok
