"""Each bad file of evidence is refused for what is wrong with it, in words, and not for something else.

A verifier that looks at a later rule first gives the same code. The words tell one rule from another, and they are what
a court reads.
"""

import pytest

from cbdc.errors import Refused
from offline.evidence import verify_evidence
from tests.vectors.case import load, open_root

FILES = [load(name) for name in ("evidence", "evidence_limits", "evidence_notes", "evidence_statements")]
# An id is one file's; the first file that has it counts.
CASES = {one["id"]: (file["context"], one) for file in reversed(FILES) for one in file["cases"]}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("R32-order", "the transfers are not in the order of their ids"),
        ("R32-same", "both transfers are one and the same"),
        ("R32-one", "it needs one certificate and two transfers"),
        ("R32-outputs", "the transfers spend different outputs"),
        ("R32-payers", "an object names another device than the certified key"),
        ("R32-no-auth", "it has no list of certificates"),
        ("R32-version", "it is no evidence file of version 1"),
        ("R32-empty", "it has no list of evidence with a type"),
        ("R32-honest", "the transfers have different counters and different links"),
        ("R32-E4-honest", "the transfer follows rightly from its parent"),
        ("R32-E4-parent", "the transfer does not follow on the given object"),
        ("R32-E4-signed", "it has no list of the parent's type and body"),
        ("R32-E4-other-type", "no transfer follows on an object of that type"),
        ("R32-E4-short", "it needs a certificate, a transfer and its parent"),
        ("R32-E8-renewed", "both certificates are for one key: a renewal"),
        ("R32-E8-devices", "the certificates are for different devices"),
        ("R32-E8-banks", "the certificates come from different banks"),
        ("R32-E8-same", "the certificates are not two in the order of their ids"),
        ("R32-E8-one", "it needs two certificates"),
        ("R32-E3-number", "no contradiction has this form"),
        (
            "R32-E5-number",
            "it needs a certificate, a statement, what follows it, a log head, limits and payments",
        ),
        ("R32-E6-number", "it needs a certificate, an acknowledgement, a later statement and an invoice"),
        ("R32-E7-number", "it needs a form, a note and what the journal has"),
        ("R32-type-bytes", "it has no evidence with a type"),
        ("R32-E5-between-within", "the payments are within the limits of the loosest certificate"),
        ("R32-E5-between-after", "a transfer is no payment, or does not count from this statement"),
        ("R32-E5-between-skipped", "the later statement is not the next"),
        ("R32-E5-order", "the payments are not in the order of their counters"),
        ("R32-E5-statement", "the acknowledgement answers another statement"),
        ("R32-E5-signer", "an official object is signed by nobody of that role at that time"),
        ("R32-E5-early", "the head of the certificate log was not made after these payments"),
        ("R32-E5-limits", "the limits are not those that the certificate log has for this key"),
        ("R32-E7-real", "the load says what the note says"),
        ("R32-E7-entry", "the entry does not stand at the note's serial under this head"),
        ("R32-E7-inside", "the journal reaches the note's serial, or the head is not later than the note"),
        ("R32-E7-four", "it needs a note, a head, an entry and its path"),
        ("R32-E7-form", "no phantom note has this form"),
        ("R32-E7-lie", "the entry names another index than its place"),
        ("R32-E7-two-order", "the notes are not two in the order of their ids"),
        ("R32-E7-two-places", "the notes are for different tokens"),
        ("R32-E7-two-issuers", "the notes are signed by different issuers"),
        (
            "R32-E3-log-honest",
            "the transfer stands in the log where its counter says, or elsewhere altogether",
        ),
        ("R32-E3-log-skip", "a body is not the one that the log names at its place"),
        ("R32-E3-log-whole", "the log begins where a log begins, or is not shown to its beginning"),
        (
            "R32-E3-log-five",
            "it needs a certificate, a statement of the log, its bodies, and at most one transfer",
        ),
        ("R32-E3-log-number", "it has no list of bodies"),
        ("R32-E3-held-before", "the transfer came after the statement"),
        ("R32-E3-held-bare", "the statement does not list what the transfer spends"),
        ("R32-E3-held-short", "it needs a certificate, a statement and a transfer"),
        ("R32-E3-fell-same", "the later statement follows rightly on the earlier"),
        ("R32-E3-fell-order", "the statements are not two in the order of their numbers and ids"),
        ("R32-E3-fell-one", "it needs a certificate and two statements"),
        ("R32-E3-claimed-had", "the statement says that the money was taken before"),
        ("R32-E3-claimed-open", "the statement does not cancel the invoice"),
        ("R32-E3-claimed-spent", "the witness does not show that the money was taken after the statement"),
        ("R32-E3-claimed-reference", "the payment does not answer this invoice"),
        ("R32-E3-claimed-short", "it needs a certificate, an invoice, a statement, a payment and a witness"),
        ("R32-E6-met", "the invoice breaks no promise: it came before the demand, or meets it"),
        ("R32-E6-whose", "the acknowledgement is another device's"),
    ],
)
def test_r32_each_bad_file_is_refused_for_its_own_reason(name: str, problem: str) -> None:
    contexts, one = CASES[f"{name}-ed25519"]
    root = one.get("root", contexts[one["context"]]["root"])
    with pytest.raises(Refused, match=r"^E_EVIDENCE:") as caught:
        verify_evidence(bytes.fromhex(one["bytes"]), open_root(bytes.fromhex(root)))
    assert caught.value.facts["problem"] == problem
