"""The test cases of the bank emulator, as data: what the bank's client is told to do, and what must come of it.

A case is a list of tasks. A task says what to `do` with which `arguments`, what is expected (`done`, or the code of a
refusal), what the people of the platform or the network do `before` it, and how the platform's own books are judged
`after` it. Cases are read by people too: `docs/bank-emulator.md` lists them from here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cbdc.cabinet import follow
from cbdc.keys import ED25519, SoftwareKey
from cbdc.money import tenge
from wallets.emulator.faults import DELAY, DROP, LOSE, TWICE, Fault
from wallets.emulator.platform import BANK_ID, OTHER_BANK_ID, RESERVES_TENGE, Platform

DONE = "done"
Judge = Callable[[Platform], str]
Act = Callable[[Platform], None]
Value = str | int

SUBMIT = "/v1/transactions"
ASK = f"/v1/participants/{BANK_ID}/requests"
TIER = 2
LOW_TIER = 1
PERSON_CATEGORY = 1


def nothing(platform: Platform) -> None:
    """Nobody does anything."""


def right(platform: Platform) -> str:
    """Nothing to find fault with."""
    return ""


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do. `after` says what is wrong with the platform's books then, or an empty text."""

    do: str
    arguments: Mapping[str, Value] = field(default_factory=dict)
    expect: str = DONE
    before: Act = nothing
    after: Judge = right
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A named case."""

    name: str
    title: str
    tasks: tuple[Task, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The refusals that are expected."""
        return tuple(dict.fromkeys(task.expect for task in self.tasks if task.expect != DONE))


def number(text: str) -> str:
    """An id of 32 bytes in hexadecimal that follows from a word."""
    return follow("emulator", text.encode()).hex()


def customer_key(name: str) -> SoftwareKey:
    """The test key of a made-up customer; the client is told its secret."""
    return SoftwareKey(ED25519, bytes.fromhex(number(f"customer {name}")))


# --- what is judged ---


def inventory_is(amount_tenge: int) -> Judge:
    """The bank's inventory is this much."""

    def judge(platform: Platform) -> str:
        held = platform.inventory_tiyn()
        return "" if held == tenge(amount_tenge) else f"the inventory is {held} tiyn"

    return judge


def holds(name: str, amount_tenge: int) -> Judge:
    """A customer holds this much."""

    def judge(platform: Platform) -> str:
        held = platform.held_tiyn(customer_key(name).public.kid)
        return "" if held == tenge(amount_tenge) else f"customer {name} holds {held} tiyn"

    return judge


def all_of(*judges: Judge) -> Judge:
    """The first thing that is wrong."""
    return lambda platform: next((text for judge in judges if (text := judge(platform))), "")


def reserves_are(amount_tenge: int) -> Judge:
    """The bank's reserves are this much."""

    def judge(platform: Platform) -> str:
        held = platform.reserve_tiyn()
        return "" if held == tenge(amount_tenge) else f"the reserves are {held} tiyn"

    return judge


# --- tasks ---


def order(name: str, amount_tenge: int, do: str = "order", **changed: object) -> Task:
    """Ask for digital tenge."""
    return Task(do, {"id": number(name), "amount_tiyn": tenge(amount_tenge)}, **changed)  # type: ignore[arg-type]


def look(name: str, state: str, before: Act = nothing, after: Judge = right) -> Task:
    """Ask what became of a request; it must be in this state."""
    return Task("look", {"id": number(name), "state": state}, before=before, after=after)


def approved(name: str, officers: int = 2) -> Act:
    """So many officers approve the request."""
    return lambda platform: platform.approve(bytes.fromhex(number(name)), officers)


def register(name: str, tier: int = TIER, do: str = "register", **changed: object) -> Task:
    """Register a customer's key."""
    arguments: dict[str, Value] = {
        "secret": number(f"customer {name}"),
        "tier": tier,
        "category": PERSON_CATEGORY,
        "pseudonym": number(f"pseudonym {name}"),
    }
    return Task(do, arguments, **changed)  # type: ignore[arg-type]


def sell(name: str, amount_tenge: int, do: str = "sell", **changed: object) -> Task:
    """Send digital tenge of the inventory to a customer."""
    arguments: dict[str, Value] = {
        "id": number(f"sale to {name} of {amount_tenge}"),
        "kid": customer_key(name).public.kid.hex(),
        "amount_tiyn": tenge(amount_tenge),
    }
    return Task(do, arguments, **changed)  # type: ignore[arg-type]


def buy_back(name: str, amount_tenge: int, **changed: object) -> Task:
    """Take a customer's digital tenge back into the inventory; the client signs for the customer."""
    arguments: dict[str, Value] = {
        "id": number(f"bought of {name}"),
        "secret": number(f"customer {name}"),
        "amount_tiyn": tenge(amount_tenge),
    }
    return Task("buy-back", arguments, **changed)  # type: ignore[arg-type]


