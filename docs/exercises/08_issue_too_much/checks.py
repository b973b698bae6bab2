"""What the grader asks: three ways to cheat a lazy auditor, and an auditor that trusts nothing."""

import random

from mint import BANKS, Mint, entry, head_message, honest_log, read, sums, weak_root
from proofs import inclusion

from cbdc.errors import TengeError
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ledger.entry import check_consistency, leaf_hash
from wallets.exercises.asking import need, refusal
from wallets.exercises.labs import Key
from wallets.exercises.line import Raised, Student
from wallets.sandbox import Sandbox

LARGE_TIYN = 1_000_000_00


def _over(entries: list[bytes]) -> dict[str, int]:
    """How much more money than reserves each bank has, where it has."""
    reserves, money = sums(entries)
    return {bank: money[bank] - reserves[bank] for bank in BANKS if money[bank] > reserves[bank]}


def _pleased(mint: Mint) -> None:
    need(len(mint.said) > 1, "nothing_published")
    need(not any(mint.said), "auditor_says", said="; ".join(one for one in mint.said if one))


def test_issue_from_nothing(student: Student, seed: int) -> None:
    mint = Mint(seed)
    student.issue_from_nothing(mint)
    _pleased(mint)
    over = _over(list(mint.published[-1]))
    need(max(over.values(), default=0) >= LARGE_TIYN, "not_enough_made", over=str(over))
    try:
        Sandbox.in_memory(seed).issue(tenge=10**12)
    except TengeError as error:
        student.note(error.code, error.sentence())


def test_change_the_past(student: Student, seed: int) -> None:
    mint = Mint(seed)
    read_before = mint.published[0]
    student.change_the_past(mint)
    _pleased(mint)
    after = mint.published[-1]
    need(len(after) >= len(read_before) and after[: len(read_before)] != read_before, "past_unchanged")
    need(not any(read(one)[0] == "issue" for one in after[len(read_before) :]), "new_issue")
    need(_over(list(after)), "no_breach")
    try:
        check_consistency(
            len(read_before), weak_root(read_before), len(after), weak_root(after), [leaf_hash(b"")]
        )
    except TengeError as error:
        student.note(error.code, "a kept head and a proof of consistency")


def test_two_faces(student: Student, seed: int) -> None:
    mint = Mint(seed)
    student.two_faces(mint)
    _pleased(mint)
    need(len(mint.seen_by) >= 2, "one_bank_only")
    shown = sorted(mint.seen_by.items())
    pairs = [(one, two) for one in shown for two in shown if one[0] < two[0]]
    apart = [(one, two) for one, two in pairs if len(one[1]) == len(two[1]) and one[1] != two[1]]
    need(apart, "no_contradiction")
    need(all(not _over(list(entries)) for pair in apart for _, entries in pair), "looks_wrong")


# --- part 2 ---


