"""The order of syncs. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        what your orders do to the weakened reconciler
"""

from collections.abc import Mapping, Sequence
from itertools import permutations

from three_roads import Line, Pasture

from cbdc.errors import TengeError
from cbdc.keys import public_key
from cbdc.record import Signed, open_envelope
from offline.records import Note, Transfer

Batch = tuple[int, list[bytes]]
Row = tuple[tuple[str, ...], int, int, str]


def steps(pasture: Pasture, line: Line) -> list[Signed[Transfer]]:
    """The transfers of a line, opened: `.oid` is the id, `.record` has `outpoint`, `outputs`, `payer`, `index`."""
    return [open_envelope(data, Transfer, pasture.network) for data in line.transfers]


def example_who_claims_the_same(pasture: Pasture) -> list[tuple[str, str]]:
    """A worked example: the pairs of claimants that hold two spends of one output."""
    found = []
    for one in pasture.claimants:
        for other in pasture.claimants:
            mine = {
                step.record.outpoint: step.oid for line in pasture.lines[one] for step in steps(pasture, line)
            }
            theirs = [step for line in pasture.lines[other] for step in steps(pasture, line)]
            if any(mine.get(step.record.outpoint, step.oid) != step.oid for step in theirs):
                found.append((one, other))
    return found


# --- part 1: attacks on the reconciler that pays whoever comes first ---


def make_the_shop_lose(pasture: Pasture) -> list[str]:
    """The order in which the four claimants come down, such that `victim` gets nothing of any note that is spent twice.

    The shop `spared` must not be refused anything, or two shops would complain. Returns the four names.

    Hint: `example_who_claims_the_same(pasture)`, and `pasture.play(order)` shows what an order does.
    """
    raise NotImplementedError("TODO")


def paid_twice(pasture: Pasture) -> list[tuple[str, int]]:
    """Visits after which more has been paid out of a note than it was worth: [(name, number of the line)...].

    No opened device is needed for it. Returns the visits in their order, the fewest you can.

    Hint: somebody has passed on all that he got, and has kept a copy of the line by which he got it.
    """
    raise NotImplementedError("TODO")


def measure(pasture: Pasture) -> list[Row]:
    """The table: for each of the 24 orders of the claimants one row, in any order of rows.

    (the order as a tuple, what `victim` is refused in tiyn, what `spared` is refused in tiyn, the product's digest).

    Hint: `pasture.play(order)["refused"].get(name, 0)` and `pasture.product(order)["digest"]`.
    """
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


def decide(
    notes: Sequence[bytes],
    batches: Sequence[Batch],
    keys: Mapping[bytes, tuple[int, bytes]],
    network: bytes,
    closes_at: int,
) -> dict[str, object]:
    """What follows from the papers that were known when the notes closed, whatever the order in which they came.

    `notes` are the notes that the ledger has registered, `batches` are (moment of arrival in seconds, [papers]), `keys`
    maps the key ids of certified devices to (algorithm, public key). Every paper may come any number of times, in any
    batch; some are no transfers at all. Returns

        {"credited": {key id: tiyn},                  what each owner of unspent outputs gets
         "losses": {(id of the parent, position): tiyn},   for each output with n > 1 spends, n - 1 times its amount
         "guilty": [key ids, ascending]}              the owners of those outputs

    and never raises, whatever the bytes are. `opened` below opens and verifies one paper.

    Hint: first gather what is genuine by its id, with its earliest moment; then grow the trees from the notes down.
    `offline.admission.check_follows(transfer, parent, note)` raises when a transfer does not follow from its parent.
    """
    raise NotImplementedError("TODO")


def digest(decision: Mapping[str, object]) -> bytes:
    """32 bytes over a decision: equal for equal decisions, whatever the order of their parts, and different for others.

    Hint: sort, write down in one form (`cbdc.canonical.encode` takes numbers, bytes, texts and lists), hash.
    """
    raise NotImplementedError("TODO")


def opened(data: bytes, keys: Mapping[bytes, tuple[int, bytes]], network: bytes) -> Signed[Transfer] | None:
    """The transfer in these bytes with the signature of a certified device, or None."""
    try:
        signed = open_envelope(data, Transfer, network)
        if signed.record.payer not in keys:
            return None
        signed.verify(public_key(*keys[signed.record.payer]))
    except TengeError:
        return None
    return signed


def opened_note(data: bytes, network: bytes) -> Signed[Note]:
    """One of the registered notes: `.oid`, and `.record` with `amount_tiyn` and `owner`."""
    return open_envelope(data, Note, network)


if __name__ == "__main__":
    world = Pasture(seed=7)
    print("claimants", ", ".join(world.claimants), "| ring", ", ".join(world.ring), "| victim", world.victim)
    for order in list(permutations(world.claimants))[:4]:
        print(order, world.play(order))
    print("the product:", world.product(world.claimants))
    for attack in (example_who_claims_the_same, make_the_shop_lose, paid_twice, measure):
        try:
            print(f"{attack.__name__:<28}", attack(world))
        except NotImplementedError:
            print(f"{attack.__name__:<28} not written yet")
