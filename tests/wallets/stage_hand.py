"""Somebody at the buttons of the stage, for its tests."""

import itertools
from typing import Any

import pytest

from cbdc.errors import TengeError
from wallets.web.scene import view
from wallets.web.stage import Stage

START = 1_762_146_000
_NUMBERS = itertools.count(1)


class Hand:
    """Somebody at the buttons: every press has a request id of its own."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __call__(self, action: str, **fields: object) -> None:
        self.stage.act(f"a-press-of-the-hand-{next(_NUMBERS)}", action, fields)

    def pay(self, payer: str, payee: str, amount: str, clone: bool = False) -> None:
        self("pay", phone=payer, payee=payee, amount=amount, clone=clone)

    def fly(self, *phones: str, on: bool = True) -> None:
        for phone in phones:
            self("airplane", phone=phone, on=on)

    def double_spend(self) -> None:
        """Bolat pays Dana, and his clone pays Aigerim, with the same money."""
        self("load", phone="bolat", amount="3 000")
        self.fly("bolat")
        self("clone", phone="bolat")
        self.pay("bolat", "dana", "3 000")
        self.pay("bolat", "aigerim", "3 000", clone=True)

    def refusal(self, action: str, **fields: object) -> str:
        with pytest.raises(TengeError) as caught:
            self(action, **fields)
        return caught.value.code

    @property
    def seen(self) -> dict[str, Any]:
        return view(self.stage, "en")

    def phone(self, name: str) -> dict[str, Any]:
        return next(phone for phone in self.seen["phones"] if phone["id"] == name)

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.seen["events"]]

    def total_tiyn(self) -> int:
        seen = self.seen
        assert seen["supply"]["adds_up"]
        assert sum(line["tiyn"] for line in seen["supply"]["lines"]) == seen["supply"]["outstanding_tiyn"]
        return int(seen["supply"]["outstanding_tiyn"])
