"""Bugs in the browser's device, in JavaScript."""

from tests.mutants.plant import Field, bugs

DEVICE = "wallets/site/static/device/"

BROWSER = Field(
    "The browser's device",
    bugs(
        DEVICE + "store.js",
        ("tests/web/test_device_cut.py",),
        (
            "tabs-do-not-wait",
            "Two tabs spend from one purse at the same time.",
            "    return navigator.locks.request(databaseName(this.name), () => work());",
            "    return work();",
        ),
    )
    + bugs(
        DEVICE + "runner.js",
        ("tests/web/test_device_fraud.py",),
        (
            "old-database-lives-again",
            "A folder put back from yesterday spends yesterday's money.",
            "seen > snapshot.step",
            "seen < 0",
        ),
        (
            "signed-before-it-is-written",
            "A payment is on its way that the device forgets when the page is closed.",
            "    const after = await this.#store.commit(snapshot, changes, () => void checkpoint(`${name}/writing`));",
            (
                "    const after = { ...snapshot, step: snapshot.step + 1, key: changes.key ?? snapshot.key };\n"
                "    void this.#store.commit(snapshot, changes, () => void checkpoint(`${name}/writing`));"
            ),
            ("tests/web/test_device_cut.py",),
        ),
    )
    + bugs(
        DEVICE + "element.js",
        ("tests/web/test_device_cut.py",),
        (
            "clock-set-back-is-believed",
            "Whoever sets the clock back makes old money young.",
            "    this.moment = Math.max(now, state.timeFloor);",
            "    this.moment = now;",
        ),
        (
            "browser-accepts-twice",
            "One payment, brought twice, is money twice.",
            "      pending: changed(state.pending, [], [name]),\n",
            "      pending: state.pending,\n",
            ("tests/web/test_device_pay.py",),
        ),
    )
    + bugs(
        DEVICE + "purse.js",
        ("tests/web/test_device_pay.py",),
        (
            "browser-pays-a-fourth-hop",
            "A browser moves money as far as a secure element may.",
            "slot.hop + 1 <= Math.min(slot.maxHops, deviceMaxHops)",
            "slot.hop + 1 <= slot.maxHops",
        ),
    )
    + bugs(
        DEVICE + "receiving.js",
        ("tests/web/test_device_fraud.py",),
        (
            "browser-throws-a-payment-away",
            "What cannot be taken now is never handed in, and the payee has nothing.",
            "  if (mine && (rows.has(key) || rows.size < MAX_INBOX)) {",
            "  if (!mine) {",
        ),
    )
    + bugs(
        "wallets/site/static/protocol/verify.js",
        ("tests/web/test_device_fraud.py",),
        (
            "browser-forgets-what-it-saw",
            "A payee takes both branches of a double spend.",
            "known.spends.get(outpoint) ?? remembered(own.spends, outpoint, transfer)",
            "remembered(own.spends, outpoint, transfer)",
        ),
    )
    + bugs(
        "wallets/site/static/protocol/keys.js",
        ("tests/web/test_protocol_vectors.py",),
        (
            "browser-takes-a-high-s",
            "One signature becomes two, and one transfer two objects.",
            "r > 0n && r < P256_ORDER && s > 0n && s <= P256_HALF",
            "r > 0n && r < P256_ORDER && s > 0n && s < P256_ORDER",
        ),
    ),
)

FIELDS = (BROWSER,)
