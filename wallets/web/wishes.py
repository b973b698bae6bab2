"""What may be asked of the stage: the names of its actions, and the fields of each, read from plain JSON values.

Nothing is guessed: a missing field, one too many, another type or an unknown phone is refused before any rule about
money is asked. An amount is the text a person typed, in tenge.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from cbdc.errors import Malformed
from cbdc.money import check_tiyn, parse_tenge

PHONES = ("aigerim", "bolat", "dana")
STORY_WORDS = ("start", "next", "end")

_FILE = re.compile(r"[A-Za-z0-9_.-]{1,80}", re.ASCII)

Reader = Callable[[object, str], Any]


def _phone(value: object, field: str) -> str:
    if not isinstance(value, str) or value not in PHONES:
        raise Malformed("E_STAGE_FIELD", field=field, problem="it must name one of the phones")
    return value


def _amount(value: object, field: str) -> int:
    if not isinstance(value, str):
        raise Malformed("E_STAGE_FIELD", field=field, problem="an amount is a text, in tenge")
    return check_tiyn(parse_tenge(value), at_least=1)


def _flag(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise Malformed("E_STAGE_FIELD", field=field, problem="it must be true or false")
    return value


def _file(value: object, field: str) -> str:
    if not isinstance(value, str) or _FILE.fullmatch(value) is None:
        raise Malformed("E_STAGE_FIELD", field=field, problem="it must be the name of a proof")
    return value


def _story(value: object, field: str) -> str:
    if not isinstance(value, str) or value not in STORY_WORDS:
        raise Malformed("E_STAGE_FIELD", field=field, problem=f"it must be one of {', '.join(STORY_WORDS)}")
    return value


ACTIONS: Mapping[str, Mapping[str, Reader]] = {
    "airplane": {"phone": _phone, "on": _flag},
    "pay": {"phone": _phone, "payee": _phone, "amount": _amount, "clone": _flag},
    "load": {"phone": _phone, "amount": _amount},
    "unload": {"phone": _phone},
    "sync": {"phone": _phone},
    "clone": {"phone": _phone},
    "buy": {"phone": _phone, "amount": _amount},
    "sell": {"phone": _phone},
    "issue": {"amount": _amount},
    "redeem": {},
    "verify": {"file": _file},
    "wait": {},
    "reset": {},
    "story": {"go": _story},
}


def read_wish(action: object, fields: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
    """The action and its fields as values (amounts in tiyn).

    Raises E_STAGE_ACTION, E_STAGE_FIELD, E_MONEY_TEXT and E_MONEY_RANGE.
    """
    if not isinstance(action, str) or action not in ACTIONS:
        raise Malformed("E_STAGE_ACTION", action=str(action)[:40])
    readers = ACTIONS[action]
    strange = [name for name in fields if name not in readers]
    if strange:
        raise Malformed("E_STAGE_FIELD", field=str(strange[0])[:40], problem="this action has no such field")
    missing = [name for name in readers if name not in fields]
    if missing:
        raise Malformed("E_STAGE_FIELD", field=missing[0], problem="it is missing")
    return action, {name: reader(fields[name], name) for name, reader in readers.items()}
