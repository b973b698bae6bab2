"""Each parameter does what its name says: under another value something else happens, and nothing else is asked here.

One row a parameter: another value, what to do with a desk that runs under a policy, what happens by default and what
under the other value. A parameter without a row fails.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from cbdc.errors import TengeError
from cbdc.token import MERCHANT, PERSON
from offline import parameters as p
from offline.loss_policy import CAPPED, loss_policy
from offline.parameters import PARAMETERS, Parameter, Policy, value_of
from offline.reconcile import Settings
from offline.records import TIER_SE, TIER_SW, TIER_TEE
from offline.transfer import PayeeSession, PayerSession
from tests.cbdc.world import DAY
from tests.offline.desk import Desk
from tests.offline.losses import Payers

RESERVE = 100_000_000


def told(call: Callable[[], Any]) -> str:
    """ "ok", or the code of the refusal."""
    try:
        call()
    except TengeError as error:
        return error.code
    return "ok"


def desk_of(policy: Policy, tier: int = TIER_SE, category: int = PERSON, **fields: Any) -> Desk:
    """Ayan (of that tier and category), Bota and Dana, each with a device."""
    desk = Desk(reserve_tiyn=RESERVE, policy=policy, **fields)
    desk.join("ayan", tier=tier, category=category)
    desk.join("bota", tier=tier)
    desk.join("dana")
    return desk


def loads(amount: int, tier: int = TIER_SE, category: int = PERSON) -> Callable[[Policy], str]:
    """Ayan loads so much in one note."""
    return lambda policy: told(lambda: desk_of(policy, tier, category).take_offline("ayan", amount))


def pays(*amounts: int, days: int = 0, notes: tuple[int, ...] = (9_000,)) -> Callable[[Policy], str]:
    """Ayan loads these notes, some days pass, and he pays Bota these amounts one after the other."""

    def run(policy: Policy) -> str:
        desk = desk_of(policy)
        # A list counts for notes made after its second.
        desk.clock.advance(1)

        def spend() -> None:
            desk.take_offline("ayan", *notes)
            desk.clock.advance(days * DAY)
            for amount in amounts:
                desk.hand_over("ayan", "bota", amount)

        return told(spend)

    return run


def passes_on(tier: int) -> Callable[[Policy], str]:
    """Ayan pays Bota, who pays Dana."""

    def run(policy: Policy) -> str:
        desk = desk_of(policy, tier)
        desk.take_offline("ayan", 1_000)
        desk.hand_over("ayan", "bota", 500)
        return told(lambda: desk.hand_over("bota", "dana", 100))

    return run


def meets(near: bool) -> Callable[[Policy], str]:
    """Ayan pays Bota in a session, with money that has been through one more hand."""

    def run(policy: Policy) -> str:
        desk = desk_of(policy)
        desk.take_offline("dana", 1_000)
        desk.hand_over("dana", "ayan", 800)
        now = desk.clock.now()
        asking = PayeeSession(desk.people["bota"], bytes(16), 300, 0, near=near)
        paying = PayerSession(desk.people["ayan"])

        def exchange() -> None:
            messages = paying.receive(asking.start(now), now)
            for message in messages:
                for answer in asking.receive(message, now):
                    paying.receive(answer, now)
            paying.confirm(now)

        return told(exchange)

    return run


def receives_late(seconds: int) -> Callable[[Policy], str]:
    """Bota takes a payment so long after her request."""

    def run(policy: Policy) -> str:
        desk = desk_of(policy)
        desk.take_offline("ayan", 1_000)
        payer, payee, now = desk.people["ayan"], desk.people["bota"], desk.clock.now()
        invoice = payee.invoice(desk.next_id(), 100, 0, now)
        payment = payer.pay(invoice, payee.certificate, now)
        return told(lambda: payee.receive(payment, invoice, now + seconds))

    return run


def pays_late(seconds: int) -> Callable[[Policy], str]:
    """Ayan pays so long after Bota's request."""

    def run(policy: Policy) -> str:
        desk = desk_of(policy)
        desk.take_offline("ayan", 1_000)
        payee, now = desk.people["bota"], desk.clock.now()
        invoice = payee.invoice(desk.next_id(), 100, 0, now)
        return told(lambda: desk.people["ayan"].pay(invoice, payee.certificate, now + seconds))

    return run


