"""The operator's desk: a day that is begun, watched, stopped and gone on with; outages with a picture."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site.visitor import Program, Visitor, opened
from wallets.site import living
from wallets.site.opening import STREET, customer_id
from wallets.site.roles.outages import MOST_DRAWN, wallets
from wallets.site.walking import walker_of
from wallets.site.whole import Whole

WAIT_SECONDS = 120


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        walker_of(one.world).close()
        assert one.world.system.supervise() == []


def page(whole: Whole, name: str) -> dict:
    answer = Program(whole, "operator").get(f"/v1/roles/operator/{name}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def code(answer) -> str:
    return str(answer.get_json()["code"])


def test_a_day_is_begun_once_walked_to_its_end_and_told(whole: Whole) -> None:
    operator = Program(whole, "operator")
    begun = operator.do("operator", "start-day", "begin-the-day-001", payments=8, outage="Aktobe", fraud=True)
    assert begun.status_code == 200, begun.text
    again = operator.do("operator", "start-day", "begin-the-day-001", payments=8, outage="Aktobe", fraud=True)
    assert begun.get_json() == again.get_json()
    walker_of(whole.world).wait(WAIT_SECONDS)
    seen = page(whole, "day")
    assert (seen["day"]["state"], seen["day"]["done"]) == ("done", seen["day"]["of"])
    assert len(seen["residents"]) == len(STREET)
    assert sum(row["is_revoked"] for row in seen["residents"]) == 1
    state = operator.get(f"/operator/day-state/{seen['day']['number']}")
    assert state.status_code == 303, "the state is for who sits at the desk"
    browser = Visitor(whole).signed_in("operator")
    told = browser.get("/operator/day-state/1").get_json(force=True)
    assert (told["state"], told["done"]) == ("done", told["of"])
    assert "The same note is spent again" in browser.get("/operator/day").text
    for role, user in (
        ("national-bank/cases", "officer-1"),
        ("bank/customers", "clerk-2"),
        ("supervisor", "supervisor"),
    ):
        assert Visitor(whole).signed_in(user).get(f"/{role}{'' if '/' in role else '/'}").status_code == 200


def test_a_day_is_stopped_gone_on_with_and_given_up(whole: Whole) -> None:
    operator, world = Program(whole, "operator"), whole.world
    with world.lock:  # no step is taken meanwhile
        operator.do("operator", "start-day", payments=30)
        assert page(whole, "day")["day"]["state"] == "running"
        assert operator.do("operator", "stop-day").status_code == 200
    walker_of(world).wait(WAIT_SECONDS)
    seen = page(whole, "day")["day"]
    assert (seen["state"], seen["done"]) == ("stopped", 0)
    assert code(operator.do("operator", "start-day")) == "E_DAY_BUSY"
    with world.lock:
        assert operator.do("operator", "go-on-day").status_code == 200
        assert operator.do("operator", "go-on-day").status_code == 200, "twice is once"
        assert operator.do("operator", "stop-day").status_code == 200
    walker_of(world).wait(WAIT_SECONDS)
    assert operator.do("operator", "leave-day").status_code == 200
    assert page(whole, "day")["day"]["state"] == "left"
    for name in ("stop-day", "go-on-day", "leave-day"):
        assert code(operator.do("operator", name)) == "E_DAY_NONE"


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"payments": 4}, "E_SITE_FIELD"),
        ({"payments": 201}, "E_SITE_FIELD"),
        ({"seed": -1}, "E_SITE_FIELD"),
        ({"seed": 2**32}, "E_SITE_FIELD"),
        ({"outage": "Atlantis"}, "E_OUTAGE_NAME"),
        ({"fraud": "yes"}, "E_SITE_FIELD"),
        ({"day": 1}, "E_SITE_FIELD"),
    ],
)
def test_what_is_no_day_is_refused(whole: Whole, fields: dict[str, object], refusal: str) -> None:
    size = whole.world.system.ledger.size
    assert code(Program(whole, "operator").do("operator", "start-day", **fields)) == refusal
    assert living.present_day(whole.world) is None
    assert whole.world.system.ledger.size == size


def test_no_day_passes_the_certificates_end_and_an_unknown_one_has_no_state(whole: Whole) -> None:
    operator = Program(whole, "operator")
    for days in (400, 100, 25, 6, 1):
        while operator.do("operator", "wait", days=days).status_code == 200:
            pass
    assert code(operator.do("operator", "start-day")) == "E_SITE_CLOCK"
    for number in ("1", "x", "²", "-1"):
        assert code(operator.get(f"/v1/roles/operator/day-state/{number}")) == "E_DAY_NONE"


def test_a_fresh_start_ends_the_day_and_a_kept_one_goes_on(tmp_path: Path) -> None:
    with opened(folder=tmp_path) as whole:
        with whole.world.lock:
            Program(whole, "operator").do("operator", "start-day", payments=10)
        walker_of(whole.world).close()
        done = living.present_day(whole.world)
        assert done is not None
    with opened(folder=tmp_path) as whole:
        assert len(whole.world.street) == len(STREET), "the residents are back"
        operator = Program(whole, "operator")
        if not done.is_over:
            assert page(whole, "day")["day"]["state"] == "stopped"
            assert operator.do("operator", "go-on-day", "go-on-after-start").status_code == 200
            walker_of(whole.world).wait(WAIT_SECONDS)
        assert page(whole, "day")["day"]["state"] == "done"
        with whole.world.lock:
            assert operator.do("operator", "start-day", "another-day-0001", payments=10).status_code == 200
            assert operator.do("operator", "reset", "a-fresh-start-001", word="RESET").status_code == 200
        walker_of(whole.world).wait(WAIT_SECONDS)
        assert living.present_day(whole.world) is None
        assert whole.world.street == []
        assert whole.world.system.supervise() == []


def test_who_is_cut_off_is_told_listed_and_drawn(whole: Whole) -> None:
    world, operator = whole.world, Program(whole, "operator")
    world.bring_street()
    aru = world.street[0].wallet.kid.hex()
    operator.do("operator", "cut", name="Aktobe")
    operator.do("operator", "cut", name=aru)
    operator.do("operator", "cut", name=aru)
    seen = page(whole, "outages")
    of_region = [one for one in STREET if one.region == "Aktobe"]
    assert seen["cut_off"] == len(of_region) + 1
    assert [row["kid"] for row in seen["wallets"] if row["why"] == "wallet"] == [aru]
    assert {row["region"] for row in seen["wallets"] if row["why"] == "region"} == {"Aktobe"}
    cut = [arrow for arrow in seen["drawing"]["arrows"] if arrow["kind"] == "cut"]
    assert len(cut) == 2, "the region's line, and the wallet's own"
    boxes = [box for box in seen["drawing"]["boxes"] if box["kind"] == "cut"]
    assert len(boxes) == seen["cut_off"] + 1
    found = page(whole, f"outages?search={aru[:8]}")
    assert (found["found"], found["wallets"][0]["why"]) == (1, "wallet")
    browser = Visitor(whole).signed_in("operator")
    assert "Aktobe" in browser.send("/operator/outages", "connect")
    operator.do("operator", "connect", name=aru)
    assert page(whole, "outages")["cut_off"] == 0
    assert world.memory.outages == []


def test_a_name_that_is_nobodys_is_not_cut_off(whole: Whole) -> None:
    operator = Program(whole, "operator")
    for name in ("Atlantis", "ab" * 32, "ALMATY", customer_id(whole.world.users.get("aigerim")).hex()):
        assert code(operator.do("operator", "cut", name=name)) == "E_OUTAGE_NAME", name
        assert code(operator.do("operator", "connect", name=name)) == "E_OUTAGE_NAME", name
    assert whole.world.memory.outages == []
    whole.world.set_outage("a region of an older sandbox", True)
    assert operator.do("operator", "connect", name="a region of an older sandbox").status_code == 200


def test_many_wallets_are_searched_paged_and_not_all_drawn(whole: Whole) -> None:
    world = whole.world
    world.bring_street()
    mine = customer_id(world.users.get("aigerim"))
    for number in range(30):
        world.system.banks[1].register_key(mine, world.sandbox.wallet(f"phone {number}").signer)
    seen = page(whole, "outages")
    assert (seen["pages"], seen["all"]) == (2, len(wallets(world)))
    assert seen["undrawn"] == seen["all"] - MOST_DRAWN
    assert page(whole, "outages?search=aigerim")["found"] == 30
    assert page(whole, "outages?search=nobody")["wallets"] == []
    assert (
        "No wallet is called so"
        in Visitor(whole).signed_in("operator").get("/operator/outages?search=<script>").text
    )
