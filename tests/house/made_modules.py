"""The maker for the wallet's page: every module that its script imports before it runs, to be fetched at once.

Without the list a browser learns of a module only when it has read the one that imports it, so a first visit waits
for the network once for each floor. What is imported later (`import("...")`) is left for later.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from tests.house.tree import ROOT

_STATIC = ROOT / "wallets/site/static"
_IMPORT = re.compile(r'^(?:(?:import|export)\s[^;"]*?\bfrom|import)\s+"([^"]+)"', re.MULTILINE)


def imports(path: str) -> Iterator[str]:
    """The paths on the server that a module imports before it runs, in their order."""
    for found in _IMPORT.finditer((_STATIC / path.removeprefix("/static/")).read_text(encoding="utf-8")):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(path), found[1]))


def reached(path: str) -> set[str]:
    """A module and all that it imports, however far away."""
    found, waiting = {path}, [path]
    while waiting:
        for one in imports(waiting.pop()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found


def modules(argument: str) -> str:
    """A link for each module under a script; the script itself has its own element."""
    links = sorted(reached(argument) - {argument})
    return "\n".join(f'<link rel="modulepreload" href="{one}">' for one in links)


MAKERS: Mapping[str, Callable[[str], str]] = {"modules": modules}
