"""The ledger behind granian, where it is installed (`pip install granian`); the refusal where it is not."""

import importlib.util
from pathlib import Path

import pytest

from cbdc.errors import Refused
from wallets.benches import scene
from wallets.benches.granian_host import GranianHost
from wallets.benches.host import Host
from wallets.benches.http_client import Clients
from wallets.benches.run import requests
from wallets.benches.scene import MIXED, TWO_IN, Founded, Purse, Scene


def test_without_it_a_sentence_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refused) as caught:
        GranianHost("memory:", 8, 100)
    assert caught.value.code == "E_SETTING"
    assert "pip install granian" in caught.value.sentence()


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("granian") is None, reason="granian is not here: pip install granian"
)
@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_it_serves_a_ledger_that_its_worker_opens(engine: str, tmp_path: Path) -> None:
    url = "memory:" if engine == "memory" else f"sqlite:///{tmp_path}/ledger.sqlite"
    founder = Host(url, "", 8)
    founded: Founded = founder.found(400, lambda text: None)
    founder.close()
    host = GranianHost(url, 8, 400 if engine == "memory" else 0)
    try:
        purse = Purse(Scene(8), founded)
        for workload, batch in ((TWO_IN, 1), (MIXED, 10)):
            script = purse.script(workload, 40)
            heard = Clients(host.port, 4).play(requests(script, batch))
            told = [code for outcome in heard.outcomes for code in outcome]
            assert scene.expected(script, told) == [""] * 40
    finally:
        host.end()
