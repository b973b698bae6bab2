"""HTML and SVG as values: what is not already markup is escaped, so no text of a report can become a tag.

Rules kept here:

- a `str` handed to `tag` is text and is escaped; only `Markup`, which `tag` itself makes, passes unchanged;
- characters that a browser would not show as they stand (controls, half surrogates, marks that turn the direction of
  the text around) become U+FFFD, so that a title cannot pretend to be another one;
- attributes keep the order in which they are given: the same report gives the same bytes.
"""

import html
import re
from collections.abc import Iterable
from typing import TypeAlias

_VOID = frozenset({"br", "col", "hr", "input", "meta"})

# Controls except tab and newline; surrogates; the embeddings, overrides and isolates of the bidirectional algorithm.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child: TypeAlias = "str | int | Iterable[Child] | None"


def escape(value: object) -> Markup:
    """Any value as text that is safe between tags and inside a quoted attribute."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(_UNSHOWABLE.sub("\ufffd", str(value)), quote=True))


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """One element with its attributes and children.

    `class_` is written `class` and `aria_label` `aria-label`; an attribute that is None or False is left out and one
    that is True stands bare. Children may be nested lists; None is nothing.
    """
    start = f"<{name}{''.join(_attributes(attributes))}>"
    if name in _VOID:
        assert not children, f"{name} has no content"
        return Markup(start)
    return Markup(f"{start}{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Children one after another, without an element around them."""
    return Markup("".join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str | int):
            yield escape(child)
        else:
            yield from _flat(child)


def _attributes(attributes: dict[str, str | int | bool | None]) -> Iterable[str]:
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = name.removesuffix("_").replace("_", "-")
        yield f" {written}" if value is True else f' {written}="{escape(value)}"'
