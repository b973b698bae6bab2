"""What a script says in Kazakh and Russian, beside the English that every script has.

    [pilot]      title_kk, title_ru, summary_kk, summary_ru, source_kk, source_ru, simulated_kk, simulated_ru
    [[step]]     text_kk, text_ru
    [[expect]]   name_kk, name_ru
    [[parameter]] note_kk, note_ru

All are optional. They are taken out of the script before it is read, so nothing that plays depends on them, and are
found again by the English text they translate: a step that stands on twenty days is translated once. Where there is no
translation the report shows the English text and marks it as English.

Raises E_SCRIPT with the place: a translation that is no text, one of a text that the script does not have, and two
different translations of one text.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cbdc.errors import Malformed

LANGUAGES = ("kk", "ru")
KEYS: Mapping[str, tuple[str, ...]] = {
    "pilot": ("title", "summary", "source", "simulated"),
    "step": ("text",),
    "expect": ("name",),
    "parameter": ("note",),
}

Translations = Mapping[str, Mapping[str, str]]


def take(file: str, table: Mapping[str, Any]) -> tuple[dict[str, Any], Translations]:
    """The script without its translations, and these by English text and language."""
    found: dict[str, dict[str, str]] = {}
    plain = dict(table)
    for section, keys in KEYS.items():
        rows = table.get(section)
        if isinstance(rows, dict):
            plain[section] = _take_row(file, f"[{section}]", rows, keys, found)
        elif isinstance(rows, list):
            plain[section] = [
                _take_row(file, f"[[{section}]] number {number}", row, keys, found)
                for number, row in enumerate(rows, start=1)
            ]
    return plain, found


def _take_row(
    file: str, place: str, row: Any, keys: tuple[str, ...], found: dict[str, dict[str, str]]
) -> Any:
    """A row without its translations; what is no table stays as it is, to be refused by its reader."""
    if not isinstance(row, dict):
        return row
    rest = dict(row)
    for key in keys:
        for language in LANGUAGES:
            own = rest.pop(f"{key}_{language}", None)
            for english, text in _pairs(file, place, key, row.get(key), own) if own is not None else ():
                if found.setdefault(english, {}).setdefault(language, text) != text:
                    problem = f"{key}_{language}: another translation of the same text stands above"
                    raise Malformed("E_SCRIPT", file=file, place=place, problem=problem)
    return rest


def _pairs(file: str, place: str, key: str, english: Any, own: Any) -> Iterator[tuple[str, str]]:
    """The English text and its translation; of a list, one pair for each line."""
    lines, texts = (one if isinstance(one, list) else [one] for one in (english, own))
    like = isinstance(english, list) == isinstance(own, list) and len(lines) == len(texts)
    if not like or not all(isinstance(one, str) and one for one in (*lines, *texts)):
        problem = f"the translation of {key} must have its form: a text for a text, as many lines for a list"
        raise Malformed("E_SCRIPT", file=file, place=place, problem=problem)
    yield from zip(lines, texts, strict=True)


def told(translations: Translations, **texts: str) -> dict[str, str]:
    """Each text under its name, and its translations under `name_kk` and `name_ru` where there are any."""
    row: dict[str, str] = {}
    for name, text in texts.items():
        row[name] = text
        row |= {f"{name}_{language}": own for language, own in translations.get(text, {}).items()}
    return row
