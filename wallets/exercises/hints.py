"""Hints, one more each time: from a nudge to nearly the answer.

How many were told is kept in the student's folder (`hints.txt`), a line for each; without a folder the first is told.
"""

from pathlib import Path

from cbdc.errors import Refused
from wallets.exercises.folder import Place, mark

KEPT = "hints.txt"


def told(place: Place, about: str, number: int | None, language: str) -> list[str]:
    """The next hint (or `number`, from 1), with how many there are; E_EXERCISE_HINT when there is none."""
    lab = place.lab
    hints = [one for one in lab.hints if not about or one.about == about]
    kept = place.folder / KEPT if mark(place.folder) else None
    if number is None:
        number = _asked(kept, about) + 1
        if hints and number > len(hints):
            number = len(hints)
    if not 1 <= number <= len(hints):
        known = ", ".join(sorted({one.about for one in lab.hints if one.about}))
        raise Refused("E_EXERCISE_HINT", name=lab.name, number=number, count=len(hints), known=known or "-")
    hint = hints[number - 1]
    if kept is not None and number > _asked(kept, about):
        with kept.open("a", encoding="utf-8") as file:
            file.write(f"{about or '*'}\n")
    text = lab.say(hint.text, language, f"hint {number}")
    where = f"{hint.about}: " if hint.about else ""
    return [f"{number}/{len(hints)} {where}{text}"]


def _asked(kept: Path | None, about: str) -> int:
    if kept is None or not kept.is_file():
        return 0
    return kept.read_text(encoding="utf-8").split().count(about or "*")
