"""What to do about a mistake in a script: one sentence for each kind of problem, and the nearest name there is."""

import difflib
import re
from collections.abc import Iterable

from wallets.pilot import form
from wallets.pilot.reader import Mistake

_SECTION = re.compile(r"^\[+(\w+)\]+")


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name that a word was probably meant to be, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def advice(one: Mistake) -> str:
    """What to do about a mistake or a doubt."""
    for pattern, answer in _ANSWERS:
        found = pattern.search(one.problem)
        if found is not None:
            told = answer(one, found) if callable(answer) else answer
            if told:
                return told
    return "See the section in docs/pilots/writing.md."


def section_of(place: str) -> form.Section | None:
    """The form of the section, or of the rows inside a row, at a place; None when it is not known."""
    found = _SECTION.match(place)
    section = form.SECTIONS.get(found[1]) if found else None
    inside = re.search(r", (\w+) number", place)
    return section.inside.get(inside[1]) if section is not None and inside is not None else section


def form_of(place: str, key: str) -> form.Key | None:
    """What a key holds at a place, when that is known."""
    section = section_of(place)
    return section.keys.get(key) if section is not None else None


def keys_of(place: str) -> set[str]:
    """The keys that may stand at a place; none when the form of the section is not known."""
    section = section_of(place)
    return set(section.keys) | set(section.inside) if section is not None else set()


def _unknown(one: Mistake, found: re.Match[str]) -> str:
    known = set(form.schema()["properties"]) if one.place == "the file" else keys_of(one.place)
    meant = [(word, nearest(word, known)) for word in found[1].split(", ")]
    told = ", ".join(f"{word} is perhaps {near}" for word, near in meant if near)
    if told:
        return f"Mend the name: {told}."
    return f"Take it out; allowed here: {', '.join(sorted(known))}." if known else ""


def _argument(one: Mistake, found: re.Match[str]) -> str:
    near = nearest(found[1], found[3].split(", "))
    return f"Perhaps {near} was meant." if near else f"Take it out; {found[2]} takes {found[3]}."


def _name(one: Mistake, found: re.Match[str]) -> str:
    near = nearest(found[1], found[2].split(", "))
    hint = f"Perhaps {near} was meant; otherwise" if near else "Otherwise" if found[2] == "none" else "Or"
    return f"{hint} give it a value as a [[parameter]] or under [derived], above its first use."


def _verb(one: Mistake, found: re.Match[str]) -> str:
    near = nearest(found[1], found[2].split(", "))
    return (
        f"Perhaps {near} was meant."
        if near
        else "Use one of those; docs/pilots/writing.md tells what they do."
    )


def _missing(one: Mistake, found: re.Match[str]) -> str:
    return f"Write a line {found[1]} = ... there."


_ANSWERS = (
    (re.compile(r"^(\w+) is no argument of (\w+), which takes (.+)$"), _argument),
    (re.compile(r"^unknown: (.+)$"), _unknown),
    (re.compile(r"(\w+) is not known here \(known: (.+)\)"), _name),
    (re.compile(r"there is no verb (\S+); there are (.+)$"), _verb),
    (re.compile(r"there is no kind (\S+); there are (.+)$"), _verb),
    (re.compile(r"^(\w+) is missing"), _missing),
    (re.compile(r"must be a time"), 'Write it as "09:30": two digits for the hour, two for the minute.'),
    (re.compile(r"must be a date"), 'Write it as "2026-02-02".'),
    (re.compile(r"must be a number or an expression"), 'Write a whole number, or an expression in "quotes".'),
    (re.compile(r"must be a text"), 'Write it in "quotes".'),
    (re.compile(r"must be a list"), "Write it in square brackets."),
    (re.compile(r"the name .* is taken|'.*' is taken"), "Give one of the two another name."),
    (re.compile(r"is no name"), "Use small letters, digits, - and _, at most 40."),
    (
        re.compile(r"division by zero"),
        "Keep the divisor above 0 with max(1, ...), or [[require]] it.",
    ),
    (re.compile(r"it cannot be read"), "Check brackets and operators; // divides, there is no / and no **."),
    (re.compile(r"there is no function (\w+)"), "Use one of the functions of docs/pilots/writing.md."),
    (re.compile(r"there is no (bank|group|mark) "), "Mend the name, or add its row."),
    (re.compile(r"(who|to|mark|bank): there is no "), "Mend the name, or add its row."),
    (re.compile(r"there is no error code"), "Use a code of docs/errors.md; the run tells the one it met."),
    (
        re.compile(r"there is no rule|a rule is named where"),
        "Name a [[mark.rule]] as mark.MARK.RULE, beside refused.",
    ),
    (re.compile(r"there is no fact of a run"), "Use a fact of docs/pilots/writing.md."),
    (re.compile(r"must be a Monday"), "Take the Monday of that week."),
    (re.compile(r"do not keep this|with these settings"), "Change the values, or what is required of them."),
    (
        re.compile(r"must be from|must be one of|must be 1 or more|are allowed"),
        "Take a value that is allowed.",
    ),
    # Doubts.
    (
        re.compile(r"has no grade|has no note"),
        "Say where the number comes from; A and the word assumption if it is yours.",
    ),
    (
        re.compile(r"sounds like a published figure"),
        'Name the fact (fact = "domain..."), or say that it is assumed.',
    ),
    (re.compile(r"bare number"), "Write it over the parameters, so that it holds for other settings too."),
    (re.compile(r"never happens"), "Change its days or its `when`, or take it out."),
    (
        re.compile(r"nothing tells which rule"),
        'Write rule = "mark.MARK.RULE" (or SECTION.RULE) beside refused, or rule = "" when it is on purpose.',
    ),
    (
        re.compile(r"cannot go offline"),
        'Pay online, or change the mark: "Without a network" in docs/pilots/writing.md tells which rules go along.',
    ),
    (re.compile(r"a rule of kind \w+ refuses as"), "Take one of those codes, or name another rule."),
    (re.compile(r"nothing is refused"), "Add steps that try what the rules forbid, with refused and rule."),
    (re.compile(r"nothing is expected"), "Add [[expect]] rows: what must be true at the end?"),
)
