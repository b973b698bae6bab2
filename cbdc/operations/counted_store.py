"""A store that counts its commits and how large their groups are; everything else is the store's own."""

from collections.abc import Callable
from typing import Any, cast

from cbdc.ledger.store import Commit, Store
from cbdc.operations.metrics import SIZES, Metrics

OverStore = Callable[[Store], Store]
"""Makes of a ledger's store the one that is used."""


def as_it_is(store: Store) -> Store:
    """The store itself: nobody counts."""
    return store


class CommitFigures:
    """How many commits there were, how many failed, how many entries each had. One for all stores of a server."""

    def __init__(self, metrics: Metrics) -> None:
        self.commits = metrics.counter("tenge_ledger_commits", "Durable commits of the ledger.")
        self.failed = metrics.counter(
            "tenge_ledger_commits_failed", "Commits that the store refused or lost."
        )
        self.groups = metrics.histogram("tenge_ledger_group_size", "Entries in a commit.", steps=SIZES)

    def over(self, store: Store) -> Store:
        """The same store, counted."""
        return cast(Store, _Counted(store, self))


class _Counted:
    def __init__(self, store: Store, figures: CommitFigures) -> None:
        self._store = store
        self._figures = figures

    def commit(self, commit: Commit) -> None:
        """The store's commit, counted when it stands."""
        try:
            self._store.commit(commit)
        except BaseException:
            self._figures.failed.add()
            raise
        self._figures.commits.add()
        self._figures.groups.see(len(commit.entries))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
