"""A solution of frame an honest shop. Students: this is where the fun ends."""

from dataclasses import replace
from typing import Any

from townhall import Town, turned

from cbdc import canonical
from cbdc.authority import Authority, Root
from cbdc.errors import TengeError
from cbdc.record import Signed, open_part, sign
from offline.admission import check_certificate_issue
from offline.records import DeviceCertificate, SyncRequest, Transfer


def _charge(
    town: Town, certificate: Signed[Any], first: Signed[Any], second: Signed[Any], *more: object
) -> bytes:
    return town.file([1, certificate.envelope(), first.envelope(), second.envelope(), *more])


def for_twins(town: Town) -> bytes:
    """One paper and its turned signature."""
    one = town.spent[0]
    return _charge(town, town.certificates[town.shop], one, replace(one, signature=turned(one.signature)))


def for_cover(town: Town) -> bytes:
    """Two honest papers under a sheet that says otherwise."""
    one, two = town.spent[:2]
    return _charge(town, town.certificates[town.shop], one, two, [list(one.record.outpoint)] * 2)


def for_paper(town: Town) -> bytes:
    """A certificate for the shop's device with a key of mine, and two transfers by that key."""
    own = replace(town.certificates[town.shop].record, public_key=town.pen.public.raw)
    paid = replace(town.spent[0].record, payer=town.pen.public.kid)
    pair = [sign(replace(paid, counter=counter), town.network, town.pen) for counter in (1, 2)]
    return _charge(town, sign(own, town.network, town.pen), *pair)


def for_voice(town: Town) -> bytes:
    """Two transfers in the shop's name by my own certified device."""
    paid = town.spent[0].record
    pair = [sign(replace(paid, counter=counter), town.network, town.your_key) for counter in (1, 2)]
    return _charge(town, town.certificates[town.shop], *pair, town.certificates[town.you].envelope())


def for_calendar(town: Town) -> bytes:
    """It held this, and then it spent it."""
    held = {(previous, index) for previous, index, _ in town.statement.record.purse}
    spent = next(one for one in town.spent if tuple(one.record.outpoint) in held)
    certificate = town.certificates[town.shop]
    return town.file([3, 2, certificate.envelope(), town.statement.envelope(), spent.envelope()])


def read_refusals(town: Town, files: list[bytes]) -> list[str]:
    """The first code of each."""
    said = []
    for file in files:
        try:
            town.product(file)
            said.append("proven")
        except TengeError as error:
            first = str(error.facts.get("problem", "")).split(":")[0]
            said.append(first if first.startswith("E_") else error.code)
    return said


class NotProven(Exception):
    """Nothing is proven."""


def _need(holds: object) -> None:
    if not holds:
        raise NotProven


def verdict(file: bytes, root: Signed[Root]) -> tuple[int, bytes, int]:
    """From ROOT down to the accused's own words, and no further."""
    values = canonical.decode_array(file, 1 << 19)
    _need(len(values) == 3 and values[0] == 1 and isinstance(values[1], list) and isinstance(values[2], list))
    _, auths, items = values
    _need(1 <= len(auths) <= 4 and all(isinstance(auth, list) for auth in auths))
    authority = Authority(root, auths)
    _need(items[:1] == [1] or items[:2] == [3, 2])
    form = items[1:] if items[0] == 1 else items[2:]
    _need(len(form) == 3)
    certificate = open_part(form[0], DeviceCertificate, authority.network)
    check_certificate_issue(certificate, authority)

    def said(item: object, kind: type[Any]) -> Signed[Any]:
        signed = open_part(item, kind, authority.network)
        speaker = signed.record.payer if kind is Transfer else signed.record.kid
        _need(speaker == certificate.record.kid)
        signed.verify(certificate.record.key)
        return signed

    second = said(form[2], Transfer)
    total = sum(output.amount_tiyn for output in second.record.outputs)
    kid = certificate.record.kid
    if items[0] == 1:
        first = said(form[1], Transfer)
        _need(first.oid < second.oid)
        _need(first.record.outpoint == second.record.outpoint)
        return 1, kid, min(total, sum(output.amount_tiyn for output in first.record.outputs))
    request = said(form[1], SyncRequest).record
    held = {(previous, index): tiyn for previous, index, tiyn in request.purse}
    _need(second.record.outpoint in held)
    _need(second.record.counter <= request.counter)
    return 3, kid, min(total, held[second.record.outpoint])
