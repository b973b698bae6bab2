"""A report as a pilot's run writes it, made up by hand: the page and its schema are judged on it."""

from datetime import date, timedelta
from typing import Any

FIRST = date(2023, 11, 6)
HOLDERS = ("bank_inventory", "treasury", "wallets", "escrow", "loss_reserve")
KINDS = (
    "payment",
    "payment",
    "payment",
    "load",
    "sync",
    "payment",
    "release",
    "payment",
    "redeem",
    "payment",
)
TEXTS = (
    "Pupil {n} pays for a meal at the canteen of school 12: 800 ₸, marked meal.",
    "Pupil {n} pays for a meal at the canteen of school 45 without a network: 800 ₸.",
    "Canteen of school 45 passes 24 000 ₸ on to the supplier, device to device.",
    "Pupil {n} loads 4 000 ₸ of marked money on a card.",
    "Canteen of school 12 comes back online and syncs 31 payments; 24 800 ₸ leave escrow.",
)


def days(count: int) -> list[str]:
    return [(FIRST + timedelta(days=number)).isoformat() for number in range(count)]


def story(count_of_days: int, a_day: int) -> list[dict[str, Any]]:
    events = []
    for number, text in enumerate(days(count_of_days)):
        for place in range(a_day):
            sentence = TEXTS[(number + place) % len(TEXTS)].format(n=number * a_day + place + 1)
            time = f"{8 + place // 2:02d}:{30 * (place % 2):02d}"
            events.append({"date": text, "time": time, "text": sentence, "kind": KINDS[place % len(KINDS)]})
    if count_of_days > 12:
        events[11 * a_day] |= {
            "kind": "double_spend",
            "text": "Two canteens sync the same coin of 800 ₸: the card of pupil 77 is named and revoked.",
        }
    return events


def circulation(count_of_days: int) -> dict[str, list[Any]]:
    series: dict[str, list[Any]] = {"dates": days(count_of_days)}
    for name in HOLDERS:
        series[f"{name}_tiyn"] = []
    for day in range(count_of_days):
        weekend = day % 7 >= 5
        escrow = 0 if not day else 4_000_000 + (0 if weekend else 2_600_000) + 350_000 * (day % 4)
        series["bank_inventory_tiyn"].append(12_000_000 - 150_000 * day)
        series["treasury_tiyn"].append(max(0, 64_000_000 - 3_100_000 * day))
        series["wallets_tiyn"].append(2_000_000 + 1_700_000 * day - (800_000 if weekend else 0))
        series["escrow_tiyn"].append(escrow)
        series["loss_reserve_tiyn"].append(1_000_000 - (80_000 if day > 11 else 0))
    series["payments_online"] = [5 + day % 3 for day in range(count_of_days)]
    series["paid_online_tiyn"] = [400_000 + 80_000 * (day % 3) for day in range(count_of_days)]
    series["payments_offline"] = [day % 2 for day in range(count_of_days)]
    series["marked_tiyn"] = [64_000_000 - 2_000_000 * day for day in range(count_of_days - 1)] + [5_000_000]
    return series


def parties() -> list[dict[str, str]]:
    rows = [
        ("bank/1", "bank", "Kazpost"),
        ("escrow", "escrow", ""),
        ("group/canteen", "group", "canteen"),
        ("group/pupil", "group", "pupil"),
        ("national_bank", "national_bank", ""),
        ("treasury", "treasury", ""),
    ]
    return [dict(zip(("id", "kind", "name"), row, strict=True)) for row in rows]


def flows() -> list[dict[str, Any]]:
    rows = [
        ("bank/1", "national_bank", "", "redeem", 1, 34_000_000),
        ("bank/1", "treasury", "", "sale", 1, 64_000_000),
        ("escrow", "group/canteen", "meal", "redeem_offline", 410, 32_800_000),
        ("group/canteen", "bank/1", "", "buy_back", 2, 34_000_000),
        ("group/pupil", "escrow", "meal", "load", 240, 33_000_000),
        ("group/pupil", "group/canteen", "meal", "payment", 300, 24_000_000),
        ("national_bank", "bank/1", "", "issue", 1, 79_000_000),
        ("treasury", "group/pupil", "meal", "give", 240, 64_000_000),
        ("group/pupil", "group/canteen", "", "offline_payment", 412, 32_960_000),
    ]
    return [dict(zip(("from", "to", "mark", "action", "count", "tiyn"), row, strict=True)) for row in rows]


