"""What nobody may hand in is refused with what it said it was."""

from typing import Any

import pytest

from cbdc.errors import Malformed
from offline.intake import open_submitted
from tests.offline.test_verify import SHOP

SOMETHING = "an object of the offline protocol"


@pytest.mark.parametrize(
    ("envelope", "said"),
    [
        (b"a transfer", "bytes"),
        ([9, b"", b""], "9"),
        ([10**30, b"", b""], str(10**30)[:20]),
        ([True, b"", b""], "True"),
        ([b"5" * 40, b"", b""], str(b"5" * 40)[:20]),
        ([], "None"),
        (7, "None"),
        (None, "None"),
    ],
)
def test_an_unknown_type_is_told(envelope: Any, said: str) -> None:
    with pytest.raises(Malformed) as caught:
        open_submitted(envelope, SHOP.world.network)
    assert (caught.value.code, caught.value.facts) == ("E_OBJTYPE", {"type": said, "expected": SOMETHING})
