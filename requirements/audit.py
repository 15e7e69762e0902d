"""Says whether a package that we install has a known vulnerability, as far as the registry can be asked about it.

    python audit.py LOCK...

Ends with 1 if a newer version would mend one; where the database cannot be reached, it says so and ends with 0.
"""

from __future__ import annotations

import json
import subprocess
import sys

AUDIT = (
    "-m",
    "pip_audit",
    "--disable-pip",
    "--require-hashes",
    "--format=json",
    "--progress-spinner=off",
    "--timeout=10",
)


def main(locks: list[str]) -> int:
    """Ask about every package of the lock files; return the exit status."""
    files = [word for lock in locks for word in ("--requirement", lock)]
    done = subprocess.run([sys.executable, *AUDIT, *files], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        print(f"audit skipped, the database of vulnerabilities cannot be reached: {said[-1][:200]}")
        return 0
    known = [package for package in packages if "vulns" in package]
    if not known:
        print("audit skipped, this registry has no database of vulnerabilities")
        return 0
    found = [(package, fault) for package in known for fault in package["vulns"]]
    for package, fault in found:
        versions = ", ".join(fault["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {fault['id']}, mended in {versions}")
    print(f"audited {len(known)} of {len(packages)} packages, {len(found)} known vulnerabilities")
    return 1 if any(fault["fix_versions"] for _, fault in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
