"""A student's folder: begun, looked after, and put back to the stub without losing anything.

    begin    DIR/NAME with the lab's page, its stub and its code, and `lab.txt` that names the lab and the language
    reset    the stub again; what stood there is kept beside it as exercise.1.py, exercise.2.py ...
    located  the lab and the folder that a command means: by name, or by the folder it is called in

Nothing is ever written over: a folder that holds an answer is refused.
"""

import os
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cbdc.errors import LANGUAGES, Refused
from wallets.exercises.labs import ANSWER, ENGLISH, Lab, all_labs, find_lab

MARK = "lab.txt"
DEFAULT_FOLDER = Path("exercises")
PAGE = "README.md"


@dataclass(frozen=True, slots=True)
class Place:
    """A lab, the folder of somebody's answer to it, and the language of that folder."""

    lab: Lab
    folder: Path
    language: str

    @property
    def answer(self) -> Path:
        """The one file that is graded."""
        return self.folder / ANSWER


def begin(lab: Lab, parent: Path, language: str) -> Place:
    """Make the folder; E_EXERCISE_BEGUN when there is one already. It appears whole or not at all."""
    folder = parent / lab.name
    if folder.exists():
        raise Refused("E_EXERCISE_BEGUN", folder=folder.as_posix(), name=lab.name)
    parent.mkdir(parents=True, exist_ok=True)
    growing = parent / f".{lab.name}.{os.getpid()}"
    shutil.rmtree(growing, ignore_errors=True)
    try:
        growing.mkdir()
        for file in (*lab.given(), lab.folder / ANSWER):
            shutil.copyfile(file, growing / file.name)
        (growing / PAGE).write_text(page_of(lab, language), encoding="utf-8")
        (growing / MARK).write_text(f"{lab.name}\n{language}\n", encoding="utf-8")
        growing.rename(folder)
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return Place(lab, folder, language)


def page_of(lab: Lab, language: str) -> str:
    """The page with its links leading to the documents of this installation, wherever the copy stands."""
    documents = lab.folder.parent.parent.as_posix()
    text = lab.page(language).read_text(encoding="utf-8")
    return text.replace("](../../", f"]({documents}/").replace("](../", f"]({documents}/exercises/")


def reset(place: Place) -> Path | None:
    """Put the stub back, and the lab's own code; the kept copy of the answer, unless it was the stub anyway."""
    stub = place.lab.folder / ANSWER
    kept: Path | None = None
    for file in place.lab.given():
        shutil.copyfile(file, place.folder / file.name)
    if place.answer.is_file() and place.answer.read_bytes() != stub.read_bytes():
        free = (place.folder / f"exercise.{number}.py" for number in count(1))
        kept = next(path for path in free if not path.exists())
        place.answer.rename(kept)
    growing = place.folder / f".{ANSWER}.{os.getpid()}"
    shutil.copyfile(stub, growing)
    os.replace(growing, place.answer)
    return kept


def mark(folder: Path) -> tuple[str, str] | None:
    """The lab and the language that a folder names, if it is a student's folder."""
    try:
        lines = (folder / MARK).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    language = lines[1] if len(lines) > 1 and lines[1] in LANGUAGES else ENGLISH
    return (lines[0], language) if lines else None


def located(name: str | None, parent: Path | None, here: Path) -> Place:
    """The folder that NAME or the current folder means; E_EXERCISE_WHICH, or E_EXERCISE_NOT_BEGUN."""
    found = mark(here) if parent is None else None
    if name is None:
        if found is None:
            raise Refused("E_EXERCISE_WHICH", known=", ".join(lab.name for lab in all_labs()))
        return Place(find_lab(found[0]), here, found[1])
    lab = find_lab(name)
    if found is not None and find_lab(found[0]).name == lab.name:
        return Place(lab, here, found[1])
    for folder in ((parent,) if parent is not None and mark(parent) else ()) or (
        (parent if parent is not None else here / DEFAULT_FOLDER) / lab.name,
        *(() if parent is not None else (here / lab.name,)),
    ):
        told = mark(folder)
        if told is not None:
            return Place(lab, folder, told[1])
    asked = parent if parent is not None else DEFAULT_FOLDER
    raise Refused("E_EXERCISE_NOT_BEGUN", name=lab.name, folder=(asked / lab.name).as_posix())
