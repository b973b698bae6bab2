"""Lighthouse at every kind of page of `tenge serve`, on a phone and on a desktop: `make lighthouse`.

    python -m tests.web.lighthouse                      every page; build/lighthouse/*.json and a table on the terminal
    python -m tests.web.lighthouse --only wallet --only landing

Lighthouse is a program of node and no dependency of this project: it is taken from the path, from `LIGHTHOUSE`, or from
`build/lighthouse-tool`, and whoever has none is told how to get it. The server is a process of its own with a fresh
sandbox in memory. Desks are opened with the cookie of a demo user who signed in as a browser does.

Rules kept here: exit code 1 when a score is under 95; no test runs this, because its first figure depends on the
machine.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.conftest import ROOT
from tests.site.process import served
from tests.site.visitor import Forms
from wallets.site.users import ROLES

OUT = ROOT / "build/lighthouse"
TOOL = ROOT / "build/lighthouse-tool"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ASKED_FOR = 95
CATEGORIES = ("performance", "accessibility", "best-practices")
FORMS = ("phone", "desktop")
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-quic --disable-background-networking"
NOT_THERE = f"""\
Lighthouse is not here. It needs node 18 or newer:
    npm install --prefix {TOOL.relative_to(ROOT)} lighthouse@12
or name the program: LIGHTHOUSE=/path/to/lighthouse make lighthouse"""
OPEN_PAGES = {
    "landing": "/",
    "sign-in": "/sign-in/bank",
    "wallet": "/wallet/",
    "explorer": "/explorer/",
    "class": "/class/",
}


def program() -> str | None:
    """Where Lighthouse is on this machine, if it is."""
    named = os.environ.get("LIGHTHOUSE", "")
    installed = TOOL / "node_modules/.bin/lighthouse"
    return named or (str(installed) if installed.exists() else shutil.which("lighthouse"))


def cookie_of(port: int, role: str) -> str:
    """The cookies of a browser in which the first demo user of a role has signed in."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", f"/sign-in/{role}")
    answer = connection.getresponse()
    cookie = str(answer.getheader("Set-Cookie")).partition(";")[0]
    action, fields = next(
        (action, fields) for action, fields in Forms(answer.read().decode()).forms if "passcode" in fields
    )
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", action, urlencode(fields), headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 303, answer.status
    renewed = answer.getheader("Set-Cookie")
    connection.close()
    return renewed.partition(";")[0] if renewed else cookie


def looked_at(tool: str, url: str, name: str, form: str, cookie: str) -> dict[str, Any]:
    """Lighthouse's report about one page; it stays in build/lighthouse."""
    path = OUT / f"{name}-{form}.json"
    command = [tool, url, "--quiet", "--output=json", f"--output-path={path}", f"--chrome-flags={FLAGS}"]
    command += [f"--only-categories={','.join(CATEGORIES)}", "--max-wait-for-load=20000"]
    command += ["--preset=desktop"] if form == "desktop" else []
    if cookie:
        headers = OUT / "headers.json"
        headers.write_text(json.dumps({"Cookie": cookie}))
        command.append(f"--extra-headers={headers}")
    subprocess.run(command, check=True, env=os.environ | {"CHROME_PATH": CHROMIUM}, stderr=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def row(name: str, form: str, report: dict[str, Any]) -> str:
    """One line of the table."""
    scores = [report["categories"][one]["score"] for one in CATEGORIES]
    audits = report["audits"]
    figures = [
        f"{audits['first-contentful-paint']['numericValue'] / 1000:.1f} s",
        f"{audits['largest-contentful-paint']['numericValue'] / 1000:.1f} s",
        f"{audits['total-blocking-time']['numericValue']:.0f} ms",
        f"{audits['cumulative-layout-shift']['numericValue']:.3f}",
        f"{audits['total-byte-weight']['numericValue'] / 1024:.0f} KiB",
    ]
    told = ["-" if score is None else f"{score * 100:.0f}" for score in scores]
    return "| " + " | ".join([name, form, *told, *figures]) + " |"


def weak(report: dict[str, Any]) -> list[str]:
    """What Lighthouse would have better: each audit under 0.9 that counts in a category under the figure asked for."""
    found = []
    for category in CATEGORIES:
        about = report["categories"][category]
        if about["score"] is not None and about["score"] * 100 >= ASKED_FOR:
            continue
        for reference in about["auditRefs"]:
            audit = report["audits"][reference["id"]]
            if reference["weight"] and (audit["score"] is None or audit["score"] < 0.9):
                found.append(
                    f"{category}: {audit['id']}: {audit['title']} {audit.get('displayValue', '')}".strip()
                )
    return found


def machine() -> str:
    """What the figures were measured on."""
    about = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", about.read_text()) if about.exists() else None
    return f"{os.cpu_count()} cores ({model[1] if model else 'unknown'}), load {os.getloadavg()[0]:.0f}"


def main() -> int:
    """Look at every page; 1 when a score is too low, 2 without Lighthouse."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--only", action="append", default=[], help="a page by its name")
    only = asked.parse_args().only
    tool = program()
    if tool is None:
        sys.stderr.write(NOT_THERE + "\n")
        return 2
    OUT.mkdir(parents=True, exist_ok=True)
    pages = {name: (path, "") for name, path in OPEN_PAGES.items()} | {
        role: (f"/{role}/", role) for role in ROLES
    }
    lines, weaknesses, version = [], [], ""
    with served() as (_, port, _lines):
        for name, (path, role) in pages.items():
            if only and name not in only:
                continue
            for form in FORMS:
                cookie = cookie_of(port, role) if role else ""
                report = looked_at(tool, f"http://localhost:{port}{path}", name, form, cookie)
                version = report["lighthouseVersion"]
                lines.append(row(name, form, report))
                weaknesses += [f"{name}, {form}: {one}" for one in weak(report)]
                sys.stderr.write(lines[-1] + "\n")
    say = sys.stdout.write
    say(f"Lighthouse {version}, {date.today().isoformat()}, {machine()}\n\n")  # noqa: DTZ011
    say("| page | on | performance | accessibility | best practices | FCP | LCP | TBT | CLS | bytes |\n")
    say("|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n")
    say("".join(f"\n{one}" for one in weaknesses) + "\n")
    return 1 if weaknesses else 0


if __name__ == "__main__":
    sys.exit(main())
