"""Payments, invoices and receipts, case by case (7.4), in both flows and both algorithms, settled at the end."""

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from cbdc import canonical
from cbdc.errors import Malformed, Refused
from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.record import Signed, sign
from offline.batch import make_batch
from offline.bundle import Bundle, HeldToken, open_bundle
from offline.carriers import BleCarrier, NfcCarrier
from offline.link import Faults
from offline.messages import Commit, Draft, Request, open_message
from offline.transfer import CONFIRM, DONE, PayeeSession, PayerSession
from tests.offline.bench import Bench
from tests.offline.town import AMOUNT, LOADED, Exchange, Town

pytestmark = [
    pytest.mark.parametrize("near", [False, True], ids=["flow-Q", "flow-I"]),
    pytest.mark.parametrize("algorithm", [ED25519, ES256], ids=["ed25519", "es256"]),
]
LIMIT = 1 << 19


def refused(code: str) -> Any:
    return pytest.raises((Malformed, Refused), match=f"^{code}:")


def ready(algorithm: int, near: bool) -> tuple[Town, Exchange]:
    """A town in which Ayan is about to pay the shop."""
    town = Town(algorithm)
    return town, town.between("ayan", "shop", near).until_confirm()


def key_of(town: Town, name: str) -> SoftwareKey:
    """The key of a device, as an attacker who opened it would have it."""
    key = SoftwareKey(town.algorithm, town.entropy.bytes("element.key", name.encode()))
    assert key.public.kid == town.people[name].kid
    return key


def settled(town: Town) -> tuple[int, int]:
    """What Ayan and the shop have online after everybody went home."""
    for name in ("ayan", "shop"):
        if town.purse(name):
            town.send_home(name)
        town.sync(name)
    town.check()
    return town.wallet("ayan"), town.wallet("shop")


def test_p1_p2_p3_one_payment_counts_once_however_often_it_comes(algorithm: int, near: bool) -> None:
    town, exchange = ready(algorithm, near)
    payment = exchange.commit()
    receipt = exchange.deliver(payment)
    for _ in range(3):
        assert exchange.deliver(payment) == exchange.deliver(exchange.whole()) == receipt
    onward = town.between("shop", "dana", near, 500, b"o" * 16).until_confirm()
    onward.finish(onward.commit())
    assert exchange.deliver(payment) == receipt, "also after it was spent on"
    session = PayeeSession(town.restart("shop"), b"s" * 16, AMOUNT, 0, near)
    assert session.receive(exchange.whole(), town.now) == [receipt], "and after a restart"
    assert town.purse("shop") == AMOUNT - 500
    assert town.people["shop"].status(town.now).totals.in_count == 1
    assert settled(town) == (LOADED - AMOUNT, AMOUNT - 500)


def test_p5_a_changed_request_is_not_shown_to_the_payer(algorithm: int, near: bool) -> None:
    town = Town(algorithm)
    exchange = town.between("ayan", "shop", near)
    asked = exchange.asking.start(town.now)
    if near:
        (offer,) = exchange.paying.receive(asked, town.now)
        (asked,) = exchange.asking.receive(offer, town.now)
    message: Any = open_message(asked, town.network, LIMIT)
    for field, value in (
        ("amount_tiyn", AMOUNT - 1),
        ("payee", town.people["dana"].kid),
        ("expires", 1 << 40),
    ):
        record = replace(message.invoice.record, **{field: value})
        bent = Signed(record, record.body(), message.invoice.signature, record.oid(town.network))
        with pytest.raises(Refused) as caught:
            exchange.paying.receive(replace(message, invoice=bent).encode(), town.now)
        assert caught.value.code in ("E_SIG", "E_PAYEE", "E_SESSION")
    assert town.purse("ayan") == LOADED
    exchange.paying.receive(asked, town.now)
    exchange.finish(exchange.commit())
    assert settled(town) == (LOADED - AMOUNT, AMOUNT)


def test_p6_an_expired_request_is_not_paid(algorithm: int, near: bool) -> None:
    town, exchange = ready(algorithm, near)
    town.clock.advance(601)
    with refused("E_INVOICE_EXPIRED"):
        exchange.commit()
    assert town.purse("ayan") == LOADED


