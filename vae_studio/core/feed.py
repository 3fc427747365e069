"""Where a run's training images lie: on the device, or, where there are too many for it, streamed there in chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from vae_studio.core import devices

_SLOTS = 3  # chunks on the device: one in use, two on their way
_CHUNK_STEPS = 64
_NICENESS = 5

Part = tuple[Tensor, Tensor]


class Resident:
    """All images on the device."""

    def __init__(self, images: Tensor, device: torch.device) -> None:
        self._images = images.to(device)

    def epoch(self, order: Tensor) -> Iterator[Part]:
        """Images uint8 (n, …) and rows (steps, B) of them that make up the steps of `order`, (steps, B) too."""
        yield self._images, order

    def close(self) -> None:
        """Nothing is going on."""


class Streamed:
    """Images stay with the host, and come to the device some steps' worth at a time while it works on those before.

    A thread gathers each chunk in the order of the steps, into pinned memory where the device is CUDA's, and the copy
    goes on a stream of its own. `budget` is how many bytes may lie on the device. The images that are handed out are
    the same tensor each time, with new contents.
    """

    def __init__(self, images: Tensor, device: torch.device, batch: int, budget: int) -> None:
        self._source = images
        self._device = device
        a_step = batch * images[0].numel()
        self._steps = max(1, min(_CHUNK_STEPS, len(images) // batch, budget // (_SLOTS * a_step)))
        size = self._steps * batch
        self._ring = torch.empty(_SLOTS * size, *images.shape[1:], dtype=torch.uint8, device=device)
        self._slots = self._ring.split(size)
        self._places = torch.arange(len(self._ring), device=device).view(_SLOTS, self._steps, batch)
        self._cuda = device.type == "cuda"
        if self._cuda:
            self._pinned = [torch.empty(slot.shape, dtype=torch.uint8, pin_memory=True) for slot in self._slots]
            self._stream = torch.cuda.Stream(device)
            self._copied = [torch.cuda.Event() for _ in self._slots]
            self._used = [torch.cuda.Event() for _ in self._slots]
            self._give_slots_back()
        self._loader = ThreadPoolExecutor(1, "images", initializer=devices.settle_thread, initargs=(_NICENESS,))

    def epoch(self, order: Tensor) -> Iterator[Part]:
        parts = order.cpu().split(self._steps)
        loading: deque[Future[None]] = deque()
        try:
            for slot, part in enumerate(parts[:_SLOTS]):
                loading.append(self._loader.submit(self._load, slot, part))
            for number, part in enumerate(parts):
                slot = number % _SLOTS
                loading.popleft().result()
                if self._cuda:
                    torch.cuda.current_stream(self._device).wait_event(self._copied[slot])
                yield self._ring, self._places[slot, : len(part)]
                if self._cuda:
                    self._used[slot].record()
                if number + _SLOTS < len(parts):
                    loading.append(self._loader.submit(self._load, slot, parts[number + _SLOTS]))
        finally:
            # Whoever gives up an epoch may begin another: nothing of this one must come into it.
            for future in loading:
                if not future.cancel():
                    future.exception()
            self._give_slots_back()

    def _load(self, slot: int, rows: Tensor) -> None:
        places = rows.flatten()
        target = self._slots[slot][: len(places)]
        if self._cuda:
            self._copied[slot].synchronize()  # of what was there before
            pinned = self._pinned[slot][: len(places)]
            torch.index_select(self._source, 0, places, out=pinned)
            with torch.cuda.stream(self._stream):
                self._stream.wait_event(self._used[slot])
                target.copy_(pinned, non_blocking=True)
                self._copied[slot].record()
        elif self._device.type == "cpu":
            torch.index_select(self._source, 0, places, out=target)
        else:
            target.copy_(self._source.index_select(0, places))

    def _give_slots_back(self) -> None:
        """Let nothing be written into the ring before what the device has been told up to now."""
        if self._cuda:
            for event in self._used:
                event.record()

    def close(self) -> None:
        self._loader.shutdown(cancel_futures=True)
        if self._cuda:
            self._stream.synchronize()  # a copy under way must not land in memory that is given to others


def feed(images: Tensor, device: torch.device, batch: int, budget: int | None = None) -> Resident | Streamed:
    """The images on the device, or streamed there if they are more than `budget` bytes: by default, half of its
    free memory."""
    if budget is None:
        if device.type == "cpu":
            return Resident(images, device)
        free = devices.free_memory(device)
        budget = images.numel() if free is None else free // 2
    return Resident(images, device) if images.numel() <= budget else Streamed(images, device, batch, budget)
