"""Bugs in what everybody asks of offline money: one step, a whole message, the trust list."""

from tests.mutants.plant import Field, bugs

ADMISSION = ("tests/offline/test_admission.py", "tests/offline/test_vectors.py")
VERIFY = ("tests/offline/test_verify.py", "tests/offline/test_vectors.py")
ELEMENT = (
    "tests/offline/test_element.py",
    "tests/offline/test_element_accept.py",
    "tests/offline/test_element_papers.py",
    "tests/offline/test_element_limits.py",
    "tests/offline/test_element_sync.py",
)
TRUST = ("tests/offline/test_trust.py", "tests/offline/test_element_limits.py")
DEVICE = ("tests/offline/test_device.py", "tests/offline/test_transfer.py")

STEPS = Field(
    "One step of offline money",
    bugs(
        "offline/admission.py",
        ADMISSION,
        (
            "link-not-checked",
            "A transfer is hung onto another history than it was signed for.",
            "    if transfer.record.previous != parent.oid:",
            "    if False:",
        ),
        (
            "payer-is-not-the-owner",
            "Anybody spends offline money that is shown to them.",
            "    if spent.owner != record.payer:",
            "    if False:",
        ),
        (
            "transfer-not-signed",
            "Anybody writes a payment in another's name.",
            "    transfer.verify(certificate.key)\n",
            "",
        ),
        (
            "offline-sum-grows",
            "A payment's outputs are more than its input.",
            "    if outputs_tiyn != input_tiyn or min(",
            "    if outputs_tiyn < input_tiyn or min(",
        ),
        (
            "offline-sum-shrinks",
            "A payment loses money.",
            "    if outputs_tiyn != input_tiyn or min(",
            "    if outputs_tiyn > input_tiyn or min(",
        ),
        (
            "change-to-a-third-key",
            "A second payee hides in the change, beside every limit.",
            "    if len(record.outputs) == 2 and record.outputs[1].owner != record.payer:",
            "    if False:",
        ),
        (
            "payment-to-oneself",
            "Money is washed of its hops by paying oneself.",
            "    if record.kind == PAY and record.outputs[0].owner == record.payer:",
            "    if False:",
        ),
        (
            "hop-not-checked",
            "Money goes from hand to hand without end.",
            "    if (record.hop, record.length) != (hop, length):",
            "    if record.length != length:",
        ),
        (
            "length-not-checked",
            "A line hides how long it is.",
            "    if (record.hop, record.length) != (hop, length):",
            "    if record.hop != hop:",
        ),
        (
            "hops-of-the-note-off-by-one",
            "Money moves once more than its note allows.",
            "    if record.hop > note.max_hops or record.length > note.max_length:",
            "    if record.hop > note.max_hops + 1 or record.length > note.max_length:",
        ),
        (
            "length-of-the-note-not-asked",
            "A line grows beyond what its note allows.",
            "    if record.hop > note.max_hops or record.length > note.max_length:",
            "    if record.hop > note.max_hops:",
        ),
        (
            "purpose-not-inherited",
            "Meal money becomes plain money on the way.",
            "    if record.purpose != parent.record.purpose:",
            "    if False:",
        ),
        (
            "expiry-not-inherited",
            "Old money is given a new last day.",
            "    if record.spend_by != parent.record.spend_by:",
            "    if False:",
        ),
        (
            "redeemed-money-spent",
            "What went home to the bank is spent once more offline.",
            "    if isinstance(parent.record, Transfer) and parent.record.kind == REDEEM and record.index == 0:",
            "    if False:",
        ),
        (
            "redemption-passes-for-a-payment",
            "A device takes a transfer to a bank account as its payment.",
            "    if pay_only and record.kind != PAY:",
            "    if False:",
        ),
        (
            "tier-above-the-bank",
            "A bank certifies devices above what ROOT lets it.",
            "    if record.tier > highest:",
            "    if False:",
        ),
        (
            "certificate-not-signed",
            "Anybody certifies devices.",
            "    if not stands:\n        signed.verify(bank.key)\n",
            "",
        ),
        (
            "note-not-signed",
            "Anybody issues offline money.",
            "    signed.verify(issuer.key)\n",
            "",
        ),
        (
            "note-above-its-largest",
            "One stolen epoch key issues any amount in one note.",
            "    if not 1 <= record.amount_tiyn <= most_tiyn:",
            "    if record.amount_tiyn < 1:",
        ),
        (
            "certificates-of-any-time",
            "A bank's key certifies after its certificate has ended.",
            "        if auth.not_before <= at <= auth.expires:",
            "        if auth.not_before <= at:",
            (*ADMISSION, *TRUST),
        ),
    ),
)