def test_p7_an_answer_to_a_request_nobody_made(algorithm: int, near: bool) -> None:
    town, exchange = ready(algorithm, near)
    payment = exchange.commit()
    stranger = PayeeSession(town.people["dana"], b"d" * 16, AMOUNT, 0, near)
    stranger.start(town.now)
    for message in (payment, exchange.whole()):
        with pytest.raises(Refused) as caught:
            stranger.receive(message, town.now)
        assert caught.value.code in ("E_INVOICE", "E_SESSION", "E_PAYEE")
    assert town.people["dana"].inbox() == []
    assert town.purse("dana") == 0
    exchange.finish(payment)


def test_p8_asked_to_pay_twice_the_same_bytes_leave(algorithm: int, near: bool) -> None:
    town, exchange = ready(algorithm, near)
    assert exchange.commit() == exchange.commit() == exchange.commit()
    assert town.purse("ayan") == LOADED - AMOUNT
    assert town.people["ayan"].status(town.now).totals.out_count == 1
    exchange.finish(exchange.commit())
    assert settled(town) == (LOADED - AMOUNT, AMOUNT)


def _parts(town: Town, exchange: Exchange) -> tuple[Bundle, list[Any]]:
    exchange.commit()
    bundle = open_bundle(exchange.whole(), town.network, LIMIT)
    return bundle, [token.transfers[-1] for token in bundle.tokens]


def _delivered_bent(town: Town, exchange: Exchange, bundle: Bundle, parts: list[Any]) -> str:
    """The code with which the payee refuses other last transfers than those that were made."""
    lines = [
        HeldToken(token.note, (*token.transfers[:-1], part))
        for token, part in zip(bundle.tokens, parts, strict=False)
    ]
    message = (
        Commit(tuple(parts)).encode() if exchange.near else replace(bundle, tokens=tuple(lines)).encode()
    )
    with pytest.raises(Refused) as caught:
        exchange.deliver(message)
    assert town.purse("shop") == 0
    return caught.value.code


@pytest.mark.parametrize("given", [AMOUNT - 1, AMOUNT + 1])
def test_p10_too_little_and_too_much(algorithm: int, near: bool, given: int) -> None:
    """An opened payer signs another amount for the invoice: refused, set aside, and its own fault at settlement."""
    town, exchange = ready(algorithm, near)
    bundle, (honest,) = _parts(town, exchange)
    record = honest.record
    outputs = (replace_amount(record.outputs[0], given), replace_amount(record.outputs[1], LOADED - given))
    bent = sign(replace(record, outputs=outputs), town.network, key_of(town, "ayan"))
    assert _delivered_bent(town, exchange, bundle, [bent]) == "E_AMOUNT_MISMATCH"
    exchange.deliver(exchange.whole())
    assert town.purse("shop") == AMOUNT


def replace_amount(output: Any, amount_tiyn: int) -> Any:
    return output._replace(amount_tiyn=amount_tiyn)


def test_p11_parts_missing_extra_and_repeated(algorithm: int, near: bool) -> None:
    town = Town(algorithm)
    town.take_offline("ayan", 1_000)
    exchange = town.between("ayan", "shop", near, LOADED + 1_000).until_confirm()
    bundle, (first, second) = _parts(town, exchange)
    key = key_of(town, "ayan")
    again = sign(replace(second.record, part=0), town.network, key)
    more = [sign(replace(one.record, parts=3), town.network, key) for one in (first, second)]
    for parts in ([first], [first, again], more):
        assert _delivered_bent(town, exchange, bundle, parts) in ("E_PARTS", "E_AMOUNT_MISMATCH")
    exchange.deliver(exchange.whole())
    assert town.purse("shop") == LOADED + 1_000


