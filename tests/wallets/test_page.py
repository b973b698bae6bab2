"""The page of a pilot run: it answers first what decides, and then shows each part of the report in words."""

from typing import Any

import pytest

from tests.wallets.pages import banner, page_in, page_of, section, sections, styled, told
from tests.wallets.report_sample import sample
from wallets.pilot.page import DISCLAIMER

SECTIONS = [
    "story",
    "map",
    "supply",
    "circulation",
    "marks",
    "offline",
    "refusals",
    "limits",
    "sheets",
    "privacy",
    "part1",
    "parameters",
]


# --- what stands first ---


def test_all_held() -> None:
    page = page_of()
    assert banner(page).startswith("✓ All 5 expectations held")
    assert [e.attributes["class"] for e in styled(page, "banner")] == ["banner good"]
    assert "open" not in page.all("details")[0].attributes


def test_one_that_did_not_hold_is_named_with_both_figures() -> None:
    row = {"name": "canteens received (tiyn)", "expected": 100_000, "actual": 99_999, "ok": False}
    page = page_of(expectations=[*sample(1, 1)["expectations"], row])
    assert banner(page).startswith("✗ 1 of 6 expectations did not hold")
    assert "Canteens received: expected 1 000 ₸, got 999.99 ₸" in banner(page)
    assert "open" in page.all("details")[0].attributes
    assert len(styled(page, "broken")) == 1


@pytest.mark.parametrize("rows", [None, []])
def test_a_run_without_expectations_claims_nothing(rows: Any) -> None:
    page = page_of(expectations=rows)
    assert "no expectations" in banner(page)
    assert styled(page, "good") == []


def test_one_expectation_reads_well() -> None:
    row = {"name": "x", "expected": 1, "actual": 1, "ok": True}
    assert "The one expectation held" in banner(page_of(expectations=[row]))
    assert "1 of 1 expectation did not hold" in banner(page_of(expectations=[row | {"ok": False}]))


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ({"name": "a", "expected": 12_345, "actual": 12_345}, ["A", "12 345", "12 345", "yes"]),
        ({"name": "a (tiyn)", "expected": 150, "actual": 100}, ["A", "1.50 ₸", "1 ₸", "no"]),
        ({"name": "a", "unit": "tiyn", "expected": 100, "actual": 100}, ["A", "1 ₸", "1 ₸", "yes"]),
        ({"name": "a", "unit": "days", "expected": 2, "actual": 3}, ["A", "2 days", "3 days", "no"]),
        ({"name": "a", "unit": "", "expected": "x", "actual": None}, ["A", "x", "none", "no"]),
        ({"name": "a", "expected": True, "actual": False}, ["A", "yes", "no", "no"]),
        ({"name": "a", "expected": 3, "actual": 4, "ok": True}, ["A", "3", "4", "yes"]),
        ({}, ["", "none", "none", "yes"]),
    ],
)
def test_an_expectation_in_words(row: dict[str, Any], cells: list[str]) -> None:
    table = page_in("en", {"expectations": [row]}).all("table")[0]
    page = page_of(expectations=[row])
    found = [told(e) for e in page.elements if e.name in ("td", "th") and e.within("tbody")]
    assert table.name == "table"
    assert found[:4] == cells


def test_the_supply_is_a_sentence_that_was_checked() -> None:
    supply = {
        "issued_tiyn": 100_000,
        "redeemed_tiyn": 30_000,
        "bank_inventory_tiyn": 20_000,
        "wallets_tiyn": 50_000,
    }
    text = section(page_of(supply=supply), "supply")
    assert "Issued 1 000 ₸ − redeemed 300 ₸ = 700 ₸ in circulation." in text
    assert "By holder: 200 ₸ (bank inventories) + 500 ₸ (wallets) = 700 ₸. The two agree to the tiyn." in text


def test_a_supply_that_does_not_add_up_says_so() -> None:
    page = page_of(supply={"issued_tiyn": 100_000, "redeemed_tiyn": 0, "wallets_tiyn": 99_999})
    assert "The two differ by 0.01 ₸." in section(page, "supply")
    assert "agree" not in section(page, "supply")


def test_nothing_in_circulation() -> None:
    text = section(page_of(supply={"issued_tiyn": 500, "redeemed_tiyn": 500}), "supply")
    assert "By holder: 0 ₸ = 0 ₸. The two agree to the tiyn." in text


