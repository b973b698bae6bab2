"""Attacks on settlement and devices that succeed today: each test says what should happen, and fails until it does."""

import os
from dataclasses import replace

import pytest

from cbdc.errors import TengeError, Unavailable
from cbdc.keys import ES256, SoftwareKey
from cbdc.record import sign
from cbdc.token import KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import LoadOffline, Transfer, sign_transaction
from offline.escrow import Load
from offline.gateway import ask_to_enrol
from offline.records import Enrol
from wallets.cast import Member
from wallets.sandbox import Sandbox
from wallets.wallet import refresh

LAST_NUMBER = 2**53 - 1
CLOSED = 150 * 86_400


def _sandbox() -> tuple[Sandbox, Member, Member, Member]:
    sandbox = Sandbox.in_memory(seed=7)
    first, second, third = (sandbox.person(name, deposit_tenge=10_000) for name in "ABM")
    sandbox.issue(tenge=100_000)
    return sandbox, first, second, third


def _load(sandbox: Sandbox, who: Member, device: bytes, number: int, amounts: list[int]) -> None:
    """Any wallet may load for any device, under any load number."""
    token = who.wallet.tokens(b"")[0]
    outputs = [Token(amount, KeyLock(sandbox.system.escrow_kid)) for amount in amounts]
    if rest := token.amount_tiyn - sum(amounts):
        outputs.append(Token(rest, KeyLock(who.wallet.kid)))
    record = LoadOffline(os.urandom(16), (token.id,), tuple(outputs), device, number)
    try:
        sandbox.system.ledger.submit(
            sign_transaction(record, sandbox.system.network, [who.wallet.signer]).encode()
        )
    except TengeError:
        return  # refusing it at the ledger is one way to be safe
    refresh(sandbox.store, sandbox.system.ledger, who.wallet)


def test_a_load_with_the_last_number_does_not_end_settlement() -> None:
    sandbox, first, _, mallory = _sandbox()
    sandbox.buy([(mallory, 100)], b"x" * 32)
    _load(sandbox, mallory, bytes(32), LAST_NUMBER, [1, 1])
    sandbox.reconcile()
    sandbox.buy_and_load(first, tenge=500)
    sandbox.field.reconciler.totals()


def test_a_stranger_does_not_use_up_a_devices_load_numbers() -> None:
    sandbox, first, _, mallory = _sandbox()
    sandbox.buy([(mallory, 100)], b"x" * 32)
    assert first.device is not None
    _load(sandbox, mallory, first.device.status(sandbox.clock.now()).kid, LAST_NUMBER, [1])
    sandbox.buy_and_load(first, tenge=500)
    sandbox.clock.advance(60)
    sandbox.buy_and_load(first, tenge=500)
    assert first.device.status(sandbox.clock.now()).balance_tiyn >= 100_000


def test_loads_are_not_forgotten_when_the_ledger_does_not_answer_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox, first, _, _ = _sandbox()
    reconciler = sandbox.field.reconciler
    registry, failures = reconciler._registry, [1]

    def flaky(load: Load) -> object:
        if failures:
            failures.pop()
            raise Unavailable("E_STORE_UNAVAILABLE", detail="once")
        return registry(load)

    monkeypatch.setattr(reconciler, "_registry", flaky)
    with pytest.raises(Unavailable):
        sandbox.buy_and_load(first, tenge=1_000)
    assert reconciler.totals().notes_tiyn == 100_000


@pytest.mark.parametrize("trick", ["another lock", "dust"])
def test_one_case_that_cannot_be_collected_does_not_stop_settlement(trick: str) -> None:
    sandbox, cheat, shop, kiosk = _sandbox()
    sandbox.buy_and_load(cheat, tenge=3_000)
    sandbox.clone(cheat)
    sandbox.pay_offline_once(cheat, shop, tenge=3_000)
    sandbox.pay_offline_once(cheat, kiosk, tenge=3_000, clone=True)
    sandbox.sync([shop, kiosk])
    sandbox.buy([(cheat, 100_000)], b"x" * 32)
    wallet, network = cheat.wallet, sandbox.system.network
    token = wallet.tokens(b"")[0].id
    if trick == "another lock":
        outputs = (Token(100_000, QuorumLock(1, (wallet.kid, shop.wallet.kid))),)
        record = Transfer(os.urandom(16), (token,), outputs)
        sandbox.system.ledger.submit(sign_transaction(record, network, [wallet.signer]).encode())
    else:
        halves = tuple(Token(500, KeyLock(wallet.kid)) for _ in range(200))
        record = Transfer(os.urandom(16), (token,), halves)
        made = sandbox.system.ledger.submit(sign_transaction(record, network, [wallet.signer]).encode())
        inputs = tuple(TokenId(made.transaction_id, place) for place in range(100))
        quarters = tuple(Token(250, KeyLock(wallet.kid)) for _ in range(200))
        record = Transfer(os.urandom(16), inputs, quarters)
        sandbox.system.ledger.submit(sign_transaction(record, network, [wallet.signer]).encode())
    sandbox.clock.advance(CLOSED)
    sandbox.close_cases()
    assert sandbox.sync([shop]) == [None]


def test_a_device_belongs_to_a_wallet_only_if_the_wallet_says_so() -> None:
    # Refunds go to the owner, and recourse takes from the owner; today the applicant names anyone, and any tier.
    sandbox, victim, _, _ = _sandbox()
    key = SoftwareKey(ES256, b"q" * 32)
    centre = sandbox.field.centre
    proof = Enrol(1, ES256, key.public.raw, centre.challenge(1, b"a stranger's request"))
    enrol = sign(proof, sandbox.system.network, key)
    own = ask_to_enrol(enrol, key, sandbox.system.network, sandbox.clock.now(), bytes(16))
    forged = sign(replace(own.record, kid=victim.wallet.kid), sandbox.system.network, key)
    for word in (own, forged):
        with pytest.raises(TengeError) as caught:
            centre.enrol(enrol, word)
        assert caught.value.code in ("E_KEY_UNKNOWN", "E_SIG")


def test_a_wallet_counts_only_what_it_can_spend() -> None:
    sandbox, victim, _, mallory = _sandbox()
    sandbox.buy([(mallory, 500), (victim, 100)], b"x" * 32)
    token = mallory.wallet.tokens(b"")[0]
    lock = QuorumLock(2, (victim.wallet.kid, mallory.wallet.kid))
    record = Transfer(os.urandom(16), (token.id,), (Token(token.amount_tiyn, lock),))
    try:
        sandbox.system.ledger.submit(
            sign_transaction(record, sandbox.system.network, [mallory.wallet.signer]).encode()
        )
    except TengeError:
        return
    refresh(sandbox.store, sandbox.system.ledger, victim.wallet)
    assert victim.wallet.balance_tiyn() == 100
