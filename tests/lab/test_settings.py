"""Configurations: every mistake is refused with its line and key, sweeps become points, presets are sound."""

import pytest

from cbdc.errors import Malformed, Refused
from offline.parameters import MAX_HOPS, MAX_HOPS_SW
from tests.lab.small import SMALL, plan_of
from wallets.lab import settings
from wallets.lab.form import MEASURES, SECTIONS

QUICK = 20_000


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[lab]\ndays = 0", 2, "no whole number from 1 to 365"),
        ("[lab]\ndays = 366", 2, "no whole number from 1 to 365"),
        ("[lab]\ndays = true", 2, "True is no whole number"),
        ("[lab]\ndays = 3.0", 2, "3.0 is no whole number"),
        ("[lab]\n\ndays = '3'", 3, "'3' is no whole number"),
        ("[lab]\nday = 3", 2, "no such key; there are name, title"),
        ("[lab]\nname = 3", 2, "a text of at most 200"),
        ("[lab]\nengine = 'paper'", 2, "none of tokens, staged, purse"),
        ("[lab]\nloss_policy = 'NOBODY'", 2, "none of WATERFALL"),
        ("[[lab]]\ndays = 3", 1, "single brackets"),
        ("[labs]\ndays = 3", 1, "no such section; there are"),
        ("[people]\ncount = 2\nvillages = 3", 3, "more villages than people"),
        ("[people]\ntier_se = 0\ntier_tee = 0\ntier_sw = 0", 2, "all weights of the tiers are 0"),
        ("[habit]\nkind = 'daily'", 1, "double brackets"),
        ("[[habit]]\nweight = 1", 1, "it is missing: exponential, daily, never"),
        ("[[habit]]\nkind = 'daily'\nweight = 0", 3, "all weights of the habits are 0"),
        ("[[outage]]\nfrom_day = 3", 1, "it is missing: a whole number from 0 to 365"),
        ("[[outage]]\nfrom_day = 3\nto_day = 2", 3, "ends before it begins"),
        ("[[opened]]\ncount = 21", 2, "21 opened devices and colluders of 40 people; at most half"),
        ("[[opened]]\ncount = 4\ncolluders = 5", 2, "24 opened devices and colluders of 40 people"),
        ("[[opened]]\ncount = 1\nbehaviour = 'steal'", 3, "none of clone, rollback"),
        ("[parameters]\nmax_hop = 3", 2, "no such number; there are bank_cap"),
        ("[parameters]\nmax_hops = -1", 2, "no whole number from 0 (hops)"),
        ("[parameters]\nmax_age = 200", 1, "redeem_by comes"),
        ("[sweep]\nmax_hops = 3", 2, "an axis is a list of values"),
        ("[sweep]\nmax_hops = []", 2, "an axis is a list of values"),
        ("[sweep]\nmax_hops = [1, 'two']", 2, "'two' is no whole number"),
        ("[sweep]\nhops = [1]", 2, "no such number"),
        ("[parameters]\nissuer_epoch = 2", 2, "no such number"),
        ("[sweep]\nlab.name = ['a']", 1, "a number of [parameters] or a section.key"),
        ("[sweep]\nlab.engine = ['tokens', 'paper']", 1, "none of tokens, staged, purse"),
        ("[sweep]\nmax_age = [14, 200]", 1, "at max_age = 200"),
        (f"[sweep]\nmax_hops = {list(range(1, 202))}", 1, "201 combinations; 200 are allowed"),
        ("[[plot]]\ntitle = 'x'\nx = 'max_hops'\ny = 'payments'", 3, "'max_hops' is no axis of [sweep]"),
        ("[[plot]]\ntitle = 'x'\nx = 'day'\ny = 'happiness'", 4, "'happiness' is no measure; there are"),
        ("[[plot]]\nx = 'day'\ny = 'payments'", 1, "it is missing: a text"),
        ("days 3", 1, "Expected '='"),
        ("\xff", 1, ""),
    ],
)
def test_a_mistake_is_refused_with_its_line_and_what_to_do(text: str, line: int, words: str) -> None:
    with pytest.raises(Malformed, match=r"^E_LAB: ") as refused:
        settings.read("mine.toml", text.encode("latin-1"))
    assert refused.value.facts["line"] == line, refused.value
    assert words in refused.value.facts["problem"]
    assert "docs/offline-lab.md" in refused.value.next_step()


def test_a_file_is_not_read_beyond_its_size() -> None:
    with pytest.raises(Malformed, match=r"^E_LAB: "):
        settings.read("big.toml", b"#" * (settings.MAX_BYTES + 1))


def test_an_empty_file_is_a_plan_of_defaults() -> None:
    plan = settings.read("empty.toml", b"")
    for section in SECTIONS:
        for key in section.keys if not section.many else ():
            assert getattr(getattr(plan, section.name), key.name) == key.default
    assert plan.points() == [plan]
    assert len(plan.habits) == 1


def test_axes_make_a_point_for_each_combination_the_last_fastest() -> None:
    text = SMALL + "\n[sweep]\nmax_hops = [1, 2]\nlink.lost = [0, 500]\n'opened.count' = [1]"
    points = plan_of(text).points()
    assert [(dict(p.parameters)["max_hops"], p.link.lost, p.opened[0].count) for p in points] == [
        (1, 0, 1),
        (1, 500, 1),
        (2, 0, 1),
        (2, 500, 1),
    ]
    assert dict(points[1].point) == {"max_hops": 1, "link.lost": 500, "opened.count": 1}
    assert plan_of(SMALL + "\n[sweep]\nhabit.hours = [5]").points()[0].habits[0].hours == 5


def test_values_are_changed_by_name() -> None:
    plan = settings.read(
        "small.toml", SMALL.encode(), {"people.count": "9", "max_hops": "2", "lab.engine": "staged"}
    )
    assert (plan.people.count, plan.parameters["max_hops"], plan.lab.engine) == (9, 2, "staged")
    assert plan.policy == {MAX_HOPS.id: 2, MAX_HOPS_SW.id: 1}, (
        "staged brings one hop, what is named goes before"
    )
    with pytest.raises(Malformed, match=r"^E_LAB: "):
        settings.read("small.toml", SMALL.encode(), {"people.counts": "9"})
    assert settings.read("a", b"").sha256 != settings.read("a", b"", {"lab.days": "3"}).sha256


def test_a_name_that_is_nothing_is_refused_with_what_there_is() -> None:
    with pytest.raises(Refused, match=r"^E_LAB_UNKNOWN: ") as refused:
        settings.load("no-such-preset")
    assert "hop-ladder" in str(refused.value.facts["known"])


@pytest.mark.parametrize("name", settings.presets())
def test_a_preset_is_sound_small_and_shows_something(name: str) -> None:
    plan = settings.load(name)
    assert plan.lab.name == name
    assert plan.lab.title
    if name != "hundred-thousand":
        payments = sum(p.people.count * p.lab.days * p.payments.a_day // 1_000 for p in plan.points())
        assert payments < QUICK, "the quick size is quick"
        assert plan.plots
        assert plan.sweep


def test_every_measure_says_what_it_is() -> None:
    assert all(len(text) > 10 for text in MEASURES.values())
