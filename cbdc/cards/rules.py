"""What an issuing bank asks of a card payment before it asks the ledger: rules as data, each with a name.

    payment_limit   one payment of a channel is at most `most` tiyn
    day_limit       what a card pays in a channel on one day is at most `most` tiyn
    day_count       so many payments in a channel on one day
    expiry          not after the card's last month
    card_state      not while the card is blocked
    token_state     not while the device token is suspended or deleted
    replay          a chip's count rises, and its signature is for this message
    sanctions       no merchant or country of the list
    scheme_list     asked by the network, not by the bank: no card of its hot list

A channel is `pos`, `cash`, `online`, or `any`. A rule that is not in the book is not asked. None of them protects the
customer's digital tenge: that does the ledger, which wants the customer's signature in any case.

Source: Altyn Bank's limits of ordinary cards (`docs/domain.md`, crypto cards); the rest is an assumption.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cbdc.cards import fields
from cbdc.cards.message import Message
from cbdc.cards.numbers import masked
from cbdc.cards.registry import ACTIVE, Card, Device
from cbdc.errors import Refused

PAYMENT_LIMIT = "payment_limit"
DAY_LIMIT = "day_limit"
DAY_COUNT = "day_count"
EXPIRY = "expiry"
CARD_STATE = "card_state"
TOKEN_STATE = "token_state"  # noqa: S105 - a rule about device tokens
REPLAY = "replay"
SANCTIONS = "sanctions"
SCHEME_LIST = "scheme_list"
KINDS = (
    PAYMENT_LIMIT,
    DAY_LIMIT,
    DAY_COUNT,
    EXPIRY,
    CARD_STATE,
    TOKEN_STATE,
    REPLAY,
    SANCTIONS,
    SCHEME_LIST,
)
WITH_MOST = (PAYMENT_LIMIT, DAY_LIMIT, DAY_COUNT)

POS = "pos"
CASH = "cash"
ONLINE = "online"
ANY = "any"
CHANNELS = (POS, CASH, ONLINE, ANY)
ONLINE_ENTRY = "810"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its `name`, its `kind`, the channel it binds, and its figure or its lists."""

    name: str
    kind: str
    channel: str = ANY
    most: int = 0
    merchants: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()


def channel_of(message: Message) -> str:
    """The channel of a request."""
    if message.processing == fields.CASH:
        return CASH
    return ONLINE if message.fields[22] == ONLINE_ENTRY else POS


STANDARD_RULES = (
    Rule("one payment at a till", PAYMENT_LIMIT, POS, 150_000_000),
    Rule("tills in a day", DAY_LIMIT, POS, 250_000_000),
    Rule("cash in a day", DAY_LIMIT, CASH, 150_000_000),
    Rule("online in a day", DAY_LIMIT, ONLINE, 300_000_000),
    Rule("online payments in a day", DAY_COUNT, ONLINE, 15),
    Rule("expired card", EXPIRY),
    Rule("blocked card", CARD_STATE),
    Rule("suspended token", TOKEN_STATE),
    Rule("replayed cryptogram", REPLAY),
    Rule("sanctions list", SANCTIONS),
    Rule("scheme list", SCHEME_LIST),
)


class Rulebook:
    """The rules in force. Each `check_...` returns, or raises the refusal of the first rule that forbids it."""

    def __init__(self, rules: Iterable[Rule] = STANDARD_RULES) -> None:
        self._rules = tuple(rules)

    def has(self, kind: str) -> bool:
        """Whether a rule of this kind is in force."""
        return any(rule.kind == kind for rule in self._rules)

    def _of(self, kind: str, channel: str = ANY) -> list[Rule]:
        return [rule for rule in self._rules if rule.kind == kind and rule.channel in (ANY, channel)]

    def check_state(self, card: Card, device: Device, month: str) -> None:
        """E_CARD_BLOCKED, E_CARD_TOKEN_STATE or E_CARD_EXPIRED; `month` is the present one, YYMM."""
        number = masked(device.number)
        if card.state != ACTIVE and self.has(CARD_STATE):
            raise Refused("E_CARD_BLOCKED", card=number)
        if device.state != ACTIVE and self.has(TOKEN_STATE):
            raise Refused("E_CARD_TOKEN_STATE", card=number, state=device.state)
        if month > device.expires and self.has(EXPIRY):
            raise Refused("E_CARD_EXPIRED", card=number, expires=device.expires)

    def check_sanctions(self, message: Message) -> None:
        """E_CARD_SANCTIONS for a merchant or a country of a list."""
        for rule in self._of(SANCTIONS):
            if message.fields[42] in rule.merchants or message.fields[19] in rule.countries:
                raise Refused(
                    "E_CARD_SANCTIONS",
                    merchant=message.fields[42],
                    country=message.fields[19],
                    list=rule.name,
                )

    def check_limits(self, message: Message, paid: Mapping[str, tuple[int, int]]) -> None:
        """E_CARD_LIMIT_PAYMENT, E_CARD_LIMIT_DAY or E_CARD_LIMIT_COUNT.

        `paid` says what the card has paid today without this payment, by channel: tiyn, and how often.
        """
        channel, amount, number = channel_of(message), message.amount_tiyn, masked(message.fields[2])
        for rule in self._of(PAYMENT_LIMIT, channel):
            if amount > rule.most:
                raise Refused("E_CARD_LIMIT_PAYMENT", card=number, amount_tiyn=amount, limit_tiyn=rule.most)
        for rule in self._of(DAY_LIMIT, channel):
            total = amount + sum(paid[name][0] for name in _bound(rule))
            if total > rule.most:
                raise Refused("E_CARD_LIMIT_DAY", card=number, amount_tiyn=total, limit_tiyn=rule.most)
        for rule in self._of(DAY_COUNT, channel):
            count = 1 + sum(paid[name][1] for name in _bound(rule))
            if count > rule.most:
                raise Refused("E_CARD_LIMIT_COUNT", card=number, count=count, most=rule.most)


def _bound(rule: Rule) -> tuple[str, ...]:
    """The channels whose payments a rule adds up."""
    return (POS, CASH, ONLINE) if rule.channel == ANY else (rule.channel,)
