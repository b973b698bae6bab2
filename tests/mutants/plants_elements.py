"""Bugs in the secure element, its journal, and the host beside it."""

from tests.mutants.plant import Field, bugs

ELEMENT = (
    "tests/offline/test_element.py",
    "tests/offline/test_element_accept.py",
    "tests/offline/test_element_papers.py",
    "tests/offline/test_element_limits.py",
    "tests/offline/test_element_sync.py",
)
SYNC = ("tests/offline/test_element_sync.py", "tests/offline/test_element.py")
CRASH = ("tests/offline/test_element_crash.py",)
JOURNAL = ("tests/offline/test_journal.py", *CRASH)
PURSE = ("tests/offline/test_purse.py", "tests/offline/test_element_limits.py")
DEVICE = ("tests/offline/test_device.py", "tests/offline/test_transfer.py")

ELEMENTS = Field(
    "The secure element",
    bugs(
        "offline/element.py",
        ELEMENT,
        (
            "payer-forgets-caps",
            "A pupil's phone pays more than one payment may take.",
            "        check_purpose_limits(record.purpose, categories, record.amount_tiyn, moment, trust)\n",
            "",
        ),
        (
            "payee-forgets-caps",
            "A canteen's terminal takes more than one payment may take.",
            "        check_purpose_limits(pending.purpose, categories, pending.amount_tiyn, moment, self.trust_view)\n",
            "",
        ),
        (
            "load-number-falls",
            "A note that was loaded and spent is loaded again.",
            "        if record.load_number <= state.load_number:",
            "        if record.load_number == state.load_number:",
        ),
        (
            "note-of-another-device",
            "A device takes a note made for another one.",
            "        if record.owner != self.kid:",
            "        if False:",
        ),
        (
            "request-id-used-again",
            "Another wish under an old id is answered with the old invoice.",
            "        if kept.question != question:",
            "        if False:",
        ),
        (
            "any-number-of-invoices",
            "A device promises more than it can keep.",
            "        if len(pending) >= MAX_PENDING:",
            "        if False:",
        ),
        (
            "promises-not-counted-on-load",
            "A load takes the room that an invoice has promised.",
            "        check_in(record.amount_tiyn, state.balance_tiyn, reserved_tiyn, self._limits())",
            "        check_in(record.amount_tiyn, state.balance_tiyn, 0, self._limits())",
        ),
        (
            "invoice-consumed-twice",
            "One invoice takes two payments.",
            "                pending=without(state.pending, [invoice]),",
            "                pending=state.pending,",
        ),
        (
            "receipts-not-kept",
            "A payer who asks again gets no receipt for money that was taken.",
            "                receipts=newest(state.receipts, invoice, kept, KEPT_RECEIPTS),",
            "                receipts=state.receipts,",
        ),
        (
            "late-payment-taken",
            "A payment comes in after its invoice has ended.",
            "        if pending is None or moment > pending.until:",
            "        if pending is None:",
        ),
        (
            "accepted-money-not-held",
            "A receipt is given and the purse stays empty.",
            "                purse=changed(state.purse, slots),\n                pending",
            "                pending",
        ),
        (
            "payment-repeated-as-new",
            "Who asks twice for one payment pays twice.",
            "        if invoice.oid in state.outbox:\n            return self._transfers(state.outbox[invoice.oid])\n",
            "",
        ),
        (
            "acknowledged-payment-paid-again",
            "After a sync an old invoice is paid a second time.",
            "        if key in self._state.closed:",
            "        if False:",
        ),
        (
            "limits-out-not-asked",
            "A device pays any amount until it is synced.",
            "        check_out(state.totals, state.base, limits, record.amount_tiyn)\n",
            "",
            PURSE,
        ),
        (
            "age-not-asked",
            "A device that never syncs goes on paying.",
            "        check_age(state, limits, moment)\n",
            "",
            PURSE,
        ),
        (
            "redemption-not-counted",
            "What was redeemed is missing from the statement, and the books do not close.",
            "out_tiyn=state.totals.out_tiyn + spend.amount_tiyn",
            "out_tiyn=state.totals.out_tiyn + (spend.amount_tiyn if spend.kind == PAY else 0)",
        ),
        (
            "redemption-without-an-order",
            "A hostile host drains the purse to its own account.",
            "        check_redeem_order(order, self.certificate.record, self.trust_view, moment)\n",
            "",
        ),
        (
            "sync-leaves-invoices-open",
            "Settlement credits undelivered money that is accepted afterwards.",
            "            pending={},\n",
            "",
            SYNC,
        ),
        (
            "outbox-freed-by-an-incomplete-answer",
            "Transfers that settlement never saw are thrown away.",
            "        complete = base == state.requested",
            "        complete = True",
            SYNC,
        ),
        (
            "blocked-device-stays-active",
            "A guilty device pays on after it was told to stop.",
            "(SPEND_BLOCKED if record.action else ACTIVE)",
            "ACTIVE",
            SYNC,
        ),
        (
            "dropped-slots-stay",
            "A device goes on paying with what is no money.",
            "                purse=without(state.purse, drop),\n",
            "",
            SYNC,
        ),
    )
    + bugs(
        "offline/element_rules.py",
        ELEMENT,
        (
            "baselines-beyond-the-request",
            "An acknowledgement starts limits anew for payments it has not seen.",
            "    if not (base.covers(before) and stated.covers(base)):",
            "    if not base.covers(before):",
            SYNC,
        ),
        (
            "baselines-that-fall",
            "An acknowledgement takes back what an earlier one had counted.",
            "    if not (base.covers(before) and stated.covers(base)):",
            "    if not stated.covers(base):",
            SYNC,
        ),
        (
            "any-acknowledgement",
            "An answer to an old request starts limits anew.",
            "        or record.request != request.oid\n",
            "",
            SYNC,
        ),
        (
            "inactive-device-pays",
            "A blocked device pays.",
            "    if state.status != ACTIVE:",
            "    if False:",
            (*SYNC, *ELEMENT),
        ),
        (
            "demanded-trust-list-ignored",
            "A device takes money under a list that settlement called too old.",
            "    if trust.sequence < state.min_trust_sequence:",
            "    if False:",
            SYNC,
        ),
        (
            "one-outpoint-picked-twice",
            "One coin pays twice in one payment.",
            "        if pick not in state.purse or pick in picks[:place]:",
            "        if pick not in state.purse:",
        ),
        (
            "expired-money-pays",
            "Money moves after its last day.",
            "        if now >= slot.spend_by:",
            "        if False:",
        ),
        (
            "incoming-signature-not-verified",
            "A host shows its element payments that nobody made.",
            "    transfer.verify(payer)\n",
            "",
        ),
        (
            "incoming-for-another-key",
            "A payment to the neighbour is taken as one's own.",
            "    if record.outputs[0].owner != own_kid:",
            "    if False:",
        ),
        (
            "incoming-output-twice",
            "One output, paid in two parts, counts twice.",
            "            if other.record.outpoint == record.outpoint:",
            "            if False:",
        ),
        (
            "incoming-sum-not-compared",
            "A receipt is given for less than was asked.",
            "    if amount_tiyn != invoice.amount_tiyn:",
            "    if False:",
        ),
        (
            "order-for-another-device",
            "One customer's order redeems another's purse.",
            "    if order.record.kid != certificate.kid:",
            "    if False:",
        ),
        (
            "order-never-ends",
            "An old order drains a purse.",
            "    if now > order.record.expires:",
            "    if False:",
        ),
        (
            "numbers-wrap",
            "A device goes on at the end of its numbers.",
            "+ max(amount_tiyn, count) > LAST_NUMBER:",
            "+ max(amount_tiyn, count) > 2 * LAST_NUMBER:",
        ),
    )
    + bugs(
        "offline/element_core.py",
        ELEMENT,
        (
            "clock-put-back",
            "A host turns time back before a deadline that the device has seen signed.",
            "        return max(now, self._state.time_floor)",
            "        return now",
        ),
        (
            "certificate-for-another-key",
            "A device shows a certificate that is not its own.",
            "        if certificate.record.kid != self.kid:",
            "        if False:",
        ),
        (
            "signature-leaves-before-the-journal",
            "A power cut after signing lets the same coin be spent again.",
            "        self._journal.append(changes(before, after))\n        self._state = after\n",
            "        self._state = after\n",
            CRASH,
        ),
        (
            "state-believed-before-it-is-written",
            "After a failed write the element goes on from a state that is nowhere.",
            "        self._broken = True\n        self._journal.append(changes(before, after))\n",
            "        self._state = after\n        self._journal.append(changes(before, after))\n",
            CRASH,
        ),
    )
    + bugs(
        "offline/element_spend.py",
        ELEMENT,
        (
            "counter-not-raised",
            "All parts of a payment have one counter, and an honest device is guilty.",
            "                counter=state.counter + 1 + part,",
            "                counter=state.counter + 1,",
        ),
        (
            "links-do-not-follow",
            "A device's log is no chain, and its sync is never complete.",
            "        link = transfer.oid\n",
            "",
        ),
        (
            "change-not-kept",
            "Change is signed and never seen again.",
            "            change[Outpoint(transfer.oid, 1)] = slot_of_output(transfer.record, 1, caps)",
            "            pass",
        ),
        (
            "redemption-costs-a-hop",
            "Money at its last hop cannot go home.",
            "hop=slot.hop + (1 if spend.kind == PAY else 0)",
            "hop=slot.hop + 1",
        ),
    )
    + bugs(
        "offline/purse.py",
        PURSE,
        (
            "sum-out-off-by-one",
            "A device pays a tiyn more than its limit since the last sync.",
            "    if spent_tiyn + amount_tiyn > limits.max_out_tiyn:",
            "    if spent_tiyn + amount_tiyn > limits.max_out_tiyn + 1:",
        ),
        (
            "baseline-not-taken-off",
            "After a sync the old payments still count, and the device is dead.",
            "    spent_tiyn = totals.out_tiyn - base.out_tiyn",
            "    spent_tiyn = totals.out_tiyn",
        ),
        (
            "count-off-by-one",
            "A device makes one payment more than it may.",
            "    if count + 1 > limits.max_count:",
            "    if count > limits.max_count:",
        ),
        (
            "promises-not-counted",
            "Two invoices together fill a purse beyond its limit.",
            "    with_it_tiyn = balance_tiyn + reserved_tiyn + amount_tiyn",
            "    with_it_tiyn = balance_tiyn + amount_tiyn",
        ),
        (
            "change-costs-a-hop",
            "A coin dies of being changed.",
            "    hop = transfer.hop - 1 if transfer.kind == PAY and position == 1 else transfer.hop",
            "    hop = transfer.hop",
        ),
    )
    + bugs(
        "offline/element_state.py",
        SYNC,
        (
            "outbox-freed-beyond-the-request",
            "A payment made while a sync is under way is forgotten.",
            "if sent.counter > state.requested_counter}",
            "if False}",
        ),
        (
            "closed-payments-forgotten",
            "An old request is paid a second time.",
            "(key for key, row in closed.items() if row.until >= time_floor)",
            "(key for key, row in closed.items() if row.until > time_floor + 10**9)",
        ),
    ),
)

