"""Draws are the same everywhere, follow their distribution, and sum in a closed form; facts cannot be dressed up."""

import statistics
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Malformed, TengeError
from tests.pilot.play import TINY, expect, parsed, run_text, script_text, step
from wallets.pilot import quantities, sampling
from wallets.pilot.expression import evaluate
from wallets.pilot.facts import facts
from wallets.pilot.script import parse

CHANCES = st.integers(0, sampling.WORDS - 1)
NAMES = {"seed": 7, "i": 3}


def many(function: str, count: int = 20_000) -> list[int]:
    return [evaluate(function, {"seed": 7, "i": number}) for number in range(count)]


# --- the draws ---


def test_a_draw_is_known_for_ever() -> None:
    """The same on every machine: what a report says does not change with the computer."""
    assert sampling.word(7, sampling.label_number("ticket"), 0) == 2550718649469751903
    drawn = [evaluate(f'sample_lognormal("ticket", {i}, 1348200, 80)', NAMES) for i in range(3)]
    assert drawn == [489734, 1769427, 906167]


def test_the_table_is_the_normal_distribution() -> None:
    table, normal = sampling.quantiles(), statistics.NormalDist()
    assert len(table) == sampling.HALVES + 1
    for place in range(sampling.HALVES):
        assert abs(table[place] - normal.inv_cdf(0.5 + place / 4096) * 1_000_000) < 1
    assert list(table) == sorted(table)


@given(CHANCES, st.integers(-(10**9), 10**9), st.integers(0, 10**9))
def test_uniform_stays_inside(chance: int, low: int, more: int) -> None:
    assert low <= sampling.uniform(chance, low, low + more) <= low + more


@given(CHANCES, st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any))
def test_choice_never_takes_what_weighs_nothing(chance: int, weights: list[int]) -> None:
    assert weights[sampling.choice(chance, *weights)] > 0


@given(CHANCES, st.integers(1, 10**13), st.integers(0, 1_000))
def test_lognormal_is_not_negative(chance: int, mean: int, spread: int) -> None:
    assert sampling.lognormal(chance, mean, spread) >= 0


@given(st.lists(CHANCES, min_size=2, max_size=2).map(sorted), st.integers(0, 10**6))
def test_more_chance_is_never_less(two: list[int], size: int) -> None:
    for draw in (sampling.uniform, sampling.normal):
        assert draw(two[0], 5, 5 + size) <= draw(two[1], 5, 5 + size)
    assert sampling.lognormal(two[0], 1 + size, 70) <= sampling.lognormal(two[1], 1 + size, 70)


def test_ends_of_chance() -> None:
    assert sampling.uniform(0, 1, 6) == 1
    assert sampling.uniform(sampling.WORDS - 1, 1, 6) == 6
    half = sampling.WORDS // 2
    assert (sampling.standard(half), sampling.standard(half - 1)) == (0, 0)
    assert 3_900_000 < sampling.standard(sampling.WORDS - 1) == -sampling.standard(0) < 4_000_000


def test_moments() -> None:
    """Mean and deviation of 20,000 draws, to within four standard errors."""
    normal = many('sample_normal("n", i, 1000000, 200000)')
    assert abs(statistics.mean(normal) - 1_000_000) < 4 * 200_000 / 20_000**0.5
    assert abs(statistics.pstdev(normal) - 200_000) < 4 * 200_000 / 40_000**0.5
    lognormal = many('sample_lognormal("l", i, 1000000, 50)')
    assert abs(statistics.mean(lognormal) - 1_000_000) < 4 * 500_000 / 20_000**0.5
    assert abs(statistics.pstdev(lognormal) / 500_000 - 1) < 0.1
    uniform = Counter(many('sample_uniform("u", i, 1, 6)'))
    assert set(uniform) == {1, 2, 3, 4, 5, 6}
    assert max(uniform.values()) - min(uniform.values()) < 400
    offline = many('sample_choice("offline", i, 95, 5)')
    assert abs(sum(offline) - 1_000) < 4 * (20_000 * 0.95 * 0.05) ** 0.5


