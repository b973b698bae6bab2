"""Names of the sandbox and refusals at its doors are told in the language of who reads."""

import pytest

from cbdc.http.client import WsgiTransport
from tests.site.test_wallet_story import joined
from tests.site.visitor import Visitor, opened

NAMES = {"kk": "Алматы", "ru": "Алматы", "en": "Almaty"}


@pytest.mark.parametrize("language", NAMES)
def test_a_cut_off_region_is_named_in_the_readers_language(language: str) -> None:
    with opened() as whole:
        operator = Visitor(whole).signed_in("operator")
        page = operator.send(f"/operator/?language={language}", "cut", name="Almaty")
        assert f'role="status"><p><strong>{_done(language)}</strong>' in page
        assert whole.world.memory.outages == ["Almaty"]


def _done(language: str) -> str:
    return {"kk": "Ажыратылды: ", "ru": "Отключено: ", "en": "Cut off: "}[language] + NAMES[language] + "."


def test_what_somebody_typed_is_told_as_it_was_typed() -> None:
    with opened() as whole:
        clerk = Visitor(whole).signed_in("clerk-1")
        given = {"name": "Saule {x} Omarova", "reference": "test-77", "kind": "person"}
        page = clerk.send("/bank/customers?language=ru", "open-account", **given)
        assert "Saule {x} Omarova" in page


@pytest.mark.parametrize(
    ("accepted", "sentence"),
    [
        ("kk", "Бұл құмсалғышта Алматы желіден ажыратылған."),
        ("ru;q=0.9,en;q=0.1", "Сеть для Алматы в этой песочнице отключена."),
        ("en", "The network of Almaty is cut off in this sandbox."),
        ("fr", "The network of Almaty is cut off in this sandbox."),
        ("", "The network of Almaty is cut off in this sandbox."),
    ],
)
def test_a_wallet_that_is_cut_off_is_told_in_its_language(accepted: str, sentence: str) -> None:
    with opened() as whole:
        kid = joined(whole, WsgiTransport(whole), "aigerim").kid.hex()
        whole.world.set_outage("Almaty", True)
        headers = {"Tenge-Wallet": kid, "Accept-Language": accepted}
        answer = Visitor(whole).get("/v1/genesis", headers=headers)
        assert (answer.status_code, answer.get_json()["detail"]) == (503, sentence)
