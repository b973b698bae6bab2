"""Payment against payment: what is refused, what is never shown, and every order in which a side can fail."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import Refused
from cbdc.rails import exchange as desk_states
from cbdc.rails import maker as maker_states
from cbdc.rails.corridor import CORRESPONDENT, Outage
from cbdc.rails.currency import USD, money
from cbdc.rails.exchange import Signatures, Times
from cbdc.rails.hashlock import check_lock, hash_of, lock_id, make_lock, secret_in, spend_lock, spender_of
from cbdc.rails.messages import uetr_of
from cbdc.rails.policy import Policy
from cbdc.rails.settlement import losses, position, spread_income, wallet_of
from cbdc.token import HashLock, KeyLock, Token
from cbdc.transaction import Transfer, open_transaction, sign_transaction
from tests.cbdc.institutions import ident
from tests.cbdc.rails.scene import BOUGHT, NOON, PLAN, STOCK, Scene, outcome_of
from tests.cbdc.rails.test_parts import code_of

NAMES = PLAN.addresses
MINOR = 1_000_00


def asked(scene: Scene) -> int:
    return scene.quote("one", NAMES.maker, MINOR).asked.minor


def ended(scene: Scene) -> tuple[str, str, str]:
    """How the payer's bank and the market maker say it ended, and why."""
    ours = scene.corridor.exchange.find(ident("one"))
    theirs = scene.corridor.maker.find(uetr_of(ident("one")))
    assert ours is not None
    told = maker_states.STATE_NAMES.get(theirs.state, "turned down") if theirs is not None else ""
    return desk_states.STATE_NAMES[ours.state], told, ours.reason


def test_both_sides_move_and_the_books_of_both_say_so() -> None:
    scene = Scene()
    scene.swap()
    scene.run()
    quote = scene.quote("one", NAMES.maker, MINOR)
    assert outcome_of(scene, MINOR, quote.asked.minor, True) == "whole"
    assert ended(scene) == ("done", "done", "")
    books = scene.shelves.maker
    assert books.balance(wallet_of(NAMES.maker)) == quote.asked.minor == scene.maker_wallet()
    assert books.balance(position(NAMES.maker, "USD")) == quote.middle.minor
    assert books.balance(spread_income(NAMES.maker)) == quote.spread_minor
    assert scene.abroad.books.balance(position("bank 1", "KZT")) == -MINOR


def test_the_same_order_again_is_the_same_order() -> None:
    scene = Scene()
    first = scene.swap()
    assert scene.swap() == first
    scene.run()
    assert scene.swap().state == desk_states.DONE
    message, signed, other = scene.made["one"]
    assert (
        code_of(lambda: scene.corridor.exchange.take(ident("one"), message, signed, other + 1))
        == "E_ID_REUSED"
    )


def test_money_moves_at_night_and_at_weekends() -> None:
    saturday = NOON + 4 * 86_400
    scene = Scene(start=saturday)
    scene.swap()
    scene.corridor.run(saturday + 600)
    assert outcome_of(scene, MINOR, asked(scene), True) == "whole"


# --- what is refused ---


