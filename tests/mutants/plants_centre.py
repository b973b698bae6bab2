"""Bugs in reconciliation and settlement."""

from tests.mutants.plant import Field, bugs

GAP = "tests/offline/test_gap_centre.py"
RECONCILE = (
    "tests/offline/test_reconcile.py",
    "tests/offline/test_reconcile_sync.py",
    "tests/offline/test_reconcile_crash.py",
    GAP,
)
SETTLE = ("tests/offline/test_settle.py", "tests/offline/test_settle_claims.py", GAP)
SYNC = ("tests/offline/test_reconcile_sync.py", *SETTLE)

INTAKE = Field(
    "Reconciliation",
    bugs(
        "offline/intake.py",
        RECONCILE,
        (
            "unsigned-objects-enter",
            "Anybody writes history at the centre.",
            "            signed.verify(known[0].record.key)",
            "            pass",
        ),
        (
            "certificates-enter-unsigned",
            "Anybody certifies devices at the centre.",
            "        check_certificate_issue(signed, authority)",
            "        pass",
        ),
        (
            "notes-enter-unsigned",
            "Anybody accuses the issuer of phantom notes.",
            "        check_note_issue(signed, authority)",
            "        pass",
        ),
        (
            "lists-enter-unsigned",
            "Anybody revokes devices at the centre.",
            "        _by_any(signed, [auth.key for auth in authority.with_role(STATUS)])",
            "        pass",
        ),
    )
    + bugs(
        "offline/reconcile.py",
        RECONCILE,
        (
            "batch-id-used-again",
            "An acknowledgement for one batch is given for another.",
            "        if ack.record.batch_hash != digest:",
            "        if False:",
        ),
        (
            "waiting-objects-thrown-away",
            "A payment that came before its certificate is lost.",
            "                self._waiting.setdefault(kid, {})[signed.oid, signed.signature] = (signed, row.arrived)\n",
            "",
        ),
        (
            "waiting-objects-not-verified",
            "A forged payment that came before the certificate enters.",
            "                if self._stands(late):\n",
            "                if True:\n",
        ),
        (
            "phantoms-not-noticed",
            "Notes of a stolen issuer's key go unseen.",
            "            self._phantoms.add(signed.oid)",
            "            pass",
        ),
        (
            "phantom-for-ever",
            "A note that came before its load is called a forgery.",
            "                self._phantoms.discard(note.oid)\n",
            "",
        ),
        (
            "sync-answered-anew",
            "One request gets two answers, and a device two baselines.",
            "                if request.oid in self._acks:\n                    return self._acks[request.oid]\n",
            "",
        ),
        (
            "spoilt-object-spoils-its-batch",
            "One wrong object keeps everybody's payments out.",
            "            intake.refused[hashlib.sha256(signed.encode()).digest()] = error.code\n            return",
            "            raise",
        ),
    )
    + bugs(
        "offline/archive.py",
        ("tests/offline/test_archive.py", *RECONCILE),
        (
            "two-writers-one-archive",
            "Two reconcilers overwrite each other's log.",
            "    if expected is not None and expected != found:",
            "    if False:",
        ),
        (
            "arrivals-fall",
            "A clock put back makes a late payment early.",
            "        return max(now, self._last_moment)",
            "        return now",
            ("tests/offline/test_archive.py", *RECONCILE),
        ),
    )
    + bugs(
        "offline/sync.py",
        SYNC,
        (
            "baselines-moved-with-an-incomplete-log",
            "Who hides payments gets new limits.",
            "    if complete and not guilty:",
            "    if not guilty:",
        ),
        (
            "baselines-moved-for-the-guilty",
            "A device with a proof against it gets new limits.",
            "    if complete and not guilty:",
            "    if complete:",
        ),
        (
            "guilty-carry-on",
            "A device with a proof against it is not blocked.",
            "        action=BLOCK if guilty or revoked else CARRY_ON,",
            "        action=BLOCK if revoked else CARRY_ON,",
        ),
        (
            "revoked-carry-on",
            "A revoked device is not blocked.",
            "        action=BLOCK if guilty or revoked else CARRY_ON,",
            "        action=BLOCK if guilty else CARRY_ON,",
        ),
        (
            "slots-below-a-refused-transfer-kept",
            "A device keeps paying with what descends from a refused transfer.",
            "        return _descends_from_refused(outpoint.previous, tree, graph)",
            "        return False",
        ),
    ),
)

