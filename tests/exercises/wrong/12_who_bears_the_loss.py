"""Wrong answers to the exercise on who bears the loss: lost tiyn, invented figures, arguments that say nothing."""

from tests.exercises.answers import Changed, Rewritten

PARTS, RATA, LOT, FALL = "in_proportion", "pro_rata", "lottery", "waterfall"
TABLE, GAINS, ARGUE, BANK = "measured", "who_gains", "argument", "let_the_bank_pay"

_FIRST = "first = -(-share_tiyn * ends[0][1] // value_tiyn)"
_BROKEN = "each + (1 if number < broken else 0)"
_GIVEN = 'given = min(sum(missing), fork["device_tiyn"])'
_PART = "part = left_tiyn * weight // left_weight if weight else 0"
_OWNER = "min(owner_tiyn, owner_cap)"
_REMEMBERED = '"worse_off": (party, other)'
_FIGURES = "for name in (policy, other)\n"
_LIMIT = "One small town and one seed tell nothing about how often devices are really opened."
_FEWEST = 'for measure in ("payees_tiyn", f"{party}_tiyn", "ring_gain_tiyn")'

_CHANGES = (
    (
        "shares rounded down each by itself",
        _PART,
        "part = amount_tiyn * weight // sum(weights) if weight else 0",
        PARTS,
    ),
    (
        "the first takes the rest",
        "for weight in weights:\n        part",
        "for weight in weights[::-1]:\n        part",
        PARTS,
    ),
    ("divides by nothing", " if weight else 0\n        parts", "\n        parts", PARTS),
    ("the remainder is lost", _BROKEN, "each", RATA),
    ("broken tiyn to the last", _BROKEN, "each + (1 if number >= len(branches) - broken else 0)", RATA),
    ("branches as they come", 'branches = sorted(fork["branches"])', 'branches = fork["branches"]', RATA),
    ("the change has the broken tiyn", _FIRST, "first = share_tiyn * ends[0][1] // value_tiyn", RATA),
    ("one end has it all", _FIRST, "first = share_tiyn", RATA),
    ("the device gives all it has", _GIVEN, 'given = fork["device_tiyn"]', RATA),
    ("the device gives nothing", _GIVEN, "given = 0", RATA),
    ("ends as they come", "order = sorted(nominal)", "order = sorted(nominal, reverse=True)", RATA),
    ("what is made good is borne too", "sum(missing) - given}", "sum(missing)}", RATA),
    ("a lot without a beacon", "salt = beacon + identity", "salt = identity", LOT),
    ("a lot without a position", ' + position.to_bytes(1, "big")', "", LOT),
    ("the largest hash wins", "winner = min(", "winner = max(", LOT),
    ("the owner pays what he has not", _OWNER, "owner_cap", FALL),
    ("the owner pays without a cap", _OWNER, "owner_tiyn", FALL),
    (
        "the bank pays before the owner",
        '("owner", min(owner_tiyn, owner_cap)),\n        ("bank", bank_cap),',
        '("bank", bank_cap),\n        ("owner", min(owner_tiyn, owner_cap)),',
        FALL,
    ),
    ("the reserve has a cap", '("reserve", loss_tiyn)', '("reserve", bank_cap)', FALL),
    (
        "one policy for all",
        "{policy: town.measure(policy) for",
        '{policy: town.measure("WATERFALL") for',
        TABLE,
    ),
    ("one policy is missing", "for policy in town.policies}", "for policy in town.policies[1:]}", TABLE),
    ("a pretty table", "town.measure(policy) for", '{**town.measure(policy), "payees_tiyn": 0} for', TABLE),
    (
        "one of the equal ones",
        'if row["ring_gain_tiyn"] == most)',
        'if row["ring_gain_tiyn"] == most)[:1]',
        GAINS,
    ),
    (
        "not sorted",
        'sorted(name for name, row in table.items() if row["payees_tiyn"] == least)',
        '[name for name, row in table.items() if row["payees_tiyn"] == least][::-1]',
        GAINS,
    ),
    (
        "gains below nothing forgotten",
        'most = max(row["ring_gain_tiyn"] for',
        'most = max(abs(row["ring_gain_tiyn"]) for',
        GAINS,
    ),
    (
        "a policy that nobody measured",
        '{"policy": policy, "figures"',
        '{"policy": "FIRST_SEEN", "figures"',
        ARGUE,
    ),
    ("figures of one policy", _FIGURES, "for name in (policy, policy)\n", ARGUE),
    ("two figures", _FEWEST, 'for measure in ("payees_tiyn",)', ARGUE),
    ("a figure invented", "measure, table[name][measure])", "measure, table[name][measure] + 1)", ARGUE),
    ("nobody is worse off", _REMEMBERED, '"worse_off": (party, policy)', ARGUE),
    (
        "a number in the text that was not measured",
        "I choose {policy}.",
        "I choose {policy}. In a year 31415926 tiyn are lost.",
        ARGUE,
    ),
    (
        "a figure missing in the text",
        " The ring has {mine['ring_gain_tiyn']} tiyn",
        " The ring has some tiyn",
        ARGUE,
    ),
    ("the thief's device is worse off", "for party in WORSE_OFF", "for party in PARTIES[:1]", ARGUE),
    (
        "ends by their ids in step 2",
        _FIRST,
        _FIRST.replace("ends[0]", "min(ends)"),
        RATA,
    ),
    ("no limit", _LIMIT, "None that I know of.", ARGUE),
    ("a short text", '"limit": limit, "text": text}', '"limit": limit, "text": text[:60]}', ARGUE),
)

