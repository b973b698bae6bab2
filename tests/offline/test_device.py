"""Hosts of devices: coins, histories, the inbox, evidence, redemption, sync, and a lost host (5.5 to 5.9)."""

from itertools import pairwise
from typing import Any

import pytest

from cbdc.errors import Refused
from cbdc.money import tenge
from cbdc.record import open_envelope
from cbdc.token import MERCHANT
from offline import device_sync, host_receive
from offline.batch import Batch, open_batch
from offline.bundle import open_bundle
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.evidence import verify_evidence
from offline.host_store import MemoryHostStore, SqliteHostStore
from offline.opened import open_for_attack
from offline.records import REDEEM, Outpoint, Transfer
from tests.offline.bench import DAY, Bench
from tests.offline.shop import refused


@pytest.fixture
def bench() -> Bench:
    return Bench("device")


def element_of(device: Device) -> SimulatedSecureElement:
    assert isinstance(device.element, SimulatedSecureElement)
    return device.element


def clone_of(bench: Bench, device: Device, reason: str = "clone") -> Device:
    """An opened copy of a device, with a copy of its rows."""
    store = MemoryHostStore()
    name = next(name for name, made in bench.stores.items() if made.read(device.kid))
    store.write(device.kid, dict(bench.stores[name].read(device.kid)))
    return Device(open_for_attack(element_of(device), reason), store)


# --- paying ---


def test_a_chain_of_hops_and_back(bench: Bench) -> None:
    a, b, c = (bench.device(name) for name in "abc")
    bench.load(a, tenge(5_000))
    bench.hand_over(a, b, tenge(3_000))
    bench.hand_over(b, c, tenge(2_000))
    bench.hand_over(c, a, tenge(1_000))
    bench.hand_over(a, b, tenge(3_000))
    assert [device.balance_tiyn(bench.now) for device in (a, b, c)] == [tenge(0), tenge(4_000), tenge(1_000)]


def test_five_hops_and_no_sixth(bench: Bench) -> None:
    devices = [bench.device(f"d{number}") for number in range(7)]
    bench.load(devices[0], tenge(100))
    for payer, payee in pairwise(devices[:6]):
        bench.hand_over(payer, payee, tenge(100))
    with refused("E_COINS"):
        bench.hand_over(devices[5], devices[6], tenge(100))
    order = bench.order(devices[5].kid)
    (home,) = devices[5].redeem(order, bench.now)
    assert (home.record.kind, home.record.hop, home.record.length) == (REDEEM, 5, 6)


def test_exact_coins_are_preferred_and_parts_combined(bench: Bench) -> None:
    a, shop = bench.device("a"), bench.device("shop", category=MERCHANT)
    bench.load(a, tenge(1_000), tenge(500), tenge(200))
    invoice = bench.invoice(shop, tenge(700))
    bundle = open_bundle(a.pay(invoice, shop.certificate, bench.now), bench.world.network, 24_000)
    assert [len(token.transfers[-1].record.outputs) for token in bundle.tokens] == [1, 1]
    bench.hand_over(a, shop, tenge(600))
    assert a.balance_tiyn(bench.now) == tenge(400)
    kept = [key for kind, key in bench.stores["a"].read(a.kid) if kind == "line"]
    assert len(kept) == len(a.status(bench.now).purse)


def test_p8_p19_the_same_payment_again(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(1_000))
    invoice = bench.invoice(b, tenge(300))
    payment = a.pay(invoice, b.certificate, bench.now)
    assert a.pay(invoice, b.certificate, bench.now + 9 * DAY) == payment == a.resend(invoice.oid)
    assert a.balance_tiyn(bench.now) == tenge(700)
    with refused("E_PAYMENT_UNKNOWN"):
        a.resend(b"\0" * 32)


def test_p21_histories_longer_than_the_payee_takes(bench: Bench) -> None:
    devices = [bench.device(f"d{number}") for number in range(5)]
    bench.load(devices[0], tenge(100))
    for payer, payee in pairwise(devices[:4]):
        bench.hand_over(payer, payee, tenge(100))
    last, payee = devices[3], devices[4]
    narrow = payee.invoice(b"n", tenge(100), 0, bench.now, max_bytes=1_500)
    before = last.status(bench.now)
    with refused("E_COINS_BYTES"):
        last.pay(narrow, payee.certificate, bench.now)
    assert last.status(bench.now) == before
    bench.load(last, tenge(100))
    payment = last.pay(narrow, payee.certificate, bench.now)
    assert len(payment) <= 1_500
    payee.receive(payment, narrow, bench.now)


