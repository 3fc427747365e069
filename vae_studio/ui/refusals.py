"""Which changes of a config are possible, and why others are not. RunConfig alone knows; this asks it. Knows no Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from vae_studio.core.config import ConfigError, RunConfig

Changes = Mapping[str, Any]


def fitted(base: RunConfig, changes: Changes, remedies: Sequence[Changes] = ()) -> RunConfig:
    """The config with these changes, and with as few of the remedies as make it possible.

    A remedy is a setting that may be let go of for the sake of the changes. Raises the ConfigError of the changes
    alone where nothing helps.
    """
    refused: ConfigError | None = None
    for count in range(len(remedies) + 1):
        for chosen in combinations(remedies, count):
            more = {name: value for remedy in chosen for name, value in remedy.items()}
            try:
                return base.with_changes(**{**changes, **more})
            except ConfigError as error:
                refused = refused or error
    raise refused


def refusal(base: RunConfig, changes: Changes, remedies: Sequence[Changes] = ()) -> str:
    """Why the config with these changes is impossible, or nothing."""
    try:
        fitted(base, changes, remedies)
    except ConfigError as error:
        return str(error)
    return ""