BOOKS = Field(
    "Settlement",
    bugs(
        "offline/settle.py",
        SETTLE,
        (
            "loss-booked-twice",
            "The reserve pays for a loss that nobody had.",
            "for number in range(1, conflict.extra + 1)]",
            "for number in range(conflict.extra + 1)]",
        ),
        (
            "credit-before-the-loss",
            "A fork is paid out of other people's escrow.",
            "        elif unfunded and not unfunded.isdisjoint(lineage(claim.outpoint, tree, seen)):",
            "        elif False:",
        ),
        (
            "late-claim-paid",
            "A redemption after its day is paid while the note is open.",
            "        if claim.kind == REDEMPTION and claim.arrived > tree.note.record.redeem_by:",
            "        if False:",
        ),
        (
            "late-by-one-second",
            "A redemption in its last second counts as late.",
            "        if claim.kind == REDEMPTION and claim.arrived > tree.note.record.redeem_by:",
            "        if claim.kind == REDEMPTION and claim.arrived >= tree.note.record.redeem_by:",
        ),
        (
            "late-redemption-as-if-in-time",
            "A late redemption drops the mark of marked money.",
            "    if redeems and claim.arrived <= tree.note.record.redeem_by:",
            "    if redeems:",
        ),
        (
            "refund-before-close",
            "Money is refunded that somebody may still spend.",
            "        if claim.kind == UNSPENT:\n            return [], standing_of(judged, HELD, HELD_OPEN)\n",
            "",
        ),
        (
            "closed-one-second-early",
            "Money is refunded in the last second in which it may be spent.",
            "judged.claim, circumstances.now > tree.closes",
            "judged.claim, circumstances.now >= tree.closes",
        ),
        (
            "good-faith-judged-one-second-early",
            "An invoice shown in the last second comes too late.",
            "    closed = now > tree.closes\n",
            "    closed = now >= tree.closes\n",
        ),
        (
            "redemption-without-its-order",
            "A redemption goes to an account that no bank ordered.",
            "    return (order.record.kid, order.record.account) == (claim.holder, claim.account)",
            "    return True",
        ),
        (
            "guilty-are-paid-at-once",
            "A double spender is paid before its losses are known.",
            "    if judged.beneficiary in circumstances.guilty:",
            "    if False:",
        ),
        (
            "knowing-payee-paid",
            "Who took money from a device it knew to be revoked is paid.",
            "            if not seen.refused_at(incoming.payer, invoice.record.trust_sequence, by):",
            "            if True:",
        ),
        (
            "knew-by-one-list",
            "Who had the very list that revoked the payer is paid.",
            "            if not seen.refused_at(incoming.payer, invoice.record.trust_sequence, by):",
            "            if not seen.refused_at(incoming.payer, invoice.record.trust_sequence - 1, by):",
        ),
        (
            "invoice-of-somebody-else-clears",
            "Another's invoice shows one's good faith.",
            "        if shown and invoice is not None and invoice.record.payee == holder:",
            "        if shown and invoice is not None:",
        ),
        (
            "more-recovered-than-lost",
            "A guilty device pays more than its losses.",
            "            taken_tiyn = min(open_tiyn, rest_tiyn)",
            "            taken_tiyn = open_tiyn",
        ),
        (
            "innocent-owner-charged",
            "A fork is charged to everybody on the line.",
            "        if conflict.owner == kid\n",
            "",
        ),
        (
            "facts-without-their-number",
            "The second loss of one fork finds itself booked.",
            'kind.encode() + b"\\0" + subject + number.to_bytes(4, "big")',
            'kind.encode() + b"\\0" + subject',
        ),
    )
    + bugs(
        "offline/posting.py",
        SETTLE,
        (
            "closing-looked-at-too-early",
            "A note that closes this second is never refunded.",
            "self._closing[0][0] < now:",
            "self._closing[0][0] <= now:",
        ),
        (
            "failed-booking-forgotten",
            "What the ledger could not take at the close is never booked.",
            "        self._waiting = due\n",
            "",
            (*SETTLE, "tests/offline/test_reconcile_crash.py"),
        ),
        (
            "held-claims-not-tried-again",
            "What an empty reserve could not fund is never paid.",
            "                if standing.status == HELD and standing.reason in _RETRIED:",
            "                if False:",
        ),
        (
            "owner-charged-beyond-the-cap",
            "A guilty device's owner pays without limit.",
            "asked_tiyn = min(rest_tiyn, max(0, most_tiyn * permille // 1_000 - had_tiyn))",
            "asked_tiyn = rest_tiyn",
        ),
        (
            "owner-charged-again",
            "A second case of one device starts the owner's cap anew.",
            "asked_tiyn = min(rest_tiyn, max(0, most_tiyn * permille // 1_000 - had_tiyn))",
            "asked_tiyn = min(rest_tiyn, most_tiyn * permille // 1_000)",
        ),
        (
            "recourse-not-remembered",
            "The owner is charged for the same loss at every look.",
            "self._archive.keep(key, canonical.encode(got_tiyn))",
            "pass",
        ),
        (
            "cases-not-opened-again",
            "A loss found after a case was closed is nobody's.",
            "        self._closed_cases -= {kid for kid in self._closed_cases if",
            "        self._closed_cases -= {kid for kid in () if",
        ),
    )
    + bugs(
        "offline/escrow.py",
        (*SETTLE, *RECONCILE),
        (
            "escrow-of-all-notes-is-one",
            "One note's loss is paid with another's money.",
            "        found = [item for group in (backing, *losses) for item in self._groups.get(group, {}).items()]",
            "        found = [item for group in self._groups.values() for item in group.items()]",
        ),
        (
            "marked-money-redeemed-with-its-mark",
            "A canteen redeems and gets money that it cannot use.",
            (
                'kept = b"" if posting.kind == SETTLE_REDEEM and self._converts(mark, posting.account) else mark'
            ),
            "kept = mark",
        ),
        (
            "booked-facts-not-read",
            "After a restart everything is booked once more.",
            "        self._settled[record.fact] = Settled(record.kind, amount_tiyn, entry.index, entry.time)",
            "        pass",
        ),
    ),
)

FIELDS = (INTAKE, BOOKS)
