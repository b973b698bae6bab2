"""What the house tests see: the modules of the three packages, the text files, and Markdown taken apart."""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cbdc", "offline", "wallets")

_SKIPPED = {".git", ".venv", "build", "dist", "node_modules"}
_BINARY = {
    ".png",
    ".jpg",
    ".gif",
    ".ico",
    ".woff",
    ".woff2",
    ".wasm",
    ".sqlite",
    ".db",
    ".bin",
    ".pdf",
    ".gz",
}


def python_files(root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> list[Path]:
    """Every Python file of `packages`, sorted."""
    return sorted(file for package in packages for file in (root / package).rglob("*.py"))


def scripts(root: Path = ROOT) -> list[Path]:
    """Every script of the site that is our own, sorted."""
    found = (root / "wallets/site/static").rglob("*.js")
    return sorted(file for file in found if "vendor" not in file.relative_to(root).parts)


def module_name(file: Path, root: Path = ROOT) -> str:
    """`cbdc/ledger/rules.py` is `cbdc.ledger.rules`; an `__init__.py` is its package."""
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Module name -> path, without the empty package files."""
    return {module_name(file, root): file for file in python_files(root) if file.name != "__init__.py"}


@cache
def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file, read once."""
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of names and attributes; the empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def text_files(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """(path, text) of every text file that is in git or about to be."""
    for name in _file_names(root):
        file = root / name
        if file.suffix.lower() in _BINARY or not file.is_file():
            continue
        try:
            yield name, file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def _file_names(root: Path) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        return sorted(name for name in listed.stdout.decode().split("\0") if name)
    everything = (file.relative_to(root) for file in root.rglob("*") if file.is_file())
    return sorted(file.as_posix() for file in everything if not _SKIPPED & set(file.parts))


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block of Markdown: the words after the fence, the text, and the heading it stands under."""

    info: tuple[str, ...]
    text: str
    heading: str


_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*([^`]*)$")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$")


def fences(markdown: str) -> list[Fence]:
    """Every fenced block, in order."""
    found: list[Fence] = []
    heading, opened, info, lines = "", "", "", list[str]()
    for line in markdown.splitlines():
        fence = _FENCE.match(line)
        if opened:
            if fence and fence[1].startswith(opened) and not fence[2].strip():
                found.append(Fence(tuple(info.split()), "\n".join(lines), heading))
                opened, lines = "", []
            else:
                lines.append(line)
        elif fence:
            opened, info = fence[1], fence[2]
        elif title := _HEADING.match(line):
            heading = title[1]
    return found


def without_fences(markdown: str) -> str:
    """The prose alone: no fenced blocks, no inline code."""
    kept: list[str] = []
    opened = ""
    for line in markdown.splitlines():
        fence = _FENCE.match(line)
        if opened:
            if fence and fence[1].startswith(opened) and not fence[2].strip():
                opened = ""
        elif fence:
            opened = fence[1]
        else:
            kept.append(line)
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", "\n".join(kept), flags=re.DOTALL)
