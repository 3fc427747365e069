"""Print the constraints file: what this environment holds of the package's and its tests' dependencies, pinned.

`make lock` writes it to constraints.txt after the tests have passed in `.venv`.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# torch pins these itself, on the platforms that have them.
_LEFT_TO_TORCH = ("nvidia-", "cuda-", "triton")
_HEADER = """\
# The versions that were tested together, written by `make lock`. `make run` and `make test` install exactly these.
# nvidia-*, cuda-* and triton are missing on purpose: torch pins them itself, and macOS and Windows have none.
"""
_NOTES = {
    "pyside6-essentials": "# 6.12.0 breaks Python 3.11 (see pyproject.toml). Essentials and shiboken6 go together."
}


def pins(requirements: list[str]) -> dict[str, str]:
    """{canonical name: line} of these requirements and all that they require, as installed here."""
    lines: dict[str, str] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in lines or name.startswith(_LEFT_TO_TORCH):
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{requirement} is not installed here: run `make test` first.") from None
        lines[name] = f"{found.metadata['Name']}=={found.version}"
        for extra in ("", *requirement.extras):
            for text in found.requires or ():
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    needed.marker = None
                    waiting.append(needed)
    return lines


def main() -> None:
    text = (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    print(_HEADER, end="")
    for name, line in sorted(pins(project["dependencies"] + project["optional-dependencies"]["test"]).items()):
        if name in _NOTES:
            print(_NOTES[name])
        print(line)


if __name__ == "__main__":
    main()
