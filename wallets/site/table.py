"""The table of everything that can be seen and done at the sandbox's desks, by role. Role modules list; this collects.

`VISITOR` is whoever looks at the open pages (the explorer): nobody signs in there, and nothing can be changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cbdc.errors import Refused
from wallets.site.operations import Operation, Query
from wallets.site.roles import (
    bank,
    bank_customers,
    bank_inventory,
    bank_limits,
    bank_recovery,
    card_till,
    customer,
    explorer,
    explorer_offline,
    explorer_proofs,
    explorer_seen,
    explorer_tokens,
    national_bank,
    national_bank_acts,
    national_bank_hours,
    national_bank_queue,
    national_bank_settings,
    neighbours,
    operator,
    outages,
    pilots,
    register,
    register_orders,
    supervisor,
    supervisor_audit,
    teacher,
    till,
    treasury,
    treasury_projects,
)
from wallets.site.users import User

EXPLORER_ROLE = "explorer"
OPEN_ROLES = frozenset({EXPLORER_ROLE})
VISITOR = User("visitor", EXPLORER_ROLE, "Visitor")


@dataclass(frozen=True, slots=True)
class Table:
    """Operations and queries by (role, name)."""

    operations: dict[tuple[str, str], Operation]
    queries: dict[tuple[str, str], Query]

    def operation(self, role: str, name: str) -> Operation:
        """The operation; E_SITE_PATH."""
        found = self.operations.get((role, name))
        if found is None:
            raise Refused("E_SITE_PATH")
        return found

    def query(self, role: str, name: str, argument: str | None) -> Query:
        """The query of a page, with or without an argument; E_SITE_PATH."""
        for (owner, _), query in self.queries.items():
            if owner == role and query.name == name and bool(query.takes) == (argument is not None):
                return query
        raise Refused("E_SITE_PATH")

    def roles(self) -> list[str]:
        """Every role that has a page."""
        return list(dict.fromkeys(role for role, _ in self.queries))

    def menu(self, role: str) -> list[Query]:
        """The pages of a role's menu, in their order."""
        return [
            one for (owner, _), one in self.queries.items() if owner == role and one.in_menu and not one.takes
        ]


def make_table(queries: Iterable[Query], operations: Iterable[Operation]) -> Table:
    """A table; names are unique within a role."""
    table = Table({}, {})
    for query in queries:
        assert (query.role, query.key) not in table.queries, query
        table.queries[query.role, query.key] = query
    for operation in operations:
        assert (operation.role, operation.name) not in table.operations, operation
        table.operations[operation.role, operation.name] = operation
    return table


_MODULES: Sequence = (  # type: ignore[type-arg]
    customer,
    till,
    card_till,
    bank,
    bank_inventory,
    bank_customers,
    bank_recovery,
    bank_limits,
    national_bank,
    national_bank_acts,
    national_bank_hours,
    national_bank_queue,
    national_bank_settings,
    register,
    register_orders,
    treasury,
    treasury_projects,
    supervisor,
    supervisor_audit,
    operator,
    outages,
    neighbours,
    teacher,
    pilots,
    explorer,
    explorer_proofs,
    explorer_tokens,
    explorer_seen,
    explorer_offline,
)

TABLE = make_table(
    (query for module in _MODULES for query in module.QUERIES),
    (operation for module in _MODULES for operation in module.OPERATIONS),
)
