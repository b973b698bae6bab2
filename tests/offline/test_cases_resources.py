"""Z8: what an attacker without a key can make a device do: little, and never any cryptography before the counts."""

import random
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest

from cbdc import canonical
from cbdc.errors import Malformed, Refused
from cbdc.keys import ED25519, ES256, PublicKey
from cbdc.money import tenge
from offline.link import (
    ASSEMBLY_SECONDS,
    MAX_OPEN,
    ApduResponder,
    Assembler,
    BleReceiver,
    frames,
    select_application,
)
from offline.messages import open_message
from offline.records import MAX_CERTIFICATES, MAX_TOKENS, MAX_TRANSFERS
from offline.transfer import PayeeSession, PayerSession
from offline.verify import EMPTY, verify_payment
from tests.offline.bench import Bench
from tests.offline.shop import refused

LIMIT = 24 * 1_024


@pytest.fixture(params=[ED25519, ES256], ids=["ed25519", "es256"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench("Z8", request.param)


def test_z8_ten_thousand_invoices_are_capped(bench: Bench) -> None:
    """A hostile host asks its element for 10^4 invoices: four are open, the rest are refused, and nothing grows."""
    element = bench.element("payee")
    made = refusals = 0
    size = element.status(bench.now)
    for number in range(10_000):
        id = number.to_bytes(16, "big")
        try:
            element.invoice(id, tenge(1), 0, bench.now + 600, 8, LIMIT, b"", b"", bench.now)
        except Refused as error:
            refusals += 1
            code = error.code
        else:
            made += 1
    assert (made, refusals) == (4, 9_996)
    assert code == "E_INVOICES_OPEN"
    status = element.status(bench.now)
    assert len(status.pending) == 4
    assert status.reserved_tiyn == tenge(4)
    assert status.invoice_number == size.invoice_number + 4, "a refusal signs nothing and counts nothing"
    later = bench.now + 1_201
    element.invoice(b"after they expired", tenge(1), 0, later + 600, 8, LIMIT, b"", b"", later)
    assert len(element.status(later).pending) == 1


def test_z8_slow_frames_are_forgotten(bench: Bench) -> None:
    """One frame every half a minute, of messages without end: at most four are open, none longer than two minutes."""
    assembler = Assembler(LIMIT)
    dice = random.Random(8)
    first = frames(dice.randbytes(3_000))
    assert assembler.take(first[0], 0) is None
    for number in range(1, 300):
        part = frames(dice.randbytes(3_000))[number % 5]
        assert assembler.take(part, 30 * number) is None
        assert len(assembler._open) <= MAX_OPEN
        oldest = min(item.started for item in assembler._open.values())
        assert 30 * number - oldest <= ASSEMBLY_SECONDS
    rest = [assembler.take(frame, 30 * 299) for frame in first[1:]]
    assert rest == [None] * 4, "its first frame was let go long ago"


def test_z8_garbage_before_every_reader_holds_no_memory(bench: Bench) -> None:
    dice = random.Random(9)
    assembler, receiver = Assembler(LIMIT), BleReceiver(LIMIT)
    card = ApduResponder(lambda message: b"", LIMIT)
    select_application(card.process)
    chained = bytes([0x90, 0xC2, 0, 0, 255]) + bytes(255)

    def flood(count: int) -> None:
        for _ in range(count):
            data = dice.randbytes(dice.randint(1, 700))
            with suppress(Malformed):
                assembler.take(data, 0)
            with suppress(Malformed):
                receiver.take(data)
            card.process(chained)
            card.process(data)

    flood(200)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        flood(2_000)
        assert tracemalloc.get_traced_memory()[0] - before < 4 * LIMIT
    finally:
        tracemalloc.stop()


def widest(bench: Bench, certificates: int, tokens: int, transfers: int) -> bytes:
    """A bundle of so many certificates, tokens and transfers each: well-formed, and nothing in it is signed rightly."""
    world = bench.world
    device = world.make_device("wide", bench.algorithm)
    note = world.make_note(device.kid, tenge(1))
    paid = world.make_transfer(device.key, note, note, bytes(32), 100)
    line = [note.envelope(), [paid.envelope()] * transfers]
    return canonical.encode([1, [device.certificate.envelope()] * certificates, [line] * tokens])


@pytest.mark.parametrize(
    ("certificates", "tokens", "transfers", "code"),
    [
        (MAX_CERTIFICATES + 1, 1, 1, "E_COUNT"),
        (1, MAX_TOKENS + 1, 1, "E_COUNT"),
        (1, 1, MAX_TRANSFERS + 1, "E_COUNT"),
        (MAX_CERTIFICATES, MAX_TOKENS, MAX_TRANSFERS + 1, "E_SIZE"),
        (MAX_CERTIFICATES, MAX_TOKENS, MAX_TRANSFERS, "E_SIZE"),
    ],
)
def test_z8_one_signature_too_many_is_refused_before_any_is_verified(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, certificates: int, tokens: int, transfers: int, code: str
) -> None:
    """24 + 8 + 8 x 12 = 128 signatures at most, and the size is asked first of all."""
    assert MAX_CERTIFICATES + MAX_TOKENS + MAX_TOKENS * MAX_TRANSFERS == 128
    payee = bench.world.make_device("payee", bench.algorithm)
    invoice = bench.world.make_invoice(payee.key, tenge(1))
    data = widest(bench, certificates, tokens, transfers)
    checked: list[Any] = []
    monkeypatch.setattr(PublicKey, "verify", lambda *asked: checked.append(asked))
    with pytest.raises(Malformed, match=f"^{code}:"):
        verify_payment(data, invoice, 1, bench.world.trust, bench.now, EMPTY)
    assert checked == []


def test_z8_messages_too_long_or_too_many_are_refused_before_any_signature(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer, payee = bench.device("payer"), bench.device("payee")
    bench.load(payer, tenge(100))
    asking = PayeeSession(payee, b"s" * 16, tenge(1), 0, near=True)
    hello = asking.start(bench.now)
    (offer,) = PayerSession(payer).receive(hello, bench.now)
    values: Any = canonical.decode(offer)
    trust = bench.world.first_trust.envelope()
    values[4] = [trust] * 65
    many_lists = canonical.encode(values)
    paid = widest(bench, 1, 1, 1)
    transfer = canonical.decode(paid)[2][0][1][0]  # type: ignore[index]
    many_parts = canonical.encode([36, [transfer] * 9])
    monkeypatch.setattr(PublicKey, "verify", lambda *asked: pytest.fail("a signature was verified"))
    for message, code in (
        (many_lists, "E_COUNT"),
        (many_parts, "E_COUNT"),
        (bytes(1 << 19) + b"x", "E_SIZE"),
    ):
        with pytest.raises(Malformed, match=f"^{code}:"):
            asking.receive(message, bench.now)
    assert open_message(hello, bench.world.network, 1 << 19)


def test_z8_offers_again_and_again_reserve_nothing(bench: Bench) -> None:
    """A stranger asks a payer a thousand times; nothing is committed, and its money is free for a real payee."""
    payer, payee = bench.device("payer"), bench.device("payee")
    bench.load(payer, tenge(100))
    for number in range(1_000):
        session = PayeeSession(payee, number.to_bytes(16, "big"), tenge(60), 0, near=True)
        PayerSession(payer).receive(session.start(bench.now), bench.now)
    assert payer.balance_tiyn(bench.now) == tenge(100)
    bench.hand_over(payer, payee, tenge(60))
    with refused("E_COINS"):
        payer.offer(tenge(60), 0, 8, LIMIT, bench.now)
