"""Bugs at the desks of the National Bank and the register: one officer is enough, refused and still issued, replays."""

from tests.mutants.plant import Field, bugs

OFFICERS = Field(
    "Officers, requests and orders by hand",
    bugs(
        "cbdc/issuance.py",
        ("tests/cbdc/test_issuance.py",),
        (
            "anybody-refuses-a-request",
            "Whoever has a key refuses a bank's request for ever.",
            "        self._certificates.require(kid, authority.EMISSION, self._clock.now())\n        if self.is_begun",
            "        if self.is_begun",
        ),
        (
            "refused-after-the-debit",
            "A request is refused when its account is debited already: the money hangs in between.",
            "        if self.is_begun(request):\n            # The account",
            "        if False:\n            # The account",
        ),
    )
    + bugs(
        "cbdc/joint_acts.py",
        ("tests/site/test_desks_acts.py",),
        (
            "one-officer-is-two",
            "Who proposed an act also signs it as the second officer.",
            "        if proposal.officer == kid:\n            raise",
            "        if False:\n            raise",
        ),
        (
            "what-is-impossible-is-signed",
            "An act that cannot be carried out any more is signed by the second officer and fails.",
            "        self._handlers[proposal.act.kind].check(proposal.act)\n",
            "",
        ),
    )
    + bugs(
        "wallets/site/roles/register_orders.py",
        ("tests/site/test_desks_orders.py",),
        (
            "an-order-twice-by-hand",
            "An order that was carried out is taken again without a word.",
            "    if receipt is not None and not _was_this_press(asked, transaction.id):",
            "    if False:",
        ),
        (
            "an-issue-by-hand",
            "An issue with signatures gathered before is taken by hand, whatever became of its request.",
            "    if not isinstance(record, BY_HAND):",
            "    if False:",
        ),
    )
    + bugs(
        "wallets/site/hours.py",
        ("tests/site/test_desks_hours.py",),
        (
            "hours-that-nobody-keeps",
            "The settlement system never rests, whatever hours are set.",
            "        return made if self.kept else None",
            "        return None",
        ),
    ),
)
FIELDS = (OFFICERS,)
