"""Check a bill of materials: it is CycloneDX, of crosswatt, and has each required library.

python .ci/check_sbom.py SBOM PYPROJECT
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def faults(sbom: dict[str, Any], project: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a bill of materials of a project."""
    if sbom.get("bomFormat") != "CycloneDX":
        yield "it is not CycloneDX"
    main = sbom.get("metadata", {}).get("component", {}).get("name")
    if main != project["name"]:
        yield f"it is of {main}, not of {project['name']}"
    components = {_normal(each["name"]): each for each in sbom.get("components", ())}
    for requirement in project["dependencies"]:
        name = _normal(re.split(r"[^\w.-]", requirement)[0])
        if name not in components:
            yield f"{name} is missing"
        elif not components[name].get("version") or not components[name].get("purl"):
            yield f"{name} has no version or no package URL"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(sbom: Path, pyproject: Path) -> int:
    """Print what is wrong, or how many components there are; return the exit code."""
    document = json.loads(sbom.read_text(encoding="utf-8"))
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    wrong = list(faults(document, project))
    for fault in wrong:
        print(f"{sbom.name}: {fault}")
    if not wrong:
        form, count = document["specVersion"], len(document["components"])
        print(f"{sbom.name}: CycloneDX {form}, {count} components")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
