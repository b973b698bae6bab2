"""Calls of the desk that fill several groups, cut off at every write point and asked again: as if nothing had been."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cbdc.money import tenge
from cbdc.ports import ManualClock
from cbdc.token import MERCHANT, PERSON
from wallets import desk as desk_module
from wallets import wallet as wallet_module
from wallets.cast import Member, SandboxPlan
from wallets.desk import derived
from wallets.sandbox import DEFAULT_START, Sandbox

RICH = 7


class Stop(BaseException):
    """The process ends here."""


class Cut:
    """A checkpoint that ends the process at the write point told, counted from now (0: never)."""

    def __init__(self) -> None:
        self.left = 0

    def __call__(self, point: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise Stop


class Town:
    """Seven people with money, one without, a shop; groups of three."""

    def __init__(self, folder: Path) -> None:
        self.cut = Cut()
        banks = (("first", "First Bank", tenge(100_000)),)
        self.sandbox = Sandbox.open(SandboxPlan(7, ManualClock(DEFAULT_START), banks=banks), folder, self.cut)
        self.sandbox.set_up()
        self.rich = self.group("rich", PERSON, RICH, tenge(1_000))
        self.poor = self.group("poor", PERSON, 1, 0)[0]
        self.shop = self.group("shop", MERCHANT, 1, 0)[0]
        self.sandbox.desk.order("first", tenge(50_000), derived("stock"))

    def group(self, name: str, category: int, count: int, deposit_tiyn: int) -> list[Member]:
        names = [f"{name}-{number}" for number in range(count)]
        tier = 2 if category == PERSON else 4
        return self.sandbox.add_group(
            name, category, "first", tier, names, [deposit_tiyn] * count, [False] * count
        )


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr(desk_module, "GROUP", 3)
    monkeypatch.setattr(wallet_module, "GROUP", 3)
    monkeypatch.setattr(desk_module, "_SELLERS", 2)
    made = Town(tmp_path / "town")
    yield made
    made.sandbox.close()


def balance(*members: Member) -> int:
    return sum(member.wallet.balance_tiyn() for member in members)


@pytest.mark.slow
def test_payments_of_several_groups_cut_off_anywhere(town: Town) -> None:
    """Every payer pays once; who had too little stays refused, though the very same call brought it money."""
    desk = town.sandbox.desk
    assert desk.buy([(member, 10_000) for member in town.rich], derived("buy")) == [None] * RICH
    number, cut = 0, True
    while cut:
        number += 1
        before = balance(*town.rich), balance(town.poor), balance(town.shop)
        rows: list[tuple[Member, Member | None, int]] = [(town.rich[0], town.poor, 10)]
        rows += [(member, town.shop, 10) for member in town.rich[1:3]]
        rows.append((town.poor, town.shop, before[1] + 1))
        rows += [(member, town.shop, 10) for member in town.rich[3:]]
        town.cut.left = number
        try:
            desk.pay(rows, None, derived("step", number))
            cut = False
        except Stop:
            town.cut.left = 0
        for _ in range(2):
            answers = desk.pay(rows, None, derived("step", number))
            assert [answer and answer.code for answer in answers] == [*[None] * 3, "E_FUNDS", *[None] * 4]
        after = balance(*town.rich), balance(town.poor), balance(town.shop)
        assert after == (before[0] - 70, before[1] + 10, before[2] + 60), number
    assert number > 20, "three groups have that many write points"


@pytest.mark.slow
def test_sales_of_several_groups_cut_off_anywhere(town: Town) -> None:
    """Every sale is credited once, and nothing is left in the wallets."""
    desk, members = town.sandbox.desk, town.rich[:5]
    deposits = [town.sandbox.deposit_tiyn(member) for member in members]
    number, cut = 0, True
    while cut:
        number += 1
        town.cut.left = 0
        desk.buy([(member, 10 + place) for place, member in enumerate(members)], derived("buy", number))
        rows = [(member, derived("sale", number, member.name)) for member in members]
        town.cut.left = number
        try:
            desk.sell_each(rows, b"")
            cut = False
        except Stop:
            town.cut.left = 0
        for _ in range(2):
            assert desk.sell_each(rows, b"") == [10, 11, 12, 13, 14]
        assert balance(*members) == 0
        assert [town.sandbox.deposit_tiyn(member) for member in members] == deposits, number
    assert number > 30
