"""What the grader lays before the student's court: real cases, and all that has framed honest people elsewhere."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from townhall import P256_ORDER, Town, signing_of, turned

from cbdc import canonical
from cbdc.authority import BANK_CA, Auth
from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey
from cbdc.record import Signed, sign
from offline.records import Output, SyncRequest

Made = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Cases:
    """Files by story: `real` prove a case; `framed`, by the part of the court that must see it, prove nothing."""

    town: Town
    real: Made
    framed: dict[str, Made]


@lru_cache(maxsize=4)
def cases(seed: int) -> Cases:
    """The town of this seed with its files."""
    town = Town(seed)
    chance = random.Random(seed + 1)
    real = _real(town, chance)
    parts = {
        "papers": _signatures,
        "voices": _voices,
        "chain": _chains,
        "time": _orders,
        "forms": _forms,
    }
    framed = {name: part(town, chance, real) for name, part in parts.items()}
    framed["forms"] |= {
        f"flipped_{place}": _flipped(file, chance) for place, file in enumerate(real.values())
    }
    for files in framed.values():  # the product is asked first: what it proves is no frame
        assert not [story for story, file in files.items() if proven(town, file)]
    assert all(proven(town, file) for file in real.values())
    return Cases(town, real, framed)


def proven(town: Town, file: bytes) -> tuple[int, bytes, int] | None:
    """What the product's judge says; None when the file proves nothing."""
    try:
        return town.product(file)
    except TengeError:
        return None


def _pair(town: Town, name: str, first: Signed[Any], second: Signed[Any], *more: object) -> bytes:
    low, high = sorted((first, second), key=lambda one: one.oid)
    return town.file([1, town.certificates[name].envelope(), low.envelope(), high.envelope(), *more])


def _real(town: Town, chance: random.Random) -> Made:
    """The cheat is put back to an old state again and again, and speaks each time."""
    opened = town.elements[town.cheat]
    start, picks = opened.capture(), list(opened.status(town.sandbox.clock.now()).purse)
    chance.shuffle(picks)
    first = town.pay(town.cheat, picks[0])
    opened.rollback(start)
    second = town.pay(town.cheat, picks[0])
    opened.rollback(start)
    later = [town.pay(town.cheat, picks[1]), town.pay(town.cheat, picks[0])]
    opened.rollback(start)
    town.pay(town.cheat, picks[2])
    statement: Signed[SyncRequest] = opened.sync_begin(b"after")
    less = Output(chance.randrange(1, 100_00), second.record.outputs[0].owner)
    third = opened.sign_anything(replace(second.record, outputs=(less,)))
    held = [3, 2, town.certificates[town.cheat].envelope(), statement.envelope()]
    return {
        "spent_twice": _pair(town, town.cheat, first, second),
        "spent_twice_later": _pair(town, town.cheat, first, later[1]),
        "spent_thrice": _pair(town, town.cheat, second, third),
        "held_and_spent": town.file([*held, first.envelope()]),
        "held_and_spent_too": town.file([*held, later[0].envelope()]),
    }


