"""What the grader asks: five files that deceive five clerks, the codes that refuse them, and a court."""

import random
from typing import Any

from frames import cases, proven, story_of
from townhall import CLERKS, Town

from cbdc.errors import TengeError
from wallets.exercises.asking import need
from wallets.exercises.labs import Key
from wallets.exercises.line import Raised, Student


def _deceived(student: Student, seed: int, clerk: str) -> None:
    """The clerk condemns the honest shop, for his own weakness and no other; the product does not."""
    town = Town(seed)
    file = getattr(student, f"for_{clerk}")(town)
    need(isinstance(file, bytes), "file_is_bytes")
    condemned = town.judge(clerk, file)
    need(condemned == town.shop, "not_condemned", clerk=clerk, name=condemned or "-", shop=town.shop)
    for other in CLERKS:
        need(other == clerk or not town.judge(other, file), "another_weakness", clerk=clerk, other=other)
    try:
        town.product(file)
    except TengeError as error:
        student.note(error.code, str(error.facts.get("problem", "")), "offline.evidence")
        return
    need(False, "product_proves")


def test_for_twins(student: Student, seed: int) -> None:
    _deceived(student, seed, "twins")


def test_for_cover(student: Student, seed: int) -> None:
    _deceived(student, seed, "cover")


def test_for_paper(student: Student, seed: int) -> None:
    _deceived(student, seed, "paper")


def test_for_voice(student: Student, seed: int) -> None:
    _deceived(student, seed, "voice")


def test_for_calendar(student: Student, seed: int) -> None:
    _deceived(student, seed, "calendar")


def _said(town: Town, file: bytes) -> str:
    try:
        town.product(file)
    except TengeError as error:
        first = str(error.facts.get("problem", "")).split(":")[0]
        return first if first.startswith("E_") else error.code
    return "proven"


def test_read_refusals(student: Student, seed: int) -> None:
    found, chance = cases(seed), random.Random(seed)
    files = [file for part in found.framed.values() for file in part.values()]
    files = chance.sample(files, 12) + list(found.real.values())
    chance.shuffle(files)
    right = [_said(found.town, file) for file in files]
    answer = student.read_refusals(found.town, files)
    need(isinstance(answer, list) and len(answer) == len(right), "one_each", answer=repr(answer)[:60])
    for said, told in zip(right, answer, strict=True):
        need(said == told, "product_says", right=said, answer=repr(told)[:40])


# --- part 2: the student's court, file by file, real cases between the frames ---


def _asked(student: Student, file: bytes, town: Town) -> Any:
    """What the court says; None when it proves nothing."""
    try:
        return student.verdict(file, town.root)
    except Raised as error:
        if error.is_a("NotImplementedError"):
            raise
        if error.is_a("NotProven", "TengeError"):
            return None
        need(False, "fell_over", kind=error.kinds[0], text=error.text[:100], line=error.line)


def _held(student: Student, seed: int, part: str) -> None:
    found, chance = cases(seed), random.Random(seed + 2)
    town, names = found.town, {one.record.kid: name for name, one in found.town.certificates.items()}
    asked = [*((part, name, file) for name, file in found.framed[part].items())]
    asked += [("", name, file) for name, file in found.real.items()]
    chance.shuffle(asked)
    for group, name, file in asked:
        answer = _asked(student, file, town)
        right = proven(town, file)
        if group:
            accused = answer[1] if isinstance(answer, tuple) and len(answer) > 1 else b""
            who = names.get(accused, "?") if isinstance(accused, bytes) else "?"
            need(answer is None, "honest_condemned", name=who, story=Key(f"story.{story_of(group, name)}"))
            continue
        need(answer is not None, "guilty_free", name=town.cheat, story=Key(f"story.{name.split('_too')[0]}"))
        kinds = [type(one) for one in answer] if isinstance(answer, tuple) else []
        need(kinds == [int, bytes, int], "verdict_form", answer=repr(answer)[:60])
        need(answer[1] == right[1], "wrong_one", name=names.get(answer[1], "?"), right=town.cheat)
        need(
            answer == right,
            "wrong_verdict",
            right=f"{right[0]}, {right[2]}",
            answer=f"{answer[0]}, {answer[2]}",
        )


def test_court_believes_signed_bodies(student: Student, seed: int) -> None:
    student.note("5.10, E1", "two ids of one device over one outpoint; a signature is no part of an id")
    _held(student, seed, "papers")


def test_court_hears_the_accused_alone(student: Student, seed: int) -> None:
    student.note("decision 24", "a proof rests on the accused's own words")
    _held(student, seed, "voices")


def test_court_asks_the_chain(student: Student, seed: int) -> None:
    student.note("V3", "ROOT signs the bank, the bank signs the device, the device signs the words")
    _held(student, seed, "chain")


def test_court_asks_what_came_first(student: Student, seed: int) -> None:
    student.note("5.10, E3", "held and spent: the transfer's counter is not above the statement's")
    _held(student, seed, "time")


def test_court_does_not_fall_over(student: Student, seed: int) -> None:
    _held(student, seed, "forms")
