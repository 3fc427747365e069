"""Who may import whom: core knows no Qt, a widget knows no sibling, what the first paint needs knows no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vae_studio

PACKAGE = Path(vae_studio.__file__).resolve().parent
CORE = sorted(path for path in (PACKAGE / "core").rglob("*.py") if path.stem != "__init__")
UI = {path.stem: path for path in sorted((PACKAGE / "ui").glob("*.py")) if path.stem != "__init__"}

QT = {"PySide6", "shiboken6", "pyqtgraph"}
# What every widget may use: values from core, and the shared small things of ui.
VALUES = {
    f"vae_studio.core.{name}"
    for name in (
        "arithmetic",
        "attributes",
        "batch_offer",
        "config",
        "density",
        "directions",
        "events",
        "exploration",
        "figures",
        "latent",
        "marks",
        "nearness",
        "plane",
        "planes",
        "presets",
        "probing",
        "samples",
        "scene",
        "session_file",
        "walk",
    )
}
SHARED = {f"vae_studio.ui.{name}" for name in ("theme", "controls", "image_view", "plots")}
# Composite panels and the parts that they alone are made of.
PARTS = {
    "decoder_panel": {"latent_sliders"},
    "latent_sliders": {"slider_list", "slider_order", "slider_row", "slider_tools", "strip_requests"},
    "slider_list": {"slider_row"},
    "slider_row": {"slider_order"},
    "map_panel": {
        *("class_legend", "density_overlay", "latent_map", "layers_menu"),
        *("map_layers", "map_notice", "plane_badge", "plane_bar", "timings_overlay"),
    },
    "density_layer": {"map_view"},
    "density_overlay": {"density_layer"},
    "density_control": {"workers"},
    "nearness_control": {"workers"},
    "latent_map": {"hover_card", "map_canvas", "map_marks", "map_view"},
    "map_canvas": {
        *("density_layer", "history", "map_contours", "map_encodings", "map_layers", "map_marks", "map_probe"),
        "map_view",
    },
    "map_encodings": {"map_layers", "map_view"},
    "map_contours": {"map_view"},
    "map_marks": {"map_view"},
    "map_probe": {"map_view"},
    "reconstruct_panel": {"picture_sheets"},
    "run_bar": {"pace_control"},
    "map_layers": {"map_view"},
    "setup_panel": {
        *("data_fields", "fields", "model_fields", "network_fields", "objective_fields", "objective_panel"),
        *("preset_fields", "refusals", "run_fields", "section"),
    },
    **{f"{name}_fields": {"fields"} for name in ("data", "model", "network", "objective", "preset", "run")},
    "objective_panel": {"objective_figures"},
    "objective_figures": {"collapse", "formula"},
    "training_panel": {"curve_legend", "curve_plot", "curves", "kl_bars"},
    "curve_legend": {"curve_plot"},
    "curve_plot": {"curves", "following_plot"},
    "kl_bars": {"curves", "following_plot"},
    "combine_control": {"combine_panel", "session", "workers"},
    "combine_panel": {"section"},
    "encode_control": {"encode_panel", "image_dialog", "settings", "workers"},
    "selection_control": {"hover_card", "selection_panel", "session"},
    "selection_panel": {"contact_sheet"},
    "contact_sheet": {"picture_sheets"},
    "encode_panel": {"encode_pictures"},
    "image_dialog": {"draw_canvas"},
    "evaluate_control": {"evaluate_panel", "evaluate_table", "workers"},
    "evaluate_panel": {"bounds_plot", "evaluate_choices", "evaluate_table", "kl_bars"},
    "bounds_plot": {"following_plot"},
    "export_control": {"export_dialog", "settings", "workers"},
    "sample_control": {"sample_panel", "workers"},
    "sample_panel": {"sample_choices", "sample_grid"},
    "sample_grid": {"picture_sheets"},
    "session": {"history", "workers"},
    "session_control": {"file_dialogs", "workers"},
    "model_control": {"file_dialogs", "run_bar", "session", "training_control", "workers"},
    "file_dialogs": {"settings"},
    "run_view": {
        *("formula", "model_control", "notice_bar", "objective_panel", "run_status", "training_control"),
        "training_panel",
    },
    "frame_sorter": {"session"},
    "theme_control": {"settings"},
    "help_control": {"help_dialog"},
    "crew": {"workers"},
    "marks_control": {"map_marks", "session"},
    "marks_panel": {"path_panel", "pins_panel", "section"},
    "path_panel": {"path_strip"},
    "plane_control": {"map_view", "plane_badge", "plane_card", "session"},
    "training_control": {"collapse", "workers"},
    "timings_log": {"timings"},
    "timings_overlay": {"timings"},
}
# They stand between the widgets and the workers: they say what is to be done, in `tasks`, and where it goes.
CONTROLS = {
    *("session", "session_control", "training_control", "marks_control", "combine_control"),
    *(
        "evaluate_control",
        "export_control",
        "encode_control",
        "sample_control",
        "model_control",
        "run_view",
        "file_dialogs",
        "crew",
    ),
    *("density_control", "nearness_control"),
}
WIDGETS = sorted(UI.keys() - {"main_window", "workers", "theme"})


def imports_of(path: Path) -> set[str]:
    """Full names of the modules that a file of this package imports, anywhere in it."""
    package = ("vae_studio", *path.relative_to(PACKAGE).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            # `from vae_studio.ui import theme` imports a module, `from vae_studio.ui.theme import DARK` a value.
            found |= {f"{base}.{alias.name}" if _is_own(f"{base}.{alias.name}") else base for alias in node.names}
    return found


def _is_own(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return name.startswith("vae_studio.") and (path.is_dir() or path.with_suffix(".py").is_file())


def own(imports: set[str]) -> set[str]:
    return {name for name in imports if name.partition(".")[0] == "vae_studio"}


def parts_of(name: str) -> set[str]:
    return {f"vae_studio.ui.{part}" for part in PARTS.get(name, ())}


def loaded_after(statements: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter has loaded after these statements."""
    code = f"{statements}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_core_imports_no_qt() -> None:
    modules = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in CORE]
    loaded = loaded_after("import " + ", ".join(modules))
    assert "torch" in loaded
    assert not loaded & QT


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_core_imports_nothing_from_the_window(path: Path) -> None:
    imports = imports_of(path)
    assert not {name for name in own(imports) if name.startswith(("vae_studio.ui", "vae_studio.app", "vae_studio.cli"))}
    assert not {name for name in imports if name.partition(".")[0] in QT}


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_imports_values_and_its_own_parts_only(name: str) -> None:
    imports = imports_of(UI[name])
    more = {"vae_studio.tasks", "vae_studio.paths"} if name in CONTROLS else set()
    assert own(imports) <= VALUES | SHARED | parts_of(name) | more
    assert not {module for module in imports if module.partition(".")[0] in ("torch", "safetensors", "PIL")}


