"""Booking: each fact once, in the right order, and the books checked after every posting.

`Settlement.settle` takes the notes whose facts changed, and those whose time has come, and books

1. losses, from the loss reserve into the note's escrow, before anything is paid out of that note;
2. payments that are due (`offline.settle.plan_tree`);
3. the cases that have closed: recovery from the guilty, then recourse (`plan_case`);
4. what the scheme owes the owners of stolen devices in notes that have closed (`offline.lost`).

The ledger is the only judge of what was booked: before planning, the journal is followed to its end, and what it
already holds is not planned again. So a crash at any point, a lost answer and a second settlement beside this one all
end the same way. After each posting the identity of the note is checked, as assertions, because a breach is a bug:

    note + booked losses - booked payments and recoveries = tokens in the note's escrow

A policy that decides at close goes another way (`offline.plan_close`): everything waits for note and case, then the
loss reserve takes, adds, and every claim is paid its award.

What the ledger refuses (an unknown account, a full wallet) and what the empty reserve cannot fund is HELD and tried
again at the next call. Recourse that fails keeps its one case open until the next call, and nothing else.

Source: DTO/1, sections 5.9 (`post`), 5.11 and 5.19.2.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from cbdc import canonical
from cbdc.errors import Refused, TengeError
from cbdc.keys import Signer
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.transaction import SETTLE_LOSS, SETTLE_REFUND
from offline.archive import Archive
from offline.beacon import Beacon, KeptBeacon
from offline.books import Totals as Totals  # noqa: PLC0414 - also known from here
from offline.books import booked_tiyn, totals_of
from offline.closing import Closing
from offline.escrow import EscrowBook, SettlementLedger, backing_of
from offline.graph import Tree
from offline.live import LiveGraph
from offline.loss_policy import LossPolicy
from offline.lost import Cover, Reported, covers_of, nobody_reported
from offline.parameters import GRACE_SECONDS
from offline.plan_close import ClosePlan, borne_at_close, plan_close
from offline.settle import (
    HELD,
    HELD_ACCOUNT,
    HELD_RESERVE,
    Borne,
    Circumstances,
    Posting,
    Standing,
    all_loss_facts,
    case_of,
    claims_of,
    fact_key,
    judge,
    loss_postings,
    payment_facts,
    plan_case,
    plan_tree,
)

_GROUP = 500
_LOST_RACES = ("E_FACT_USED", "E_TOKEN_SPENT")
_RETRIED = (HELD_RESERVE, HELD_ACCOUNT)
_COLLECTED = b"collected/"
_ASKED = b"asked/"
OWNER = "owner"
BANK = "bank"


class Recourse(Protocol):
    """Who makes owners and banks pay into the loss reserve (outside settlement's own reach)."""

    def collect(self, kid: bytes, party: str, amount_tiyn: int, fact: bytes) -> int:
        """How much of `amount_tiyn` the guilty device's owner or bank (`party`) paid; the same answer for one fact."""
        ...


class NoRecourse:
    """Nobody can be made to pay: the loss reserve bears what the guilty devices do not."""

    def collect(self, kid: bytes, party: str, amount_tiyn: int, fact: bytes) -> int:
        """Nothing."""
        return 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a reconciler is set up with: the key ids of escrow and loss reserve, the loss policy, the grace time,
    the beacon that the LOTTERY draws by, and when a device was reported stolen."""

    escrow: bytes
    reserve: bytes
    policy: LossPolicy = field(default_factory=LossPolicy)
    grace_seconds: int = GRACE_SECONDS.default
    beacon: Beacon | None = None
    stolen_at: Reported = nobody_reported


class Settlement:
    """Books the facts of a live graph on the ledger, each once."""

    def __init__(
        self,
        ledger: SettlementLedger,
        book: EscrowBook,
        graph: LiveGraph,
        archive: Archive,
        signer: Signer,
        settings: Settings,
        account_of: Callable[[bytes], bytes | None],
        recourse: Recourse,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        """Raises E_BEACON_ANCHOR when the beacon's parties have changed since the archive was begun."""
        self._ledger = ledger
        self._book = book
        self._graph = graph
        self._archive = archive
        self._signer = signer
        self._policy = settings.policy
        self._account_of = account_of
        self._recourse = recourse
        self._checkpoint = checkpoint
        self._beacon = KeptBeacon(settings.beacon, archive)
        self._stolen_at = settings.stolen_at
        self.covers: dict[bytes, list[Cover]] = {}
        self._now = 0
        self._waiting: set[bytes] = set()
        self._closing: list[tuple[int, bytes]] = []
        self._known: set[bytes] = set()
        self._closed_cases: set[bytes] = set()
        self._asked_for: dict[bytes, int] = {}
        self._subjects: dict[bytes, list[bytes]] = {}
        self.standings: dict[bytes, Standing] = {}

    def settle(self, changed: set[bytes], now: int) -> None:
        """Book everything that is due at `now`; `changed` are the notes whose facts may be new since last time."""
        due = changed | self._waiting | self._newly_closed(changed, now)
        self._closed_cases -= {kid for kid in self._closed_cases if not due.isdisjoint(self._notes_of(kid))}
        # Should booking be cut off, everything due stays waiting.
        self._waiting = due
        self._now = now
        self._book.refresh()
        held = self._settle_at_close(due, now) if self._policy.at_close else self._settle_at_once(due, now)
        self._waiting = held | self._book_covers(due)

    def _settle_at_once(self, due: set[bytes], now: int) -> set[bytes]:
        """Book what is due under ISSUER and WATERFALL; the notes to be tried again."""
        self._book_losses(due)
        held = self._book_payments(due, now)
        touched = self._close_cases(now) if self._policy.recovers else set()
        if touched:
            # What a case brought into the reserve may fund losses that waited for it.
            self._book_losses(held | touched)
            held = self._book_payments(held | touched, now)
        return held

    def _newly_closed(self, changed: set[bytes], now: int) -> set[bytes]:
        for note in changed:
            if note not in self._known:
                self._known.add(note)
                heapq.heappush(self._closing, (self._graph.trees[note].closes, note))
        found = set()
        while self._closing and self._closing[0][0] < now:
            found.add(heapq.heappop(self._closing)[1])
        return found

    def _notes_of(self, kid: bytes) -> set[bytes]:
        return {tree.note.oid for tree in self._graph.trees_of(kid)}

    def _circumstances(self, now: int) -> Circumstances:
        guilty = self._graph.guilty if self._policy.recovers else set()
        closes = {kid: case_of(kid, self._graph.trees_of(kid)).closes for kid in guilty}
        return Circumstances(self._graph.seen, self._book.settled, closes, self._account_of, now)

    # --- policies that decide at close ---

    def _decided(self) -> Closing:
        graph, now = self._graph, self._now
        return Closing(
            self._policy,
            graph.seen,
            graph.trees,
            graph.trees_of,
            lambda moment: self._beacon.after(moment, now),
            now,
        )

    def _settle_at_close(self, due: set[bytes], now: int) -> set[bytes]:
        """Book what notes and cases that have closed decide; the closed notes that are not settled to the end."""
        closing = self._decided()
        notes = [note for note in sorted(due) if self._check(self._graph.trees[note])]
        closed = [note for note in notes if now > self._graph.trees[note].closes]
        self._post([posting for plan in self._plans(closed, closing) for posting in plan.taken], {})
        self._book_postings(
            lambda: [posting for plan in self._plans(closed, closing) for posting in plan.losses]
        )
        plans = self._plans(notes, closing)
        for note, plan in zip(notes, plans, strict=True):
            self._stand(note, plan.standings)
        payments = [posting for plan in plans for posting in plan.payments]
        self._post(payments, {posting.fact: subject for plan in plans for posting, subject in _named(plan)})
        if self._policy.has_recourse:
            self._ask_at_close(closing)
        # A closed note is looked at until its escrow is empty: its case may be open, or its beacon not out.
        return {note for note in due if now > self._graph.trees[note].closes and self._left_tiyn(note)}

    def _plans(self, notes: Sequence[bytes], closing: Closing) -> list[ClosePlan]:
        circumstances = self._circumstances(self._now)
        return [plan_close(self._graph.trees[note], closing, circumstances) for note in notes]

    def _left_tiyn(self, note: bytes) -> int:
        return self._book.balance_tiyn(self._backing(note), all_loss_facts(self._graph.trees[note]))

    def _ask_at_close(self, closing: Closing) -> None:
        """Recourse for what the reserve put in for the guilty (CAPPED)."""
        for kid in sorted(self._graph.guilty):
            funded_tiyn = sum(one.funded_tiyn for one in closing.decisions(kid) if one is not None)
            if self._asked_for.get(kid, 0) == funded_tiyn:
                continue
            if self._collect(kid, max(0, funded_tiyn - sum(self._collected(kid)))):
                self._asked_for[kid] = funded_tiyn

    def _stand(self, note: bytes, standings: Sequence[Standing]) -> None:
        for subject in self._subjects.pop(note, ()):
            del self.standings[subject]
        self._subjects[note] = [standing.subject for standing in standings]
        self.standings |= {standing.subject: standing for standing in standings}

    # --- stolen devices ---

    def _book_covers(self, due: set[bytes]) -> set[bytes]:
        """Pay the owners of stolen devices what the scheme bears in notes that have closed; the notes left to do."""
        for note in due:
            tree = self._graph.trees[note]
            if self._now > tree.closes:
                self.covers[note] = covers_of(
                    tree, self._graph.seen, self._stolen_at, self._graph.guilty, self._policy.theft_permille
                )
        found = [(note, cover) for note in sorted(due) for cover in self.covers.get(note, ())]

        def missing() -> list[Posting]:
            return [
                Posting(SETTLE_LOSS, cover.loss, note, cover.amount_tiyn)
                for note, cover in found
                if cover.loss not in self._book.settled
            ]

        self._book_postings(missing)
        for note, cover in found:
            account = self._account_of(cover.kid)
            if cover.payment in self._book.settled or cover.loss not in self._book.settled or account is None:
                continue
            posting = Posting(SETTLE_REFUND, cover.payment, note, cover.amount_tiyn, account)
            # The tokens that the loss brought are a group of their own: no part of the note's escrow.
            self._submit([self._book.transaction(posting, cover.loss, (), self._signer).encode()])
        return {note for note, cover in found if cover.payment not in self._book.settled}

    # --- losses ---

    def _book_losses(self, notes: Iterable[bytes]) -> None:
        chosen = sorted(notes)
        self._book_postings(
            lambda: [
                posting
                for note in chosen
                for posting in loss_postings(self._graph.trees[note], self._book.settled)
            ]
        )

    def _book_postings(self, missing: Callable[[], list[Posting]]) -> None:
        """Move these losses from the reserve into escrow, as many as it can fund; `missing` are those still to do."""
        while True:
            postings = missing()
            backings = {posting.note: self._backing(posting.note) for posting in postings}
            made = self._book.loss_transactions(postings[:_GROUP], backings, self._signer)
            if not made:
                return
            refusals = self._submit([transaction.encode() for transaction in made])
            for note in {posting.note for posting in postings[:_GROUP]}:
                self._check(self._graph.trees[note])
            if all(refusals):
                return

    def _backing(self, note: bytes) -> bytes:
        return backing_of(self._graph.notes[note].record.serial)

    # --- payments ---

    def _book_payments(self, notes: set[bytes], now: int) -> set[bytes]:
        circumstances = self._circumstances(now)
        postings: list[Posting] = []
        held: set[bytes] = set()
        subjects: dict[bytes, bytes] = {}
        for note in sorted(notes):
            tree = self._graph.trees[note]
            if not self._check(tree):
                held.add(note)
                continue
            plan = plan_tree(tree, circumstances)
            self._stand(note, plan.standings)
            for standing in plan.standings:
                subjects[fact_key("pay", standing.subject)] = standing.subject
                if standing.status == HELD and standing.reason in _RETRIED:
                    held.add(note)
            postings += plan.postings
        return held | self._post(postings, subjects)

    def _post(self, postings: Sequence[Posting], subjects: dict[bytes, bytes]) -> set[bytes]:
        """Book payments, one of each note at a time (the next spends its change); the notes to be tried again."""
        again: set[bytes] = set()
        left = list(postings)
        while left:
            batch: dict[bytes, Posting] = {}
            rest: list[Posting] = []
            for posting in left:
                if posting.note in batch or len(batch) == _GROUP:
                    rest.append(posting)
                else:
                    batch[posting.note] = posting
            for posting, code in self._post_group(list(batch.values())):
                if code:
                    again.add(posting.note)
                    self._hold(subjects.get(posting.fact), code)
            left = rest
        return again

    def _post_group(self, postings: list[Posting]) -> list[tuple[Posting, str]]:
        outcome: list[tuple[Posting, str]] = []
        ready: list[tuple[Posting, bytes]] = []
        for posting in postings:
            losses = all_loss_facts(self._graph.trees[posting.note])
            try:
                made = self._book.transaction(posting, self._backing(posting.note), losses, self._signer)
            except Refused as error:
                outcome.append((posting, error.code))
            else:
                ready.append((posting, made.encode()))
        if ready:
            refusals = self._submit([data for _, data in ready])
            for (posting, _), code in zip(ready, refusals, strict=True):
                self._check(self._graph.trees[posting.note])
                booked = posting.fact in self._book.settled
                outcome.append((posting, "" if booked else code))
        return outcome

    def _submit(self, transactions: list[bytes]) -> list[str]:
        self._checkpoint("reconciler.post.before")
        answers = self._ledger.submit_many(transactions)
        self._checkpoint("reconciler.post.after")
        self._book.refresh()
        return [answer.code if isinstance(answer, TengeError) else "" for answer in answers]

    def _hold(self, subject: bytes | None, code: str) -> None:
        if subject is not None and code not in _LOST_RACES:
            reason = HELD_RESERVE if code == "E_ESCROW_SHORT" else code
            self.standings[subject] = replace(self.standings[subject], status=HELD, reason=reason)

    # --- cases ---

    def _close_cases(self, now: int) -> set[bytes]:
        """Book every case that has closed; the notes of the guilty devices concerned."""
        touched: set[bytes] = set()
        for kid in sorted(self._graph.guilty - self._closed_cases):
            trees = self._graph.trees_of(kid)
            if now > case_of(kid, trees).closes and all(self._check(tree) for tree in trees):
                self._close_case(kid, trees, now)
                touched |= {tree.note.oid for tree in trees}
        return touched

    def _close_case(self, kid: bytes, trees: list[Tree], now: int) -> None:
        case = case_of(kid, trees)
        plan = plan_case(case, trees, self._circumstances(now), self._policy, sum(self._collected(kid)))
        for standing in plan.standings:
            self.standings[standing.subject] = standing
        subjects = {fact_key("pay", standing.subject): standing.subject for standing in plan.standings}
        if not self._post(plan.postings, subjects) and self._collect(kid, plan.rest_tiyn):
            self._closed_cases.add(kid)

    def _collect(self, kid: bytes, rest_tiyn: int) -> bool:
        """Let owner and bank pay for what is left; False when one of them could not be asked, so it is tried again."""
        certificate = self._graph.seen.certificate(kid)
        assert certificate is not None, "only a certified device can be guilty"
        most_tiyn = certificate.record.limits.max_out_tiyn
        for party, permille, had_tiyn in (
            (OWNER, self._policy.recourse_permille, self._collected(kid)[0]),
            (BANK, self._policy.bank_permille, self._collected(kid)[1]),
        ):
            number = len(self._archive.answers(_collected_key(kid, party)))
            key = _collected_key(kid, party) + number.to_bytes(4, "big")
            # What was asked under a fact and not answered is asked again as it was: a part may have been taken.
            pending = self._archive.answer(_ASKED + key)
            asked_tiyn = min(rest_tiyn, max(0, most_tiyn * permille // 1_000 - had_tiyn))
            if not asked_tiyn and pending is None:
                continue
            asked_tiyn = _amount(pending or self._archive.keep(_ASKED + key, canonical.encode(asked_tiyn)))
            try:
                got_tiyn = self._recourse.collect(
                    kid, party, asked_tiyn, fact_key(f"recourse {party}", kid, number)
                )
            except TengeError:
                return False
            assert 0 <= got_tiyn <= asked_tiyn, "recourse brings in no more than was asked"
            self._archive.keep(key, canonical.encode(got_tiyn))
            rest_tiyn = max(0, rest_tiyn - got_tiyn)
        return True

    def _collected(self, kid: bytes) -> tuple[int, int]:
        owner, bank = (
            sum(_amount(value) for _, value in self._archive.answers(_collected_key(kid, party)))
            for party in (OWNER, BANK)
        )
        return owner, bank

    # --- the books ---

    def _check(self, tree: Tree) -> bool:
        """Assert the identity of one note; False when the ledger holds facts of it that this one cannot know yet."""
        losses = all_loss_facts(tree)
        payments = payment_facts(claims_of(tree, self._graph.seen), tree)
        backing = self._backing(tree.note.oid)
        if not self._book.touching(backing, losses) <= set(payments):
            return False
        settled = self._book.settled
        expected = tree.notes_tiyn + booked_tiyn(losses, settled) - booked_tiyn(payments, settled)
        held = self._book.balance_tiyn(backing, losses)
        assert expected == held, f"the note's books say {expected} tiyn, its escrow holds {held}"
        return True

    def totals(self) -> Totals:
        """The books over all notes, asserted to balance."""
        closing = self._decided() if self._policy.at_close else None
        covers = [cover for found in self.covers.values() for cover in found]
        return totals_of(list(self._graph.trees.values()), self._graph.seen, self._book, closing, covers)

    def unspent_tiyn(self, kid: bytes) -> int:
        """What is known to be unspent of a device in notes that have not closed."""
        return sum(
            output.amount_tiyn
            for tree in self._graph.trees_of(kid)
            if self._now <= tree.closes
            for output in tree.unspent.values()
            if output.owner == kid
        )

    def refunded_tiyn(self, kid: bytes, account: bytes, since: int) -> int:
        """What came to `account` for a device after a moment: refunds, redemptions ordered to it, and theft cover."""
        settled, seen = self._book.settled, self._graph.seen
        facts = [
            (fact_key("pay", claim.subject), claim.account)
            for tree in self._graph.trees_of(kid)
            for claim in claims_of(tree, seen)
            if judge(claim, tree, seen, closed=True).beneficiary == kid
        ]
        covers = [cover for found in self.covers.values() for cover in found if cover.kid == kid]
        facts += [(cover.payment, account) for cover in covers]
        booked = [(settled[fact], to) for fact, to in facts if fact in settled and settled[fact].time > since]
        return sum(one.amount_tiyn for one, to in booked if to == account or one.kind == SETTLE_REFUND)

    def borne(self, kid: bytes) -> Borne:
        """Who bore the losses of a guilty device, so far."""
        trees, seen = self._graph.trees_of(kid), self._graph.seen
        loss_tiyn = case_of(kid, trees).loss_tiyn
        if self._policy.at_close:
            return borne_at_close(kid, loss_tiyn, self._decided(), self._graph.trees, self._collected(kid))
        facts = [
            fact_key("recover", claim.subject)
            for tree in trees
            for claim in claims_of(tree, seen)
            if judge(claim, tree, seen, closed=True).beneficiary == kid
        ]
        device_tiyn = booked_tiyn(facts, self._book.settled)
        owner_tiyn, bank_tiyn = self._collected(kid)
        rest_tiyn = loss_tiyn - device_tiyn - owner_tiyn - bank_tiyn
        return Borne(kid, loss_tiyn, device_tiyn, owner_tiyn, bank_tiyn, rest_tiyn)


def _named(plan: ClosePlan) -> Iterator[tuple[Posting, bytes]]:
    """The payments of a plan with the subjects of their claims."""
    subjects = {fact_key("pay", standing.subject): standing.subject for standing in plan.standings}
    for posting in plan.payments:
        yield posting, subjects[posting.fact]


def _collected_key(kid: bytes, party: str) -> bytes:
    return _COLLECTED + kid + party.encode() + b"/"


def _amount(value: bytes) -> int:
    amount = canonical.decode(value)
    assert isinstance(amount, int)
    return amount
