"""One suite for every `SecureElement`: in this process, behind a byte channel, and in a process of its own.

`play` asks an element everything a host may ask, in a story with payments, refusals and a restart, and writes down each
answer. The element in this process is the measure: every other way gives the same bytes, codes and facts.

To add a way to reach an element, add it to `tests/offline/ways.py`.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cbdc.authority import BANK_CA
from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import MERCHANT, PERSON
from offline.device import Device
from offline.element_protocol import ElementStatus, SecureElement
from offline.host_store import MemoryHostStore
from offline.purse import Caps
from offline.records import Invoice, Outpoint, SignedTransfer
from offline.trust import TrustView
from tests.offline.bench import Bench
from tests.offline.shop import refused
from tests.offline.ways import WAYS, Memory, Way
from tests.offline.world import NOW, START, World, fixed_bytes

CAPS = Caps(5, 12)
_addresses = count(1)


@pytest.fixture(scope="module", params=list(WAYS))
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """One way for the whole module; each test takes new addresses."""
    made = WAYS[request.param](tmp_path_factory.mktemp(request.param))
    yield made
    made.close()


class Pair:
    """A payer with a note of 5,000 tenge, a payee, and the institutions around them."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.bench = Bench("contract")
        self.world = self.bench.world
        self.numbers = (next(_addresses), next(_addresses))
        for name, number in zip(("payer", "payee"), self.numbers, strict=True):
            element = way.element(number)
            element.provision(self.world.trust, self.certificate(name, element))
        self.note = self.world.make_note(self.payer.public_key.kid, tenge(5_000))
        self.payer.load(self.note, NOW)
        self.pick = Outpoint(self.note.oid, 0)

    def certificate(self, name: str, element: SecureElement, **fields: Any) -> Any:
        category = MERCHANT if name == "payee" else PERSON
        raw = element.public_key.raw
        device = self.world.make_device(name, algorithm=2, public_key=raw, category=category, **fields)
        return device.certificate

    @property
    def payer(self) -> SecureElement:
        return self.way.element(self.numbers[0])

    @property
    def payee(self) -> SecureElement:
        return self.way.element(self.numbers[1])

    def invoice(self, id: bytes = b"one", amount: int = tenge(1_000), **fields: Any) -> Signed[Invoice]:
        values = {
            "purpose": 0,
            "expires": NOW + 600,
            "max_parts": 8,
            "max_bytes": 24_000,
            "offer": b"",
            "memo": b"",
        }
        return self.payee.invoice(id, amount, **{**values, **fields}, now=NOW)

    def pay(self, invoice: Signed[Invoice]) -> tuple[SignedTransfer, ...]:
        return self.payer.pay(invoice, self.payee.certificate, [self.pick], NOW)

    def accept(self, invoice: Signed[Invoice], transfers: tuple[SignedTransfer, ...]) -> Any:
        return self.payee.accept(invoice.oid, transfers, [CAPS] * len(transfers), self.payer.certificate, NOW)


@pytest.fixture
def pair(way: Way) -> Pair:
    return Pair(way)


# --- the same answers, whichever way ---


def told(answer: object) -> object:
    """An answer in a form that can be compared: bytes of signed objects, parts of views."""
    if isinstance(answer, Signed):
        return answer.encode(), answer.oid
    if isinstance(answer, TrustView):
        return (
            answer.network,
            [item.oid for item in answer.chain],
            [auth.oid for auth in answer.authority.auths],
        )
    if isinstance(answer, tuple) and answer and isinstance(answer[0], Signed):
        return [item.encode() for item in answer]
    return answer