def refused(scene: Scene, code: str, **changes: object) -> None:
    before = scene.wallet(), scene.home.ledger.size, scene.corridor.network.total
    assert code_of(lambda: scene.swap(**changes)) == code  # type: ignore[arg-type]
    assert (scene.wallet(), scene.home.ledger.size, scene.corridor.network.total) == before
    assert scene.corridor.exchange.find(ident("one")) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"uetr": uetr_of(ident("other"))}, "E_RAILS_PARTY"),
        ({"debtor_bank": NAMES.desk}, "E_RAILS_PARTY"),
        ({"contract": "unknown"}, "E_RAILS_QUOTE_UNKNOWN"),
        ({"amount": money(MINOR + 1, USD)}, "E_RAILS_QUOTE_UNKNOWN"),
        ({"creditor_account": "nobody1"}, "E_RAILS_PAYEE"),
        ({"debtor_account": "somebody"}, "E_RAILS_LOCK"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(changes: dict[str, object], code: str) -> None:
    refused(Scene(), code, **changes)


@pytest.mark.parametrize(
    "times",
    [
        Times(own=7_200, other=7_200, claim_margin=600, retry=900),
        Times(own=7_200, other=14_400, claim_margin=600, retry=900),
        Times(own=10_799, other=7_200, claim_margin=600, retry=900),
        Times(own=14_400, other=0, claim_margin=600, retry=900),
    ],
)
def test_unsafe_deadlines_are_refused_by_the_bank_or_else_by_the_market_maker(times: Times) -> None:
    scene = Scene(replace(PLAN, policy=Policy(margin_seconds=3_600)))
    refused(scene, "E_RAILS_DEADLINES", times=times)
    scene.made.clear()
    scene.corridor.exchange.policy = Policy()
    scene.swap(times=times)
    scene.run()
    assert outcome_of(scene, MINOR, asked(scene), True) == "undone"
    assert ended(scene)[2] in ("TM01", "E_RAILS_SILENT")


def tampered(scene: Scene, **changes: object) -> Signatures:
    """What the customer signed, with one thing different in the lock or the ways out of it."""
    quote = scene.quote("one", NAMES.maker, MINOR)
    terms = scene.corridor.exchange.terms(ident("one"), quote, scene.payer.public.kid)
    lock = replace(terms.lock, **{k: v for k, v in changes.items() if k in ("hash", "claim", "refund")})
    amount = changes.get("amount", terms.amount_tiyn)
    assert isinstance(amount, int)
    network, kid = scene.home.network, scene.payer.public.kid
    made = make_lock(ident("one"), network, scene.payer, scene.tokens(), amount, lock)
    back = spend_lock("refund", network, scene.payer, made.id, amount, changes.get("back", kid))  # type: ignore[arg-type]
    late = spend_lock("late", network, scene.payer, made.id, amount, changes.get("onward", lock.claim))  # type: ignore[arg-type]
    return Signatures(made.encode(), back.encode(), late.encode())


@pytest.mark.parametrize(
    "change", ["hash", "claim", "amount", "back", "onward", "refund", "swapped", "plain"]
)
def test_a_lock_that_is_not_as_agreed_is_refused(change: str) -> None:
    scene = Scene()
    maker, kid = scene.home.keys.get("market maker").public.kid, scene.payer.public.kid
    values = {"hash": ident("x"), "claim": kid, "amount": 5, "back": maker, "onward": kid, "refund": maker}
    signed = tampered(scene, **{change: values[change]}) if change in values else tampered(scene)
    if change == "swapped":
        signed = Signatures(signed.lock, signed.late, signed.refund)
    if change == "plain":
        signed = signed._replace(lock=scene.transfer("plain", 7))
    quote = scene.quote("one", NAMES.maker, MINOR)
    message = scene.initiation("one", NAMES.exchange, quote)
    other = scene.clock.now() + PLAN.times.other
    take = scene.corridor.exchange.take
    assert code_of(lambda: take(ident("one"), message, signed, other)) == "E_RAILS_LOCK"
    assert scene.wallet() == BOUGHT


def test_a_payer_with_limits_is_refused_before_its_lock_could_stick() -> None:
    scene = Scene()
    bank = scene.home.banks[1]
    customer = bank.customers.get(ident("alem"))
    assert customer.tier == 4
    scene.corridor.exchange._sides = scene.corridor.exchange._sides._replace(tiers=frozenset({9}))
    refused(scene, "E_RAILS_TIER")
    scene.corridor.exchange._sides = scene.corridor.exchange._sides._replace(tiers=frozenset({4}))
    scene.corridor.maker._tills = scene.corridor.maker._tills._replace(tiers=frozenset({9}))
    scene.swap()
    scene.run()
    assert ended(scene) == ("undone", "turned down", "NARR")


def test_a_lock_that_the_ledger_refuses_ends_the_order() -> None:
    scene = Scene()
    quote = scene.quote("one", NAMES.maker, MINOR)
    scene.made["one"] = (scene.initiation("one", NAMES.exchange, quote), *scene.signed("one", quote))
    maker = scene.home.keys.get("market maker").public.kid
    scene.home.ledger.submit(scene.transfer("spent", 5, maker))
    assert code_of(scene.swap) == "E_TOKEN_SPENT"
    assert code_of(scene.swap) == "E_RAILS_ORDER_REFUSED"
    assert scene.run() == 0


# --- the market maker looks for itself ---


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (replace(PLAN, stock_minor=MINOR - 1), "AM04"),
        (replace(PLAN, margin_seconds=8_000), "TM01"),
        (replace(PLAN, shortest_seconds=7_200), "TM01"),
    ],
)
def test_the_market_maker_refuses_and_the_payer_has_its_money_again(plan: object, reason: str) -> None:
    scene = Scene(plan)  # type: ignore[arg-type]
    scene.swap()
    locked_now = scene.wallet()
    assert locked_now < BOUGHT
    scene.corridor.run(NOON + PLAN.times.own)
    assert scene.wallet() == locked_now, "not a moment before the deadline"
    scene.corridor.run(NOON + PLAN.times.own + 1)
    assert scene.wallet() == BOUGHT
    assert ended(scene) == ("undone", "turned down", reason)


