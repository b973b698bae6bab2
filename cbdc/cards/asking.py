"""The messages that an acquirer makes: a request from what stands on the terminal, and what follows it later.

Pure: a message follows from the sale, the terminal and the moment. What comes later (capture, reversal, refund) keeps
the number, the reference, the terminal and the merchant of the request, and names it in field 56.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cbdc.cards import fields
from cbdc.cards.judging import local_time
from cbdc.cards.message import Message, decode, original_of
from cbdc.cards.numbers import acquirer_number, merchant_number, reference, terminal_number, trace
from cbdc.cards.rules import CASH, ONLINE, ONLINE_ENTRY, POS
from cbdc.cards.sale import Sale
from cbdc.keys import Signer

Send = Callable[[str, bytes], None]
MACHINE = bytes(32)
_ENTRY = {POS: "051", CASH: "051", ONLINE: ONLINE_ENTRY}
_SHOP = {POS: "5411", CASH: "6011", ONLINE: "5399"}


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a card is shown: the merchant's account at the acquiring bank (`MACHINE` for its own cash machine), the
    terminal's number, the country, and the merchant's key if it takes digital tenge directly."""

    merchant: bytes
    number: int = 1
    country: str = fields.KAZAKHSTAN
    direct: Signer | None = None


def request_values(sale: Sale, terminal: Terminal, bank_id: int, expires: str, now: int) -> dict[int, str]:
    """The fields of a request for this attempt of a sale, all but 55."""
    code = fields.CASH if sale.channel == CASH else fields.PURCHASE
    merchant = merchant_number(sale.merchant)
    values = {
        2: sale.number,
        3: code + "0000",
        4: f"{sale.amount_tiyn:012d}",
        7: fields.clock_text(now)[2:],
        11: trace(sale.id, "ask", str(sale.attempt)),
        12: local_time(now),
        14: expires,
        18: _SHOP[sale.channel],
        19: terminal.country,
        22: _ENTRY[sale.channel],
        24: fields.ORIGINAL,
        32: acquirer_number(bank_id),
        37: reference(sale.id, sale.attempt),
        41: terminal_number(merchant, terminal.number),
        42: merchant,
        49: fields.TENGE,
    }
    if sale.direct and terminal.direct is not None:
        values[48] = terminal.direct.public.kid.hex().upper()
    return values


def follow_up(asked: bytes, mti: str, stan: str, now: int, values: Mapping[int, str]) -> Message:
    """A message of type `mti` about the payment that the request `asked` began."""
    request = decode(asked)
    kept = {number: request.fields[number] for number in (2, 3, 4, 32, 37, 41, 42, 49)}
    own = {7: fields.clock_text(now)[2:], 11: stan, 12: local_time(now), 56: original_of(request)}
    return Message(mti, {**kept, **own, **values})


def reversal(asked: bytes, mti: str, stan: str, now: int, reason: str, remains_tiyn: int) -> Message:
    """A reversal of the payment that `asked` began, down to what remains."""
    values = {24: fields.PARTIAL_REVERSAL if remains_tiyn else fields.FULL_REVERSAL, 25: reason}
    if remains_tiyn:
        values[95] = f"{remains_tiyn:012d}"
    return follow_up(asked, mti, stan, now, values)