def play(way: Way, first: int) -> list[object]:
    """Everything a host may ask, and a refusal of nearly every call; the answers in order."""
    world, bench = World("play"), Bench("play")
    said: list[object] = []

    def ask(call: Callable[[], object]) -> Any:
        try:
            answer = call()
        except TengeError as error:
            said.append({"code": error.code, "facts": error.facts, "family": error.family})
            return None
        said.append(told(answer))
        return answer

    def certificate(name: str, number: int, **fields: Any) -> Any:
        raw = way.element(number).public_key.raw
        return world.make_device(name, algorithm=2, public_key=raw, category=MERCHANT, **fields).certificate

    a, b = first, first + 1
    ayan, shop = (lambda: way.element(a)), (lambda: way.element(b))
    ask(lambda: ayan().public_key)
    ask(lambda: ayan().certificate)
    ask(lambda: ayan().trust_view)
    ask(lambda: ayan().status(NOW))
    ask(lambda: ayan().receipt(b"r" * 32))
    ask(lambda: ayan().resend(b"r" * 32))
    ask(lambda: ayan().enrol(world.network, 1, b"c" * 32))
    ask(lambda: ayan().enrol(world.network, 1, b"short"))
    ask(lambda: ayan().sync_begin(b"s"))
    ask(lambda: ayan().trust([world.make_trust(2)]))
    mine, theirs = certificate("ayan", a), certificate("shop", b)
    ask(lambda: ayan().provision(world.trust, theirs))
    ask(lambda: ayan().provision(world.trust, mine))
    ask(lambda: ayan().provision(world.trust, mine))
    ask(lambda: ayan().provision(world.trust, certificate("ayan", a)))
    ask(lambda: shop().provision(world.trust, theirs))
    ask(lambda: ayan().certificate)
    ask(lambda: ayan().trust_view)
    note = world.make_note(ayan().public_key.kid, tenge(5_000))
    ask(lambda: ayan().load(note, NOW))
    ask(lambda: ayan().load(note, NOW))
    ask(lambda: shop().load(note, NOW))
    ask(lambda: ayan().load(world.make_note(ayan().public_key.kid, 1, signer=world.bank_key), NOW))

    def invoice(
        id: bytes, amount: Any = 100_000, max_parts: Any = 8, memo: bytes = b"", now: Any = NOW
    ) -> Any:
        wishes = (amount, 0, NOW + 600, max_parts, 24_000, b"", memo)
        return ask(lambda: shop().invoice(id, *wishes, now))

    one, two = invoice(b"one"), invoice(b"two", tenge(9_000))
    invoice(b"one", 5)
    invoice(b"one")
    invoice(b"three", 2**53)
    invoice(b"three", -1)
    invoice(b"three", 0)
    invoice(b"three", True)
    invoice(b"three", max_parts=9)
    invoice(b"three", memo=b"m")
    invoice(b"three", now=NOW + 9_999)
    invoice(b"")
    invoice(b"i" * 65)
    pick = Outpoint(note.oid, 0)
    ask(lambda: ayan().pay(two, theirs, [pick], NOW))
    ask(lambda: ayan().pay(one, mine, [pick], NOW))
    ask(lambda: ayan().pay(one, theirs, [], NOW))
    ask(lambda: ayan().pay(one, theirs, [pick, pick], NOW))
    ask(lambda: ayan().pay(one, theirs, [Outpoint(b"x", 300)], NOW))
    paid = ask(lambda: ayan().pay(one, theirs, [pick], NOW))
    ask(lambda: shop().accept(one.oid, (), [], mine, NOW))
    ask(lambda: shop().accept(one.oid, paid, [Caps(0, 12)], mine, NOW))
    ask(lambda: shop().accept(b"?" * 32, paid, [CAPS], mine, NOW))
    ask(lambda: shop().accept(one.oid, paid, [CAPS], mine, NOW))
    ask(lambda: ayan().status(NOW))
    way.restart()
    ask(lambda: ayan().pay(one, theirs, [pick], NOW))
    ask(lambda: ayan().resend(one.oid))
    ask(lambda: shop().accept(one.oid, paid, [CAPS], mine, NOW))
    ask(lambda: shop().receipt(one.oid))
    ask(lambda: shop().status(NOW))
    change = Outpoint(paid[0].oid, 1)
    order = world.make_redeem_order(ayan().public_key.kid)
    ask(lambda: ayan().redeem(b"r", world.make_redeem_order(b"k" * 32), [change], 100, NOW))
    ask(lambda: ayan().redeem(b"r", order, [change], 100, NOW))
    ask(lambda: ayan().redeem(b"r", order, [change], 101, NOW))
    ask(lambda: ayan().redeem(b"r", order, [change], 100, NOW))
    ask(lambda: ayan().verify_pin(b"1234"))
    ask(lambda: ayan().set_pin(b"p", b"12a4", 0))
    ask(lambda: ayan().set_pin(b"p", b"1234", 0))
    ask(lambda: ayan().set_pin(b"p", b"1234", 5))
    ask(lambda: ayan().verify_pin(b"4321"))
    ask(lambda: ayan().verify_pin(b"1234"))
    request = ask(lambda: ayan().sync_begin(b"s"))
    ask(lambda: ayan().sync_begin(b"t"))
    bench.world = world
    ask(lambda: ayan().sync_commit(bench.ack(request, sync_number=9)))
    ask(lambda: ayan().sync_commit(bench.ack(request, signer=world.bank_key)))
    ask(lambda: ayan().sync_commit(bench.ack(request)))
    ask(lambda: ayan().pay(one, theirs, [change], NOW))
    ask(lambda: ayan().trust([world.make_trust(2, signer=world.bank_key)]))
    ask(lambda: ayan().trust([world.make_trust(3, revoked_kids=(theirs.record.kid[:16],))]))
    ask(lambda: ayan().trust([world.make_trust(2)]))
    ask(lambda: ayan().anchor(world.make_auth(BANK_CA, world.key("third bank"), (3, 3))))
    ask(lambda: ayan().anchor(world.make_auth(BANK_CA, world.key("false"), (4, 3), signer=world.bank_key)))
    ask(lambda: ayan().renew(certificate("ayan", a, not_before=START + 1)))
    ask(lambda: ayan().renew(theirs))
    ask(lambda: ayan().certificate)
    ask(lambda: ayan().trust_view)
    ask(lambda: ayan().status(NOW + 5))
    return said


