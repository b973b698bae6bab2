"""Carriers of every kind and exchanges over them: what the tests play and what the pages show."""

from collections.abc import Callable

from cbdc.money import tenge
from cbdc.ports import SeededEntropy
from cbdc.token import MERCHANT
from offline.carriers import BleCarrier, Carrier, FileCarrier, NfcCarrier, Passage, QrCarrier
from offline.link import Faults
from offline.transfer import PayeeSession, PayerSession
from tests.offline.bench import Bench

ENTROPY = SeededEntropy(16)
# In thousandths: of each packet, how often it is dropped; a third of that each for damage, repeats, swaps and delays.
LOSSES = (0, 50, 100, 200, 300)


def faults(loss: int) -> Faults:
    return Faults(
        drop=loss, corrupt=loss // 3, repeat=loss // 3, swap=loss // 3, delay=loss // 3, cut=loss // 10
    )


MAKES: dict[str, Callable[[bytes, int], Carrier]] = {
    "qr": lambda id, loss: QrCarrier(ENTROPY, id, faults(loss)),
    "nfc": lambda id, loss: NfcCarrier(ENTROPY, id, faults(loss)),
    "ble-23": lambda id, loss: BleCarrier(ENTROPY, id, faults(loss), 23),
    "ble-517": lambda id, loss: BleCarrier(ENTROPY, id, faults(loss), 517),
    "ble-sealed": lambda id, loss: BleCarrier(
        ENTROPY, id, faults(loss), 185, engage=QrCarrier(ENTROPY, id, faults(loss))
    ),
    "file": lambda id, loss: FileCarrier(ENTROPY, id, faults(loss)),
}


def conversation(
    near: bool, algorithm: int, carrier: Carrier | None = None
) -> tuple[Bench, list[tuple[str, Passage]]]:
    """A whole exchange over a carrier (without one: hand to hand), each message sent again until it arrives."""
    bench = Bench("carriers", algorithm)
    payer, payee = bench.device("payer"), bench.device("payee", category=MERCHANT)
    bench.load(payer, tenge(3_000), tenge(2_000))
    asking, paying = PayeeSession(payee, b"s" * 16, tenge(4_000), 0, near), PayerSession(payer)
    passed: list[tuple[str, Passage]] = []

    def over(name: str, message: bytes) -> bytes:
        if carrier is None:
            passed.append((name, Passage(message, 1, 1, len(message), 0)))
            return message
        for _ in range(20):
            passed.append((name, carrier.send(message)))
            arrived = passed[-1][1].message
            if arrived is not None:
                return arrived
        raise AssertionError("nothing arrived in twenty attempts")

    answers = paying.receive(over("HELLO" if near else "REQUEST", asking.start(bench.now)), bench.now)
    if near:
        (draft,) = asking.receive(over("OFFER", answers[0]), bench.now)
        paying.receive(over("DRAFT", draft), bench.now)
    payment = over("COMMIT" if near else "BUNDLE", paying.confirm(bench.now))
    (receipt,) = asking.receive(payment, bench.now)
    paying.receive(over("RECEIPT", receipt), bench.now)
    assert payer.balance_tiyn(bench.now) == tenge(1_000)
    assert payee.balance_tiyn(bench.now) == tenge(4_000)
    assert payee.status(bench.now).totals.in_count == 1
    return bench, passed
