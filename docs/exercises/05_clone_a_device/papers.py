"""Heaps of transfers for the grader of this exercise, with the truth about them.

In the heap lie the transfers of honest days and of none, one or two cheats, and beside them what has framed honest
people elsewhere: copies, other signatures over the same body, transfers that somebody else signed in their name, and
transfers of their money by another device.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from village import Village

from cbdc import canonical
from cbdc.authority import BANK_CA
from cbdc.keys import ES256, SoftwareKey
from cbdc.record import OFFLINE_DOMAIN, Signed, sign, signing_message
from offline.element import SimulatedSecureElement
from offline.opened import OpenedElement, open_for_attack
from offline.records import Outpoint, Output, Transfer

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Row = tuple[bytes, Outpoint, bytes, bytes]


def opened(village: Village, name: str) -> OpenedElement:
    """A copy of somebody's element that signs what it is given; the original stays as it was."""
    element = village.device(name).element
    assert isinstance(element, SimulatedSecureElement)
    return open_for_attack(element, "to make papers for a grader")


def signed_anew(transfer: Signed[Transfer], element: OpenedElement) -> Signed[Transfer]:
    """The same transfer with another right signature of the same key: ECDSA has as many as one likes."""
    paper: Any = element.capture().state.papers[b"key"]
    algorithm, secret = paper
    assert algorithm == ES256
    key = SoftwareKey(algorithm, secret)._es256
    assert key is not None
    message = signing_message(OFFLINE_DOMAIN, Transfer.TYPE, transfer.oid)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
    anew = replace(transfer, signature=signature)
    anew.verify(element.public_key)
    return anew


@dataclass(slots=True)
class Heap:
    """A village, the transfers that came out of it in no order, and which pairs of them prove a double spend.

    `stories` says of planted transfers, by id, what they are: keys of words.toml.
    """

    village: Village
    transfers: list[Signed[Transfer]]
    truth: list[Row]
    stories: dict[bytes, str]


def make_heap(seed: int, cheats: int) -> Heap:
    """A heap with this number of cheats; the same again is the same village, and a list of its own."""
    heap = _heap(seed, cheats)
    return replace(heap, transfers=list(heap.transfers))


@lru_cache(maxsize=4)
def _heap(seed: int, cheats: int) -> Heap:
    village = Village(seed)
    village.live()
    guilty = village.chance.sample(village.people, k=cheats)
    for name in guilty:
        village.load(name, 2_000)
        village.clone(name)
        amount_tiyn = village.chance.randrange(150_000, 200_001)
        for shop, clone in zip(village.shops, (False, True), strict=True):
            village.pay(name, shop, amount_tiyn, clone=clone)
    village.live(days=1)
    for name in guilty:
        village.pay(name, village.chance.choice(village.people), 5_000, clone=True)
    transfers = [*village.signed, *village.signed_by_clones]
    if guilty:
        transfers.append(_third_branch(village))
    truth = sorted(_truth(transfers, {village.device(name).kid for name in guilty}))
    heap = Heap(village, transfers, truth, {})
    honest = [name for name in sorted(village.members) if name not in guilty]
    _plant(heap, honest)
    heap.transfers += village.chance.sample(heap.transfers, k=len(heap.transfers) // 3)
    village.chance.shuffle(heap.transfers)
    return heap


def _third_branch(village: Village) -> Signed[Transfer]:
    """The opened device signs its money away once more: three transfers of one outpoint are three pairs."""
    second = village.signed_by_clones[0]
    name = village.names[second.record.payer]
    return opened(village, name).sign_anything(replace(second.record, reference=village.chance.randbytes(32)))


def _truth(transfers: list[Signed[Transfer]], guilty: set[bytes]) -> Iterator[Row]:
    made = sorted(
        (transfer for transfer in transfers if transfer.record.payer in guilty), key=lambda t: t.oid
    )
    for place, first in enumerate(made):
        for second in made[place + 1 :]:
            if first.record.outpoint == second.record.outpoint and first.record.payer == second.record.payer:
                yield first.record.payer, first.record.outpoint, first.oid, second.oid


def _plant(heap: Heap, honest: list[str]) -> None:
    village = heap.village
    network = village.sandbox.system.network
    kids = {village.device(name).kid: name for name in honest}
    spent = [transfer for transfer in village.signed if transfer.record.payer in kids]
    chosen = village.chance.sample(spent, k=min(4, len(spent)))
    forger = SoftwareKey(ES256, village.chance.randbytes(32))
    for transfer in chosen:
        heap.transfers.append(signed_anew(transfer, opened(village, kids[transfer.record.payer])))
        other = (Output(transfer.record.outputs[0].amount_tiyn, forger.public.kid),)
        framed = sign(replace(transfer.record, outputs=other), network, forger)
        heap.stories[framed.oid] = "signed_by_another"
        others = [shop for shop in village.shops if village.device(shop).kid != transfer.record.payer]
        neighbour = village.chance.choice(others)
        theirs = replace(transfer.record, payer=village.device(neighbour).kid, outputs=other)
        stranger = opened(village, neighbour).sign_anything(theirs)
        heap.stories[stranger.oid] = "of_two_devices"
        heap.transfers += [framed, stranger]
    for number in range(2 if chosen else 0):
        nobodys = replace(chosen[0].record, payer=forger.public.kid, counter=number + 1)
        planted = sign(nobodys, network, forger)
        heap.stories[planted.oid] = "not_certified"
        heap.transfers.append(planted)


def raw_file(village: Village, kid: bytes, first: Signed[Transfer], second: Signed[Transfer]) -> bytes:
    """A file in the form of E1 that nobody has checked."""
    certificate = village.certificates[kid]
    reference = certificate.record.ca_reference
    banks = [auth for auth in village.authority.auths if auth.record.role == BANK_CA]
    bank = next(auth for auth in banks if auth.record.kid.startswith(reference))
    low, high = sorted((first, second), key=lambda transfer: transfer.oid)
    return canonical.encode(
        [1, [bank.envelope()], [1, certificate.envelope(), low.envelope(), high.envelope()]]
    )
