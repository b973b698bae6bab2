"""XML, strictly: what a message from outside may be, and the one layout in which messages are written.

    <?xml version="1.0" encoding="UTF-8"?>
    <BizMsg xmlns="urn:tenge-sandbox:message:1">
     <AppHdr xmlns="...head.001.001.02"> ... </AppHdr>
     <Document xmlns="..."> ... </Document>
    </BizMsg>

A reader takes bytes of a bounded size, in UTF-8, without document types, entities, comments, CDATA or processing
instructions: nothing that begins with `<!`, and `<?` only in the first line. So there is nothing to expand and nothing
to fetch. The parser (lxml over libxml2) is told the same again. What it gives is checked against a schema of our own,
in `cbdc/rails/schemas`, one for each message; these are not the official schemas (`docs/limits.md`).

A writer writes one element a line, indented by its depth, with text escaped in one way. `cbdc.rails.layout` writes
again what was read and compares every byte, so two texts never mean the same message.
"""

import re
from functools import lru_cache
from importlib import resources
from typing import Any

from lxml import etree

from cbdc.errors import Malformed

MAX_XML_BYTES = 60_000
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
ENVELOPE = "urn:tenge-sandbox:message:1"
ISO = "urn:iso:std:iso:20022:tech:xsd:"
HEADER = "head.001.001.02"


def parse(data: bytes) -> Any:
    """The root element of well-formed, plain XML. Raises E_SIZE before anything is parsed, E_RAILS_XML."""
    if len(data) > MAX_XML_BYTES:
        raise Malformed("E_SIZE", size_bytes=len(data), limit_bytes=MAX_XML_BYTES)
    head = DECLARATION.encode()
    if not data.startswith(head):
        raise Malformed("E_RAILS_XML", problem="it does not begin with the XML declaration in UTF-8")
    if b"<!" in data or b"<?" in data[len(head) :]:
        raise Malformed(
            "E_RAILS_XML", problem="document types, entities, comments and instructions are not taken"
        )
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=False,
        remove_blank_text=False,
    )
    try:
        data.decode("utf-8")
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Malformed("E_RAILS_XML", problem=_plain(str(error))) from None


def _plain(text: str) -> str:
    """A library's words, without namespaces, in letters that every screen has; never more than a line."""
    return re.sub(r"[^\x20-\x7e]", "?", re.sub(r"\{[^}]*\}", "", text)).rstrip(". ")[:120]


@lru_cache(maxsize=32)
def schema(kind: str) -> Any:
    """Our schema of a kind of message, or of the header; E_RAILS_KIND when there is none.

    It is parsed from a file of this package, and what it includes (`common.xsd`) lies beside it.
    """
    folder = resources.files("cbdc.rails").joinpath("schemas")
    if f"{kind}.xsd" not in {item.name for item in folder.iterdir()}:
        raise Malformed("E_RAILS_KIND", kind=kind[:40])
    with resources.as_file(folder) as path:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        return etree.XMLSchema(etree.parse(str(path / f"{kind}.xsd"), parser))


def validate(element: Any, kind: str) -> None:
    """E_RAILS_SCHEMA unless the element is what our schema of `kind` describes; the first problem is told."""
    judge = schema(kind)
    if not judge.validate(element):
        problem = judge.error_log[0]
        raise Malformed("E_RAILS_SCHEMA", kind=kind, line=problem.line, problem=_plain(problem.message))


def split_name(tag: str) -> tuple[str, str]:
    """The namespace and the local name of an element."""
    space, _, name = tag.rpartition("}")
    return space.removeprefix("{"), name


def find(element: Any, path: tuple[str, ...]) -> list[Any]:
    """The elements at a path of local names below an element, in order."""
    found = [element]
    for name in path:
        found = [child for parent in found for child in parent if split_name(child.tag)[1] == name]
    return found


def escape(text: str) -> str:
    """Text as it stands between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Writer:
    """Writes elements in the one layout: opens what a leaf needs, closes what it does not."""

    def __init__(self) -> None:
        self._lines = [DECLARATION]
        self._open: list[str] = []

    def start(self, name: str, namespace: str = "") -> None:
        """Open an element; `namespace` when it and what is in it have another than what is around it."""
        space = f' xmlns="{namespace}"' if namespace else ""
        self._lines.append(f"{' ' * len(self._open)}<{name}{space}>\n")
        self._open.append(name)

    def end(self, depth: int) -> None:
        """Close elements until `depth` are open."""
        while len(self._open) > depth:
            name = self._open.pop()
            self._lines.append(f"{' ' * len(self._open)}</{name}>\n")

    def _within(self, parents: tuple[str, ...], base: int) -> None:
        """Have just `parents` open below the first `base` elements; what is open already is used again."""
        shared = 0
        while self._open[base + shared : base + shared + 1] == list(parents[shared : shared + 1]) != []:
            shared += 1
        self.end(base + shared)
        for name in parents[shared:]:
            self.start(name)

    def item(self, path: tuple[str, ...], base: int) -> None:
        """A new element at `path` below the first `base` open elements, to be filled."""
        self._within(path[:-1], base)
        self.start(path[-1])

    def leaf(self, path: tuple[str, ...], text: str, code: str, base: int) -> None:
        """A leaf at `path` below the first `base` open elements, with a currency beside it unless `code` is empty."""
        self._within(path[:-1], base)
        currency = f' Ccy="{code}"' if code else ""
        self._lines.append(f"{' ' * len(self._open)}<{path[-1]}{currency}>{escape(text)}</{path[-1]}>\n")

    @property
    def depth(self) -> int:
        """How many elements are open."""
        return len(self._open)

    def text(self) -> bytes:
        """Close everything; the bytes."""
        self.end(0)
        return "".join(self._lines).encode()
