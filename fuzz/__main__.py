"""``python -m fuzz``: fuzzes each target for a while, reports executions and finds, and keeps what reached new code.

``make fuzz SECONDS=600`` runs this. It ends with status 1 if anything was found; the input then lies in
``fuzz/out/<target>/``, and ``python -m fuzz --reproduce FILE TARGET`` shows what it does.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fuzz.corpus import CORPUS, keep
from fuzz.targets import TARGETS

OUT = Path(__file__).parent / "out"
MAX_LENGTH = 4096
MEMORY_LIMIT_MIB = 1024
REPLAY_SHARE = 0.1


@dataclass(frozen=True)
class Report:
    """What came of one target."""

    target: str
    seconds: float
    executions: int
    replayed: int
    grown_kib: int
    finds: tuple[Path, ...]
    kept: int

    def __str__(self) -> str:
        rate = self.executions / max(self.seconds, 0.001)
        found = ", ".join(path.name for path in self.finds) or "nothing"
        return (
            f"{self.target:<15} {self.executions:>12,} executions {rate:>9,.0f}/s  {self.replayed:>12,} replayed, "
            f"{self.grown_kib:+,} KiB  {self.kept:>3} kept  found: {found}"
        )


def main() -> None:
    """Fuzz what the command line names, everything by default."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument(
        "--keep", action="store_true", help="add what was reached to the corpus in the repository"
    )
    parser.add_argument("--reproduce", type=Path, metavar="FILE", help="only read this input")
    options = parser.parse_args()
    targets = options.targets or list(TARGETS)
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if options.reproduce:
        for target in targets:
            TARGETS[target](options.reproduce.read_bytes())
        return
    reports = []
    for target in targets:
        reports.append(_fuzz(target, options.seconds, keeping=options.keep))
        print(reports[-1], flush=True)
    executions = sum(report.executions for report in reports)
    finds = sum(len(report.finds) for report in reports)
    print(f"{executions:,} executions of {len(reports)} targets, {finds} finds")
    sys.exit(1 if finds else 0)


def _fuzz(target: str, seconds: float, *, keeping: bool) -> Report:
    folder = OUT / target
    shutil.rmtree(folder, ignore_errors=True)
    working = folder / "corpus"
    shutil.copytree(CORPUS / target, working)
    log = folder / "log"
    started = time.monotonic()
    executions = 0
    # A find ends the engine, so it is started again for the time that is left, with the find set aside.
    while (left_s := seconds - (time.monotonic() - started)) >= 1:
        with log.open("w") as out:
            status = subprocess.run(
                [
                    *(sys.executable, "-m", "fuzz.engine", target, str(working)),
                    *(f"-max_total_time={int(left_s)}", f"-max_len={MAX_LENGTH}", "-print_final_stats=1"),
                    *(f"-rss_limit_mb={MEMORY_LIMIT_MIB}", "-timeout=20", f"-artifact_prefix={folder}/find-"),
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONHASHSEED": "0"},
                check=False,
            ).returncode
        executions += _executions(log.read_text("utf-8", "replace"))
        if status and not list(folder.glob("find-*")):
            print(log.read_text("utf-8", "replace")[-3000:], file=sys.stderr)
            raise SystemExit(f"the engine failed on {target}; is atheris installed? pip install '.[fuzz]'")
        if len(list(folder.glob("find-*"))) >= 5:
            break
    elapsed_s = time.monotonic() - started
    replayed, grown_kib = _replay(target, working, max(1.0, seconds * REPLAY_SHARE))
    finds = tuple(sorted(folder.glob("find-*")))
    kept = 0
    if keeping and not finds:
        kept = keep(target, working.iterdir())  # the engine adds only what reached something of its own
    return Report(target, elapsed_s, executions, replayed, grown_kib, finds, kept)


def _executions(log: str) -> int:
    """Return how many inputs libFuzzer ran: its final count, or the last it told before a find ended it."""
    counts = re.findall(r"stat::number_of_executed_units:\s+(\d+)", log) or re.findall(
        r"^#(\d+)\s", log, re.MULTILINE
    )
    return int(counts[-1]) if counts else 0


def _replay(target: str, corpus: Path, seconds: float) -> tuple[int, int]:
    command = [sys.executable, "-m", "fuzz.engine", target, "--replay", str(seconds), str(corpus)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"runs=(\d+) .* grown_kib=(-?\d+)", said)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


if __name__ == "__main__":
    main()
