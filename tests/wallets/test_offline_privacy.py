"""What settlement sees of people: keys, amounts and times, and no name, number of a person or phone (Z1, 5.14)."""

from pathlib import Path

from cbdc.token import PERSON
from tests.wallets.test_field import Village

# What a bank writes of a customer: a name, a number of a person, a phone. All invented.
WORDS = ("Zhansaya", "Жансая", "870101300123", "+77011234567")
SEEN_BY_SETTLEMENT = (
    "ledger.sqlite",
    "offline/evidence.sqlite",
    "offline/devices.sqlite",
    "offline/lists.sqlite",
)


def test_z1_no_byte_that_settlement_sees_tells_who_somebody_is(tmp_path: Path) -> None:
    village = Village(tmp_path / "run")
    (member,) = village.group(" ".join(WORDS), PERSON, 1, [True])
    village.pay(village.ayan, member, "paid")
    village.pay(member, village.shop, "passed on")
    assert village.sync(village.ayan, member, village.shop) == ["", "", ""]
    village.sandbox.close()
    kept = {name: (tmp_path / "run" / name).read_bytes() for name in SEEN_BY_SETTLEMENT}
    assert len(kept["offline/evidence.sqlite"]) > 8_192, "settlement has something to look at"
    for word in WORDS:
        assert [name for name, data in kept.items() if word.encode() in data] == []
    # The search can find what it looks for: in the papers of her bank the words stand.
    assert all(word.encode() in (tmp_path / "run/register.sqlite").read_bytes() for word in WORDS)
