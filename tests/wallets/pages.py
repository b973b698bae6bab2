"""A page of a report as the tests of it read it."""

from typing import Any

from tests.wallets.html_tree import Element, Page, read
from tests.wallets.report_sample import sample
from wallets.pilot.page import render


def page_of(**changes: Any) -> Page:
    """The page of a small report with some keys changed; None takes a key out."""
    report = sample(3, 4) | changes
    return read(render({key: value for key, value in report.items() if value is not None}))


def sections(page: Page) -> list[str]:
    return [str(section.attributes["id"]) for section in page.all("section")]


def section(page: Page, name: str) -> str:
    return " ".join(page.one("section", id=name).text.replace("\u00a0", " ").split())


def styled(page: Page, style: str) -> list[Element]:
    return [e for e in page.elements if style in str(e.attributes.get("class")).split()]


def told(element: Element) -> str:
    return element.text.replace("\u00a0", " ")


def banner(page: Page) -> str:
    (found,) = styled(page, "banner")
    return told(found)
