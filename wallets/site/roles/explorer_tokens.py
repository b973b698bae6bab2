"""A token's history as a graph: from the issue that made its money, through splits and merges, to where it is now.

Backwards every token that was spent to make it is followed, and what made that one; forwards everything that was made
of it. A history that grows past a bound is cut there, and the page says so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cbdc.errors import Refused
from cbdc.money import format_tenge
from cbdc.token import TokenId
from wallets.site.following import Following, following
from wallets.site.graph_chart import Edge, Node, drawing
from wallets.site.operations import N_, Asked, Json, Operation, Query
from wallets.site.roles.explorer import ROLE
from wallets.site.roles.watching import KINDS, line_row, mark_label, mark_row, party

MOST_ENTRIES = 40
_TOKEN = re.compile(r"([0-9a-f]{64}):(\d{1,3})", re.ASCII)


@dataclass(slots=True)
class History:
    """The part of the journal that a token's money went through: entries and tokens, and whether it was cut."""

    entries: set[int] = field(default_factory=set)
    tokens: set[TokenId] = field(default_factory=set)
    cut: bool = False


def read_token(book: Following, text: str) -> TokenId:
    """The token that the text names (id of a transaction, colon, number of the output); E_EXPLORER_UNKNOWN."""
    match = _TOKEN.fullmatch(text.strip().lower())
    identity = TokenId(bytes.fromhex(match[1]), int(match[2])) if match else None
    if identity is None or identity not in book.tokens:
        raise Refused("E_EXPLORER_UNKNOWN", text=text[:80])
    return identity


def history(book: Following, identity: TokenId, most: int = MOST_ENTRIES) -> History:
    """Where a token's money came from and what became of it, at most so many entries each way."""
    found = History({book.tokens[identity].made}, {identity})
    _backwards(book, identity, found, most)
    _forwards(book, identity, found, most)
    return found


def _backwards(book: Following, identity: TokenId, found: History, most: int) -> None:
    waiting = [identity]
    seen = {book.tokens[identity].made}
    while waiting:
        index = book.tokens[waiting.pop(0)].made
        for spent in book.lines[index].spent:
            made = book.tokens[spent].made
            if made not in seen and len(seen) >= most:
                found.cut = True
                continue
            found.tokens.add(spent)
            if made not in seen:
                seen.add(made)
                found.entries.add(made)
                waiting.append(spent)


def _forwards(book: Following, identity: TokenId, found: History, most: int) -> None:
    waiting = [identity]
    seen: set[int] = set()
    while waiting:
        index = book.tokens[waiting.pop(0)].spent
        if not index or index in seen:
            continue
        if len(seen) >= most:
            found.cut = True
            continue
        seen.add(index)
        found.entries.add(index)
        found.tokens.update(book.lines[index].made)
        waiting.extend(book.lines[index].made)


def token(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """One token and its history; E_EXPLORER_UNKNOWN."""
    system = asked.world.system
    book = following(system)
    identity = read_token(book, arguments["token"])
    life = book.tokens[identity]
    found = history(book, identity)
    holder = life.token.lock.holder
    return {
        "id": _name(identity),
        "amount_tiyn": life.token.amount_tiyn,
        "mark": mark_row(book, life.token.mark) if life.token.mark else None,
        "holder": party(system, book.key(holder), holder),
        "made": life.made,
        "spent": life.spent,
        "cut": found.cut,
        "graph": _graph(asked, book, identity, found),
        "steps": [
            {
                **line_row(system, book, book.lines[index]),
                "spends": [_amount(book, one) for one in book.lines[index].spent if one in found.tokens],
                "makes": [_amount(book, one) for one in book.lines[index].made if one in found.tokens],
            }
            for index in sorted(found.entries)
        ],
    }


def _name(identity: TokenId) -> str:
    return f"{identity.transaction_id.hex()}:{identity.output}"


def _amount(book: Following, identity: TokenId) -> Json:
    life = book.tokens[identity]
    return {
        "id": _name(identity),
        "amount_tiyn": life.token.amount_tiyn,
        "mark": mark_label(book, life.token.mark) if life.token.mark else "",
        "spent": life.spent,
    }


def _graph(asked: Asked, book: Following, identity: TokenId, found: History) -> Json:
    """Boxes for entries and for tokens, in turn."""
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for index in sorted(found.entries):
        line = book.lines[index]
        nodes[f"entry {index}"] = Node(f"#{index}", KINDS[line.kind], "", f"/{ROLE}/entry/{index}", "entry")
    for one in sorted(found.tokens, key=lambda one: (book.tokens[one].made, one.output)):
        life = book.tokens[one]
        holder = party(asked.world.system, book.key(life.token.lock.holder), life.token.lock.holder)
        kind = "marked" if life.token.mark else "token"
        kind += "" if life.spent else " unspent"
        title = format_tenge(life.token.amount_tiyn)
        nodes[_name(one)] = Node(
            title, holder["title"], holder["kid"][:8], f"/{ROLE}/token/{_name(one)}", kind, one == identity
        )
        if life.made in found.entries:
            edges.append(Edge(f"entry {life.made}", _name(one)))
        if life.spent in found.entries and life.spent:
            edges.append(Edge(_name(one), f"entry {life.spent}"))
    return drawing(nodes, edges)


OPERATIONS: tuple[Operation, ...] = ()
QUERIES = (Query(ROLE, "token", N_("Token"), token, takes="token", in_menu=False),)
