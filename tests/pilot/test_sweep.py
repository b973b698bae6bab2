"""`tenge pilot sweep`: every combination once, the same figures as single runs, results as data and as a page."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cbdc.errors import TengeError
from tests.pilot.play import expect, script_text, step
from tests.wallets.html_tree import read
from wallets import cli
from wallets.pilot import runner, sweep, sweep_chart

PARTS = (
    "[[parameter]]\nname = 'price'\ndefault = 10\nleast = 1\nmost = 100",
    "[quick]\npeople = 1",
    step("buy", who="person", amount="tenge(price)"),
    step("pay", who="person", to="person", amount="tenge(900)", refused="E_FUNDS"),
    expect("wallets.person_tiyn", "people * tenge(price)"),
)


@pytest.fixture
def script(tmp_path: Path) -> str:
    file = tmp_path / "tiny.toml"
    file.write_bytes(script_text(*PARTS))
    return str(file)


def code_of(call: object) -> str:
    assert callable(call)
    with pytest.raises(TengeError) as found:
        call()
    return found.value.code


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1", (1,)),
        ("a=1,2,2,3", (1, 2, 3)),
        ("a=1..3", (1, 2, 3)),
        ("a=5..20:5", (5, 10, 15, 20)),
        ("a=5..19:5", (5, 10, 15)),
        (" a =1_000,5..6", (1_000, 5, 6)),
    ],
)
def test_values(text: str, values: tuple[int, ...]) -> None:
    assert sweep.read_values(text) == ("a", values)


@pytest.mark.parametrize(
    "text", ["", "a", "=1", "a=", "a=x", "a=1.5", "a=1..", "a=1..5:0", "a=1..5:x", "a=1..9999"]
)
def test_values_that_cannot_be(text: str) -> None:
    assert code_of(lambda: sweep.read_values(text)) == "E_SWEEP"


def planned(script: str, *params: str, seeds: str = "7", facts: tuple[str, ...] = ("wallets.person_tiyn",)):  # type: ignore[no-untyped-def]
    return sweep.plan(script, params, seeds, facts, {}, quick=False)


def test_every_combination_once(script: str) -> None:
    _, jobs = planned(script, "people=1,2", "price=5..15:5", seeds="1,2")
    assert len({job.key for job in jobs}) == len(jobs) == 2 * 3 * 2
    assert jobs[0].key == "people-1_price-5_seed-1"
    assert jobs[-1].settings == {"people": "2", "price": "15"}


@pytest.mark.parametrize(
    ("params", "facts", "code"),
    [
        (("people=1",), (), "E_SWEEP"),
        (("people=1",), ("wallets.persons_tiyn",), "E_SWEEP"),
        (("people=1..40", "price=1..40"), ("wallets.person_tiyn",), "E_SWEEP"),
        (("people=51",), ("wallets.person_tiyn",), "E_SETTING"),
        (("colour=1",), ("wallets.person_tiyn",), "E_SETTING"),
    ],
)
def test_plans_that_cannot_be(
    script: str, params: tuple[str, ...], facts: tuple[str, ...], code: str
) -> None:
    assert code_of(lambda: planned(script, *params, facts=facts)) == code


def test_the_command(script: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["pilot", "sweep", script, "--param", "price=5,10", "--param", "people=1..2", "--out", str(out)]
    words += ["--fact", "wallets.person_tiyn", "--fact", "refusals.E_FUNDS"]
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO((out / "sweep.csv").read_text())))
    assert [
        (row["price"], row["people"], row["wallets.person_tiyn"], row["refusals.E_FUNDS"]) for row in rows
    ] == [
        (str(price), str(people), str(price * people * 100), str(people))
        for price in (5, 10)
        for people in (1, 2)
    ]
    alone = runner.run(script, tmp_path / "alone", 7, {"price": "10", "people": "2"})
    same = (out / "price-10_people-2_seed-7/report.json").read_bytes()
    assert same == (alone.folder / "report.json").read_bytes()
    page = (out / "sweep.html").read_bytes()
    again = CliRunner().invoke(cli.main, [*words, "--json"])
    assert (out / "sweep.html").read_bytes() == page
    assert json.loads(again.stdout) == json.loads((out / "sweep.json").read_text())
    other = CliRunner().invoke(cli.main, [*words, "--param", "people=3"])
    assert (other.exit_code, "E_FLEET_OTHER" in other.stderr) == (2, True)


def test_a_quick_sweep_begins_from_the_quick_size(script: str) -> None:
    asked, jobs = sweep.plan(script, ["price=5"], "7", ["wallets.person_tiyn"], {}, quick=True)
    assert jobs[0].settings == {"people": "1", "price": "5"}
    assert asked.settings == {"people": "1"}


def test_a_run_that_is_not_as_expected(tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    file.write_bytes(script_text(*PARTS, expect("wallets.person_tiyn", "tenge(10)", "only with one")))
    words = ["pilot", "sweep", str(file), "--param", "people=1,2", "--fact", "supply.wallets_tiyn"]
    result = CliRunner().invoke(cli.main, [*words, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    rows = json.loads((tmp_path / "out/sweep.json").read_text())["runs"]
    assert [row["ok"] for row in rows] == [True, False]


def results(swept: list[str], runs: list[tuple[list[int], int, dict[str, int]]]) -> dict[str, object]:
    rows = [
        {
            "parameters": dict(zip(swept, values, strict=True)),
            "seed": seed,
            "facts": facts,
            "ok": bool(facts),
            "problem": "" if facts else "it <stopped>",
        }
        for values, seed, facts in runs
    ]
    return {"pilot": "a <b>", "swept": swept, "settings": {"x": "<1>"}, "facts": ["f_tiyn"], "runs": rows}


def test_the_page_is_safe_and_self_contained() -> None:
    found = results(
        ["p", "q"], [([1, 1], 7, {"f_tiyn": -150}), ([2, 1], 7, {"f_tiyn": 300}), ([2, 2], 8, {})]
    )
    page = sweep_chart.page(found)
    assert "<b>" not in page
    assert "<stopped>" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert "<script" not in page
    tree = read(page)
    assert [e.text for e in tree.all("th")] == ["p", "q", "seed", "f_tiyn", "as expected"]
    assert "-1.50" in tree.one("table").text
    assert sweep_chart.lines(found, "f_tiyn") == {"q = 1, seed 7": [(1, -150), (2, 300)]}


@pytest.mark.parametrize(
    "runs",
    [
        [([1], 7, {})],
        [([1], 7, {"f_tiyn": 0})],
        [([place], 7, {"f_tiyn": place * 10**12}) for place in range(20)],
    ],
)
def test_pages_of_little_and_of_much(runs: list[tuple[list[int], int, dict[str, int]]]) -> None:
    read(sweep_chart.page(results(["p"], runs)))


def test_seeds_alone_are_a_sweep() -> None:
    found = results([], [([], seed, {"f_tiyn": seed}) for seed in (1, 2, 3)])
    assert len(sweep_chart.lines(found, "f_tiyn")) == 3
    read(sweep_chart.page(found))
