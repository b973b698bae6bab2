"""Bugs in the grader of exercises: ways for an answer to be judged better than it is, or to get out of its cage."""

from tests.mutants.plant import Field, bugs

_CAGE = "tests/exercises/test_cage.py"
_WALLS = (f"{_CAGE}::test_the_kernels_walls_hold_without_python",)

FIELDS = (
    Field(
        "The grader of exercises",
        bugs(
            "wallets/exercises/cage.py",
            (f"{_CAGE}::test_the_grader_and_the_answers_are_not_among_what_may_be_read",),
            (
                "grader-can-be-read",
                "An answer reads the code of its grader.",
                "if one != HIDDEN]",
                "]",
            ),
        )
        + bugs(
            "wallets/exercises/kernel_cage.py",
            _WALLS,
            (
                "kernel-lets-everything-be-written",
                "On Linux, who gets round Python's hook writes where it likes.",
                "    allowed = [(path, _READ_ONLY) for path in readable] + [(folder, rights & ~_LINKS)]",
                '    allowed = [(path, _READ_ONLY) for path in readable] + [(Path("/"), rights)]',
            ),
            (
                "kernel-lets-processes-be-made",
                "An answer makes processes that outlive its grade.",
                "        _step(_ANY_BIT, 1, 0, _AS_THREAD),\n        _step(_ANSWER, 0, 0, refuse),",
                "        _step(_ANY_BIT, 1, 0, _AS_THREAD),\n        _step(_ANSWER, 0, 0, _ALLOW),",
            ),
        )
        + bugs(
            "wallets/exercises/line.py",
            (f"{_CAGE}::test_after_two_strikes_nothing_more_is_asked",),
            (
                "endless-patience",
                "An answer with an endless loop costs a class hours: no call is ever counted against it.",
                "            self._strikes += 1\n",
                "",
            ),
        )
        + bugs(
            "wallets/exercises/grading.py",
            ("tests/exercises/test_grading.py",),
            (
                "last-world-decides",
                "An answer that is wrong in one world passes if the last world is kind.",
                "        if call.excinfo is not None and not kept.problem:",
                "        if call.when == 'call':\n            kept.problem = ''\n        if call.excinfo is not None:",
            ),
        )
        + bugs(
            "wallets/exercises/folder.py",
            ("tests/exercises/test_commands.py::test_a_reset_keeps_what_was_written",),
            (
                "reset-loses-the-answer",
                "A student who resets a lab loses what was written.",
                "        place.answer.rename(kept)",
                "        place.answer.unlink()",
            ),
        ),
    ),
)