# --- silence, in every order ---

ENDS = [
    # who is down, from which second, for how long, how it must end
    (NAMES.maker, 0, 20_000, ("undone", "turned down", "E_RAILS_SILENT")),
    (NAMES.maker, 61, 3_000, ("done", "done", "")),
    (NAMES.maker, 61, 14_330, ("done", "done", "")),
    (NAMES.maker, 61, 90_000, ("done", "done", "E_TOKEN_SPENT")),
    (NAMES.exchange, 0, 6_590, ("done", "done", "")),
    (NAMES.exchange, 0, 6_600, ("undone", "undone", "E_RAILS_LATE")),
    (NAMES.exchange, 0, 90_000, ("undone", "undone", "E_RAILS_LOCK")),
    (NAMES.exchange, 121, 90_000, ("done", "done", "")),
]


@pytest.mark.parametrize(("member", "begin", "seconds", "end"), ENDS)
def test_a_silent_side(member: str, begin: int, seconds: int, end: tuple[str, str, str]) -> None:
    scene = Scene(replace(PLAN, outages=[Outage(member, NOON + begin, NOON + begin + seconds)]))
    scene.swap()
    scene.run(9)
    outcome = outcome_of(scene, MINOR, asked(scene), True)
    assert outcome == ("whole" if end[0] == "done" else "undone")
    ours, theirs, reason = ended(scene)
    deal = scene.corridor.maker.find(uetr_of(ident("one")))
    told = deal.reason if end[2] == "E_TOKEN_SPENT" and deal is not None else reason
    assert (ours, theirs, told) == end


def test_both_sleep_past_the_deadline_and_the_payers_bank_pays_late() -> None:
    own = NOON + PLAN.times.own
    outages = [Outage(NAMES.maker, NOON + 61, own + 500), Outage(NAMES.exchange, NOON + 121, own + 1_000)]
    scene = Scene(replace(PLAN, outages=outages))
    scene.swap()
    scene.corridor.run(own + 600)
    deal = scene.corridor.maker.find(uetr_of(ident("one")))
    assert deal is not None
    assert (deal.state, deal.reason) == (maker_states.MISSED, "E_LOCKED")
    scene.run(9)
    assert outcome_of(scene, MINOR, asked(scene), True) == "whole"
    assert ended(scene)[:2] == ("done", "done")


def test_a_claim_is_never_sent_when_it_is_too_late() -> None:
    silent = Outage(NAMES.exchange, NOON, NOON + PLAN.times.other - PLAN.times.claim_margin)
    scene = Scene(replace(PLAN, outages=[silent]))
    scene.swap()
    scene.run(9)
    shown = [
        record
        for index in range(1, scene.abroad.ledger.size)
        if isinstance(record := scene.abroad.ledger.transaction(index).record, Transfer) and record.preimages
    ]
    assert shown == []
    assert scene.payee_wallet() == 0


def test_a_payer_that_cheats_a_sleeping_market_maker_is_the_one_way_to_lose() -> None:
    scene = Scene(replace(PLAN, outages=[Outage(NAMES.maker, NOON + 61, NOON + 90_000)]))
    scene.swap()
    scene.corridor.run(NOON + PLAN.times.own)
    assert scene.payee_wallet() == MINOR
    scene.clock.move_to(NOON + PLAN.times.own + 1)
    scene.home.ledger.submit(scene.made["one"][1].refund)
    scene.run(9)
    scene.check_rest()
    assert scene.wallet() == BOUGHT
    assert scene.maker_wallet() == 0
    assert scene.abroad.books.balance(losses("bank 1")) == MINOR
    assert ended(scene)[:2] == ("done", "lost")


def test_the_market_maker_locks_something_else() -> None:
    scene = Scene()
    real = scene.corridor.maker._plan

    def less(deal: object, body: object, claimant: bytes) -> object:
        return real(deal, replace(body, wanted=money(MINOR - 1, USD)), claimant)  # type: ignore[arg-type, type-var]

    scene.corridor.maker._plan = less  # type: ignore[method-assign, assignment]
    scene.swap()
    scene.corridor.run(NOON + 200)
    assert ended(scene)[0::2] == ("waiting", "E_RAILS_LOCK")
    assert scene.payee_wallet() == 0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([NAMES.exchange, NAMES.maker]), st.integers(0, 16_000), st.integers(1, 30_000)
        ),
        max_size=3,
    )
)
def test_any_pattern_of_silence_ends_whole_or_undone(down: list[tuple[str, int, int]]) -> None:
    outages = [Outage(member, NOON + first, NOON + first + length) for member, first, length in down]
    scene = Scene(replace(PLAN, outages=outages))
    scene.swap()
    scene.run(12)
    outcome_of(scene, MINOR, asked(scene), True)


