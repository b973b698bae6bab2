"""Explain mode: beside what an answer did, step by step, the rule that decided.

The grader keeps a trace of each check (`wallets.exercises.line.Trace`): what the answer was asked and said, what it
asked of the world and was told, and the rules that the check itself names. Shown is the first world where something was
not right, or the first world of all.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from wallets.exercises.grading import Finding, Grade
from wallets.exercises.labs import Lab, general_words
from wallets.exercises.line import Step


def tables(found: Grade, lab: Lab) -> list[Table]:
    """One table a check, in the language of the grade: of those that are not right yet, or of all when all are."""
    shown = [one for one in found.findings if one.problem] or found.findings
    return [_table(one, found, lab) for one in shown if one.steps]


def _table(one: Finding, found: Grade, lab: Lab) -> Table:
    def say(key: str, **facts: object) -> str:
        return lab.sentence(f"explain.{key}", found.language, facts)

    table = Table(title=f"{one.name}: {say('title', seed=one.seed)}", title_justify="left", expand=True)
    table.add_column("", justify="right", no_wrap=True)
    for heading in ("asked", "said", "rule"):
        table.add_column(say(heading), ratio=2, overflow="fold")
    for number, step in enumerate(_joined(one.steps), 1):
        who = say(step.who) if step.who else ""
        words = step.words if step.refusal is None else step.refusal.sentence(found.language)
        if words in lab.words or words in general_words():
            words = lab.sentence(words, found.language, {})
        rule = f"{step.rule}: {words}" if step.rule and words else step.rule or words
        table.add_row(str(number), f"{who}: {step.asked}" if who else step.asked, step.said, rule)
    return table


def _joined(steps: Sequence[Step]) -> list[Step]:
    """A rule that a check names stands beside the step it is about: the one before."""
    rows: list[Step] = []
    for step in steps:
        if not step.asked and rows and not rows[-1].rule and not rows[-1].words:
            last = rows.pop()
            rows.append(Step(last.who, last.asked, last.said, step.rule, step.words))
        else:
            rows.append(step)
    return rows


def show(found: Grade, lab: Lab, console: Console) -> None:
    """Print the tables."""
    for table in tables(found, lab):
        console.print(table)