_IN_FULL = (
    "paid = {end: tiyn for _, ends in arguments[0]['branches'] for end, tiyn in ends}\n"
    "    return {'paid': paid, 'device_tiyn': 0, 'payees_tiyn': 0}"
)

_WORDS = """
    import re
    table = arguments[0]
    first, second = sorted(table)[:2]
    cells = [(name, key, table[name][key]) for name in (first, second) for key in ("loss_tiyn", "device_tiyn")]
    text = " ".join(str(cell) for cell in cells) + " payees" + " because of it" * 30
    return {"policy": first, "figures": cells, "worse_off": ("payees", second), "limit": "x " * 9, "text": text}
"""

_LEARNED = """
    return {"policy": "WATERFALL", "figures": [("WATERFALL", "loss_tiyn", 711200)] * 4,
            "worse_off": ("bank", "PRO_RATA"), "limit": "one two three four five six seven eight nine",
            "text": "WATERFALL PRO_RATA bank 711200 " + " ".join(f"word{number}" for number in "abcdefghij" * 7)}
"""


WRONG = [
    *(Changed(*row) for row in _CHANGES),
    Rewritten("pairs without a search", {"off_balance": "return (10_001, 2), (10_002, 3)"}, "off_balance"),
    Rewritten(
        "the same pair twice",
        {"off_balance": "one = (arguments[0].least_tiyn | 1, 2)\n    return one, one"},
        "off_balance",
    ),
    Rewritten("any reference", {"grind": "return bytes(32)"}, "grind"),
    Rewritten("another's reference", {"grind": "return arguments[0].honest[0]"}, "grind"),
    Rewritten(
        "one branch too few",
        {"dilute": "one = arguments[0]\n    return one.value_tiyn // (one.target_tiyn + 1) - 1"},
        "dilute",
    ),
    Changed("the thief leaves his money", "return 0, 0, min(", "return office.device_tiyn, 0, min(", BANK),
    Changed("the owner leaves his money", "return 0, 0, min(", "return 0, office.online_tiyn, min(", BANK),
    Changed("the reserve pays too", "cap // office.value_tiyn + 1)", "cap // office.value_tiyn + 2)", BANK),
    Changed("a branch too few", "cap // office.value_tiyn + 1)", "cap // office.value_tiyn)", BANK),
    Rewritten("as many as it takes", {"dilute": "return 99"}, "dilute"),
    Rewritten(
        "equal parts",
        {
            "in_proportion": "amount, weights = arguments\n    return [amount // (len(weights) or 1)] * len(weights)"
        },
        PARTS,
    ),
    Rewritten(
        "everybody is paid in full",
        {"pro_rata": _IN_FULL},
        RATA,
    ),
    Rewritten(
        "a table by heart",
        {"measured": "return {name: {'loss_tiyn': 711200} for name in arguments[0].policies}"},
        TABLE,
    ),
    Rewritten("always the same policies", {"who_gains": "return ['WATERFALL'], ['WATERFALL']"}, GAINS),
    Rewritten("right words and no argument", {"argument": _WORDS.strip()}, ARGUE),
    Rewritten("an argument learned by heart", {"argument": _LEARNED.strip()}, ARGUE),
]
