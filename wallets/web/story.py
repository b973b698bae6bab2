"""The story that the stage tells by itself: a double spend in twelve clicks, each with its actions.

A step is a list of wishes exactly as a person could make them by hand; the page's words for step n are the texts
`lesson.n.do` (what the next click does) and `lesson.n.see` (what to look at afterwards).
"""

from collections.abc import Mapping

from wallets.web.wishes import PHONES

Wish = tuple[str, Mapping[str, object]]

OFFLINE_TENGE = "3000"
ONLINE_TENGE = "1000"
FIRST_PROOF = "case-1.dto"


def _everybody(on: bool) -> tuple[Wish, ...]:
    return tuple(("airplane", {"phone": phone, "on": on}) for phone in PHONES)


def _pay(payer: str, payee: str, amount: str, clone: bool = False) -> Wish:
    return ("pay", {"phone": payer, "payee": payee, "amount": amount, "clone": clone})


STEPS: tuple[tuple[Wish, ...], ...] = (
    (_pay("aigerim", "dana", ONLINE_TENGE),),
    (("load", {"phone": "aigerim", "amount": OFFLINE_TENGE}),),
    _everybody(True),
    (_pay("aigerim", "bolat", OFFLINE_TENGE),),
    (("clone", {"phone": "bolat"}),),
    (_pay("bolat", "dana", OFFLINE_TENGE),),
    (_pay("bolat", "aigerim", OFFLINE_TENGE, clone=True),),
    _everybody(False),
    (("sync", {"phone": "dana"}), ("sync", {"phone": "aigerim"})),
    (("verify", {"file": FIRST_PROOF}),),
    (("unload", {"phone": "dana"}), ("unload", {"phone": "aigerim"})),
    (("wait", {}),),
)

# What to look at after each step, the most telling first: phones, a clone, or a part of the case.
PLACES: tuple[tuple[str, ...], ...] = (
    ("dana", "aigerim"),
    ("aigerim",),
    PHONES,
    ("bolat", "aigerim"),
    ("bolat", "bolat-clone"),
    ("dana", "bolat"),
    ("aigerim", "bolat-clone"),
    PHONES,
    ("case", "dana", "aigerim"),
    ("proofs",),
    ("dana", "aigerim"),
    ("paid",),
)
