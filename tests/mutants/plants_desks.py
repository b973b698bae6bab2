"""Bugs at the desks of a bank, the operator and a shop: rules that nobody signed, a day that is not one day twice."""

from tests.mutants.plant import Field, bugs

ROLES = "wallets/site/roles/"

DESKS = Field(
    "Desks of a bank, the operator and a shop",
    bugs(
        ROLES + "bank_customers.py",
        ("tests/site/test_desks_customers.py",),
        (
            "anybodys-device-is-revoked",
            "A clerk revokes a device of another bank's customer under the name of an own one.",
            "    if device not in devices_of(asked.world, mine.customers.keys_of(customer.id)):",
            "    if False:",
        ),
        (
            "account-closed-with-money-offline",
            "An account is closed while money of it is still offline.",
            "    if has_tiyn or held_tiyn or away_tiyn:",
            "    if has_tiyn or held_tiyn:",
        ),
    )
    + bugs(
        "wallets/site/bank_rules.py",
        ("tests/site/test_desks_limits.py",),
        (
            "rules-that-no-bank-signed",
            "A bank's rule holds although its key did not sign it.",
            "    signed.verify(world.system.keys.bank(bank_id).public)\n",
            "",
        ),
        (
            "rule-looser-than-the-ledger",
            "A bank fills wallets above the holding limit of the ledger.",
            "    if limit_tiyn and most_tiyn > limit_tiyn:",
            "    if False:",
        ),
        (
            "frozen-wallets-are-filled",
            "A top-up sells digital tenge to a frozen holder.",
            "        elif ledger.frozen(customer.pseudonym):",
            "        elif False:",
        ),
    )
    + bugs(
        "wallets/site/living.py",
        ("tests/site/test_living.py",),
        (
            "cut-off-and-online",
            "Whoever is cut off from the network pays online all the same.",
            "    if step.offline or is_cut(world, scene.payer) or is_cut(world, scene.payee):",
            "    if step.offline:",
        ),
        (
            "steps-with-the-same-id",
            "All steps of a day share one id, so payments are taken for each other.",
            '    name = derived("day", day.number, "step", day.done)\n    try:',
            '    name = derived("day", day.number)\n    try:',
        ),
    )
    + bugs(
        ROLES + "till.py",
        ("tests/site/test_desks_till.py",),
        (
            "tax-on-top-of-the-price",
            "The till reckons the tax on top of a price that includes it.",
            "    return share(amount_tiyn, percent, 100 + percent, ",
            "    return share(amount_tiyn, percent, 100, ",
        ),
    ),
)
FIELDS = (DESKS,)