def note_of(field: str) -> Callable[[Policy], int]:
    """How many seconds a new note has, up to `spend_by`, or from there to `redeem_by`."""

    def run(policy: Policy) -> int:
        desk = desk_of(policy)
        desk.clock.advance(1)
        desk.take_offline("ayan", 1_000, receive=False)
        (note,) = desk.centre.notes(desk.people["ayan"].kid)
        record = note.record
        return record.spend_by - record.issued if field == "spend_by" else record.redeem_by - record.spend_by

    return run


def refunded_after(days: int) -> Callable[[Policy], int]:
    """What of an unspent note is refunded so many days after its `redeem_by`."""

    def run(policy: Policy) -> int:
        desk = desk_of(policy)
        numbers = value_of(p.GRACE_SECONDS, policy)
        desk.centre = desk.open_centre(
            settings=Settings(desk.kid("escrow"), desk.kid("reserve"), desk.loss_policy, numbers)
        )
        desk.take_offline("ayan", 1_000)
        (note,) = desk.centre.notes(desk.people["ayan"].kid)
        desk.clock.move_to(note.record.redeem_by + days * DAY)
        desk.centre.tick()
        return desk.wallet("ayan")

    return run


def double_spends(name: str) -> Callable[[Policy], tuple[int, ...]]:
    """Ayan's opened device pays 10,000 tiyn twice: what owner and bank were asked for, what the payees bore."""

    def run(policy: Policy) -> tuple[int, ...]:
        payers = Payers()
        desk = desk_of({**policy, **SMALL}, loss_policy=loss_policy(name, policy), recourse=payers)
        desk.take_offline("ayan", 10_000)
        opened, now = desk.opened("ayan"), desk.clock.now()
        before = opened.capture()
        for payee in ("bota", "dana"):
            device = desk.people[payee]
            invoice = device.invoice(desk.next_id(), 10_000, 0, now)
            opened.rollback(before)
            device.receive(desk.pay_opened(opened, device, invoice), invoice, now)
            desk.sync(payee)
        desk.clock.advance(200 * DAY)
        desk.centre.tick()
        asked = tuple(amount for _, amount in payers.asked)
        return (*asked, desk.centre.reconciler.borne(opened.public_key.kid).payees_tiyn)

    return run


# The largest balance is 10,000 tiyn, all of it may be paid at once, and `max_out` is as much.
SMALL: Policy = {p.MAX_BALANCE_SE.id: 10_000, p.MAX_PAYMENT_PERMILLE.id: 1_000, p.MAX_OUT_PERMILLE.id: 1_000}


def earlier_holder_revoked(policy: Policy) -> str:
    desk = desk_of(policy)
    desk.take_offline("ayan", 1_000)
    desk.hand_over("ayan", "bota", 500)
    desk.centre.revoke(desk.people["ayan"].kid)
    for name in ("bota", "dana"):
        desk.people[name].trust(desk.centre.trust(desk.people[name].trust_view.sequence))
    return told(lambda: desk.hand_over("bota", "dana", 100))


def stale(policy: Policy) -> str:
    desk = desk_of(policy)
    desk.clock.advance(2 * DAY)
    return told(lambda: desk.people["bota"].invoice(desk.next_id(), 1, 0, desk.clock.now()))


def advanced(policy: Policy) -> str | int:
    desk = desk_of(policy)
    desk.take_offline("ayan", 1_000)
    kid = desk.people["ayan"].kid
    desk.centre.report_lost(kid)
    code = told(lambda: desk.centre.early_payout(kid, desk.kid("dana")))
    return code if code != "ok" else desk.centre.early_payout(kid, b"").advanced_tiyn


def stolen(policy: Policy) -> int:
    desk = desk_of(policy, loss_policy=loss_policy("ISSUER", policy))
    desk.take_offline("ayan", 1_000)
    desk.centre.report_lost(desk.people["ayan"].kid, stolen=True)
    desk.clock.advance(60)
    desk.hand_over("ayan", "bota", 400)
    desk.sync("bota")
    desk.clock.advance(200 * DAY)
    desk.centre.tick()
    return desk.wallet("ayan")


def epoch_of_a_note(policy: Policy) -> int:
    """Ayan loads a note a second after the list: the epoch of the key that signed it."""
    desk = desk_of(policy)
    desk.clock.advance(1)
    desk.take_offline("ayan", 1_000)
    return int.from_bytes(desk.centre.notes(desk.people["ayan"].kid)[0].record.serial[:4], "big")


class Row(NamedTuple):
    """A parameter, another value, what to do, and what happens by default and under the other value."""

    parameter: Parameter
    value: int
    run: Callable[[Policy], Any]
    default: Any
    other: Any


