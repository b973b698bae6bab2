"""The form of a laboratory's configuration, as data: every section, every key, its default, its bounds and its meaning.

Reader, documentation and refusals are made from the same rows, so that they cannot say different things. A section
written with single brackets stands once (or not at all: then every default holds); one with double brackets as often
as one likes.
"""

from dataclasses import dataclass

ENGINES = ("tokens", "staged", "purse")
ALGORITHMS = ("ed25519", "es256")
BEHAVIOURS = ("clone", "rollback")
HABITS = ("exponential", "daily", "never")
POLICIES = ("WATERFALL", "ISSUER", "CAPPED", "LOTTERY", "PRO_RATA", "FIRST_SEEN", "PAYEE")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section: a whole number from `low` to `high`, or one of `words`, or any short text.

    `default` None means that it must be given. `unit` and `text` are for people.
    """

    name: str
    default: int | str | None
    low: int = 0
    high: int = 0
    unit: str = ""
    text: str = ""
    words: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether the value is a text."""
        return isinstance(self.default, str) or bool(self.words)


@dataclass(frozen=True, slots=True)
class Section:
    """A section: whether it may stand often, what it is about, and its keys."""

    name: str
    many: bool
    text: str
    keys: tuple[Key, ...]


_TENGE = 10_000_000

LAB = Section(
    "lab",
    False,
    "What is played.",
    (
        Key("name", "laboratory", text="the name in results and on plots"),
        Key("title", "", text="what the experiment asks, in a sentence"),
        Key("seed", 7, 0, 2**31 - 1, text="the same seed gives the same results, byte for byte"),
        Key("days", 10, 1, 365, "days", "how long people pay; closing (`close_days`) comes after"),
        Key("slots", 6, 1, 24, "a day", "moments of a day at which devices find the network or not"),
        Key("regions", 1, 1, 16, "", "worlds without contact to each other, each a process of its own"),
        Key(
            "engine",
            "tokens",
            words=ENGINES,
            text="tokens: DTO/1; staged: DTO/1 with one hop; purse: a balance in the element",
        ),
        Key("loss_policy", "WATERFALL", words=POLICIES, text="who bears a double spend (protocol, 5.11)"),
        Key("algorithm", "ed25519", words=ALGORITHMS, text="the signatures of the devices"),
        Key("close", 1, 0, 1, "0 or 1", "1: at the end all honest devices sync, notes close, all is settled"),
    ),
)
PEOPLE = Section(
    "people",
    False,
    "Those who pay. In each region.",
    (
        Key("count", 40, 2, 100_000, "people", "how many people a region has"),
        Key("villages", 2, 1, 1_000, "villages", "people are dealt out to villages in turn"),
        Key("household", 4, 1, 20, "people", "who live together, and pay each other most"),
        Key("neighbours", 4, 0, 50, "people", "of the same village, next to one on its ring"),
        Key("rewired", 100, 0, 1_000, "permille", "of the neighbours who are instead anybody of the region"),
        Key("tier_se", 60, 0, 1_000, "weight", "devices with a secure element"),
        Key("tier_tee", 25, 0, 1_000, "weight", "devices with a trusted environment"),
        Key("tier_sw", 15, 0, 1_000, "weight", "devices in software"),
        Key("online", 100_000, 0, _TENGE, "tenge", "each one's digital tenge online at the beginning"),
        Key("purse", 6_000, 1, 500_000, "tenge", "what a device is filled up to when it syncs"),
        Key("refill_below", 2_500, 0, 500_000, "tenge", "a device with less is filled up"),
    ),
)
SHOPS = Section(
    "shops",
    False,
    "Those who are paid. In each region.",
    (
        Key("per_village", 2, 0, 100, "shops", "shops of a village, for its own people"),
        Key("market", 1, 0, 100, "shops", "stands of the region's market, for everybody"),
        Key("wages", 500, 0, 50_000, "permille a day", "payments of a shop to people of its village"),
    ),
)
PAYMENTS = Section(
    "payments",
    False,
    "Who pays whom how much.",
    (
        Key("a_day", 1_500, 0, 100_000, "permille a person", "payments that a person makes in a day"),
        Key("to_shop", 55, 0, 1_000, "weight", "to a shop of the village"),
        Key("to_market", 10, 0, 1_000, "weight", "to a stand of the market"),
        Key("to_household", 15, 0, 1_000, "weight", "to a member of the household"),
        Key("to_neighbour", 20, 0, 1_000, "weight", "to a neighbour"),
        Key("mean", 700, 1, 1_000_000, "tenge", "the mean amount; amounts are lognormal, to the tenge"),
        Key("spread", 80, 0, 1_000, "percent", "their standard deviation, of the mean"),
        Key("near", 500, 0, 1_000, "permille", "payments by NFC or BLE (flow I); the others by QR (flow Q)"),
    ),
)
LINK = Section(
    "link",
    False,
    "What happens to messages between devices.",
    (
        Key("lost", 0, 0, 1_000, "permille", "messages that do not arrive, each time they are sent"),
        Key("attempts", 3, 1, 20, "times", "how often a message is sent before two people give up"),
    ),
)
HABIT = Section(
    "habit",
    True,
    "How often devices find the network and sync. Each device has one habit, drawn by weight.",
    (
        Key(
            "kind",
            None,
            words=HABITS,
            text="exponential: without memory, every `hours` on average; daily; never",
        ),
        Key("weight", 1, 0, 1_000, "weight", "how many devices have it"),
        Key("hours", 24, 1, 8_760, "hours", "of `exponential`, the mean time between syncs"),
    ),
)
OUTAGE = Section(
    "outage",
    True,
    "When there is no network.",
    (
        Key("village", 0, 0, 1_000, "number", "the village, from 1; 0: everywhere"),
        Key("from_day", None, 0, 365, "day", "the first day without network, from 0"),
        Key("to_day", None, 0, 365, "day", "the last one"),
    ),
)
OPENED = Section(
    "opened",
    True,
    "Devices whose element was opened (attack study). In each region.",
    (
        Key("count", None, 0, 10_000, "devices", "how many"),
        Key(
            "behaviour",
            "rollback",
            words=BEHAVIOURS,
            text="clone: two devices spend one purse; rollback: an old state is put back after every payment",
        ),
        Key("from_day", 2, 0, 365, "day", "the first day of the attack"),
        Key("a_day", 3_000, 1, 100_000, "permille", "attacks of such a device in a day"),
        Key("copies", 3, 2, 50, "payees", "of `rollback`: how many payees each coin is spent at"),
        Key("colluders", 0, 0, 50, "people", "payees who are in it: only they are paid, and hide in between"),
        Key(
            "online", 8_000, 0, _TENGE, "tenge", "their digital tenge online at the beginning: little to take"
        ),
        Key("hide", 96, 1, 8_760, "hours", "how long colluders stay off the network between two syncs"),
    ),
)
SECTIONS = (LAB, PEOPLE, SHOPS, PAYMENTS, LINK, HABIT, OUTAGE, OPENED)