VERIFICATION = Field(
    "A receiver's verification",
    bugs(
        "offline/verify.py",
        VERIFY,
        (
            "unneeded-certificates-taken",
            "A message makes the receiver verify certificates without end.",
            "        if kid in seen or kid not in needed:",
            "        if kid in seen:",
        ),
        (
            "double-spend-not-noticed",
            "Two branches of one output are taken side by side.",
            "            if other.oid != transfer.oid:\n                both_new",
            "            if False:\n                both_new",
        ),
        (
            "equivocation-not-noticed",
            "A copied device is taken for one.",
            '            if other.oid != transfer.oid:\n                raise _conflict("E_EQUIVOCATION"',
            '            if False:\n                raise _conflict("E_EQUIVOCATION"',
        ),
        (
            "what-was-seen-is-forgotten",
            "A receiver takes the second branch of what it has seen spent before.",
            "            other = known.spends.get(outpoint) or spends.setdefault(outpoint, transfer)",
            "            other = spends.setdefault(outpoint, transfer)",
        ),
        (
            "payers-mixed",
            "One payment is made of two payers' transfers.",
            "        if transfer.record.payer != payer:",
            "        if False:",
        ),
        (
            "payment-for-another-invoice",
            "Yesterday's payment is shown for today's goods.",
            "        if transfer.record.reference != invoice.oid:",
            "        if False:",
        ),
        (
            "payment-to-somebody-else",
            "A payment to the neighbour buys goods here.",
            "        if transfer.record.outputs[0].owner != asked.payee:",
            "        if False:",
        ),
        (
            "too-little-paid",
            "A smaller sum than was asked for buys the goods.",
            "    if amount_tiyn != asked.amount_tiyn:",
            "    if amount_tiyn > asked.amount_tiyn:",
        ),
        (
            "parts-missing",
            "A part of a payment passes for the whole.",
            "    if any(transfer.record.parts != count for transfer in transfers):",
            "    if False:",
        ),
        (
            "counters-do-not-follow",
            "Parts signed by two copies of one device pass for one payment.",
            "        if after.record.counter != before.record.counter + 1 or after.record.link != before.oid:",
            "        if False:",
        ),
        (
            "no-margin-before-expiry",
            "A payee is left with money that expires on the way home.",
            "    if now + margin_seconds >= note.record.spend_by:",
            "    if now >= note.record.spend_by:",
        ),
        (
            "stale-payers-taken",
            "A device that never syncs pays for ever.",
            "        if now - transfer.record.sync_time > max_age_days * DAY_SECONDS:",
            "        if False:",
        ),
        (
            "dead-certificate-pays",
            "A device pays after its certificate has expired.",
            "    check_alive(payer, now)\n",
            "",
        ),
        (
            "edges-of-earlier-steps-not-asked",
            "Meal money that took a forbidden way is taken.",
            "            check_purpose(record.purpose, *categories, trust)\n",
            "",
        ),
        (
            "caps-of-earlier-steps-not-asked",
            "Meal money that was paid in one big sum is passed on.",
            "            check_purpose_limits(record.purpose, categories, paid_tiyn, record.time, trust)",
            "            pass",
        ),
        (
            "whole-payment-not-held-to-its-cap",
            "Many parts together pass the cap of a purpose.",
            "    check_purpose_limits(asked.purpose, categories, asked.amount_tiyn, now, trust)\n",
            "",
        ),
        (
            "hops-of-the-purpose-not-asked",
            "Marked money moves further than its purpose allows.",
            "        if purpose is not None and record.hop > purpose.max_hops:",
            "        if False:",
        ),
        (
            "larger-than-was-asked-for",
            "A payment is longer than the payee said it can read.",
            "    limit_bytes = min(invoice.record.max_bytes, trust.parameter(MAX_BYTES))",
            "    limit_bytes = trust.parameter(MAX_BYTES)",
        ),
        (
            "revoked-holder-offers",
            "A revoked device gets an invoice for its offer.",
            '            check_standing(holder, trust, "holder")',
            "            pass",
        ),
    )
    + bugs(
        "offline/checks.py",
        VERIFY,
        (
            "revocation-not-asked",
            "A stolen device pays on.",
            "    if trust.is_revoked(certificate.kid):",
            "    if False:",
        ),
        (
            "tainted-notes-taken",
            "Notes of a stolen issuer's key are taken.",
            "    if trust.is_tainted(record.serial) or trust.is_tainted(signed.oid):",
            "    if False:",
        ),
        (
            "lowered-limits-ignored",
            "A limit lowered by the trust list binds nobody.",
            "    limits = trust.limits(certificate) if direct else certificate.limits",
            "    limits = certificate.limits",
        ),
        (
            "invoice-not-signed",
            "A forged invoice sends the money elsewhere.",
            "    invoice.verify(certificate.record.key)\n",
            "",
            (*VERIFY, *ELEMENT),
        ),
        (
            "receipt-for-other-transfers",
            "A payee's receipt for one payment is shown for another.",
            "    if record.payment_root != payment_root:",
            "    if False:",
            (*VERIFY, *DEVICE),
        ),
        (
            "unknown-purposes-pass",
            "Money of a purpose that nobody defined moves freely.",
            "    if known is None or not known.allows(payer_category, payee_category):",
            "    if known is not None and not known.allows(payer_category, payee_category):",
            (*VERIFY, *ELEMENT),
        ),
    )
    + bugs(
        "offline/trust.py",
        TRUST,
        (
            "older-trust-list-adopted",
            "An old list makes a revoked device good again.",
            "        if record.sequence <= self.sequence:",
            "        if record.sequence == self.sequence:",
        ),
        (
            "change-to-another-list",
            "A list of changes is laid over the wrong list.",
            "        if record.base_sequence not in (0, self.sequence):\n            raise",
            "        if False:\n            raise",
        ),
        (
            "full-list-keeps-the-old-one",
            "Who was taken off the list stays revoked.",
            "        view._lists = (_Lists() if full else self._lists).with_changes(record)",
            "        view._lists = self._lists.with_changes(record)",
        ),
        (
            "trust-list-not-signed",
            "Anybody revokes anybody.",
            "    trust.verify(keys[-1])\n",
            "    pass\n",
        ),
        (
            "limits-of-the-certificate-only",
            "The trust list lowers no limit.",
            "            known = self._limits[asked] = stricter(*asked, self._lists.policy)",
            "            known = certificate.limits",
        ),
    ),
)

FIELDS = (STEPS, VERIFICATION)
