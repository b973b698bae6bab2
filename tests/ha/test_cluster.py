"""One kill of the cluster's leader, of an etcd node and of the writer under load; many are `make ha`."""

import pytest

from tests.ha.kills import Run, plan_of
from tests.servers.cluster import Cluster, missing, unreadable
from tests.servers.postgres import need


def test_a_plan_follows_from_its_seed() -> None:
    plan = plan_of(20, 1)
    assert plan.count("leader") == 20
    assert len(plan) == 30
    assert plan == plan_of(20, 1)
    assert len({tuple(plan_of(20, seed)) for seed in range(5)}) > 1


@pytest.mark.slow
def test_the_leader_dies_and_nothing_acknowledged_is_lost() -> None:
    need(missing())
    if reason := unreadable():
        pytest.skip(reason)
    # Three, because a strict cluster of two answers no commit while one of them is away.
    with Cluster(nodes=3) as cluster:
        result = Run(cluster, seed=1).play(["takeover", "application", "etcd", "leader"])
    assert result.kills == {"leader": 1, "etcd": 1, "takeover": 1, "application": 1}
    assert result.unanswered["E_STORE_FENCED"] >= 1
    assert result.entries > result.acknowledged > 100
    print(f"write gap after the leader's death: {result.gaps['leader'][0]:.1f} s")
