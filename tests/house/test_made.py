"""Made parts of documents are current, and the machine that makes them can say no."""

from pathlib import Path

import pytest

from tests.house import commands_page, made

PAGES = list(made.pages())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_is_current(page: Path) -> None:
    assert made.differences(page) == [], "run `python -m tests.house.made --write`"


def test_the_command_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands_page.main(["--check"]) == 0, capsys.readouterr().out


def test_the_check_names_every_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whether each page is current is asked above; making all of them twice takes long.
    monkeypatch.setattr(made, "differences", lambda page: [])
    assert made.main(["--check"]) == 0
    told = capsys.readouterr().out
    assert [page.name for page in PAGES if f"{page.name} is current" not in told] == []
    monkeypatch.setattr(made, "differences", lambda page: ["-old"] if page == PAGES[0] else [])
    assert made.main(["--check"]) == 1
    assert "-old" in capsys.readouterr().out


# --- the checkers can fail ---

_MAKERS = {"twice": lambda argument: f"{argument} {argument}\n"}


def test_parts_are_made_anew_and_the_rest_stays() -> None:
    old = "# A\n\n<!-- made: twice b c -->\nold\n\nlines\n<!-- /made -->\nend\n"
    new = "# A\n\n<!-- made: twice b c -->\n\nb c b c\n\n<!-- /made -->\nend\n"
    assert made.refreshed(old, _MAKERS) == new
    assert made.refreshed(new, _MAKERS) == new
    assert made.parts(new) == [("twice", "b c")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- made: nobody -->\n<!-- /made -->\n", "nothing makes 'nobody'"),
        ("<!-- made: twice -->\nnever closed\n", "not closed"),
        ("<!-- made: twice -->\n<!-- made: twice -->\n<!-- /made -->\n", "not closed"),
    ],
)
def test_a_part_that_cannot_be_made_is_seen(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        made.refreshed(text, _MAKERS)


def test_a_vector_that_is_not_there_is_seen() -> None:
    with pytest.raises(ValueError, match="no case"):
        made.MAKERS["vector"]("encoding/nothing")


def test_a_stale_command_page_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands_page, "PAGE", tmp_path / "commands.md")
    assert commands_page.main(["--check"]) == 1
    assert commands_page.main(["--write"]) == 0
    assert commands_page.main(["--check"]) == 0
    assert "commands_page --write" in capsys.readouterr().out
