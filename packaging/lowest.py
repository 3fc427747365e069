"""Print `name==lowest` for every direct dependency, as a constraints file for `make test-lowest`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_REQUIREMENT = re.compile(r"^(?P<name>[\w.-]+)>=(?P<lowest>[\w.]+)[^;]*(?P<marker>;.*)?$")


def lowest(requirement: str) -> str:
    """`"a>=1.2,!=1.3; marker"` becomes `"a==1.2; marker"`. Raises ValueError for one without a lower bound."""
    match = _REQUIREMENT.match(requirement.replace(" ", ""))
    if match is None:
        raise ValueError(f"{requirement!r} has no lower bound of the form name>=version")
    return f"{match['name']}=={match['lowest']}{match['marker'] or ''}"


def main() -> None:
    project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text("utf-8"))["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
        print(lowest(requirement))


if __name__ == "__main__":
    main()
