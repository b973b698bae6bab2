"""Forks for the grader of this exercise: really signed trees, and what the product's office decides about them.

A fork is told to a student as plain data (`Fork.told`); what is right is asked of `offline.closing`, which decides at
close about the same trees. Reading this spoils the fun a little.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from cbdc.keys import ED25519, SoftwareKey
from cbdc.ports import SeededEntropy
from cbdc.record import Signed, sign
from cbdc.token import PERSON
from offline.admission import check_follows
from offline.beacon import winner
from offline.bulk.synthetic import START, Country
from offline.closing import Closing
from offline.graph import Conflict, Rules, Tree, derive
from offline.loss_policy import loss_policy
from offline.parameters import limits_for
from offline.records import (
    PAY,
    TIER_SE,
    DeviceCertificate,
    Note,
    Outpoint,
    Output,
    Transfer,
    genesis_link,
)
from offline.seen import Seen
from offline.settle import subject_of

DAY = 86_400
CLOSES = START + 91 * DAY
FIRST_WITHOUT = 4

Told = dict[str, object]


@dataclass(frozen=True, slots=True)
class Fork:
    """One fork as a student sees it, and the trees behind it."""

    told: Told
    names: dict[bytes, str]
    seen: Seen
    trees: dict[bytes, Tree]
    conflict: Conflict

    def decided(self, policy: str, beacon: bytes) -> dict[str, object]:
        """What the product pays each end, what the device gives for it, and what the payees bear."""
        closing = Closing(
            loss_policy(policy),
            self.seen,
            self.trees,
            lambda kid: [
                tree
                for tree in self.trees.values()
                if any(output.owner == kid for output in tree.outputs.values())
            ],
            lambda _: beacon,
            CLOSES + DAY,
        )
        paid: dict[bytes, int] = {}
        device_tiyn = payees_tiyn = 0
        for tree in self.trees.values():
            settling = closing.settling(tree)
            assert settling is not None
            for award in settling.awards:
                device_tiyn += award.taken_tiyn
                if award.judged.beneficiary != self.conflict.owner:
                    paid[award.judged.claim.subject] = award.paid_tiyn
                    payees_tiyn += award.borne_tiyn
        return {"paid": paid, "device_tiyn": device_tiyn, "payees_tiyn": payees_tiyn}

    def drawn(self, beacon: bytes) -> bytes:
        """The branch that the product's lot falls on."""
        return winner(beacon, self.conflict, sorted(self.conflict.transfers))


class ForkMaker:
    """Makes forks; everything in them follows from the seed."""

    def __init__(self, seed: int, what: str) -> None:
        self._entropy = SeededEntropy(seed)
        self._chance = random.Random(f"{seed}/{what}")
        self._country = Country(seed)
        self._what, self._number = what, 0

    def forks(self, count: int) -> Iterator[Fork]:
        """Forks of two to seven branches; some were passed on. The device of the first four has nothing left."""
        for number in range(count):
            branches = self._chance.randrange(2, 8)
            value_tiyn = self._chance.randrange(100_000, 900_000)
            left_tiyn = self._chance.choice((0, 7, value_tiyn // 3, value_tiyn + 11, 9 * value_tiyn))
            yield self.fork(value_tiyn, branches, left_tiyn if number >= FIRST_WITHOUT else 0)

    def _bytes(self, size: int = 32) -> bytes:
        self._number += 1
        return self._entropy.bytes(f"fork trees/{self._what}", self._number.to_bytes(4, "big"), size)

    def fork(self, value_tiyn: int, branches: int, left_tiyn: int) -> Fork:
        """One output of `value_tiyn`, spent so many times by a device that has `left_tiyn` in another note."""
        seen, names = Seen(), dict[bytes, str]()
        keys = [SoftwareKey(ED25519, self._bytes()) for _ in range(2 * branches + 1)]
        for number, key in enumerate(keys):
            seen.add(self._certificate(key, number), START)
        thief, payees, others = keys[0], keys[1 : branches + 1], keys[branches + 1 :]
        note = self._note(thief, value_tiyn, 1)
        notes = [note, self._note(thief, left_tiyn, 2)] if left_tiyn else [note]
        rows = []
        for number, (payee, other) in enumerate(zip(payees, others, strict=True)):
            paid = self._transfer(thief, note, 1, number, (Output(value_tiyn, payee.public.kid),))
            seen.add(paid, START + 3 * DAY + number)
            ends = [(subject_of(Outpoint(paid.oid, 0)), value_tiyn)]
            names[ends[0][0]] = f"payee {number + 1}"
            if self._chance.randrange(2):
                part_tiyn = self._chance.randrange(1, value_tiyn)
                outputs = (
                    Output(part_tiyn, other.public.kid),
                    Output(value_tiyn - part_tiyn, payee.public.kid),
                )
                passed = self._transfer(payee, paid, 2, 0, outputs)
                seen.add(passed, START + 4 * DAY)
                ends = [
                    (subject_of(Outpoint(passed.oid, place)), output.amount_tiyn)
                    for place, output in enumerate(outputs)
                ]
                names |= {ends[0][0]: f"payee of payee {number + 1}", ends[1][0]: f"payee {number + 1}"}
            rows.append((paid.oid, ends))
        self._chance.shuffle(rows)
        facts = derive(seen, notes, Rules(check_follows, lambda *_: False), 0)
        (conflict,) = facts.trees[note.oid].conflicts
        told: Told = {
            "fork": (note.oid, 0),
            "value_tiyn": value_tiyn,
            "branches": rows,
            "device_tiyn": left_tiyn,
        }
        return Fork(told, names, seen, dict(facts.trees), conflict)

    def _certificate(self, key: SoftwareKey, number: int) -> Signed[DeviceCertificate]:
        record = DeviceCertificate(
            self._country.bank.public.kid[:8],
            self._bytes(16),
            ED25519,
            key.public.raw,
            TIER_SE,
            PERSON,
            limits_for(TIER_SE, PERSON),
            START,
            CLOSES,
            number + 1,
        )
        return sign(record, self._country.network, self._country.bank)

    def _note(self, owner: SoftwareKey, amount_tiyn: int, load: int) -> Signed[Note]:
        serial = (1).to_bytes(4, "big") + self._bytes(8)[:8] + bytes(4)
        record = Note(
            self._country.issuer.public.kid[:8],
            serial,
            amount_tiyn,
            owner.public.kid,
            0,
            5,
            12,
            START + DAY,
            CLOSES - 30 * DAY,
            CLOSES,
            load,
        )
        return sign(record, self._country.network, self._country.issuer)

    def _transfer(
        self,
        owner: SoftwareKey,
        parent: Signed[Note] | Signed[Transfer],
        length: int,
        number: int,
        outputs: tuple[Output, ...],
    ) -> Signed[Transfer]:
        kid = owner.public.kid
        record = Transfer(
            kind=PAY,
            previous=parent.oid,
            index=0,
            outputs=outputs,
            payer=kid,
            counter=number + 1,
            link=genesis_link(kid),
            reference=self._bytes(),
            part=0,
            parts=1,
            hop=length,
            length=length,
            purpose=0,
            spend_by=CLOSES - 30 * DAY,
            trust_sequence=1,
            sync_time=START + DAY,
            time=START + 2 * DAY,
        )
        return sign(record, self._country.network, owner)
