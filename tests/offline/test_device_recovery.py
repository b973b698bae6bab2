"""Devices after a crash or a loss: what was begun is finished, and what cannot be is kept for the next sync (5.8)."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cbdc import canonical
from cbdc.authority import SETTLE
from cbdc.errors import Unavailable
from cbdc.keys import ED25519
from cbdc.money import tenge
from offline.device import Device
from offline.element_rules import offer_hash
from offline.host_coins import check_stands
from offline.host_rows import CERTIFICATE, LINE, PAYMENT
from offline.host_store import Key, MemoryHostStore
from offline.journal import MemoryJournal
from offline.lines import open_line
from offline.opened import OpenedElement, open_for_attack
from offline.records import Outpoint
from tests.offline.bench import Bench
from tests.offline.shop import refused


class Failing(MemoryHostStore):
    """A host store that stops answering when it is asked to write rows of these kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: set[str] = set()

    def write(self, device: bytes, changes: Mapping[Key, bytes | None]) -> None:
        if any(kind in self.kinds for kind, _ in changes):
            raise Unavailable("E_HOST_STORE", store="test", detail="full")
        super().write(device, changes)


class Home:
    """A payer and a payee whose stores can be made to fail."""

    def __init__(self) -> None:
        self.bench = Bench("recovery")
        self.stores = {"payer": Failing(), "payee": Failing()}
        self.payer = self.bench.device("payer", self.stores["payer"], attacks_allowed=True)
        self.payee = self.bench.device("payee", self.stores["payee"])
        self.bench.load(self.payer, tenge(500), tenge(300))


@pytest.fixture
def home() -> Home:
    return Home()


def test_a_payment_the_host_could_not_keep_is_made_again_from_the_outbox(home: Home) -> None:
    bench, payer = home.bench, home.payer
    invoice = bench.invoice(home.payee, tenge(100))
    home.stores["payer"].kinds = {PAYMENT}
    with pytest.raises(Unavailable, match="E_HOST_STORE"):
        payer.pay(invoice, home.payee.certificate, bench.now)
    with pytest.raises(Unavailable):
        bench.restart("payer")
    home.stores["payer"].kinds = set()
    without_restart = payer.pay(invoice, home.payee.certificate, bench.now)
    assert payer.status(bench.now).totals.out_count == 1
    receipt = home.payee.receive(without_restart, invoice, bench.now)
    payer.keep_receipt(receipt)


def test_a_rebuilt_payment_learns_its_invoice_when_asked_again(home: Home) -> None:
    bench = home.bench
    invoice = bench.invoice(home.payee, tenge(600))
    home.stores["payer"].kinds = {PAYMENT}
    with pytest.raises(Unavailable):
        home.payer.pay(invoice, home.payee.certificate, bench.now)
    home.stores["payer"].kinds = set()
    again = bench.restart("payer")
    payment = again.resend(invoice.oid)
    receipt = home.payee.receive(payment, invoice, bench.now)
    with refused("E_PAYMENT_UNKNOWN"):
        again.keep_receipt(receipt)
    assert again.pay(invoice, home.payee.certificate, bench.now) == payment
    again.keep_receipt(receipt)
    assert again.balance_tiyn(bench.now) == tenge(200)


def test_payments_that_follow_on_each_other_are_rebuilt_in_order(home: Home) -> None:
    bench = home.bench
    empty = MemoryHostStore()
    rows = dict(home.stores["payer"].read(home.payer.kid))
    invoices = [bench.invoice(home.payee, tenge(60)) for _ in range(3)]
    payments = [home.payer.pay(invoice, home.payee.certificate, bench.now) for invoice in invoices]
    empty.write(home.payer.kid, rows)  # as if nothing had been written since
    again = Device(bench.bare("payer", attacks_allowed=True), empty)
    assert [again.resend(invoice.oid) for invoice in invoices] == payments
    assert all(again.line(outpoint) for outpoint in again.status(bench.now).purse)


def test_a_payment_whose_history_is_lost_stays_in_the_element(home: Home) -> None:
    bench = home.bench
    invoice = bench.invoice(home.payee, tenge(100))
    home.payer.pay(invoice, home.payee.certificate, bench.now)
    again = Device(bench.bare("payer", attacks_allowed=True), MemoryHostStore())
    with refused("E_PAYMENT_UNKNOWN"):
        again.resend(invoice.oid)
    assert again.element.resend(invoice.oid)


def test_an_incoming_payment_is_accepted_after_the_restart(home: Home) -> None:
    bench = home.bench
    invoice = bench.invoice(home.payee, tenge(100))
    payment = home.payer.pay(invoice, home.payee.certificate, bench.now)
    home.stores["payee"].kinds = {"receipt"}
    with pytest.raises(Unavailable):
        home.payee.receive(payment, invoice, bench.now)
    home.stores["payee"].kinds = set()
    again = bench.restart("payee")
    assert again.receipt_given(invoice.oid) == again.element.receipt(invoice.oid)
    assert again.balance_tiyn(bench.now) == tenge(100)


