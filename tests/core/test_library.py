"""Names, titles, folders and paths become models."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import small_models

from vae_studio import paths
from vae_studio.core import library
from vae_studio.core.checkpoint import ModelFileError, save_model
from vae_studio.core.presets import PRESETS

SHIPPED = paths.trained_models()


@pytest.fixture
def two_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models with two of them, in which this process and its library look."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for name in ("pytorch-example", "explorer-2d"):
        save_model(folder / f"{name}.safetensors", small_models.mlp(widths=(4,)), {"preset": name})
        (folder / f"{name}.json").write_text(json.dumps({"preset": name}), "utf-8")
    monkeypatch.setattr(paths, "trained_models", lambda: folder)
    monkeypatch.chdir(tmp_path)
    return folder


def test_presets_with_a_file_are_shipped_models() -> None:
    found = library.shipped_models()
    assert {"explorer-2d", "convolutional-2d", "pytorch-example", "convolutional-64"} <= {model.name for model in found}
    assert [model.name for model in found] == [name for name in PRESETS if (SHIPPED / f"{name}.safetensors").exists()]
    for model in found:
        assert model.path == SHIPPED / f"{model.name}.safetensors"
        assert model.title == PRESETS[model.name].title
        assert model.card == json.loads((SHIPPED / f"{model.name}.json").read_text("utf-8"))


def test_models_are_listed_in_the_order_of_their_presets(two_models: Path) -> None:
    assert [model.name for model in library.shipped_models()] == ["explorer-2d", "pytorch-example"]


@pytest.mark.parametrize("name", ["explorer-2d", "Explorer-2D", "2-D explorer", "2-d EXPLORER"])
def test_names_and_titles_in_any_case(two_models: Path, name: str) -> None:
    assert library.find_model(name) == two_models / "explorer-2d.safetensors"
    assert library.open_model(name).card == {"preset": "explorer-2d"}


def test_files_and_run_folders(two_models: Path, tmp_path: Path) -> None:
    run = tmp_path / "my-run"
    run.mkdir()
    save_model(run / "model.safetensors", small_models.mlp(widths=(5,)), {"mine": True})
    for given in (str(run), str(run / "model.safetensors"), "my-run", "my-run/model.safetensors"):
        assert library.open_model(given).card == {"mine": True}


def test_any_file_name_will_do(two_models: Path, tmp_path: Path) -> None:
    shutil.copy(two_models / "explorer-2d.safetensors", tmp_path / "copy.model")
    assert library.open_model("copy.model").card == {"preset": "explorer-2d"}


def test_a_shipped_name_comes_before_a_folder_of_that_name(two_models: Path, tmp_path: Path) -> None:
    (tmp_path / "explorer-2d").mkdir()
    assert library.find_model("explorer-2d") == two_models / "explorer-2d.safetensors"


def test_what_is_not_there_is_said_with_what_there_is(two_models: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        library.open_model("no-such-model")
    assert str(caught.value) == (
        "There is no model “no-such-model”. Give a file, a run folder, or one of: explorer-2d, pytorch-example."
    )
    with pytest.raises(ModelFileError, match=r"^There is no model file gone\.safetensors\.$"):
        library.open_model("gone.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFileError, match=r"^There is no model file empty.model\.safetensors\.$"):
        library.open_model("empty")


@pytest.mark.parametrize("damage", [None, "", "{"])
def test_a_lost_or_damaged_card_hides_one_model_only(two_models: Path, damage: str | None) -> None:
    card = two_models / "explorer-2d.json"
    card.unlink()
    if damage is not None:
        card.write_text(damage)
    assert [model.name for model in library.shipped_models()] == ["pytorch-example"]
    assert library.open_model(str(two_models / "explorer-2d.safetensors")).model.latent_dims == 2


def test_listing_models_imports_no_torch() -> None:
    code = (
        "import sys\nfrom vae_studio.core import library\n"
        "assert library.shipped_models() and library.find_model('explorer-2d').exists()\n"
        "print([name for name in sys.modules if name in ('torch', 'safetensors', 'PySide6')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
