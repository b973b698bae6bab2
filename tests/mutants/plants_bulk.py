"""Bugs in reconciliation at size: rows, the lean shelf and forest, the diary, digests, heads, quick readers."""

from tests.mutants.plant import Field, bugs

STREAM = ("tests/offline/test_bulk_stream.py", "tests/offline/test_bulk_forest.py")
FOREST = ("tests/offline/test_bulk_forest.py", "tests/offline/test_bulk_stream.py")

BULK = Field(
    "Reconciliation at size",
    bugs(
        "offline/bulk/forest.py",
        FOREST,
        (
            "bulk-any-owner-spends",
            "In bulk, whoever signs a transfer may spend anybody's output.",
            "if index >= outputs or owner != payer or paying > REDEEM:",
            "if index >= outputs or paying > REDEEM:",
        ),
        (
            "bulk-sums-not-compared",
            "In bulk, a transfer makes money.",
            "if amount + change != have or not amount or (count == 2 and not change):",
            "if not amount or (count == 2 and not change):",
        ),
        (
            "bulk-second-spend-is-plain",
            "In bulk, a double spend is no conflict.",
            "                if other != node and shelf.index(other) == index:",
            "                if False:",
        ),
        (
            "bulk-late-is-plain",
            "In bulk, what comes after a note has closed still counts.",
            "if moment > self._closes[root]:",
            "if False:",
        ),
        (
            "bulk-undelivered-money-forgotten",
            "In bulk, nobody is credited what never reached a payee.",
            "                    if self.root[node]:\n                        self._make_odd(self.root[node])",
            "                    pass",
        ),
        (
            "bulk-calm-whatever-was-stated",
            "In bulk, a device may state a log that is not its own.",
            "if not at_head or shelf.oid[at_head] != request.head or kid in shelf.twice_counted:",
            "if False:",
        ),
        (
            "bulk-earlier-arrival-ignored",
            "The facts depend on which file was read first.",
            "            if shelf.again(known, row):\n                self._earlier(known, row)",
            "            shelf.again(known, row)",
        ),
    )
    + bugs(
        "offline/bulk/shelf.py",
        FOREST,
        (
            "bulk-counter-twice-unseen",
            "In bulk, a device that was rolled back is not found.",
            "            self.twice_counted[payer].add(counter)\n            self.suspects.add(payer)",
            "            pass",
        ),
        (
            "bulk-third-spend-not-looked-at",
            "The proof against a device depends on the order of what came.",
            "()):\n            self.suspects.add(payer)\n            return",
            "()):\n            return",
        ),
    )
    + bugs(
        "offline/bulk/taking.py",
        STREAM,
        (
            "bulk-unsound-enters",
            "In bulk, a forged transfer is money.",
            "if row[0] == TRANSFER and flags[place] == SOUND and row[fields.KID] in certified:",
            "if row[0] == TRANSFER and row[fields.KID] in certified:",
        ),
        (
            "bulk-uncertified-enters",
            "In bulk, a device needs no certificate.",
            "elif kind != NOTE and kid not in self._certified:",
            "elif False:",
        ),
        (
            "bulk-batch-id-reused",
            "In bulk, two batches share one id.",
            "            if digest != batch.batch_hash:",
            "            if False:",
        ),
    )
    + bugs(
        "offline/bulk/stream.py",
        STREAM,
        (
            "bulk-verdicts-not-written",
            "After a kill, what stood is refused.",
            "            flags,\n        )",
            "            bytes(len(flags)),\n        )",
        ),
        (
            "bulk-another-file-of-the-same-name",
            "A run goes on with other batches under an old name.",
            "                if not self._files.fits(number, *values[1:]):",
            "                if False:",
        ),
    )
    + bugs(
        "offline/bulk/diary.py",
        STREAM,
        (
            "bulk-torn-entry-read",
            "After a kill, half an entry is read.",
            "if length > _MOST_BYTES or end + length + 2 * _WORD.size > size:",
            "if length > _MOST_BYTES:",
        ),
    )
    + bugs(
        "offline/bulk/form.py",
        ("tests/offline/test_bulk_form.py",),
        (
            "batch-file-damage-unseen",
            "A damaged file of batches is read.",
            '        raise _damaged(name, frame.offset, "the checksum does not fit")',
            "        pass",
        ),
        (
            "batch-file-arrivals-fall",
            "A later batch claims an earlier arrival.",
            "        if moment < arrived:",
            "        if False:",
        ),
    )
    + bugs(
        "offline/heads.py",
        ("tests/offline/test_heads.py",),
        (
            "heads-of-other-sizes-convict",
            "An honest settlement is convicted because its log grew.",
            "if first.record.log_size != second.record.log_size:",
            "if False:",
        ),
        (
            "heads-of-one-root-convict",
            "An honest settlement is convicted because it answered twice.",
            "if first.record.log_root == second.record.log_root:",
            "if False:",
        ),
    )
    + bugs(
        "cbdc/record.py",
        ("tests/cbdc/test_plain_fields.py",),
        (
            "quick-reader-takes-other-forms",
            "One signed value has two byte forms.",
            "if _encode_plain(values) != body or any(",
            "if any(",
        ),
        (
            "quick-reader-takes-lengths-between",
            "A field that is absent or a hash is half a hash.",
            "or any(len(values[place]) not in sizes for place, sizes in either):",
            "or False:",
        ),
    )
    + bugs(
        "cbdc/keys.py",
        ("tests/cbdc/test_keys_many.py",),
        (
            "many-signatures-all-sound",
            "Of many signatures none is refused.",
            "Malformed: a key that is no point of the curve\n            continue\n        found.append(place)",
            "Malformed: a key that is no point of the curve\n            pass\n        found.append(place)",
        ),
        (
            "many-ed25519-all-sound",
            "Of many Ed25519 signatures of the right form none is refused.",
            "for place, signed, raw in ready if opens(signed, raw)]",
            "for place, signed, raw in ready]",
        ),
        (
            "shown-without-a-signature",
            "A key off the curve is registered with a signature that never stood.",
            "        PublicKey(algorithm, raw).verify(signature, message)\n    except Refused:\n        return\n",
            "        PublicKey(algorithm, raw).verify(signature, message)\n    except Refused:\n        pass\n",
        ),
    ),
)

FIELDS = (BULK,)
