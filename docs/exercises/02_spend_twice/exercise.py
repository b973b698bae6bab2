"""Exercise 2, spend twice. Write the functions that say TODO; README.md beside this file tells the story.

python docs/exercises/grade.py 2                                  your grade
python docs/exercises/02_spend_twice/exercise.py                  one village, and what you found in it
"""

from collections.abc import Iterable, Mapping, Sequence

from village import Village, device_of

from cbdc.authority import Authority, Root
from cbdc.record import Signed
from offline.device import Device
from offline.records import DeviceCertificate, Outpoint, Transfer

# Who signed twice (key id), what was spent twice, and the ids of the two transfers, the smaller one first.
DoubleSpend = tuple[bytes, Outpoint, bytes, bytes]


def spend_twice(village: Village, amount_tiyn: int) -> str:
    """Clone the device of `village.cheat` and pay `amount_tiyn` at both shops with the same money, once each device.

    Return what the clone says of itself: `status(now).kind`.

    Hint: `village.sandbox.clone(member)` makes `member.clone`; `village.pay(..., clone=True)` pays with it. Two
    devices in the same state choose the same notes for the same amount.
    """
    raise NotImplementedError("TODO")


def held_transfers(devices: Iterable[Device], now: int) -> list[Signed[Transfer]]:
    """Every transfer in the histories of the money that these devices hold.

    Hint: `device.status(now).purse` maps outpoints to money, and `device.line(outpoint)` gives an outpoint's history:
    the note, and the transfers that led here, the oldest first.
    """
    raise NotImplementedError("TODO")


def find_double_spends(
    transfers: Iterable[Signed[Transfer]], certificates: Mapping[bytes, Signed[DeviceCertificate]]
) -> list[DoubleSpend]:
    """One row for each pair of transfers that prove a double spend; `certificates` are by key id.

    The transfers come in any order, some of them more than once. Anybody may have written some of them: before you
    accuse somebody, ask whether it was his device that signed. Nobody honest may stand in the list.

    Hint: a device spends an outpoint (`transfer.record.outpoint`) once. Two transfers are the same when their `oid` is,
    whatever their signatures. `transfer.verify(key)` raises a TengeError; a certificate has the key in `record.key`.
    """
    raise NotImplementedError("TODO")


def write_evidence(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
) -> bytes:
    """The evidence file E1 (DOUBLE_SPEND) as canonical bytes, made by hand: its form stands in offline/evidence.py.

    It is the same file whichever transfer comes first.

    Hint: `canonical.encode`, and `.envelope()` of each signed thing. The bank's certificate is the one in
    `authority.auths` for the role `BANK_CA` whose key id begins with the device certificate's `ca_reference`.
    """
    raise NotImplementedError("TODO")


def name_the_cheats(files: Sequence[bytes], root: Signed[Root], names: Mapping[bytes, str]) -> list[str]:
    """The names, each once and sorted, of those whom these files prove guilty; files that prove nothing name nobody.

    Hint: `offline.evidence.verify_evidence`.
    """
    raise NotImplementedError("TODO")


def investigate(village: Village, devices: Sequence[Device]) -> list[str]:
    """From what these devices hold to the names of the cheats: your functions, one after the other. Given."""
    transfers = held_transfers(devices, village.now)
    by_oid = {transfer.oid: transfer for transfer in transfers}
    files = [
        write_evidence(village.authority, village.certificates[kid], by_oid[first], by_oid[second])
        for kid, _, first, second in find_double_spends(transfers, village.certificates)
    ]
    return name_the_cheats(files, village.root, village.names)


if __name__ == "__main__":
    saty = Village(seed=7)
    saty.live()
    saty.load(saty.cheat, 3_000)
    try:
        print("The clone says:", spend_twice(saty, 300_000))
        print("Named:", investigate(saty, [device_of(shop) for shop in saty.shops]))
    except NotImplementedError:
        print("Something is not written yet.")
    print("The cheat was", saty.cheat.name)