def test_every_way_gives_the_same_answers(way: Way, tmp_path: Path) -> None:
    # The measure plays with the same addresses, so its keys are the same.
    first = next(_addresses)
    next(_addresses)
    measure = play(Memory(tmp_path), first)
    codes = {item["code"] for item in measure if isinstance(item, dict)}
    assert len(codes) > 20, "the story has refusals of many kinds"
    for place, (mine, its) in enumerate(zip(play(way, first), measure, strict=True)):
        assert mine == its, place


# --- what a host relies on ---


def test_a_new_element_has_a_key_and_nothing_else(way: Way) -> None:
    address = next(_addresses)
    status = way.element(address).status(NOW)
    assert (status.status, status.balance_tiyn, status.certificate) == ("not provisioned", 0, None)
    assert way.element(address).public_key == way.element(address).public_key
    assert way.element(next(_addresses)).public_key != way.element(address).public_key
    with refused("E_ELEMENT_STATE"):
        way.element(address).load(World("contract").make_note(b"k" * 32, 5), NOW)


def test_an_answer_is_given_again_and_nothing_happens_twice(pair: Pair) -> None:
    invoice = pair.invoice()
    assert pair.invoice() == invoice
    paid = pair.pay(invoice)
    assert pair.pay(invoice) == paid
    receipt = pair.accept(invoice, paid)
    assert pair.accept(invoice, paid) == receipt
    assert pair.payer.status(NOW).balance_tiyn == tenge(4_000)
    assert pair.payee.status(NOW).balance_tiyn == tenge(1_000)


def test_a_restart_forgets_nothing_that_was_answered(pair: Pair) -> None:
    invoice = pair.invoice()
    paid = pair.pay(invoice)
    receipt = pair.accept(invoice, paid)
    before = [element.status(NOW) for element in (pair.payer, pair.payee)]
    pair.way.restart()
    assert [element.status(NOW) for element in (pair.payer, pair.payee)] == before
    assert pair.payer.resend(invoice.oid) == paid
    assert pair.payee.receipt(invoice.oid) == receipt
    assert pair.pay(invoice) == paid
    assert pair.accept(invoice, paid) == receipt


