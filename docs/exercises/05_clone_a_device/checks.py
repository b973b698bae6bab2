"""What the grader asks of this exercise. Nobody honest may be named, and nobody guilty forgotten."""

from papers import Heap, make_heap, opened, raw_file, signed_anew
from village import Village

from cbdc import canonical
from cbdc.authority import BANK_CA, Authority
from cbdc.errors import TengeError
from offline.evidence import double_spend, verify_evidence
from wallets.exercises.asking import need
from wallets.exercises.labs import Key
from wallets.exercises.line import Student


def _snowed_in(seed: int) -> tuple[Village, int]:
    village = Village(seed)
    village.live()
    tenge = village.chance.randrange(1_000, 5_000)
    village.load(village.cheat, tenge)
    return village, tenge * 100


def test_spend_twice(student: Student, seed: int) -> None:
    village, amount = _snowed_in(seed)
    before = [village.balance(shop) for shop in village.shops]
    answer = student.spend_twice(village, amount)
    need(village.members[village.cheat].clone is not None, "nothing_cloned")
    gained = [village.balance(shop) - was for shop, was in zip(village.shops, before, strict=True)]
    need(gained == [amount, amount], "shops_gained", gained=str(gained), amount_tiyn=amount)
    held = {transfer.oid: transfer for shop in village.shops for transfer in village.held(shop)}
    cheat = village.device(village.cheat).kid
    outpoints = [one.record.outpoint for one in held.values() if one.record.payer == cheat]
    need(len(set(outpoints)) < len(outpoints), "different_money")
    kind = village.kind(village.cheat, clone=True)
    student.note("V0..V8", "each shop checked everything, and everything was right")
    need(answer == kind, "clone_says", kind=kind, answer=repr(answer)[:40])


def _found(student: Student, heap: Heap) -> None:
    """Exactly the truth, in any order; else in words who is wronged or forgotten."""
    answer = student.find_double_spends(list(heap.transfers), heap.village.certificates)
    need(isinstance(answer, list), "rows_form")
    for row in answer:
        good = isinstance(row, tuple) and len(row) == 4 and isinstance(row[1], tuple) and len(row[1]) == 2
        need(good and all(isinstance(one, bytes) for one in (row[0], row[1][0], *row[2:])), "rows_form")
    truth = {(kid, tuple(outpoint), low, high) for kid, outpoint, low, high in heap.truth}
    guilty = {row[0] for row in truth}
    names = heap.village.names
    for row in answer:
        if row in truth:
            continue
        story = heap.stories.get(row[2]) or heap.stories.get(row[3]) or "no_pair"
        name = names.get(row[0]) or Key("uncertified")
        need((row[0], row[1], row[3], row[2]) not in truth, "smaller_first")
        need(
            row[0] in guilty,
            "honest_named" if row[0] in names else "uncertified_named",
            name=name,
            story=Key(f"story.{story}"),
        )
        need(False, "too_much", name=name, story=Key(f"story.{story}"))
    for row in truth:
        need(row in answer, "missing", name=names[row[0]])
    need(len(answer) == len(truth), "twice")


def test_find_nothing_among_the_honest(student: Student, seed: int) -> None:
    _found(student, make_heap(seed, cheats=0))


def test_find_one_cheat(student: Student, seed: int) -> None:
    _found(student, make_heap(seed, cheats=1))


def test_find_two_cheats(student: Student, seed: int) -> None:
    heap = make_heap(seed, cheats=2)
    _found(student, heap)
    heap.transfers.reverse()
    _found(student, heap)


def test_write_evidence(student: Student, seed: int) -> None:
    """The file that the protocol describes, byte for byte, whichever transfer comes first."""
    heap = make_heap(seed, cheats=1)
    village = heap.village
    by_oid = {transfer.oid: transfer for transfer in heap.transfers}
    for kid, _, low, high in heap.truth:
        certificate = village.certificates[kid]
        right = double_spend(village.authority, certificate, by_oid[low], by_oid[high])
        turned = Authority(village.root, reversed(village.authority.auths))
        for first, second, authority in ((low, high, turned), (high, low, village.authority)):
            answer = student.write_evidence(authority, certificate, by_oid[first], by_oid[second])
            if answer == right:
                continue
            need(isinstance(answer, bytes), "file_is_bytes")
            need(answer not in _of_other_banks(village, right), "another_bank")
            try:
                verify_evidence(answer, village.root)
            except TengeError as error:
                need(False, "proves_nothing", code=error.code, text=error.sentence())
            need(False, "not_the_one_file")


def _of_other_banks(village: Village, right: bytes) -> list[bytes]:
    """The same file with another bank's certificate in it."""
    version, _, evidence = canonical.decode(right)  # type: ignore[misc]
    banks = [auth for auth in village.authority.auths if auth.record.role == BANK_CA]
    files = [canonical.encode([version, [bank.envelope()], evidence]) for bank in banks]
    return [data for data in files if data != right]


def test_name_the_cheats(student: Student, seed: int) -> None:
    """Who is proven guilty is named; a file that proves nothing names nobody."""
    heap, elsewhere = make_heap(seed, cheats=2), make_heap(seed + 1, cheats=1)
    village = heap.village
    files = _files(heap)
    guilty = {row[0] for row in heap.truth}
    honest = next(name for name in village.people if village.device(name).kid not in guilty)
    spent = [one for one in village.signed if one.record.payer == village.device(honest).kid]
    bad = [b"", files[0][:-1], files[0] + b"\0", files[0][:-1] + bytes([files[0][-1] ^ 1])]
    bad += _files(elsewhere)
    for transfer in spent[:2]:
        kid = transfer.record.payer
        bad.append(raw_file(village, kid, transfer, signed_anew(transfer, opened(village, honest))))
        forged = next(
            (one for one in heap.transfers if one.oid in heap.stories and one.record.payer == kid), None
        )
        if forged is not None:
            bad.append(raw_file(village, kid, transfer, forged))
    mixed = [*files, *bad, *files]
    village.chance.shuffle(mixed)
    expected = sorted({village.names[row[0]] for row in heap.truth})
    for papers, names in ((mixed, expected), (bad, []), ([], [])):
        answer = student.name_the_cheats(papers, village.root, village.names)
        need(answer == names, "wrong_names", right=", ".join(names) or "-", answer=repr(answer)[:80])


def _files(heap: Heap) -> list[bytes]:
    by_oid = {transfer.oid: transfer for transfer in heap.transfers}
    village = heap.village
    return [
        double_spend(village.authority, village.certificates[kid], by_oid[low], by_oid[high])
        for kid, _, low, high in heap.truth
    ]


def test_the_whole_story(student: Student, seed: int) -> None:
    """Cheat, look into the purses, find, write, name; and the reconciler comes to the same name."""
    village, amount = _snowed_in(seed)
    before = student.investigate(village)
    need(before == [], "named_too_early", answer=repr(before)[:80])
    student.spend_twice(village, amount)
    named = student.investigate(village)
    need(named == [village.cheat], "wrong_names", right=village.cheat, answer=repr(named)[:80])
    village.sandbox.sync([village.members[shop] for shop in village.shops])
    settled = sorted({str(row["named"]) for row in village.sandbox.reconcile().evidence})
    student.note("E1", f"settlement names {', '.join(settled)}")
    need(settled == named, "settlement_names", settled=", ".join(settled), answer=repr(named)[:80])
