"""A solution of clone a device. Students: this is where the fun ends."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from village import Village

from cbdc import canonical
from cbdc.authority import BANK_CA, Authority, Root
from cbdc.errors import TengeError
from cbdc.record import Signed
from offline.evidence import verify_evidence
from offline.records import DeviceCertificate, Outpoint, Transfer

DoubleSpend = tuple[bytes, Outpoint, bytes, bytes]


def spend_twice(village: Village, amount_tiyn: int) -> str:
    """The same notes, once by each of two devices with one key."""
    village.clone(village.cheat)
    for shop, clone in zip(village.shops, (False, True), strict=True):
        village.pay(village.cheat, shop, amount_tiyn, clone=clone)
    return village.kind(village.cheat, clone=True)


def find_double_spends(
    transfers: Iterable[Signed[Transfer]], certificates: Mapping[bytes, Signed[DeviceCertificate]]
) -> list[DoubleSpend]:
    """Different transfers of one outpoint, rightly signed by one and the same certified key."""
    spends: dict[tuple[bytes, Outpoint], set[bytes]] = defaultdict(set)
    for transfer in transfers:
        payer = transfer.record.payer
        if payer not in certificates:
            continue
        try:
            transfer.verify(certificates[payer].record.key)
        except TengeError:
            continue
        spends[payer, transfer.record.outpoint].add(transfer.oid)
    return [
        (payer, outpoint, first, second)
        for (payer, outpoint), oids in spends.items()
        for first, second in combinations(sorted(oids), 2)
    ]


def write_evidence(
    authority: Authority,
    certificate: Signed[DeviceCertificate],
    first: Signed[Transfer],
    second: Signed[Transfer],
) -> bytes:
    """[1, [AUTH of the bank], [1, certificate, transfer, transfer]]."""
    reference = certificate.record.ca_reference
    banks = [auth for auth in authority.auths if auth.record.role == BANK_CA]
    bank = next(auth for auth in banks if auth.record.kid.startswith(reference))
    low, high = sorted((first, second), key=lambda transfer: transfer.oid)
    evidence = [1, certificate.envelope(), low.envelope(), high.envelope()]
    return canonical.encode([1, [bank.envelope()], evidence])


def name_the_cheats(files: Sequence[bytes], root: Signed[Root], names: Mapping[bytes, str]) -> list[str]:
    """A file is believed when it proves something from ROOT, and not otherwise."""
    found = set()
    for data in files:
        try:
            found.add(names[verify_evidence(data, root).kid])
        except TengeError:
            continue
    return sorted(found)


def investigate(village: Village) -> list[str]:
    """One after the other."""
    transfers = [transfer for shop in village.shops for transfer in village.held(shop)]
    by_oid = {transfer.oid: transfer for transfer in transfers}
    files = [
        write_evidence(village.authority, village.certificates[kid], by_oid[first], by_oid[second])
        for kid, _, first, second in find_double_spends(transfers, village.certificates)
    ]
    return name_the_cheats(files, village.root, village.names)
