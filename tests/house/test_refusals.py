"""Every refusal of the offline protocol is shown: by vectors where bytes alone can, else by a test that names it."""

from tests.house import made_refusals


def test_no_refusal_is_without_a_vector_or_a_test() -> None:
    bare = [code for code in made_refusals.codes() if not any(made_refusals.shown(code))]
    assert bare == []


def test_the_refusals_of_the_steps_are_shown_by_vectors() -> None:
    """V0 to V7 look at bytes, so each of their codes has a vector; V8 is the element's, and asks for its state."""
    from cbdc.errors import catalogue

    known = catalogue()
    steps = [
        code for code in made_refusals.codes() if any(f"V{step}" in known[code].rule for step in range(8))
    ]
    assert len(steps) > 40
    assert [code for code in steps if not made_refusals.shown(code).vectors] == []
