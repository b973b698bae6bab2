"""Documents: the pages that must be there are, and every link leads somewhere."""

import re
import urllib.parse
from pathlib import Path

import pytest

from tests.house.tree import ROOT, text_files, without_fences

PAGES = ("architecture.md", "glossary.md", "errors.md", "limits.md", "protocol/README.md", "tutorial.md")

_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_DEFINED = re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)", re.MULTILINE)
_TITLE = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def links(markdown: str) -> list[str]:
    """Every link and picture of the prose that stays inside the repository."""
    prose = without_fences(markdown)
    targets = _LINK.findall(prose) + _DEFINED.findall(prose)
    return [target for target in targets if not _ELSEWHERE.match(target)]


def anchors(markdown: str) -> set[str]:
    """What `#...` may name on a page: its headings as code hosts spell them, and written anchors."""
    found = set(_ANCHOR.findall(markdown))
    for title in _TITLE.findall(_fences_blanked(markdown)):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        count = 0
        while (slug if not count else f"{slug}-{count}") in found:
            count += 1
        found.add(slug if not count else f"{slug}-{count}")
    return found


def _fences_blanked(markdown: str) -> str:
    # Inline code belongs to a heading's name; fenced blocks hold comments that only look like headings.
    return re.sub(r"^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1\s*$", "", markdown, flags=re.MULTILINE | re.DOTALL)


def dead_links(page: Path, root: Path = ROOT) -> list[str]:
    """Each link of a page that leads nowhere, or out of the repository."""
    problems: list[str] = []
    for link in links(page.read_text(encoding="utf-8")):
        name, _, anchor = urllib.parse.unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        inside = target.is_relative_to(root) and target.exists()
        named = not anchor or target.suffix != ".md"
        if not inside or not (named or anchor in anchors(target.read_text(encoding="utf-8"))):
            problems.append(link)
    return problems


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_there(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8").startswith("# ")


def test_every_link_leads_somewhere() -> None:
    pages = [ROOT / name for name, _ in text_files() if name.endswith(".md")]
    assert {str(page.relative_to(ROOT)): dead for page in pages if (dead := dead_links(page))} == {}


# --- the checkers can fail ---


def test_dead_links_are_seen(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/other.md").write_text(
        "# Two words, `code`\n## Бір сөз\n# Twice\n# Twice\n", encoding="utf-8"
    )
    page = tmp_path / "docs/page.md"
    page.write_text(
        "# Here\n"
        "[a](other.md) [b](other.md#two-words-code) [c](#here) [d](https://example.kz/x) [e](mailto:a@b)\n"
        '![f](../docs/other.md "title") [g](other.md#бір-сөз) [h](other.md#twice-1) `[code](nowhere.md)`\n'
        "```\n[fenced](nowhere.md)\n```\n"
        "[i](nowhere.md) [j](other.md#nothing) [k](../../outside.md)\n\n[l]: gone.md\n",
        encoding="utf-8",
    )
    assert dead_links(page, tmp_path) == ["nowhere.md", "other.md#nothing", "../../outside.md", "gone.md"]
