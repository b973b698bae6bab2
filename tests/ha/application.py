"""The application of the kill runs: the ledger on a store's URL, one line of transactions in, one line of answers out.

    python -m tests.ha.application URL

A line is a JSON list of transactions in hexadecimal; the answer has for each the place of its receipt, or the code of
its refusal; a code alone means that the store failed for all of them.
"""

import json
import sys

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger.engines import open_store
from cbdc.ledger.ledger import Ledger
from cbdc.ports import ManualClock
from tests.cbdc.world import DAY, START, fixed_key


def main(url: str) -> None:
    """Answer until the input ends; a store that cannot be opened ends the process with a code of words."""
    try:
        ledger = Ledger(open_store(url), fixed_key("world/ledger"), ManualClock(START + 10 * DAY))
    except Unavailable as error:
        print(json.dumps(error.code), flush=True)
        return
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        try:
            answers = ledger.submit_many([bytes.fromhex(text) for text in json.loads(line)])
        except Unavailable as error:
            print(json.dumps(error.code), flush=True)
        else:
            told = [one.code if isinstance(one, TengeError) else one.index for one in answers]
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
