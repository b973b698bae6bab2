"""Attacks on good faith: a certificate that its payee never saw must not take an honest payee's money."""

from dataclasses import replace
from typing import Any

from cbdc.record import sign
from offline.parameters import CLOSED_TIERS
from offline.records import TIER_SE, TIER_SW, Trust
from offline.settle import CREDITED
from tests.cbdc.world import DAY
from tests.offline.centre import Centre
from tests.offline.test_settle import status


def _publish(centre: Centre, sequence: int, **fields: Any) -> None:
    now = centre.clock.now()
    record = Trust(sequence, 0, now, now + DAY, (), (), (), (), ())
    centre.reconciler.publish(sign(replace(record, **fields), centre.network, centre.key("status")))


def test_a_thief_of_a_revoked_banks_key_cannot_take_a_payment_back_by_certifying_the_payer() -> None:
    """The payee saw the good bank's certificate; the other one is made when the goods are gone."""
    centre = Centre()
    kairat, bota = centre.device("kairat"), centre.device("bota")
    _publish(centre, 2, revoked_references=(centre.kid("ca2")[:8],))
    (note,) = centre.load_notes("kairat", 1_000)
    invoice = centre.invoice(bota, trust_sequence=2)
    paid = centre.spend(note, 0, bota, 1_000, reference=invoice.oid)
    home = centre.take_home(paid, 0, bota)
    forged = replace(kairat.certificate.record, ca_reference=centre.kid("ca2")[:8])
    centre.hand_in(sign(forged, centre.network, centre.key("ca2")))
    centre.hand_in(paid, invoice, home)
    assert status(centre, home.oid)[0] == CREDITED
    assert centre.wallet("bota") == 1_000


def test_a_payee_is_not_denied_for_the_payers_older_certificate_of_a_closed_tier() -> None:
    """The payer moved from the software tier to a secure element's; the software tier is closed."""
    centre = Centre()
    kairat, bota = centre.device("kairat"), centre.device("bota")
    older = replace(kairat.certificate.record, tier=TIER_SW, certificate_number=77)
    centre.hand_in(sign(older, centre.network, centre.key("ca1")))
    _publish(centre, 2, policy=((CLOSED_TIERS.id, 1 << TIER_SW),))
    assert kairat.certificate.record.tier == TIER_SE
    (note,) = centre.load_notes("kairat", 1_000)
    invoice = centre.invoice(bota, trust_sequence=2)
    paid = centre.spend(note, 0, bota, 1_000, reference=invoice.oid)
    home = centre.take_home(paid, 0, bota)
    centre.hand_in(paid, invoice, home)
    assert status(centre, home.oid)[0] == CREDITED
    assert centre.wallet("bota") == 1_000
