"""What this machine has and lacks to run VAE Studio. Imports no Qt, and torch only to name the devices."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from vae_studio import __version__, paths

NeededFor = Literal["offscreen", "x11"]

# Shared libraries that Qt's wheels ask the system for, and the Debian package of each. Qt itself names only
# xcb-cursor0, even when another one is missing.
_LIBRARIES: dict[NeededFor, dict[str, str]] = {
    "offscreen": {
        "libglib-2.0.so.0": "libglib2.0-0",
        "libgthread-2.0.so.0": "libglib2.0-0",
        "libGL.so.1": "libgl1",
        "libEGL.so.1": "libegl1",
        "libxkbcommon.so.0": "libxkbcommon0",
        "libfontconfig.so.1": "libfontconfig1",
        "libfreetype.so.6": "libfreetype6",
        "libdbus-1.so.3": "libdbus-1-3",
        "libX11.so.6": "libx11-6",
        "libz.so.1": "zlib1g",
        "libzstd.so.1": "libzstd1",
    },
    "x11": {
        "libxcb.so.1": "libxcb1",
        "libxcb-cursor.so.0": "libxcb-cursor0",
        "libxcb-icccm.so.4": "libxcb-icccm4",
        "libxcb-image.so.0": "libxcb-image0",
        "libxcb-keysyms.so.1": "libxcb-keysyms1",
        "libxcb-randr.so.0": "libxcb-randr0",
        "libxcb-render.so.0": "libxcb-render0",
        "libxcb-render-util.so.0": "libxcb-render-util0",
        "libxcb-shape.so.0": "libxcb-shape0",
        "libxcb-shm.so.0": "libxcb-shm0",
        "libxcb-sync.so.1": "libxcb-sync1",
        "libxcb-util.so.1": "libxcb-util1",
        "libxcb-xfixes.so.0": "libxcb-xfixes0",
        "libxcb-xkb.so.1": "libxcb-xkb1",
        "libX11-xcb.so.1": "libx11-xcb1",
        "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    },
}
_RENAMED_FOR_64_BIT_TIME = {"libglib2.0-0": "libglib2.0-0t64"}
_BEFORE_64_BIT_TIME = ("buster", "bullseye", "bookworm", "bionic", "focal", "jammy")

_DISTRIBUTIONS = (
    "torch",
    "PySide6-Essentials",
    "pyqtgraph",
    "numpy",
    "pydantic",
    "safetensors",
    "pillow",
)
_MNIST_FILES = tuple(f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


@dataclass(frozen=True, slots=True)
class MissingLibrary:
    """A shared library that Qt needs and that cannot be loaded, and the Debian or Ubuntu package that has it."""

    soname: str
    package: str
    needed_for: NeededFor
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What `vae-studio doctor` tells; `dataclasses.asdict` of it is JSON. `problems` are sentences, worst first."""

    program: str
    python: str
    system: str
    versions: dict[str, str | None]
    cpu: str
    cores: int
    bf16: bool | None
    devices: tuple[str, ...]
    display_problem: str | None
    missing_libraries: tuple[MissingLibrary, ...]
    install_command: str | None
    folders: dict[str, str]
    mnist_missing: tuple[str, ...]
    trained_models: tuple[str, ...]
    problems: tuple[str, ...]


def missing_libraries() -> list[MissingLibrary]:
    """Shared libraries that Qt needs on Linux and that do not load here; elsewhere Qt's wheels bring all they need."""
    if sys.platform != "linux":
        return []
    release = _os_release()
    missing = []
    for needed_for, libraries in _LIBRARIES.items():
        for soname, package in libraries.items():
            try:
                ctypes.CDLL(soname)
            except OSError as error:
                missing.append(MissingLibrary(soname, package_name(package, release), needed_for, str(error)))
    return missing


