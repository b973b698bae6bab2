"""The papers of a payment in a script: documents by name and number, and the lines of what is paid for.

documents = [["act", "i + 1"]]
lines = [[101, 2, "2 * price"], [205, 1, "milk"]]      # item, quantity, amount; a line of quantity 0 is left out
"""

from collections.abc import Sequence
from typing import Any

from cbdc.clause import BasketLine
from wallets.desk import derived
from wallets.pilot.play import Arguments


def document_id(reference: Sequence[Any], number: int) -> bytes:
    """The 32-byte id of a document by its name and number: what its hash would be."""
    return derived("document", str(reference[0]), number)


def reference_of(arguments: Arguments, reference: Any, i: int) -> bytes:
    """The document that member i names, ["name", number], or nothing; E_VERB for another shape."""
    if not reference:
        return b""
    if not isinstance(reference, list) or len(reference) != 2:
        raise arguments.wrong('a document is written as ["name", number]')
    return document_id(reference, arguments.at(reference[1], i))


def documents_of(arguments: Arguments, references: Any, i: int) -> tuple[bytes, ...]:
    """The documents that member i names: [["name", number], ...]; E_VERB for another shape."""
    if not isinstance(references, list):
        raise arguments.wrong('documents are written as [["name", number], ...]')
    return tuple(reference_of(arguments, reference, i) for reference in references)


def lines_of(arguments: Arguments, rows: Any, i: int) -> tuple[BasketLine, ...]:
    """The lines of member i: [[item, quantity, amount], ...], each an expression; E_VERB for another shape."""
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 3 for row in rows):
        raise arguments.wrong("lines are written as [[item, quantity, amount], ...]")
    lines = (BasketLine(*(arguments.at(part, i) for part in row)) for row in rows)
    return tuple(line for line in lines if line.quantity)
