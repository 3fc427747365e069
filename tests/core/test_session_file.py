"""Session files: what is written is read again, and nothing else is believed."""

from __future__ import annotations

import json
import math
import os
import random
import stat
from dataclasses import fields, replace
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

import pytest

from vae_studio.core.directions import Direction
from vae_studio.core.exploration import Exploration, Layers, Path, Pin
from vae_studio.core.files import FileError
from vae_studio.core.latent import Region
from vae_studio.core.plane import Plane
from vae_studio.core.session_file import (
    MAX_BYTES,
    SavedSession,
    SessionFileError,
    is_session,
    read_session,
    write_session,
)

FULL = SavedSession(
    "explorer-2d",
    "0123456789abcdef" * 4,
    Exploration(
        (0.1, -2.5, 1 / 3),
        Plane.through(((1.0, 2.0, 3.0), (math.e, -1.0, 0.3), (0.0, 0.0, 1 / 7)), ("A → B", "C"), "points"),
        (Pin("a “seven” · 七", (1.0, 2.0, 3.0), 4), Pin("", (0.0, -0.0, 1e-300), 0)),
        Path(((1.0, 2.0, 3.0), (math.pi, math.e, -1e6)), spherical=True, frames=17),
        2**63 - 1,
        Layers(False, False, False, frozenset({0, 9}), True, True, True, 0.25, 1 / 3, 0.0, 0.5),
        directions=(Direction("3 → 8 · “thick”", (2 / 3, -1 / 3, 2 / 3)), Direction("", (0.0, -0.0, 1.0))),
    ),
    Region(-1.5, 2.25, -0.1, 0.3),
    "reconstruct",
)


@pytest.fixture
def file(tmp_path: FilePath) -> FilePath:
    return tmp_path / "mine.vaesession"


def refused(file: FilePath, content: bytes | str) -> str:
    """What is said of a file with this content."""
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SessionFileError) as caught:
        read_session(file)
    words = str(caught.value)
    assert str(file) in words and words.endswith(".") and "Traceback" not in words and len(words) < 400
    return words


def test_every_value_comes_back_exactly(file: FilePath) -> None:
    for name in (field.name for field in fields(Layers)):
        assert getattr(FULL.exploration.layers, name) != getattr(Layers(), name), f"the test must see {name}"
    for name in (field.name for field in fields(Exploration)):
        bare = Exploration((0.0, 0.0, 0.0), Plane.of_axes((0, 1), 3))
        assert getattr(FULL.exploration, name) != getattr(bare, name), f"the test must see {name}"
    write_session(file, FULL)
    assert read_session(file) == FULL
    assert math.copysign(1, read_session(file).exploration.pins[1].point[1]) == -1


@pytest.mark.parametrize("seed", range(20))
def test_random_sessions_come_back_exactly(file: FilePath, seed: int) -> None:
    chance = random.Random(seed)
    dims = chance.choice((1, 2, 3, 64, 256))

    def point() -> tuple[float, ...]:
        return tuple(chance.gauss(0.0, 10.0 ** chance.randint(-12, 4)) for _ in range(dims))

    def along(way: tuple[float, ...]) -> Direction:
        length = math.hypot(*way)
        return Direction("way", tuple(value / length for value in way))

    explored = Exploration(
        point(),
        Plane.of_axes((0, 0) if dims == 1 else tuple(chance.sample(range(dims), 2)), dims)
        if dims < 3 or chance.random() < 0.5
        else Plane.through((point(), point(), point())),
        tuple(Pin(chr(chance.randint(32, 9000)), point(), i) for i in range(chance.randint(0, 9))),
        Path(tuple(point() for _ in range(chance.randint(1, 5)))) if chance.random() < 0.5 else None,
        chance.choice((None, 0, chance.getrandbits(63))),
        directions=tuple(along(point()) for _ in range(chance.randint(0, 3))),
    )
    session = SavedSession("/tmp/a model.safetensors", "", explored, None, "evaluate")
    write_session(file, session)
    assert read_session(file) == session


def test_a_file_that_was_cut_off_or_changed_is_refused_or_is_another_valid_session(file: FilePath) -> None:
    write_session(file, FULL)
    whole = file.read_bytes()
    for length in range(0, len(whole), 7):
        refused(file, whole[:length])
    chance = random.Random(0)
    believed = 0
    for _ in range(600):
        broken = bytearray(whole)
        broken[chance.randrange(len(broken))] = chance.randrange(256)
        file.write_bytes(broken)
        try:
            found = read_session(file)
        except SessionFileError:
            continue
        believed += 1
        assert isinstance(found, SavedSession)
        write_session(file, found)  # what was read makes sense: it can be written and read again
        assert read_session(file) == found
    assert believed < 400


