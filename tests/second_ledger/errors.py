"""A refusal with its code (ledger/README, "How these pages are written")."""


class Refusal(Exception):
    """Something is refused with the code that the text gives."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def require(condition: bool, code: str) -> None:
    """Refuse with ``code`` when the condition does not hold."""
    if not condition:
        raise Refusal(code)
