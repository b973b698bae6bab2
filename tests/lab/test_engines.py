"""What every engine keeps: no tiyn is lost or made by the honest, and whatever a ring gains, somebody paid."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lab.small import part_of, plan_of
from wallets.lab.form import ENGINES
from wallets.lab.population import Chance, populate


@pytest.mark.parametrize("behaviour", ["clone", "rollback"])
@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_ring_gains_is_what_others_bear(engine: str, behaviour: str) -> None:
    part = part_of(plan_of(lab_engine=engine, opened_behaviour=behaviour))
    assert part["audit"]["ok"], part["audit"]
    found = part["findings"]
    assert found["loss_tiyn"] > 0, "the attack of this test costs something"
    taken_from_the_ring = found["borne_tiyn"]["device"] + found["borne_tiyn"]["owner"]
    assert found["ring_gain_tiyn"] == found["loss_tiyn"] - taken_from_the_ring
    assert found["payees_tiyn"] == 0


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**31 - 1),
    lost=st.integers(0, 700),
    copies=st.integers(2, 4),
    behaviour=st.sampled_from(["clone", "rollback"]),
)
def test_purses_conserve_whatever_happens(seed: int, lost: int, copies: int, behaviour: str) -> None:
    plan = plan_of(
        lab_engine="purse",
        lab_seed=str(seed),
        link_lost=str(lost),
        opened_copies=str(copies),
        opened_behaviour=behaviour,
    )
    part = part_of(plan)
    assert part["audit"]["ok"], part["audit"]
    assert part["findings"]["ring_gain_tiyn"] == part["findings"]["loss_tiyn"]


def test_a_purse_run_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    from wallets.lab import jobs

    plan, path = plan_of(lab_engine="purse", opened_behaviour="clone"), tmp_path / "days.sqlite"

    def stop(done: int, of: int, payments: int) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            jobs.play(plan, 1, path, stop)
    assert part_of(plan, path) == part_of(plan)


def test_a_payment_has_the_same_size_in_a_purse_whatever_its_history() -> None:
    part = part_of(plan_of(lab_engine="purse", link_lost="0"))
    assert list(part["hops"]) == ["1"]
    payments, size = part["hops"]["1"]
    assert size // payments in range(300, 330)
    hops = part_of(plan_of(link_lost="0", payments_a_day="5000"))["hops"]
    assert hops.keys() > {"1"}, "the same days make longer histories of tokens"
    assert hops["2"][1] // hops["2"][0] > hops["1"][1] // hops["1"][0]


def test_a_staged_run_pays_nothing_on() -> None:
    assert set(part_of(plan_of(lab_engine="staged"))["hops"]) == {"1"}


# --- the contact graph ---


def test_the_graph_is_whole_numbers_of_the_seed() -> None:
    plan = plan_of(people_count="60", people_villages="3", opened_count="2", opened_colluders="3")
    region = populate(plan, Chance(7, 1))
    assert populate(plan, Chance(7, 1)) == region
    assert populate(plan, Chance(8, 1)) != region
    people = [agent for agent in region.agents if not agent.is_shop]
    assert len(people) == 60
    assert [agent.number for agent in region.agents] == list(range(len(region.agents)))
    for agent in people:
        assert agent.number not in (*agent.household, *agent.neighbours)
        assert len(agent.household) == 3
        assert 2 <= len(agent.neighbours) <= 4
        for other in agent.household:
            assert agent.number in region.agents[other].household
            assert region.agents[other].village == agent.village
        assert all(region.agents[shop].village == agent.village for shop in agent.shops)
    opened = [agent for agent in people if agent.opened >= 0]
    ring = [agent.number for agent in people if agent.ring >= 0]
    assert len(opened) == 2
    assert sorted(ring) == sorted(number for agent in opened for number in agent.ring_of)
    assert len(ring) == 6


def test_rewiring_makes_a_small_world() -> None:
    near = populate(plan_of(people_count="80", people_rewired="0"), Chance(7, 1))
    far = populate(plan_of(people_count="80", people_rewired="1000"), Chance(7, 1))

    def across(region: object) -> int:
        agents = region.agents  # type: ignore[attr-defined]
        return sum(agents[other].village != agent.village for agent in agents for other in agent.neighbours)

    assert across(near) == 0 < across(far)


def test_counts_have_their_mean() -> None:
    chance = Chance(7, 1)
    drawn = [chance.count(1_500, "test", number) for number in range(4_000)]
    assert set(drawn) == {1, 2}
    assert sum(drawn) in range(5_850, 6_150)
    assert {chance.count(2_000, "test", number) for number in range(50)} == {2}