REFUSED: dict[str, tuple[str, Callable[[Pair], object]]] = {
    "too much": (
        "E_TXLIMIT",
        lambda p: p.payer.pay(p.invoice(b"x", tenge(40_000)), p.payee.certificate, [p.pick], NOW),
    ),
    "not covered": (
        "E_PICKS",
        lambda p: p.payer.pay(p.invoice(b"x", tenge(6_000)), p.payee.certificate, [p.pick], NOW),
    ),
    "not held": (
        "E_OUTPOINT",
        lambda p: p.payer.pay(p.invoice(), p.payee.certificate, [Outpoint(b"x" * 32, 0)], NOW),
    ),
    "expired": (
        "E_INVOICE_EXPIRED",
        lambda p: p.payer.pay(p.invoice(), p.payee.certificate, [p.pick], NOW + 900),
    ),
    "unknown invoice": (
        "E_INVOICE_UNKNOWN",
        lambda p: p.payee.accept(b"x" * 32, (), [], p.payer.certificate, NOW),
    ),
    "too many parts": ("E_FIELD", lambda p: p.payee.invoice(b"x", 5, 0, NOW + 9, 99, 9, b"", b"", NOW)),
    "foreign note": ("E_LOAD_OWNER", lambda p: p.payer.load(p.world.make_note(b"x" * 32, 5), NOW)),
    "foreign order": (
        "E_ORDER",
        lambda p: p.payer.redeem(b"r", p.world.make_redeem_order(b"x" * 32), [p.pick], 5, NOW),
    ),
    "nothing to acknowledge": (
        "E_SYNC_ACK",
        lambda p: p.payer.sync_commit(p.bench.ack(p.payee.sync_begin(b"s"))),
    ),
    "old list": ("E_TRUST_OLD", lambda p: p.payer.trust([p.world.make_trust(1, issued=NOW - 5)])),
    "no PIN": ("E_PIN_UNSET", lambda p: p.payer.verify_pin(b"1234")),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_a_refusal_changes_nothing(pair: Pair, case: str) -> None:
    code, call = REFUSED[case]
    before = pair.payer.status(NOW)
    with pytest.raises(TengeError, match=f"^{code}:"):
        call(pair)
    assert pair.payer.status(NOW) == before


def test_a_pin_stands_before_what_is_above_the_limit(pair: Pair) -> None:
    pair.payer.set_pin(b"p", b"2580", tenge(1_000))
    first = pair.invoice(b"1", tenge(900))
    (paid,) = pair.pay(first)
    pair.pick = Outpoint(paid.oid, 1)
    second = pair.invoice(b"2", tenge(200))
    with refused("E_PIN"):
        pair.pay(second)
    with refused("E_PIN_WRONG"):
        pair.payer.verify_pin(b"0000")
    pair.payer.verify_pin(b"2580")
    (paid,) = pair.pay(second)
    assert pair.payer.status(NOW).pin == (3, tenge(1_000), 0)
    pair.payer.verify_pin(b"2580")
    pair.way.restart()
    pair.pick = Outpoint(paid.oid, 1)
    with refused("E_PIN"):
        pair.pay(pair.invoice(b"3", tenge(1_001)))


def test_long_messages_pass(pair: Pair) -> None:
    many = tuple(fixed_bytes(f"revoked {number}", 16) for number in range(3_000))
    pair.payer.trust([pair.world.make_trust(5, revoked_kids=many)])
    assert pair.payer.trust_view.is_revoked(many[-1])
    for _ in range(40):
        pair.payer.load(pair.world.make_note(pair.payer.public_key.kid, 7), NOW)
    assert len(pair.payer.status(NOW).purse) == 41


def test_a_device_works_over_it(way: Way) -> None:
    pair = Pair(way)
    stores = [MemoryHostStore(), MemoryHostStore()]

    def devices() -> tuple[Device, Device]:
        made = Device(pair.payer, stores[0]), Device(pair.payee, stores[1])
        for device in made:
            device.recover(NOW)
        return made

    payer, payee = devices()
    note = pair.world.make_note(payer.kid, tenge(3_000))
    payer.load(note, NOW)
    invoice = payee.invoice(b"i", tenge(2_500), 0, NOW)
    payment = payer.pay(invoice, payee.certificate, NOW)
    receipt = payee.receive(payment, invoice, NOW)
    payer.keep_receipt(receipt)
    way.restart()
    payer, payee = devices()
    assert payer.pay(invoice, payee.certificate, NOW) == payment
    assert payee.receive(payment, invoice, NOW) == receipt
    order = pair.world.make_redeem_order(payee.kid)
    sent = payee.redeem(order, NOW)
    assert payee.redeem(order, NOW) == sent
    request = payee.sync(b"s", NOW)[-1].sync_request
    assert request is not None
    payee.sync_commit(pair.bench.ack(request), NOW)
    status: ElementStatus = payee.status(NOW)
    assert (status.balance_tiyn, status.outbox, status.sync_pending) == (0, (), False)
    assert payer.balance_tiyn(NOW) == tenge(5_000) + tenge(3_000) - tenge(2_500)
