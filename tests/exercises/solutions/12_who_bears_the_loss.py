"""A solution of the exercise on who bears the loss. Students: this is where the fun ends."""

import hashlib
from collections.abc import Mapping, Sequence

from careless import Office, branch_id
from loss_town import PARTIES, Town

Fork = Mapping[str, object]
Table = Mapping[str, Mapping[str, int]]


def off_balance(office: Office) -> tuple[tuple[int, int], tuple[int, int]]:
    """Every remainder once."""
    cases = [
        (office.least_tiyn + more, branches)
        for branches in range(2, office.most_branches + 1)
        for more in range(branches)
    ]

    def made(case: tuple[int, int]) -> int:
        value_tiyn, branches = case
        share = (2 * value_tiyn + branches) // (2 * branches)
        return share * branches - value_tiyn

    return max(cases, key=made), min(cases, key=made)


def grind(office: Office) -> bytes:
    """Until it wins."""
    number = 0
    while True:
        reference = number.to_bytes(32, "big")
        mine = branch_id(office.friend, reference)
        if office.draw([*office.honest, mine]) == mine:
            return reference
        number += 1


def dilute(office: Office) -> int:
    """The smallest k with value // (k + 1) <= target."""
    return office.value_tiyn // (office.target_tiyn + 1)


def let_the_bank_pay(office: Office) -> tuple[int, int, int]:
    """Nothing is left, and the bank's cap is filled."""
    cap = office.max_out_tiyn * office.caps_permille[1] // 1_000
    return 0, 0, min(office.most_branches, cap // office.value_tiyn + 1)


def in_proportion(amount_tiyn: int, weights: Sequence[int]) -> list[int]:
    """What is left, by the weights that are left."""
    left_tiyn, left_weight, parts = amount_tiyn, sum(weights), []
    for weight in weights:
        part = left_tiyn * weight // left_weight if weight else 0
        parts.append(part)
        left_tiyn, left_weight = left_tiyn - part, left_weight - weight
    return parts


def pro_rata(fork: Fork) -> dict[str, object]:
    """Equal shares, in the order of ids."""
    branches = sorted(fork["branches"])
    each, broken = divmod(fork["value_tiyn"], len(branches))
    kept: dict[bytes, int] = {}
    for number, (_, ends) in enumerate(branches):
        share_tiyn = each + (1 if number < broken else 0)
        kept |= along(share_tiyn, ends, fork["value_tiyn"])
    return made_good(fork, kept)


def along(share_tiyn: int, ends: list[tuple[bytes, int]], value_tiyn: int) -> dict[bytes, int]:
    """A branch's share at its ends; the first has the broken tiyn."""
    if len(ends) == 1:
        return {ends[0][0]: share_tiyn}
    first = -(-share_tiyn * ends[0][1] // value_tiyn)
    return {ends[0][0]: first, ends[1][0]: share_tiyn - first}


def made_good(fork: Fork, kept: Mapping[bytes, int]) -> dict[str, object]:
    """The device gives what it has for what is missing."""
    nominal = {end: tiyn for _, ends in fork["branches"] for end, tiyn in ends}
    order = sorted(nominal)
    missing = [nominal[end] - kept[end] for end in order]
    given = min(sum(missing), fork["device_tiyn"])
    parts = in_proportion(given, missing)
    paid = {end: kept[end] + part for end, part in zip(order, parts, strict=True)}
    return {"paid": paid, "device_tiyn": given, "payees_tiyn": sum(missing) - given}


def lottery(fork: Fork, beacon: bytes) -> dict[str, object]:
    """One branch has everything."""
    identity, position = fork["fork"]
    salt = beacon + identity + position.to_bytes(1, "big")
    winner = min(
        (branch for branch, _ in fork["branches"]), key=lambda one: hashlib.sha256(salt + one).digest()
    )
    kept = {end: tiyn if branch == winner else 0 for branch, ends in fork["branches"] for end, tiyn in ends}
    return made_good(fork, kept)


def waterfall(
    loss_tiyn: int, device_tiyn: int, owner_tiyn: int, max_out_tiyn: int, caps_permille: tuple[int, int]
) -> dict[str, int]:
    """Each in its turn."""
    owner_cap, bank_cap = (max_out_tiyn * cap // 1_000 for cap in caps_permille)
    borne, left = dict.fromkeys(PARTIES, 0), loss_tiyn
    for party, most in (
        ("device", device_tiyn),
        ("owner", min(owner_tiyn, owner_cap)),
        ("bank", bank_cap),
        ("reserve", loss_tiyn),
    ):
        borne[party] = min(left, most)
        left -= borne[party]
    return borne


def measured(town: Town) -> dict[str, dict[str, int]]:
    """Each policy once."""
    return {policy: town.measure(policy) for policy in town.policies}


def who_gains(table: Table) -> tuple[list[str], list[str]]:
    """All that are equal."""
    most = max(row["ring_gain_tiyn"] for row in table.values())
    least = min(row["payees_tiyn"] for row in table.values())
    return (
        sorted(name for name, row in table.items() if row["ring_gain_tiyn"] == most),
        sorted(name for name, row in table.items() if row["payees_tiyn"] == least),
    )


def argument(table: Table) -> dict[str, object]:
    """For the policy under which honest payees bear least, with whoever pays for it named."""
    loved, mild = who_gains(table)
    found = [
        (policy, party, other)
        for policy in (*mild, *sorted(table))
        for other in sorted(table)
        for party in PARTIES
        if table[policy][f"{party}_tiyn"] > table[other][f"{party}_tiyn"]
    ]
    policy, party, other = found[0]
    mine, theirs = table[policy], table[other]
    figures = [
        (name, measure, table[name][measure])
        for name in (policy, other)
        for measure in ("payees_tiyn", f"{party}_tiyn", "ring_gain_tiyn")
    ]
    text = (
        f"I choose {policy}. Honest payees bear {mine['payees_tiyn']} tiyn under it and {theirs['payees_tiyn']} tiyn "
        f"under {other}. A baker who is handed a good note cannot see that it was spent before, so she should not be "
        f"the one who pays. Somebody pays: the party that is worse off is the {party}, with {mine[f'{party}_tiyn']} "
        f"tiyn instead of {theirs[f'{party}_tiyn']}. The ring has {mine['ring_gain_tiyn']} tiyn for nothing here and "
        f"{theirs['ring_gain_tiyn']} there, and likes {', '.join(loved)} best; that is the price of good faith, and a "
        "reason to keep limits low and to look at payees who hide for days."
    )
    limit = "One small town and one seed tell nothing about how often devices are really opened."
    return {"policy": policy, "figures": figures, "worse_off": (party, other), "limit": limit, "text": text}
