"""Why a card payment was refused: our codes, and the two characters of field 39 that say it on the wire.

The wire tells a shop little, on purpose: several reasons share an answer. The card holder's bank keeps the whole
refusal with its facts and tells it to its customer. So one table leads from a code to an answer, and the way back
gives E_CARD_DECLINED with the answer, which is all a shop may know.
"""

import json

from cbdc.errors import Refused, TengeError, by_code

APPROVED = "00"
FORMAT_ERROR = "30"
UNLOCATED = "25"
ROUTE = "92"
SILENT = "91"
STALE_POCKET = "Q1"  # ours: the chip spoke of tokens that are gone; the answer brings the present ones
PAID_ON_LEDGER = "Q3"  # ours: a direct payment is done on the ledger; only the payee can give it back
OFFLINE = "Z1"  # declined by the chip itself, nothing was sent

ANSWERS = {
    "E_CARD_UNKNOWN": "14",
    "E_CARD_BLOCKED": "62",
    "E_CARD_TOKEN_STATE": "62",
    "E_CARD_SCHEME_LIST": "43",
    "E_CARD_EXPIRED": "54",
    "E_CARD_LIMIT_PAYMENT": "61",
    "E_CARD_LIMIT_DAY": "61",
    "E_CARD_LIMIT_COUNT": "65",
    "E_CARD_FUNDS": "51",
    "E_CARD_CRYPTOGRAM": "82",
    "E_CARD_REPLAY": "63",
    "E_CARD_POCKET": STALE_POCKET,
    "E_CARD_SANCTIONS": "57",
    "E_CARD_MARKED": "Q2",
    "E_CARD_PAID": PAID_ON_LEDGER,
    "E_CARD_UNLOCATED": UNLOCATED,
    "E_CARD_AMOUNT": "13",
    "E_CARD_STATE": "12",
    "E_CARD_DISPUTE_TIME": "12",
    "E_CARD_ISSUER_SILENT": SILENT,
    "E_CARD_ROUTE": ROUTE,
    "E_CARD_LEDGER": "05",
    "E_CARD_MESSAGE": FORMAT_ERROR,
    "E_SIZE": FORMAT_ERROR,
    "E_ID_REUSED": "94",
}
DO_NOT_HONOUR = "05"


def response_of(error: TengeError) -> str:
    """The answer (field 39) that tells a refusal on the wire."""
    return ANSWERS.get(error.code, DO_NOT_HONOUR)


def keep_refusal(error: TengeError) -> bytes:
    """A refusal as a row keeps it: the code and the facts, so that it reads the same whenever it is told again."""
    return json.dumps([error.code, error.facts], sort_keys=True, ensure_ascii=False).encode()


def kept_refusal(data: bytes) -> TengeError:
    """The refusal that `keep_refusal` kept."""
    code, facts = json.loads(data)
    return by_code(code, facts)


def declined(response: str, reference: str, amount_tiyn: int) -> TengeError:
    """What a shop or a machine knows of an answer that is not yes."""
    return Refused("E_CARD_DECLINED", response=response, reference=reference, amount_tiyn=amount_tiyn)
