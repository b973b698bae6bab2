"""Makers for docs/policies.md: the kinds of rules and the presets, as the code and its files have them."""

from collections.abc import Callable, Mapping

from cbdc.money import format_tenge
from cbdc.policies import KINDS, SWITCH, TIYN, preset


def policy_kinds(argument: str) -> str:
    """Every kind of rule, its unit, and whether it is one tier's."""
    lines = ["| kind | counted in | of one tier | what it says |", "|---|---|---|---|"]
    for name, kind in KINDS.items():
        tier = "yes" if kind.of_tier else ""
        lines.append(f"| `{name}` | {kind.unit} | {tier} | {kind.meaning} |")
    return "\n".join(lines)


def policy_preset(argument: str) -> str:
    """A preset's rules with amount, grade and note."""
    policy = preset(argument)
    tiers = {tier.number: tier.name for tier in policy.tiers}
    lines = [
        f"**{policy.title}.** {policy.note}",
        "",
        "| rule | tier | value | grade | note |",
        "|---|---|---|---|---|",
    ]
    for rule in policy.rules:
        unit = KINDS[rule.kind].unit
        value = {TIYN: format_tenge(rule.value), SWITCH: "holds"}.get(unit, f"{rule.value:,} {unit}")
        tier = f"{rule.tier}, {tiers[rule.tier]}" if rule.tier else ""
        lines.append(f"| `{rule.name}` ({rule.kind}) | {tier} | {value} | {rule.grade} | {rule.note} |")
    return "\n".join(lines)


MAKERS: Mapping[str, Callable[[str], str]] = {"policy-kinds": policy_kinds, "policy-preset": policy_preset}
