"""A page of a report as the tests of it read it: one language of it, English unless they say otherwise."""

from typing import Any

from tests.wallets.html_tree import Element, Page, read
from tests.wallets.report_sample import sample
from wallets.pilot.page import language_body
from wallets.pilot.tongue import tongue


def page_in(language: str, report: dict[str, Any]) -> Page:
    """One language of the page of a report."""
    return read(str(language_body(tongue(language), report)))


def page_of(**changes: Any) -> Page:
    """The English page of a small report with some keys changed; None takes a key out."""
    report = sample(3, 4) | changes
    return page_in("en", {key: value for key, value in report.items() if value is not None})


def sections(page: Page) -> list[str]:
    return [str(section.attributes["id"]).partition("-")[2] for section in page.all("section")]


def section(page: Page, name: str) -> str:
    language = page.elements[0].attributes["lang"]
    return " ".join(page.one("section", id=f"{language}-{name}").text.replace("\u00a0", " ").split())


def styled(page: Page, style: str) -> list[Element]:
    return [e for e in page.elements if style in str(e.attributes.get("class")).split()]


def told(element: Element) -> str:
    return element.text.replace("\u00a0", " ")


def banner(page: Page) -> str:
    (found,) = styled(page, "banner")
    return told(found)
