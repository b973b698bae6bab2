"""What a planted bug is: a place, the text that stands there, the text that takes its place, and what it would mean."""

from collections.abc import Sequence
from dataclasses import dataclass

Row = tuple[str, str, str, str] | tuple[str, str, str, str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Plant:
    """One bug. `text` stands in `file` exactly once; `tests` are the files or test ids that should find it."""

    name: str
    means: str
    file: str
    text: str
    becomes: str
    tests: tuple[str, ...]

    def planted(self, source: str) -> str:
        """The source with the bug in it; `ValueError` unless the text stands there exactly once."""
        count = source.count(self.text)
        if count != 1:
            raise ValueError(f"{self.name}: its text stands {count} times in {self.file}, not once")
        return source.replace(self.text, self.becomes)


@dataclass(frozen=True, slots=True)
class Field:
    """The bugs of one part of the system, under one heading."""

    title: str
    plants: tuple[Plant, ...]


def bugs(file: str, tests: Sequence[str], *rows: Row) -> tuple[Plant, ...]:
    """Plants in one file, each (name, meaning, text, what it becomes), with tests of its own as a fifth if need be."""
    return tuple(
        Plant(row[0], row[1], file, row[2], row[3], tuple(row[4] if len(row) == 5 else tests)) for row in rows
    )
