"""What the grader asks of exercise 2. Nobody honest may be named, and nobody guilty forgotten."""

from types import ModuleType

from papers import Heap, make_heap, opened, raw_file, signed_anew
from village import Village, device_of

from cbdc.record import Signed
from offline.evidence import double_spend, verify_evidence
from offline.records import Transfer

TITLE = "Exercise 2: spend twice"
NOT_HERE = {
    "offline.graph": "settlement finds double spends there; here you do",
    "offline.live": "settlement finds double spends there; here you do",
    "offline.reconcile": "settlement finds double spends there; here you do",
    "offline.seen": "settlement finds double spends there; here you do",
    "offline.statements": "settlement finds double spends there; here you do",
    "offline.evidence.double_spend": "you are to write the file by hand",
}


def _need(holds: bool, problem: str) -> None:
    if not holds:
        raise AssertionError(problem)


def _snowed_in(seed: int) -> tuple[Village, int]:
    village = Village(seed)
    village.live()
    tenge = village.chance.randrange(1_000, 5_000)
    village.load(village.cheat, tenge)
    return village, tenge * 100


def spend_twice(student: ModuleType, seed: int) -> None:
    """A clone is made, says so, and both shops take the same money."""
    village, amount = _snowed_in(seed)
    shops = [device_of(shop) for shop in village.shops]
    before = [shop.balance_tiyn(village.now) for shop in shops]
    answer = student.spend_twice(village, amount)
    clone = village.cheat.clone
    _need(clone is not None, "nothing was cloned")
    assert clone is not None
    gained = [shop.balance_tiyn(village.now) - was for shop, was in zip(shops, before, strict=True)]
    _need(gained == [amount, amount], f"the shops gained {gained} tiyn, not {amount} each")
    held = {transfer.oid: transfer for transfer in _held(village)}
    cheat = device_of(village.cheat).kid
    outpoints = [held[oid].record.outpoint for oid in held if held[oid].record.payer == cheat]
    _need(len(set(outpoints)) < len(outpoints), "the shops were paid with different money")
    kind = clone.status(village.now).kind
    _need(answer == kind, f"the clone says {kind!r}, and you returned {answer!r}")


def _held(village: Village) -> list[Signed[Transfer]]:
    found = []
    for shop in village.shops:
        device = device_of(shop)
        for outpoint in device.status(village.now).purse:
            line = device.line(outpoint)
            assert line is not None
            found += line.transfers
    return found


def held_transfers(student: ModuleType, seed: int) -> None:
    """Whole histories, of all the money of all these devices."""
    village, _ = _snowed_in(seed)
    expected = {transfer.oid for transfer in _held(village)}
    answer = list(student.held_transfers([device_of(shop) for shop in village.shops], village.now))
    found = {transfer.oid for transfer in answer}
    _need(not expected - found, f"{len(expected - found)} of {len(expected)} transfers are missing")
    _need(not found - expected, f"{len(found - expected)} transfers are not in the shops' purses")
    _need(list(student.held_transfers([], village.now)) == [], "no devices hold no transfers")


def _found(student: ModuleType, heap: Heap) -> None:
    """Exactly the truth, in any order; else in words who is wronged or forgotten."""
    answer = student.find_double_spends(list(heap.transfers), heap.village.certificates)
    rows = [(row[0], tuple(row[1]), row[2], row[3]) for row in answer]
    truth = {(kid, tuple(outpoint), low, high) for kid, outpoint, low, high in heap.truth}
    guilty = {row[0] for row in truth}
    names = heap.village.names
    for row in rows:
        if row in truth:
            continue
        story = heap.stories.get(row[2]) or heap.stories.get(row[3]) or "it is no pair of different spends"
        name = names.get(row[0], "a device that nobody knows")
        if (row[0], row[1], row[3], row[2]) in truth:
            raise AssertionError("the smaller id comes first in a row")
        _need(row[0] in guilty, f"{name} is honest, and stands in the list: {story}")
        raise AssertionError(f"{name} is accused of more than was done: {story}")
    for row in truth:
        _need(row in rows, f"a double spend of {names[row[0]]} is missing")
    _need(len(rows) == len(truth), "a pair stands in the list twice")