def test_p13_false_receipts_are_not_kept(algorithm: int, near: bool) -> None:
    town = Town(algorithm)
    earlier = town.hand_over("ayan", "shop", 100)
    exchange = town.between("ayan", "shop", near).until_confirm()
    payment = exchange.commit()
    receipt: Any = open_message(exchange.deliver(payment), town.network, LIMIT)
    other = key_of(town, "dana")
    record = receipt.record
    false = [
        sign(record, town.network, other),
        sign(replace(record, payee=other.public.kid), town.network, other),
        sign(replace(record, payment_root=earlier.record.payment_root), town.network, key_of(town, "shop")),
        replace(receipt, signature=bytes(64)),
        earlier,
    ]
    for one in false:
        with pytest.raises(Refused) as caught:
            exchange.paying.receive(one.encode(), town.now)
        assert caught.value.code in ("E_SIG", "E_PAYEE", "E_PARTS", "E_SESSION")
        assert town.people["ayan"].receipt_got(exchange.invoice) is None
    exchange.paying.receive(receipt.encode(), town.now)
    assert town.people["ayan"].receipt_got(exchange.invoice) == receipt
    assert exchange.paying.state == DONE


def test_p14_a_payee_that_denies_it_owns_the_money_all_the_same(algorithm: int, near: bool) -> None:
    """The shop took it and gives no receipt: the payer hands in the payment, and settlement says whose it is."""
    town, exchange = ready(algorithm, near)
    exchange.deliver(exchange.commit())
    transfer = town.people["ayan"].transfers_for(exchange.invoice)[0]
    town.sync("ayan")
    assert town.centre.reconciler.knows(transfer.oid)
    town.close()
    assert (town.wallet("ayan"), town.wallet("shop")) == (LOADED - AMOUNT, AMOUNT)


def test_p16_a_revoked_payee_is_not_paid(algorithm: int, near: bool) -> None:
    town = Town(algorithm)
    exchange = town.between("ayan", "shop", near)
    town.centre.publish(b"revoked", revoke=(town.people["shop"].kid,))
    town.people["ayan"].trust(town.centre.trust(1))
    with refused("E_REVOKED"):
        exchange.until_confirm()
    assert town.purse("ayan") == LOADED
    assert exchange.paying.state not in (CONFIRM, DONE)


def test_p16_an_expired_payee_is_not_paid(algorithm: int, near: bool) -> None:
    bench = Bench("P16", algorithm)
    payer, payee = bench.device("payer"), bench.device("payee", expires=bench.now + 300)
    bench.load(payer, LOADED)
    asking, paying = PayeeSession(payee, b"s" * 16, AMOUNT, 0, near), PayerSession(payer)
    answers = paying.receive(asking.start(bench.now), bench.now)
    if near:
        (draft,) = asking.receive(answers[0], bench.now)
        paying.receive(draft, bench.now)
    with refused("E_CERT_TIME"):
        paying.confirm(bench.now + 301)
    fresh = PayerSession(payer)
    with refused("E_CERT_TIME"):
        fresh.receive(asking.start(bench.now), bench.now + 301)
    assert payer.balance_tiyn(bench.now) == LOADED


def test_p17_a_stranger_hands_in_an_intercepted_payment(algorithm: int, near: bool) -> None:
    """Whoever brings it, it is the shop's: credited once the shop's own statement shows that it never took it."""
    town, exchange = ready(algorithm, near)
    exchange.commit()
    intercepted = open_bundle(exchange.whole(), town.network, LIMIT)
    (transfer,) = [token.transfers[-1] for token in intercepted.tokens]
    town.centre.submit(make_batch(b"a stranger's own", [intercepted]).encode())
    town.check()
    assert town.centre.reconciler.knows(transfer.oid)
    assert [town.wallet(name) for name in ("ayan", "shop", "dana")] == [0, 0, 0], (
        "nobody is credited for bringing it"
    )
    town.sync("shop")
    town.check()
    assert [town.wallet(name) for name in ("ayan", "shop", "dana")] == [0, AMOUNT, 0]
    with refused("E_INVOICE_UNKNOWN"):
        exchange.deliver(exchange.whole())
    town.sync("dana")
    assert settled(town) == (LOADED - AMOUNT, AMOUNT)
    assert town.wallet("dana") == 0


