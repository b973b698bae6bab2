"""The table of the course in docs/exercises/README.md, made from the labs' own files."""

from collections.abc import Callable, Mapping

from wallets.exercises.labs import ENGLISH, all_labs


def course(_: str) -> str:
    """Every lab: its number and title, its name in commands, what it teaches, its minutes."""
    rows = ["| lab | in commands | you learn | minutes |", "|---|---|---|---|"]
    rows += [
        f"| {lab.number}. [{lab.title[ENGLISH]}]({lab.folder.name}/README.md) | `{lab.name}` | "
        f"{lab.teaches[ENGLISH]} | {lab.minutes} |"
        for lab in all_labs()
    ]
    return "\n".join(rows)


MAKERS: Mapping[str, Callable[[str], str]] = {"course": course}