def test_too_little_money_is_said_plainly(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(100), purpose=7, max_hops=2)
    bench.load(a, tenge(100))
    bench.load(a, tenge(100), spend_by=bench.now + DAY)
    with pytest.raises(Refused, match="E_COINS") as caught:
        a.pay(bench.invoice(b, tenge(101)), b.certificate, bench.now)
    assert caught.value.facts["usable_tiyn"] == tenge(100)


def test_money_that_no_payee_would_take_is_left(bench: Bench) -> None:
    a, b, c = (bench.device(name) for name in "abc")
    (good, bad) = bench.load(a, tenge(100), tenge(100))
    bench.load(c, tenge(100))
    bench.hand_over(c, a, tenge(100))
    lists: dict[str, Any] = {"revoked_kids": (c.kid[:16],), "tainted_notes": (bad.record.serial,)}
    a.trust([bench.world.make_trust(2, **lists)])
    with refused("E_COINS"):
        a.pay(bench.invoice(b, tenge(200)), b.certificate, bench.now)
    payment = a.pay(bench.invoice(b, tenge(100)), b.certificate, bench.now)
    (token,) = open_bundle(payment, bench.world.network, 24_000).tokens
    assert token.note.oid == good.oid
    freed = bench.world.make_trust(3, policy=((25, 0),), revoked_kids=(c.kid[:16],))
    a.trust([freed])
    a.pay(bench.invoice(b, tenge(200)), b.certificate, bench.now)
    gone = bench.world.make_trust(4, revoked_references=(bench.world.issuer_key.public.kid[:8],))
    bench.load(a, tenge(10))
    a.trust([gone])
    with refused("E_COINS"):
        a.pay(bench.invoice(b, tenge(10)), b.certificate, bench.now)


def test_t11_without_its_history_money_waits_for_a_sync(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(500))
    bench.hand_over(a, b, tenge(200))
    lost = Device(b.element, MemoryHostStore())
    assert lost.balance_tiyn(bench.now) == tenge(200)
    with refused("E_COINS"):
        lost.pay(bench.invoice(a, tenge(200)), a.certificate, bench.now)
    order = bench.order(b.kid)
    (home,) = lost.redeem(order, bench.now)
    (batch,) = lost.sync(b"s", bench.now)
    assert home.oid in loose_transfers(bench, batch)
    again = Device(a.element, MemoryHostStore())
    (batch,) = again.sync(b"s", bench.now)
    assert len(loose_transfers(bench, batch)) == 1


def loose_transfers(bench: Bench, batch: Batch) -> set[bytes]:
    opened = [item for item in batch.objects if item[0] == Transfer.TYPE]
    return {open_envelope(list(item), Transfer, bench.world.network).oid for item in opened}


# --- receiving ---


def test_what_fails_for_me_goes_to_the_inbox(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(500))
    invoice = bench.invoice(b, tenge(200))
    payment = a.pay(invoice, b.certificate, bench.now)
    bench.sync(b)
    for _ in range(2):
        with refused("E_INVOICE_UNKNOWN"):
            b.receive(payment, invoice, bench.now)
    assert b.inbox() == [("E_INVOICE_UNKNOWN", payment)]
    assert not {"incoming", "line"} & {kind for kind, _ in bench.stores["b"].read(b.kid)}
    assert b.balance_tiyn(bench.now) == 0
    (batch,) = b.sync(b"late", bench.now)
    assert payment in batch.bundles
    assert batch.sync_request is not None
    b.sync_commit(bench.ack(batch.sync_request), bench.now)
    assert b.inbox() == []


def test_what_is_not_for_me_does_not(bench: Bench) -> None:
    a, b, c = (bench.device(name) for name in "abc")
    bench.load(a, tenge(500))
    mine, other = bench.invoice(b, tenge(200)), bench.invoice(c, tenge(200))
    payment = a.pay(other, c.certificate, bench.now)
    with refused("E_INVOICE"):
        b.receive(payment, mine, bench.now)
    for garbage in (b"", b"\x93\x01\x90\x90", payment[:-1]):
        with pytest.raises(Exception, match="E_"):
            b.receive(garbage, mine, bench.now)
    assert b.inbox() == []


