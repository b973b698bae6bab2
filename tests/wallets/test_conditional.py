"""Conditional payments: both legs or none, two of three, and a wallet that is killed anywhere."""

from collections.abc import Iterator

import pytest

from cbdc import conditional
from cbdc.errors import TengeError
from cbdc.ports import SeededEntropy, no_checkpoint
from cbdc.token import HashLock, TokenId
from tests.cbdc.world import World
from wallets.conditional import Deals
from wallets.store_memory import memory_store
from wallets.wallet import Wallet, find_tokens_of

NAMES = ("ayan", "shop", "judge")
SECRET = bytes(range(32))
DIGEST = conditional.hash_of(SECRET)
HOUR = 3_600


class Town:
    """A ledger and three wallets; `rich` has 10,000 tiyn. `name` makes another ledger with other keys."""

    def __init__(self, name: str = "deals", rich: str = "ayan", checkpoint=no_checkpoint) -> None:  # type: ignore[no-untyped-def]
        self.world = World(name=name)
        for who in NAMES:
            self.world.register(who)
        self.world.fund((rich, 10_000))
        self.store = memory_store(checkpoint)
        self.wallets = {who: self.wallet(who) for who in NAMES}
        directory = {self.world.kid(who): who for who in NAMES}
        self.deals = Deals(self.store, self.world.ledger, directory, self.world.clock)
        find_tokens_of(self.store, self.world.ledger, list(self.wallets.values()))

    def wallet(self, who: str) -> Wallet:
        world = self.world
        return Wallet(who, world.key(who), self.store, world.ledger, SeededEntropy(7), world.clock)

    def hash_lock(self, seconds: int = HOUR, payer: str = "ayan", payee: str = "shop") -> HashLock:
        until = self.world.clock.now() + seconds
        return conditional.hash_lock(DIGEST, self.world.kid(payee), self.world.kid(payer), until)

    def lock(self, name: str = "l", seconds: int = HOUR, payer: str = "ayan", payee: str = "shop") -> TokenId:
        lock = self.hash_lock(seconds, payer, payee)
        return self.deals.lock(self.wallets[payer], ident(name), lock, 600)

    def quorum(self) -> TokenId:
        lock = conditional.three_party_lock(*(self.world.kid(who) for who in NAMES))
        return self.deals.lock(self.wallets["ayan"], ident("q"), lock, 600)

    def has(self, who: str) -> int:
        return self.wallets[who].total_tiyn()

    def signer(self, *names: str):  # type: ignore[no-untyped-def]
        return [self.world.key(name) for name in names]


