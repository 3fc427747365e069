"""Directions through latent space that have a name: thicker, slanted. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Direction:
    """A named way to go from any point: `vector` has unit length and one float per latent dimension.

    How far along it a point z is, in latent units, is z · vector.
    """

    name: str
    vector: tuple[float, ...]
