"""What is asked of mutmut beside its own commands: to make all mutants, to run some, and to show some.

mutmut's command makes the mutants only as the first step of a run, and a sample must know all names before that. And
it runs, before any mutant, all tests that reach one of them, which for a sample of a whole package is nearly all tests
once more. They have passed already: the run that notes which test reaches which function stops at the first failure. So
mutants are run here, by mutmut's own runner: each in a fork, its tests from the quickest on up to the first failure.

These calls are into mutmut's insides, so they hold for the version named in docs/mutants.md. In a process of their own:

    python -m tests.mutants.mutmut_calls make
    python -m tests.mutants.mutmut_calls run SECONDS NAME...   tests up to this sum of seconds, as they were measured
    python -m tests.mutants.mutmut_calls show NAME...          one JSON object: name to unified diff
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def make() -> None:
    """Copy the tree to `mutants/` and write the mutants of every module of `only_mutate` there."""
    from mutmut import __main__ as mutmut
    from mutmut.mutation.trampoline import set_mutant_under_test

    set_mutant_under_test("mutant_generation")
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.create_mutants(1)


SECONDS_BESIDE = 15


def within(tests: Sequence[str], seconds: Mapping[str, float], most: float) -> tuple[list[str], float]:
    """The quickest tests whose seconds sum to no more than `most`, at least one of them, and that sum."""
    chosen: list[str] = []
    total = 0.0
    for test in sorted(tests, key=lambda test: (seconds[test], test)):
        if chosen and total + seconds[test] > most:
            break
        chosen.append(test)
        total += seconds[test]
    return chosen, total


def _note_reach(mutmut: Any, runner: Any) -> None:
    """Know which test reaches which function: all tests once, later only those that are new.

    mutmut's own call for this forgets what it knew of every module whose mutants it has not just made.
    """
    if not mutmut.load_stats():
        mutmut.run_stats_collection(runner)
        return
    tests = runner.list_all_tests()
    tests.clear_out_obsolete_test_names()
    if tests.new_tests():
        mutmut.run_stats_collection(runner, tests=tests.new_tests())


def run(most_seconds: float, names: Sequence[str]) -> None:
    """Run the tests against each of these mutants and keep the verdict at once."""
    from mutmut import __main__ as mutmut
    from mutmut.mutation.trampoline import set_mutant_under_test
    from mutmut.state import state
    from mutmut.utils.format_utils import mangled_name_from_mutant_name

    mutmut.setup_source_paths()
    runner = mutmut.get_mutant_runner(1)
    _note_reach(mutmut, runner)
    set_mutant_under_test("")
    mutants, _ = mutmut.collect_source_file_mutation_data(mutant_names=tuple(names))
    data_of = {name: data for data, name, _ in mutants}
    runner.startup()
    try:
        for number, name in enumerate(names, 1):
            reached = state().tests_by_mangled_function_name.get(mangled_name_from_mutant_name(name), ())
            tests, total = within(list(reached), state().duration_by_test, most_seconds)
            runner.submit(name, tests, math.ceil(total) + SECONDS_BESIDE, total)
            result = runner.wait_for_result()
            mutmut._register_mutant_result(result, data_of)
            sys.stdout.write(f"{number}/{len(names)} {name}: {result.exit_code} of {len(tests)} tests\n")
            sys.stdout.flush()
    finally:
        runner.stop_all_workers()
        runner.shutdown()


def show(names: Sequence[str]) -> dict[str, str]:
    """The change of each mutant."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    return {name: get_diff_for_mutant(name) for name in names}


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make()
    elif sys.argv[1] == "run":
        run(float(sys.argv[2]), sys.argv[3:])
    else:
        sys.stdout.write(json.dumps(show(sys.argv[2:])))
