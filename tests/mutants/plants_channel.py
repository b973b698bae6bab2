"""Bugs in the byte channel to secure elements, their simulated PIN, the switch that opens them, and their one file."""

from tests.mutants.plant import Field, bugs

COMMANDS = ("tests/offline/test_element_channel.py",)
CLIENT = ("tests/offline/test_element_client.py",)
CONTRACT = ("tests/contracts/test_element.py",)
PROCESS = ("tests/offline/test_element_process.py",)
PIN = ("tests/offline/test_element_pin.py",)
STORE = ("tests/offline/test_journal_store.py",)
INVARIANTS = ("tests/offline/test_element_invariants.py", "tests/offline/test_element_crash.py")

CHANNEL = Field(
    "The byte channel of secure elements, and the PIN",
    bugs(
        "offline/element_applet.py",
        COMMANDS,
        (
            "call-before-its-last-piece",
            "An element acts on half a command.",
            "        if chained:\n            self._chain = (OWN_CLASS, instruction)\n            return _word(DONE)\n",
            "        if chained and data:\n            self._chain = (OWN_CLASS, instruction)\n",
        ),
        (
            "chain-without-a-bound",
            "A host fills an element's memory with pieces that never end.",
            "        if len(self._coming) + len(data) > call.limit_bytes:",
            "        if len(data) > call.limit_bytes:",
        ),
        (
            "chain-goes-on-after-another-command",
            "Pieces of two calls become one.",
            "        if self._chain not in (None, (own, instruction)) and not selects:",
            "        if False:",
        ),
        (
            "calls-without-select",
            "An element answers before its application is chosen.",
            "        if self._element is None:\n            return self._answer(NOT_NOW)\n        extra",
            "        if self._element is None:\n            self._element = self._open()\n        extra",
        ),
        (
            "refusal-given-twice",
            "An old refusal is told for a later call.",
            '            refusal, self._refusal = self._refusal, b""',
            "            refusal = self._refusal",
        ),
        (
            "length-of-a-command-not-compared",
            "Bytes behind the data are dropped unseen.",
            "    return rest[1 : 1 + length] if length and len(rest) - 1 - length in (0, 1) else None",
            "    return rest[1 : 1 + length] if length and len(rest) - 1 - length >= 0 else None",
        ),
        (
            "element-kept-after-a-lost-write",
            "An element that does not know what it has written goes on.",
            "        if isinstance(error, Unavailable):\n            self._element = None\n",
            "",
            CLIENT,
        ),
    )
    + bugs(
        "offline/element_frames.py",
        ("tests/offline/test_element_frames.py",),
        (
            "damaged-frame-taken",
            "A flipped bit on the way becomes another command.",
            '            if zlib.crc32(self._held[:end]).to_bytes(_CRC_BYTES, "big") != crc:',
            "            if False:",
        ),
        (
            "frame-of-any-length",
            "Noise that looks like a length makes the reader wait for ever.",
            "            if length > MOST_BYTES:",
            "            if False:",
        ),
    )
    + bugs(
        "offline/element_client.py",
        CLIENT,
        (
            "late-answer-taken",
            "The answer to the call before is taken for the answer to this one.",
            "            if (answer.address, answer.number) == (address, self._number % 2**32):",
            "            if answer.address == address:",
        ),
        (
            "session-kept-after-a-cut",
            "A host goes on in the middle of a command that was cut off.",
            "            self._session, self._kept = None, {}\n            raise\n",
            "            raise\n",
            (*CLIENT, *PROCESS),
        ),
    )
    + bugs(
        "offline/element_refusal.py",
        (*COMMANDS, *CONTRACT),
        (
            "facts-of-a-refusal-lost",
            "A host learns that it was refused, and not why.",
            "    facts = [[name.encode(), *_write_fact(value)] for name, value in sorted(error.facts.items())]",
            "    facts: list[object] = []",
        ),
        (
            "negative-facts-turned-round",
            "A host is told the opposite.",
            "        return -number if kind else number",
            "        return number",
        ),
    )
    + bugs(
        "offline/element_pin.py",
        PIN,
        (
            "pin-judged-before-it-is-counted",
            "A thief cuts the power after each wrong guess and guesses for ever.",
            (
                "        self._commit(replace(state, papers=_with(state, tried)))\n"
                "        if not hmac.compare_digest(_digest(kept.salt, pin), kept.digest):\n"
            ),
            (
                "        wrong = not hmac.compare_digest(_digest(kept.salt, pin), kept.digest)\n"
                "        self._commit(replace(state, papers=_with(state, tried if wrong else kept)))\n"
                "        if wrong:\n"
            ),
        ),
        (
            "small-sums-never-ask",
            "A thief empties a phone in small payments.",
            "    if out_tiyn - pin.spent_from_tiyn > pin.limit_tiyn:",
            "    if amount_tiyn > pin.limit_tiyn:",
        ),
        (
            "blocked-pin-pays-on",
            "After three wrong tries small payments go on.",
            '        if kind == PAY:\n            raise Refused("E_PIN_BLOCKED", tries=PIN_TRIES)\n',
            "",
        ),
        (
            "wrong-try-keeps-the-entry",
            "A wrong PIN after the right one leaves the gate open.",
            "        self._pin_entered = False\n        tried",
            "        tried",
        ),
        (
            "pin-changed-without-the-old-one",
            "A thief sets a PIN of his own.",
            "        if kept is not None and not self._pin_entered:",
            "        if False:",
        ),
        (
            "setting-compares-pins",
            "Setting a PIN again tells a thief whether he has guessed it, and counts nothing.",
            "            if kept.limit_tiyn != limit_tiyn:",
            "            if kept.limit_tiyn != limit_tiyn or _digest(kept.salt, pin) != kept.digest:",
        ),
    )
    + bugs(
        "offline/element.py",
        PIN,
        (
            "one-entry-for-ever",
            "A PIN entered once opens the purse until the phone is switched off.",
            "        self._pin_entered = False\n        return self._released(transfers)",
            "        return self._released(transfers)",
        ),
    )
    + bugs(
        "offline/opened.py",
        ("tests/offline/test_opened.py", *PROCESS),
        (
            "opened-without-a-mark",
            "A journal that a thief has had looks like any other.",
            "        if OPENED_PAPER not in self._state.papers:\n            self._commit(",
            "        if False:\n            self._commit(",
        ),
    )
    + bugs(
        "offline/element_state.py",
        INVARIANTS,
        (
            "opened-element-closed-again",
            "The mark of an opened element disappears in the next step.",
            "    assert OPENED_PAPER not in before.papers or OPENED_PAPER in after.papers,",
            "    assert True,",
        ),
        (
            "difference-forgets-what-is-gone",
            "A spent coin comes back when the journal is read.",
            (
                "    new.gone = tuple(key for key in dict.fromkeys(gone) if key in mapping and key not in puts)\n"
                "    for key in new.gone:\n        del new[key]\n"
            ),
            "    new.gone = ()\n    for key in gone:\n        new.pop(key, None)\n",
            (*INVARIANTS, "tests/offline/test_element.py"),
        ),
        (
            "slot-changed-in-its-place",
            "An outpoint is worth another amount from one step to the next.",
            '    assert not any(item in before.purse for item in put), "I3: a slot was changed"\n',
            "",
        ),
    )
    + bugs(
        "offline/journal_store.py",
        STORE,
        (
            "group-never-synced",
            "A power cut takes back a whole group that was told as done.",
            "                if self._groups == 0:\n                    self.flush()\n",
            "                pass\n",
        ),
        (
            "journals-share-a-name",
            "One device's records are another's.",
            "            name = body[2:start].decode()",
            "            name = body[2:3].decode()",
        ),
        (
            "snapshot-does-not-begin-anew",
            "What a compaction left behind is read again, and spent money is back.",
            "        if anew:\n            self._live_bytes -= self._sizes.get(name, 0)\n",
            "        if False:\n            self._live_bytes -= self._sizes.get(name, 0)\n",
        ),
        (
            "store-damage-forgotten",
            "Devices of a run forget what they have signed.",
            "                whole_frames(file.read(), self._path.name, self._check)\n",
            "",
        ),
        (
            "store-second-writer-not-noticed",
            "Two programs run one village, and every device of it forks.",
            "        if os.fstat(handle.fileno()).st_size != self._end:",
            "        if False:",
        ),
    ),
)

FIELDS = (CHANNEL,)