def blocking_libraries() -> list[MissingLibrary]:
    """Those of the missing libraries without which no window can open here: X11's count where it would be used."""
    return [library for library in missing_libraries() if library.needed_for == "offscreen" or _uses_x11(os.environ)]


def package_name(package: str, release: Mapping[str, str]) -> str:
    """The name of a Debian 12 package in the release that /etc/os-release describes."""
    codenames = {release.get(f"{prefix}_CODENAME") for prefix in ("UBUNTU", "DEBIAN", "VERSION")}
    first_renamed = {"debian": (13,), "ubuntu": (24, 4)}.get(release.get("ID", ""))
    number = tuple(int(part) for part in release.get("VERSION_ID", "").split(".") if part.isdigit())
    old = bool(codenames.intersection(_BEFORE_64_BIT_TIME)) or bool(first_renamed and number and number < first_renamed)
    return package if old else _RENAMED_FOR_64_BIT_TIME.get(package, package)


def install_command(libraries: list[MissingLibrary]) -> str:
    """The line that installs what is missing on Debian and Ubuntu."""
    return "sudo apt-get install " + " ".join(sorted({library.package for library in libraries}))


def explain_missing(libraries: list[MissingLibrary]) -> str:
    """Which libraries are missing and how to get them, for people."""
    names = ", ".join(
        library.soname if "No such file" in library.reason else f"{library.soname} ({library.reason})"
        for library in libraries
    )
    what = "a system library that" if len(libraries) == 1 else f"{len(libraries)} system libraries that"
    return (
        f"The window needs {what} could not be loaded: {names}.\n"
        f"On Debian or Ubuntu, install what is missing with:\n    {install_command(libraries)}"
    )


def display_problem(environment: Mapping[str, str] | None = None) -> str | None:
    """Why no window can be shown, in one sentence, or None if one can.

    Qt does not report a display that is missing or silent, it ends the program: so this asks first. It also is None
    where Qt was told to draw elsewhere (QT_QPA_PLATFORM=offscreen and the like).
    """
    env = os.environ if environment is None else environment
    if sys.platform != "linux":
        return None
    plugins = _chosen_plugins(env) or ["wayland", "xcb"]
    by_x11, by_wayland = "xcb" in plugins, any(name.startswith("wayland") for name in plugins)
    if not by_x11 and not by_wayland:
        return None
    display = env.get("DISPLAY", "") if by_x11 else ""
    wayland = env.get("WAYLAND_DISPLAY", "") if by_wayland else ""
    if not display and not wayland:
        if by_x11 and by_wayland:
            return "No display: neither DISPLAY nor WAYLAND_DISPLAY is set."
        return f"No display: {'DISPLAY' if by_x11 else 'WAYLAND_DISPLAY'} is not set."
    if (wayland and _wayland_answers(wayland, env)) or (display and _x11_answers(display)):
        return None
    return f"The display {display or wayland} does not answer."


def report() -> Report:
    """Everything at once. Takes as long as importing torch."""
    missing = missing_libraries()
    devices, bf16, device_problem = _devices()
    display = display_problem()
    mnist_missing = tuple(name for name in _MNIST_FILES if not (paths.resources() / "mnist" / name).is_file())
    problems = [device_problem, _version_problem(_version("PySide6-Essentials"), sys.version_info), display]
    if missing:
        problems.insert(0, explain_missing(missing))
    if mnist_missing:
        problems.append(f"MNIST is incomplete: {', '.join(mnist_missing)} not in {paths.resources() / 'mnist'}.")
    return Report(
        program=__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        system=_system(),
        versions={name: _version(name) for name in _DISTRIBUTIONS},
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        bf16=bf16,
        devices=devices,
        display_problem=display,
        missing_libraries=tuple(missing),
        install_command=install_command(missing) if missing else None,
        folders={
            "resources": str(paths.resources()),
            "trained models": str(paths.trained_models()),
            "runs": str(paths.runs()),
            "settings": str(paths.settings_file()),
            "pictures": str(paths.pictures()),
            "logs": str(paths.logs()),
        },
        mnist_missing=mnist_missing,
        trained_models=tuple(sorted(path.stem for path in paths.trained_models().glob("*.safetensors"))),
        problems=tuple(problem for problem in problems if problem),
    )