def test_the_shared_things_know_no_panel() -> None:
    assert own(imports_of(UI["theme"])) <= {"vae_studio.paths"}  # the stylesheet's icons are files
    assert own(imports_of(UI["controls"])) <= {"vae_studio.ui.theme"}
    assert own(imports_of(UI["image_view"])) <= {"vae_studio.ui.theme", "vae_studio.ui.controls"}


def test_the_table_of_parts_is_true() -> None:
    for name in PARTS:
        assert parts_of(name) <= imports_of(UI[name]), name


def test_workers_know_threads_and_no_vae() -> None:
    assert own(imports_of(UI["workers"])) <= {"vae_studio.core.errors"}


@pytest.mark.parametrize("module", ["vae_studio.ui.main_window", "vae_studio.cli", "vae_studio.core.doctor"])
def test_the_first_paint_needs_no_torch(module: str) -> None:
    slow = {"torch", "torchvision", "safetensors", "PIL", "scipy", "sklearn", "matplotlib", "cuda"}
    assert not slow & loaded_after(f"import {module}")


@pytest.mark.parametrize(
    "name",
    [
        "batch_offer",
        "config",
        "density",
        "events",
        "exploration",
        "figures",
        "nearness",
        "planes",
        "probing",
        "scene",
        "session_file",
        "latent",
    ],
)
def test_values_import_no_torch(name: str) -> None:
    assert "torch" not in loaded_after(f"import vae_studio.core.{name}")
