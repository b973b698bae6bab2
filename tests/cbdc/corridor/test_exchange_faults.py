"""An exchange under faults: death at every write point, calls that are not answered, and everything still agrees."""

from typing import Any

import pytest

from cbdc.corridor.orders import OPEN
from cbdc.corridor.reconcile import reconcile
from cbdc.errors import TengeError
from cbdc.money import tenge
from tests.cbdc.corridor.coins import Flaky
from tests.cbdc.corridor.scene import COIN, PLAN, Scene
from tests.cbdc.institutions import check_books, ident, make_system, stock

DOLLAR = 51_345


def whole_way(scene: Scene) -> None:
    """Fund, buy, send, sell, withdraw: each may be repeated."""
    ayan, dina = scene.client("ayan"), scene.client("dina-long", scene.two)
    scene.fund("ayan", ayan, 500 * DOLLAR)
    scene.one.buy(ident("b"), ayan, COIN, 300 * DOLLAR)
    scene.one.send(ident("t"), ayan, COIN, 1_000, "Sayram", dina)
    scene.one.sell(ident("s"), ayan, COIN, 100 * DOLLAR)
    scene.one.withdraw(ident("w"), ayan, 250 * DOLLAR)


def figures(scene: Scene) -> tuple[int, ...]:
    """What everybody has at the end."""
    ayan, dina = ident("client Alatau ayan"), ident("client Sayram dina-long")
    return (
        scene.one.owed_tiyn(ayan),
        scene.one.position(ayan, COIN),
        scene.two.position(dina, COIN),
        scene.system.banks[1].deposit_tiyn(ident("ayan")),
        scene.purse("ayan").available_tiyn(),
        sum(scene.corridor.counter.by_provider(24_320 + month).get("Alatau", 0) for month in range(12)),
    )


def agreed(scene: Scene) -> None:
    """Nothing is open and nothing differs."""
    for exchange in scene.corridor.exchanges.values():
        assert exchange.desk.all(OPEN) == []
        assert reconcile(exchange, scene.corridor.receivers).differences == ()
    check_books(scene.system)


def untouched() -> tuple[int, ...]:
    """The figures of a run that nothing disturbed."""
    scene = Scene()
    whole_way(scene)
    agreed(scene)
    return figures(scene)


class Death(BaseException):
    """The power went."""


@pytest.mark.slow
def test_death_at_any_write_point_leaves_before_or_after() -> None:
    expected = untouched()
    point, died = 0, True
    while died:
        point += 1
        left = [0]

        def checkpoint(name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Death

        system = make_system(checkpoint=checkpoint)
        for bank_id in system.banks:
            stock(system, bank_id, tenge(20_000_000))
        scene = Scene(system=system)
        scene.holder("ayan")
        scene.holder("dina-long")
        left[0], died = point, False
        try:
            whole_way(scene)
        except Death:
            died = True
        left[0] = 0
        system.resume()
        again = Scene(PLAN, system=system)
        for exchange in again.corridor.exchanges.values():
            assert exchange.desk.resume() == [], point
        whole_way(again)
        assert figures(again) == expected, point
        agreed(again)
    assert point > 40


SIDES: tuple[tuple[str, str, set[str]], ...] = (
    ("ledger", "gateway", {"submit"}),
    ("books", "books", {"post"}),
    ("cap", "cap", {"take"}),
)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("side", "field", "methods"), SIDES)
@pytest.mark.parametrize("number", range(1, 7))
def test_a_call_that_is_not_answered_moves_nothing_twice(
    side: str, field: str, methods: set[str], number: int, after: bool
) -> None:
    expected = untouched()
    scene = Scene()
    cash: Any = scene.one.cash
    flaky = Flaky(getattr(cash, field), methods, number, after)
    object.__setattr__(cash, field, flaky)
    for _ in range(4):
        try:
            whole_way(scene)
        except TengeError:
            continue
        break
    object.__setattr__(cash, field, flaky._inner)
    assert figures(scene) == expected
    agreed(scene)
    assert flaky.failed or number > 1, side
