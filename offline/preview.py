"""What another loss policy, or other limits, would make of the cases and the devices that there are: pure computation.

    preview_loss(...)     who would bear a guilty device's losses under a policy, if nothing more were handed in
    preview_limits(...)   what a device may do under numbers of the offline policy, beside what it may do now

Nothing is booked and nothing asked of anybody. What owner and bank could pay is given (`Means`), as it is known at the
moment of asking; a real case asks them when it closes, and they may have more or less by then. The LOTTERY's draw
cannot be known beforehand: a made-up beacon stands in, so its sums are right and its winners are not told.

Source: DTO/1, sections 5.11 and 5.18.
"""

from collections.abc import Mapping
from typing import NamedTuple

from offline.closing import Closing
from offline.live import LiveGraph
from offline.loss_policy import LossPolicy
from offline.parameters import Policy, stricter
from offline.plan_close import borne_at_close
from offline.records import DeviceCertificate, Limits
from offline.settle import Borne, Claim, Settled, case_of, claims_of, fact_key, judge

_MADE_UP_BEACON = bytes(32)


class Means(NamedTuple):
    """What a guilty device's owner and its bank could pay, in tiyn, with what they have paid already."""

    owner_tiyn: int
    bank_tiyn: int


def preview_loss(
    graph: LiveGraph, settled: Mapping[bytes, Settled], kid: bytes, policy: LossPolicy, means: Means
) -> Borne:
    """Who would bear the losses of the guilty device `kid` in the end; `settled` are the facts booked so far."""
    trees = graph.trees_of(kid)
    loss_tiyn = case_of(kid, trees).loss_tiyn
    certificate = graph.seen.certificate(kid)
    most_tiyn = certificate.record.limits.max_out_tiyn if certificate is not None else 0
    if policy.at_close:
        end = max((tree.closes for tree in graph.trees.values()), default=0) + 1
        closing = Closing(
            policy, graph.seen, graph.trees, graph.trees_of, lambda moment: _MADE_UP_BEACON, end
        )
        funded_tiyn = sum(one.funded_tiyn for one in closing.decisions(kid) if one is not None)
        collected = _collected(funded_tiyn if policy.has_recourse else 0, most_tiyn, policy, means)
        return borne_at_close(kid, loss_tiyn, closing, graph.trees, collected)
    device_tiyn = 0
    if policy.recovers:
        own_tiyn = sum(
            _available_tiyn(claim, settled)
            for tree in trees
            for claim in claims_of(tree, graph.seen)
            if judge(claim, tree, graph.seen, closed=True).beneficiary == kid
        )
        device_tiyn = min(loss_tiyn, own_tiyn)
    rest_tiyn = loss_tiyn - device_tiyn
    owner_tiyn, bank_tiyn = _collected(rest_tiyn if policy.has_recourse else 0, most_tiyn, policy, means)
    return Borne(kid, loss_tiyn, device_tiyn, owner_tiyn, bank_tiyn, rest_tiyn - owner_tiyn - bank_tiyn)


def _available_tiyn(claim: Claim, settled: Mapping[bytes, Settled]) -> int:
    """What of a guilty device's claim pays, or has paid, for its losses: what is not paid out to it already."""
    taken = settled.get(fact_key("recover", claim.subject))
    if taken is not None:
        return taken.amount_tiyn
    return 0 if fact_key("pay", claim.subject) in settled else claim.amount_tiyn


def _collected(rest_tiyn: int, most_tiyn: int, policy: LossPolicy, means: Means) -> tuple[int, int]:
    """What owner and bank would pay of `rest_tiyn`; their caps are rounded down, as when they are asked in earnest."""
    owner_tiyn = min(rest_tiyn, most_tiyn * policy.recourse_permille // 1_000, means.owner_tiyn)
    bank_tiyn = min(rest_tiyn - owner_tiyn, most_tiyn * policy.bank_permille // 1_000, means.bank_tiyn)
    return owner_tiyn, bank_tiyn


def preview_limits(certificate: DeviceCertificate, present: Policy, other: Policy) -> tuple[Limits, Limits]:
    """What a certified device may do under the present numbers, and under others: (now, then)."""
    return (
        stricter(certificate.limits, certificate.tier, certificate.category, present),
        stricter(certificate.limits, certificate.tier, certificate.category, other),
    )