def signed_anew(transfer: Signed[Any], key: SoftwareKey) -> Signed[Any]:
    """The same body with another right signature of the same key: a key can sign one thing in many ways."""
    private = key._es256
    assert private is not None
    r, s = decode_dss_signature(private.sign(signing_of(transfer), ec.ECDSA(hashes.SHA256())))
    anew = replace(transfer, signature=r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big"))
    anew.verify(key.public)
    return anew


def _signatures(town: Town, chance: random.Random, real: Made) -> Made:
    one, other = chance.sample(town.spent, 2)
    swapped = replace(other.record, previous=one.record.previous, index=one.record.index)
    forged = replace(sign(swapped, town.network, town.pen), signature=other.signature)
    cover = [list(one.record.outpoint)] * 2
    return {
        "twin": _pair(town, town.shop, one, replace(one, signature=turned(one.signature))),
        "second_signature": _pair(town, town.shop, one, signed_anew(one, town.key(town.shop))),
        "same_paper": _pair(town, town.shop, one, one),
        "swapped_outpoint": _pair(town, town.shop, one, forged),
        "cover": _pair(town, town.shop, one, other, cover),
        "different_money": _pair(town, town.shop, one, other),
        "pen_in_its_name": _pair(town, town.shop, one, sign(swapped, town.network, town.pen)),
    }


def _voices(town: Town, chance: random.Random, real: Made) -> Made:
    one = chance.choice(town.spent)
    paid = replace(one.record, reference=chance.randbytes(32))
    mine = sign(paid, town.network, town.your_key)
    yours = sign(replace(paid, payer=town.your_key.public.kid), town.network, town.your_key)
    stated = replace(town.statement.record, counter=99)
    foreign = sign(stated, town.network, town.your_key)
    certificate = town.certificates[town.shop].envelope()
    neighbours = town.elements[town.neighbour].sign_anything(
        replace(one.record, payer=town.your_key.public.kid)
    )
    theirs = replace(stated, kid=town.your_key.public.kid)
    held = {(previous, index) for previous, index, _ in town.statement.record.purse}
    spends = next(one for one in town.spent if tuple(one.record.outpoint) in held)
    before = sign(replace(spends.record, counter=1), town.network, town.your_key)
    later = town.elements[town.shop].sign_anything(replace(town.statement.record, counter=99))
    return {
        "your_transfer": town.file([3, 2, certificate, later.envelope(), before.envelope()]),
        "your_device_in_its_name": _pair(town, town.shop, one, mine),
        "your_device_twice_in_its_name": _pair(
            town, town.shop, mine, sign(replace(paid, hop=9), town.network, town.your_key)
        ),
        "in_another_name": _pair(
            town, town.you, mine, sign(replace(paid, hop=9), town.network, town.your_key)
        ),
        "friend": _pair(town, town.shop, one, mine, town.certificates[town.you].envelope()),
        "your_device_in_your_name": _pair(town, town.shop, one, yours),
        "neighbour": _pair(town, town.you, yours, neighbours),
        "your_statement": town.file([3, 2, certificate, foreign.envelope(), one.envelope()]),
        "your_statement_in_your_name": town.file(
            [3, 2, certificate, sign(theirs, town.network, town.your_key).envelope(), one.envelope()]
        ),
    }


def _chains(town: Town, chance: random.Random, real: Made) -> Made:
    record = town.certificates[town.shop].record
    own = replace(record, public_key=town.pen.public.raw)
    pair = [replace(one.record, payer=town.pen.public.kid) for one in town.spent[:2]]
    pair[1] = replace(pair[1], previous=pair[0].previous, index=pair[0].index)
    low, high = sorted((sign(one, town.network, town.pen) for one in pair), key=lambda one: one.oid)
    papers = [low.envelope(), high.envelope()]
    self_made = sign(own, town.network, town.pen).envelope()
    bank = next(auth for auth in town.authority.auths if auth.record.role == BANK_CA)
    fake: Signed[Auth] = sign(replace(bank.record, public_key=town.pen.public.raw), town.network, town.pen)
    referred = replace(own, ca_reference=town.pen.public.kid[:8])
    by_fake = sign(referred, town.network, town.pen).envelope()
    by_device = sign(replace(own, ca_reference=town.your_key.public.kid[:8]), town.network, town.your_key)
    office = town.sandbox.system.keys.operator
    banks = [auth.envelope() for auth in town.authority.auths if auth.record.role == BANK_CA][:2]
    (told,) = [auth for auth in town.authority.auths if auth.record.public_key == office.public.raw]
    by_office = sign(replace(own, ca_reference=office.public.kid[:8]), town.network, office).envelope()
    others = [auth.envelope() for auth in town.authority.auths if auth.record.role != BANK_CA][:2]
    version, auths, items = canonical.decode_array(real["spent_twice"])
    return {
        "own_certificate": town.file([1, self_made, *papers]),
        "own_bank": canonical.encode([1, [fake.envelope()], [1, by_fake, *papers]]),
        "own_bank_beside": canonical.encode([1, [*auths, fake.envelope()], [1, by_fake, *papers]]),  # type: ignore[misc]
        "device_as_bank": town.file([1, by_device.envelope(), *papers]),
        "another_office": canonical.encode([1, [*banks, told.envelope()], [1, by_office, *papers]]),
        "no_bank": canonical.encode([version, others, items]),
        "no_auth": canonical.encode([version, [], items]),
    }


def _orders(town: Town, chance: random.Random, real: Made) -> Made:
    certificate = town.certificates[town.shop].envelope()
    held = {(previous, index) for previous, index, _ in town.statement.record.purse}
    after = [one for one in town.spent if tuple(one.record.outpoint) in held]
    later = replace(town.statement.record, counter=99, purse=())
    stated = town.elements[town.shop].sign_anything(later)
    version, auths, items = canonical.decode_array(real["spent_twice"])
    made: Made = {
        f"old_statement_{place}": town.file([3, 2, certificate, town.statement.envelope(), one.envelope()])
        for place, one in enumerate(chance.sample(after, 2))
    }
    made["never_held"] = town.file([3, 2, certificate, stated.envelope(), after[0].envelope()])
    made["reversed"] = canonical.encode([version, auths, [items[0], items[1], items[3], items[2]]])  # type: ignore[index]
    version, auths, items = canonical.decode_array(real["held_and_spent"])
    made["exchanged"] = canonical.encode([version, auths, [*items[:3], items[4], items[3]]])  # type: ignore[index]
    made["another_form"] = canonical.encode([version, auths, [3, 7, *items[2:]]])  # type: ignore[index]
    return made


def _forms(town: Town, chance: random.Random, real: Made) -> Made:
    good = real[chance.choice(sorted(real))]
    version, auths, items = canonical.decode_array(real["spent_twice"])
    held = canonical.decode_array(real["held_and_spent"])
    change: Callable[[list[Any]], bytes] = canonical.encode
    return {
        "version": change([2, auths, items]),
        "no_such_type": change([version, auths, [chance.choice((0, 9, 200)), *items[1:]]]),  # type: ignore[index]
        "a_fourth_part": change([version, auths, items, 7]),
        "many_banks": change([version, [*auths, *auths, *auths, *auths, *auths][:5], items]),  # type: ignore[misc]
        "banks_in_bytes": change([version, [canonical.encode(one) for one in auths], items]),  # type: ignore[union-attr]
        "certificate_in_bytes": change([version, auths, [1, canonical.encode(items[1]), *items[2:]]]),  # type: ignore[index,arg-type]
        "more_than_held": change([*held[:2], [*held[2], held[2][4]]]),  # type: ignore[index,misc]
        "one_paper": change([version, auths, items[:3]]),  # type: ignore[index]
        "a_third_paper": change([version, auths, [*items, items[3]]]),  # type: ignore[index,misc]
        "in_bytes": change([version, auths, [*items[:3], canonical.encode(items[3])]]),  # type: ignore[index,arg-type]
        "no_list": change([version, 5, items]),
        "no_items": change([version, auths, []]),
        "number_for_paper": change([version, auths, [*items[:3], 7]]),  # type: ignore[index]
        "more_bytes": good + b"\0",
        "fewer_bytes": good[: chance.randrange(1, len(good))],
        "nothing": b"",
        "noise": chance.randbytes(60),
        "elsewhere": _elsewhere(chance),
    }


def _elsewhere(chance: random.Random) -> bytes:
    """A right case of another network: another ROOT, another world."""
    town = Town(chance.randrange(10**9))
    return _real(town, chance)["spent_twice"]


def _flipped(file: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(file))
    return file[:place] + bytes([file[place] ^ (1 << chance.randrange(8))]) + file[place + 1 :]


STORIES = {
    "your_device_twice_in_its_name": "your_device_in_its_name",
    "your_statement_in_your_name": "your_statement",
    "own_bank_beside": "own_bank",
    "no_auth": "no_bank",
}


def story_of(part: str, name: str) -> str:
    """The key of the sentence that tells what a framed file is."""
    if part == "forms":
        return "no_file"
    return STORIES.get(name, name.rstrip("_0123456789"))
