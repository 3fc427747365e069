"""What is built from the repository works without it: an sdist, the wheel made from it, one epoch from there."""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
MNIST = [
    f"{name}-ubyte.gz" for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
]


def run(*arguments: object, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Standard output of `python ARGUMENTS`, which must succeed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of the repository, and the wheel that was built from that sdist alone."""
    folder = tmp_path_factory.mktemp("built")
    run("-m", "build", "--no-isolation", "--outdir", folder, REPOSITORY, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel was installed into."""
    folder = tmp_path_factory.mktemp("installed")
    (wheel,) = built.glob("*.whl")
    run("-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "--target", folder, wheel, cwd=folder)
    return folder


@pytest.fixture
def elsewhere(installed: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A working directory and an environment in which `vae_studio` is the installed copy and not the repository's."""
    env = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    where = run("-c", "import vae_studio; print(vae_studio.__file__)", cwd=tmp_path, env=env).strip()
    assert Path(where) == installed / "vae_studio" / "__init__.py"
    return tmp_path, env


def test_the_wheel_carries_resources_models_and_licence(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    beside = [path for folder in ("resources", "trained_models") for path in (REPOSITORY / folder).rglob("*.*")]
    assert {f"vae_studio/{path.relative_to(REPOSITORY)}" for path in beside if path.is_file()} <= set(names)
    assert {f"vae_studio/resources/mnist/{name}" for name in [*MNIST, "README.md"]} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "packaging/", "resources/"))]


def test_the_source_archive_carries_what_tests_need(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"Makefile", "constraints.txt", "pyproject.toml", "tests/conftest.py", "packaging/lowest.py"} <= names
    assert {f"resources/mnist/{name}" for name in MNIST} <= names
    assert not [name for name in names if name.startswith((".venv", ".git/", "runs/"))]


def test_one_epoch_from_an_installed_wheel(elsewhere: tuple[Path, dict[str, str]]) -> None:
    folder, env = elsewhere
    arguments = shlex.split("train --preset explorer-2d --epochs 1 --seed 0 --data-limit 2000 --out OUT --json")
    lines = [json.loads(line) for line in run("-m", "vae_studio", *arguments, cwd=folder, env=env).splitlines()]
    assert (folder / "OUT" / "model.safetensors").stat().st_size > 100_000
    (finished,) = [line for line in lines if line["event"] == "finished"]
    assert finished["reason"] == "done"
    # Eight steps: better than a decoder that gives each pixel probability ½, which costs ln 2 a pixel.
    assert 100 < finished["neg_elbo"] < 784 * math.log(2)


def test_an_installed_wheel_finds_its_models_and_folders(
    elsewhere: tuple[Path, dict[str, str]], installed: Path
) -> None:
    folder, env = elsewhere
    report = json.loads(run("-m", "vae_studio", "doctor", "--json", cwd=folder, env=env))
    assert report["mnist_missing"] == []
    assert report["folders"]["resources"] == str(installed / "vae_studio" / "resources")
    assert report["trained_models"] == sorted(p.stem for p in (REPOSITORY / "trained_models").glob("*.safetensors"))


def test_the_installed_command_starts(elsewhere: tuple[Path, dict[str, str]], installed: Path) -> None:
    folder, env = elsewhere
    assert "explorer-2d" in run(installed / "bin" / "vae-studio", "presets", cwd=folder, env=env)


def test_constraints_pin_every_direct_dependency() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()
        if "==" in line
    }
    requirements = project["dependencies"] + project["optional-dependencies"]["test"]
    assert {requirement.partition(">=")[0].lower() for requirement in requirements} <= pinned
    assert not [name for name in pinned if name.startswith(("nvidia-", "cuda-", "triton"))]


def test_lowest_versions_are_those_of_the_project(tmp_path: Path) -> None:
    lines = run(REPOSITORY / "packaging" / "lowest.py", cwd=tmp_path).splitlines()
    assert "torch==2.11" in lines
    assert "PySide6-Essentials==6.8;python_version<'3.12'" in lines
