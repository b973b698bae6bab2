"""One suite for every `OfflineDesk`: the life of two devices, whether settlement is in this process or behind HTTP.

Each form is given the same opened world: accounts at a bank, two wallets with keys of their own, devices outside the
sandbox's own cast.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cbdc.errors import TengeError
from cbdc.http.client import HttpGateway, WsgiTransport
from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.money import tenge
from cbdc.orders import FundOrder
from cbdc.ports import SeededEntropy
from cbdc.record import sign
from cbdc.token import KeyLock, Token
from cbdc.transaction import LoadOffline, sign_transaction
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.gateway import OfflineDesk, ask_to_enrol
from offline.host_store import MemoryHostStore
from offline.http_client import HttpOfflineDesk
from offline.journal import MemoryJournal
from tests.site.visitor import opened
from wallets.desk import derived
from wallets.site.opening import customer_id
from wallets.site.whole import Whole


@dataclass(slots=True)
class Holder:
    """A wallet outside the server, its device, and its way to settlement."""

    signer: SoftwareKey
    desk: OfflineDesk
    device: Device
    bank_id: int


@dataclass(slots=True)
class Reached:
    """A server and a way to settlement for each account key."""

    whole: Whole
    desk_of: Callable[[SoftwareKey], OfflineDesk]

    @property
    def network(self) -> bytes:
        return self.whole.world.system.network

    def now(self) -> int:
        return self.whole.world.clock.now()

    def holder(self, user_id: str) -> Holder:
        """A user's wallet with a certified device and the newest lists."""
        user = self.whole.world.users.get(user_id)
        bank = self.whole.world.system.banks[user.bank_id]
        signer = SoftwareKey(ED25519, derived("contract wallet", user_id))
        bank.register_key(customer_id(user), signer)
        desk = self.desk_of(signer)
        element = SimulatedSecureElement(
            MemoryJournal(), SeededEntropy(len(user_id)), derived("contract element", user_id), ES256
        )
        challenge = desk.challenge(user.bank_id, user_id.encode())
        assert desk.challenge(user.bank_id, user_id.encode()) == challenge
        proof = element.enrol(self.network, user.bank_id, challenge)
        word = ask_to_enrol(proof, signer, self.network, self.now(), bytes(16))
        certificate = desk.enrol(proof, word)
        assert desk.enrol(proof, word) == certificate
        view = self.whole.world.sandbox.field.centre.trust_view
        element.provision(view, certificate)
        device = Device(element, MemoryHostStore())
        device.recover(self.now())
        return Holder(signer, desk, device, user.bank_id)

    def load(self, holder: Holder, amount_tenge: int) -> None:
        """Buy with the deposit, lock in escrow, take the note."""
        world, kid = self.whole.world, holder.signer.public.kid
        order = FundOrder(
            derived("contract order", kid), holder.bank_id, kid, tenge(amount_tenge), self.now()
        )
        world.system.banks[holder.bank_id].fund(sign(order, self.network, holder.signer))
        [(token, held)] = world.system.ledger.owned(kid)
        status = holder.device.status(self.now())
        outputs = (Token(held.amount_tiyn, KeyLock(world.system.escrow_kid)),)
        record = LoadOffline(bytes(16), (token,), outputs, status.kid, status.load_number + 1)
        world.system.ledger.submit(sign_transaction(record, self.network, [holder.signer]).encode())
        world.sandbox.field.centre.tick()
        [note] = holder.desk.notes(status.kid, 0)
        assert list(holder.desk.notes(status.kid, 0)) == [note]
        assert list(holder.desk.notes(status.kid, note.record.load_number)) == []
        holder.device.load(note, self.now())


def _local(whole: Whole) -> Reached:
    return Reached(whole, lambda signer: whole.world.sandbox.field.centre)


def _http(whole: Whole) -> Reached:
    def desk_of(signer: SoftwareKey) -> OfflineDesk:
        signers = {signer.public.kid: signer}.get
        world = whole.world
        gateway = HttpGateway(WsgiTransport(whole), signers, world.real_clock, SeededEntropy(3))
        return HttpOfflineDesk(gateway, signer.public.kid, signers, world.clock, SeededEntropy(4))

    return Reached(whole, desk_of)


FORMS: dict[str, Callable[[Whole], Reached]] = {"local": _local, "http": _http}


@pytest.fixture(params=FORMS)
def reached(request: pytest.FixtureRequest) -> Iterator[Reached]:
    with opened() as whole:
        yield FORMS[request.param](whole)


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value.code


def test_two_devices_pay_and_settle(reached: Reached) -> None:
    payer, payee = reached.holder("aigerim"), reached.holder("dana")
    reached.load(payer, 3_000)
    now = reached.now()
    invoice = payee.device.invoice(b"bread", tenge(1_200), 0, now)
    payment = payer.device.pay(invoice, payee.device.certificate, now)
    receipt = payee.device.receive(payment, invoice, now)
    payer.device.keep_receipt(receipt)
    for holder in (payee, payer):
        *first, last = holder.device.sync(b"evening", now)
        for batch in first:
            holder.desk.submit(batch.encode())
        answer = holder.desk.sync(last.encode())
        assert holder.desk.sync(last.encode()) == answer
        holder.device.sync_commit(answer.sync, now)
    order = payee.desk.redeem_order(b"home", payee.device.status(now).kid)
    assert payee.desk.redeem_order(b"home", payee.device.status(now).kid) == order
    payee.device.redeem(order, now)
    *_, last = payee.device.sync(b"night", now)
    payee.device.sync_commit(payee.desk.sync(last.encode()).sync, now)
    reached.whole.world.sandbox.close_cases()
    owned = reached.whole.world.system.ledger.owned(payee.signer.public.kid)
    assert sum(token.amount_tiyn for _, token in owned) == tenge(1_200)
    assert payee.desk.evidence(payer.device.status(now).kid) == []


def test_lists_bring_a_device_up_to_date(reached: Reached) -> None:
    holder = reached.holder("aigerim")
    lists = holder.desk.trust(0)
    assert lists
    newest = max(one.record.sequence for one in lists)
    assert all(one.record.sequence > newest for one in holder.desk.trust(newest))


def test_what_cannot_be_is_refused_alike(reached: Reached) -> None:
    holder, other = reached.holder("aigerim"), reached.holder("bolat")
    network, now = reached.network, reached.now()
    assert code_of(lambda: holder.desk.challenge(77, b"x")) == "E_BANK_UNKNOWN"
    assert code_of(lambda: holder.desk.outcome(bytes(32))) == "E_CLAIM_UNKNOWN"
    element = SimulatedSecureElement(MemoryJournal(), SeededEntropy(9), bytes(32), ES256)
    proof = element.enrol(network, 1, holder.desk.challenge(1, b"another"))
    second = element.enrol(network, 1, holder.desk.challenge(1, b"yet another"))
    elses = ask_to_enrol(second, other.signer, network, now, bytes(16))
    assert code_of(lambda: holder.desk.enrol(proof, elses)) == "E_DEVICE_WORD"
    stranger = SoftwareKey(ED25519, bytes([7]) * 32)
    unknown = ask_to_enrol(proof, stranger, network, now, bytes(16))
    assert code_of(lambda: holder.desk.enrol(proof, unknown)) == "E_KEY_UNKNOWN"
    assert code_of(lambda: holder.desk.sync(holder.device.sync(b"r", now)[-1].encode()[:-1])).startswith("E_")
    assert code_of(lambda: holder.desk.submit(b"")).startswith("E_")
