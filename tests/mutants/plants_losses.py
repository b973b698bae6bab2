"""Bugs in the loss policies that decide at close, in lists as changes, and in lost devices."""

from tests.mutants.plant import Field, bugs

CLOSE = ("tests/offline/test_closing.py", "tests/offline/test_loss_policies.py")
TRUST = ("tests/offline/test_revocation.py",)
LOST = ("tests/offline/test_lost.py",)

POLICIES = Field(
    "Loss policies at close",
    bugs(
        "offline/closing.py",
        CLOSE,
        (
            "case-closes-with-its-first-note",
            "A case is decided while money of the guilty device is still open.",
            "            closes = last\n",
            "            break\n",
        ),
        (
            "case-prolonged-by-later-loads",
            "A thief keeps its victims waiting by loading more.",
            " and tree.note.record.issued <= first and",
            " and",
        ),
        (
            "case-takes-closed-notes",
            "A note that was settled belongs to a case opened later.",
            " and tree.closes >= known",
            "",
        ),
        (
            "guilty-made-good",
            "Another thief gets a part of the victims' restitution.",
            "                elif missing_tiyn and not self._is_guilty(judged.beneficiary, case.closes):",
            "                elif missing_tiyn:",
        ),
        (
            "restitution-forgotten",
            "A thief is refunded while its victims are short.",
            "        given_tiyn = min(missing_tiyn, sum(own.values()))",
            "        given_tiyn = 0",
        ),
        (
            "cap-counts-anew",
            "The reserve pays a thief's cap once more for each of its cases.",
            "max(0, self._cap_tiyn(case) - spent_tiyn)",
            "max(0, self._cap_tiyn(case))",
        ),
        (
            "judged-by-what-came-later",
            "What arrives after the close changes who was paid.",
            "closed=True, by=tree.closes) for claim in claims]",
            "closed=True) for claim in claims]",
        ),
    )
    + bugs(
        "offline/shares.py",
        CLOSE,
        (
            "loser-of-the-lot-keeps-its-part",
            "Two branches of a fork are paid whole.",
            "        return [position if place == winner else lost for place in range(count)], 0",
            "        return [position for place in range(count)], 0",
        ),
        (
            "forfeit-vanishes",
            "What a fork held is nobody's.",
            "        kept, forfeit_tiyn = [0] * count, position.kept_tiyn",
            "        kept, forfeit_tiyn = [0] * count, 0",
        ),
    )
    + bugs(
        "offline/beacon.py",
        CLOSE,
        (
            "beacon-unchecked",
            "A party chooses the winner when it sees the branches.",
            "            if value is None or not _fits(anchors[name], day, value):",
            "            if value is None:",
        ),
        (
            "beacon-of-the-closing-day",
            "The lot is known while branches can still be ground.",
            " for one in anchors.values()), default=0) + 1",
            " for one in anchors.values()), default=0)",
        ),
        (
            "revealed-too-early",
            "A party gives its secret away before the day has come.",
            "        if now < self.anchor.begins + day * DAY_SECONDS:",
            "        if False:",
        ),
        (
            "parties-may-change",
            "A bank swaps its chain when it dislikes a draw.",
            "            if archive.keep(_ANCHORS, made) != made:",
            "            if False:",
        ),
    )
    + bugs(
        "offline/plan_close.py",
        CLOSE,
        (
            "paid-before-it-is-funded",
            "A share is paid out of somebody else's part of the escrow.",
            "    if unfunded:\n        return [], _told(judged, HELD, award.paid_tiyn, HELD_RESERVE)\n",
            "",
        ),
        (
            "forfeit-not-taken",
            "What nobody is paid stays in escrow for ever.",
            " for fork, amount_tiyn in settling.forfeits.items()]",
            " for fork, amount_tiyn in ()]",
        ),
    )
    + bugs(
        "offline/loss_policy.py",
        CLOSE,
        (
            "first-seen-without-a-study",
            "A settlement pays whoever lives near a network.",
            "        if self.name in POLICIES or (self.name == FIRST_SEEN and self.study):",
            "        if self.name in POLICIES or self.name == FIRST_SEEN:",
        ),
    ),
)

LISTS = Field(
    "TRUST lists as changes, tiers, lost devices",
    bugs(
        "offline/trust_office.py",
        TRUST,
        (
            "change-to-the-wrong-list",
            "Devices cannot adopt what is published.",
            "            made = fresh.trust(sequence, sequence - 1, now)",
            "            made = fresh.trust(sequence, max(1, sequence - 2), now)",
        ),
        (
            "full-list-forgets",
            "A full list sets revoked devices free.",
            "        everything.add(self._said)\n",
            "",
        ),
        (
            "chain-from-the-first-full-list",
            "Whoever was away for long is sent everything ever said.",
            "            return way[full:]",
            "            return way",
        ),
    )
    + bugs(
        "offline/checks.py",
        TRUST,
        (
            "closed-tier-not-asked",
            "After a class break broken devices pay on.",
            "    if trust.is_closed_tier(certificate.tier):",
            "    if False:",
        ),
    )
    + bugs(
        "offline/element_rules.py",
        TRUST,
        (
            "revoked-bank-orders",
            "Who stole a bank's key drains its devices.",
            "if auth.scope and auth.scope[0] in numbers and not trust.is_revoked_authority(auth.kid)",
            "if auth.scope and auth.scope[0] in numbers",
        ),
    )
    + bugs(
        "offline/gossip.py",
        TRUST,
        (
            "qr-shows-anything",
            "Lists of any size are shown as a QR code.",
            "for trust in chain]])\n    if len(data) > MAX_QR_BYTES:",
            "for trust in chain]])\n    if False:",
        ),
    )
    + bugs(
        "offline/lost.py",
        LOST,
        (
            "theft-before-the-report-covered",
            "The scheme pays for what the owner bears.",
            " or made <= reported or knew:",
            " or knew:",
        ),
        (
            "guilty-owner-covered",
            "Who spent twice and reports a theft is paid for it.",
            "        if reported is None or record.payer in guilty:",
            "        if reported is None:",
        ),
        (
            "advance-paid-twice",
            "A bank advances on one device again and again.",
            "            kept = self._archive.keep(_ADVANCE + kid, canonical.encode(made))",
            "            kept = canonical.encode(made)",
        ),
        (
            "bank-keeps-it-all",
            "The owner of a lost device never sees the rest.",
            "    bank_tiyn = min(advanced_tiyn, refunded_tiyn)",
            "    bank_tiyn = refunded_tiyn",
        ),
    ),
)

FIELDS = (POLICIES, LISTS)
