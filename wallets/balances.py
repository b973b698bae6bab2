"""A balance sheet as rows that a report prints.

Liabilities and what is an institution's own stand on one side, assets on the other, so both sides sum to the same.
"""

from collections.abc import Iterator
from typing import Any

from cbdc.accounts import BalanceSheet


def accounts(sheet: BalanceSheet, titles: dict[int, str]) -> Iterator[dict[str, Any]]:
    """One row for each account: `account`, `side`, and how many `tiyn`; all customers' deposits are one row.

    `titles` name the banks by their numbers.
    """
    names = {f"reserve:{number}": f"reserve account of {title}" for number, title in titles.items()}
    names["reserve:0"] = "account of the treasury"
    deposits = sum(amount for name, amount in sheet.liabilities if name.startswith("deposit:"))
    for name, amount in sheet.assets:
        yield {"account": name, "side": "asset", "tiyn": amount}
    for name, amount in sheet.liabilities:
        if not name.startswith("deposit:"):
            yield {"account": names.get(name, name), "side": "liability", "tiyn": amount}
    if deposits:
        yield {"account": "customers' deposits", "side": "liability", "tiyn": deposits}
    for name, amount in sheet.equity:
        yield {"account": name, "side": "liability", "tiyn": amount}
    if sheet.result_tiyn:
        yield {"account": "result", "side": "liability", "tiyn": sheet.result_tiyn}
