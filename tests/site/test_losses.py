"""A holder reports a loss over HTTP: one device or the whole wallet; who may, what follows, and what a replay does."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.http.client import WsgiTransport
from cbdc.keys import ED25519, SoftwareKey
from cbdc.money import tenge
from cbdc.orders import HolderProof
from cbdc.ports import ManualClock
from cbdc.record import sign
from cbdc.transaction import RotateKey, sign_transaction
from offline.http_losses import WALLET_PURPOSE, device_purpose
from offline.lost import LOST, STOLEN
from tests.site.phone import Phone
from tests.site.test_wallet_story import code_for, joined
from tests.site.visitor import Program, opened
from wallets.desk import derived
from wallets.site.whole import Whole


class Scene:
    """Aigerim with a loaded phone and a second wallet at the same account, and Dana."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        line = WsgiTransport(whole)
        self.phone, self.dana = joined(whole, line, "aigerim"), joined(whole, line, "dana")
        self.laptop = Phone(line, self.phone.bank_id, "aigerim's laptop", whole.world.clock)
        self.laptop.join(code_for(whole, "aigerim", "laptop"))
        self.phone.fund(5_000)
        self.device = self.phone.enrol().status(self.now).kid
        self.phone.take_offline(2_000)

    @property
    def now(self) -> int:
        return self.whole.world.clock.now()

    def word(self, phone: Phone, purpose: str, time: int | None = None, kid: bytes = b"") -> bytes:
        when = self.now if time is None else time
        record = HolderProof(kid or phone.kid, purpose, when, bytes(16))
        return sign(record, phone.gateway.network, phone.signer).encode()

    def later(self, seconds: int) -> None:
        base = self.whole.world.real_clock
        assert isinstance(base, ManualClock)
        base.advance(seconds)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with opened() as whole:
        yield Scene(whole)


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value.code


def test_a_holder_sees_its_devices_with_any_of_its_keys(scene: Scene) -> None:
    [seen] = scene.laptop.losses.devices()
    assert scene.phone.losses.devices() == [seen]
    assert (seen.kid, seen.account, seen.bank_id) == (scene.device, scene.phone.kid, scene.phone.bank_id)
    assert (seen.revoked, seen.reported, seen.known_unspent_tiyn) == (False, 0, tenge(2_000))
    assert scene.dana.losses.devices() == []
    path, gateway = f"/v1/keys/{scene.phone.kid.hex()}/devices", scene.dana.gateway
    assert code_of(lambda: gateway.get(path, gateway.proof(scene.dana.kid, "GET", path))) == "E_HTTP_PROOF"
    assert code_of(lambda: gateway.get(path)) == "E_HTTP_PROOF"
    assert code_of(lambda: gateway.get(f"/v1/keys/{'ab' * 32}/devices")) == "E_HTTP_NONE"


@pytest.mark.parametrize("kind", [LOST, STOLEN])
def test_a_device_is_reported_with_another_key_of_its_owner(scene: Scene, kind: int) -> None:
    report = scene.laptop.losses.report_device(scene.device, kind)
    assert report.kind == kind
    scene.later(60)
    other = STOLEN if kind == LOST else LOST
    assert scene.phone.losses.report_device(scene.device, other) == report
    [seen] = scene.laptop.losses.devices()
    assert (seen.revoked, seen.reported) == (True, kind)
    assert scene.dana.desk.trust(0)[-1].record.sequence > 1
    # The account itself goes on paying.
    scene.phone.pay(scene.dana.kid, 100)


def test_the_money_of_a_lost_device_comes_back_to_the_owner(scene: Scene) -> None:
    scene.laptop.losses.report_device(scene.device)
    scene.later(120 * 86_400)
    scene.whole.world.sandbox.close_cases()
    scene.phone.refresh()
    assert scene.phone.wallet.balance_tiyn() == tenge(5_000)


