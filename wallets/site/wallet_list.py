"""What the wallet in a browser keeps for a day without a network: every file by its path, and one version for all.

The wallet's service worker reads the list, fetches a version whole, and only then uses it. The version follows from the
files' bytes, so a changed file is a new version and nobody has to count.

    first   what the wallet opens with          later   the QR reader, loaded after the first paint

Rules kept here: paths are the server's own, in the order of their names; licences and notes stay where they are.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

PAGE = "/wallet/"
_FOLDERS = ("wallet", "device", "protocol", "vendor/qrcode-generator")
_LATER = "vendor/zxing-wasm"
_KEPT = frozenset({".css", ".js", ".json", ".png", ".svg", ".wasm", ".webmanifest"})
_OUTSIDE = frozenset({"wallet/index.html", "wallet/sw.js"})


@lru_cache(maxsize=1_024)
def _digest(path: Path, changed_nanoseconds: int, size_bytes: int) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _hashed(static: Path, folder: str) -> dict[str, bytes]:
    found = {}
    for path in sorted((static / folder).rglob("*")):
        name = path.relative_to(static).as_posix()
        if path.is_file() and path.suffix in _KEPT and name not in _OUTSIDE:
            about = path.stat()
            found[f"/static/{name}"] = _digest(path, about.st_mtime_ns, about.st_size)
    return found


def wallet_list(static: Path, texts: Mapping[str, bytes]) -> dict[str, object]:
    """The list for the wallet under this folder of static files; `texts` are its words, path -> bytes."""
    page = static / "wallet" / "index.html"
    first = {PAGE: hashlib.sha256(page.read_bytes()).digest()}
    for folder in _FOLDERS:
        first |= _hashed(static, folder)
    first |= {path: hashlib.sha256(data).digest() for path, data in texts.items()}
    later = _hashed(static, _LATER)
    version = hashlib.sha256()
    for path, digest in (first | later).items():
        version.update(path.encode() + b"\0" + digest)
    return {"version": version.hexdigest()[:16], "first": list(first), "later": list(later)}
