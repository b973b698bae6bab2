"""Bugs in the pipeline and in the short way to yes."""

from tests.mutants.plant import Field, bugs

PLAIN = ("tests/cbdc/test_plain.py",)
PROCESSES = ("tests/cbdc/test_pipeline_processes.py",)

PIPELINE = Field(
    "The pipeline before the ledger",
    bugs(
        "cbdc/ledger/group.py",
        PLAIN,
        (
            "twin-believed-complete",
            "A refused transfer with somebody's signature ends the commit of everybody who came with it.",
            "            self._complete.discard(transaction.id)\n            self._decide(transaction)\n",
            "            self._decide(transaction)\n",
        ),
    )
    + bugs(
        "cbdc/ledger/entry.py",
        ("tests/cbdc/test_merkle_blocks.py", "tests/cbdc/test_log_again.py"),
        (
            "leaves-read-again-are-believed",
            "A leaf that a disk changed gives proofs that nobody can check.",
            "        if whole.size != _BLOCK or whole.root() != self._at(_LOW_LEVELS, number):\n",
            "        if whole.size != _BLOCK:\n",
        ),
    )
    + bugs(
        "cbdc/ledger/ledger.py",
        ("tests/cbdc/test_log_again.py",),
        (
            "old-log-kept-after-a-failure",
            "A ledger whose store was put back goes on as if nothing had gone.",
            "        except Refused:\n            self._read()\n",
            "        except Refused:\n            pass\n",
        ),
    )
    + bugs(
        "cbdc/ledger/rules_plain.py",
        PLAIN,
        (
            "short-way-makes-money",
            "The short way to yes takes a transfer whose outputs are more than its inputs.",
            "    if spent or (paid and not",
            "    if spent > 0 or (paid and not",
        ),
        (
            "short-way-asks-no-owner",
            "The short way to yes lets anybody spend with somebody.",
            "    return spent if len(owners) == len(signers) and owners.issuperset(signers) else None",
            "    return spent",
        ),
        (
            "short-way-one-input-of-anybody",
            "The short way to yes lets anybody spend one token of anybody.",
            " if token is not None and (token[1],) == signers else None",
            " if token is not None else None",
        ),
        (
            "short-way-forgets-freezes",
            "A frozen holder pays the short way.",
            "or rows.get(freeze, _UNREAD) is not None",
            "",
        ),
        (
            "short-way-forgets-the-day",
            "What was paid today is not counted for plain transfers.",
            "    effects[key] = _encode(total)\n    return True",
            "    return True",
        ),
        (
            "short-way-one-tier-for-all",
            "A payee's holding limit is not asked the short way.",
            " or 0 < limits.holding_limit_tiyn < held else held",
            " else held",
        ),
    )
    + bugs(
        "cbdc/ledger/verifying.py",
        PROCESSES,
        (
            "half-signed-is-signed",
            "A transfer counts as signed when one of its signatures stands.",
            "            answers.append(found[0] if bits == (1 << count) - 1 else bits)",
            "            answers.append(found[0] if bits else bits)",
        ),
        (
            "any-row-is-the-key",
            "A process takes whatever row it is given for the signer's key.",
            "            if known[0] == kid:\n",
            "            if known:\n",
        ),
        (
            "answers-of-another-number",
            "A process that answers for other transactions than it was asked about is believed.",
            "                if not worker.chunks or len(found) != worker.chunks[0].count:",
            "                if not worker.chunks:",
        ),
    )
    + bugs(
        "cbdc/ledger/ledger.py",
        ("tests/cbdc/test_remembered_rows.py",),
        (
            "rows-of-a-failed-commit",
            "What a commit that failed would have written is believed afterwards.",
            "        self._holders.clear()\n        self._rows.clear()\n",
            "        self._holders.clear()\n",
        ),
        (
            "rows-of-yesterdays-writer",
            "A ledger answers by rows that another writer has changed since.",
            "        if self._rows and self._store.size() != self.size:\n            self._forget()\n",
            "",
        ),
    )
    + bugs(
        "cbdc/ledger/line.py",
        ("tests/cbdc/test_line.py",),
        (
            "many-wait-for-nobody",
            "Every call of many is a commit of its own while processes verify others.",
            "        return bool(self._line) and self._standing >= awaited\n",
            "        return bool(self._line)\n",
        ),
        (
            "few-wait-for-many",
            "A single payment waits for long lists to be verified.",
            "        awaited = self._gathering if self._standing_few else ",
            "        awaited = ",
        ),
        (
            "line-of-the-gone",
            "The transaction of somebody who left is committed, and he may be called to lead.",
            "            if party.gone:\n",
            "            if False:\n",
        ),
    )
    + bugs(
        "cbdc/ledger/room.py",
        ("tests/cbdc/test_room.py",),
        (
            "line-without-an-end",
            "A full pipeline takes more.",
            "            if self.inside + count > self._capacity:",
            "            if self.inside > self._capacity:",
        ),
        (
            "line-of-any-length",
            "A pipeline that holds as many bytes as it may takes more.",
            "            if self.inside_bytes + size_bytes > self._capacity_bytes:",
            "            if self.inside_bytes > self._capacity_bytes:",
        ),
    )
    + bugs(
        "cbdc/ledger/pipeline.py",
        ("tests/cbdc/test_pipeline.py",),
        (
            "keys-asked-of-a-busy-store",
            "Each payment waits for the commit before it until it may stand in line.",
            "        row = self._key_rows({kid}).get",
            "        row = self._ledger.key_rows({kid}).get",
        ),
    ),
)

FIELDS = (PIPELINE,)