def find_nothing_among_the_honest(student: ModuleType, seed: int) -> None:
    """Where nobody cheats, nobody is named."""
    _found(student, make_heap(seed, cheats=0))


def find_one_cheat(student: ModuleType, seed: int) -> None:
    """Every pair of the one cheat, and nobody else's."""
    _found(student, make_heap(seed, cheats=1))


def find_two_cheats(student: ModuleType, seed: int) -> None:
    """The same with two, and in another order."""
    heap = make_heap(seed, cheats=2)
    _found(student, heap)
    heap.transfers.reverse()
    _found(student, heap)


def write_evidence(student: ModuleType, seed: int) -> None:
    """The file that the protocol describes, byte for byte, whichever transfer comes first."""
    heap = make_heap(seed, cheats=1)
    village = heap.village
    by_oid = {transfer.oid: transfer for transfer in heap.transfers}
    for kid, _, low, high in heap.truth:
        certificate = village.certificates[kid]
        right = double_spend(village.authority, certificate, by_oid[low], by_oid[high])
        for first, second in ((low, high), (high, low)):
            answer = student.write_evidence(village.authority, certificate, by_oid[first], by_oid[second])
            if answer != right:
                verify_evidence(answer, village.root)
                raise AssertionError("it proves the case, and it is not the one file for this pair")


def name_the_cheats(student: ModuleType, seed: int) -> None:
    """Who is proven guilty is named; a file that proves nothing names nobody."""
    heap, elsewhere = make_heap(seed, cheats=2), make_heap(seed + 1, cheats=1)
    village = heap.village
    files = _files(heap)
    honest = next(m for m in village.people if device_of(m).kid not in {row[0] for row in heap.truth})
    spent = [t for t in village.signed if t.record.payer == device_of(honest).kid]
    bad = [b"", files[0][:-1], files[0] + b"\0", files[0][:-1] + bytes([files[0][-1] ^ 1])]
    bad += _files(elsewhere)
    for transfer in spent[:2]:
        kid = transfer.record.payer
        bad.append(raw_file(village, kid, transfer, signed_anew(transfer, opened(honest))))
        forged = next((t for t in heap.transfers if t.oid in heap.stories and t.record.payer == kid), None)
        if forged is not None:
            bad.append(raw_file(village, kid, transfer, forged))
    mixed = [*files, *bad, *files]
    village.chance.shuffle(mixed)
    expected = sorted({village.names[row[0]] for row in heap.truth})
    for papers, names in ((mixed, expected), (bad, []), ([], [])):
        answer = student.name_the_cheats(papers, village.root, village.names)
        _need(answer == names, f"the files prove the guilt of {names}, and you named {answer!r}")


def _files(heap: Heap) -> list[bytes]:
    by_oid = {transfer.oid: transfer for transfer in heap.transfers}
    village = heap.village
    return [
        double_spend(village.authority, village.certificates[kid], by_oid[low], by_oid[high])
        for kid, _, low, high in heap.truth
    ]


def the_whole_story(student: ModuleType, seed: int) -> None:
    """Cheat, look into the purses, find, write, name; and the reconciler comes to the same name."""
    village, amount = _snowed_in(seed)
    shops = [device_of(shop) for shop in village.shops]
    before = student.investigate(village, shops)
    _need(before == [], f"nobody has cheated yet, and you named {before!r}")
    student.spend_twice(village, amount)
    named = student.investigate(village, shops)
    _need(named == [village.cheat.name], f"it was {village.cheat.name}, and you named {named!r}")
    village.sandbox.sync(village.shops)
    settled = sorted({str(row["named"]) for row in village.sandbox.reconcile().evidence})
    _need(settled == named, f"settlement names {settled}, and you {named!r}")


CHECKS = (
    spend_twice,
    held_transfers,
    find_nothing_among_the_honest,
    find_one_cheat,
    find_two_cheats,
    write_evidence,
    name_the_cheats,
    the_whole_story,
)