def test_the_inbox_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_receive, "MAX_INBOX", 1)
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(500))
    for _ in range(2):
        invoice = bench.invoice(b, tenge(100))
        payment = a.pay(invoice, b.certificate, bench.now)
        with refused("E_EXPIRED"):
            b.receive(payment, invoice, bench.now + 60 * DAY)
    assert len(b.inbox()) == 1


def test_p2_a_replay_keeps_the_history_of_held_money(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, *[tenge(10)] * 40)
    first = bench.invoice(b, tenge(10))
    payment = a.pay(first, b.certificate, bench.now)
    receipt = b.receive(payment, first, bench.now)
    assert b.receive(payment, first, bench.now) == receipt == b.receipt_given(first.oid)
    bench.sync(b)
    assert b.receive(payment, first, bench.now) == receipt
    for _ in range(33):
        bench.hand_over(a, b, tenge(10))
    bench.sync(b)
    held = next(outpoint for outpoint, slot in b.status(bench.now).purse.items())
    with refused("E_INVOICE_UNKNOWN"):
        b.receive(payment, first, bench.now)
    assert b.balance_tiyn(bench.now) == tenge(340)
    assert all(b.line(outpoint) for outpoint in b.status(bench.now).purse)
    assert b.line(held) is not None


def test_x27_both_branches_at_one_payee_are_evidence(bench: Bench) -> None:
    a = bench.device("a", attacks_allowed=True)
    shop = bench.device("shop", category=MERCHANT)
    bench.load(a, tenge(500))
    twin = clone_of(bench, a)
    bench.hand_over(a, shop, tenge(500))
    invoice = bench.invoice(shop, tenge(500))
    payment = twin.pay(invoice, shop.certificate, bench.now)
    with refused("E_DOUBLE_SPEND"):
        shop.receive(payment, invoice, bench.now)
    (file,) = shop.evidence()
    verdict = verify_evidence(file, bench.world.root)
    assert verdict.kid == a.kid
    assert [code for code, _ in shop.inbox()] == ["E_DOUBLE_SPEND"]
    again = bench.restart("shop")
    with refused("E_DOUBLE_SPEND"):
        again.receive(payment, invoice, bench.now)
    bench.sync(again)
    again = bench.restart("shop")
    with refused("E_DOUBLE_SPEND"):
        again.receive(payment, bench.invoice(again, tenge(500)), bench.now)


def test_a_payer_that_equivocates_is_seen_too(bench: Bench) -> None:
    a = bench.device("a", attacks_allowed=True)
    shop = bench.device("shop", category=MERCHANT)
    bench.load(a, tenge(500), tenge(300))
    twin = clone_of(bench, a)
    bench.hand_over(a, shop, tenge(500))
    with refused("E_EQUIVOCATION"):
        bench.hand_over(twin, shop, tenge(300))
    assert len(shop.evidence()) == 1


# --- receipts ---


def test_p13_only_the_right_receipt_is_kept(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(500))
    other = bench.hand_over(a, b, tenge(100))
    invoice = bench.invoice(b, tenge(200))
    receipt = b.receive(a.pay(invoice, b.certificate, bench.now), invoice, bench.now)
    key = bench.world.key("stranger")
    for fields, code in (
        ({"payee": b.kid}, "E_SIG"),
        ({"payee": key.public.kid}, "E_PAYEE"),
        ({"payee": b.kid, "payment_root": other.record.payment_root}, "E_PARTS"),
    ):
        values = {"payment_root": receipt.record.payment_root, **fields}
        with refused(code):
            a.keep_receipt(bench.world.make_receipt(key, invoice, **values))
    with refused("E_PAYMENT_UNKNOWN"):
        b.keep_receipt(receipt)
    assert a.receipt_got(invoice.oid) is None
    a.keep_receipt(receipt)
    assert a.receipt_got(invoice.oid) == receipt


# --- invoices ---


def test_an_invoice_repeats_at_any_time(bench: Bench) -> None:
    b = bench.device("b")
    invoice = b.invoice(b"id", 100, 0, bench.now)
    assert b.invoice(b"id", 100, 0, bench.now + 300) == invoice == b.invoice_for(b"id")
    assert bench.restart("b").invoice(b"id", 100, 0, bench.now + 300) == invoice
    assert b.made_invoice(invoice.oid) == invoice
    with refused("E_REQUEST_REUSED"):
        b.invoice(b"id", 101, 0, bench.now)
    assert b.invoice_for(b"other") is None
    with refused("E_LIMIT_IN"):
        b.invoice(b"big", tenge(50_001), 0, bench.now)
    assert b.invoice_for(b"big") is None


