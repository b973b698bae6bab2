"""The money map: columns from issue to redemption, bands as high as their share, nothing outside its frame."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wallets.html_tree import Page, read
from wallets.pilot import money_map
from wallets.pilot.tongue import tongue


def flow(source: str, target: str, tiyn: int, action: str = "payment") -> dict[str, Any]:
    return {"from": source, "to": target, "mark": "", "action": action, "count": 1, "tiyn": tiyn}


WHOLE = [
    flow("national_bank", "bank/1", 1_000),
    flow("bank/1", "treasury", 900),
    flow("bank/1", "group/pupil", 100),
    flow("treasury", "group/pupil", 900),
    flow("group/pupil", "group/canteen", 950),
    flow("group/canteen", "treasury", 100),
    flow("group/canteen", "bank/2", 850),
    flow("bank/2", "national_bank", 850),
]


def drawn(flows: list[dict[str, Any]]) -> Page | None:
    picture = money_map.draw(tongue("en"), "m", "A title", "What it shows.", flows, lambda name: name)
    return None if picture is None else read(str(picture))


def test_columns_run_from_issue_to_redemption() -> None:
    columns, back = money_map.columns_of(money_map.edges_of(WHOLE))
    assert columns == {
        "national_bank+": 0,
        "bank/1+": 1,
        "treasury+": 2,
        "group/pupil": 3,
        "group/canteen": 4,
        "bank/2-": 5,
        "treasury-": 5,
        "national_bank-": 6,
    }
    assert back == set()


def test_what_goes_back_is_the_smaller_part() -> None:
    edges = money_map.edges_of([*WHOLE, flow("group/canteen", "group/pupil", 10)])
    _, back = money_map.columns_of(edges)
    assert back == {("group/canteen", "group/pupil")}


def test_a_map_shows_every_party_and_flow() -> None:
    page = drawn([*WHOLE, flow("group/canteen", "group/pupil", 10), flow("group/pupil", "group/pupil", 70)])
    assert page is not None
    assert page.one("svg").attributes["aria-labelledby"] == "m-title m-description"
    hints = [hint.text.replace("\u00a0", " ") for hint in page.all("title") if hint.within("path")]
    assert "treasury → group/pupil: 9 ₸" in hints
    assert len(hints) == len(WHOLE) + 1
    assert len(page.all("path", class_="back wallets")) == 1
    shown = [text.text.replace("\u00a0", " ") for text in page.all("text")]
    assert "among themselves" in " ".join(shown)
    assert shown.count("treasury") == 2, "it gives and it takes"


@pytest.mark.parametrize(
    "flows",
    [
        [],
        [flow("group/a", "group/a", 5)],
        [flow("group/a", "group/b", 5, "offline_payment")],
        [{"from": "a"}, {"to": "b"}, {}],
        [flow(f"group/{place}", f"group/{place + 1}", 5) for place in range(40)],
    ],
    ids=["nothing", "inside", "devices", "broken", "too many"],
)
def test_what_cannot_be_drawn_is_left_to_the_table(flows: list[dict[str, Any]]) -> None:
    assert drawn(flows) is None


def test_the_same_flows_in_another_order_give_the_same_map() -> None:
    one, two = drawn(WHOLE), drawn(list(reversed(WHOLE)))
    assert one is not None
    assert two is not None
    assert [(e.name, e.attributes) for e in one.elements] == [(e.name, e.attributes) for e in two.elements]


PARTIES = [
    "national_bank",
    "bank/1",
    "treasury",
    "escrow",
    "loss_reserve",
    "group/a",
    "group/b",
    "category/firm",
]
FLOWS = st.lists(
    st.builds(flow, st.sampled_from(PARTIES), st.sampled_from(PARTIES), st.integers(1, 10**14)), max_size=25
)


@given(FLOWS)
def test_whatever_flows_the_drawing_keeps_its_frame(flows: list[dict[str, Any]]) -> None:
    page = drawn(flows)
    if page is None:
        assert not any(row["from"] != row["to"] for row in flows)
        return
    left, top, width, height = (int(part) for part in str(page.one("svg").attributes["viewbox"]).split())
    assert left == 0
    for box in page.all("rect"):
        assert 0 <= int(str(box.attributes["x"])) <= width
        assert top <= int(str(box.attributes["y"])) <= height
        assert int(str(box.attributes["height"])) >= 1
    for shape in page.all("path"):
        numbers = [int(number) for number in re.findall(r"-?\d+", str(shape.attributes["d"]))]
        assert all(-40 <= number <= max(width, height) + 60 for number in numbers)


@given(FLOWS)
def test_every_edge_goes_forward_or_back(flows: list[dict[str, Any]]) -> None:
    edges = money_map.edges_of(flows)
    columns, back = money_map.columns_of(edges) if edges else ({}, set())
    for source, target in edges:
        if source != target:
            assert (columns[source] < columns[target]) != ((source, target) in back)
    assert sorted(columns) == sorted({node for edge in edges for node in edge})


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Pupil", ["Pupil"]),
        ("National Bank", ["National Bank"]),
        ("Bank of canteens and suppliers", ["Bank of", "canteens and", "suppliers"]),
        ("Эскроу офлайн-денег", ["Эскроу", "офлайн-денег"]),
        ("Gas-contractor", ["Gas-", "contractor"]),
        (
            "a b c d e f g h i j k l m n o p q r s t u v w",
            ["a b c d e f g", "h i j k l m n", "o p q r s t u…"],
        ),
        ("Donaudampfschifffahrt", ["Donaudampfschi…"]),
        ("", []),
    ],
)
def test_names_are_broken_into_lines(text: str, lines: list[str]) -> None:
    assert money_map.wrapped(text, 13) == lines
