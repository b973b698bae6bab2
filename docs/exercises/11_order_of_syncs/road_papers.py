"""Papers for the grader of this exercise, and what the product says of them. Reading this spoils the fun a little.

A case is a heap of papers with the moments at which they arrived, and the answer that `offline.graph` derives. Each
case of a group has one thing in it that a careless decision gets wrong; honest traffic lies beside it.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric import ec
from three_roads import CLOSES, DAY, PEOPLE, SHOPS, START, Coin, Holder, Scribe

from cbdc.errors import TengeError
from cbdc.record import OFFLINE_DOMAIN, Signed, open_envelope, signing_message
from offline.admission import check_follows
from offline.graph import Rules, derive
from offline.records import Note, Outpoint, Output, Transfer
from offline.seen import Seen

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
USUAL = START + 3 * DAY
NOBODY = "nobody"

Batch = tuple[int, list[bytes]]
Decision = dict[str, object]


@dataclass(frozen=True, slots=True)
class Case:
    """`papers` are (moment of arrival, bytes); `truth` is what is to be decided; `story` a key of words.toml."""

    story: str
    notes: list[bytes]
    papers: list[tuple[int, bytes]]
    keys: dict[bytes, tuple[int, bytes]]
    network: bytes
    truth: Decision
    names: dict[bytes, str]

    def batches(self, chance: random.Random, again: int = 0) -> list[Batch]:
        """The papers in batches, in an order of chance; `again` of them come once more, some after the close."""
        papers = list(self.papers)
        for _ in range(again):
            moment, data = chance.choice(self.papers)
            papers.append((moment + chance.choice((0, 1, DAY, 120 * DAY)), data))
        chance.shuffle(papers)
        batches: list[Batch] = []
        for moment, data in papers:
            fitting = [rows for when, rows in batches if when == moment and len(rows) < 5]
            if fitting and chance.randrange(3):
                fitting[-1].append(data)
            else:
                batches.append((moment, [data]))
        chance.shuffle(batches)
        return batches


class RoadPapers:
    """Makes cases; everything in them follows from the seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = random.Random(seed ^ 0x5AB1)

    def cases(self, group: str) -> list[Case]:
        """Every case of one group, in an order of chance."""
        makers: dict[str, Callable[[], Iterator[_Heap]]] = {
            "honest": self._honest,
            "forks": self._forks,
            "close": self._close,
            "innocent": self._innocent,
        }
        found = [heap.case() for heap in makers[group]()]
        self._chance.shuffle(found)
        return found

    def _heap(self, story: str) -> "_Heap":
        return _Heap(self._seed, story, self._chance)

    # --- groups ---

    def _honest(self) -> Iterator["_Heap"]:
        yield self._heap("a_day_of_honest_payments")
        heap = self._heap("two_equal_payments_to_one_shop")
        coin = heap.note()
        part_tiyn = coin.amount_tiyn // 3
        _, change = heap.pay(coin, heap.shop, part_tiyn)
        heap.pay(change, heap.shop, part_tiyn)
        yield heap
        heap = self._heap("a_line_of_three_hands")
        got = heap.pay(heap.pay(heap.note(), heap.people[1])[0], heap.people[2])[0]
        heap.pay(got, heap.shop, got.amount_tiyn // 2)
        yield heap
        heap = self._heap("money_that_comes_back_to_its_first_owner")
        got = heap.pay(heap.note(), heap.people[1])[0]
        heap.pay(got, heap.people[0], got.amount_tiyn // 2)
        yield heap
        heap = self._heap("a_note_that_nobody_has_spent")
        heap.note()
        yield heap

    def _forks(self) -> Iterator["_Heap"]:
        for story, payees in (("one_note_to_two_shops", 2), ("one_note_to_four_payees", 4)):
            heap = self._heap(story)
            coin = heap.note(heap.cheat)
            for payee in [heap.shop, heap.other, *heap.people][:payees]:
                heap.pay(coin, payee)
            yield heap
        heap = self._heap("one_note_twice_to_the_same_shop")
        coin = heap.note(heap.cheat)
        heap.pay(coin, heap.shop)
        heap.pay(coin, heap.shop)
        yield heap
        heap = self._heap("both_branches_go_on_from_hand_to_hand")
        coin = heap.note(heap.cheat)
        for payee, then in ((heap.people[1], heap.shop), (heap.people[2], heap.other)):
            got = heap.pay(coin, payee, coin.amount_tiyn // 2)[0]
            heap.pay(got, then, got.amount_tiyn // 2)
        yield heap
        heap = self._heap("a_fork_in_a_branch_of_a_fork")
        coin = heap.note(heap.people[0])
        got = heap.pay(coin, heap.cheat)[0]
        second = heap.scribe.holder("second cheat")
        heap.pay(got, heap.shop)
        passed = heap.pay(got, second)[0]
        heap.pay(passed, heap.other)
        heap.pay(passed, heap.people[2])
        yield heap
        heap = self._heap("the_change_is_spent_twice")
        _, change = heap.pay(heap.note(heap.cheat), heap.shop, 20_000)
        heap.pay(change, heap.other)
        heap.pay(change, heap.people[1], change.amount_tiyn // 2)
        yield heap
        heap = self._heap("two_notes_of_one_cheat_are_each_spent_twice")
        for _ in range(2):
            coin = heap.note(heap.cheat)
            heap.pay(coin, heap.shop)
            heap.pay(coin, heap.other, coin.amount_tiyn // 3)
        yield heap

    def _close(self) -> Iterator["_Heap"]:
        for story, moment in (
            ("the_second_branch_comes_a_second_after_the_close", CLOSES + 1),
            ("the_second_branch_comes_at_the_last_second", CLOSES),
            ("the_second_branch_comes_a_month_after_the_close", CLOSES + 30 * DAY),
        ):
            heap = self._heap(story)
            coin = heap.note(heap.cheat)
            heap.pay(coin, heap.shop)
            heap.pay(coin, heap.other, moment=moment)
            yield heap
        heap = self._heap("a_paper_in_time_whose_parent_came_after_the_close")
        got = heap.pay(heap.note(), heap.people[1], moment=CLOSES + 5)[0]
        heap.pay(got, heap.shop)
        yield heap
        heap = self._heap("a_fork_on_a_line_that_came_after_the_close")
        got = heap.pay(heap.note(), heap.cheat, moment=CLOSES + 5)[0]
        heap.pay(got, heap.shop)
        heap.pay(got, heap.other)
        yield heap
        heap = self._heap("a_copy_comes_late_and_the_paper_was_in_time")
        coin = heap.note(heap.cheat)
        heap.pay(coin, heap.shop)
        got = heap.pay(coin, heap.other)[0]
        heap.papers += [(CLOSES + DAY, got.transfers[-1].encode())] * 2
        yield heap
        heap = self._heap("the_parent_comes_after_its_child")
        got = heap.pay(heap.note(), heap.people[1], moment=CLOSES - 1)[0]
        heap.pay(got, heap.shop, moment=USUAL - DAY)
        yield heap
        heap = self._heap("a_parent_that_never_comes")
        coin = heap.note()
        got = heap.scribe.pay(coin, heap.people[1])[0]
        heap.pay(got, heap.shop)
        yield heap

    def _innocent(self) -> Iterator["_Heap"]:
        heap = self._heap("two_right_signatures_under_one_payment")
        got = heap.pay(heap.note(), heap.shop)[0]
        heap.add(signed_anew(got.transfers[-1], heap.people[0]))
        yield heap
        heap = self._heap("somebody_else_signed_in_this_name")
        coin = heap.note()
        heap.pay(coin, heap.shop)
        heap.pay(coin, heap.other, signer=heap.cheat)
        yield heap
        heap = self._heap("another_device_spends_the_money_of_this_one")
        coin = heap.note()
        heap.pay(coin, heap.shop)
        heap.pay(replace(coin, owner=heap.cheat), heap.other)
        yield heap
        for story, more_tiyn in (("a_payment_of_more_than_there_is", 1), ("a_payment_that_loses_a_tiyn", -1)):
            heap = self._heap(story)
            coin = heap.note(heap.cheat)
            outputs = (Output(coin.amount_tiyn + more_tiyn, heap.shop.kid),)
            heap.add(heap.scribe.transfer(coin, outputs, heap.cheat))
            yield heap
        heap = self._heap("a_child_of_a_payment_that_does_not_follow")
        coin = heap.note(heap.cheat)
        outputs = (Output(2 * coin.amount_tiyn, heap.people[1].kid),)
        made = heap.scribe.transfer(coin, outputs, heap.cheat)
        heap.add(made)
        heap.pay(Coin(coin.note, (made,), 0, 2 * coin.amount_tiyn, heap.people[1], 1), heap.shop)
        yield heap
        heap = self._heap("a_device_that_no_bank_has_certified")
        nobody = heap.scribe.holder(NOBODY)
        heap.unknown.add(nobody.kid)
        coin = heap.note(nobody)
        heap.pay(coin, heap.shop)
        heap.pay(coin, heap.other)
        yield heap
        heap = self._heap("a_note_that_no_ledger_knows")
        coin = heap.scribe.note(heap.cheat, 500_000, registered=False)
        heap.add(coin.note)
        heap.pay(coin, heap.shop)
        heap.pay(coin, heap.other)
        yield heap
        heap = self._heap("bytes_that_are_no_paper")
        got = heap.pay(heap.note(), heap.shop)[0]
        whole = got.transfers[-1].encode()
        heap.papers += [(USUAL, junk) for junk in (b"", whole[:-1], whole + b"\0", b"\x93\x05\x05\x05")]
        yield heap


def signed_anew(transfer: Signed[Transfer], holder: Holder) -> Signed[Transfer]:
    """The same transfer with another right signature of the same key: ECDSA has as many as one likes."""
    private = holder.key._es256
    assert private is not None
    secret = private.private_numbers().private_value
    digest = hashlib.sha256(signing_message(OFFLINE_DOMAIN, Transfer.TYPE, transfer.oid)).digest()
    once = int.from_bytes(hashlib.sha256(b"once" + transfer.oid).digest(), "big") % P256_ORDER
    r = ec.derive_private_key(once, ec.SECP256R1()).public_key().public_numbers().x % P256_ORDER
    s = pow(once, -1, P256_ORDER) * (int.from_bytes(digest, "big") + r * secret) % P256_ORDER
    signature = r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
    anew = replace(transfer, signature=signature)
    anew.verify(holder.key.public)
    assert signature != transfer.signature
    return anew


class _Heap:
    """One heap while it is made: honest traffic first, and then what the story adds."""

    def __init__(self, seed: int, story: str, chance: random.Random) -> None:
        self.story, self._chance = story, chance
        self.scribe = Scribe(seed, f"{story}/{chance.random()}")
        self.people = [self.scribe.holder(name) for name in chance.sample(PEOPLE, 3)]
        self.shop, self.other = (self.scribe.holder(name) for name in chance.sample(SHOPS, 2))
        self.cheat = self.scribe.holder("cheat")
        self.papers: list[tuple[int, bytes]] = []
        self.unknown: set[bytes] = set()
        for payer in (*self.people, self.cheat):
            got, *_ = self.pay(self.note(payer), self.shop, chance.randrange(1_000, 90_000))
            self.pay(got, chance.choice([self.other, *self.people]), chance.randrange(1, got.amount_tiyn))

    def note(self, owner: Holder | None = None) -> Coin:
        """A registered note of 1,000 to 9,000 tenge and some tiyn."""
        return self.scribe.note(owner or self.people[0], self._chance.randrange(100_000, 900_000))

    def add(self, signed: Signed[Transfer] | Signed[Note], moment: int = 0) -> None:
        """A paper that arrives at that moment."""
        self.papers.append((moment or USUAL + self._chance.randrange(DAY), signed.encode()))

    def pay(
        self, coin: Coin, payee: Holder, amount_tiyn: int = 0, moment: int = 0, signer: Holder | None = None
    ) -> list[Coin]:
        """A payment whose paper arrives: its coins."""
        coins = self.scribe.pay(coin, payee, amount_tiyn, signer)
        self.add(coins[0].transfers[-1], moment)
        return coins

    def case(self) -> Case:
        """The case, with the truth."""
        holders = self.scribe.holders
        known = [one for one in holders if one.kid not in self.unknown]
        return Case(
            self.story,
            [note.encode() for note in self.scribe.notes],
            self.papers,
            {one.kid: (one.key.public.algorithm, one.key.public.raw) for one in known},
            self.scribe.network,
            self._truth(known),
            {one.kid: one.name for one in holders},
        )

    def _truth(self, known: list[Holder]) -> Decision:
        seen = Seen()
        for holder in known:
            seen.add(holder.certificate, START)
        keys = {holder.kid: holder.key.public for holder in known}
        for moment, data in self.papers:
            try:
                signed = open_envelope(data, Transfer, self.scribe.network)
                signed.verify(keys[signed.record.payer])
            except (TengeError, KeyError):
                continue
            seen.add(signed, moment)
        facts = derive(seen, self.scribe.notes, Rules(check_follows, lambda *_: False), 0)
        credited: dict[bytes, int] = {}
        losses: dict[Outpoint, int] = {}
        guilty: set[bytes] = set()
        for tree in facts.trees.values():
            for output in tree.unspent.values():
                credited[output.owner] = credited.get(output.owner, 0) + output.amount_tiyn
            for fork in tree.conflicts:
                losses[fork.outpoint] = fork.extra * fork.amount_tiyn
                guilty.add(fork.owner)
        return {"credited": credited, "losses": losses, "guilty": sorted(guilty)}