def test_nobody_else_reports_a_device(scene: Scene) -> None:
    post, path = scene.dana.gateway.post, "/v1/losses/devices"
    purpose = device_purpose(scene.device, LOST)
    bad = {
        "another holder": [scene.device, LOST, scene.word(scene.dana, purpose)],
        "another act": [scene.device, LOST, scene.word(scene.phone, device_purpose(scene.device, STOLEN))],
        "another device": [scene.device, LOST, scene.word(scene.phone, device_purpose(bytes(32), LOST))],
        "too old": [scene.device, LOST, scene.word(scene.phone, purpose, scene.now - 301)],
        "not yet": [scene.device, LOST, scene.word(scene.phone, purpose, scene.now + 301)],
    }
    for why, values in bad.items():
        body = canonical.encode(values)
        assert code_of(lambda body=body: post(path, body)) == "E_LOSS_WORD", why
    forged = canonical.encode([scene.device, LOST, scene.word(scene.dana, purpose, kid=scene.phone.kid)])
    assert code_of(lambda: post(path, forged)) == "E_SIG"
    nobodys = canonical.encode([bytes(32), LOST, scene.word(scene.phone, device_purpose(bytes(32), LOST))])
    assert code_of(lambda: post(path, nobodys)) == "E_DEVICE_UNKNOWN"
    for body in (b"", b"\x90", canonical.encode([scene.device, 3, b""]), bytes(9_000)):
        assert code_of(lambda body=body: post(path, body)).startswith("E_")
    assert [seen.revoked for seen in scene.phone.losses.devices()] == [False]


def test_a_lost_wallet_stops_every_key_and_device_of_its_holder(scene: Scene) -> None:
    reference = scene.laptop.losses.report_wallet()
    assert reference.startswith(f"lost wallet, bank {scene.phone.bank_id}: ")
    assert scene.phone.account.limits().frozen == reference
    assert code_of(lambda: scene.phone.pay(scene.dana.kid, 10)) == "E_FROZEN"
    assert [seen.revoked for seen in scene.laptop.losses.devices()] == [True]
    assert scene.phone.losses.report_wallet() == reference
    # Nobody else is touched, and money still arrives.
    scene.dana.fund(100)
    scene.dana.pay(scene.phone.kid, 10)


def test_the_bank_lifts_it_and_the_same_word_freezes_nothing_again(scene: Scene) -> None:
    word = scene.word(scene.phone, WALLET_PURPOSE)
    post = scene.phone.gateway.post
    first = post("/v1/losses/wallets", word)
    assert post("/v1/losses/wallets", word) == first
    user = scene.whole.world.users.get("aigerim")
    clerk = Program(scene.whole, "clerk-1" if user.bank_id == 1 else "clerk-2")
    customer = scene.whole.world.system.banks[user.bank_id].customers.owner_of(scene.phone.kid).id
    answer = clerk.do("bank", "unfreeze", customer=customer.hex(), reference="came by with a passport")
    assert answer.status_code == 200, answer.text
    assert scene.phone.account.limits().frozen == ""
    again = post("/v1/losses/wallets", word)
    assert isinstance(again, dict)
    assert (again["frozen"], scene.phone.account.limits().frozen) == ("", "")
    scene.phone.pay(scene.dana.kid, 10)
    scene.later(301)
    assert code_of(lambda: post("/v1/losses/wallets", word)) == "E_LOSS_WORD"


def test_nobody_else_reports_a_wallet(scene: Scene) -> None:
    post, path = scene.dana.gateway.post, "/v1/losses/wallets"
    stranger = Phone(WsgiTransport(scene.whole), 1, "stranger", scene.whole.world.clock)
    cases = (
        ("E_LOSS_WORD", scene.word(stranger, WALLET_PURPOSE)),
        ("E_LOSS_WORD", scene.word(scene.phone, "another purpose")),
        ("E_LOSS_WORD", scene.word(scene.phone, WALLET_PURPOSE, scene.now - 301)),
        ("E_SIG", scene.word(scene.dana, WALLET_PURPOSE, kid=scene.phone.kid)),
    )
    for code, word in cases:
        assert code_of(lambda word=word: post(path, word)) == code
    for body in (b"", b"\x90", bytes(1_025)):
        assert code_of(lambda body=body: post(path, body)).startswith("E_")
    assert scene.phone.account.limits().frozen == ""


def test_a_replaced_key_has_nothing_to_say_and_its_devices_stay_the_holders(scene: Scene) -> None:
    newer = SoftwareKey(ED25519, derived("newer"))
    record = RotateKey(bytes(16), scene.phone.kid, newer.public.algorithm, newer.public.raw)
    network = scene.phone.gateway.network
    bank = scene.whole.world.system.keys.bank(scene.phone.bank_id)
    rotated = sign_transaction(record, network, [scene.phone.signer, newer, bank])
    scene.phone.gateway.submit(rotated.encode())
    word = scene.word(scene.phone, WALLET_PURPOSE)
    assert code_of(lambda: scene.phone.gateway.post("/v1/losses/wallets", word)) == "E_LOSS_WORD"
    assert [seen.kid for seen in scene.laptop.losses.devices()] == [scene.device]
    assert scene.laptop.losses.report_device(scene.device).kind == LOST