def test_the_order_of_the_page() -> None:
    page = page_of()
    assert sections(page) == SECTIONS
    links = [link.attributes["href"] for link in page.all("a") if link.within("nav")]
    assert links == [f"#en-{name}" for name in SECTIONS]
    names = [
        e.attributes.get("id") for e in page.elements if e.attributes.get("id") in ("en-result", "en-supply")
    ]
    assert names == ["en-result", "en-supply"]


def test_the_key_figures() -> None:
    (figures,) = styled(page_of(parts=None), "figures")
    assert "payments offline, up to 3 hops long412" in told(figures)
    assert "double spends found1" in told(figures)
    assert "requests refused15" in told(figures)


@pytest.mark.parametrize(
    ("days", "period"), [(1, "6 Nov 2023"), (3, "6 Nov 2023 to 8 Nov 2023; something happened on 3 days")]
)
def test_the_period(days: int, period: str) -> None:
    page = page_in("en", sample(days, 1))
    assert f"Period{period}Rests on" in told(page.one("header"))


# --- story ---


def test_a_short_story_stands_open() -> None:
    page = page_of()
    days = [e for e in page.all("details") if e.parent in styled(page, "days")]
    assert len(days) == 3
    assert all("open" in e.attributes for e in days)
    assert "Mon, 6 Nov 2023" in told(days[0])


def test_a_long_story_is_folded_but_for_its_first_day() -> None:
    page = page_in("en", sample(20, 10))
    days = [e for e in page.all("details") if e.parent in styled(page, "days")]
    assert ["open" in e.attributes for e in days] == [True] + [False] * 19
    assert "10 events: 1 × double spend, 5 × payment" in told(days[11])
    assert {e.text.replace("\u00a0", " ") for e in styled(page, "no") if e.within("summary")} == {
        "1 × double spend"
    }


def test_a_long_day_is_folded_after_forty() -> None:
    page = page_in("en", sample(1, 50))
    inner = [e for e in page.all("details") if e.parent is not None and e.parent.name == "details"]
    assert len(inner) == 1
    assert told(inner[0]).startswith("10 more events of this day")
    assert len(page.all("ol")) == 2


def test_events_without_anything() -> None:
    page = page_of(events=[{}, {"date": "soon", "text": "x", "kind": "frozen"}], series=None)
    assert "Without a date" in section(page, "story")
    assert "soon" in section(page, "story")
    assert len(styled(page, "alarm")) == 1


def test_many_kinds_of_a_day_are_cut_short() -> None:
    rows = [{"date": "2023-11-06", "kind": f"kind_{number}"} for number in range(7)]
    assert "7 events: 1 × kind 0" in section(page_of(events=rows), "story")
    assert "1 × kind 4, …" in section(page_of(events=rows), "story")


# --- offline ---


def test_a_double_spend_names_and_charges() -> None:
    text = section(page_of(), "offline")
    assert "412 payments passed from device to device. The longest line of one coin had 3 hops." in text
    assert "1 double spend came to light when devices synced. One proof names who did it." in text
    assert "the card of pupil 77 (Kazpost)" in text
    assert "evidence/9f2c4a7b-1.bin (840 bytes)" in text
    assert "By kind of bearer: its owner 300 ₸, the loss reserve 500 ₸." in text
    assert "Guilty holder300 ₸" in text
    assert "Together800 ₸" in text
    assert "no bearer" not in text


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("DOUBLE_SPEND", "Double spend: one coin"),
        ("double spend", "Double spend: one coin"),
        ("E_DOUBLE_SPEND", "Double spend: one coin"),
        ("E1", "Double spend: one coin"),
        ("E1 DOUBLE_SPEND", "Double spend: one coin"),
        ("E2 EQUIVOCATION", "Equivocation"),
        ("E12", "E12"),
        (1, "Double spend: one coin"),
        ("equivocation", "Equivocation: one counter"),
        (4, "Bad statement"),
        ("E8", "Two certificates"),
        ("E3", "E3"),
        ("new_thing", "new thing"),
    ],
)
def test_the_types_of_evidence_in_words(kind: object, words: str) -> None:
    offline = sample(1, 1)["offline"]
    offline["evidence"][0]["type"] = kind
    assert f"What is proven{words}" in section(page_of(offline=offline), "offline")


