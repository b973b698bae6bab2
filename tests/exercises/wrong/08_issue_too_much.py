"""Wrong answers to issue too much: mints that are honest, and auditors that trust something."""

from tests.exercises.answers import Changed, Rewritten

_STANDS = "if not head_stands(key, *old) or not head_stands(key, *new):"
_LAST = "if old[0] > new[0] or root(entries[: old[0]]) != old[1]:"

_MINTED = 'mint.write(entry("issue", "Altai", 10**14))'
_SECOND = 'mint.show("Kokshe", [*entries, entry("deposit", "Kokshe", 5_00)])'
_LEAF = 'return hashlib.sha256(b"\\0" + entries[0]).digest()'
_HALF = "half = 1\n    while half * 2 < len(entries):\n        half *= 2"
_PLACE = "if not 0 <= index < size or any(len(node) != 32 for node in proof):"
_BREACH = '            found.append((index, "RESERVES"))\n'

WRONG = [
    Changed(
        "a small issue",
        'mint.write(entry("issue", "Altai", 10**14))',
        'mint.write(entry("issue", "Altai", 1))',
        "issue_from_nothing",
    ),
    Changed("a true statement", "mint.publish(10**15, 0)", "mint.publish(0, 10**14)", "issue_from_nothing"),
    Rewritten(
        "publishes nothing",
        {"issue_from_nothing": "arguments[0].write(b'')"},
        "issue_from_nothing",
    ),
    Rewritten("changes nothing", {"change_the_past": "arguments[0].publish(1, 1)"}, "change_the_past"),
    Rewritten("a new issue", {"change_the_past": "issue_from_nothing(arguments[0])"}, "change_the_past"),
    Changed(
        "one face",
        'mint.show("Kokshe", [*entries, entry("deposit", "Kokshe", 5_00)])',
        'mint.show("Kokshe", [*entries, entry("deposit", "Altai", 5_00)])',
        "two_faces",
    ),
    Changed(
        "a face that looks wrong",
        'mint.show("Kokshe", [*entries, entry("deposit", "Kokshe", 5_00)])',
        'mint.show("Kokshe", [*entries, entry("issue", "Kokshe", 10**14)])',
        "two_faces",
    ),
    Changed(
        "leaves like nodes",
        'return hashlib.sha256(b"\\0" + entries[0]).digest()',
        'return hashlib.sha256(b"\\1" + entries[0]).digest()',
        "root",
    ),
    Changed(
        "halves of equal size",
        "half = 1\n    while half * 2 < len(entries):\n        half *= 2",
        "half = len(entries) // 2",
        "root",
    ),
    Changed(
        "any length of proof",
        '        if proof:\n            raise Wrong("too long")\n',
        "",
        "check_inclusion",
    ),
    Changed(
        "any place",
        "if not 0 <= index < size or any(len(node) != 32 for node in proof):",
        "if index >= size:",
        "check_inclusion",
    ),
    Changed("never asks the root", "proof)) != of_root:", "proof)) == b'':", "check_inclusion"),
    Rewritten(
        "believes all", {"check_inclusion": "return None", "continues": "return None"}, "check_inclusion"
    ),
    Rewritten("believes nothing", {"check_inclusion": "raise Wrong('no')"}, "check_inclusion"),
    Rewritten("finds nothing", {"audit": "return []"}, "audit"),
    Changed("withdraws freely", 'kind in {"issue", "withdraw"}', 'kind == "issue"', "audit"),
    Changed(
        "counts breaches too",
        '            found.append((index, "RESERVES"))\n',
        '            found.append((index, "RESERVES"))\n            kept.append(data)\n',
        "audit",
    ),
    Changed(
        "one sum for all banks",
        "money[bank] > reserves[bank]",
        "sum(money.values()) > sum(reserves.values())",
        "audit",
    ),
    Changed("any head", _STANDS, "if False:", "continues"),
    Changed("an old head by anybody", _STANDS, "if not head_stands(key, *new):", "continues"),
    Changed(
        "head of other entries",
        "if len(entries) != new[0] or root(entries) != new[1]:",
        "if False:",
        "continues",
    ),
    Changed("a past that changed", _LAST, "if old[0] > new[0]:", "continues"),
    Changed("a shorter log", _LAST, "if False and root(entries) == old[1]:", "continues"),
    Changed("forged heads accuse", "if head_stands(key, size, of_root, signature):", "if True:", "forks"),
    Rewritten("accuses every size", {"forks": "return sorted({one[0] for one in arguments[0]})"}, "forks"),
]