def ident(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


def code(call, *arguments) -> str:  # type: ignore[no-untyped-def]
    try:
        call(*arguments)
    except TengeError as refusal:
        return refusal.code
    return "ok"


def test_the_payee_takes_it_with_the_secret_and_only_then() -> None:
    town = Town()
    locked = town.lock()
    assert town.has("ayan") == 9_400
    assert code(town.deals.claim, town.wallets["shop"], ident("c"), locked, bytes(32)) == "E_LOCKED"
    assert code(town.deals.claim, town.wallets["judge"], ident("d"), locked, SECRET) == "E_LOCKED"
    assert code(town.deals.refund, town.wallets["ayan"], ident("e"), locked) == "E_LOCKED"
    assert town.deals.claim(town.wallets["shop"], ident("f"), locked, SECRET) == 600
    assert town.deals.claim(town.wallets["shop"], ident("f"), locked, SECRET) == 600
    assert town.has("shop") == 600
    town.world.clock.advance(2 * HOUR)
    assert code(town.deals.refund, town.wallets["ayan"], ident("g"), locked) == "E_TOKEN_SPENT"


@pytest.mark.parametrize(
    ("seconds", "claimed", "refunded"), [(HOUR, "ok", "E_TOKEN_SPENT"), (HOUR + 1, "E_LOCKED", "ok")]
)
def test_the_deadline_is_the_payees_to_its_second_and_the_payers_after_it(
    seconds: int, claimed: str, refunded: str
) -> None:
    town = Town()
    locked = town.lock()
    town.world.clock.advance(seconds)
    assert code(town.deals.claim, town.wallets["shop"], ident("c"), locked, SECRET) == claimed
    assert code(town.deals.refund, town.wallets["ayan"], ident("r"), locked) == refunded
    assert (town.has("ayan"), town.has("shop")) == ((9_400, 600) if claimed == "ok" else (10_000, 0))


def test_payment_against_payment_on_two_ledgers() -> None:
    """Ayan has money here and the shop there; they swap, and nobody can take without giving."""
    here, there = Town("here"), Town("there", rich="shop")
    first = here.lock(seconds=4 * HOUR)
    second = there.lock(seconds=2 * HOUR, payer="shop", payee="ayan")
    conditional.check_legs(here.world.clock.now() + 4 * HOUR, there.world.clock.now() + 2 * HOUR, HOUR)
    # Ayan made the secret and takes the second leg; its transfer shows the secret to everybody.
    there.deals.claim(there.wallets["ayan"], ident("c"), second, SECRET)
    shown = there.world.ledger.transaction(there.world.ledger.size - 1)
    learned = conditional.secret_shown(shown, DIGEST)
    assert learned == SECRET
    here.deals.claim(here.wallets["shop"], ident("c"), first, learned)
    assert (here.has("shop"), there.has("ayan")) == (600, 600)


def test_if_nobody_shows_the_secret_both_legs_go_back() -> None:
    here, there = Town("here"), Town("there", rich="shop")
    first = here.lock(seconds=4 * HOUR)
    second = there.lock(seconds=2 * HOUR, payer="shop", payee="ayan")
    for town in (here, there):
        town.world.clock.advance(5 * HOUR)
    here.deals.refund(here.wallets["ayan"], ident("r"), first)
    there.deals.refund(there.wallets["shop"], ident("r"), second)
    assert (here.has("ayan"), there.has("shop")) == (10_000, 10_000)


@pytest.mark.parametrize(
    ("between", "expected"), [(HOUR, "ok"), (HOUR - 1, "E_SWAP_DEADLINES"), (-HOUR, "E_SWAP_DEADLINES")]
)
def test_the_second_leg_ends_early_enough(between: int, expected: str) -> None:
    assert code(conditional.check_legs, 10 * HOUR, 10 * HOUR - between, HOUR) == expected


def test_a_transfer_without_the_secret_shows_none() -> None:
    town = Town()
    town.lock()
    assert conditional.secret_shown(town.world.ledger.transaction(town.world.ledger.size - 1), DIGEST) is None


def test_any_two_of_three_release_in_any_shares() -> None:
    for one, other in (("ayan", "shop"), ("ayan", "judge"), ("shop", "judge")):
        town = Town()
        locked = town.quorum()
        shares = [(town.world.kid("shop"), 450), (town.world.kid("ayan"), 150), (town.world.kid("judge"), 0)]
        assert town.deals.release(town.wallets[one], ident("r"), locked, shares, town.signer(other)) == 600
        find_tokens_of(town.store, town.world.ledger, list(town.wallets.values()))
        assert (town.has("shop"), town.has("ayan")) == (450, 9_550)


@pytest.mark.parametrize(
    ("amount", "others", "expected"),
    [(600, [], "E_QUORUM"), (599, ["judge"], "E_SUM_LEDGER"), (601, ["judge"], "E_SUM_LEDGER")],
)
def test_one_alone_or_another_sum_is_refused(amount: int, others: list[str], expected: str) -> None:
    town = Town()
    locked = town.quorum()
    shares = [(town.world.kid("shop"), amount)]
    release = (town.wallets["shop"], ident("r"), locked, shares, town.signer(*others))
    assert code(town.deals.release, *release) == expected
    assert town.world.ledger.token(locked) is not None


def test_two_parties_decide_together() -> None:
    town = Town()
    lock = conditional.two_party_lock(town.world.kid("ayan"), town.world.kid("shop"))
    locked = town.deals.lock(town.wallets["ayan"], ident("l"), lock, 600)
    back = [(town.world.kid("ayan"), 600)]
    assert code(town.deals.release, town.wallets["ayan"], ident("r"), locked, back, []) == "E_QUORUM"
    assert town.deals.release(town.wallets["ayan"], ident("s"), locked, back, town.signer("shop")) == 600


def test_nobody_is_made_the_holder_of_anothers_lock() -> None:
    """Guard G7: the first of a quorum signs, and a hash lock refunds to who paid."""
    town = Town()
    stranger = conditional.three_party_lock(*(town.world.kid(who) for who in ("shop", "ayan", "judge")))
    assert code(town.deals.lock, town.wallets["ayan"], ident("a"), stranger, 5) == "E_LOCK_HOLDER"
    other = town.hash_lock(payer="judge")
    assert code(town.deals.lock, town.wallets["ayan"], ident("b"), other, 5) == "E_LOCK_HOLDER"


def test_each_opening_has_its_lock() -> None:
    town = Town()
    hashed, shared = town.lock(), town.quorum()
    shop = town.wallets["shop"]
    assert code(town.deals.claim, shop, ident("1"), shared, SECRET) == "E_LOCK_KIND"
    assert code(town.deals.refund, shop, ident("2"), shared) == "E_LOCK_KIND"
    assert code(town.deals.release, shop, ident("3"), hashed, [(shop.kid, 600)], []) == "E_LOCK_KIND"
    assert code(town.deals.claim, shop, ident("4"), TokenId(bytes(32), 0), SECRET) == "E_TOKEN_SPENT"
    town.deals.claim(shop, ident("5"), hashed, SECRET)
    assert code(town.deals.claim, shop, ident("5"), shared, SECRET) == "E_ID_REUSED"


class Death(Exception):
    """The wallet dies here."""


def points() -> Iterator[tuple[str, int]]:
    for act in ("lock", "claim"):
        for nth in range(1, 4):
            yield act, nth


@pytest.mark.parametrize(("act", "nth"), list(points()))
def test_a_wallet_that_dies_anywhere_repeats_the_call(act: str, nth: int) -> None:
    count, live = 0, False

    def checkpoint(name: str) -> None:
        nonlocal count
        if live:
            count += 1
            if count == nth:
                raise Death(name)

    town = Town(checkpoint=checkpoint)

    def whole() -> None:
        nonlocal live
        live = act == "lock"
        locked = town.lock()
        live = act == "claim"
        town.deals.claim(town.wallets["shop"], ident("c"), locked, SECRET)

    with pytest.raises(Death):
        whole()
    count = 99
    whole()
    assert (town.has("ayan"), town.has("shop")) == (9_400, 600)