def changed(path: str, value: object) -> str:
    """The whole file as JSON, but for one value, at a path like `exploration.point`."""
    with TemporaryDirectory() as folder:
        write_session(FilePath(folder) / "whole", FULL)
        content = json.loads((FilePath(folder) / "whole").read_text())
    *parents, last = path.split(".")
    place = content
    for parent in parents:
        place = place[int(parent)] if isinstance(place, list) else place[parent]
    if isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("exploration.point", [0.0, float("nan"), 0.0]),
        ("exploration.point", [0.0, float("inf"), 0.0]),
        ("exploration.point", [0.0, 1e7, 0.0]),
        ("exploration.point", [0.0, "1", 0.0]),
        ("exploration.point", []),
        ("exploration.point", [0.0] * 257),
        ("exploration.point", [0.0, 0.0]),
        ("exploration.plane.origin", [0.0, 0.0]),
        ("exploration.plane.across", [0.0, 0.0, 0.0]),
        ("exploration.plane.up", [1.0, 0.0, 0.0]),
        ("exploration.plane.up", None),
        ("exploration.plane.kind", "bent"),
        ("exploration.plane.names", ["a"]),
        ("exploration.pins.0.name", "x" * 1000),
        ("exploration.pins.0.colour", -1),
        ("exploration.pins.0.point", [1.0]),
        ("exploration.pins", [{"name": "", "point": [0.0, 0.0, 0.0], "colour": 0}] * 1001),
        ("exploration.directions.0.vector", [1.0, 0.0]),
        ("exploration.directions.0.vector", [1.0, 0.1, 0.0]),
        ("exploration.directions.0.vector", [0.0, 0.0, 0.0]),
        ("exploration.directions.0.name", "x" * 201),
        ("exploration.directions", [{"name": "", "vector": [1.0, 0.0, 0.0]}] * 65),
        ("exploration.path.points", []),
        ("exploration.path.frames", 10**9),
        ("exploration.draw", True),
        ("exploration.draw", 2**63),
        ("exploration.layers.tiles", 1),
        ("exploration.layers.tiles_opacity", 1.01),
        ("exploration.layers.hidden_classes", [256]),
        ("exploration.more", "than there is"),
        ("region", {"left": 1.0, "right": -1.0, "bottom": 0.0, "top": 1.0}),
        ("region.top", None),
        ("page", "train"),
        ("model.sha256", "short"),
        ("model.name", ""),
        ("model", None),
        ("format", "another program's"),
        ("format_version", "1"),
    ],
)
def test_values_that_make_no_sense_are_refused(file: FilePath, path: str, value: object) -> None:
    refused(file, changed(path, value))


def test_a_file_of_version_1_had_the_two_dimensions_of_its_map(file: FilePath) -> None:
    content = json.loads(changed("format_version", 1))
    del content["exploration"]["plane"]
    content["exploration"]["axes"] = [2, 0]
    file.write_text(json.dumps(content))
    assert read_session(file).exploration == replace(FULL.exploration, plane=Plane.of_axes((2, 0), 3))
    for axes in ([0, 3], [1, 1], [-1, 0], [0, 1, 2], "02", None):
        content["exploration"]["axes"] = axes
        refused(file, json.dumps(content))


def test_a_file_that_knows_fewer_layers_has_the_others_as_they_are_usually(file: FilePath) -> None:
    content = json.loads(changed("exploration.layers.tiles", False))
    layers = content["exploration"]["layers"]
    for name in layers.keys() - {"tiles", "encodings", "prior", "hidden_classes"}:
        del layers[name]
    file.write_text(json.dumps(content))
    assert read_session(file).exploration.layers == Layers(False, False, False, frozenset({0, 9}))


def test_newer_files_are_named_as_such(file: FilePath) -> None:
    words = refused(file, changed("format_version", 3))
    assert "version 3" in words and "versions 1 to 2" in words


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 64, b"\xff\xfe{}", b"[]", b"null", b"[" * 500_000, b'{"a":' * 99_999]
)
def test_what_is_no_session_at_all_is_refused(file: FilePath, content: bytes) -> None:
    assert "not a session" in refused(file, content)


def test_more_than_a_session_can_have_is_not_parsed(file: FilePath) -> None:
    with file.open("wb") as sparse:
        sparse.truncate(MAX_BYTES + 1)
    with pytest.raises(SessionFileError, match="too large"):
        read_session(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_folders_pipes_and_nothing_are_refused(tmp_path: FilePath) -> None:
    os.mkfifo(tmp_path / "pipe.vaesession")  # reading it would wait for ever
    (tmp_path / "folder.vaesession").mkdir()
    for name in ("pipe", "folder", "nothing"):
        with pytest.raises(SessionFileError, match="no session file"):
            read_session(tmp_path / f"{name}.vaesession")


def test_what_could_not_be_read_again_is_not_written(file: FilePath) -> None:
    write_session(file, FULL)
    whole = file.read_bytes()
    endless = replace(FULL, exploration=replace(FULL.exploration, point=(float("nan"), 0.0, 0.0)))
    with pytest.raises(SessionFileError, match="cannot be saved"):
        write_session(file, endless)
    assert file.read_bytes() == whole
    with pytest.raises(FileError, match="folder does not exist"):
        write_session(file.parent / "none" / "x.vaesession", FULL)


def test_files_are_whole_and_readable(file: FilePath) -> None:
    write_session(file, FULL)
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    assert stat.S_IMODE(file.stat().st_mode) & 0o400
    assert json.loads(file.read_text())["model"]["name"] == "explorer-2d"


def test_names_of_sessions() -> None:
    assert is_session(FilePath("a.vaesession")) and is_session(FilePath("A.JSON"))
    assert not is_session(FilePath("a.safetensors")) and not is_session(FilePath("run"))