ROWS = (
    Row(p.MAX_BALANCE_SW, 4_000, loads(5_000, TIER_SW), "ok", "E_LIMIT_IN"),
    Row(p.MAX_BALANCE_TEE, 4_000, loads(5_000, TIER_TEE), "ok", "E_LIMIT_IN"),
    Row(p.MAX_BALANCE_SE, 4_000, loads(5_000), "ok", "E_LIMIT_IN"),
    Row(p.MAX_BALANCE_MERCHANT, 4_000, loads(5_000, TIER_SE, MERCHANT), "ok", "E_LIMIT_IN"),
    Row(p.MAX_PAYMENT_PERMILLE, 1, pays(5_001), "ok", "E_TXLIMIT"),
    Row(p.MAX_OUT_PERMILLE, 1, pays(3_000, 2_001), "ok", "E_LIMIT_OUT"),
    Row(p.MAX_COUNT, 1, pays(10, 10), "ok", "E_LIMIT_COUNT"),
    Row(p.MAX_AGE_DAYS, 1, pays(10, days=2), "ok", "E_SYNC_AGE"),
    Row(p.MAX_HOPS, 1, passes_on(TIER_SE), "ok", "E_COINS"),
    Row(p.MAX_HOPS_SW, 1, passes_on(TIER_SW), "ok", "E_COINS"),
    Row(p.MAX_LENGTH, 1, pays(10, 10), "ok", "E_COINS"),
    Row(p.MAX_PARTS, 1, pays(700, notes=(500, 500)), "ok", "E_COINS"),
    Row(p.MAX_SLOTS, 1, pays(10, notes=(500, 500)), "ok", "E_PURSE_FULL"),
    Row(p.MAX_BYTES, 900, meets(near=True), "ok", "E_COINS_BYTES"),
    Row(p.MAX_BYTES_QR, 900, meets(near=False), "ok", "E_COINS_BYTES"),
    Row(p.MAX_TRUST_AGE_SECONDS, DAY, stale, "ok", "E_TRUST_STALE"),
    Row(p.MARGIN_SECONDS, 59 * DAY, pays(10, days=2), "ok", "E_COINS"),
    Row(p.CLOCK_SKEW_SECONDS, 1, receives_late(900), "ok", "E_INVOICE_UNKNOWN"),
    Row(p.INVOICE_SECONDS, 10, pays_late(60), "ok", "E_INVOICE_EXPIRED"),
    Row(p.SPEND_BY_SECONDS, 9 * DAY, note_of("spend_by"), 60 * DAY, 9 * DAY),
    Row(p.REDEEM_BY_SECONDS, 40 * DAY, note_of("redeem_by"), 30 * DAY, 40 * DAY),
    Row(p.GRACE_SECONDS, 2 * DAY, refunded_after(3), 0, 1_000),
    Row(p.RECOURSE_CAP_PERMILLE, 100, double_spends("WATERFALL"), (10_000, 10_000, 0), (1_000, 10_000, 0)),
    Row(p.BANK_CAP_PERMILLE, 100, double_spends("WATERFALL"), (10_000, 10_000, 0), (10_000, 1_000, 0)),
    Row(p.REJECT_REVOKED_ANCESTOR, 0, earlier_holder_revoked, "E_COINS", "ok"),
    Row(p.MAX_SLOTS_MERCHANT, 1, lambda policy: _two_notes(policy), "ok", "E_PURSE_FULL"),
    Row(p.CAP_MULT_PERMILLE, 100, double_spends(CAPPED), (10_000, 10_000, 0), (1_000, 1_000, 9_000)),
    Row(p.EARLY_PAYOUT_PERMILLE, 300, advanced, "E_PAYOUT_OFF", 300),
    Row(p.THEFT_COVER_PERMILLE, 500, stolen, 1_000, 800),
    Row(p.CLOSED_TIERS, 1 << TIER_SE, pays(10), "ok", "E_TIER_CLOSED"),
    Row(p.ISSUER_EPOCH, 2, epoch_of_a_note, 1, 2),
)


def _two_notes(policy: Policy) -> str:
    desk = desk_of(policy, category=MERCHANT)
    return told(lambda: desk.take_offline("ayan", 500, 500))


def test_5_18_every_parameter_has_a_row() -> None:
    assert sorted(row.parameter.id for row in ROWS) == sorted(one.id for one in PARAMETERS)
    assert all(row.default != row.other and row.value != row.parameter.default for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.parameter.name)
def test_5_18_a_parameter_changes_what_it_names(row: Row) -> None:
    assert row.run({}) == row.default
    assert row.run({row.parameter.id: row.value}) == row.other
    assert replace(row.parameter).note == "assumption"
