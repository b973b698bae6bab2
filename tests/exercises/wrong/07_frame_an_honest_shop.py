"""Wrong answers to frame an honest shop: papers that deceive nobody, and courts that frame, free, or fall over."""

from tests.exercises.answers import Changed, Rewritten

_CHAIN = "    check_certificate_issue(certificate, authority)\n"
_SPEAKER = "        _need(speaker == certificate.record.kid)\n"
_SIGNED = "        signed.verify(certificate.record.key)\n"
_TIME = "    _need(second.record.counter <= request.counter)\n"
_SHAPE = "isinstance(values[1], list) and isinstance(values[2], list)"
_EXACT = "_need(len(form) == 3)"
_AMOUNT = "min(total, held[second.record.outpoint])"
_OUTPOINT = "        _need(first.record.outpoint == second.record.outpoint)\n"

WRONG = [
    Changed("no twin", "signature=turned(one.signature)", "signature=one.signature", "for_twins"),
    Changed("no cover", "one, two, [list(one.record.outpoint)] * 2)", "one, two)", "for_cover"),
    Changed("honest papers only", "public_key=town.pen.public.raw", "tier=1", "for_paper"),
    Changed("without the friend", ", town.certificates[town.you].envelope())", ")", "for_voice"),
    Changed(
        "spends what it never held",
        "if tuple(one.record.outpoint) in held",
        "if tuple(one.record.outpoint) not in held",
        "for_calendar",
    ),
    Rewritten("twins for all", {"for_cover": "return for_twins(*arguments)"}, "for_cover"),
    Rewritten("friends for papers", {"for_paper": "return for_voice(*arguments)"}, "for_paper"),
    Changed(
        "outer codes only", 'first if first.startswith("E_") else error.code', "error.code", "read_refusals"
    ),
    Changed("believes all", 'said.append("proven")', 'said.append("E_EVIDENCE")', "read_refusals"),
    Changed("any number of banks", "1 <= len(auths) <= 4 and all(", "all(", "court_does_not_fall_over"),
    Changed(
        "banks in any form",
        " and all(isinstance(auth, list) for auth in auths)",
        "",
        "court_does_not_fall_over",
    ),
    Changed("asks no chain", _CHAIN, "", "court_asks_the_chain"),
    Changed("asks not who speaks", _SPEAKER, "", "court_hears_the_accused_alone"),
    Changed("hears others", _SIGNED, "", "court_hears_the_accused_alone"),
    Changed(
        "asks no signature of transfers",
        _SIGNED,
        "        if kind is SyncRequest:\n            signed.verify(certificate.record.key)\n",
        "court_believes_signed_bodies",
    ),
    Changed(
        "asks no signature of statements",
        _SIGNED,
        "        if kind is Transfer:\n            signed.verify(certificate.record.key)\n",
        "court_hears_the_accused_alone",
    ),
    Changed(
        "copies are two",
        "_need(first.oid < second.oid)",
        "_need(first.oid <= second.oid)",
        "court_believes_signed_bodies",
    ),
    Changed(
        "signatures differ",
        "_need(first.oid < second.oid)",
        "_need(first != second and first.oid <= second.oid)",
        "court_believes_signed_bodies",
    ),
    Changed(
        "any order",
        "_need(first.oid < second.oid)",
        "_need(first.oid != second.oid)",
        "court_asks_what_came_first",
    ),
    Changed("any money", _OUTPOINT, "", "court_believes_signed_bodies"),
    Changed(
        "same counter is enough",
        _OUTPOINT,
        "        _need(first.record.counter == second.record.counter)\n",
        "court_believes_signed_bodies",
    ),
    Changed("no calendar", _TIME, "", "court_asks_what_came_first"),
    Changed("strictly before", _TIME, _TIME.replace("<=", "<"), "court_asks_what_came_first"),
    Changed(
        "held anything",
        "    _need(second.record.outpoint in held)\n",
        "    held.setdefault(second.record.outpoint, total)\n",
        "court_asks_what_came_first",
    ),
    Changed("more is welcome", _EXACT, "_need(len(form) >= 3)", "court_does_not_fall_over"),
    Changed("counts no items", _EXACT, "", "court_does_not_fall_over"),
    Changed("any shape", f" and {_SHAPE}", "", "court_does_not_fall_over"),
    Changed("any version", "values[0] == 1 and ", "", "court_does_not_fall_over"),
    Changed("any form", "items[:2] == [3, 2]", "items[:1] == [3]", "court_asks_what_came_first"),
    Changed(
        "names the payee",
        "        return 1, kid, min",
        "        return 1, first.record.outputs[0].owner, min",
        "court_believes_signed_bodies",
    ),
    Changed("takes the larger", "return 1, kid, min(", "return 1, kid, max(", "court_believes_signed_bodies"),
    Changed(
        "forgets what was stated", _AMOUNT, "held[second.record.outpoint] + 1", "court_asks_what_came_first"
    ),
    Rewritten("condemns nobody", {"verdict": "raise NotProven"}, "court_believes_signed_bodies"),
    Rewritten(
        "condemns the first key", {"verdict": "return 1, bytes(32), 1"}, "court_hears_the_accused_alone"
    ),
]
