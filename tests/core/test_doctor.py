"""What the doctor says of displays, system libraries and versions, on real servers, sockets and broken files."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pydantic
import pytest
from desktop import Desktop

from vae_studio.core import doctor
from vae_studio.core.doctor import MissingLibrary

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lacks libraries or displays")
DEBIAN_12 = {"ID": "debian", "VERSION_ID": "12", "VERSION_CODENAME": "bookworm"}


def ask_in_process(expression: str, **env: str) -> object:
    """The value of an expression with `doctor` in a fresh interpreter, whose libraries are not loaded yet."""
    code = f"import json; from vae_studio.core import doctor; print(json.dumps({expression}))"
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, **env}, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


@linux
def test_every_system_library_that_qt_asks_for_is_known() -> None:
    """Read from Qt's own files: the shared objects they name that are neither Qt's, its ICU's nor the C runtime's."""
    qt = Path(find_spec("PySide6").submodule_search_locations[0]) / "Qt"
    files = [qt / "lib" / f"libQt6{name}.so.6" for name in ("Core", "Gui", "Widgets", "DBus", "XcbQpa")]
    files += [qt / "plugins" / "platforms" / f"libq{name}.so" for name in ("xcb", "offscreen")]
    asked = set()
    for file in files:
        asked |= set(re.findall(rb"\x00(lib[\w+-]+(?:-\d\.\d)?\.so\.\d+)(?=\x00)", file.read_bytes()))
    names = {name.decode() for name in asked if not name.startswith((b"libQt6", b"libicu"))}
    runtime = {
        "libstdc++.so.6",
        "libm.so.6",
        "libgcc_s.so.1",
        "libc.so.6",
        "libpthread.so.0",
        "libdl.so.2",
        "librt.so.1",
    }
    known = {soname for libraries in doctor._LIBRARIES.values() for soname in libraries}
    assert {"libEGL.so.1", "libxcb-cursor.so.0"} <= names
    assert names - runtime <= known


@linux
def test_nothing_is_missing_where_the_tests_run() -> None:
    assert ask_in_process("[m.soname for m in doctor.missing_libraries()]") == []


@linux
def test_a_library_that_cannot_be_loaded_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / "libxcb-cursor.so.0").write_bytes(b"not a library")
    (found,) = ask_in_process(
        "[{'soname': m.soname, 'package': m.package, 'needed_for': m.needed_for} for m in doctor.missing_libraries()]",
        LD_LIBRARY_PATH=str(tmp_path),
    )
    assert (found["soname"], found["package"], found["needed_for"]) == ("libxcb-cursor.so.0", "libxcb-cursor0", "x11")
    text = ask_in_process("doctor.explain_missing(doctor.missing_libraries())", LD_LIBRARY_PATH=str(tmp_path))
    assert "libxcb-cursor.so.0" in text
    assert "sudo apt-get install libxcb-cursor0" in text.splitlines()[-1]
    assert "invalid ELF header" in text or "file too short" in text


@linux
def test_libraries_of_x11_block_a_window_only_where_x11_would_show_it(tmp_path: Path) -> None:
    (tmp_path / "libxcb-cursor.so.0").write_bytes(b"not a library")
    (tmp_path / "libEGL.so.1").write_bytes(b"not a library")
    blocking = "[m.soname for m in doctor.blocking_libraries()]"
    broken = {"LD_LIBRARY_PATH": str(tmp_path)}
    assert ask_in_process(blocking, **broken, QT_QPA_PLATFORM="offscreen") == ["libEGL.so.1"]
    assert ask_in_process(blocking, **broken, QT_QPA_PLATFORM="xcb") == ["libEGL.so.1", "libxcb-cursor.so.0"]
    assert ask_in_process(blocking, **broken, QT_QPA_PLATFORM="", DISPLAY=":5") == ["libEGL.so.1", "libxcb-cursor.so.0"]


@pytest.mark.parametrize(
    ("release", "name"),
    [
        (DEBIAN_12, "libglib2.0-0"),
        ({"ID": "debian", "VERSION_ID": "13", "VERSION_CODENAME": "trixie"}, "libglib2.0-0t64"),
        ({"ID": "debian", "VERSION_CODENAME": "forky"}, "libglib2.0-0t64"),
        ({"ID": "ubuntu", "VERSION_ID": "22.04", "UBUNTU_CODENAME": "jammy"}, "libglib2.0-0"),
        ({"ID": "ubuntu", "VERSION_ID": "23.10", "UBUNTU_CODENAME": "mantic"}, "libglib2.0-0"),
        ({"ID": "ubuntu", "VERSION_ID": "24.04", "UBUNTU_CODENAME": "noble"}, "libglib2.0-0t64"),
        ({"ID": "linuxmint", "VERSION_ID": "21.3", "UBUNTU_CODENAME": "jammy"}, "libglib2.0-0"),
        ({"ID": "linuxmint", "VERSION_ID": "22", "UBUNTU_CODENAME": "noble"}, "libglib2.0-0t64"),
        ({}, "libglib2.0-0t64"),
    ],
)
def test_packages_are_called_what_the_release_calls_them(release: dict[str, str], name: str) -> None:
    assert doctor.package_name("libglib2.0-0", release) == name
    assert doctor.package_name("libxcb-cursor0", release) == "libxcb-cursor0"


def test_a_package_is_named_once() -> None:
    reason = "libx.so: cannot open shared object file: No such file or directory"
    missing = [
        MissingLibrary("libglib-2.0.so.0", "libglib2.0-0", "offscreen", reason),
        MissingLibrary("libgthread-2.0.so.0", "libglib2.0-0", "offscreen", reason),
        MissingLibrary("libEGL.so.1", "libegl1", "offscreen", reason),
    ]
    text = doctor.explain_missing(missing)
    assert text.splitlines()[-1].strip() == "sudo apt-get install libegl1 libglib2.0-0"
    assert "3 system libraries" in text
    assert "No such file" not in text


@linux
@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({}, "No display: neither DISPLAY nor WAYLAND_DISPLAY is set."),
        ({"DISPLAY": ""}, "No display: neither DISPLAY nor WAYLAND_DISPLAY is set."),
        ({"QT_QPA_PLATFORM": "offscreen"}, None),
        ({"QT_QPA_PLATFORM": "minimal:option"}, None),
        ({"QT_QPA_PLATFORM": "vnc:size=800x600"}, None),
        ({"QT_QPA_PLATFORM": "xcb", "WAYLAND_DISPLAY": "wayland-0"}, "No display: DISPLAY is not set."),
        ({"QT_QPA_PLATFORM": "wayland", "DISPLAY": ":0"}, "No display: WAYLAND_DISPLAY is not set."),
        ({"DISPLAY": ":7654"}, "The display :7654 does not answer."),
        ({"DISPLAY": "nonsense"}, "The display nonsense does not answer."),
        ({"WAYLAND_DISPLAY": "wayland-77"}, "The display wayland-77 does not answer."),
    ],
)
def test_a_window_cannot_be_shown_without_a_display_that_answers(env: dict[str, str], problem: str | None) -> None:
    assert doctor.display_problem(env) == problem


@linux
def test_a_wayland_compositor_that_listens_is_a_display(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as compositor:
        compositor.bind(str(tmp_path / "wayland-1"))
        compositor.listen()
        here = {"XDG_RUNTIME_DIR": str(tmp_path), "WAYLAND_DISPLAY": "wayland-1"}
        assert doctor.display_problem(here) is None
        assert doctor.display_problem({**here, "DISPLAY": ":7654"}) is None
    assert doctor.display_problem(here) == "The display wayland-1 does not answer."


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_always_have_a_display_and_their_libraries(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert doctor.display_problem({}) is None
    assert doctor.missing_libraries() == []


@pytest.mark.x11
def test_an_x_server_is_a_display_until_it_ends(desktop: Desktop) -> None:
    here = {"DISPLAY": desktop.display}
    assert doctor.display_problem(here) is None
    desktop.close()
    assert doctor.display_problem(here) == f"The display {desktop.display} does not answer."


@pytest.mark.parametrize(
    ("pyside", "python", "bad"),
    [
        ("6.12.0", (3, 11, 7), True),
        ("6.12.0", (3, 12, 0), False),
        ("6.11.3", (3, 11, 7), False),
        (None, (3, 11), False),
    ],
)
def test_the_versions_that_crash_together_are_named(pyside: str | None, python: tuple[int, ...], bad: bool) -> None:
    problem = doctor._version_problem(pyside, python)
    assert (problem is not None) == bad
    if bad:
        assert "6.12.0" in problem


def test_a_report_says_what_is_here_and_is_json() -> None:
    found = doctor.report()
    assert json.loads(json.dumps(dataclasses.asdict(found)))["python"].startswith(f"{sys.version_info.major}.")
    assert found.versions["pydantic"] == pydantic.VERSION
    assert any(device.startswith("CPU") for device in found.devices)
    assert found.cores >= 1
    assert found.mnist_missing == ()
    text = doctor.format_report(found)
    for shown in (found.program, found.versions["torch"], found.devices[-1], found.folders["resources"]):
        assert shown in text


def test_a_report_lists_every_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lacking = MissingLibrary("libxcb-cursor.so.0", "libxcb-cursor0", "x11", "cannot open: No such file or directory")
    monkeypatch.setattr(doctor, "missing_libraries", lambda: [lacking])
    monkeypatch.setattr(doctor, "display_problem", lambda: "The display :77 does not answer.")
    monkeypatch.setattr(doctor.paths, "resources", lambda: tmp_path)
    found = doctor.report()
    assert found.install_command == "sudo apt-get install libxcb-cursor0"
    assert len(found.mnist_missing) == 4
    assert len(found.problems) == 3
    text = doctor.format_report(found)
    for shown in (found.install_command, "The display :77 does not answer.", "train-images-idx3-ubyte.gz"):
        assert shown in text