def test_seed_label_and_number_all_matter() -> None:
    first = evaluate('sample_uniform("a", i, 0, 1000000000)', NAMES)
    assert first == evaluate('sample_uniform("a", i, 0, 1000000000)', dict(NAMES))
    assert first != evaluate('sample_uniform("b", i, 0, 1000000000)', NAMES)
    assert first != evaluate('sample_uniform("a", i, 0, 1000000000)', {**NAMES, "i": 4})
    assert first != evaluate('sample_uniform("a", i, 0, 1000000000)', {**NAMES, "seed": 8})


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ('sample_uniform("a", i, 2, 1)', "there is nothing from 2 to 1"),
        ('sample_uniform("a", i, 2)', "sample_uniform got 4 values"),
        ("sample_uniform(1, i, 2, 3)", "sample_uniform got 4 values"),
        ('sample_uniform(i, "a", 2, 3)', "Constant is not allowed"),
        ('sample_normal("a", i, 2, 0 - 1)', "a deviation is 0 or more"),
        ('sample_lognormal("a", i, 0, 10)', "a mean is 1 or more"),
        ('sample_lognormal("a", i, 10, 1001)', "a mean is 1 or more"),
        ('sample_choice("a", i)', "weights are whole numbers"),
        ('sample_choice("a", i, 0, 0)', "weights are whole numbers"),
        ('sample_choice("a", i, 0 - 1, 5)', "weights are whole numbers"),
        ('sample_dice("a", i)', "there is no function sample_dice"),
        ("sample(ticket, i)", "there is no distribution ticket"),
        ('sample("ticket", i)', "Constant is not allowed"),
        ('tenge("a")', "Constant is not allowed"),
        ("'a'", "Constant is not allowed"),
    ],
)
def test_refused_samples(expression: str, problem: str) -> None:
    with pytest.raises(Malformed) as found:
        evaluate(expression, NAMES)
    assert str(found.value.facts["problem"]).startswith(problem)


def test_without_a_seed_nothing_is_sampled() -> None:
    with pytest.raises(Malformed) as found:
        evaluate('sample_uniform("a", 1, 2, 3)', {})
    assert "seed is not known here" in str(found.value.facts["problem"])


# --- distributions of a script ---

TICKET = """
[[distribution]]
name = "ticket"
kind = "lognormal"
mean = "tenge(people * 5)"
spread_percent = 60
unit = "tiyn"
grade = "A"
note = "assumption"
"""


def distribution(**values: object) -> str:
    lines = [f"{key} = {value!r}" for key, value in values.items()]
    return "\n".join(["[[distribution]]", 'name = "d"', *lines])


def test_what_was_sampled_is_expected_in_closed_form(tmp_path: Path) -> None:
    finished = run_text(
        tmp_path,
        TICKET,
        step("buy", who="person", amount="sample(ticket, i)"),
        expect("wallets.person_tiyn", "total(sample(ticket, i), i, people)"),
        people="20",
    )
    assert finished.ok
    assert finished.report["distributions"] == [
        {
            "name": "ticket",
            "kind": "lognormal",
            "values": {"mean": [10_000], "spread_percent": [60]},
            "unit": "tiyn",
            "grade": "A",
            "note": "assumption",
        }
    ]


@pytest.mark.parametrize(
    "term", ["sample(ticket, i)", 'sample_choice("a", i, 9, 1) + 2 * day', "vat(i, 12)", "10 // (i + 1)"]
)
def test_a_long_total_is_the_sum_of_its_terms(term: str) -> None:
    names = {**parsed(TICKET).names, "day": 3}
    terms = [evaluate(term, {**names, "i": i}) for i in range(1_500)]
    assert evaluate(f"total({term}, i, 1500)", names) == sum(terms)


@pytest.mark.parametrize(
    ("term", "problem"),
    [
        ("1 // (i - 1200)", "division by zero"),
        ("sample(tickets, i)", "there is no distribution tickets"),
        ('sample_uniform("a", i, i, 1400)', "there is nothing from 1401 to 1400"),
        ("nothing", "nothing is not known here"),
    ],
)
def test_a_long_total_that_cannot_be(term: str, problem: str) -> None:
    with pytest.raises(Malformed) as found:
        evaluate(f"total({term}, i, 1500)", NAMES)
    assert str(found.value.facts["problem"]).startswith(problem)


def test_another_seed_samples_others() -> None:
    text = script_text(TICKET, '[derived]\nall = "total(sample(ticket, i), i, people)"')
    seven, again, eight = (parse("a.toml", text, {}, seed=seed).names["all"] for seed in (7, 7, 8))
    assert seven == again != eight


