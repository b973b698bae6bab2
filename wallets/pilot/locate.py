"""Where in a script's file a mistake is: the line and column of every section, row and key.

Places are written as the readers of scripts write them: `[pilot]`, `[[step]] number 3`, `[[mark]] number 1, rule
number 2`. The file was read by the TOML library before; here its lines are only looked at, with an eye for texts and
lists that go over several lines.
"""

import re
from collections.abc import Iterator

_HEADER = re.compile(r"\s*(\[\[?)\s*([\w.\"' -]+?)\s*\]")
_KEY = re.compile(r"""\s*([\w-]+|"[^"]*"|'[^']*')\s*=""")
_INSIDE = re.compile(r"^(.*?), (\w+) number (\d+)$")


class Places:
    """The positions in one file; lines and columns count from 1."""

    def __init__(self, text: str) -> None:
        self._at: dict[tuple[str, str], tuple[int, int]] = {}
        self._read(text)

    def _read(self, text: str) -> None:
        place, counts = "", dict[str, int]()
        for number, line in _statements(text):
            header = _HEADER.match(line)
            if header is not None:
                place = _place(header[2].split("."), header[1] == "[[", counts)
                self._at.setdefault((place, ""), (number, line.index("[") + 1))
                continue
            key = _KEY.match(line)
            if key is not None:
                self._at.setdefault((place, key[1].strip("\"'")), (number, key.start(1) + 1))

    def find(self, place: str, key: str = "") -> tuple[int, int]:
        """The line and column of a key of a place, or else of the place, of what it stands in, or of the file."""
        while place:
            for found in ((place, key), (place, "")):
                if found in self._at:
                    return self._at[found]
            outer = _INSIDE.match(place)
            place = outer[1] if outer else ""
        return self._at.get(("", key), (1, 1))

    def has(self, place: str, key: str) -> bool:
        """Whether this key stands at this place."""
        return (place, key) in self._at


def _place(path: list[str], double: bool, counts: dict[str, int]) -> str:
    """The readers' name of a section, and its number when it is one of many."""
    whole = ".".join(path)
    if double:
        counts[whole] = counts.get(whole, 0) + 1
        for inner in [name for name in counts if name.startswith(whole + ".")]:
            del counts[inner]
    first = path[0]
    place = f"[[{first}]] number {counts[first]}" if first in counts else f"[{first}]"
    for depth in range(1, len(path)):
        name = ".".join(path[: depth + 1])
        place += f", {path[depth]} number {counts[name]}" if name in counts else f", {path[depth]}"
    return place


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each line on which something begins, with its number: not those inside a list or a long text."""
    quote, depth = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not quote and not depth:
            yield number, line
        header = not quote and not depth and _HEADER.match(line)
        if not header:
            quote, depth = _after(line, quote, depth)


def _after(line: str, quote: str, depth: int) -> tuple[str, int]:
    """The open quote and the number of open brackets behind a line."""
    place = 0
    while place < len(line):
        if quote:
            if line[place] == "\\" and quote.startswith('"'):
                place += 2
                continue
            if line.startswith(quote, place):
                place += len(quote)
                quote = ""
                continue
        elif line[place] == "#":
            break
        elif line[place] in "\"'":
            quote = line[place] * (3 if line.startswith(line[place] * 3, place) else 1)
            place += len(quote)
            continue
        else:
            depth += (line[place] in "[{") - (line[place] in "]}")
        place += 1
    return (quote if len(quote) == 3 else ""), max(0, depth)
