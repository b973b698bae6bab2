"""SoftHSM2 for tests: tokens in a folder of their own, gone with it.

apt-get install softhsm2 && pip install -e .[hsm]
"""

import atexit
import functools
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
MODULE = next((path for path in LIBRARIES if Path(path).exists()), "")
HERE = bool(MODULE and shutil.which("softhsm2-util") and importlib.util.find_spec("pkcs11"))
WITHOUT = "no SoftHSM2 here: apt-get install softhsm2, and pip install -e .[hsm]"
PIN, OFFICER_PIN = "473829", "99887766"
needs_hsm = pytest.mark.skipif(not HERE, reason=WITHOUT)


def softhsm(folder: Path) -> str:
    """Settings for tokens in `folder`; the path belongs into SOFTHSM2_CONF."""
    (folder / "tokens").mkdir(parents=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    return str(settings)


@functools.cache
def settings_of_this_process() -> str:
    """Settings for every test that opens the module in this process, set in SOFTHSM2_CONF: it reads them once."""
    folder = Path(tempfile.mkdtemp(prefix="softhsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = softhsm(folder)
    os.environ["SOFTHSM2_CONF"] = settings
    return settings


def make_token(settings: str, label: str) -> None:
    """A new token with the PIN of the tests."""
    command = ["softhsm2-util", "--init-token", "--free", "--label", label]
    pins = ["--so-pin", OFFICER_PIN, "--pin", PIN]
    environment = {**os.environ, "SOFTHSM2_CONF": settings}
    subprocess.run([*command, *pins], check=True, capture_output=True, timeout=120, env=environment)


def look_again() -> None:
    """Let the module of this process see tokens that were made since it was loaded; every session of it ends."""
    pkcs11 = importlib.import_module("pkcs11")
    pkcs11.lib(MODULE).reinitialize()