MEASURES = {
    "payments": "payments that were taken, attacks included",
    "success_permille": "of the payments that honest people tried and had the money for, those that were taken",
    "parked_permille": "of the money offline, what waits for a sync or for expiry, mean over the days",
    "parked_most_permille": "the same, on the worst day",
    "parked_by_day_permille": "the same, day by day (with x = day)",
    "payment_bytes": "the payment itself with its history: BUNDLE, or OFFER and COMMIT (also with x = hop)",
    "talk_bytes": "all messages of a payment together",
    "sync_bytes": "what devices hand in, for each payment",
    "loss_tiyn": "value that double spends made, as settlement books it: also copies that payees refused and handed in",
    "net_loss_tiyn": "the loss less what the guilty devices' own claims bear (refused copies fall back to them)",
    "net_loss_permille": "the same, of all that was paid",
    "net_loss_per_opened_tiyn": "the same, for each opened device",
    "largest_loss_tiyn": "the loss of the costliest opened device",
    "double_spent": "coins that two or more payees took (the truth)",
    "guilty": "devices with a proof against them",
    "detected_permille": "of those coins, the ones whose two branches were with settlement before redeem_by",
    "detection_median_seconds": "from the second spend to the arrival of the second branch; of a coin",
    "detection_p95_seconds": "the same, of the slowest coin in twenty",
    "detection_max_seconds": "the same, of the slowest",
    "borne_tiyn.device": "what the guilty devices still held",
    "borne_tiyn.owner": "what their owners paid, out of their own digital tenge",
    "borne_tiyn.bank": "what the banks that certified them paid",
    "borne_tiyn.reserve": "what the loss reserve (the National Bank) paid",
    "borne_tiyn.payees": "what honest people should have by their own books and do not have",
    "ring_gain_tiyn": "what opened and colluding people have at the end beyond their own books",
    "denied_people": "honest people who have less than their own books say",
    "denied_permille": "the same, of all honest people",
}
"""The measures that a plot may show, and what each says (docs and refusals are made from this)."""

ACROSS = ("hop", "day")

PLOT = Section(
    "plot",
    True,
    "A plot of the results.",
    (
        Key("title", None, text="the plot's title"),
        Key("x", None, text="an axis of [sweep], `hop` or `day`"),
        Key("y", None, text="a measure, or several between commas"),
    ),
)
