"""Numbers of cards, devices, acquirers and payments: all made up, all following from what they are for.

The first digit leads to a network (4: Visa-like, 5: Mastercard-like), as in the world. The rest follows no issuer of
the world: bank b issues cards that begin with 400000 + b or 500000 + b, and device tokens that begin with 490000 + b
or 590000 + b. The last digit is the Luhn check.
"""

from typing import NamedTuple

from cbdc.cabinet import follow

VISA_LIKE = "visa-like"
MASTERCARD_LIKE = "mastercard-like"
NETWORKS = {"4": VISA_LIKE, "5": MASTERCARD_LIKE}
_FIRST_DIGIT = {name: digit for digit, name in NETWORKS.items()}
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MOST_BANKS = 9_999


class Prefix(NamedTuple):
    """What the first six digits say: the network, the issuing bank, and whether it is a device token."""

    network: str
    bank_id: int
    token: bool


def prefix_of(number: str) -> Prefix | None:
    """What a card number leads to; None for a scheme or a bank that nobody here routes."""
    network = NETWORKS.get(number[:1])
    if network is None or number[1:2] not in ("0", "9") or not number[2:6].isdigit() or not luhn_ok(number):
        return None
    return Prefix(network, int(number[2:6]), number[1] == "9")


def card_number(network: str, bank_id: int, seed: bytes, token: bool = False) -> str:
    """Sixteen digits for a card (or a device token) of a bank, by a 32-byte id."""
    assert 1 <= bank_id <= MOST_BANKS, "a bank's number has up to four digits"
    account = int.from_bytes(follow("card number", seed)[:8], "big") % 10**9
    body = f"{_FIRST_DIGIT[network]}{9 if token else 0}{bank_id:04d}{account:09d}"
    return body + str(-_luhn_sum(body + "0") % 10)


def _luhn_sum(number: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total


def luhn_ok(number: str) -> bool:
    """Whether the last digit checks."""
    return number.isdigit() and _luhn_sum(number) % 10 == 0


def masked(number: str) -> str:
    """A card number as people and logs may see it."""
    return f"{number[:6]}******{number[-4:]}"


def acquirer_number(bank_id: int) -> str:
    """What field 32 calls a bank as acquirer (and as a participant of a network)."""
    return f"{900_000 + bank_id}"


def bank_of_acquirer(number: str) -> int:
    """The bank that field 32 names; 0 for nobody's number."""
    bank_id = int(number) - 900_000 if len(number) == 6 else 0
    return bank_id if 1 <= bank_id <= MOST_BANKS else 0


def reference(id: bytes, attempt: int) -> str:
    """The retrieval reference (field 37) of an attempt of a payment: 12 letters, 60 bits."""
    return _letters(follow("card reference", id, attempt.to_bytes(8, "big")), 12)


def trace(id: bytes, *parts: str) -> str:
    """The trace number (field 11) of one message of a payment."""
    digest = follow("card trace", id, *(part.encode() for part in parts))
    return f"{int.from_bytes(digest[:8], 'big') % 10**6:06d}"


def authorisation_code(key: bytes, who: str) -> str:
    """Six letters that an issuer (or a network that stands in) gives a payment."""
    return _letters(follow("authorisation code", who.encode(), key), 6)


def merchant_number(customer: bytes) -> str:
    """What field 42 calls a merchant: 15 letters by its account at the acquiring bank."""
    return _letters(follow("card merchant", customer), 15)


def terminal_number(merchant: str, terminal: int) -> str:
    """What field 41 calls a terminal of a merchant."""
    return _letters(follow("card terminal", merchant.encode(), terminal.to_bytes(8, "big")), 8)


def _letters(digest: bytes, count: int) -> str:
    number = int.from_bytes(digest, "big")
    return "".join(_LETTERS[(number >> (5 * place)) % 32] for place in range(count))
