"""One optimisation step as a CUDA graph: asked for by one call, with no Python between its kernels."""

from __future__ import annotations

import time
from collections import deque
from contextlib import nullcontext, suppress

import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from vae_studio.core import devices
from vae_studio.core.config import RunConfig
from vae_studio.core.model import VAE
from vae_studio.core.step import Figures, Stepper, Stretch, adam
from vae_studio.core.weights import FlatWeights

_WARM_UP = 3
# Steps that may wait in the device's queue, in seconds and in number: what is turned, and a stop, must come through.
_AHEAD_SECONDS = 0.02
_AHEAD = 32
_FINDS_GENERATORS = TorchVersion("2.15")  # in a capture, at the latest; to name them is deprecated there


class CapturedStepper(Stepper):
    """Takes steps by replaying one CUDA graph, captured at the first stretch.

    The graph holds the whole step: gathering the images, forward and backward pass, Adam, schedules and figures. Which
    step of the stretch it is, the learning rate and β lie on the device, so that nothing is captured again when they
    change. Every stretch must have the images of the first, with new contents perhaps, and no more steps than it. On
    other devices than CUDA there is no graph, and the same operations are done one by one.

    Raises the device's error where it has not the memory; the model is then as it was.
    """

    def __init__(
        self, model: VAE, config: RunConfig, dtype: torch.dtype, *, compiled: bool = False, tf32: bool = False
    ) -> None:
        super().__init__(model, config, dtype, compiled=compiled)
        device = model.device
        self._tf32 = tf32
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)  # steps of the stretch that are taken
        self._slot = torch.zeros(1, dtype=torch.int64, device=device)  # rows of the ring that are filled
        self._peaks = torch.zeros(2, device=device)  # of the learning rate, and β
        self._set_to: tuple[float, float] | None = None
        self._images: Tensor | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._queued: deque[torch.cuda.Event] = deque()
        self._interval, self._since = 1, 0  # steps from one event in the queue to the next, and since the last one
        self._waited_at = 0.0

    def _make_optimiser(self, dtype: torch.dtype) -> torch.optim.Adam:
        self._weights = FlatWeights(self._model, dtype)
        self._rate = torch.zeros((), device=self._model.device)
        return adam(self._config, *self._weights.pieces(_piece(self._weights.values)), self._rate)

    def begin(self, stretch: Stretch) -> None:
        steps = len(stretch.rows)
        first = self._images is None
        if first:
            self._images = stretch.images
            self._rows = torch.empty_like(stretch.rows)
            self._shares = torch.zeros(steps, 2, device=self._model.device)
        elif stretch.images is not self._images or steps > len(self._rows):
            raise ValueError("A captured step reads the images of its first stretch, and no more rows than that had.")
        self._rows[:steps].copy_(stretch.rows)
        self._shares[:steps].copy_(torch.tensor([stretch.rates, stretch.betas], dtype=torch.float32).T)
        self._cursor.zero_()
        if self._to_compile:
            self._weights.refresh()
            self._compile(self._weights.working, stretch)
        if first and self._images.is_cuda:
            with devices.matrix_products(tf32=True) if self._tf32 else nullcontext():
                self._capture()

    def advance(self, peak_rate: float, beta: float) -> None:
        if self._set_to != (peak_rate, beta):
            self._set_to = peak_rate, beta
            self._peaks.copy_(torch.tensor(self._set_to))
        if self._graph is None:
            self._whole_step()
        else:
            self._graph.replay()
            self._stay_close()
        self._filled += 1

    def step(self, images: Tensor, rate: float, beta: float) -> None:
        raise TypeError("A captured step takes its images from a stretch: begin one, and advance.")

    def drain(self) -> Figures:
        self._slot.zero_()
        return super().drain()

    def _whole_step(self) -> None:
        """Everything that a step does, with nothing that depends on the host."""
        number = self._cursor
        images = self._images.index_select(0, self._rows.index_select(0, number)[0])
        rate, beta = (self._shares.index_select(0, number)[0] * self._peaks).unbind()
        self._weights.refresh()
        loss, figures = self._loss(self._weights.working, *self._inputs(images), beta)
        self._weights.differentiate(loss)
        self._optimiser.found_inf.copy_(~loss.detach().isfinite())
        self._rate.copy_(rate)
        self._optimiser.step()
        self._ring.index_copy_(0, self._slot, figures.detach()[None])
        self._cursor.add_(1)
        self._slot.add_(1)

    def _capture(self) -> None:
        """Take some steps for what is set up by the first ones, undo them, and capture one."""
        device = self._model.device
        stream = torch.cuda.Stream(device)
        values, generators = self._weights.values.clone(), (self._noise, self._pixels)
        stream.wait_stream(torch.cuda.current_stream(device))
        states = [generator.get_state() for generator in generators]
        try:
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP):
                    self._cursor.zero_()
                    self._slot.zero_()
                    self._whole_step()
        finally:
            torch.cuda.synchronize(device)
            self._weights.values.copy_(values)
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)
        for state in self._optimiser.state.values():
            for tensor in state.values():
                tensor.zero_()  # in place, since these are what the graph will use
        self._cursor.zero_()
        self._slot.zero_()
        graph = torch.cuda.CUDAGraph()
        if TorchVersion(torch.__version__) < _FINDS_GENERATORS:
            for generator in generators:
                graph.register_generator_state(generator)
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()  # the graph has memory of its own, and what the first steps took would be lost to it
        with torch.cuda.stream(stream):
            # Other threads, such as the one that draws the map, go on with their work meanwhile.
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                self._whole_step()
            except BaseException:
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = graph

    def _stay_close(self) -> None:
        """Wait where the device is far behind: by two to three intervals, each as long as it takes some steps."""
        self._since += 1
        if self._since < self._interval:
            return
        event = torch.cuda.Event(blocking=True)
        event.record()
        self._queued.append(event)
        if len(self._queued) > 2:
            self._queued.popleft().synchronize()
            now = time.perf_counter()
            a_step = (now - self._waited_at) / self._since
            self._interval = max(1, min(_AHEAD // 2, int(_AHEAD_SECONDS / 2 / a_step)))
            self._waited_at = now
        self._since = 0


def _piece(values: Tensor) -> int | None:
    """Numbers in a piece of the weights, so that on CUDA every multiprocessor has one.

    The fused Adam gives each of its blocks 65,536 numbers of one tensor: ten blocks for 650,000 weights, on a device
    that can run hundreds.
    """
    if not values.is_cuda:
        return None
    processors = torch.cuda.get_device_properties(values.device).multi_processor_count
    return max(1024, 4 * -(-len(values) // (4 * processors)))
