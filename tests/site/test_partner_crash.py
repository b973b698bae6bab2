"""Killed anywhere, a third party's work is done before or after, and once; and a consent's day never overflows."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cbdc.errors import Refused
from cbdc.http.server import Limits
from cbdc.http.webhook import Receiver
from cbdc.ports import ManualClock, SeededEntropy
from tests.site.partner_world import DAY, Scene, number, scene
from tests.site.visitor import START
from tests.sizes import FULL
from wallets.site.app import Options
from wallets.site.whole import Whole
from wallets.site.world import World

MANY = 1_000_000
SHARE_TIYN = 70_00
# Every write point with TENGE_FULL=1, else every second; whoever forgets is killed at fewer.
STEP = 1 if FULL else 2


class Killed(BaseException):
    """The power went out."""


class Bomb:
    """A checkpoint that kills at the n-th write point after it was armed."""

    def __init__(self) -> None:
        self.left = -1

    def __call__(self, point: str) -> None:
        if self.left > 0:
            self.left -= 1
            if self.left == 0:
                raise Killed(point)


def opened(folder: Path, clock: ManualClock, bomb: Bomb, chance: int = 1) -> Scene:
    """A kept world; a client that starts again makes nonces that it never used."""
    world = World(clock, 7, folder, "", bomb)
    options, limits = Options(per_second=MANY, burst=MANY), Limits(MANY, MANY)
    return Scene(Whole(world, SeededEntropy(7), clock, options, limits=limits), clock, chance)


def killed_at(
    place: int, folder: Path, do: Callable[[Scene, dict[str, Any]], None]
) -> tuple[Scene, dict[str, Any], bool]:
    """A world in which `do` was killed at its n-th write point, opened again; and whether it was."""
    clock, bomb = ManualClock(START), Bomb()
    play = opened(folder, clock, bomb)
    play.books.add_webhook(number("hook"), "http://127.0.0.1:9/", ("order.paid",))
    consent = play.consent(play.asel, id=number("consent"))
    facts: dict[str, Any] = {"consent": consent, "until": play.now + DAY}
    bomb.left = place
    try:
        do(play, facts)
        killed = False
    except Killed:
        killed = True
    bomb.left = -1
    play.world.close()
    return opened(folder, clock, Bomb(), 2), facts, killed


def whole_payment(play: Scene, facts: dict[str, Any]) -> None:
    """Ask, sign, pay: under ids that are the same at every repetition."""
    rows = [(play.shop.wallet.kid, SHARE_TIYN), (play.timur.wallet.kid, SHARE_TIYN)]
    order = play.books.ask_to_pay(number("order"), facts["consent"], rows, "bill", facts["until"])
    # What is answered again is the first answer; what became of the order since is asked for.
    if play.books.order(bytes.fromhex(order["id"]))["state"] != "paid":
        facts.setdefault("body", play.signed_order(play.asel, order))
        play.holder(play.asel).pay(bytes.fromhex(order["id"]), facts["body"])


@pytest.mark.slow
@pytest.mark.parametrize("forgets", [False, True], ids=["sends it again", "signs another"])
def test_a_payment_that_is_killed_anywhere_is_made_once(tmp_path: Path, forgets: bool) -> None:
    place, reached = 1, 0
    while True:
        play, facts, killed = killed_at(place, tmp_path / str(place), whole_payment)
        ledger = play.world.system.ledger
        if forgets:
            # A wallet that kept nothing signs another transaction: taken only if the first never was.
            facts.pop("body", None)
            with suppress(Refused):
                whole_payment(play, facts)
        whole_payment(play, facts)
        whole_payment(play, facts)
        paid = [
            index
            for index in range(1, ledger.size)
            if [token.amount_tiyn for token in ledger.transaction(index).record.creates[:2]]
            == [SHARE_TIYN] * 2
        ]
        assert len(paid) == 1, place
        [order] = play.holder(play.asel).orders()
        assert order["state"] == "paid"
        [consent] = play.holder(play.asel).consents()
        assert consent["started_today_tiyn"] == 2 * SHARE_TIYN, place
        assert len(play.books.events()["waiting"]) == 1, place
        assert play.world.system.supervise() == []
        play.world.close()
        if not killed:
            break
        place, reached = place + STEP + forgets, reached + 1
    assert reached > 3


def test_a_delivery_that_is_killed_after_it_was_sent_is_sent_again_and_counts_once(tmp_path: Path) -> None:
    clock, bomb, seen = ManualClock(START), Bomb(), []
    play = opened(tmp_path, clock, bomb)
    url = "http://127.0.0.1:9/"
    receiver = Receiver(url, play.books.webhook_key(), clock)
    play.books.add_webhook(number("hook"), url, ("consent.revoked",))
    play.holder(play.asel).revoke(play.consent(play.asel))

    def send(url: str, headers: dict[str, str], body: bytes, public: bool) -> str:
        seen.append(receiver.take("POST", headers, body))
        bomb.left = 1
        return ""

    play.whole.partners.postman._send = send
    with pytest.raises(Killed):
        play.whole.partners.postman.go_round()
    bomb.left = -1
    play.world.close()
    again = opened(tmp_path, clock, bomb, 2)
    again.whole.partners.postman._send = send
    with pytest.raises(Killed):
        again.whole.partners.postman.go_round()
    assert [event is not None for event in seen] == [True, False]
    again.world.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(1, 600_00)),
        st.tuples(st.just("decline"), st.integers(0, 9)),
        st.tuples(st.just("pay"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.sampled_from([3_600, DAY // 2, DAY])),
    ),
    max_size=14,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_a_day_of_a_consent_is_what_was_asked_and_not_declined(steps: list[tuple[str, int]]) -> None:
    with scene() as play:
        consent = play.consent(play.asel)
        asked: list[tuple[dict[str, Any], int]] = []
        declined: set[str] = set()
        desk = play.whole.partners.desks.partners
        for what, value in steps:
            try:
                if what == "ask":
                    asked.append((play.ask(consent, (play.shop, value)), desk.day()))
                elif what == "wait":
                    play.clock.advance(value)
                elif asked:
                    order = asked[value % len(asked)][0]
                    if what == "pay":
                        play.pay(play.asel, order)
                    else:
                        play.holder(play.asel).decline(bytes.fromhex(order["id"]))
                        declined.add(order["id"])
            except Refused as refusal:
                if refusal.code not in ("E_CONSENT_PAYMENT", "E_CONSENT_DAY", "E_ORDER_CLOSED"):
                    raise
        for day in {made for _, made in asked} | {desk.day()}:
            counted = sum(
                order["amount_tiyn"] for order, made in asked if made == day and order["id"] not in declined
            )
            assert desk.started_tiyn(consent, day) == counted <= 800_00
