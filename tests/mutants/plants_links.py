"""Bugs on the way between two phones: channels, frames, carriers, and what settlement says to whom."""

from tests.mutants.plant import Field, bugs

CHANNEL = ("tests/offline/test_channel.py",)
FRAMES = ("tests/offline/test_link.py", "tests/fuzz/test_found.py")
CARRIERS = ("tests/offline/test_carriers.py",)
PAYLOAD = ("tests/offline/test_payload.py",)

CHANNELS = Field(
    "Channels, carriers and the payload meter",
    (
        *bugs(
            "offline/channel.py",
            CHANNEL,
            (
                "record-twice",
                "A record that was seen before is opened again.",
                "        if found != self._received + 1:",
                "        if found > self._received + 1:",
            ),
            (
                "one-key-for-both",
                "What one side sealed can be sent back to it.",
                "    return Channel(keys[side], keys[1 - side], ",
                "    return Channel(keys[0], keys[0], ",
            ),
            (
                "nonce-again",
                "Every record is sealed under the same nonce.",
                "        self._sent += 1\n",
                "        self._sent = 1\n",
            ),
            (
                "reveal-not-compared",
                "The code can be ground out: any nonce is taken for the committed one.",
                "        if not hmac.compare_digest(_commitment(nonce), self._commitment):",
                "        if not nonce:",
            ),
            (
                "second-answer",
                "One invitation makes two channels.",
                "        self._used = True\n        reveal =",
                "        reveal =",
            ),
        ),
        *bugs(
            "offline/link.py",
            FRAMES,
            (
                "hash-not-compared",
                "Frames of two messages with one id make a third.",
                "        if message_id(message) != frame.id:",
                "        if False:",
            ),
            (
                "answer-without-end",
                "A hostile card keeps a reader collecting.",
                "    if len(answer) > limit_bytes:",
                "    if False:",
            ),
            (
                "assembly-for-ever",
                "Slow frames stay for ever.",
                "if now - item.started > ASSEMBLY_SECONDS",
                "if False",
            ),
        ),
        *bugs(
            "offline/carriers.py",
            CARRIERS,
            (
                "block-twice",
                "A block that is repeated reaches the other side twice.",
                "        if number == self._done + 1:",
                "        if number >= self._done:",
            ),
        ),
        *bugs(
            "offline/payload.py",
            PAYLOAD,
            (
                "certificate-each-time",
                "A certificate is counted at every transfer of its device.",
                "unseen.pop(transfer.record.payer, None)",
                "unseen.get(transfer.record.payer)",
            ),
        ),
        *bugs(
            "offline/reconcile.py",
            ("tests/fuzz/test_found.py",),
            (
                "answer-without-signature",
                "Whoever knows a device's statement gets its acknowledgement.",
                "                verify(request, self._authority, self._graph.seen.certificates)\n",
                "",
            ),
        ),
    ),
)

FIELDS = (CHANNELS,)