@pytest.mark.parametrize(
    ("borne_by", "words"),
    [
        ({"loss reserve": 70_000}, "100 ₸ has no bearer"),
        ({"loss reserve": 90_000}, "100 ₸ too much was charged"),
        ({}, "800 ₸ has no bearer"),
        (None, "800 ₸ has no bearer"),
    ],
)
def test_a_loss_that_is_not_shared_out_says_so(borne_by: Any, words: str) -> None:
    offline = sample(1, 1)["offline"] | {"borne_by": borne_by}
    assert words in section(page_of(offline=offline), "offline")


def test_no_double_spend() -> None:
    text = section(page_of(offline={"payments": 1, "double_spends": 0}, series=None, flows=None), "offline")
    assert (
        text == "Offline and double spends1 payment passed from device to device. No double spend was found."
    )


@pytest.mark.parametrize(
    ("spends", "proofs", "words"),
    [
        (2, 2, "2 double spends came to light when devices synced. 2 proofs name who did it."),
        (1, 2, "1 double spend came to light when devices synced. 2 proofs name who did it."),
        (1, 0, "1 double spend came to light when devices synced. No proof came with it."),
        (0, 1, "hops. One proof names who did it."),
    ],
)
def test_double_spends_with_and_without_evidence(spends: int, proofs: int, words: str) -> None:
    offline = sample(1, 1)["offline"]
    offline |= {"double_spends": spends, "evidence": offline["evidence"] * proofs}
    assert words in section(page_of(offline=offline), "offline")


def test_evidence_about_no_amount_shows_none() -> None:
    offline = sample(1, 1)["offline"]
    offline["evidence"][0] |= {"amount_tiyn": 0, "bytes": None}
    text = section(page_of(offline=offline), "offline")
    assert "Device9f2c4a7be01d55aa31c0f6b8d2e4907cEvidence fileevidence/9f2c4a7b-1.binSHA-256" in text


# --- books ---


def test_balance_sheets_show_totals_and_changes() -> None:
    page = page_of()
    text = section(page, "sheets")
    assert "Reserves of banks5 550 300 ₸−449 700 ₸" in text
    assert "Loss of digital tenge800 ₸+800 ₸" in text
    assert "Government securities9 000 000 ₸unchanged" in text
    assert "Total9 000 800 ₸Total9 000 800 ₸" in text
    assert "larger" not in text
    captions = [told(e) for e in page.all("caption") if e.within("section") and "National Bank" in e.text]
    assert captions == ["National Bank, Before the run", "National Bank, After the run"]


@pytest.mark.parametrize(
    ("tiyn", "words"), [(600, "Assets are larger by 1 ₸."), (400, "Liabilities are larger by 1 ₸.")]
)
def test_a_sheet_that_does_not_balance_says_so(tiyn: int, words: str) -> None:
    rows = [
        {"account": "a", "side": "asset", "tiyn": tiyn},
        {"account": "b", "side": "liability", "tiyn": 500},
    ]
    assert words in section(
        page_of(balance_sheets=[{"institution": "B", "before": [], "after": rows}]), "sheets"
    )


def test_an_account_that_is_gone_shows_its_change() -> None:
    before = [{"account": "deposits", "side": "liability", "tiyn": 500}]
    after = [{"account": "reserves", "side": "asset", "tiyn": 0}]
    sheet = {"institution": "B", "before": before, "after": after}
    assert "Deposits0 ₸−5 ₸" in section(page_of(balance_sheets=[sheet]), "sheets")
    assert "Deposits0" not in section(page_of(balance_sheets=[sheet | {"after": []}]), "sheets")


def test_a_mark_that_does_not_add_up_says_so() -> None:
    marks = {"road_works": {"given_tiyn": 500, "released_tiyn": 100, "returned_tiyn": 100}}
    assert "Road works: 5 ₸ given, 2 ₸ accounted for." in section(page_of(marks=marks), "marks")
    assert "accounted for" not in section(page_of(), "marks")


def test_a_mark_of_which_little_is_said() -> None:
    text = section(page_of(marks={"meal": {"outstanding_tiyn": 0}}), "marks")
    assert text.endswith("Meal–––0 ₸")


def test_marks_from_allocation_to_the_final_payee() -> None:
    text = section(page_of(supply=None), "marks")
    assert text.startswith("Marked money")
    assert "TreasuryPupilgiven from the budget240640 000 ₸" in text
    assert "It became free in the hands of: Canteen: 550 000 ₸." in text


def test_many_marks_have_a_line_together() -> None:
    one = {"given_tiyn": 500, "released_tiyn": 300, "returned_tiyn": 0, "outstanding_tiyn": 200}
    text = section(page_of(marks={"road": one, "rail": one | {"label": "railway"}}), "marks")
    assert "Railway5 ₸3 ₸0 ₸2 ₸" in text
    assert "Together10 ₸6 ₸0 ₸4 ₸" in text
    assert "Together" not in section(page_of(), "marks")


