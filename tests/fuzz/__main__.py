"""`python -m tests.fuzz`: hunt for inputs that break decoding, verification, frames, sync, evidence and both flows.

    python -m tests.fuzz                              half an hour, with atheris if it is installed
    python -m tests.fuzz --seconds 60 --seed 1        a minute
    python -m tests.fuzz --engine own --targets bundle,session
    python -m tests.fuzz --replay build/fuzz/bundle-0123456789abcdef

A summary line for each target and one for all goes to the terminal, the same as JSON into `build/fuzz/summary.json`.
Exit code 1 when something broke or memory grew.
"""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cbdc.ports import stopwatch
from tests.fuzz.engine import ROOT, Hunt, attempt, hunt_all, total
from tests.fuzz.targets import MAKERS

FOLDER = Path("build/fuzz")
MOST_GROWTH_MIB = 64
_STATISTICS = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


def main(arguments: list[str]) -> int:
    """Hunt, or replay one input; 0 when nothing broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the offline protocol.")
    parser.add_argument("--seconds", type=int, default=1_800, help="for all targets together, on each worker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("auto", "own", "atheris"), default="auto")
    parser.add_argument("--targets", default="", help=f"some of {','.join(MAKERS)}")
    parser.add_argument("--workers", type=int, default=1, help="processes side by side (atheris only)")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where findings, corpora and the summary go"
    )
    parser.add_argument("--replay", type=Path, help="run one saved input again")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        return replay(options.replay)
    names = options.targets.split(",") if options.targets else list(MAKERS)
    options.folder.mkdir(parents=True, exist_ok=True)
    has_atheris = importlib.util.find_spec("atheris") is not None
    if options.engine == "atheris" or (options.engine == "auto" and has_atheris):
        summary = with_atheris(names, options.seconds, options.seed, options.workers, options.folder)
    else:
        summary = with_own_engine(names, options.seconds, options.seed, options.folder)
    (options.folder / "summary.json").write_text(json.dumps(summary, indent=1), encoding="ascii")
    return report(summary)


def with_own_engine(names: list[str], seconds: int, seed: int, folder: Path) -> dict[str, Any]:
    """All targets in this process, in turn."""
    hunts = [Hunt(MAKERS[name](), seed) for name in names]
    summary = {"engine": "own", "seed": seed, **hunt_all(hunts, seconds)}
    for hunt in hunts:
        for broken in hunt.found.values():
            print(f"saved {broken.save(folder)}")
    return summary


def with_atheris(names: list[str], seconds: int, seed: int, workers: int, folder: Path) -> dict[str, Any]:
    """Each target in a process of its own under libFuzzer."""
    begun = stopwatch()
    each = max(1, seconds * workers // len(names))

    def hunt(name: str) -> dict[str, Any]:
        corpus, status = folder / f"corpus-{name}", folder / f"{name}.json"
        corpus.mkdir(exist_ok=True)
        for number, data in enumerate(MAKERS[name]().seeds):
            (corpus / f"seed-{number:03}").write_bytes(data)
        limits = [
            "-max_len=65536",
            "-rss_limit_mb=1500",
            "-timeout=60",
            f"-artifact_prefix={folder}/stopped-{name}-",
        ]
        command = [sys.executable, "-m", "tests.fuzz.libfuzzer", name, str(status)]
        command += [f"-max_total_time={each}", f"-seed={seed}", "-print_final_stats=1", *limits, str(corpus)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
        )
        row: dict[str, Any] = json.loads(status.read_text(encoding="ascii"))
        seen = _STATISTICS.findall(done.stderr)
        edges, features, kept = map(int, seen[-1]) if seen else (0, 0, 0)
        peak = re.search(r"peak_rss_mb:\s+(\d+)", done.stderr)
        runs = re.search(r"number_of_executed_units:\s+(\d+)", done.stderr)
        row |= {"target": name, "edges": edges, "features": features, "corpus": kept}
        row["runs"] = int(runs[1]) if runs else row["runs"]
        row["peak_mib"] = int(peak[1]) if peak else row["memory_mib"]
        if done.returncode != 0:
            row["found"].append(f"{name}: libFuzzer stopped: {done.stderr[-600:]}")
        print(line(row), flush=True)
        return row

    with ThreadPoolExecutor(workers) as pool:
        rows = list(pool.map(hunt, names))
    summary = total(rows, stopwatch() - begun, max(row["growth_mib"] for row in rows))
    summary["memory_mib"] = max(row["peak_mib"] for row in rows)
    return {"engine": "atheris", "seed": seed, **summary}


def line(row: dict[str, Any]) -> str:
    """One target in one line."""
    return (
        f"{row['target']:<10} {row['runs']:>9} runs  {row['edges']:>6} edges  {row['corpus']:>5} kept  "
        f"{row['accepted']:>8} accepted  {row['answers']:>3} answers  {len(row['found'])} found"
    )


def report(summary: dict[str, Any]) -> int:
    """Tell what came of it; 1 when something broke or memory grew."""
    if summary["engine"] == "own":
        for row in summary["targets"]:
            print(line(row))
    for problem in summary["found"]:
        print(f"FOUND {problem}")
    grew = summary["growth_mib"] > MOST_GROWTH_MIB
    print(
        f"fuzz: {summary['runs']} runs in {summary['seconds']} s ({summary['runs_per_second']} a second, engine "
        f"{summary['engine']}, seed {summary['seed']}), {summary['edges']} edges, {len(summary['found'])} found, "
        f"memory {summary['memory_mib']} MiB, grown by {summary['growth_mib']} MiB{' (TOO MUCH)' if grew else ''}"
    )
    return 1 if summary["found"] or grew else 0


def replay(path: Path) -> int:
    """Run a saved input again and tell what it does."""
    name = path.name.rpartition("-")[0]
    answer, broken = attempt(MAKERS[name](), path.read_bytes())
    print(broken.problem if broken is not None else answer)
    return 0 if broken is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