def test_p18_a_relay_reaches_a_distant_payee_and_cannot_change_whom_or_how_much(
    algorithm: int, near: bool
) -> None:
    """What limits.md says: the bytes travel over two radios and a thief's phone, and everything works."""
    town = Town(algorithm)
    exchange = town.between("ayan", "shop", near)
    here = NfcCarrier(town.entropy, b"here", Faults(drop=100))
    there = BleCarrier(town.entropy, b"there", Faults(drop=100))

    def relayed(message: bytes) -> bytes:
        first = here.send(message).message
        assert first is not None
        second = there.send(first).message
        assert second is not None
        return second

    answers = exchange.paying.receive(relayed(exchange.asking.start(town.now)), town.now)
    if near:
        (draft,) = exchange.asking.receive(relayed(answers[0]), town.now)
        exchange.paying.receive(relayed(draft), town.now)
    # What the payer sees before it agrees is the certified payee and the signed amount, wherever they are.
    assert exchange.paying.state == CONFIRM
    assert exchange.paying.payee == town.people["shop"].certificate
    assert exchange.paying.amount_tiyn == AMOUNT
    (receipt,) = exchange.asking.receive(relayed(exchange.paying.confirm(town.now)), town.now)
    exchange.paying.receive(relayed(receipt), town.now)
    assert settled(town) == (LOADED - AMOUNT, AMOUNT)


def test_p20_a_refund_is_a_payment_back(algorithm: int, near: bool) -> None:
    town, exchange = ready(algorithm, near)
    exchange.finish(exchange.commit())
    back = town.between("shop", "ayan", near, AMOUNT, b"b" * 16).until_confirm()
    back.finish(back.commit())
    assert (town.purse("ayan"), town.purse("shop")) == (LOADED, 0)
    assert settled(town) == (LOADED, 0)


def test_p21_the_payee_takes_fewer_bytes_than_the_money_needs(algorithm: int, near: bool) -> None:
    town = Town(algorithm)
    shop, ayan = town.people["shop"], town.people["ayan"]
    small = shop.invoice(b"small" + bytes(11), AMOUNT, 0, town.now, max_bytes=600)
    with refused("E_COINS_BYTES"):
        if near:
            ayan.offer(AMOUNT, 0, 8, 600, town.now)
        else:
            ayan.pay(small, shop.certificate, town.now)
    assert town.purse("ayan") == LOADED
    exact = shop.invoice(b"enough" + bytes(10), AMOUNT, 0, town.now, max_bytes=24_576)
    payment = ayan.pay(exact, shop.certificate, town.now)
    limited = replace(exact.record, max_bytes=len(payment) - 1)
    with refused("E_SIZE"):
        shop.receive(payment, sign(limited, town.network, key_of(town, "shop")), town.now)
    shop.receive(payment, exact, town.now)
    assert town.purse("shop") == AMOUNT


@pytest.mark.parametrize("amount", [0, -1, 1 << 53])
def test_p22_a_request_for_nothing_or_for_too_much(algorithm: int, near: bool, amount: int) -> None:
    town = Town(algorithm)
    with pytest.raises((Malformed, Refused)) as caught:
        town.people["shop"].invoice(b"nothing" + bytes(9), amount, 0, town.now)
    assert caught.value.code in ("E_FIELD", "E_RANGE", "E_LIMIT_IN", "E_TYPE")
    exchange = town.between("ayan", "shop", near).until_confirm()
    message: Any = open_message(exchange.said[-1], town.network, LIMIT)
    assert isinstance(message, Draft if near else Request)
    values: Any = canonical.decode(message.invoice.body)
    values[3] = amount
    forged = [6, msgpack.packb(values, use_bin_type=True), bytes(64)]
    whole = [35, b"s" * 16, forged, []] if near else [32, forged, message.payee.envelope()]
    with pytest.raises(Malformed) as caught:
        PayerSession(town.people["ayan"]).receive(msgpack.packb(whole, use_bin_type=True), town.now)
    assert caught.value.code in ("E_FIELD", "E_RANGE")
    assert town.purse("ayan") == LOADED


def test_p22_above_what_the_payer_may_pay_at_once(algorithm: int, near: bool) -> None:
    town = Town(algorithm)
    most = town.people["ayan"].certificate.record.limits
    much = most.max_payment_tiyn + 1
    town.take_offline("ayan", much)
    exchange = town.between("ayan", "shop", near, much)
    with refused("E_TXLIMIT"):
        exchange.until_confirm().commit()
    assert town.purse("ayan") == LOADED + much
