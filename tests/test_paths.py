"""Where things lie."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path

import pytest

from vae_studio import paths


def test_resources_and_models_are_found_beside_the_package() -> None:
    repository = Path(__file__).resolve().parent.parent
    assert paths.resources() == repository / "resources"
    assert paths.trained_models() == repository / "trained_models"
    assert (paths.resources() / "mnist" / "t10k-labels-idx1-ubyte.gz").is_file()


def test_a_wheel_carries_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "vae_studio"
    (package / "resources").mkdir(parents=True)
    (tmp_path / "resources").mkdir()
    (tmp_path / "trained_models").mkdir()
    monkeypatch.setattr(paths, "_PACKAGE", package)
    assert paths.resources() == package / "resources"
    assert paths.trained_models() == tmp_path / "trained_models"


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of the XDG specification")
def test_the_users_folders_are_where_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    monkeypatch.setenv("XDG_PICTURES_DIR", str(tmp_path / "Bilder"))
    assert paths.runs() == tmp_path / "DATA" / "vae-studio" / "runs"
    assert paths.settings_file() == tmp_path / "CONFIG" / "vae-studio" / "window.ini"
    assert paths.logs().is_relative_to(tmp_path / "STATE" / "vae-studio")
    assert paths.pictures() == tmp_path / "Bilder"
    assert list(tmp_path.iterdir()) == []


def test_new_run_folders_are_named_after_time_and_preset_and_never_taken(tmp_path: Path) -> None:
    before = datetime.now().replace(microsecond=0)
    made = []
    for _ in range(30):
        folder = paths.new_run_folder(tmp_path / "runs", "explorer-2d")
        assert not folder.exists()
        assert folder.parent == tmp_path / "runs"
        folder.mkdir(parents=True)
        made.append(folder.name)
    assert len(set(made)) == 30
    for name in made:
        stamp = re.fullmatch(r"(\d{4}-\d\d-\d\d-\d{6})-explorer-2d(-\d+)?", name)[1]
        assert before <= datetime.strptime(stamp, "%Y-%m-%d-%H%M%S") <= datetime.now()
    assert any(name.endswith("-explorer-2d-2") for name in made)
