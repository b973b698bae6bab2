"""The extension `policy` of pilot scripts: its section, the banking verbs, their facts and part of the report."""

from wallets.pilot.banking import verbs_bank, verbs_pay
from wallets.pilot.banking.world import Banking
from wallets.pilot.extension import Extension
from wallets.pilot.folder import RunFolder
from wallets.pilot.policy_section import SECTION, PolicySection, policy_of
from wallets.sandbox import Sandbox


def _open(section: PolicySection, sandbox: Sandbox, folder: RunFolder) -> Banking:
    return Banking(section, sandbox)


BANKING = Extension(
    name="policy",
    sections=frozenset({SECTION}),
    parse=policy_of,
    open=_open,
    verbs={**verbs_bank.VERBS, **verbs_pay.VERBS},
    families=frozenset({"policy", "bank"}),
    facts=Banking.facts,
    report=Banking.report,
    tick=Banking.tick,
)