HOSTS = Field(
    "Journals and hosts",
    bugs(
        "offline/journal.py",
        JOURNAL,
        (
            "append-not-synced",
            "A power cut takes back what a device has signed.",
            "            if self._durable:\n                os.fsync(handle.fileno())\n        except",
            "        except",
        ),
        (
            "torn-frame-kept",
            "Half a record stands before the next whole one.",
            "            if end < len(data):\n                os.truncate(self._path, end)\n",
            "",
        ),
        (
            "damage-forgotten",
            "A device that lost a record spends the same money again.",
            "        if end >= len(data) if sound else not any(data[place + HEADER_BYTES :]):\n            break\n",
            "        break\n",
        ),
        (
            "frames-not-chained",
            "Records change places unseen.",
            "    check = hashlib.sha256(check_before + record).digest()[:_CHECK_BYTES]",
            "    check = hashlib.sha256(record).digest()[:_CHECK_BYTES]",
        ),
        (
            "second-writer-not-noticed",
            "Two programs run one element, and it forks.",
            "            if os.fstat(handle.fileno()).st_size != self._end:",
            "            if False:",
        ),
        (
            "writes-after-a-failed-write",
            "A record is appended to half a record.",
            "        if self._failed:",
            "        if False:",
        ),
    )
    + bugs(
        "offline/host_pay.py",
        ("tests/offline/test_gap_host.py",),
        (
            "empty-message-kept",
            "A payer that lost its histories keeps an empty payment, and can sync no more.",
            "        elif not self._has_lines(transfer.record.outpoint for transfer in transfers):",
            "        elif False:",
        ),
    )
    + bugs(
        "offline/device_sync.py",
        ("tests/offline/test_gap_host.py",),
        (
            "later-hand-in-let-go",
            "An answer lets go what was gathered after the hand-in that it answers.",
            "    if request.oid not in rows.of(SUBMITTED):",
            "    if True:",
        ),
    )
    + bugs(
        "offline/host_coins.py",
        ("tests/offline/test_gap_host.py",),
        (
            "change-of-a-redemption-is-paid",
            "A payer commits money that every payee refuses.",
            "    if any(transfer.record.kind != PAY for transfer in line.transfers):",
            "    if False:",
        ),
    )
    + bugs(
        "offline/host_receive.py",
        ("tests/offline/test_gap_host.py", "tests/offline/test_device_recovery.py", *DEVICE),
        (
            "accepted-before-its-history-is-kept",
            "A crash leaves accepted money that nobody else can check.",
            (
                "        self.rows.commit({**rows, **self.rows.new_certificates(payment.bundle.certificates)})\n"
                "        caps = [_caps(lines[transfer.oid]) for transfer in payment.transfers]\n"
                "        try:\n"
                "            receipt = self.element.accept(\n"
                "                invoice.oid, payment.transfers, caps, payment.payer_certificate, now\n"
                "            )\n"
            ),
            (
                "        caps = [_caps(lines[transfer.oid]) for transfer in payment.transfers]\n"
                "        try:\n"
                "            receipt = self.element.accept(\n"
                "                invoice.oid, payment.transfers, caps, payment.payer_certificate, now\n"
                "            )\n"
                "            self.rows.commit({**rows, **self.rows.new_certificates(payment.bundle.certificates)})\n"
            ),
        ),
        (
            "refused-payment-thrown-away",
            "Money that the payer has spent and the payee refused is lost.",
            (
                "        except TengeError as refusal:\n"
                "            self._set_aside(data, invoice.oid, refusal)\n"
                "            raise\n"
                "        return self._take(payment, data, invoice, now)"
            ),
            (
                "        except TengeError:\n"
                "            raise\n"
                "        return self._take(payment, data, invoice, now)"
            ),
        ),
        (
            "evidence-not-kept",
            "A device sees a double spend and tells nobody.",
            "        self.rows.commit({(EVIDENCE, key): conflict.evidence})",
            "        pass",
        ),
    ),
)

FIELDS = (ELEMENTS, HOSTS)
