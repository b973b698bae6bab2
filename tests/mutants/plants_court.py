"""Bugs in evidence: who is convicted that should not be, and who is not that should."""

from tests.mutants.plant import Field, bugs

EVIDENCE = (
    "tests/offline/test_evidence.py",
    "tests/offline/test_vectors.py",
    "tests/offline/test_gap_centre.py",
    "tests/offline/test_left_out.py",
)
HONEST = ("tests/offline/test_evidence_honest.py", *EVIDENCE)
FOUND = (
    "tests/offline/test_prosecution.py",
    "tests/offline/test_reconcile_sync.py",
    "tests/offline/test_graph.py",
)

FILES = Field(
    "Evidence",
    bugs(
        "offline/evidence_file.py",
        EVIDENCE,
        (
            "proofs-in-two-forms",
            "One proof has a second file, in which its certificates are byte strings.",
            "    if bytes in map(type, auths):\n",
            "    if False:\n",
        ),
        (
            "another-keys-signature-convicts",
            "Anybody writes the statements that convict a device.",
            "        signed.verify(certificate.record.key)\n",
            "",
        ),
        (
            "another-name-convicts",
            "A signature under another's name is an offence.",
            "        if getattr(signed.record, _SPEAKER[kind]) != certificate.record.kid:",
            "        if False:",
        ),
        (
            "uncertified-device-convicted",
            "A certificate that no bank signed convicts.",
            "        check_certificate_issue(certificate, self.authority)\n",
            "",
        ),
        (
            "unsigned-note-convicts-the-issuer",
            "A note that no issuer signed convicts the issuer.",
            "        check_note_issue(note, self.authority)\n",
            "",
        ),
        (
            "anybody-is-settlement",
            "What nobody official signed counts as settlement's word.",
            "        find_signer(self.authority, signed, role)\n",
            "",
        ),
        (
            "an-authority-for-ever",
            "An authority's key convicts after its time is over.",
            "        if not auth.not_before <= at <= auth.expires:",
            "        if False:",
        ),
        (
            "any-file-without-end",
            "A court reads files of any size.",
            "MAX_FILE_BYTES = 512 * 1_024",
            "MAX_FILE_BYTES = 1 << 30",
        ),
    )
    + bugs(
        "offline/evidence_device.py",
        EVIDENCE,
        (
            "one-transfer-is-a-double-spend",
            "Two signatures over one payment convict an honest device.",
            "    if first.oid == second.oid:",
            "    if False:",
        ),
        (
            "payment-and-change-are-a-double-spend",
            "Spending two outputs of one transfer convicts a device.",
            "    if first.record.outpoint != second.record.outpoint:",
            "    if first.record.outpoint[0] != second.record.outpoint[0]:",
        ),
        (
            "two-files-for-one-pair",
            "One offence is counted twice.",
            "    if first.oid > second.oid:",
            "    if False:",
        ),
        (
            "any-two-transfers-equivocate",
            "Two ordinary payments convict a device.",
            "    if not same_counter and first.record.link != second.record.link:",
            "    if False:",
        ),
        (
            "any-transfer-is-off-the-log",
            "A transfer that stands in its place convicts a device.",
            "    if (witness.record.counter == place) == (witness.oid == named):",
            "    if False:",
        ),
        (
            "any-body-is-the-log",
            "A log that is not the device's convicts it.",
            "        if (step.oid, step.record.payer, step.record.counter) != (named, kid, place):",
            "        if False:",
        ),
        (
            "a-log-shown-in-part-begins-there",
            "A log that is shown in part convicts a device.",
            "        if (place == 0) == (named == genesis_link(kid)):",
            "        if named == genesis_link(kid):",
        ),
        (
            "spent-after-the-statement",
            "Who states what it holds and then pays with it is guilty.",
            "    if transfer.record.counter > request.record.counter:",
            "    if False:",
        ),
        (
            "any-two-statements-contradict",
            "A device that syncs twice is guilty.",
            "    if not falls(first.record, second.record):",
            "    if False:",
        ),
        (
            "statements-in-any-order",
            "A device that grew is guilty when its statements are swapped.",
            "    if (first.record.sync_number, first.oid) >= (second.record.sync_number, second.oid):",
            "    if first.oid == second.oid:",
        ),
        (
            "open-invoices-count-as-cancelled",
            "Who takes money under an open invoice is guilty.",
            "    if request.record.invoice_number < invoice.record.invoice_number:",
            "    if False:",
        ),
        (
            "money-taken-in-time-convicts",
            "Who took the money and then synced is guilty.",
            "    if held_tiyn(request.record, money) is not None:",
            "    if False:",
        ),
        (
            "spent-before-the-statement",
            "Who took the money, spent it and then synced is guilty.",
            "        shows = witness.record.outpoint == money and witness.record.counter > request.record.counter",
            "        shows = witness.record.outpoint == money",
        ),
        (
            "any-payment-for-the-invoice",
            "Money that answers another invoice convicts.",
            "    if (payment.record.kind, payment.record.reference, paid.owner) != (PAY, invoice.oid, kid):",
            "    if False:",
        ),
        (
            "parent-of-another-transfer",
            "A transfer is judged against an object that it does not follow.",
            "    if transfer.record.previous != parent.oid:",
            "    if False:",
        ),
        (
            "the-deceived-are-convicted",
            "Who was handed a redemption dressed as a payment is guilty.",
            "        # spend is not admitted, and that is all.\n        return None",
            "        # spend is not admitted, and that is all.\n        pass",
        ),
        (
            "rightly-made-transfer-convicts",
            "Any transfer is a bad statement.",
            "    if broken is None:",
            "    if False:",
        ),
        (
            "a-lost-answer-convicts",
            "Who never got settlement's answer is guilty of not obeying it.",
            "        request.sync_number > ack.sync_number\n",
            "        request.sync_number >= ack.sync_number\n",
        ),
        (
            "an-old-invoice-convicts",
            "An invoice from before the answer breaks the answer's demand.",
            "        and invoice.invoice_number > request.invoice_number\n",
            "",
        ),
        (
            "the-demanded-list-is-too-old",
            "An invoice under the very list that was demanded convicts.",
            "        and invoice.trust_sequence < ack.min_trust_sequence\n",
            "        and invoice.trust_sequence <= ack.min_trust_sequence\n",
        ),
        (
            "anothers-answer-convicts",
            "A demand on one device convicts another.",
            "    if ack.record.kid != certificate.record.kid:",
            "    if False:",
        ),
    ),
)

