"""Who sees what. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        a day in Turkistan, what your watcher finds, and what your wallet leaves to find
"""

from collections.abc import Mapping, Sequence

from turkistan import Day, Entry, Held, careless, linked, owners, score

from cbdc.token import TokenId


def example_keys_that_pay(entry: Entry, owner: Mapping[TokenId, bytes]) -> list[bytes]:
    """A worked example: the keys whose tokens a payment spends. Top-ups spend a bank's token, which nobody knows."""
    return sorted({owner[token] for token in entry.inputs if token in owner})


# --- part 1: the passer-by who reads the journal ---


def change_of(entry: Entry, owner: Mapping[TokenId, bytes], printed: Sequence[bytes]) -> list[int]:
    """The numbers of the outputs that certainly go back to the payer, ascending; empty where you cannot be sure.

    `printed` are keys of shops that everybody knows. All other shops use a new key for each payment.
    """
    raise NotImplementedError("TODO")


def people(journal: Sequence[Entry], printed: Sequence[bytes]) -> list[list[bytes]]:
    """Keys in groups, one group for each person as far as you can tell; each key at most once, no printed key.

    Measured by `turkistan.score`: pairs of one person's keys that stand together. No pair may be wrong.
    """
    raise NotImplementedError("TODO")


def buyers(journal: Sequence[Entry], pharmacy: bytes, sightings: Sequence[tuple[str, int, int]]) -> list[str]:
    """The names, sorted, of those seen at a till who have certainly paid the pharmacy.

    A sighting is (name, second, amount_tiyn); clocks differ by up to 60 seconds. If two payments fit, it tells nothing.
    """
    raise NotImplementedError("TODO")


# --- part 2: the wallet that leaves less to find ---


def spend(
    tokens: Sequence[Held], price_tiyn: int, fresh: Sequence[bytes]
) -> tuple[list[int], list[tuple[bytes, int]]]:
    """Which tokens pay (their places in `tokens`), and the change: (key, amount_tiyn) each, at least 1 tiyn.

    A token is (id, key, amount_tiyn). What the tokens are worth is the price and the change, to the tiyn. At most six
    pieces of change. `fresh` holds six new keys of yours. ValueError when the money does not suffice.
    """
    raise NotImplementedError("TODO")


# --- part 3: who sees what ---


def sees(case: Mapping[str, object]) -> tuple[int, str, bool, bool]:
    """One cell of the table on the page: how many payments the party learns of, and of this one what.

    case       "channel" ("online", "offline"), "party" ("payer_bank", "payee_bank", "payee", "national_bank",
               "supervisor"), "reads" ("own", "journal"), "same_bank" (payer's and payee's), "loaded" (the payer's
               device ever did), "earlier" (how many payments the note passed through before)
    returns    (how many payments, the payer as "pseudonym", "key" or "nothing", payer named?, payee named?)
    """
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    day = Day(seed=7)
    first = day.journal[-1]
    print(
        len(day.journal),
        "entries; the last was paid by",
        len(example_keys_that_pay(first, owners(day.journal))),
        "keys",
    )
    try:
        found = people(day.journal, [day.pharmacy])
        print("Careless wallets: thousandths of pairs found, wrong pairs:", score(found, day.keys_of()))
        print("Medicine was bought by", buyers(day.journal, day.pharmacy, day.sightings))
        for name, wallet in (("careless", careless), ("yours", spend)):
            other = Day(seed=8, spend=wallet)
            print(name, linked(people(other.journal, [other.pharmacy]), other))
    except NotImplementedError:
        print("Something is not written yet.")
