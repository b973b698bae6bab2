"""From what each region counted to the measures of a run: sums, shares in thousandths, medians; whole numbers only.

A **part** is what one region of one point gives (`part`). `measures` adds the parts of a point up. Names end in their
units: `_tiyn`, `_seconds`, `_bytes`, `_permille`; a share of nothing is 0, and a median of nothing is absent.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from wallets.lab.engine import Engine
from wallets.lab.settings import Plan

FORMAT = 1


def part(engine: Engine) -> dict[str, Any]:
    """What one region counted, once its days are played."""
    tally = engine.tally
    return {
        "outcomes": dict(sorted(tally.outcomes.items())),
        "refused": dict(sorted(tally.refused.items())),
        "attack_outcomes": dict(sorted(tally.attack_outcomes.items())),
        "attack_refused": dict(sorted(tally.attack_refused.items())),
        "sums": dict(sorted(tally.sums.items())),
        "hops": {str(hop): row for hop, row in sorted(tally.hops.items())},
        "days": tally.days,
        "findings": engine.findings(),
        "audit": engine.audit(),
    }


def permille(share: int, whole: int) -> int:
    """`share` of `whole` in thousandths, rounded down; 0 of nothing."""
    return share * 1_000 // whole if whole else 0


def rank(values: Sequence[int], percent: int) -> int:
    """The value below or at which `percent` of the sorted values lie (nearest rank)."""
    return values[max(0, -(-len(values) * percent // 100) - 1)]


def _added(parts: Sequence[Mapping[str, Any]], name: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in parts:
        total.update(one[name])
    return total


def measures(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The measures of one point over all its regions."""
    outcomes, sums = _added(parts, "outcomes"), _added(parts, "sums")
    attacks = _added(parts, "attack_outcomes")
    found = [one["findings"] for one in parts]
    tried = sum(outcomes[name] for name in ("paid", "refused", "link", "interrupted"))
    paid = outcomes["paid"] + attacks["paid"]
    return {
        "payments": paid,
        "tried": tried,
        "success_permille": permille(outcomes["paid"], tried),
        "outcomes": dict(sorted(outcomes.items())),
        "refused": dict(sorted(_added(parts, "refused").items())),
        "attack_outcomes": dict(sorted(attacks.items())),
        "attack_refused": dict(sorted(_added(parts, "attack_refused").items())),
        "amount_tiyn": sums["amount_tiyn"],
        "repeats": sums["repeats"],
        "syncs": sums["syncs"],
        "payment_bytes": sums["bytes"] // paid if paid else 0,
        "talk_bytes": sums["talk_bytes"] // paid if paid else 0,
        "sync_bytes": sums["sync_bytes"] // paid if paid else 0,
        "hops": _hops(parts),
        **_losses(found, sums["amount_tiyn"]),
        **_detection(found),
        **_people(found),
        **_parked(parts),
    }


def _hops(parts: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    rows: dict[int, list[int]] = {}
    for one in parts:
        for hop, (payments, size) in one["hops"].items():
            row = rows.setdefault(int(hop), [0, 0])
            row[0] += payments
            row[1] += size
    return {
        str(hop): {"payments": payments, "payment_bytes": size // payments}
        for hop, (payments, size) in sorted(rows.items())
    }


def _losses(found: Sequence[Mapping[str, Any]], amount_tiyn: int) -> dict[str, Any]:
    borne: Counter[str] = Counter()
    for one in found:
        borne.update(one["borne_tiyn"])
        borne["payees"] += one.get("payees_tiyn", 0)
    loss = sum(one["loss_tiyn"] for one in found)
    net = loss - borne["device"]
    opened = sum(one["opened"] for one in found)
    return {
        "opened": opened,
        "guilty": sum(one["guilty"] for one in found),
        "loss_tiyn": loss,
        "net_loss_tiyn": net,
        "net_loss_permille": permille(net, amount_tiyn),
        "net_loss_per_opened_tiyn": net // opened if opened else 0,
        "largest_loss_tiyn": max((value for one in found for value in one["losses_tiyn"]), default=0),
        "borne_tiyn": {name: borne[name] for name in ("device", "owner", "bank", "reserve", "payees")},
        "ring_gain_tiyn": sum(one.get("ring_gain_tiyn", 0) for one in found),
    }


def _detection(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    delays = sorted(value for one in found for value in one["delays_seconds"])
    spent = sum(one["double_spent"] for one in found)
    rows = {
        "double_spent": spent,
        "detected": sum(one["detected"] for one in found),
        "detected_permille": permille(sum(one["detected_in_time"] for one in found), spent),
    }
    if delays:
        rows |= {
            "detection_median_seconds": rank(delays, 50),
            "detection_p95_seconds": rank(delays, 95),
            "detection_max_seconds": delays[-1],
        }
    return rows


def _people(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    honest = sum(one.get("honest", 0) for one in found)
    short = sum(one.get("payees_short", 0) for one in found)
    return {
        "honest": honest,
        "denied_claims": sum(one["denied"] for one in found),
        "denied_people": short,
        "denied_permille": permille(short, honest),
    }


def _parked(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and most over the days of what waits for a sync or for expiry, of what is offline."""
    shares = []
    for day in range(max(len(one["days"]) for one in parts)):
        rows = [one["days"][day] for one in parts if day < len(one["days"])]
        held, stuck, cut = (sum(row[place] for row in rows) for place in range(3))
        shares.append(permille(stuck + cut, held + cut))
    return {
        "parked_permille": sum(shares) // len(shares) if shares else 0,
        "parked_most_permille": max(shares, default=0),
        "parked_by_day_permille": shares,
    }


def results(
    plan: Plan, points: Sequence[Plan], parts: Sequence[Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Everything a run of the laboratory found: one row for each point, with its measures and its audit."""
    runs = []
    for point, mine in zip(points, parts, strict=True):
        checks = [one["audit"] for one in mine]
        runs.append(
            {
                "point": dict(point.point),
                "engine": point.lab.engine,
                "loss_policy": point.lab.loss_policy,
                "measures": measures(mine),
                "audit": {"ok": all(one["ok"] for one in checks), "regions": checks},
            }
        )
    return {
        "format": FORMAT,
        "name": plan.lab.name,
        "title": plan.lab.title,
        "seed": plan.lab.seed,
        "days": plan.lab.days,
        "regions": plan.lab.regions,
        "people": plan.people.count,
        "config_sha256": plan.sha256,
        "axes": [{"name": name, "values": list(values)} for name, values in plan.sweep.items()],
        "plots": [{"title": one.title, "x": one.x, "y": one.y} for one in plan.plots],
        "runs": runs,
    }


def value(measured: Mapping[str, Any], name: str) -> int | None:
    """A measure by its path (`borne_tiyn.reserve`); None where it is absent or no number."""
    found: Any = measured
    for step in name.split("."):
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return found if isinstance(found, int) else None
