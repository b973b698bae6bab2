"""A wallet joins a bank account by a code: once, in time, with a key that is there."""

import pytest

from cbdc.errors import TengeError
from cbdc.joining import CODE_SECONDS, JoinDesk, normal_code
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ports import ManualClock
from cbdc.record import ONLINE_DOMAIN, object_id, signing_message
from cbdc.system import System
from cbdc.transaction import RegisterKey
from tests.site.visitor import opened
from wallets.desk import derived
from wallets.site.opening import customer_id
from wallets.site.world import World


def key(name: str) -> SoftwareKey:
    return SoftwareKey(ED25519, derived("joining", name))


def signed(system: System, record: RegisterKey, signer: SoftwareKey) -> bytes:
    name = object_id(ONLINE_DOMAIN, record.TYPE, system.network, record.body())
    return signer.sign(signing_message(ONLINE_DOMAIN, record.TYPE, name))


@pytest.fixture
def world():
    with opened() as whole:
        yield whole.world


def desk(world: World, bank_id: int = 1) -> JoinDesk:
    return world.joining[bank_id]


def code_of(call) -> str:
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value.code


def test_a_code_joins_a_key_once(world: World) -> None:
    aigerim = customer_id(world.users.get("aigerim"))
    code = desk(world).issue(bytes(32), aigerim)
    assert desk(world).issue(bytes(32), aigerim) == code
    assert desk(world).issue(b"\1" * 32, aigerim) != code
    mine, other = key("mine"), key("other")
    offer = desk(world).offer(code, mine.public)
    possession = signed(world.system, offer, mine)
    receipt = desk(world).join(code, mine.public, possession)
    assert desk(world).join(code, mine.public, possession) == receipt
    assert world.system.ledger.registered(mine.public.kid) is not None
    assert world.system.banks[1].customers.owner_of(mine.public.kid).id == aigerim
    assert code_of(lambda: desk(world).offer(code, other.public)) == "E_JOIN_USED"
    assert code_of(lambda: desk(world).join(code, other.public, possession)) == "E_JOIN_USED"


def test_a_key_must_be_there(world: World) -> None:
    code = desk(world).issue(bytes(32), customer_id(world.users.get("aigerim")))
    mine, thief = key("mine"), key("thief")
    offer = desk(world).offer(code, mine.public)
    wrong = signed(world.system, offer, thief)
    assert code_of(lambda: desk(world).join(code, mine.public, wrong)) == "E_SIG"
    assert world.system.ledger.registered(mine.public.kid) is None
    right = signed(world.system, offer, mine)
    assert desk(world).join(code, mine.public, right)


def test_a_code_runs_out_and_is_its_banks_own(world: World) -> None:
    code = desk(world).issue(bytes(32), customer_id(world.users.get("aigerim")))
    assert code_of(lambda: desk(world, 2).offer(code, key("mine").public)) == "E_JOIN_CODE"
    base = world.real_clock
    assert isinstance(base, ManualClock)
    base.advance(CODE_SECONDS + 1)
    assert code_of(lambda: desk(world).offer(code, key("mine").public)) == "E_JOIN_EXPIRED"


def test_a_strangers_account_gets_no_code(world: World) -> None:
    assert code_of(lambda: desk(world).issue(bytes(32), bytes(32))) == "E_CUSTOMER_UNKNOWN"
    assert code_of(
        lambda: desk(world, 2).issue(bytes(32), customer_id(world.users.get("aigerim")))
    ).startswith("E_")


@pytest.mark.parametrize(
    ("typed", "meant"), [("0123456789", "0123456789"), ("olil-a b c d e f", "0111ABCDEF")]
)
def test_codes_are_read_as_people_type_them(typed: str, meant: str) -> None:
    assert normal_code(typed) == meant


@pytest.mark.parametrize("typed", ["", "012345678", "01234567890", "012345678U", "x" * 4_000, "0123456 78é"])
def test_what_is_no_code_is_refused(typed: str) -> None:
    assert code_of(lambda: normal_code(typed)) == "E_JOIN_CODE"


def test_codes_are_not_kept_in_clear(world: World) -> None:
    code = desk(world).issue(bytes(32), customer_id(world.users.get("aigerim")))
    kept = world.system.stores.cabinet.all("join codes")
    assert len(kept) == 1
    assert all(code.encode() not in name + data for name, data in kept)


def test_a_crash_while_joining_lets_no_second_key_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    code = desk(world).issue(bytes(32), customer_id(world.users.get("aigerim")))
    mine, other = key("mine"), key("other")
    possession = signed(world.system, desk(world).offer(code, mine.public), mine)
    bank = world.system.banks[1]
    enrol = bank.enrol

    def dies_after(*arguments: object) -> None:
        enrol(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bank, "enrol", dies_after)
        with pytest.raises(KeyboardInterrupt):
            desk(world).join(code, mine.public, possession)
    assert code_of(lambda: desk(world).offer(code, other.public)) == "E_JOIN_USED"
    receipt = desk(world).join(code, mine.public, possession)
    assert world.system.ledger.find(receipt.transaction_id) == receipt


def test_a_wrong_signature_uses_no_code_up_and_frees_none(world: World) -> None:
    code = desk(world).issue(bytes(32), customer_id(world.users.get("aigerim")))
    mine, other = key("mine"), key("other")
    assert code_of(lambda: desk(world).join(code, other.public, bytes(64))) == "E_SIG"
    possession = signed(world.system, desk(world).offer(code, mine.public), mine)
    desk(world).join(code, mine.public, possession)
    assert code_of(lambda: desk(world).join(code, mine.public, bytes(64))) == "E_SIG"
    assert code_of(lambda: desk(world).offer(code, other.public)) == "E_JOIN_USED"