def test_an_invoice_asks_for_what_the_purse_can_hold(bench: Bench) -> None:
    b = bench.device("b")
    bench.load(b, *[1] * 61)
    assert bench.invoice(b, 100).record.max_parts == 3
    with refused("E_PURSE_FULL"):
        bench.invoice(b, 100)


# --- loading, redeeming, syncing ---


def test_loading_again_is_nothing_even_when_spent_and_reloaded(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    notes = bench.load(a, tenge(100), tenge(200))
    bench.hand_over(a, b, tenge(300))
    for note in notes:
        a.load(note, bench.now)
    assert a.balance_tiyn(bench.now) == 0
    with refused("E_LOAD_OWNER"):
        b.load(notes[0], bench.now)
    assert b.line(Outpoint(notes[0].oid, 0)) is None


def test_redeeming_all_or_some(bench: Bench) -> None:
    a = bench.device("a")
    bench.load(a, tenge(100), tenge(200), tenge(400))
    order = bench.order(a.kid)
    first = a.redeem(order, bench.now, amount_tiyn=tenge(250))
    assert sum(t.record.outputs[0].amount_tiyn for t in first) == tenge(250)
    assert a.redeem(order, bench.now) == first
    assert bench.restart("a").redeem(order, bench.now) == first
    rest = a.redeem(bench.order(a.kid), bench.now)
    assert sum(t.record.outputs[0].amount_tiyn for t in rest) == tenge(450)
    for amount in (None, 1, 0):
        with refused("E_COINS"):
            a.redeem(bench.order(a.kid), bench.now, amount_tiyn=amount)


def test_redeeming_one_purpose(bench: Bench) -> None:
    a = bench.device("a")
    bench.load(a, tenge(100))
    bench.load(a, tenge(30), purpose=7, max_hops=2)
    a.redeem(bench.order(a.kid), bench.now, purpose=7)
    assert a.balance_tiyn(bench.now, 0) == a.balance_tiyn(bench.now) == tenge(100)


def test_a_sync_hands_everything_in_once(bench: Bench) -> None:
    a, b, c = (bench.device(name) for name in "abc")
    bench.load(a, tenge(500))
    bench.hand_over(a, b, tenge(400))
    bench.hand_over(b, c, tenge(300))
    (batch,) = b.sync(b"s", bench.now)
    again = open_batch(batch.encode(), bench.world.network)
    assert again == batch
    bundles = [open_bundle(data, bench.world.network, len(data)) for data in batch.bundles]
    kinds = sorted(item[0] for item in batch.objects)
    assert kinds == [3, 6, 7, 7]  # its certificate, the invoice, the receipts given and got
    assert [len(token.transfers) for bundle in bundles for token in bundle.tokens] == [2]
    (same,) = b.sync(b"another id", bench.now)
    assert same.sync_request == batch.sync_request
    assert batch.sync_request is not None
    b.sync_commit(bench.ack(batch.sync_request), bench.now)
    (empty,) = b.sync(b"t", bench.now)
    assert (len(empty.bundles), len(empty.objects)) == (0, 1)


def test_an_incomplete_answer_keeps_payments_for_the_next_sync(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(500))
    invoice = bench.invoice(b, tenge(400))
    a.pay(invoice, b.certificate, bench.now)
    bench.sync(a, complete=False)
    assert a.resend(invoice.oid)
    (batch,) = a.sync(b"s", bench.now)
    assert len(batch.bundles) == 1
    bench.sync(a)
    with refused("E_PAYMENT_UNKNOWN"):
        a.resend(invoice.oid)


def test_the_same_answer_again_finishes_a_cut_off_sync(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(500))
    invoice = bench.invoice(b, tenge(400))
    a.pay(invoice, b.certificate, bench.now)
    (batch,) = a.sync(b"s", bench.now)
    assert batch.sync_request is not None
    ack = bench.ack(batch.sync_request)
    a.element.sync_commit(ack)
    again = bench.restart("a")
    again.sync_commit(ack, bench.now)
    with refused("E_PAYMENT_UNKNOWN"):
        again.resend(invoice.oid)
    with refused("E_SYNC_ACK"):
        again.sync_commit(bench.ack(batch.sync_request, time=bench.now + 1), bench.now)


def test_what_came_after_the_request_stays(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(500))
    bench.load(b, tenge(500))
    bench.hand_over(a, b, tenge(100))
    (batch,) = a.sync(b"s", bench.now)
    assert batch.sync_request is not None
    late = bench.invoice(b, tenge(50))
    a.pay(late, b.certificate, bench.now)
    mine = bench.invoice(a, tenge(60))
    a.sync(b"again", bench.now)
    a.sync_commit(bench.ack(batch.sync_request), bench.now)
    assert a.resend(late.oid)
    assert a.made_invoice(mine.oid) == mine
    a.receive(b.pay(mine, a.certificate, bench.now), mine, bench.now)


def test_a_long_line_and_its_redemption_travel_in_pieces(bench: Bench) -> None:
    a, shop = bench.device("a"), bench.device("shop", category=MERCHANT)
    bench.load(a, tenge(500))
    for _ in range(12):
        bench.hand_over(a, shop, 1)
    with refused("E_COINS"):
        bench.hand_over(a, shop, 1)
    (home,) = a.redeem(bench.order(a.kid), bench.now)
    assert home.record.length == 13
    (batch,) = a.sync(b"s", bench.now)
    assert loose_transfers(bench, batch) == {home.oid}


def test_large_syncs_are_cut_into_batches(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    a, shop = bench.device("a"), bench.device("shop", category=MERCHANT)
    bench.load(a, *[tenge(10)] * 30)
    for _ in range(30):
        bench.hand_over(a, shop, tenge(10))
    whole = shop.sync(b"s", bench.now)
    assert len(whole) == 1
    monkeypatch.setattr(device_sync, "BATCH_BYTES", 8_000)
    parts = shop.sync(b"s", bench.now)
    assert len(parts) > 3
    assert [batch.sync_request is not None for batch in parts] == [False] * (len(parts) - 1) + [True]
    assert sum(len(batch.bundles) for batch in parts) == len(whole[0].bundles)
    assert {tuple(map(bytes, item[1:])) for batch in parts for item in batch.objects} == {
        tuple(map(bytes, item[1:])) for item in whole[0].objects
    }
    assert len({batch.batch_id for batch in parts}) == len(parts)
    monkeypatch.setattr(device_sync, "BATCH_ITEMS", 2)
    assert all(len(b.bundles) + len(b.objects) <= 2 for b in shop.sync(b"s", bench.now))


# --- papers and time ---


def test_trust_passes_from_device_to_device(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    a.trust([bench.world.make_trust(2, base_sequence=1, revoked_kids=(b"\1" * 16,))])
    assert b.trust_newer_than(1) == ()
    chain = a.trust_newer_than(b.trust_view.sequence)
    assert len(chain) == 1, "the change alone, for a device that has the list before it"
    assert len(a.trust_newer_than(0)) == 2
    b.trust(chain)
    assert b.trust_view.is_revoked(b"\1" * 32)


def test_a_renewed_certificate_is_used_from_then_on(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(500))
    renewed = bench.world.make_device("a", algorithm=bench.algorithm, public_key=a.element.public_key.raw)
    a.renew(renewed.certificate)
    payment = a.pay(bench.invoice(b, 100), b.certificate, bench.now)
    bundle = open_bundle(payment, bench.world.network, 24_000)
    assert [certificate.oid for certificate in bundle.certificates] == [renewed.certificate.oid]


def test_old_rows_are_pruned_by_signed_time(bench: Bench) -> None:
    a, b = bench.device("a"), bench.device("b")
    bench.load(a, tenge(500))
    bench.hand_over(a, b, tenge(100))
    bench.sync(b)
    bench.sync(a)
    kinds = {kind for kind, _ in bench.stores["b"].read(b.kid)}
    assert kinds == {"certificate", "line", "seen", "settled", "request"}
    order = bench.order(b.kid, expires=bench.now + 600)
    b.redeem(order, bench.now)
    bench.sync(b, time=bench.now + 200 * DAY)
    assert {kind for kind, _ in bench.stores["b"].read(b.kid)} == {"certificate"}
    bench.sync(a, time=bench.now + 200 * DAY)
    assert {kind for kind, _ in bench.stores["a"].read(a.kid)} == {"certificate", "line", "settled"}


def test_devices_share_a_file(bench: Bench, tmp_path: Any) -> None:
    store = SqliteHostStore(tmp_path / "hosts.db", durable=False)
    a, b = bench.device("a", store), bench.device("b", store)
    bench.load(a, tenge(500))
    bench.hand_over(a, b, tenge(100))
    again = bench.restart("b")
    bench.hand_over(again, a, tenge(100))
    store.close()
