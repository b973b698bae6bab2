"""A sandbox whose ledger is on a server: kept in a folder and a schema, opened again, and audited from elsewhere."""

from pathlib import Path

from cbdc.ledger.engines import url_of
from cbdc.ports import ManualClock
from tests.contracts.stores import postgres_url
from wallets.cast import SandboxPlan
from wallets.sandbox import DEFAULT_START, Sandbox
from wallets.site.audit_work import run_audit


def test_a_sandbox_on_a_server_goes_on_where_it_stopped(tmp_path: Path) -> None:
    plan = SandboxPlan(7, ManualClock(DEFAULT_START), store=postgres_url(tmp_path))
    first = Sandbox.open(plan, tmp_path)
    first.set_up()
    first.issue(tenge=100_000)
    size, supply = first.system.ledger.size, first.supply()
    first.close()
    again = Sandbox.open(plan, tmp_path)
    assert (again.system.ledger.size, again.supply()) == (size, supply)
    again.issue(tenge=1_000)
    url = url_of(again.system.stores.ledger)
    assert url == plan.store
    found = run_audit(url, again.system.ledger.head().encode(), lambda done, of, text: None)
    assert found["ok"]
    assert found["entries"] == again.system.ledger.size > size
    again.close()
