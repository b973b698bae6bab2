"""The queue of reconciliation at the National Bank's desk: what waits, what is missing, what was refused."""

from collections.abc import Iterator
from itertools import count

import pytest

from cbdc.money import tenge
from cbdc.record import Signed
from offline.batch import make_batch
from offline.records import Transfer
from tests.site.visitor import Program, Visitor, opened
from wallets.desk import derived
from wallets.site.opening import bank_title
from wallets.site.whole import Whole

_fresh = (f"a-look-at-the-queue-{number:06d}" for number in count())


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


def queue(whole: Whole, page: int = 1):
    return Program(whole, "officer-1").get(f"/v1/roles/national-bank/queue?page={page}").get_json()


def wait(whole: Whole, **much: int) -> None:
    assert Program(whole, "operator").do("operator", "wait", next(_fresh), **much).status_code == 200


def offline_day(whole: Whole, sync: bool) -> None:
    """One neighbour pays another offline, who pays the shop; the payees sync, or nobody does."""
    sandbox, (payer, other, *_, shop) = whole.world.sandbox, whole.world.neighbours
    sandbox.load([(payer, [tenge(600)])], b"", derived("queue", "load"))
    sandbox.pay_offline(payer, other, tenge(400), b"", derived("queue", "first"))
    sandbox.pay_offline(other, shop, tenge(150), b"", derived("queue", "second"))
    if sync:
        sandbox.sync([other, shop], derived("queue", "sync"))


def payments() -> list[Signed[Transfer]]:
    """The two payments of that day, in order: out of another sandbox with the same seed, where they were synced."""
    with opened() as other:
        offline_day(other, True)
        found = {signed.oid: signed for signed in other.world.sandbox.field.transfers()}
    (second,) = [one for one in found.values() if one.record.previous in found]
    return [found[second.record.previous], second]


def test_what_is_on_devices_waits_for_the_notes_to_close(whole: Whole) -> None:
    seen = queue(whole)
    float_tiyn = whole.world.sandbox.field.reconciler.totals().float_tiyn
    assert seen["waiting_tiyn"] == float_tiyn == sum(row["amount_tiyn"] for row in seen["rows"])
    assert {row["reason"] for row in seen["rows"]} == {"open"}
    assert (seen["missing"], seen["refused"]) == ([], [])
    wait(whole, days=200)
    assert queue(whole)["claims"] == 0
    assert "every claim is settled" in Visitor(whole).signed_in("officer-2").get("/national-bank/queue").text


def test_looking_books_nothing(whole: Whole) -> None:
    offline_day(whole, True)
    before, head = whole.world.system.ledger.size, whole.world.sandbox.field.reconciler.head()
    for page in (0, 1, 2, 10**9):
        queue(whole, page)
    assert (whole.world.system.ledger.size, whole.world.sandbox.field.reconciler.head()) == (before, head)


def test_a_claim_waits_since_its_payment_came_in_at_its_devices_bank(whole: Whole) -> None:
    wait(whole, hours=5)
    offline_day(whole, True)
    now, centre = whole.world.clock.now(), whole.world.sandbox.field.centre
    late = [row for row in queue(whole)["rows"] if row["since"] == now]
    assert sorted(row["amount_tiyn"] for row in late)[:2] == [tenge(150), tenge(200)]
    for row in queue(whole)["rows"]:
        bank = whole.world.system.banks[centre.devices.bank_of(bytes.fromhex(row["device"]))]
        assert row["bank"] == bank_title(bank.name)
        assert row["closes"] > now


def test_a_payment_without_the_one_before_it_is_missing_a_part(whole: Whole) -> None:
    first, second = payments()
    offline_day(whole, False)
    reconciler = whole.world.sandbox.field.reconciler
    wait(whole, hours=1)
    arrived = whole.world.clock.now()
    reconciler.submit(second)
    wait(whole, hours=2)
    (part,) = queue(whole)["missing"]
    assert (part["kind"], part["object"], part["lacks"]) == ("payment", second.oid.hex(), first.oid.hex())
    assert (part["since"], part["device"]) == (arrived, second.record.payer.hex())
    assert "The payment before it" in Visitor(whole).signed_in("officer-1").get("/national-bank/queue").text
    reconciler.submit(first)
    assert queue(whole)["missing"] == []


def test_what_cannot_enter_is_shown_with_its_code(whole: Whole) -> None:
    first, _ = payments()
    forged = Signed(first.record, first.body, bytes(64), first.oid)
    batch = make_batch(b"\x07" * 16, objects=[forged]).encode()
    whole.world.sandbox.field.reconciler.ingest(batch)
    (row,) = [one for one in queue(whole)["refused"] if one["kind"] == "envelope"]
    assert row["code"] == "E_SIG"
    assert "/explorer/codes/E_SIG" in Visitor(whole).signed_in("officer-1").get("/national-bank/queue").text


def test_a_double_spend_waits_for_its_case_and_is_gone_when_it_has_closed(whole: Whole) -> None:
    assert Program(whole, "operator").do("operator", "live", fraud=True).status_code == 200
    seen, (guilty,) = queue(whole), whole.world.sandbox.field.reconciler.guilty()
    held = [row for row in seen["rows"] if row["reason"] == "guilty"]
    assert held
    assert {row["device"] for row in held} == {guilty.hex()}
    assert sum(row["amount_tiyn"] for row in seen["sums"]) == seen["waiting_tiyn"]
    wait(whole, days=200)
    after = queue(whole)
    assert after["claims"] == 0
    assert {row["kind"] for row in after["refused"]} <= {"denied", "late"}


@pytest.mark.parametrize("user", ["clerk-1", "registrar", "supervisor", "treasurer", "operator", "aigerim"])
def test_the_queue_is_the_national_banks(whole: Whole, user: str) -> None:
    answer = Program(whole, user).get("/v1/roles/national-bank/queue")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "E_SITE_ROLE")


def test_every_reason_of_settlement_has_words() -> None:
    from offline import settle
    from wallets.site.roles.national_bank_queue import REASONS

    reasons = {value for name, value in vars(settle).items() if name.startswith("HELD_")}
    assert reasons == set(REASONS)