def test_refusals_come_most_frequent_first_and_facts_stand_as_names() -> None:
    rows = [
        {"code": "E_B", "count": 1, "sentence": "Over {limit_tiyn} by <b>."},
        {"code": "E_A", "count": 2_000, "sentence": "Plain."},
    ]
    page = page_of(refusals=rows)
    assert section(page, "refusals").endswith("WhyE_A2 000Plain.E_B1Over limit by <b>.")
    assert [e.text for e in page.all("var")] == ["limit"]


def test_nothing_was_refused() -> None:
    assert section(page_of(refusals=[]), "refusals") == "RefusalsNothing was refused."
    assert "refusals" not in sections(page_of(refusals=None))


def test_parameters_say_how_well_they_are_known() -> None:
    text = section(
        page_of(parameters=[*sample(1, 1)["parameters"], {"name": "x", "grade": "Q"}, {}]), "parameters"
    )
    assert "Meal price800 ₸press" in text
    assert "Vat12 percentofficial" in text
    assert "XnoneQ" in text
    assert "nonenot stated" in text
    assert (
        "1 × official, 1 × IMF or law firm, 1 × vendor, 1 × press, 1 × derived, 2 × assumption, 2 × not stated"
        in text
    )


def test_the_foot_says_what_is_simulated_and_what_this_is_not() -> None:
    foot = page_of().one("footer")
    assert "Cards and their secure elements are software." in foot.text
    assert DISCLAIMER in foot.text
    assert "test money" in DISCLAIMER
    assert "not affiliated with the National Bank of Kazakhstan" in DISCLAIMER
    assert DISCLAIMER in page_in("en", {}).one("footer").text


# --- charts ---


def test_the_charts_have_words_and_figures() -> None:
    page = page_of()
    drawings = [svg for svg in page.all("svg") if svg.attributes.get("role") == "img"]
    assert [svg.attributes["class"] for svg in drawings] == [
        "map broad",
        "picture",
        "plot",
        "plot",
        "plot",
        "plot",
    ]
    text = section(page, "circulation")
    assert "Stacked areas, one for each kind of holder, from 6 Nov 2023 to 8 Nov 2023." in text
    assert "In circulation at the end of each day, by holder" in text
    assert "Most payments, 7, were made on 7 Nov 2023." in text
    assert "It is highest on 8 Nov 2023: 73 000 ₸." in section(page, "offline")


def test_without_a_float_there_is_no_float_chart() -> None:
    series = sample(3, 1)["series"]
    for escrow in ([0, 0, 0], None):
        page = page_of(series=series | {"escrow_tiyn": escrow})
        assert "Offline float" not in section(page, "offline")


@pytest.mark.parametrize("dates", [[], ["2023-11-06"], ["a", "b", "c", "d", "e"]])
def test_dates_that_are_too_few_too_many_or_none(dates: list[str]) -> None:
    page_of(series=sample(3, 1)["series"] | {"dates": dates})


def test_series_of_nothing() -> None:
    page = page_of(series={"dates": ["2023-11-06"], "wallets_tiyn": [], "escrow_tiyn": [0]}, holders=None)
    assert "Together" in section(page, "circulation")


def test_days_apart_are_said_to_be() -> None:
    series = sample(3, 1)["series"] | {"dates": ["2023-11-06", "2023-11-13", "2024-04-19"]}
    text = section(page_of(series=series), "circulation")
    assert (
        text.count("A dotted line stands for more than a week without events.") == 2
    )  # areas and marked money
    assert "dotted" not in section(page_of(), "circulation")


def test_holders_the_largest_first_and_the_empty_in_a_sentence() -> None:
    rows = [{"name": "pupils", "tiyn": 0}, {"name": "shop", "tiyn": 1}, {"name": "bank", "tiyn": 900}]
    text = section(page_of(holders=rows, supply=None), "supply")
    assert text.index("Bank") < text.index("Shop") < text.index("Nothing is held at the end by: Pupils.")
    only = section(page_of(holders=rows[:1], supply=None), "supply")
    assert only == "SupplyNothing is held at the end by: Pupils."


def test_holders_without_counts() -> None:
    assert "Pupils1 ₸" in section(page_of(holders=[{"name": "pupils", "tiyn": 100}]), "supply")
