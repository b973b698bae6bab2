"""Attacks on bulk reconciliation: whatever its quick ways let in, settlement's own door would have let in too."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from cbdc.record import sign
from offline.bulk.form import BatchFile
from offline.bulk.stream import BulkRun
from offline.bulk.work import Workers
from tests.offline.bulk_reference import Reference
from tests.offline.centre import Centre


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("cut", [False, True], ids=["one batch", "one batch each"])
def test_an_order_of_a_bank_that_a_forged_certificate_names_stays_outside(
    tmp_path: Path, order: tuple[int, ...], cut: bool
) -> None:
    """Bank 2 never certified the device; somebody hands in a certificate that says so, with a signature of nobody."""
    centre = Centre()
    kairat = centre.device("kairat", known=False)
    named = replace(kairat.certificate.record, ca_reference=centre.kid("ca2")[:8])
    forged = sign(named, centre.network, centre.key("thief"))
    objects = (kairat.certificate, forged, centre.order(kairat, "kairat", "ca2"))
    given = [objects[place] for place in order]
    path = tmp_path / "a.dtb"
    file = BatchFile(path, centre.network)
    for some in [[one] for one in given] if cut else [given]:
        file.append(centre.batch(*some), 1_000)
    file.close()
    reference = Reference(centre.authority).files([path])
    with (
        BulkRun(tmp_path / "out", centre.authority) as bulk,
        Workers(0, centre.authority) as workers,
    ):
        bulk.begin([path])
        bulk.run(workers)
        found = bulk.result()
    assert found["digest"] == reference.facts().digest().hex()
    assert found["objects"] == len(reference.seen) == 1
    assert found["refused"] == dict(reference.refused) == {"E_SIG": 2}
