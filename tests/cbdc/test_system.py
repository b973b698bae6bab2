"""The composition of the institutions: same bytes, one folder, and a crash at every write point mended."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cbdc import authority
from cbdc.accounts import Books
from cbdc.accounts_store import MemoryBooks
from cbdc.cabinet import MemoryCabinet
from cbdc.errors import Refused, TengeError
from cbdc.institutions import BankName
from cbdc.keys import ES256, SoftwareKey
from cbdc.ledger.audit import audit
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import Commit
from cbdc.money import tenge
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.sales import SaleOrder
from cbdc.system import Setup, Stores, System, assemble, open_system
from cbdc.token import PUPIL, TREASURY_ACCOUNT
from cbdc.treasury import Voucher
from tests.cbdc.institutions import (
    BANKS,
    START,
    buy,
    check_books,
    holdings,
    ident,
    key,
    make_system,
    pay,
    person,
    stock,
)


def test_the_genesis_names_every_office() -> None:
    system = make_system()
    offices = {
        role: [auth.scope for auth in system.authority.with_role(role)] for role in authority.ROLE_NAMES
    }
    assert offices == {
        authority.ISSUER: [(1, tenge(500_000))],
        authority.BANK_CA: [(1, 3), (2, 3)],
        authority.STATUS: [()],
        authority.SETTLE: [()],
        authority.EMISSION: [(2,), (2,), (2,)],
        authority.OPERATOR: [()],
        authority.BANK: [(1,), (2,)],
        authority.TREASURY: [()],
        authority.LEDGER: [()],
        authority.ENFORCEMENT: [()],
        authority.REGISTER: [()],
        authority.SUPERVISOR: [],  # never writes: certified beside the genesis, to read
        authority.FRONT: [],  # certified beside the genesis where there are front ends
    }
    for kid in (system.escrow_kid, system.loss_reserve_kid, system.treasury.account_kid):
        assert system.ledger.registered(kid) is not None
    assert system.banks[2].name == "Bank Two"
    assert system.genesis.policy.limits(1).day_limit_tiyn == tenge(12_975)


def test_the_same_inputs_give_the_same_bytes() -> None:
    heads = []
    for _ in range(2):
        system = make_system()
        stock(system)
        person(system, "aigerim")
        buy(system, "aigerim", tenge(10))
        heads.append(system.ledger.head().encode())
    assert heads[0] == heads[1]


def test_other_keys_are_another_network() -> None:
    def other(label: str, algorithm: int) -> SoftwareKey:
        return key("other " + label, algorithm)

    system = open_system(None, other, ManualClock(START), SeededEntropy(1), setup=Setup(banks=BANKS))
    assert system.network != make_system().network


def test_the_institutions_may_sign_with_p256() -> None:
    setup = Setup(banks=BANKS, algorithm=ES256, registers=("meals", "works"))
    system = open_system(None, key, ManualClock(START), SeededEntropy(1), setup=setup)
    stock(system, amount_tiyn=tenge(10))
    assert len(system.authority.with_role(authority.REGISTER)) == 2
    assert system.keys.register("meals").public.algorithm == ES256
    check_books(system)


def test_a_folder_goes_on_where_it_stopped(tmp_path: Path) -> None:
    clock = ManualClock(START)
    system = make_system(tmp_path / "a", clock=clock)
    stock(system)
    person(system, "aigerim")
    buy(system, "aigerim", tenge(10))
    head = system.ledger.head().encode()
    system.close()
    clock.advance(86_400)
    again = make_system(tmp_path / "a", clock=clock)
    assert again.ledger.head().encode() == head, "opening writes nothing"
    assert again.banks[1].customers.get(ident("aigerim")).name == "aigerim"
    buy(again, "aigerim", tenge(5), sale="second")
    assert holdings(again, key("aigerim").public.kid) == tenge(15)
    check_books(again)
    assert audit(again.stores.ledger).ok
    again.close()


@pytest.mark.parametrize("change", ["keys", "bank"])
def test_a_folder_belongs_to_its_keys_and_banks(tmp_path: Path, change: str) -> None:
    make_system(tmp_path).close()

    def other(label: str, algorithm: int) -> SoftwareKey:
        return key(label + ("!" if change == "keys" else ""), algorithm)

    banks = (*BANKS, BankName(3, "Three")) if change == "bank" else BANKS
    with pytest.raises(Refused, match="E_SYSTEM_KEYS"):
        open_system(tmp_path, other, ManualClock(START), SeededEntropy(7), setup=Setup(banks=banks))
    make_system(tmp_path).close()


# --- death at every write point ---


class Died(BaseException):
    """The process is gone."""


class MortalStore(MemoryStore):
    """A ledger store whose commit reaches the ledger's write points, as the file's does."""

    def __init__(self) -> None:
        super().__init__()
        self.reach: Callable[[str], None] = lambda name: None

    def commit(self, commit: Commit) -> None:
        """All of it, between the two points."""
        self.reach("ledger.commit.before")
        super().commit(commit)
        self.reach("ledger.commit.after")


class World:
    """Stores that outlive the process, and a fate: at which write point it dies."""

    def __init__(self) -> None:
        self.points: list[str] = []
        self.death = -1
        self.clock = ManualClock(START)
        ledger = MortalStore()
        ledger.reach = self._reach
        self.stores = Stores(ledger, Books(MemoryBooks(self._reach)), MemoryCabinet(self._reach))

    def _reach(self, name: str) -> None:
        if len(self.points) == self.death:
            self.death = -1
            raise Died(name)
        self.points.append(name)

    def start(self) -> System:
        return assemble(self.stores, key, self.clock, SeededEntropy(7), Setup(banks=BANKS))


def _day(system: System) -> None:
    """Everything institutions do, under fixed ids: may be done again from the start."""
    national, bank = system.national_bank, system.banks[1]
    national.endow(ident("reserves"), 1, tenge(100_000))
    national.endow(ident("taxes"), 0, tenge(10_000))
    bank.order_tokens(ident("order"), tenge(14_000))
    system.fund_loss_reserve(ident("loss"), tenge(100))
    for name, tier in (("aigerim", 2), ("berik", 1)):
        bank.open_account(ident(name), name, "1", tier, PUPIL, tenge(20_000))
    bank.register_keys([(ident(name), key(name)) for name in ("aigerim", "berik")])
    kids = {name: key(name).public.kid for name in ("aigerim", "berik")}
    orders = [
        SaleOrder(ident("s1"), ident("aigerim"), kids["aigerim"], tenge(1_000)),
        SaleOrder(ident("s2"), ident("berik"), kids["berik"], tenge(13_000)),
        SaleOrder(ident("s3"), ident("berik"), kids["berik"], tenge(300)),
        SaleOrder(ident("s4"), ident("aigerim"), kids["aigerim"], tenge(14_000)),
    ]
    answers = [answer.code if isinstance(answer, TengeError) else "" for answer in bank.sell(orders)]
    assert answers[0] == answers[2] == ""
    assert answers[1] in ("E_LIMIT_HOLDING", "E_TILL"), (
        "a refusal is judged again, and the inventory has shrunk"
    )
    assert answers[3] == "E_TILL"
    system.treasury.order_tokens(ident("budget"), tenge(2_000))
    edges = [(TREASURY_ACCOUNT, [PUPIL])]
    mark = system.treasury.define("meals", 7, edges, START, START + 10)
    rows = [Voucher(kids["aigerim"], tenge(7)), Voucher(bytes(32), 5), Voucher(kids["berik"], tenge(7))]
    system.treasury.distribute(ident("vouchers"), mark, rows)
    national_request = ident("surplus")
    bank.redeem_surplus(national_request, tenge(500))


def _buyback(system: System, saved: dict[str, bytes]) -> None:
    # A wallet saves its transfer before sending it, so a repetition sends the same bytes.
    bank = system.banks[1]
    if "transfer" not in saved:
        saved["transfer"] = pay(system, key("aigerim"), bank.inventory_kid, tenge(400)).encode()
    bank.defund(saved["transfer"])


def _outcome(system: System) -> tuple[object, ...]:
    balances = {account: amount for account, amount in system.books.balances().items() if amount}
    kids = (key("aigerim").public.kid, key("berik").public.kid)
    held = [sorted((token.amount_tiyn, token.mark) for _, token in system.ledger.owned(kid)) for kid in kids]
    requests = sorted((request.id, request.state) for request in system.register.closed())
    return balances, held, requests, system.register.open(), system.ledger.supply()


def _life(world: World, saved: dict[str, bytes]) -> System:
    system = world.start()
    _day(system)
    _buyback(system, saved)
    return system


def _run(world: World) -> System:
    saved: dict[str, bytes] = {}
    while True:
        try:
            return _life(world, saved)
        except Died:
            continue


@pytest.mark.slow
def test_a_death_at_any_write_point_changes_nothing_in_the_end() -> None:
    calm = World()
    expected = _outcome(_run(calm))
    points = calm.points
    assert {"ledger.commit", "books.post", "register.write"} == {name.rpartition(".")[0] for name in points}
    for place in range(len(points)):
        world = World()
        world.death = place
        system = _run(world)
        assert world.death == -1, "it died"
        assert _outcome(system) == expected, f"after a death at {points[place]}, write {place}"
        check_books(system)


def test_resume_alone_leaves_no_half_done_sale_or_issue() -> None:
    calm = World()
    _run(calm)
    for place in range(0, len(calm.points), 2):
        world = World()
        world.death = place
        with pytest.raises(Died):
            _life(world, {})
        system = world.start()
        check_books(system)
        assert system.resume() == []


def test_resume_tells_what_the_ledger_would_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    system = world.start()
    system.national_bank.endow(ident("reserves"), 1, tenge(10))
    request = system.banks[1].request_tokens(ident("order"), tenge(10))
    for officer in ("emission-1", "emission-2"):
        request = system.national_bank.approve(request.id, key(officer))
    broken = replace(request, approvals=request.approvals[:1])
    system.books.post(system.national_bank._hold(request))
    system.register.write(broken)
    refused = system.resume()
    assert [(identity, refusal.code) for identity, refusal in refused] == [(ident("order"), "E_QUORUM")]
    check_books(system)


def test_a_crash_in_files_is_mended_too(tmp_path: Path) -> None:
    """The same with SQLite, at a few points."""
    for place in (3, 8, 15, 21, 34, 47):
        seen: list[str] = []

        def reach(name: str, seen: list[str] = seen, place: int = place) -> None:
            seen.append(name)
            if len(seen) == place:
                raise Died(name)

        folder = tmp_path / str(place)
        opened: list[System] = []
        try:
            opened.append(make_system(folder, reach))
            _day(opened[0])
        except Died:
            pass
        finally:
            for file in opened:
                file.close()
        again = make_system(folder)
        _day(again)
        check_books(again)
        assert audit(again.stores.ledger).ok
        assert again.banks[1].inventory_tiyn() == tenge(14_000) - tenge(1_000) - tenge(300) - tenge(500)
        again.close()