def limits() -> dict[str, Any]:
    return {
        "tiers": [
            {
                "tier": 1,
                "holding_limit_tiyn": 5_000_000,
                "payment_limit_tiyn": 5_000_000,
                "day_limit_tiyn": 5_000_000,
                "groups": ["pupil"],
            },
            {
                "tier": 4,
                "holding_limit_tiyn": 0,
                "payment_limit_tiyn": 0,
                "day_limit_tiyn": 0,
                "groups": ["canteen"],
            },
        ],
        "hits": [{"date": "2023-11-06", "code": "E_LIMIT_DAY", "who": "pupil", "count": 12}],
    }


def linkability() -> dict[str, Any]:
    def row(party: str, reads: str, *figures: int) -> dict[str, Any]:
        names = ("seen", "payer_named", "payee_named", "to_a_person", "linked", "largest")
        return {"party": party, "reads": reads, **dict(zip(names, figures, strict=True))}

    return {
        "payments": {"online": 300, "offline": 412},
        "parties": [
            row("payer_bank", "own", 0, 0, 0, 0, 0, 0),
            row("payer_bank", "journal", 300, 300, 40, 300, 250, 20),
            row("payee", "own", 712, 0, 0, 0, 600, 21),
            row("national_bank", "own", 712, 0, 0, 0, 700, 40),
        ],
    }


def sheets() -> list[dict[str, Any]]:
    def row(account: str, side: str, tiyn: int) -> dict[str, Any]:
        return {"account": account, "side": side, "tiyn": tiyn}

    return [
        {
            "institution": "National Bank",
            "before": [
                row("Government securities", "asset", 900_000_000),
                row("Reserves of banks", "liability", 600_000_000),
                row("Account of the treasury", "liability", 300_000_000),
            ],
            "after": [
                row("Government securities", "asset", 900_000_000),
                row("Loss of digital tenge", "asset", 80_000),
                row("Reserves of banks", "liability", 555_030_000),
                row("Account of the treasury", "liability", 300_000_000),
                row("Digital tenge in circulation", "liability", 45_050_000),
            ],
        },
        {
            "institution": "Kazpost",
            "before": [row("Reserves", "asset", 600_000_000), row("Deposits", "liability", 600_000_000)],
            "after": [
                row("Reserves", "asset", 555_030_000),
                row("Digital tenge in the vault", "asset", 9_150_000),
                row("Deposits", "liability", 564_180_000),
            ],
        },
    ]


def offline() -> dict[str, Any]:
    return {
        "payments": 412,
        "hops_max": 3,
        "double_spends": 1,
        "evidence": [
            {
                "type": "DOUBLE_SPEND",
                "named": "the card of pupil 77 (Kazpost)",
                "device": "9f2c4a7be01d55aa31c0f6b8d2e4907c",
                "amount_tiyn": 80_000,
                "file": "evidence/9f2c4a7b-1.bin",
                "bytes": 840,
                "sha256": "5b1e" * 16,
            }
        ],
        "loss_tiyn": 80_000,
        "borne": {"device_tiyn": 0, "owner_tiyn": 30_000, "bank_tiyn": 0, "reserve_tiyn": 50_000},
        "borne_by": {"guilty holder": 30_000, "bank Kazpost": 0, "loss reserve": 50_000},
    }


def parameters() -> list[dict[str, Any]]:
    rows = [
        ("pupils", 240, "", "A", "Enough to show every rule"),
        ("meal_price", 80_000, "tiyn", "S", "Almaty, 2023"),
        ("vat", 12, "percent", "P", "Rate of 2023"),
        ("offline_limit", 1_000_000, "tiyn", "A", "Not published"),
        ("canteen_devices", 2, "", "D", "One a school"),
        ("cards", "Onay", "", "V", "The card vendor's own words"),
        ("hops", 3, "", "I", "An IMF working paper"),
    ]
    return [dict(zip(("name", "value", "unit", "grade", "note"), row, strict=True)) for row in rows]


