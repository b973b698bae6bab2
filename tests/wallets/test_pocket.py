"""A pocket from the wallet's side: filled, emptied and moved by the wallet's key, once for each id."""

import pytest

from cbdc.cards.pocket import pocket_lock
from cbdc.cards.registry import CardRegistry, NewCard
from cbdc.errors import TengeError
from cbdc.keys import ED25519, SoftwareKey
from cbdc.money import tenge
from cbdc.token import KeyLock, QuorumLock
from wallets.cast import Member
from wallets.desk import derived
from wallets.pocket import PocketMover
from wallets.sandbox import Sandbox
from wallets.wallet import refresh


class Scene:
    """A sandbox with Aliya, who has 1,000 tenge in her wallet and a card."""

    def __init__(self) -> None:
        self.sandbox = Sandbox.in_memory(7)
        self.aliya: Member = self.sandbox.person("aliya", deposit_tenge=5_000, device=False)
        self.sandbox.issue(tenge=10_000)
        self.sandbox.buy_once(self.aliya, 1_000)
        system = self.sandbox.system
        self.registry = CardRegistry(system.banks[1], system.stores.cabinet)
        chip = SoftwareKey(ED25519, bytes(range(32)))
        order = NewCard(
            derived("card"), self.aliya.customer, self.aliya.wallet.kid, "visa-like", chip, "9912"
        )
        self.card = self.registry.issue([order])[0]
        self.mover = PocketMover(system.ledger, system.stores.cabinet)

    @property
    def lock(self) -> QuorumLock:
        return self.registry.lock(self.card.id)

    def wallet_tiyn(self) -> int:
        refresh(self.sandbox.store, self.sandbox.system.ledger, self.aliya.wallet)
        return self.aliya.wallet.balance_tiyn()


def refused(call: object) -> str:
    with pytest.raises(TengeError) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def test_what_goes_in_comes_out_and_each_id_moves_once() -> None:
    scene = Scene()
    wallet, mover = scene.aliya.wallet, scene.mover
    for _ in range(2):
        assert mover.fill(wallet, derived("in"), scene.lock, tenge(600)) == tenge(600)
    assert mover.inside(wallet) == tenge(600)
    assert scene.wallet_tiyn() == tenge(400)
    for _ in range(2):
        assert mover.empty(wallet, derived("out")) == tenge(600)
    assert mover.inside(wallet) == 0
    assert scene.wallet_tiyn() == tenge(1_000)


def test_what_it_refuses() -> None:
    scene = Scene()
    wallet, mover = scene.aliya.wallet, scene.mover
    assert refused(lambda: mover.fill(wallet, derived("much"), scene.lock, tenge(1_001))) == "E_FUNDS"
    assert refused(lambda: mover.empty(wallet, derived("nothing"))) == "E_FUNDS"
    assert refused(lambda: mover.relock(wallet, derived("no"), scene.lock)) == "E_FUNDS"
    mover.fill(wallet, derived("in"), scene.lock, tenge(10))
    assert refused(lambda: mover.fill(wallet, derived("in"), scene.lock, tenge(11))) == "E_ID_REUSED"
    assert refused(lambda: mover.empty(wallet, derived("marked"), mark=bytes(32))) == "E_FUNDS"
    stranger = pocket_lock((scene.sandbox.person("boris", device=False).wallet.kid, wallet.kid))
    assert refused(lambda: mover.fill(wallet, derived("his"), stranger, 1)) == "E_LOCK_HOLDER"


def test_a_new_device_opens_the_pocket_only_when_the_wallet_has_moved_it() -> None:
    scene = Scene()
    wallet, mover = scene.aliya.wallet, scene.mover
    mover.fill(wallet, derived("in"), scene.lock, tenge(600))
    phone = SoftwareKey(ED25519, bytes(range(1, 33)))
    scene.registry.provision(scene.card.id, derived("phone"), phone)
    ledger = scene.sandbox.system.ledger
    assert [t.lock for _, t in ledger.owned(wallet.kid) if not isinstance(t.lock, KeyLock)] != [scene.lock]
    assert mover.relock(wallet, derived("relock"), scene.lock) == tenge(600)
    assert [t.lock for _, t in ledger.owned(wallet.kid) if not isinstance(t.lock, KeyLock)] == [scene.lock]
    assert phone.public.kid in scene.lock.kids