def redeem(name: str, amount_tenge: int, do: str = "redeem", **changed: object) -> Task:
    """Give digital tenge of the inventory back for reserves."""
    return Task(do, {"id": number(name), "amount_tiyn": tenge(amount_tenge)}, **changed)  # type: ignore[arg-type]


def stocked(amount_tenge: int = 5_000) -> tuple[Task, ...]:
    """The bank orders and gets digital tenge: how most cases begin."""
    return (
        order("stock", amount_tenge),
        look("stock", "done", approved("stock"), inventory_is(amount_tenge)),
    )


def one_customer(name: str = "anna", tier: int = TIER) -> tuple[Task, ...]:
    """A stocked bank with one customer."""
    return (*stocked(), register(name, tier))


# --- the cases ---

_ISSUE = (
    Case(
        "issue",
        "The bank asks for digital tenge, two officers approve, the inventory has it and the reserves paid for it.",
        (
            *stocked(),
            Task(
                "account",
                {"reserve_tiyn": tenge(RESERVES_TENGE - 5_000), "inventory_tiyn": tenge(5_000)},
                after=reserves_are(RESERVES_TENGE - 5_000),
            ),
        ),
    ),
    Case(
        "issue-one-officer",
        "One officer is not enough: the request stays registered and nothing is issued.",
        (
            order("one", 1_000),
            look("one", "registered", approved("one", 1), inventory_is(0)),
            look("one", "done", approved("one", 2), inventory_is(1_000)),
        ),
    ),
    Case(
        "issue-wrong-signature",
        "A request that another key signed is refused and not registered.",
        (
            order("forged", 1_000, "order-wrong-key", expect="E_REQUEST_PARTY"),
            Task("look", {"id": number("forged"), "state": ""}, "E_REQUEST_UNKNOWN", after=inventory_is(0)),
        ),
    ),
    Case(
        "issue-other-network",
        "A request signed for another network is refused.",
        (order("elsewhere", 1_000, "order-other-network", expect="E_REQUEST_PARTY"),),
    ),
    Case(
        "issue-other-bank",
        "A bank asks for itself and for nobody else.",
        (
            Task(
                "order-for",
                {"id": number("other"), "amount_tiyn": tenge(10), "party": OTHER_BANK_ID},
                "E_REQUEST_PARTY",
            ),
        ),
    ),
    Case(
        "issue-replay",
        "The same request again is the same request; another amount under its id is refused; it is issued once.",
        (
            order("again", 1_000),
            order("again", 1_000),
            order("again", 2_000, expect="E_ID_REUSED"),
            look("again", "done", approved("again"), inventory_is(1_000)),
            order("again", 1_000, after=inventory_is(1_000)),
        ),
    ),
    Case(
        "issue-refused",
        "The operator refuses a request: its state says so, and a new one needs a new id.",
        (
            order("refused", 1_000),
            look(
                "refused",
                "refused",
                lambda platform: _refuse(platform, "refused"),
                inventory_is(0),
            ),
            order("refused", 1_000),
            look("refused", "refused", after=inventory_is(0)),
        ),
    ),
)


def _refuse(platform: Platform, name: str) -> None:
    platform.system.register.refuse(bytes.fromhex(number(name)))


_CUSTOMERS = (
    Case(
        "register",
        "A customer's key is registered by the bank and the customer together; again changes nothing.",
        (register("anna"), register("anna"), register("berik")),
    ),
    Case(
        "register-without-possession",
        "A key is not registered without its own signature.",
        (register("anna", do="register-without-possession", expect="E_POSSESSION"),),
    ),
    Case(
        "register-taken",
        "A key is registered for one holder, with one tier.",
        (register("anna"), register("anna", LOW_TIER, expect="E_KEY_TAKEN")),
    ),
)

_SALES = (
    Case(
        "sell",
        "Digital tenge goes from the inventory to a customer; the same sale again is the same sale.",
        (
            *one_customer(),
            sell("anna", 1_200, after=all_of(holds("anna", 1_200), inventory_is(3_800))),
            sell("anna", 1_200, after=all_of(holds("anna", 1_200), inventory_is(3_800))),
        ),
    ),
    Case(
        "sell-double-spend",
        "Tokens that were spent are spent: a second transaction with them is refused.",
        (
            *one_customer(),
            sell("anna", 1_200),
            sell(
                "anna",
                700,
                "sell-spent-tokens",
                expect="E_TOKEN_SPENT",
                after=all_of(holds("anna", 1_200), inventory_is(3_800)),
            ),
        ),
    ),
    Case(
        "sell-wrong-signature",
        "A sale that the inventory's key did not sign is refused.",
        (*one_customer(), sell("anna", 100, "sell-wrong-key", expect="E_SIG", after=inventory_is(5_000))),
    ),
    Case(
        "sell-over-limit",
        "A customer of the lowest tier may not hold so much.",
        (
            *stocked(100_000),
            register("low", LOW_TIER),
            sell("low", 12_976, expect="E_LIMIT_HOLDING", after=holds("low", 0)),
            sell("low", 12_975, after=holds("low", 12_975)),
        ),
    ),
    Case(
        "sell-to-nobody",
        "Money goes to registered keys only.",
        (*stocked(), sell("stranger", 100, expect="E_KEY_UNKNOWN", after=inventory_is(5_000))),
    ),
    Case(
        "buy-back",
        "A customer's digital tenge comes back into the inventory.",
        (
            *one_customer(),
            sell("anna", 1_200),
            buy_back("anna", 700, after=all_of(holds("anna", 500), inventory_is(4_500))),
            buy_back("anna", 700, after=all_of(holds("anna", 500), inventory_is(4_500))),
        ),
    ),
    Case(
        "buy-back-frozen",
        "A frozen customer's money stays where it is.",
        (
            *one_customer(),
            sell("anna", 1_200),
            buy_back(
                "anna",
                700,
                expect="E_FROZEN",
                before=lambda platform: platform.freeze(bytes.fromhex(number("pseudonym anna"))),
                after=holds("anna", 1_200),
            ),
        ),
    ),
)

