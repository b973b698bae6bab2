"""The wallet's page speaks every refusal that its scripts can raise, in three languages, as the catalogue says it."""

import json

import pytest

from tests.house import wallet_refusals


@pytest.mark.parametrize("language", wallet_refusals.LANGUAGES)
def test_the_file_is_current(language: str) -> None:
    written = wallet_refusals.path_of(language).read_text(encoding="utf-8")
    assert written == wallet_refusals.page(language), "run: python -m tests.house.wallet_refusals --write"


def test_the_languages_have_the_same_codes() -> None:
    found = [json.loads(wallet_refusals.page(language))["codes"] for language in wallet_refusals.LANGUAGES]
    assert found[0].keys() == found[1].keys() == found[2].keys()
    assert {"E_FUNDS", "E_FRAME", "E_WALLET_CAMERA", "E_HOST_STORE"} <= found[0].keys()
