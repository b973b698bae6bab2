"""Parts of documents and of the wallet's page that are made from the code, each between two comments.

    <!-- made: vector encoding/N3-uint16 -->
    ...
    <!-- /made -->

python -m tests.house.made            names each page and what is made in it
python -m tests.house.made --write    makes every part anew
python -m tests.house.made --check    fails where a page is not current

What is between the comments is made by a maker with the word after `made:`; the rest of the line is its argument.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.house import (
    made_api,
    made_by_hand,
    made_cards,
    made_element,
    made_exercises,
    made_lab,
    made_links,
    made_losses,
    made_modules,
    made_objects,
    made_pilots,
    made_policies,
    made_protocol,
    made_refusals,
    made_systems,
)
from tests.house.tree import ROOT

Maker = Callable[[str], str]

MAKERS: Mapping[str, Maker] = {
    **made_api.MAKERS,
    **made_by_hand.MAKERS,
    **made_cards.MAKERS,
    **made_element.MAKERS,
    **made_exercises.MAKERS,
    **made_links.MAKERS,
    **made_lab.MAKERS,
    **made_losses.MAKERS,
    **made_modules.MAKERS,
    **made_objects.MAKERS,
    **made_protocol.MAKERS,
    **made_pilots.MAKERS,
    **made_policies.MAKERS,
    **made_refusals.MAKERS,
    **made_systems.MAKERS,
}

_PART = re.compile(
    r"^<!-- made: (?P<maker>\S+)(?: (?P<argument>[^\n]*?))? -->\n.*?^<!-- /made -->$",
    re.MULTILINE | re.DOTALL,
)
_OPENING = re.compile(r"^<!-- made: ", re.MULTILINE)


def parts(text: str) -> list[tuple[str, str]]:
    """(maker, argument) of every made part of a page, in order."""
    return [(found["maker"], found["argument"] or "") for found in _PART.finditer(text)]


def refreshed(text: str, makers: Mapping[str, Maker] = MAKERS) -> str:
    """The page with every made part made anew; `ValueError` for an unknown maker or a part that is not closed."""
    if len(_OPENING.findall(text)) != len(parts(text)):
        raise ValueError("a made part is not closed, or stands inside another")

    def make(found: re.Match[str]) -> str:
        maker, argument = found["maker"], found["argument"] or ""
        if maker not in makers:
            raise ValueError(f"nothing makes {maker!r}; there are {', '.join(sorted(makers))}")
        opening = found[0].partition("\n")[0]
        return f"{opening}\n\n{makers[maker](argument).strip()}\n\n<!-- /made -->"

    return _PART.sub(make, text)


def pages(root: Path = ROOT) -> Iterator[Path]:
    """Every page of docs/ in which something is made, and the wallet's own page."""
    for page in [*sorted((root / "docs").rglob("*.md")), *(root / "wallets/site/static").rglob("index.html")]:
        if _OPENING.search(page.read_text(encoding="utf-8")):
            yield page


def differences(page: Path) -> list[str]:
    """What making the page anew would change, as the lines of a difference."""
    written = page.read_text(encoding="utf-8")
    lines = difflib.unified_diff(
        written.splitlines(), refreshed(written).splitlines(), "written", "made", lineterm="", n=1
    )
    return list(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.house.made", description="made parts of documents")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="make every part anew")
    how.add_argument("--check", action="store_true", help="fail where a page is not current")
    chosen = parser.parse_args(arguments)
    stale = 0
    for page in pages():
        text = page.read_text(encoding="utf-8")
        name = page.relative_to(ROOT)
        if chosen.write:
            page.write_text(refreshed(text), encoding="utf-8")
        elif chosen.check:
            lines = differences(page)
            stale += bool(lines)
            sys.stdout.write("\n".join([f"{name}:", *lines, ""]) if lines else f"{name} is current\n")
        else:
            told = ", ".join(f"{maker} {argument}".strip() for maker, argument in parts(text))
            sys.stdout.write(f"{name}: {told}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
