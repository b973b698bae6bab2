"""The treasury's desk: purposes from templates, vouchers to pseudonyms, documents, leftovers, and where it all is."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cbdc.money import tenge
from cbdc.ports import ManualClock
from tests.site.visitor import START, Program, Visitor, opened
from wallets.desk import derived
from wallets.site.following import following
from wallets.site.roles.purposes import TEMPLATES
from wallets.site.roles.treasury_projects import flows_of, places_of, sums
from wallets.site.whole import Whole
from wallets.site.world import World

FIRST, LAST = "2025-11-03", "2025-11-30"
AFTER_DAYS = 40
SHOT = "<script>alert(1)</script>"


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        supply = one.world.sandbox.supply()
        assert supply.outstanding_tiyn == supply.held_tiyn
        assert one.world.system.supervise() == []


@pytest.fixture
def treasurer(whole: Whole) -> Program:
    return Program(whole, "treasurer")


def code(answer: Any) -> str:
    return str(answer.get_json()["code"])


def see(program: Program, name: str) -> Any:
    answer = program.get(f"/v1/roles/treasury/{name}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def define(program: Program, template: str = "relief", label: str = "Flood relief", **fields: Any) -> str:
    given = {"template": template, "label": label, "first_day": FIRST, "last_day": LAST, **fields}
    answer = program.do("treasury", "define", **given)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["mark"])


def funded(program: Program, amount_tenge: int = 10_000) -> None:
    assert program.do("treasury", "draw", amount_tiyn=tenge(amount_tenge)).status_code == 200


def test_the_desk_is_the_treasurys_alone(whole: Whole) -> None:
    before = whole.world.system.ledger.size
    for user in ("supervisor", "operator", "officer-1", "clerk-1", "bolat"):
        other = Program(whole, user)
        for name in ("draw", "define", "publish", "give-vouchers", "accept-act", "free", "expire"):
            assert other.do("treasury", name).status_code in (401, 403), (user, name)
        for name in ("home", "purposes", "projects"):
            assert other.get(f"/v1/roles/treasury/{name}").status_code in (401, 403), (user, name)
    assert whole.world.system.ledger.size == before


def test_the_budget_draws_from_its_deposit_and_no_more(whole: Whole, treasurer: Program) -> None:
    before = see(treasurer, "home")
    funded(treasurer, 1_000)
    after = see(treasurer, "home")
    assert before["deposit_tiyn"] - after["deposit_tiyn"] == after["free_tiyn"] == tenge(1_000)
    for amount in (after["deposit_tiyn"] + 1, 10**15):
        assert treasurer.do("treasury", "draw", amount_tiyn=amount).status_code == 422
    for wrong in (0, -1, "x", None, 1.5, 2**70):
        assert treasurer.do("treasury", "draw", amount_tiyn=wrong).status_code == 400
    assert see(treasurer, "home")["free_tiyn"] == tenge(1_000)


# --- purposes ---


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("hops", [0, 3])
def test_every_template_makes_a_rule_told_in_three_languages(
    whole: Whole, treasurer: Program, template: str, hops: int
) -> None:
    mark = define(treasurer, template, f"{template} {hops}", hops=hops, period_cap_tiyn=tenge(5_000))
    told = {name: see(treasurer, f"purposes/{mark}?language={name}")["rules"] for name in ("kk", "ru", "en")}
    assert len({tuple(lines) for lines in told.values()}) == 3
    assert len({len(lines) for lines in told.values()}) == 1
    shown = see(treasurer, f"purposes/{mark}")
    assert shown["hops"] == (hops if TEMPLATES[template].offline else 0)
    assert shown["documents"] == TEMPLATES[template].documents
    visitor = Visitor(whole).signed_in("ministry")
    assert visitor.get(f"/treasury/purposes/{mark}").status_code == 200
    assert visitor.get(f"/treasury/projects/{mark}").status_code == 200


def test_a_purpose_is_defined_once_and_its_name_is_taken(treasurer: Program) -> None:
    mark = define(treasurer)
    assert define(treasurer) == mark
    other = {"template": "relief", "label": "Flood relief", "first_day": FIRST, "last_day": "2025-12-24"}
    assert code(treasurer.do("treasury", "define", **other)) == "E_TREASURY_NAME"
    assert len(see(treasurer, "home")["marks"]) == 1


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"template": "lottery"}, "E_TREASURY_TEMPLATE"),
        ({"template": ""}, "E_TREASURY_TEMPLATE"),
        ({"first_day": "2025-12-01"}, "E_TREASURY_DAYS"),
        ({"last_day": "2025-02-30"}, "E_SITE_FIELD"),
        ({"last_day": "tomorrow"}, "E_SITE_FIELD"),
        ({"label": "x"}, "E_SITE_FIELD"),
        ({"label": "x" * 61}, "E_SITE_FIELD"),
        ({"hops": 11}, "E_SITE_FIELD"),
        ({"hops": -1}, "E_SITE_FIELD"),
        ({"payment_cap_tiyn": -1}, "E_SITE_FIELD"),
        ({"colour": "red"}, "E_SITE_FIELD"),
    ],
)
def test_a_wrong_purpose_is_refused_and_nothing_is_kept(
    treasurer: Program, fields: dict[str, Any], wanted: str
) -> None:
    given = {"template": "relief", "label": "Flood relief", "first_day": FIRST, "last_day": LAST, **fields}
    assert code(treasurer.do("treasury", "define", **given)) == wanted
    assert see(treasurer, "home")["marks"] == []


def test_a_hostile_name_is_text_everywhere(whole: Whole, treasurer: Program) -> None:
    funded(treasurer)
    mark = define(treasurer, label=SHOT)
    group = see(treasurer, f"purposes/{mark}")["groups"][0]["name"]
    treasurer.do("treasury", "give-vouchers", mark=mark, amount_tiyn=100, everybody=group)
    visitor = Visitor(whole).signed_in("ministry")
    for path in ("", "purposes", f"purposes/{mark}", "projects", f"projects/{mark}"):
        text = visitor.get(f"/treasury/{path}").text
        assert SHOT not in text, path
    sent = visitor.send("/treasury/purposes", "define", template="lottery", label=SHOT)
    assert SHOT not in sent
    assert "E_TREASURY_TEMPLATE" in sent


def test_a_purpose_is_known_again_when_the_sandbox_is_opened_again(tmp_path: Path) -> None:
    with opened(folder=tmp_path) as whole:
        mark = define(Program(whole, "treasurer"), hops=2)
    again = World(ManualClock(START), 7, tmp_path)
    try:
        assert [one.hex() for one in again.sandbox.marks.values()] == [mark]
        trust = again.sandbox.field.centre.lists.lists[-1].record
        assert any(row[0] == 1 and row[3] == 2 for row in trust.purposes)
    finally:
        again.close()


# --- vouchers ---


def test_vouchers_go_to_pseudonyms_and_no_name_is_shown(whole: Whole, treasurer: Program) -> None:
    funded(treasurer)
    mark = define(treasurer)
    page = Visitor(whole).signed_in("ministry").get(f"/treasury/purposes/{mark}").text
    names = [member.name for member in whole.world.neighbours]
    names += [user.name for user in whole.world.users.all() if user.is_customer]
    assert [name for name in names if name in page] == []
    people = whole.world.neighbours[:2]
    pseudonyms = [whole.world.sandbox.pseudonym(one).hex() for one in people]
    given = {"mark": mark, "amount_tiyn": tenge(300), "holders": pseudonyms}
    answer = treasurer.do("treasury", "give-vouchers", "a-voucher-request-1", **given).get_json()
    assert (answer["given"], answer["amount_tiyn"]) == (2, tenge(600))
    again = treasurer.do("treasury", "give-vouchers", "a-voucher-request-1", **given).get_json()
    assert again == answer
    for member in people:
        assert member.wallet.balance_tiyn(bytes.fromhex(mark)) == tenge(300)


def test_checkboxes_of_the_page_choose_holders(whole: Whole, treasurer: Program) -> None:
    funded(treasurer)
    mark = define(treasurer)
    visitor = Visitor(whole).signed_in("ministry")
    action, fields = visitor.form(f"/treasury/purposes/{mark}", "give-vouchers")
    pseudonyms = [row["pseudonym"] for row in see(treasurer, f"purposes/{mark}")["holders"]][:2]
    answer = visitor.post(action, fields | {"amount_tiyn": "12.50", "holders": pseudonyms})  # type: ignore[dict-item]
    assert "2 holders got it." in visitor.get(answer.headers["Location"]).text
    assert see(treasurer, f"projects/{mark}")["given_tiyn"] == 2_500


@pytest.mark.parametrize(
    "fields",
    [
        {"holders": []},
        {"holders": ["0" * 64]},
        {"holders": ["zz"]},
        {"everybody": "1-9"},
        {"everybody": "200-1"},
        {"everybody": "<b>"},
    ],
)
def test_vouchers_for_nobody_are_refused(treasurer: Program, fields: dict[str, Any]) -> None:
    funded(treasurer)
    mark = define(treasurer)
    answer = treasurer.do("treasury", "give-vouchers", mark=mark, amount_tiyn=100, **fields)
    assert code(answer) == "E_TREASURY_HOLDER"
    assert see(treasurer, f"projects/{mark}")["given_tiyn"] == 0


def test_vouchers_beyond_the_account_and_of_unknown_marks_are_refused(
    whole: Whole, treasurer: Program
) -> None:
    mark = define(treasurer)
    group = see(treasurer, f"purposes/{mark}")["groups"][0]["name"]
    answer = treasurer.do("treasury", "give-vouchers", mark=mark, amount_tiyn=100, everybody=group)
    assert code(answer) == "E_TILL"
    for wrong in ("0" * 64, "x" * 64):
        for name in ("publish", "expire"):
            assert code(treasurer.do("treasury", name, mark=wrong)) == "E_TREASURY_MARK"
    assert treasurer.do("treasury", "publish", mark="short").status_code == 400
    assert code(treasurer.do("treasury", "publish", mark=mark)) == "E_TILL"
    visitor = Visitor(whole).signed_in("treasurer")
    for name in ("0" * 64, "x", "é"):
        assert visitor.get(f"/treasury/purposes/{name}").status_code == 409
        assert visitor.get(f"/treasury/projects/{name}").status_code == 409


def test_a_frozen_holder_does_not_hold_up_the_others(whole: Whole, treasurer: Program) -> None:
    funded(treasurer)
    mark = define(treasurer)
    frozen = whole.world.sandbox.pseudonym(whole.world.neighbours[0])
    whole.world.system.enforcement.freeze(derived("freeze"), frozen, "an order")
    holders = see(treasurer, f"purposes/{mark}")["holders"]
    answer = treasurer.do(
        "treasury",
        "give-vouchers",
        mark=mark,
        amount_tiyn=100,
        holders=[row["pseudonym"] for row in holders],
    ).get_json()
    assert answer["given"] + len(answer["refused"]) == len(holders)


# --- projects ---


def spent(whole: Whole, mark: str, treasurer: Program) -> None:
    """Give to two people; one passes on to the other, who pays the shop."""
    world = whole.world
    asel, timur, _, shop = world.neighbours
    pseudonyms = [world.sandbox.pseudonym(one).hex() for one in (asel, timur)]
    answer = treasurer.do("treasury", "give-vouchers", mark=mark, amount_tiyn=tenge(500), holders=pseudonyms)
    assert answer.get_json()["given"] == 2
    with world.doing():
        for number, row in enumerate([(asel, timur, tenge(100)), (timur, shop, tenge(550))]):
            refused = world.sandbox.pay([row], bytes.fromhex(mark), derived("a step", number))
            assert refused == [None]


def test_money_is_followed_to_the_final_payee(whole: Whole, treasurer: Program) -> None:
    funded(treasurer)
    mark = define(treasurer)
    spent(whole, mark, treasurer)
    found = see(treasurer, f"projects/{mark}")
    assert found["given_tiyn"] == tenge(1_000)
    assert found["freed_tiyn"] == tenge(550)
    assert found["wallets_now_tiyn"] == tenge(450)
    depths = {row["who"]["title"]: row["depth"] for row in found["places"]}
    assert depths["merchant"] == 2
    kinds = [row["kind"] for row in found["flows"]]
    assert kinds == ["given", "given", "paid", "freed"]
    arrows = {arrow["kind"] for arrow in found["graph"]["arrows"]}
    assert arrows == {"given", "paid", "freed"}
    row = see(treasurer, "projects")["projects"][0]
    assert row["given_tiyn"] == found["given_tiyn"]


def conserved(whole: Whole, mark: str) -> dict[str, int]:
    book = following(whole.world.system)
    flows = list(flows_of(book, bytes.fromhex(mark)))
    found: dict[str, int] = sums(book, bytes.fromhex(mark), flows)
    gone = found["freed_tiyn"] + found["released_tiyn"] + found["returned_tiyn"] + found["seized_tiyn"]
    assert found["given_tiyn"] == gone + found["wallets_now_tiyn"] + found["offline_now_tiyn"]
    places = places_of(book, bytes.fromhex(mark), flows)
    assert sum(place.now_tiyn for place in places) == found["wallets_now_tiyn"] + found["offline_now_tiyn"]
    return found


def test_what_is_left_comes_back_after_the_last_day(whole: Whole, treasurer: Program) -> None:
    funded(treasurer)
    mark = define(treasurer)
    spent(whole, mark, treasurer)
    conserved(whole, mark)
    assert code(treasurer.do("treasury", "expire", mark=mark)) == "E_MARK_NOT_OVER"
    whole.world.put_forward(AFTER_DAYS * 86_400)
    answer = treasurer.do("treasury", "expire", mark=mark).get_json()
    assert answer["amount_tiyn"] == tenge(450)
    assert treasurer.do("treasury", "expire", mark=mark).get_json()["amount_tiyn"] == 0
    found = conserved(whole, mark)
    assert (found["returned_tiyn"], found["wallets_now_tiyn"]) == (tenge(450), 0)
    assert Visitor(whole).signed_in("treasurer").get(f"/treasury/projects/{mark}").status_code == 200


def test_accepted_documents_free_their_part_and_the_rest_is_retained(
    whole: Whole, treasurer: Program
) -> None:
    funded(treasurer)
    mark = define(treasurer, "railway-works", "Section 5")
    shop = whole.world.neighbours[3]
    holder = whole.world.sandbox.pseudonym(shop).hex()
    treasurer.do("treasury", "give-vouchers", mark=mark, amount_tiyn=tenge(1_000), holders=[holder])
    free = {"mark": mark, "holder": holder, "document": "Act 7"}
    assert code(treasurer.do("treasury", "free", amount_tiyn=tenge(100), **free)) == "E_MARK_RELEASE_SUM"
    act = treasurer.do("treasury", "accept-act", holder=holder, document="Act 7", amount_tiyn=tenge(1_000))
    assert act.status_code == 200, act.text
    assert code(treasurer.do("treasury", "free", amount_tiyn=tenge(951), **free)) == "E_MARK_RELEASE_SUM"
    assert treasurer.do("treasury", "free", amount_tiyn=tenge(950), **free).status_code == 200
    assert treasurer.do("treasury", "free", amount_tiyn=tenge(1), **free).status_code == 422
    found = conserved(whole, mark)
    assert (found["released_tiyn"], found["wallets_now_tiyn"]) == (tenge(950), tenge(50))
    end = {"holder": holder, "document": "End of warranty", "warranty": True}
    treasurer.do("treasury", "accept-act", amount_tiyn=tenge(1_000), **end)
    last = {"mark": mark, "holder": holder, "document": "End of warranty"}
    assert treasurer.do("treasury", "free", amount_tiyn=tenge(50), **last).status_code == 200
    assert conserved(whole, mark)["wallets_now_tiyn"] == 0


@pytest.mark.parametrize("holder", ["0" * 64, "z" * 64])
def test_a_document_about_nobody_is_refused(treasurer: Program, holder: str) -> None:
    answer = treasurer.do("treasury", "accept-act", holder=holder, document="Act", amount_tiyn=100)
    assert code(answer) == "E_TREASURY_HOLDER"


def test_offline_money_of_a_purpose_is_in_the_project(whole: Whole, treasurer: Program) -> None:
    funded(treasurer)
    mark = define(treasurer, hops=2)
    asel = whole.world.neighbours[0]
    holder = whole.world.sandbox.pseudonym(asel).hex()
    treasurer.do("treasury", "give-vouchers", mark=mark, amount_tiyn=tenge(500), holders=[holder])
    with whole.world.doing():
        # The device learns the purposes of marks at a sync, and takes no note of one that it does not know.
        whole.world.put_forward(86_400)
        whole.world.sandbox.sync([asel], derived("learn"))
        answers = whole.world.sandbox.load([(asel, [tenge(200)])], bytes.fromhex(mark), derived("take along"))
    assert answers == [None]
    found = conserved(whole, mark)
    assert (found["loaded_tiyn"], found["offline_now_tiyn"]) == (tenge(200), tenge(200))


def test_days_of_a_purpose_are_local_days(treasurer: Program) -> None:
    mark = define(treasurer)
    shown = see(treasurer, f"purposes/{mark}")
    begin = datetime.datetime.fromtimestamp(shown["valid_from"] + 18_000, datetime.UTC)
    end = datetime.datetime.fromtimestamp(shown["valid_until"] + 1 + 18_000, datetime.UTC)
    assert (begin.isoformat()[:19], end.isoformat()[:19]) == ("2025-11-03T00:00:00", "2025-12-01T00:00:00")
