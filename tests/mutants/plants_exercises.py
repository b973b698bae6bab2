"""Bugs in the grader of exercises: ways for an answer to be judged better than it is, or to get out of its cage."""

from tests.mutants.plant import Field, bugs

_CAGE = ("tests/exercises/test_cage.py",)

FIELDS = (
    Field(
        "The grader of exercises",
        bugs(
            "wallets/exercises/cage.py",
            _CAGE,
            (
                "answer-writes-everywhere",
                "An answer overwrites somebody else's file where the kernel has no walls.",
                "(own,) if writes and path != os.devnull else (own, *trees)",
                "(own, *trees, os.sep)",
            ),
            (
                "grader-can-be-read",
                "An answer reads the checks and the sentences of its grader.",
                "if one != HIDDEN]",
                "]",
            ),
        )
        + bugs(
            "wallets/exercises/kernel_cage.py",
            _CAGE,
            (
                "kernel-lets-everything-be-written",
                "On Linux, who gets round Python's hook writes where it likes.",
                "rights & wanted) for path, wanted in allowed",
                "rights) for path, wanted in allowed",
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
            _CAGE,
            (
                "endless-patience",
                "An answer with an endless loop costs a class hours: no call is ever counted against it.",
                "            self._strikes += 1\n",
                "",
            ),
            (
                "worlds-show-everything",
                "An answer asks a world for what it should not see.",
                "            if name not in world.CALLS:",
                "            if name.startswith('__'):",
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
            ("tests/exercises/test_commands.py",),
            (
                "reset-loses-the-answer",
                "A student who resets a lab loses what was written.",
                "        place.answer.rename(kept)",
                "        place.answer.unlink()",
            ),
        ),
    ),
)
