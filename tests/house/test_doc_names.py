"""What documents name is there: error codes, files, modules and what stands in them."""

import importlib
import re
from pathlib import Path

import pytest

from cbdc.errors import catalogue
from tests.house.tree import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PLACEHOLDERS = {"E_EXAMPLE", "E_CODE"}

_CODE = re.compile(r"\bE_[A-Z][A-Z0-9_]*\b")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1\s*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:cbdc|offline|wallets|tests|docs|requirements)/[\w./*-]*")
_MODULE = re.compile(r"(?:cbdc|offline|wallets)(?:\.\w+)+")
# The facts of a pilot's report are dotted too.
_FACT = re.compile(r"(?:offline|wallets)\.(?:\w+_tiyn|payments|hops_max|double_spends)")


def codes(text: str) -> set[str]:
    """Every error code a page names."""
    return set(_CODE.findall(text)) - PLACEHOLDERS


def inline(text: str) -> list[str]:
    """What stands in inline code, outside of fenced blocks."""
    return _INLINE.findall(_FENCE.sub("", text))


def missing_paths(text: str, root: Path = ROOT) -> list[str]:
    """Paths in inline code that lead nowhere; a star matches as in a shell."""
    named = [word for word in inline(text) if _PATH.fullmatch(word)]
    return [word for word in named if not list(root.glob(word.rstrip("/")))]


def missing_modules(text: str) -> list[str]:
    """Dotted names in inline code that are neither a module nor something a module has."""
    return [
        word
        for word in inline(text)
        if _MODULE.fullmatch(word) and not _FACT.fullmatch(word) and not _is_there(word)
    ]


def _is_there(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    if _is_module(name) or (ROOT / name.replace(".", "/")).is_dir():
        return True
    return _is_module(module) and hasattr(importlib.import_module(module), attribute)


def _is_module(name: str) -> bool:
    return (ROOT / f"{name.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_name_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert codes(text) - set(catalogue()) == set()
    assert missing_paths(text) == []
    assert missing_modules(text) == []


# --- the checkers can fail ---


def test_missing_names_are_seen(tmp_path: Path) -> None:
    (tmp_path / "cbdc").mkdir()
    (tmp_path / "cbdc/keys.py").touch()
    text = "`cbdc/keys.py` `cbdc/*.py` `cbdc/` `cbdc/gone.py` `tests/*.x` `E_NOTHING` E_EXAMPLE\n"
    text += "```\n`cbdc/fenced.py`\n```\n"
    assert missing_paths(text, tmp_path) == ["cbdc/gone.py", "tests/*.x"]
    assert codes(text) == {"E_NOTHING"}
    text = "`cbdc.ports` `cbdc.ports.Clock` `offline.verify` `cbdc.gone` `cbdc.ports.gone` `wallets.pilot.script`"
    assert missing_modules(text) == ["cbdc.gone", "cbdc.ports.gone"]
