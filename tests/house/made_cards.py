"""Makers for docs/cards.md: the fields, kinds and answers of card messages, and the accounts, as the code has them."""

from collections.abc import Callable, Mapping

from cbdc.cards import answers, fields, rules
from cbdc.errors import catalogue


def card_fields(argument: str) -> str:
    """Every field: number, form, meaning."""
    lines = ["| field | form | meaning |", "|---|---|---|"]
    lines += [
        f"| {number} | {field.shape} | {field.meaning.replace('|', '/')} |"
        for number, field in fields.FIELDS.items()
    ]
    return "\n".join(lines)


def card_kinds(argument: str) -> str:
    """Every kind of message: meaning, what it must and may carry, the type of its repetition."""
    lines = ["| type | meaning | must have | may have | repeated as |", "|---|---|---|---|---|"]
    for mti, kind in fields.KINDS.items():
        must = " ".join(str(number) for number in sorted(kind.required))
        may = " ".join(str(number) for number in sorted(kind.optional))
        lines.append(f"| {mti} | {kind.meaning} | {must} | {may} | {fields.REPEATED.get(mti, '')} |")
    return "\n".join(lines)


def card_answers(argument: str) -> str:
    """Every answer of field 39 with the codes it tells."""
    lines = [
        "| 39 | code | the card holder's bank says |",
        "|---|---|---|",
        f"| {answers.APPROVED} | | yes |",
    ]
    for code, response in sorted(answers.ANSWERS.items(), key=lambda row: (row[1], row[0])):
        lines.append(f"| {response} | `{code}` | {catalogue()[code].sentence} |")
    return "\n".join(lines)


def card_rules(argument: str) -> str:
    """The standard rules of an issuer."""
    lines = ["| rule | kind | channel | at most |", "|---|---|---|---|"]
    for rule in rules.STANDARD_RULES:
        most = f"{rule.most:,}" if rule.kind in rules.WITH_MOST else ""
        lines.append(f"| {rule.name} | `{rule.kind}` | {rule.channel} | {most} |")
    return "\n".join(lines)


MAKERS: Mapping[str, Callable[[str], str]] = {
    "card-fields": card_fields,
    "card-kinds": card_kinds,
    "card-answers": card_answers,
    "card-rules": card_rules,
}
