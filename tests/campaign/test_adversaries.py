"""The adversaries A1 to A12 at a small size, and what the campaign would notice if the protocol were weaker."""

import json
import os
import random
from pathlib import Path

import pytest

from offline import graph
from offline.records import Outpoint
from offline.seen import Seen
from tests.campaign import __main__ as command
from tests.campaign import battle
from tests.campaign.adversaries_link import Curious
from tests.campaign.battle import KINDS, Figures, World, play, table
from tests.campaign.field import Field, Tally

PAYMENTS = int(os.environ.get("TENGE_CAMPAIGN_PAYMENTS", "3000"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few people, mostly attacked."""
    monkeypatch.setattr(battle, "PEOPLE", 6)
    monkeypatch.setattr(battle, "HONEST_SHARE", 0.3)


@pytest.mark.slow
def test_no_honest_device_is_named_whoever_attacks() -> None:
    figures = play(seed=3, payments=PAYMENTS).as_dict()
    assert figures["payments"] >= PAYMENTS
    assert figures["honest_named_guilty"] == 0
    assert list(figures["adversaries"]) == [f"A{number}" for number in range(1, 13)]
    for name, row in figures["adversaries"].items():
        assert row["payments"] > 0, f"{name} attacked nothing"
        assert row["tried"] >= sum(count for code, count in row["refused"].items() if code != "DENIED"), name
    for name in ("A4", "A5", "A6", "A8"):
        assert figures["adversaries"][name]["named"] > 0, f"{name} was never found"
    for name in ("A1", "A2", "A3", "A7", "A9", "A10", "A11", "A12"):
        assert figures["adversaries"][name]["named"] == 0, f"{name} signs nothing against itself"
    for name in ("A1", "A2", "A3", "A10", "A11", "A12"):
        assert figures["adversaries"][name]["landed"] == 0, name
    assert figures["adversaries"]["A11"]["more"]["personal data found"] == 0
    assert figures["linkable_pairs"] > 0, "one device's payments are linkable, and that is said"
    assert json.loads(json.dumps(figures)) == figures
    assert all(kind.WHO in table(figures) for kind in KINDS)


def test_the_same_seed_fights_the_same_battle(small: None) -> None:
    assert play(seed=5, payments=60).as_dict() == play(seed=5, payments=60).as_dict()


def test_every_attack_of_every_adversary_is_played(small: None) -> None:
    """Forty strikes each: none is left out by chance."""
    figures = Figures()
    world = World(8, figures)
    for kind in KINDS:
        names = {name for name in dir(kind) if name.startswith("by_")}
        adversary = world.adversaries[kind.ID]
        for _ in range(len(names) * (4 if kind.RARE else 1)):
            adversary.strike()
        assert names <= figures.by_adversary[kind.ID].more.keys()
    for adversary in world.adversaries.values():
        adversary.finish()
    world.field.hand_in_all()
    world.field.judge()


def test_naming_an_honest_device_ends_the_campaign(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: two payments of one device in one second count as a contradiction."""
    honest = graph.guilt_of_signatures

    def hasty(kid: bytes, seen: Seen, statements: object) -> list[graph.Guilt]:
        made = [one for one in seen.transfers() if one.record.payer == kid]
        if len(made) > 1:
            items = (made[0].oid, made[1].oid)
            return [graph.Guilt(kid, graph.EQUIVOCATION, "planted", items)]
        return honest(kid, seen, statements)  # type: ignore[arg-type]

    monkeypatch.setattr("offline.live.guilt_of_signatures", hasty)
    with pytest.raises(AssertionError):
        play(seed=5, payments=60)


def test_missing_a_double_spend_ends_the_campaign(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: settlement looks at no outpoint, counter or link twice."""
    monkeypatch.setattr("offline.live.guilt_of_signatures", lambda *parts: [])
    monkeypatch.setattr("offline.live.guilt_in_tree", lambda *parts: [])
    with pytest.raises(AssertionError):
        play(seed=5, payments=60)


def test_a_payee_that_takes_spent_money_twice_ends_the_campaign(
    small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted fault: the signature of the last transfer is not looked at."""
    monkeypatch.setattr("cbdc.keys.PublicKey.verify", lambda self, signature, message: None)
    with pytest.raises(AssertionError):
        play(seed=5, payments=120)


def test_the_search_for_personal_data_finds_what_is_there() -> None:
    field, tally = Field(random.Random(1), 3), Tally()
    curious = Curious(field, tally, random.Random(1))
    curious.look(b"nothing")
    assert tally.landed == 0
    curious.look(b"sent to " + field.personal[0])
    curious.look(field.personal[4] + b" is a number")
    assert tally.landed == 2
    assert tally.more["personal data found"] >= 2


def test_our_own_derivation_counts_a_double_spend() -> None:
    field = Field(random.Random(2), 3)
    cheat, first, second = field.honest
    piece = cheat.pieces[0]
    field.culprits[cheat.kid] = "A4"
    for payee, amount in ((first, 700), (second, 900)):
        invoice = payee.invoice(amount, field.clock.now())
        before = (cheat.counter, cheat.head)
        made = cheat.transfer(piece, payee.kid, amount, field.clock.now(), reference=invoice.oid)
        cheat.counter, cheat.head = before
        line = type(piece.line)(piece.line.note, (made,))
        assert field.deliver(payee, cheat.bundle([line]), invoice)
    field.hand_in([first, second])
    derived = field.judge()
    assert derived.contradicted == {cheat.kid}
    assert derived.loss_tiyn == piece.amount_tiyn
    assert derived.lost_by == {cheat.kid: piece.amount_tiyn}
    assert piece.outpoint == Outpoint(piece.line.note.oid, 0)


def test_figures_of_two_workers_add_up(small: None) -> None:
    one, other = (play(seed=seed, payments=40).as_dict() for seed in (1, 2))
    both = command.merged(one, other)
    assert both["payments"] == one["payments"] + other["payments"]
    assert both["adversaries"]["A4"]["tried"] == sum(
        figures["adversaries"]["A4"]["tried"] for figures in (one, other)
    )
    assert both["adversaries"]["A4"]["who"] == "one opened element"
    assert command.merged({"most_on_the_way_tiyn": 3}, {"most_on_the_way_tiyn": 5}) == {
        "most_on_the_way_tiyn": 5
    }


def test_the_command_plays_both_campaigns_and_writes_their_figures(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for what, count in (("runs", 3), ("adversaries", 30)):
        file = tmp_path / "out" / f"{what}.json"
        arguments = ["campaign", what, "--count", str(count), "--seed", "2", "--json", str(file)]
        monkeypatch.setattr("sys.argv", arguments)
        command.main()
        figures = json.loads(file.read_text(encoding="utf-8"))
        assert figures["seed"] == 2
        assert figures["seconds"]["processor"] >= 0
    shown = capsys.readouterr()
    assert "A12" in shown.out
    assert f"adversaries (seed 2): {figures['payments']:,}" in shown.err