def format_report(found: Report) -> str:
    """The report as lines to read and to paste into a bug report."""
    bf16 = {True: "bf16", False: "no bf16", None: "bf16 unknown"}[found.bf16]
    rows = {
        "VAE Studio": found.program,
        "Python": found.python,
        "System": found.system,
        **{name: value or "not installed" for name, value in found.versions.items()},
        "Processor": f"{found.cpu}, {found.cores} cores, {bf16}",
        "Devices": "; ".join(found.devices) or "none",
        "Display": found.display_problem or "can show a window",
        "System libraries": "all there" if not found.missing_libraries else f"{len(found.missing_libraries)} missing",
        "MNIST": "all four files" if not found.mnist_missing else f"{len(found.mnist_missing)} of 4 files missing",
        "Trained models": ", ".join(found.trained_models) or "none",
        **{f"Folder: {name}": path for name, path in found.folders.items()},
    }
    width = max(map(len, rows))
    lines = [f"{name:<{width}}  {value}" for name, value in rows.items()]
    if not found.problems:
        return "\n".join([*lines, "", "No problem found."])
    return "\n".join([*lines, "", "Problems:", *(f"- {problem}" for problem in found.problems)])


def _chosen_plugins(env: Mapping[str, str]) -> list[str]:
    """Names of the platform plugins in QT_QPA_PLATFORM: `"wayland;xcb:opt"` gives `["wayland", "xcb"]`."""
    return [part.partition(":")[0] for part in env.get("QT_QPA_PLATFORM", "").split(";") if part]


def _uses_x11(env: Mapping[str, str]) -> bool:
    """Whether Qt would open its window through X11: if told to, or with a display and no Wayland that answers."""
    plugins = _chosen_plugins(env)
    if plugins:
        return plugins[0] == "xcb"
    wayland = env.get("WAYLAND_DISPLAY", "")
    return bool(env.get("DISPLAY")) and not (wayland and _wayland_answers(wayland, env))


def _x11_answers(display: str) -> bool:
    """Whether the X server accepts a connection. True also if libxcb is missing: that has its own message."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_int)]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)
    try:
        return xcb.xcb_connection_has_error(connection) == 0
    finally:
        xcb.xcb_disconnect(connection)


def _wayland_answers(name: str, env: Mapping[str, str]) -> bool:
    """Whether something listens on the compositor's socket; a relative name lies in XDG_RUNTIME_DIR."""
    path = Path(env.get("XDG_RUNTIME_DIR", "/nonexistent")) / name
    with socket.socket(socket.AF_UNIX) as compositor:
        try:
            compositor.connect(str(path))
        except OSError:
            return False
    return True


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _system() -> str:
    if sys.platform == "linux":
        return f"{_os_release().get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}, {platform.machine()}"
    return platform.platform()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _version_problem(pyside: str | None, python: tuple[int, ...]) -> str | None:
    """PySide6 6.12.0 drops a reference to None on every void Qt call under Python < 3.12, until Python aborts."""
    if pyside == "6.12.0" and python < (3, 12):
        return "PySide6 6.12.0 crashes Python 3.11: pip install 'PySide6-Essentials!=6.12.0' (or use Python 3.12)."
    return None


def _devices() -> tuple[tuple[str, ...], bool | None, str | None]:
    """(titles of the devices found, whether the CPU has bf16, why torch does not work or None)."""
    try:
        from vae_studio.core import devices

        return tuple(info.title for info in devices.available()), devices.cpu_has_bf16(), None
    except (ImportError, OSError, RuntimeError) as error:  # a broken driver raises RuntimeError
        return (), None, f"PyTorch cannot be used: {error}"
