"""Made parts about losses: what each loss policy does to one scenario, found by playing it."""

from collections.abc import Callable, Mapping

from tests.offline.losses import table_of_policies


def _table(argument: str) -> str:
    assert not argument, "the table has no argument"
    return table_of_policies()


MAKERS: Mapping[str, Callable[[str], str]] = {"loss-policies": _table}
