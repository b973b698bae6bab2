"""Reads a page strictly: every element that opens must close in its place."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"br", "col", "hr", "input", "meta"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str | None]
    parent: "Element | None"
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def within(self, name: str) -> bool:
        return self.parent is not None and (self.parent.name == name or self.parent.within(name))


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.odd: list[str] = []
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"{tag} names an attribute twice"
        element = Element(tag, dict(attrs), self._open[-1] if self._open else None)
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop().name == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.pieces.append(data)

    def handle_comment(self, data: str) -> None:
        self.odd.append(data)

    def handle_pi(self, data: str) -> None:
        self.odd.append(data)

    def unknown_decl(self, data: str) -> None:
        self.odd.append(data)

    def close(self) -> None:
        super().close()
        assert not self._open, f"{self._open[-1].name} is left open"
        assert not self.odd, self.odd

    @property
    def names(self) -> list[str]:
        return [element.name for element in self.elements]

    @property
    def text(self) -> str:
        return self.elements[0].text if self.elements else ""

    def all(self, name: str, **attributes: str) -> list[Element]:
        wanted = {key.removesuffix("_"): value for key, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.name == name and wanted.items() <= element.attributes.items()
        ]

    def one(self, name: str, **attributes: str) -> Element:
        found = self.all(name, **attributes)
        assert len(found) == 1, f"{len(found)} of {name} {attributes}"
        return found[0]


def read(text: str) -> Page:
    """The elements of `text` in order; fails when they are not nested as they should be."""
    page = Page()
    page.feed(text)
    page.close()
    return page