def test_root(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    for size in [0, 1, 2, 3, 4, 5, 7, 8, 9, *(chance.randrange(10, 70) for _ in range(4))]:
        entries = [chance.randbytes(chance.randrange(1, 40)) for _ in range(size)]
        need(student.root(entries) == weak_root(entries), "root_wrong", size=size)


def test_check_inclusion(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    asked = []
    for _ in range(7):
        entries = honest_log(chance, chance.randrange(3, 40))
        size, index = len(entries), chance.randrange(len(entries))
        proof, right = inclusion(entries, index), weak_root(entries)
        asked.append(("", entries[index], index, size, proof, right))
        asked += _spoilt(chance, entries, index, proof, right)
    first, second = honest_log(chance, 5)[:2]
    both, leaves = weak_root([first, second]), [leaf_hash(first), leaf_hash(second)]
    asked += [
        ("", first, 0, 2, [leaves[1]], both),
        ("", second, 1, 2, [leaves[0]], both),
        ("", first, 0, 1, [], weak_root([first])),
        *(("outside", second, place, 2, [leaves[0]], both) for place in (2, 3, -1)),
        *(("before_all", first, place, 2, [leaves[1]], both) for place in (-1, -2)),
        ("too_long", second, 0, 1, [leaves[0]], both),  # a root made for the false proof
        ("too_long", first, 0, 1, [leaves[1]], both),
        ("too_short", first, 0, 2, [], weak_root([first])),
    ]
    chance.shuffle(asked)
    for story, *given in asked:
        said = _judged(student, given)
        if story:
            need(said is not None, "proof_believed", story=Key(f"story.{story}"))
        else:
            need(said is None, "proof_refused", index=given[1], size=given[2])


def _spoilt(
    chance: random.Random, entries: list[bytes], index: int, proof: list[bytes], right: bytes
) -> list[tuple]:  # type: ignore[type-arg]
    data, size = entries[index], len(entries)
    other = entry("issue", chance.choice(BANKS), chance.randrange(10**12, 10**13))
    found = [
        ("another_entry", other, index, size, proof, right),
        ("another_root", data, index, size, proof, chance.randbytes(32)),
        ("outside", data, size, size, proof, right),
        ("before_all", data, -1, size, proof, right),
        ("too_long", data, index, size, [*proof, chance.randbytes(32)], right),
        ("too_long", data, index, size, [chance.randbytes(32), *proof], right),
        ("inner_as_entry", b"\1" + bytes(64), index, size, proof, right),
    ]
    if proof:
        found += [
            ("too_short", data, index, size, proof[:-1], right),
            ("flipped", data, index, size, [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]], right),
            ("odd_length", data, index, size, [proof[0] + b"\0", *proof[1:]], right),
        ]
        if index ^ 1 < size and entries[index ^ 1] != data:
            found.append(("another_place", data, index ^ 1, size, proof, right))
    return found


def _judged(student: Student, given: list[object]) -> Raised | None:
    try:
        return refusal(student.check_inclusion, *given, kinds=("Wrong",))
    except Raised as error:
        need(
            error.is_a("NotImplementedError"),
            "crashed",
            kind=error.kinds[0],
            text=error.text,
            line=error.line,
        )
        raise


def test_audit(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    for wanted in (0, 1, 3, 6):
        entries, truth = _log_with_breaches(chance, wanted)
        answer = student.audit(entries)
        need(isinstance(answer, list) and all(isinstance(one, tuple) for one in answer), "findings_form")
        facts = {"right": str(truth)[:120], "answer": str(answer)[:120]}
        need(answer == truth, "findings_wrong", **facts)


def _log_with_breaches(chance: random.Random, wanted: int) -> tuple[list[bytes], list[tuple[int, str]]]:
    """An honest log with breaches put in at random places, and what is to be found."""
    log, truth = [], []
    honest = honest_log(chance, 24)
    places = sorted(chance.sample(range(3, 24), wanted))
    for number, data in enumerate(honest):
        if number in places:
            reserves, money = sums(
                [one for index, one in enumerate(log) if index not in {at for at, _ in truth}]
            )
            bank, kind = chance.choice(BANKS), chance.choice(("form", "issue", "withdraw", "redeem"))
            room = reserves[bank] - money[bank]
            bad = {
                "form": (chance.choice([b"", b"\x90", data + b"\0", entry("issue", "Nobody", 5)]), "FORM"),
                "issue": (entry("issue", bank, room + chance.choice((1, LARGE_TIYN))), "RESERVES"),
                "withdraw": (entry("withdraw", bank, room + 1), "RESERVES"),
                "redeem": (entry("redeem", bank, money[bank] + 1), "MONEY"),
            }[kind]
            truth.append((len(log), bad[1]))
            log.append(bad[0])
        log.append(data)
    return [*log, *_to_the_edge(log, {at for at, _ in truth})], truth


def _to_the_edge(log: list[bytes], wrong: set[int]) -> list[bytes]:
    """Honest entries that go exactly as far as the rules let them."""
    reserves, money = sums([one for index, one in enumerate(log) if index not in wrong])
    found = []
    for bank in BANKS:
        room = reserves[bank] - money[bank]
        found += [entry("issue", bank, room)] if room else []
        found += [entry("redeem", bank, reserves[bank]), entry("withdraw", bank, reserves[bank])]
    return found


def test_continues(student: Student, seed: int) -> None:
    chance, mint = random.Random(seed), Mint(seed)
    entries = mint.entries()
    stranger = SoftwareKey(ED25519, chance.randbytes(32))
    for _ in range(4):
        old = mint.sign(entries)
        longer = [*entries, *honest_log(chance, 6)]
        new = mint.sign(longer)
        rewritten = [entry("issue", "Altai", 7_00), *longer[1:]]
        forged = (len(longer), new[1], stranger.sign(head_message(len(longer), new[1])))
        asked = [
            ("", old, longer, new),
            ("", old, entries, old),
            ("rewritten", old, rewritten, mint.sign(rewritten)),
            ("shorter", new, entries, old),
            ("not_these", old, rewritten, new),
            ("later_changed", old, [*longer[:-1], entry("issue", "Altai", 9_99)], new),
            ("one_missing", old, longer[:-1], new),
            ("forged_new", old, longer, forged),
            ("forged_old", (old[0], old[1], forged[2]), longer, new),
            (
                "swapped",
                old,
                [longer[1], longer[0], *longer[2:]],
                mint.sign([longer[1], longer[0], *longer[2:]]),
            ),
        ]
        chance.shuffle(asked)
        for story, first, log, second in asked:
            said = refusal(student.continues, first, log, second, mint.key, kinds=("Wrong",))
            if story:
                need(said is not None, "continuation_believed", story=Key(f"story.{story}"))
            else:
                need(said is None, "continuation_refused")
        entries = longer


def test_forks(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    mint, stranger = Mint(seed), SoftwareKey(ED25519, chance.randbytes(32))
    for faces in (0, 2, 1):
        log = honest_log(chance, 40)
        sizes = chance.sample(range(4, 40), 8)
        heads = [mint.sign(log[:size]) for size in sizes]
        heads += heads[:3]
        guilty = sorted(chance.sample(sizes, faces))
        heads += [mint.sign([entry("deposit", "Altai", 1 + size), *log[1:size]]) for size in guilty]
        for size in chance.sample(sizes, 3):  # in the issuer's name, and by nobody
            other = chance.randbytes(32)
            heads.append((size, other, stranger.sign(head_message(size, other))))
            heads.append((size, other, bytes(64)))
        chance.shuffle(heads)
        answer = student.forks(heads, mint.key)
        need(answer == guilty, "forks_wrong", right=str(guilty), answer=str(answer)[:80])
