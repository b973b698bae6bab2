"""The sentences of refusals that the wallet's page speaks with no network: one JSON file a language.

    python -m tests.house.wallet_refusals --write

A code belongs to it when a script of the site names it as a whole text. Everything is taken from `cbdc.errors`.
"""

import json
import re
import sys
from pathlib import Path

from cbdc.errors import catalogue, phrases, words_of
from tests.conftest import ROOT

STATIC = ROOT / "wallets" / "site" / "static"
FOLDER = STATIC / "wallet" / "refusals"
LANGUAGES = ("en", "kk", "ru")
_CODE = re.compile(r'"(E_[A-Z0-9_]+)"')


def codes() -> list[str]:
    """Every code that a script of the wallet names, in order."""
    found: set[str] = set()
    for folder in ("wallet", "device", "protocol"):
        for path in sorted((STATIC / folder).rglob("*.js")):
            found.update(_CODE.findall(path.read_text(encoding="utf-8")))
    return sorted(found)


def page(language: str) -> str:
    """The file of one language."""
    entries = catalogue(language)
    rows = {code: [entries[code].sentence, entries[code].next, entries[code].rule] for code in codes()}
    content = {
        "codes": rows,
        "phrases": dict(sorted(phrases(language).items())),
        "categories": dict(words_of(language)["category"]),
    }
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def path_of(language: str) -> Path:
    """Where the file of a language is."""
    return FOLDER / f"{language}.json"


if __name__ == "__main__" and "--write" in sys.argv:
    FOLDER.mkdir(exist_ok=True)
    for one in LANGUAGES:
        path_of(one).write_text(page(one), encoding="utf-8")
