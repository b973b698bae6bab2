"""Issue too much. Write the functions that say TODO; README.md beside this file tells the story.

tenge exercise check      your grade (in this folder)
python exercise.py        a mint, and what its auditor says
"""

from collections.abc import Sequence

from mint import Mint, entry, sums

Head = tuple[int, bytes, bytes]
"""Size of the log, root, signature of the issuer."""


def example_add_up(mint: Mint) -> tuple[int, int]:
    """A worked example: reserves and money of all banks, from the log."""
    reserves, money = sums(mint.entries())
    return sum(reserves.values()), sum(money.values())


# --- part 1: attacks. The auditor must be pleased with each. ---


def issue_from_nothing(mint: Mint) -> None:
    """Issue a bank at least 1,000,000 tenge more than its reserves, and publish; the auditor says nothing."""
    raise NotImplementedError("TODO")


def change_the_past(mint: Mint) -> None:
    """Change an entry that the auditor has already read so that a bank has more money than reserves, and publish."""
    raise NotImplementedError("TODO")


def two_faces(mint: Mint) -> None:
    """Show two banks logs of one length that each look right to them, and that contradict each other."""
    raise NotImplementedError("TODO")


# --- part 2: the defence ---


class Wrong(Exception):
    """What a proof does not prove."""


def root(entries: Sequence[bytes]) -> bytes:
    """The root of the Merkle tree over these entries, as RFC 6962 (section 2.1) has it, with SHA-256.

    Of nothing: SHA-256 of nothing. Of one entry: SHA-256(0x00 || entry). Of more: SHA-256(0x01 || root of the first k
    || root of the others), k being the largest power of two that is smaller than their number.
    """
    raise NotImplementedError("TODO")


def check_inclusion(data: bytes, index: int, size: int, proof: Sequence[bytes], of_root: bytes) -> None:
    """Return if `proof` shows that the entry `data` stands at `index` of the log with `size` entries and this root.

    Raise Wrong otherwise. The proof names the other halves, the lowest first (RFC 9162, section 2.1.3).
    """
    raise NotImplementedError("TODO")


def audit(entries: Sequence[bytes]) -> list[tuple[int, str]]:
    """(index, code) of each entry that breaks a rule, in order. An entry that breaks one is left out of the sums.

    "FORM": it is no entry (`mint.read` raises ValueError). "RESERVES": an issue after which the bank would have more
    money outstanding than reserves, or a withdrawal after which it would. "MONEY": a redemption of more than the bank
    has outstanding.
    """
    raise NotImplementedError("TODO")


def continues(old: Head, entries: Sequence[bytes], new: Head, key: bytes) -> None:
    """Return if the log `entries`, which `new` covers, continues the log that `old` covered; raise Wrong otherwise.

    Both heads must be signed by the issuer (`mint.head_stands`), and `new` must be the head of exactly these entries.
    """
    raise NotImplementedError("TODO")


def forks(heads: Sequence[Head], key: bytes) -> list[int]:
    """The sizes, each once and ascending, at which the issuer has signed two different roots.

    Auditors lay their heads together here. Anybody may have written some of them: what the issuer has not signed
    accuses nobody.
    """
    raise NotImplementedError("TODO")


if __name__ == "__main__":
    here = Mint(seed=7)
    print("reserves and money:", example_add_up(here))
    for attack in (issue_from_nothing, change_the_past, two_faces):
        here = Mint(seed=7)
        try:
            attack(here)
        except NotImplementedError:
            print(f"{attack.__name__:<20}not written yet")
        else:
            print(f"{attack.__name__:<20}the auditor said: {here.said[1:]}")
    print("an entry:", entry("issue", "Altai", 5_00).hex())