PAPERS = Field(
    "Evidence that rests on logs",
    bugs(
        "offline/evidence_limits.py",
        EVIDENCE,
        (
            "limits-of-any-certificate",
            "A device is held to limits that a renewal had loosened.",
            '        check_inclusion(leaf, place, head.record.keys, hashes(item[3], "hashes"), root)',
            "        pass",
        ),
        (
            "a-head-from-before-the-payments",
            "A certificate that was given before the payments is hidden.",
            "    if head.record.after != after_hash(transfer.oid for transfer in transfers):",
            "    if False:",
        ),
        (
            "payments-of-two-windows",
            "What was paid before and after a sync counts together.",
            "        return record.sync_time == bound.time",
            "        return True",
        ),
        (
            "payments-after-the-next-statement",
            "What was paid after the next statement counts with what was paid before it.",
            "    return record.counter <= bound.counter",
            "    return True",
        ),
        (
            "any-later-statement-ends-a-window",
            "What was paid between many syncs counts together.",
            "        if later.sync_number != request.record.sync_number + 1:",
            "        if later.sync_number <= request.record.sync_number:",
        ),
        (
            "redemptions-are-limited",
            "Who takes much money home is guilty.",
            "    if record.kind != PAY or record.counter <= request.counter:",
            "    if record.counter <= request.counter:",
        ),
        (
            "payments-before-the-statement-count",
            "What was paid in the second of the sync, but before it, counts again.",
            "    if record.kind != PAY or record.counter <= request.counter:",
            "    if record.kind != PAY:",
            FOUND,
        ),
        (
            "one-payment-counts-twice",
            "A payment that is shown twice breaks a limit.",
            "        if transfer.record.counter <= last:",
            "        if transfer.record.counter < last:",
        ),
        (
            "the-limit-itself-is-a-breach",
            "Who pays just what is allowed is guilty.",
            "        if had > most:",
            "        if had >= most:",
        ),
        (
            "every-part-is-a-payment",
            "Who pays in several parts is guilty of too many payments.",
            '        ("max_count", len(payments), limits.max_count),',
            '        ("max_count", len(transfers), limits.max_count),',
        ),
        (
            "an-answer-to-another-statement",
            "Two windows are joined by an answer that does not belong to the statement.",
            "    if (ack.kid, ack.request, ack.sync_number) != answered:",
            "    if False:",
        ),
    )
    + bugs(
        "offline/certificate_log.py",
        EVIDENCE,
        (
            "the-last-certificate-counts",
            "A device is held to its newest limits for what older ones allowed.",
            "    return Limits(*(max(column) for column in zip(*limits, strict=True)))",
            "    return Limits(*[list(column)[-1] for column in zip(*limits, strict=True)])",
        ),
    )
    + bugs(
        "offline/sync.py",
        HONEST,
        (
            "two-answers-in-one-second",
            "Who syncs twice in a second and pays to its limit each time is guilty.",
            "        time=now if last is None else max(now, last.time + 1),",
            "        time=now,",
        ),
    )
    + bugs(
        "offline/evidence_institutions.py",
        EVIDENCE,
        (
            "a-note-newer-than-the-head",
            "An old head of the ledger convicts every issuer.",
            "    return serial_parts(note.serial).entry >= head.size and head.time > note.issued",
            "    return serial_parts(note.serial).entry >= head.size",
        ),
        (
            "a-note-of-the-heads-second",
            "A head of the note's own second convicts the issuer.",
            "    return serial_parts(note.serial).entry >= head.size and head.time > note.issued",
            "    return serial_parts(note.serial).entry >= head.size and head.time >= note.issued",
        ),
        (
            "any-entry-is-the-journal",
            "An entry that nobody wrote convicts the issuer.",
            '        check_inclusion(leaf_hash(data), index, head.size, hashes(file.items[4], "hashes"), head.root)',
            "        pass",
        ),
        (
            "a-second-note-has-the-loads-number",
            "The second note of a load convicts the issuer.",
            "        load.load_number + serial.place,\n",
            "        load.load_number,\n",
        ),
        (
            "change-is-a-note",
            "A note on the change of a load goes unnoticed.",
            " or load.outputs[serial.place].lock != load.outputs[0].lock:",
            ":",
        ),
        (
            "two-notes-of-one-load",
            "Two notes of one load convict the issuer.",
            "    if note.record.serial[4:] != other.record.serial[4:]:",
            "    if note.record.serial[4:12] != other.record.serial[4:12]:",
        ),
        (
            "renewal-convicts-a-bank",
            "A bank that renews a certificate is guilty.",
            "    if (one.algorithm, one.public_key) == (other.algorithm, other.public_key):",
            "    if False:",
        ),
    )
    + bugs(
        "offline/prosecution.py",
        FOUND,
        (
            "no-second-note-sought",
            "A phantom with its load's amount and owner is never shown to anyone.",
            "            if other.oid != note.oid and other.record.serial[4:] == note.record.serial[4:]:",
            "            if False:",
        ),
        (
            "banks-raise-no-alarm",
            "Two keys for one device go unnoticed.",
            "        for first, second in self._graph.seen.certified_twice():",
            "        for first, second in ():",
        ),
    )
    + bugs(
        "offline/authority.py",
        FOUND,
        (
            "limits-of-a-later-log",
            "A head of the certificate log shows what was logged after it, and no path fits.",
            "        leaves = self._key_limits(head.record.size)",
            "        leaves = self._key_limits(self._papers.archive.log.size)",
        ),
    ),
)

FIELDS = (FILES, PAPERS)