def test_a_choice_with_values() -> None:
    script = parsed(distribution(kind="choice", weights=[1, 0, 2], values=["tenge(5)", 6, 7]))
    drawn = Counter(evaluate("sample(d, i)", {**script.names, "i": i}) for i in range(300))
    assert set(drawn) == {500, 7}
    places = parsed(distribution(kind="choice", weights=[1, 0, 2]))
    assert {evaluate("sample(d, i)", {**places.names, "i": i}) for i in range(50)} == {0, 2}


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (distribution(kind="dice"), "kind must be one of uniform, normal, lognormal, choice"),
        (distribution(kind="uniform", low=1), "high must be a number"),
        (distribution(kind="uniform", low=2, high=1), "high is below low"),
        (distribution(kind="uniform", low=2, high=3, mean=1), "unknown: mean"),
        (distribution(kind="normal", mean=1, deviation=-1), "deviation is below 0"),
        (distribution(kind="lognormal", mean=0, spread_percent=1), "mean is 1 or more"),
        (distribution(kind="choice"), "weights are whole numbers"),
        (distribution(kind="choice", weights=[0]), "weights are whole numbers"),
        (distribution(kind="choice", weights=[1, -1]), "weights are whole numbers"),
        (distribution(kind="choice", weights=[1, "x"]), "weights: x is not known"),
        (distribution(kind="choice", weights=[1, 2], values=[1]), "values must be as many as weights"),
        (distribution(kind="uniform", low=1, high=2, grade="Q"), "grade must be one of"),
        (TICKET.replace('"ticket"', '"people"'), "the name people is taken"),
        (TICKET.replace('"ticket"', '"seed"'), "the name seed is taken"),
        (TICKET + TICKET, "the name ticket is taken"),
        (TICKET + "[derived]\nticket = 1", "'ticket' is taken"),
    ],
)
def test_bad_distributions(part: str, problem: str) -> None:
    with pytest.raises(TengeError) as found:
        parsed(part)
    assert str(found.value.facts["problem"]).startswith(problem)


# --- facts ---

FACT = '[[parameter]]\nname = "vat"\nfact = "domain.vat_percent_2026"'


def test_facts_are_graded_and_have_their_source() -> None:
    assert facts()
    for name, fact in facts().items():
        assert fact.name == name
        assert fact.grade in quantities.GRADES, name
        assert fact.grade != quantities.ASSUMPTION, f"{name}: an assumption is no fact"
        assert fact.value > 0, name
        assert all(url.startswith("https://") for url in fact.source.split()), name
        assert fact.source, name
        assert fact.about, name
        assert fact.unit, name


def test_a_parameter_takes_everything_from_its_fact() -> None:
    (_, vat) = parsed(FACT + '\nnote = "for shops"').parameters
    fact = facts()["domain.vat_percent_2026"]
    assert (vat.value, vat.unit, vat.grade, vat.fact, vat.source) == (
        16,
        "percent",
        "I",
        fact.name,
        fact.source,
    )
    assert vat.note == f"{fact.about}; for shops"


def test_who_sets_a_fact_assumes() -> None:
    (_, vat) = parsed(FACT, vat="20").parameters
    assert (vat.value, vat.grade, vat.fact, vat.source) == (20, "A", "", "")
    assert vat.note.startswith("assumption: set for this run, 16 is known (IMF or law firm)")
    (_, same) = parsed(FACT, vat="16").parameters
    assert same.fact == "domain.vat_percent_2026"
    head = TINY.replace("most = 50", 'most = 50\ngrade = "P"\nnote = "counted"')
    assert parsed(head=head).parameters[0].grade == "P"
    assert parsed(head=head, people="3").parameters[0].grade == "A"


def test_a_large_fact_is_counted_in_millions() -> None:
    row = '[[parameter]]\nname = "loan"\nfact = "domain.livestock_loan"\nscale = '
    (_, loan) = parsed(row + "1000000").parameters
    assert (loan.value, loan.unit) == (100, "million tenge")
    for scale in ("10", "0", "-1", "1000000000"):
        with pytest.raises(TengeError) as found:
            parsed(row + scale)
        assert str(found.value.facts["problem"]).startswith("scale must be one of 1, 1000, 1000000")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("default = 16", "default comes from the fact"),
        ('grade = "P"', "grade comes from the fact"),
        ('unit = "percent"', "unit comes from the fact"),
    ],
)
def test_a_fact_cannot_be_dressed_up(more: str, problem: str) -> None:
    with pytest.raises(TengeError) as found:
        parsed(f"{FACT}\n{more}")
    assert str(found.value.facts["problem"]).startswith(problem)


def test_a_fact_that_is_not_there() -> None:
    with pytest.raises(TengeError) as found:
        parsed(FACT.replace("vat_percent_2026", "vat_percent_1999"))
    assert str(found.value.facts["problem"]).startswith("fact: there is no domain.vat_percent_1999")
