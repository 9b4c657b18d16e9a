"""Look for known vulnerabilities of locked requirements, by pip-audit.

    python .ci/audit.py PIP-AUDIT LOCK...

Exit code 0: nothing is known, or nothing could be asked, which is printed. 1: something is known
of a release, or pip-audit failed for another reason. An advisory that does not concern crosswatt
goes into ``.ci/accepted-advisories.txt``: its identifier, and why.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ACCEPTED = Path(__file__).with_name("accepted-advisories.txt")
#: How errors of a missing network end, in what requests and pip-audit print.
_NO_NETWORK = re.compile(
    r"(ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|ServiceError|"
    r"network may be blocking)"
)
_LIMIT_S = 120


class NotAudited(Exception):
    """Nothing could be asked."""


def first_requirement(lock: Path) -> str:
    """Return the first requirement of a lock, with its hashes."""
    lines = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
    end = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: end + 1]) + "\n"


def ask(program: str, locks: list[Path], accepted: list[str]) -> list[dict[str, Any]]:
    """Return what pip-audit says of each requirement.

    Raises
    ------
    NotAudited : there is no network.
    SystemExit : pip-audit failed.
    """
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "audit.json"
        command = [program, "--progress-spinner=off", "--disable-pip", "--require-hashes"]
        command += [word for lock in locks for word in ("-r", str(lock))]
        command += [word for name in accepted for word in ("--ignore-vuln", name)]
        try:
            done = subprocess.run(
                [*command, "-f", "json", "-o", str(out)],
                capture_output=True, text=True, check=False, timeout=_LIMIT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NotAudited(f"no network (no answer within {_LIMIT_S} s)") from None
        if out.exists():
            answers: list[dict[str, Any]] = json.loads(out.read_text())["dependencies"]
            return answers
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    if _NO_NETWORK.search(done.stderr):
        raise NotAudited(f"no network ({last[:200]})")
    raise SystemExit(f"pip-audit failed: {last}")


def accepted_advisories(text: str) -> list[str]:
    """Return the identifiers of a list; text after each says why."""
    return [line.split()[0] for line in text.splitlines() if line.strip() and line[0] != "#"]


def audit(program: str, locks: list[Path]) -> int:
    """Print what is known of the requirements; return the exit code."""
    accepted = accepted_advisories(ACCEPTED.read_text()) if ACCEPTED.exists() else []
    try:
        with tempfile.TemporaryDirectory() as place:  # one question, before a hundred for nothing
            one = Path(place) / "one.txt"
            one.write_text(first_requirement(locks[0]))
            if all("skip_reason" in each for each in ask(program, [one], accepted)):
                raise NotAudited("no network with advisories (the index has none here)")
        answers = ask(program, locks, accepted)
    except NotAudited as why:
        print(f"not audited: {why}")
        return 0
    known = [(each, one) for each in answers for one in each.get("vulns", ())]
    for each, one in known:
        fixed = ", ".join(one.get("fix_versions") or ()) or "no release"
        print(f"{each['name']} {each['version']}: {one['id']}, fixed in {fixed}")
    skipped = [each["name"] for each in answers if "skip_reason" in each]
    if skipped:
        print(f"not audited: {', '.join(skipped)}")
    print(f"{len(answers) - len(skipped)} audited, {len(known)} known vulnerabilities")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1], [Path(name) for name in sys.argv[2:]]))