def supply(series: dict[str, list[Any]]) -> dict[str, int]:
    last = {f"{name}_tiyn": series[f"{name}_tiyn"][-1] for name in HOLDERS}
    return {"issued_tiyn": sum(last.values()) + 34_000_000, "redeemed_tiyn": 34_000_000, **last}


def sample(count_of_days: int = 20, a_day: int = 10) -> dict[str, Any]:
    """A whole report, every key present."""
    series = circulation(count_of_days)
    return {
        "format": 2,
        "pilot": "school-meals",
        "title": "School meals in Almaty",
        "summary": "The city pays for pupils' meals with marked money. A pupil taps a card; the canteen is paid at "
        "once, online or not, and only for meals that were served.",
        "source": "National Bank of Kazakhstan, school-meal vouchers, Almaty, November and December 2023",
        "seed": 7,
        "script_sha256": "7e57" * 16,
        "digest": "c0ffee" * 10 + "abcd",
        "parameters": parameters(),
        "expectations": [
            {"name": "Meals paid", "expected": 4_800, "actual": 4_800, "ok": True},
            {"name": "Canteens received (tiyn)", "expected": 384_000_000, "actual": 384_000_000, "ok": True},
            {"name": "Escrow after the last sync", "expected": 0, "actual": 0, "ok": True, "unit": "tiyn"},
            {"name": "Double spends found", "expected": 1, "actual": 1, "ok": True},
            {"name": "Who is named", "expected": "pupil 77", "actual": "pupil 77", "ok": True},
        ],
        "supply": supply(series),
        "parties": parties(),
        "flows": flows(),
        "limits": limits(),
        "linkability": linkability(),
        "marks": {
            "meal": {
                "id": "ab" * 32,
                "label": "school meal",
                "covered_tiyn": 0,
                "recovered_tiyn": 0,
                "released_to": [{"party": "group/canteen", "tiyn": 55_000_000}],
                "path": [
                    {
                        "from": "treasury",
                        "to": "group/pupil",
                        "action": "give",
                        "count": 240,
                        "tiyn": 64_000_000,
                    }
                ],
                "days_tiyn": series["marked_tiyn"],
                "given_tiyn": 64_000_000,
                "released_tiyn": 55_000_000,
                "returned_tiyn": 4_000_000,
                "outstanding_tiyn": 5_000_000,
            }
        },
        "offline": offline(),
        "refusals": [
            {
                "code": "E_MARK_EDGE",
                "count": 3,
                "limit": False,
                "rule": "G6",
                "next": "Pay a canteen.",
                "steps": [
                    {
                        "verb": "pay",
                        "who": "pupil",
                        "rule": "mark.meal.chain",
                        "expected": True,
                        "count": 3,
                        "first": "2023-11-06",
                        "text": "Pupils try a shop.",
                    }
                ],
                "sentence": "Meal money may not go from a pupil to a shop.",
            },
            {
                "code": "E_LIMIT_DAY",
                "count": 12,
                "limit": True,
                "rule": "G9",
                "sentence": "The day's payments would reach 60 000 ₸; tier 1 allows 50 000 ₸.",
            },
        ],
        "series": series,
        "holders": [
            {"name": "Canteens", "tiyn": 21_000_000, "count": 2},
            {"name": "Supplier", "tiyn": 12_500_000, "count": 1},
            {"name": "Pupils", "tiyn": 800_000, "count": 240},
            {"name": "Kazpost, vault", "tiyn": 9_150_000, "count": 1},
        ],
        "balance_sheets": sheets(),
        "events": story(count_of_days, a_day),
        "privacy": "The ledger knows 263 pseudonyms and no name. Kazpost alone can say who stands behind one.",
        "simulated": ["Cards and their secure elements are software.", "The register of pupils is a script."],
        "parts": {
            "cards": {
                "figures": [{"name": "captured", "value": 1_200_000, "unit": "tiyn"}],
                "tables": [
                    {
                        "title": "Declined",
                        "columns": ["code", "count", "amount_tiyn"],
                        "rows": [["51", 3, 90_000]],
                    }
                ],
            }
        },
        "off": [],
    }