# --- hash locks ---


def test_a_lock_and_the_ways_out_of_it() -> None:
    scene = Scene()
    secret, kid = b"s" * 32, scene.payer.public.kid
    maker = scene.home.keys.get("market maker")
    wanted = HashLock(hash_of(secret), maker.public.kid, kid, NOON + 100)
    lock = make_lock(ident("l"), scene.home.network, scene.payer, scene.tokens(), 1_000, wanted)
    assert spender_of(scene.home.ledger, lock.id) is None
    scene.home.ledger.submit(lock.encode())
    check_lock(scene.home.ledger, lock.id, wanted, 1_000)
    assert spender_of(scene.home.ledger, lock.id) is None
    for other in (replace(wanted, deadline=NOON), replace(wanted, hash=ident("x"))):
        assert (
            code_of(lambda other=other: check_lock(scene.home.ledger, lock.id, other, 1_000))
            == "E_RAILS_LOCK"
        )
    assert code_of(lambda: check_lock(scene.home.ledger, lock.id, wanted, 999)) == "E_RAILS_LOCK"
    assert code_of(lambda: check_lock(scene.home.ledger, ident("no"), wanted, 999)) == "E_RAILS_LOCK"
    network, ledger = scene.home.network, scene.home.ledger
    early = spend_lock("refund", network, scene.payer, lock.id, 1_000, kid)
    blind = spend_lock("claim", network, maker, lock.id, 1_000, maker.public.kid, b"x" * 32)
    for bad in (early, blind):
        with pytest.raises(Refused) as caught:
            ledger.submit(bad.encode())
        assert caught.value.code == "E_LOCKED"
    claim = spend_lock("claim", network, maker, lock.id, 1_000, maker.public.kid, secret)
    ledger.submit(claim.encode())
    spender = spender_of(ledger, lock.id)
    assert spender == claim.record
    assert spender is not None
    assert secret_in(spender, hash_of(secret)) == secret
    assert secret_in(spender, ident("x")) == b""
    assert code_of(lambda: make_lock(ident("m"), network, scene.payer, [], 1, wanted)) == "E_FUNDS"


def test_a_marked_or_foreign_token_is_no_lock_of_ours() -> None:
    scene = Scene()
    signed = tampered(scene)
    lock = open_transaction(signed.lock, scene.home.network)
    assert lock_id(lock.id).output == 0
    assert isinstance(lock.record, Transfer)
    assert isinstance(lock.record.outputs[0].lock, HashLock)
    other = Transfer(bytes(16), lock.record.inputs, (Token(1, KeyLock(scene.payer.public.kid)),))
    unsigned = sign_transaction(other, scene.home.network, [scene.payer])
    assert spender_of(scene.home.ledger, unsigned.id) is None
    assert scene.abroad.banks[CORRESPONDENT].inventory_tiyn() == STOCK


@pytest.mark.parametrize(("change", "code"), [("stranger", "E_RAILS_LOCK"), ("forged", "E_SIG")])
@pytest.mark.parametrize("way_out", ["refund", "late"])
def test_the_ways_out_are_signed_by_the_payer(way_out: str, change: str, code: str) -> None:
    scene = Scene()
    signed = tampered(scene)
    opened = open_transaction(getattr(signed, way_out), scene.home.network)
    maker = scene.home.keys.get("market maker")
    kid = scene.payer.public.kid if change == "forged" else maker.public.kid
    witnesses = ((kid, maker.sign(opened.message)),)
    signed = signed._replace(**{way_out: replace(opened, witnesses=witnesses).encode()})
    quote = scene.quote("one", NAMES.maker, MINOR)
    message = scene.initiation("one", NAMES.exchange, quote)
    other = scene.clock.now() + PLAN.times.other
    take = scene.corridor.exchange.take
    assert code_of(lambda: take(ident("one"), message, signed, other)) == code
    assert scene.wallet() == BOUGHT


def test_the_market_maker_takes_the_time_from_the_ledger() -> None:
    scene = Scene()
    quote = scene.quote("one", NAMES.maker, MINOR)
    scene.clock.advance(PLAN.quote_seconds + 1)
    scene.corridor.exchange.policy = Policy(quote=False)
    real = scene.corridor.exchange._letter

    def backdated(exchange: desk_states.Exchange) -> object:
        return real(replace(exchange, taken_at=NOON))

    scene.corridor.exchange._letter = backdated  # type: ignore[method-assign, assignment]
    assert quote.until < scene.clock.now()
    scene.swap()
    scene.run()
    assert ended(scene) == ("undone", "turned down", "TM01")
