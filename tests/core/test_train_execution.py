"""How steps are taken: refused with words where it is not possible, and given up for eager steps where it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training import KINDS, TINY, finished, of_kind, pull

from vae_studio.core import captured, devices, step, train
from vae_studio.core.devices import DeviceError
from vae_studio.core.events import Remark, Started
from vae_studio.core.model import VAE

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_on_a_cpu_steps_are_eager_unless_asked_for() -> None:
    assert of_kind(pull(TINY, most=1), Started)[0].execution == "eager"
    assert devices.choose_execution("auto", torch.device("cuda")) == "captured"
    assert devices.choose_execution("auto", torch.device("mps")) == "eager"
    assert devices.choose_execution("eager", torch.device("cuda")) == "eager"
    assert devices.choose_execution("captured", torch.device("cuda")) == "captured"


def test_capturing_on_a_cpu_is_refused_before_anything_is_done() -> None:
    with pytest.raises(DeviceError, match=r"captured on CUDA devices only, and this is CPU .* Choose automatic"):
        pull(TINY.with_changes(execution="captured"))


def test_compiling_for_apples_gpus_is_refused() -> None:
    with pytest.raises(DeviceError, match="cannot be compiled for"):
        devices.choose_execution("compiled", torch.device("mps"))


@pytest.mark.parametrize(("device", "wanted"), [("cpu", r"a C\+\+ compiler"), ("cuda", "a C compiler and Triton")])
def test_compiling_without_a_compiler_is_refused(device: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DeviceError, match=f"Compiled steps need {wanted}, and none was found here"):
        devices.choose_execution("compiled", torch.device(device))


def test_a_compiler_is_found_on_the_path_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert not devices.has_compiler(CPU)
    for name in ("clang++", "my-compiler"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert devices.has_compiler(CPU)
    (tmp_path / "clang++").unlink()
    assert not devices.has_compiler(CPU)
    monkeypatch.setenv("CXX", "my-compiler")
    assert devices.has_compiler(CPU)
    assert not devices.has_compiler(torch.device("mps"))


def test_products_are_rounded_only_as_long_as_it_is_wanted() -> None:
    backends = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [backend.fp32_precision for backend in backends]
    with devices.matrix_products(tf32=True):
        assert [backend.fp32_precision for backend in backends] == ["tf32", "tf32"]
        with pytest.raises(ZeroDivisionError), devices.matrix_products(tf32=False):
            assert [backend.fp32_precision for backend in backends] == ["ieee", "ieee"]
            raise ZeroDivisionError
        assert [backend.fp32_precision for backend in backends] == ["tf32", "tf32"]
    assert [backend.fp32_precision for backend in backends] == before


def test_only_captured_steps_may_be_rounded_and_only_where_it_is_left_open() -> None:
    cuda = torch.device("cuda")
    assert devices.may_use_tf32(TINY.with_changes(precision="auto"), cuda, "captured")
    assert not devices.may_use_tf32(TINY.with_changes(precision="float32"), cuda, "captured")
    assert not devices.may_use_tf32(TINY.with_changes(precision="auto", posterior="full-gaussian"), cuda, "captured")
    for execution in ("eager", "compiled"):
        assert not devices.may_use_tf32(TINY.with_changes(precision="auto"), cuda, execution)
    assert not devices.may_use_tf32(TINY.with_changes(precision="auto"), CPU, "captured")


@pytest.mark.parametrize("problem", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("no such kernel\nat")])
def test_what_cannot_be_captured_is_trained_eagerly_and_said(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The captured step does all as on a GPU but the graph; what fails is what would be captured."""

    class Failing(captured.CapturedStepper):
        def begin(self, stretch: step.Stretch) -> None:
            super().begin(stretch)
            self.advance(1e-3, 1.0)
            with torch.no_grad():
                self._weights.values.copy_(self.before)
            raise problem

        def __init__(self, model: VAE, *arguments: object, **how: bool) -> None:
            super().__init__(model, *arguments, **how)
            self.before = self._weights.values.clone()

    def make(run: train._Run) -> step.Stepper:
        kind = step.Stepper if run.execution == "eager" else Failing
        return kind(run.model, run.config, run.dtype)

    wanted = finished(pull(TINY)).evaluation.neg_elbo
    monkeypatch.setattr(devices, "choose_execution", lambda execution, device: "captured")
    monkeypatch.setattr(train._Run, "make_stepper", make)
    events = pull(TINY)
    (remark,) = of_kind(events, Remark)
    why = "has not enough free memory for it." if "memory" in str(problem) else "RuntimeError: no such kernel."
    assert remark.message.endswith(why) and not remark.passing
    assert finished(events).evaluation.neg_elbo == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_run_of_captured_steps_is_that_of_eager_ones(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU captures, done one by one: the same test −ELBO at the end, to a thousandth of its size."""
    config = KINDS[kind]
    eager = finished(pull(config)).evaluation
    monkeypatch.setattr(
        train._Run, "make_stepper", lambda run: captured.CapturedStepper(run.model, run.config, run.dtype)
    )
    ours = finished(pull(config)).evaluation
    assert ours.neg_elbo == pytest.approx(eager.neg_elbo, rel=1e-3, abs=0.1)
    assert ours.reconstruction == pytest.approx(eager.reconstruction, rel=1e-3, abs=0.1)


@needs_cuda
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_on_cuda_captured_and_eager_runs_end_alike(precision: str) -> None:
    config = TINY.with_changes(device="cuda", precision=precision, epochs=5)
    ends = []
    for execution in ("eager", "captured"):
        events = pull(config.with_changes(execution=execution))
        assert of_kind(events, Started)[0].execution == execution and not of_kind(events, Remark)
        ends.append(finished(events).evaluation.neg_elbo)
    assert ends[0] == pytest.approx(ends[1], abs=0.5)


@pytest.mark.slow
def test_a_compiler_that_fails_is_said_and_training_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vae_studio", "train", "--set", "execution=compiled", "--data-limit", "500"]
    command += ["--epochs", "1", "--json", "--device", "cpu", "--out", str(tmp_path / "run")]
    result = subprocess.run(
        command, env={**os.environ, "CXX": "/bin/false"}, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    remarks = [line["message"] for line in lines if line["event"] == "remark"]
    assert remarks[0].startswith("Compiling the training step") and len(remarks) == 2
    assert "so that training is slower: " in remarks[1] and remarks[1] in result.stderr.replace("\n", " ")
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:torch")
def test_a_whole_compiled_run_is_that_of_an_eager_one() -> None:
    config = KINDS["importance-weighted"]
    eager, compiled = (finished(pull(config.with_changes(execution=how))) for how in ("eager", "compiled"))
    assert compiled.reason == "done"
    assert compiled.evaluation.neg_elbo == pytest.approx(eager.evaluation.neg_elbo, rel=1e-3)