def test_an_incoming_payment_that_is_too_late_goes_to_the_inbox(home: Home) -> None:
    bench = home.bench
    invoice = bench.invoice(home.payee, tenge(100))
    payment = home.payer.pay(invoice, home.payee.certificate, bench.now)
    journal = bench.journals["payee"]
    assert isinstance(journal, MemoryJournal)
    checkpoint = journal._checkpoint

    def dies(name: str) -> None:
        raise KeyboardInterrupt

    journal._checkpoint = dies
    with pytest.raises(KeyboardInterrupt):
        home.payee.receive(payment, invoice, bench.now)
    journal._checkpoint = checkpoint
    bench.now += 2_000
    again = bench.restart("payee")
    assert again.inbox() == [("E_INVOICE_UNKNOWN", payment)]
    again.recover(bench.now)
    assert len(again.inbox()) == 1
    assert again.balance_tiyn(bench.now) == 0


def test_an_invoice_that_was_never_made_is_none(home: Home) -> None:
    bench, payee = home.bench, home.payee
    home.stores["payee"].kinds = {"invoice"}
    with pytest.raises(Unavailable):
        payee.invoice(b"id", tenge(1), 0, bench.now)
    home.stores["payee"].kinds = set()
    assert payee.invoice_for(b"id") is not None
    full = [payee.invoice(b"%d" % number, 1, 0, bench.now) for number in range(3)]
    assert len(full) == 3
    rows = {("request", b"more"): home.stores["payee"].read(payee.kid)["request", b"1"]}
    home.stores["payee"].write(payee.kid, rows)
    assert bench.restart("payee").invoice_for(b"more") is None


def test_a_commit_again_gives_the_same_receipt(home: Home) -> None:
    bench = home.bench
    offer = home.payer.offer(tenge(100), 0, 8, 24_000, bench.now)
    bundle = home.payee.consider(offer, tenge(100), 0, bench.now)
    invoice = home.payee.invoice(b"i", tenge(100), 0, bench.now, offer=offer_hash(offer))
    home.payer.pay(invoice, home.payee.certificate, bench.now, offer)
    transfers = home.payer.transfers_for(invoice.oid)
    receipt = home.payee.receive_commit(bundle, transfers, invoice, bench.now)
    assert home.payee.receive_commit(bundle, transfers, invoice, bench.now) == receipt


def test_a_history_without_its_certificate_does_not_stand(home: Home) -> None:
    bench = home.bench
    bench.hand_over(home.payer, home.payee, tenge(100))
    rows = home.stores["payee"].read(home.payee.kid)
    (line,) = (open_line(value, bench.world.network) for (kind, _), value in rows.items() if kind == LINE)
    with refused("E_CERT_MISSING"):
        check_stands(line, {}, bench.world.trust)
    home.stores["payee"].write(home.payee.kid, {(CERTIFICATE, home.payer.kid): None})
    with refused("E_COINS"):
        bench.hand_over(bench.restart("payee"), home.payer, tenge(100))


def test_a_clone_can_be_written_to_a_disk(home: Home) -> None:
    bench = home.bench
    opened = open_for_attack(home.payer.element, "clone to disk")  # type: ignore[arg-type]
    journal = MemoryJournal()
    journal.append(opened.snapshot())
    clone = OpenedElement(journal, bench.entropy, b"")
    assert clone.status(bench.now) == opened.status(bench.now)


def test_with_two_settlement_keys_the_first_still_answers(home: Home) -> None:
    key = home.bench.world.key("second settlement", ED25519)
    home.payer.element.anchor(home.bench.world.make_auth(SETTLE, key))
    home.bench.sync(home.payer)


def test_ids_of_outpoints_are_told_apart(home: Home) -> None:
    bench = home.bench
    bench.hand_over(home.payer, home.payee, tenge(100))
    assert {outpoint.position for outpoint in home.payer.status(bench.now).purse} == {0, 1}
    assert home.payer.line(Outpoint(b"\0" * 32, 0)) is None


def test_offers_that_are_none(home: Home) -> None:
    strange: list[Any] = [[], [b""], [b"", b""], [1, []], [b"", [[b"x"]]], [b"", [[1, 1]]], [b"", [1]]]
    for offer in strange:
        with pytest.raises(Exception, match="E_FIELD"):
            home.payee.consider(canonical.encode(offer), 1, 0, home.bench.now)


def test_p19_two_payments_at_once_share_nothing(home: Home) -> None:
    bench = home.bench
    invoices = [bench.invoice(home.payee, tenge(70)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        payments = list(
            pool.map(lambda invoice: home.payer.pay(invoice, home.payee.certificate, bench.now), invoices)
        )
    for invoice, payment in zip(invoices, payments, strict=True):
        home.payee.receive(payment, invoice, bench.now)
    assert home.payee.balance_tiyn(bench.now) == tenge(280)
    assert home.payer.balance_tiyn(bench.now) == tenge(520)
    assert home.payer.status(bench.now).counter == 4
