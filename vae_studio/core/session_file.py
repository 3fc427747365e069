"""Sessions as files: what somebody was looking at, to go on from there. JSON, imports no torch.

A file names the model and holds none: one that is gone, or that is another by now, cannot be gone on with.
"""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vae_studio.core.arithmetic import MAX_DIRECTIONS
from vae_studio.core.config import MAX_LATENT_DIMS
from vae_studio.core.directions import Direction
from vae_studio.core.errors import UserError
from vae_studio.core.exploration import Exploration, Layers, Path, Pin
from vae_studio.core.files import write_atomically
from vae_studio.core.latent import MAX_COORDINATE, Region
from vae_studio.core.marks import MAX_FRAMES
from vae_studio.core.plane import Kind, Plane, PlaneError

SUFFIX = ".vaesession"
FORMAT = "vae-studio session"
FORMAT_VERSION = 2
MAX_PINS = 1000
_UNIT = 1e-6
MAX_BYTES = 32_000_000  # more than the most pins in the most dimensions take

Page = Literal["explore", "reconstruct", "evaluate", "sample"]


class SessionFileError(UserError, ValueError):
    """A session file cannot be read; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class SavedSession:
    """`model` is a shipped model's name or an absolute path, `sha256` the file's, empty if it was not known yet.

    `region` None is the fitted map.
    """

    model: str
    sha256: str
    exploration: Exploration
    region: Region | None = None
    page: Page = "explore"


def is_session(path: FilePath) -> bool:
    """Whether a file's name is that of a session."""
    return path.suffix.lower() in (SUFFIX, ".json")


def write_session(path: FilePath, session: SavedSession) -> None:
    """Put a session into a file, atomically. Raises FileError; SessionFileError for what could not be read again."""
    try:
        kept = _File(
            format=FORMAT,
            format_version=FORMAT_VERSION,
            model=_Model(name=session.model, sha256=session.sha256),
            exploration=_Exploration.model_validate(asdict(session.exploration)),
            region=_Region(**asdict(session.region)) if session.region else None,
            page=session.page,
        )
    except ValidationError as error:
        raise SessionFileError(f"The session cannot be saved: {_first(error)}.") from None
    write_atomically(path, kept.model_dump_json().encode())


def read_session(path: FilePath) -> SavedSession:
    """A session from a file. Raises SessionFileError for whatever is not a whole one with values that make sense."""
    try:
        if not path.is_file():
            raise SessionFileError(f"There is no session file {path}.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SessionFileError(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > MAX_BYTES:
        raise SessionFileError(f"{path} is too large for a session.")
    try:
        head = _Head.model_validate_json(content)
    except ValidationError:
        raise SessionFileError(f"{path} is not a session of VAE Studio, or damaged.") from None
    if not 1 <= head.format_version <= FORMAT_VERSION:
        raise SessionFileError(
            f"{path} is of version {head.format_version}; this program reads versions 1 to {FORMAT_VERSION}."
        )
    try:
        kept = _File.model_validate_json(_with_plane(content) if head.format_version == 1 else content)
    except ValidationError as error:
        raise SessionFileError(f"{path} cannot be opened: {_first(error)}.") from None
    explored = kept.exploration
    return SavedSession(
        kept.model.name,
        kept.model.sha256,
        Exploration(
            explored.point,
            explored.plane.value(),
            tuple(Pin(**dict(pin)) for pin in explored.pins),
            Path(**dict(explored.path)) if explored.path else None,
            explored.draw,
            Layers(**dict(explored.layers)),
            tuple(Direction(**dict(one)) for one in explored.directions),
        ),
        Region(**dict(kept.region)) if kept.region else None,
        kept.page,
    )


def _with_plane(content: bytes) -> bytes:
    """A file of version 1, which had the two latent dimensions of the map, as one of version 2."""
    whole = json.loads(content)
    match whole:
        case {"exploration": {"point": [*point], "axes": [int(across), int(up)]} as explored}:
            with contextlib.suppress(PlaneError):
                explored["plane"] = asdict(Plane.of_axes((across, up), min(len(point), MAX_LATENT_DIMS)))
                del explored["axes"]
    return json.dumps(whole).encode()


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = " → ".join(str(part) for part in first["loc"]) or "the whole"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _Head(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    format: Literal["vae-studio session"]
    format_version: int


_Coordinate = Annotated[float, Field(ge=-MAX_COORDINATE, le=MAX_COORDINATE)]
_Point = Annotated[tuple[_Coordinate, ...], Field(min_length=1, max_length=MAX_LATENT_DIMS)]
_Name = Annotated[str, Field(max_length=200)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Class = Annotated[int, Field(ge=0, le=255)]  # labels are uint8


class _Model(_Strict):
    name: Annotated[str, Field(min_length=1, max_length=4096)]
    sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]


class _Pin(_Strict):
    name: _Name
    point: _Point
    colour: Annotated[int, Field(ge=0, le=255)]


class _Path(_Strict):
    points: Annotated[tuple[_Point, ...], Field(min_length=1, max_length=MAX_PINS)]
    spherical: bool
    frames: Annotated[int, Field(ge=2, le=MAX_FRAMES)]


class _Layers(_Strict):
    tiles: bool
    encodings: bool
    prior: bool
    hidden_classes: frozenset[_Class]
    density: bool = False
    dimmed: bool = False
    ellipses: bool = False
    tiles_opacity: _Share = 1.0
    encodings_opacity: _Share = 1.0
    prior_opacity: _Share = 1.0
    density_opacity: _Share = 0.7


class _Plane(_Strict):
    origin: _Point
    across: _Point
    up: _Point | None
    names: tuple[_Name, _Name]
    kind: Kind

    @model_validator(mode="after")
    def _it_is_one(self) -> _Plane:
        self.value()
        return self

    def value(self) -> Plane:
        return Plane.checked(self.origin, self.across, self.up, self.names, self.kind)


class _Direction(_Strict):
    name: _Name
    vector: _Point

    @model_validator(mode="after")
    def _it_has_unit_length(self) -> _Direction:
        if abs(math.hypot(*self.vector) - 1.0) > _UNIT:
            raise ValueError("the vector of a direction must have length 1")
        return self


class _Exploration(_Strict):
    point: _Point
    plane: _Plane
    pins: Annotated[tuple[_Pin, ...], Field(max_length=MAX_PINS)]
    path: _Path | None
    draw: Annotated[int, Field(ge=0, lt=2**63)] | None
    layers: _Layers
    directions: Annotated[tuple[_Direction, ...], Field(max_length=MAX_DIRECTIONS)] = ()

    @model_validator(mode="after")
    def _all_lie_in_one_space(self) -> _Exploration:
        dims = len(self.point)
        others = [pin.point for pin in self.pins] + list(self.path.points if self.path else ())
        others += [direction.vector for direction in self.directions]
        if any(len(point) != dims for point in others):
            raise ValueError("not all points have the same number of coordinates")
        if len(self.plane.origin) != dims:
            raise ValueError("the plane is not one of as many dimensions as the point")
        return self


class _Region(_Strict):
    left: _Coordinate
    right: _Coordinate
    bottom: _Coordinate
    top: _Coordinate

    @model_validator(mode="after")
    def _it_has_an_inside(self) -> _Region:
        if not (self.left < self.right and self.bottom < self.top):
            raise ValueError("the visible region is empty")
        return self


class _File(_Strict):
    format: Literal["vae-studio session"]
    format_version: Literal[1, 2]
    model: _Model
    exploration: _Exploration
    region: _Region | None
    page: Page
