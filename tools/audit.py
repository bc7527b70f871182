"""Look up every pin of requirements.lock in the databases of known vulnerabilities: `make audit`.

    python tools/audit.py PIP_AUDIT     the program `pip-audit`, of an environment of its own

Exit status: 0 all packages were looked up and none has a known vulnerability; 1 vulnerabilities, one line each; 3 no
database could be reached, or it does not know some of the packages. pip-audit itself reports "no known vulnerabilities"
also where an index answers that it knows no package at all, as a mirror without such data does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
SERVICES = ("pypi", "osv")
"""The databases, in the order in which they are asked."""
FOUND, UNREACHED = 1, 3


def ask(program: str, service: str) -> tuple[list[dict[str, Any]], str]:
    """(the packages with what the database knows of each, why it could not be asked)."""
    options = ["-r", str(LOCK), "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([program, *options, "--vulnerability-service", service], capture_output=True, text=True)
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError):
        return [], (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]


def verdict(packages: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """(exit status, lines) of what a database says of the packages."""
    lines = [
        f"{package['name']}=={package['version']}: {found['id']}, mended in {found['fix_versions'] or 'no version'}"
        for package in packages
        for found in package.get("vulns", [])
    ]
    skipped = [package["name"] for package in packages if "vulns" not in package]
    if skipped:
        lines.append(f"not looked up: {len(skipped)} of {len(packages)} packages, among them {', '.join(skipped[:5])}")
    return (FOUND if len(lines) > bool(skipped) else UNREACHED if skipped or not packages else 0), lines


def main(program: str) -> int:
    status, lines = UNREACHED, []
    for service in SERVICES:
        packages, reason = ask(program, service)
        status, lines = verdict(packages)
        if status != UNREACHED:
            break
        print(f"audit: {service}: {'; '.join(lines) or reason}", file=sys.stderr)
    if status == UNREACHED:
        print("audit: no database could be asked about all packages: nothing is known about them", file=sys.stderr)
    else:
        found = sum(len(package.get("vulns", [])) for package in packages)
        print(*lines, f"audit: {len(packages)} packages, {found} known vulnerabilities ({service})", sep="\n")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
