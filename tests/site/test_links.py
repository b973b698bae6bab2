"""Every link of every page of every desk leads somewhere; every page of the table is reached by its desk's links."""

import re

from tests.site.visitor import Program, Visitor, opened
from wallets.site.table import TABLE
from wallets.site.users import ROLES

_LINK = re.compile(r'(?:href|src|action)="([^"#]*)')
_FIRST = {
    "person": "aigerim",
    "shop": "dana",
    "bank": "clerk-1",
    "national-bank": "officer-1",
    "register": "registrar",
    "treasury": "treasurer",
    "supervisor": "supervisor",
    "operator": "operator",
}
MOST_PAGES = 400
MOST_ALIKE = 4


def _kind(path: str) -> str:
    """Pages that differ by an id alone are of one kind."""
    return re.sub(r"[0-9a-f]{16,}|\d+", "*", path.partition("?")[0])


def test_every_link_leads_somewhere() -> None:
    with opened() as whole:
        Program(whole, "operator").do("operator", "live", fraud=True)
        Program(whole, "clerk-1").do("bank", "order-tokens", amount_tiyn=100_000)
        visitor = Visitor(whole)
        for user in _FIRST.values():
            visitor.signed_in(user)
        waiting, seen, kinds, broken = ["/", "/explorer/", *(f"/{role}/" for role in ROLES)], set(), {}, []
        while waiting and len(seen) < MOST_PAGES:
            path = waiting.pop(0)
            if path in seen or kinds.get(_kind(path), 0) >= MOST_ALIKE:
                continue
            seen.add(path)
            kinds[_kind(path)] = kinds.get(_kind(path), 0) + 1
            answer = visitor.get(path)
            if answer.status_code != 200:
                broken.append((path, answer.status_code))
                continue
            if answer.mimetype != "text/html":
                answer.close()
                continue
            for link in _LINK.findall(answer.text.replace("&amp;", "&")):
                local = link.startswith("/") and not link.startswith(("//", "/wallet/", "/stage/", "/v1/"))
                if local and "/do/" not in link and "/sign-out/" not in link and not link.endswith("/events"):
                    waiting.append(link)
        assert broken == []
        plain = {_kind(path).rstrip("/") for path in seen}
        missing = [
            query.title
            for query in TABLE.queries.values()
            if query.in_menu
            and not query.takes
            and _kind(f"/{query.role}/{query.name}").rstrip("/") not in plain
        ]
        assert missing == []
