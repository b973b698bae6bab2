"""The file that says which keys of the institutions are in a hardware module.

    module = "/usr/lib/softhsm/libsofthsm2.so"
    token = "tenge"
    pin_file = "/run/secrets/tenge-pin"

    [keys]
    ledger = "ledger-2026"
    issuer-1 = "issuer-2026"

`keys` names institutions' keys by their labels here (`cbdc.institutions`) and says under which label the module has
each. The ledger's key with label `x` in the module is followed there by `x-2`, `x-3` and so on, as many as the
genesis certifies, and so is the issuer's first; no key that follows a key in the module lies in software. The PIN is
never in this file: `pin_file` names one that only its owner may read, and without it the environment says it
(`cbdc.hsm.pin_from`).
Anything else in the file is refused, so a misspelt line is not silently software.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbdc.errors import Malformed
from cbdc.hsm import PIN_FILE_VARIABLE, Hsm, pin_from
from cbdc.institutions import KeySource

MOST_BYTES = 65_536
MOST_KEYS = 100
MOST_LABEL = 128
MOST_KEYS_IN_TURN = 9
# A label that no institution has would be a misspelt one, and its key silently software.
_LABEL = re.compile(
    r"root|issuer-\d|status|settle|operator|treasury|treasury/account|ledger|ledger-\d|enforcement|emission-[1-3]"
    r"|bank-\d{1,6}(?:/ca|/inventory)?|register/[a-z0-9-]{1,64}|escrow|loss-reserve",
    re.ASCII,
)
_FIELDS = {"module", "token", "pin_file", "keys"}


@dataclass(frozen=True, slots=True)
class HsmFile:
    """What the file says: the module's library, the token's label, where the PIN is, and the keys by label."""

    module: str
    token: str
    pin_file: str
    keys: Mapping[str, str]

    def pin(self) -> str:
        """The PIN, read anew each time; E_HSM_PIN."""
        return pin_from({PIN_FILE_VARIABLE: self.pin_file} if self.pin_file else os.environ)

    def open(self) -> Hsm:
        """The module, opened, and opened again after a failure; raises what `Hsm` raises, and E_HSM_PIN."""
        return Hsm(self.module, self.token, self.pin)

    def source(self, hsm: Hsm, otherwise: KeySource, new: bool) -> KeySource:
        """The keys of the file from the opened module, all others from `otherwise`.

        A `new` sandbox may make them there; E_HSM_KEY_MISSING when an existing one does not find its own.
        """
        return hsm.source(otherwise, _with_later(self.keys), make=new)


def _with_later(keys: Mapping[str, str]) -> dict[str, str]:
    """The keys of the file, and those that follow the ledger's first and the issuer's first."""
    kept = dict(keys)
    for first, office in (("ledger", "ledger"), ("issuer-1", "issuer")):
        own = keys.get(first)
        if own is not None:
            later = range(2, MOST_KEYS_IN_TURN + 1)
            kept = {f"{office}-{number}": f"{own}-{number}" for number in later} | kept
    return kept


def read_hsm_file(path: Path) -> HsmFile:
    """The file at `path`; E_HSM_FILE."""

    def wrong(problem: str) -> Malformed:
        return Malformed("E_HSM_FILE", file=path.name, problem=problem)

    try:
        with open(path, "rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise wrong(getattr(error, "strerror", None) or "it cannot be read") from None
    try:
        told: dict[str, Any] = tomllib.loads(data.decode("utf-8")) if len(data) <= MOST_BYTES else {}
    except (ValueError, RecursionError):
        raise wrong("it is no TOML") from None
    if not _FIELDS - {"pin_file"} <= set(told) <= _FIELDS:
        # Names only: a value may be a PIN that somebody wrote where it does not belong.
        raise wrong("it has module, token and keys, may have pin_file, and has nothing else")
    keys = told["keys"]
    if not isinstance(keys, dict) or not 0 < len(keys) <= MOST_KEYS:
        raise wrong("keys is a table with 1 to 100 rows")
    texts = [told["module"], told["token"], told.get("pin_file", "-"), *keys.values()]
    if not all(type(text) is str and 0 < len(text) <= 4_096 and "\0" not in text for text in texts):
        raise wrong("a value is no text, or empty")
    kept = _with_later(keys)
    if any(len(label) > MOST_LABEL for label in (*kept, *kept.values())):
        raise wrong("a label has more than 128 letters, the ending of the keys that follow it included")
    for label in keys:
        if not _LABEL.fullmatch(label):
            raise wrong(f"no institution has a key {label[:40]}")
    if len(set(kept.values())) != len(kept):
        raise wrong("two keys have one label in the module; the key that follows x there is x-2, and so on")
    return HsmFile(told["module"], told["token"], told.get("pin_file", ""), keys)
