"""What the wallet in a browser keeps for a day without a network: every file by its path, and one version for all.

The wallet's service worker reads the list, fetches a version whole, and only then uses it. The version follows from the
files' bytes, so a changed file is a new version and nobody has to count.

    first   what the wallet opens with
    later   the offline device and the QR reader, which are loaded after the first paint, and the words of the languages

Beside each path stands the SHA-256 of the file, so the service worker may take what the page has just loaded and still
never mixes two versions.

Rules kept here: paths are the server's own, in the order of their names; licences and notes stay where they are.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

PAGE = "/wallet/"
_FIRST = ("wallet", "protocol", "vendor/qrcode-generator")
_LATER = ("device", "vendor/zxing-wasm")
_SENTENCES = "/static/wallet/refusals/"
_KEPT = frozenset({".css", ".js", ".json", ".png", ".svg", ".wasm", ".webmanifest"})
_OUTSIDE = frozenset({"wallet/index.html", "wallet/sw.js"})


@lru_cache(maxsize=1_024)
def _digest(path: Path, changed_nanoseconds: int, size_bytes: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hashed(static: Path, folder: str) -> dict[str, str]:
    found = {}
    for path in sorted((static / folder).rglob("*")):
        name = path.relative_to(static).as_posix()
        if path.is_file() and path.suffix in _KEPT and name not in _OUTSIDE:
            about = path.stat()
            found[f"/static/{name}"] = _digest(path, about.st_mtime_ns, about.st_size)
    return found


def wallet_list(static: Path, texts: Mapping[str, bytes]) -> dict[str, object]:
    """The list for the wallet under this folder of static files; `texts` are its words, path -> bytes."""
    first = {PAGE: hashlib.sha256((static / "wallet" / "index.html").read_bytes()).hexdigest()}
    for folder in _FIRST:
        first |= _hashed(static, folder)
    later = {path: hashlib.sha256(data).hexdigest() for path, data in texts.items()}
    later |= {path: digest for path, digest in first.items() if path.startswith(_SENTENCES)}
    for folder in _LATER:
        later |= _hashed(static, folder)
    first = {path: digest for path, digest in first.items() if path not in later}
    version = hashlib.sha256()
    for path, digest in (first | later).items():
        version.update(f"{path}\0{digest}\n".encode())
    return {"version": version.hexdigest()[:16], "first": first, "later": later}