_REDEMPTIONS = (
    Case(
        "redeem",
        "Digital tenge of the inventory is destroyed and the reserves come back; the same again does nothing more.",
        (
            *stocked(),
            redeem("home", 2_000, after=all_of(inventory_is(3_000), reserves_are(RESERVES_TENGE - 3_000))),
            redeem("home", 2_000, after=all_of(inventory_is(3_000), reserves_are(RESERVES_TENGE - 3_000))),
            look("home", "done"),
        ),
    ),
    Case(
        "redeem-wrong-amount",
        "Tokens of another sum than was asked for are not taken.",
        (
            *stocked(),
            redeem("less", 2_000, "redeem-less", expect="E_REQUEST_AMOUNT", after=inventory_is(5_000)),
        ),
    ),
    Case(
        "redeem-unknown",
        "Nothing is redeemed without a registered request.",
        (
            *stocked(),
            redeem("none", 100, "redeem-unasked", expect="E_REQUEST_UNKNOWN", after=inventory_is(5_000)),
        ),
    ),
    Case(
        "signed-calls",
        "What belongs to the bank is read in calls that its certified key signed just now, and by nobody else.",
        (
            *stocked(),
            Task("account-unsigned", {}, "E_CALL_MISSING"),
            Task("account-signed-long-ago", {}, "E_CALL_EXPIRED"),
            Task("account-of", {"party": OTHER_BANK_ID}, "E_CALL_SCOPE"),
            Task("account", {"reserve_tiyn": tenge(RESERVES_TENGE - 5_000), "inventory_tiyn": tenge(5_000)}),
        ),
    ),
)

_NETWORK = (
    Case(
        "answer-lost",
        "The request was carried out and its answer was lost: the client asks again and nothing happens twice.",
        (
            order("lost", 1_000, faults=(Fault(DROP, ASK),)),
            look("lost", "done", approved("lost"), inventory_is(1_000)),
            register("anna", faults=(Fault(DROP, SUBMIT),)),
            sell("anna", 300, faults=(Fault(DROP, SUBMIT), Fault(DROP, SUBMIT)), after=holds("anna", 300)),
            redeem("back", 100, faults=(Fault(DROP, ASK), Fault(DROP, ASK)), after=inventory_is(600)),
        ),
    ),
    Case(
        "request-lost",
        "The request never arrived: the client asks again, under the same id.",
        (
            order("gone", 1_000, faults=(Fault(LOSE, ASK),)),
            look("gone", "done", approved("gone"), inventory_is(1_000)),
            register("anna", faults=(Fault(LOSE, SUBMIT),)),
            sell("anna", 300, faults=(Fault(LOSE, SUBMIT), Fault(DROP, SUBMIT)), after=holds("anna", 300)),
        ),
    ),
    Case(
        "answer-late",
        "The answer comes late; the client waits, or asks again.",
        (
            *one_customer(),
            sell("anna", 300, faults=(Fault(DELAY, SUBMIT),), after=holds("anna", 300)),
        ),
    ),
    Case(
        "delivered-twice",
        "The network delivers a request twice: it counts once.",
        (
            order("twice", 1_000, faults=(Fault(TWICE, ASK),)),
            look("twice", "done", approved("twice"), inventory_is(1_000)),
            register("anna", faults=(Fault(TWICE, SUBMIT),)),
            sell("anna", 300, faults=(Fault(TWICE, SUBMIT),), after=holds("anna", 300)),
            redeem("half", 100, faults=(Fault(TWICE, ASK), Fault(TWICE, ASK)), after=inventory_is(600)),
        ),
    ),
)

CASES: Mapping[str, Case] = {
    case.name: case for case in (*_ISSUE, *_CUSTOMERS, *_SALES, *_REDEMPTIONS, *_NETWORK)
}
