"""Scenes in, frames out: decodes what is visible, most wanted first, and keeps what it decoded."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from vae_studio.core import devices
from vae_studio.core.calls import Cost, Limits
from vae_studio.core.distributions import FullGaussian, Posterior
from vae_studio.core.model import VAE, to_float, to_pixels
from vae_studio.core.pictures import contours_of, picture_steps
from vae_studio.core.plane import SAME, Plane, covariances_on
from vae_studio.core.probe import reconstruct
from vae_studio.core.scene import (
    Contour,
    EncodingsFrame,
    Frame,
    GlanceFrame,
    MapFrame,
    Pictures,
    PicturesFrame,
    PointFrame,
    ProbeFrame,
    Scene,
    SpotsFrame,
    StripsFrame,
    TermsFrame,
    Tile,
    Version,
    View,
)
from vae_studio.core.tile_cache import (
    BASE_CELL,
    CELLS,
    MIN_CELL_PIXELS,
    Slot,
    TileCache,
    level_for,
    visible,
)

_CELLS_A_CALL = 400
_CELLS_A_CALL_ON_CPU = 256  # where the outputs of more than 334 fill over 1 MiB, each takes twice as long
_IMAGES_A_CALL = (10, 100)  # that are encoded
_SPOTS_A_CALL = (8, 256)
_COARSER = 4  # levels up to which tiles stand in for finer ones
_ROUNDING = 1e-9  # share of a scale
_TELLING_STEP = 32  # grey levels between neighbours: of such that differ by more, too little is known
_PLACES = 3  # a side, where neighbours are compared in float32, from edge to edge: the largest are mostly in a corner
_TOO_ALIKE = 0.8  # grey levels by which neighbours differ there at most, so that none in the view differ by a whole one
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class _Pass:
    """What the map is being drawn from until everything visible has been drawn once: weights and plane."""

    model: VAE
    version: Version
    plane: Plane
    offset: tuple[float, ...]  # of the plane that is shown from the one it is parallel to

    @property
    def content(self) -> object:
        return self.version, self.plane, self.offset


@dataclass(frozen=True, slots=True)
class _Making:
    """Pictures that are being made, and with which weights; begun ones are finished with these."""

    version: Version
    request: Pictures
    device: torch.device
    steps: Iterator[PicturesFrame | None]


@dataclass(frozen=True, slots=True)
class _Begun:
    """Images at `points` that are being made by one set of weights: `images` holds the first of them."""

    model: VAE
    version: Version
    points: np.ndarray
    images: list[np.ndarray] = field(default_factory=list)

    def suits(self, scene: Scene, points: np.ndarray) -> bool:
        """Whether what is made can be shown in this scene until its own, at these points, are."""
        return self.version.lineage == scene.version.lineage and self.points.shape == points.shape


@dataclass(slots=True)
class _Small:
    """Small images beside the point's: what was shown last, of which weights and points, and what is being made."""

    make: Callable[[Version, np.ndarray, np.ndarray], Frame]
    shown: tuple[Version | None, np.ndarray | None] = (None, None)
    begun: _Begun | None = None


class Explorer:
    """Turns scenes into frames. One thread uses it; it may drop a generator at any frame and ask for a new one.

    New weights, and new positions of the plane, are taken up for the map and the encodings when what is visible has
    been drawn once, so that frequent snapshots never starve a slow decoder; likewise for expectations, and for spots
    and strips, that have been begun. The point always uses the newest. If generators are dropped at every frame, point,
    spots, strips, pictures and map take turns. A call of the network is to be short enough for that, which is learned
    from those there were; where the map takes longer than a view may stay bare, what is bare gets coarser tiles first.
    """

    def __init__(self, cache: TileCache | None = None, limits: Limits | None = None) -> None:
        self._cache = TileCache() if cache is None else cache
        self._limits = Limits() if limits is None else limits
        self._forget_costs()
        self._pass: _Pass | None = None
        self._shown_point: object = None
        self._shown_map: object = None
        self._unshown_since: float | None = None  # since when there are tiles that no frame has had
        self._shown_encodings: tuple[Version | None, np.ndarray | None, Plane | None] = (None, None, None)
        self._shown_pictures: tuple[Version | None, Pictures | None] = (None, None)
        self._making: _Making | None = None
        self._small = _Small(SpotsFrame), _Small(StripsFrame), _Small(TermsFrame)
        self._contours: tuple[object, tuple[Contour, ...]] = (None, ())  # and of which weights and axes
        self._dropped = False  # whether the last generator was
        self._shown_probe: tuple[Version | None, np.ndarray | None] = (None, None)
        self._shown_glance: tuple[Version | None, np.ndarray | None] = (None, None)
        self._waiting = list(range(8))  # the sources of `frames`; the one first that waited longest
        self._means: list[np.ndarray] = []  # of the first images of `_encoding`
        self._spreads: list[np.ndarray] = []  # likewise; see `_spread_of`
        self._encoding: tuple[Version | None, np.ndarray | None, Plane | None] = (None, None, None)
        self._stream: torch.cuda.Stream | None = None

    def frames(self, scene: Scene) -> Iterator[Frame | None]:
        """Frames of a scene not shown yet: the point's image, the spots', the strips', tiles nearest first, the rest.

        None comes where there is nothing to show yet, but it is a good moment to see whether a newer scene waits.
        """
        small = (self._spots, self._strips, self._terms)
        makers = (self._point, self._probe, self._glance, *small, self._pictures, self._plane)
        sources = [make(scene) for make in makers]
        # Where the last generator was dropped, one frame comes first from the source that has waited longest.
        for index in list(self._waiting) if self._dropped else ():
            frame = next(sources[index], _NOTHING)
            if frame is not _NOTHING:
                self._serve(index)
                yield frame
                break
        self._dropped = True
        for index, source in enumerate(sources):
            for frame in source:
                self._serve(index)
                yield frame
        self._dropped = False

    def _forget_costs(self) -> None:
        self._decoding, self._encoding_cost, self._spot_cost = (Cost(self._limits) for _ in range(3))

    def _serve(self, index: int) -> None:
        self._waiting.remove(index)
        self._waiting.append(index)

    def _plane(self, scene: Scene) -> Iterator[Frame | None]:
        while not self._is_shown(scene):
            self._adopt(scene)
            yield from self._map(scene)
            yield from self._encodings(scene)

    def _pixels(self, model: VAE, points: torch.Tensor) -> np.ndarray:
        """Images at many points, in bf16 where that is faster: 999 of 1000 pixels err by less than 3 grey levels.

        The first layer stays in float32, or cells close to each other would be the same point.
        """
        with self._ahead(model.device):
            features = model.decoder[0](points)
            with self._fast(model):
                outputs = model.decoder[1:](features)
            return to_pixels(model.likelihood(outputs).mean)

    def _fast(self, model: VAE) -> torch.autocast:
        dtype = devices.choose_precision("auto", model.device, model.convolutional)
        return devices.autocast(model.device, dtype)

    def _ahead(self, device: torch.device) -> contextlib.AbstractContextManager[object]:
        """On CUDA a stream of our own with priority, or decodes would wait behind the trainer's queued steps.

        A snapshot was read by the host before it was handed out, so there is nothing to wait for.
        """
        if device.type != "cuda":
            return contextlib.nullcontext()
        if self._stream is None:
            self._stream = torch.cuda.Stream(device, priority=-1)
        return torch.cuda.stream(self._stream)

    def _is_shown(self, scene: Scene) -> bool:
        wanted = self._wanted(scene)
        tiles = scene.view is None or self._shown_map == (wanted.content, scene.view)
        return tiles and self._are_encoded(scene, scene.version, scene.plane)

    def _wanted(self, scene: Scene) -> _Pass:
        """The pass that this scene asks for. What is only a rounding error of the point's offset from the plane counts
        as none, or moving the point within a plane at an angle would draw the map anew."""
        here, current = scene.plane.offset(scene.point), self._pass
        if current is not None and current.plane == scene.plane and np.abs(here - current.offset).max() <= SAME:
            offset = current.offset
        else:
            offset = tuple(here.tolist())
        return _Pass(scene.model, scene.version, scene.plane, offset)

    def _are_encoded(self, scene: Scene, version: Version, plane: Plane) -> bool:
        shown_version, shown_images, shown_plane = self._shown_encodings
        same = shown_version == version and shown_images is scene.encode
        return scene.encode is None or (same and (not scene.ellipses or shown_plane == plane))

    def _adopt(self, scene: Scene) -> None:
        """Take up the scene's weights and plane, unless a pass over what was visible before is still under way."""
        current = self._pass
        other_model = current is None or current.version.lineage != scene.version.lineage
        if other_model:
            self._forget_costs()
        if other_model:
            self._cache.clear()
        if other_model or current.plane != scene.plane:
            self._cache.turn_to(scene.plane)
        elif not self._pass_is_drawn(scene):
            return
        self._pass = self._wanted(scene)

    def _pass_is_drawn(self, scene: Scene) -> bool:
        current = self._pass
        if not self._are_encoded(scene, current.version, current.plane):
            return False
        if scene.view is None or self._shown_map == (current.content, scene.view):
            return True
        return all(self._cache.is_fresh(slot, current.content) for slot in visible(scene.view, level_for(scene.view)))

    def _point(self, scene: Scene) -> Iterator[Frame]:
        wanted = (scene.version, scene.point, scene.draw)
        if self._shown_point == wanted:
            return
        began = time.perf_counter()
        device = scene.model.device
        with self._ahead(device):
            likelihood = scene.model.decode(torch.tensor([scene.point], device=device))
            if scene.draw is None:
                shown = likelihood.mean
            else:
                shown = likelihood.sample(torch.Generator(device).manual_seed(scene.draw))
            image = to_pixels(shown)[0]
        self._shown_point = wanted
        yield PointFrame(scene.version, scene.point, image, time.perf_counter() - began, scene.draw)

    def _probe(self, scene: Scene) -> Iterator[Frame]:
        shown_version, shown_image = self._shown_probe
        if scene.probe is None or (shown_version == scene.version and shown_image is scene.probe):
            return
        with self._ahead(scene.model.device):
            answer = reconstruct(scene.model, scene.probe)
        self._shown_probe = (scene.version, scene.probe)
        yield ProbeFrame(scene.version, scene.probe, *answer)

    def _glance(self, scene: Scene) -> Iterator[Frame]:
        shown_version, shown_image = self._shown_glance
        if scene.glance is None or (shown_version == scene.version and shown_image is scene.glance):
            return
        with self._ahead(scene.model.device):
            _, reconstruction, _ = reconstruct(scene.model, scene.glance)
        self._shown_glance = (scene.version, scene.glance)
        yield GlanceFrame(scene.version, scene.glance, reconstruction)

    def _spots(self, scene: Scene) -> Iterator[Frame | None]:
        return self._images_at(scene.spots, scene, self._small[0])

    def _strips(self, scene: Scene) -> Iterator[Frame | None]:
        return self._images_at(scene.strips, scene, self._small[1])

    def _terms(self, scene: Scene) -> Iterator[Frame | None]:
        return self._images_at(scene.terms, scene, self._small[2])

    def _images_at(self, points: np.ndarray | None, scene: Scene, small: _Small) -> Iterator[Frame | None]:
        """In float32, as they are looked at one by one; those begun are finished, even where they have moved since."""
        if points is None:
            small.begun, small.shown = None, (None, None)
            return
        while small.shown[1] is not points or small.shown[0] != scene.version:
            current = small.begun
            if current is None or not current.suits(scene, points):
                current = small.begun = _Begun(scene.model, scene.version, points)
            began, done = time.perf_counter(), sum(map(len, current.images))
            part = current.points[done : done + self._spot_cost.items(*_SPOTS_A_CALL)]
            with self._ahead(current.model.device):
                z = torch.tensor(part, dtype=torch.float32, device=current.model.device)
                current.images.append(to_pixels(current.model.decode(z).mean))
            self._spot_cost.note(len(part), time.perf_counter() - began)
            if done + len(part) < len(current.points):
                yield None
                continue
            small.begun, small.shown = None, (current.version, current.points)
            yield small.make(current.version, current.points, np.concatenate(current.images))

    def _map(self, scene: Scene) -> Iterator[Frame | None]:
        current, view = self._pass, scene.view
        if view is None or self._shown_map == (current.content, view):
            return
        began = time.perf_counter()
        if self._unshown_since is None:
            self._unshown_since = began
        slots = visible(view, level_for(view))
        missing = [slot for slot in slots if not self._cache.is_fresh(slot, current.content)]
        urgent: list[Slot] | None = None
        while True:
            if urgent is None and self._decoding.is_known:
                urgent = self._urgent(missing)
                first = set(urgent)
                missing = [slot for slot in missing if slot not in first]
            waiting = urgent or missing
            if waiting:
                count = self._tiles_a_call(current.model.device)
                self._decode(current, waiting[:count])
                del waiting[:count]
            covered = waiting is urgent and not urgent
            complete = not (urgent or missing)
            now = time.perf_counter()
            if complete or covered or now - self._unshown_since >= self._limits.between:
                # An unfinished frame takes the place of whatever was shown in full before.
                self._shown_map = (current.content, view) if complete else None
                self._unshown_since = None if complete else now
                tiles, contours = self._composition(view, slots), self._outlines(current)
                finest = self._finest(current, view, slots) if complete else None
                yield MapFrame(current.version, scene.plane, tiles, complete, now - began, contours, finest)
            else:
                yield None
            if complete:
                return

    def _urgent(self, missing: list[Slot]) -> list[Slot]:
        """What comes before the rest, lest the view stay bare for long: coarser slots where nothing stands in.

        They are as fine as may be done in time, or where that is not to be had, as coarse as makes them fewer.
        """
        if self._seconds(missing) <= self._limits.bare:
            return []
        best = bare = [slot for slot in missing if not self._stands_in(slot)]
        for levels in range(1, _COARSER + 1):
            if self._seconds(best) <= self._limits.bare:
                break
            best = min(best, list(dict.fromkeys(slot.coarser(levels) for slot in bare)), key=len)
        return best

    def _stands_in(self, slot: Slot) -> bool:
        """Whether something is there to be shown all over a slot until it is decoded."""
        held = (slot.coarser(levels) in self._cache for levels in range(_COARSER + 1))
        return any(held) or all(part in self._cache for part in slot.finer())

    def _seconds(self, slots: list[Slot]) -> float:
        return self._decoding.seconds(CELLS**2 * len(slots))

    def _tiles_a_call(self, device: torch.device) -> int:
        most = _CELLS_A_CALL_ON_CPU if device.type == "cpu" else _CELLS_A_CALL
        return self._decoding.items(CELLS**2, most) // CELLS**2

    def _outlines(self, current: _Pass) -> tuple[Contour, ...]:
        wanted = (current.version, current.plane)
        if self._contours[0] != wanted:
            with self._ahead(current.model.device):
                self._contours = (wanted, contours_of(current.model, current.plane))
        return self._contours[1]

    def _finest(self, current: _Pass, view: View, slots: list[Slot]) -> float:
        """As in MapFrame. Mostly the tile in the middle says that there is much more to see; else a few places are
        decoded in float32, each with the cells to its right and above it. Differences between images so much alike go
        with the distance."""
        middle = self._cache.image(slots[0])
        if middle is None or _largest_step(middle) > _TELLING_STEP:
            return 0.0
        cell = slots[0].span / CELLS
        u, v = np.meshgrid(
            np.linspace(view.left, view.right - cell, _PLACES), np.linspace(view.bottom, view.top - cell, _PLACES)
        )
        at = np.stack([u.ravel(), v.ravel()], axis=1)
        places = np.concatenate([at, at + np.array([cell, 0.0]), at + np.array([0.0, cell])])
        device = current.model.device
        with self._ahead(device):
            z = torch.from_numpy(current.plane.beside(current.offset, places).astype(np.float32)).to(device)
            here, right, above = current.model.decode(z).mean.clamp(0.0, 1.0).chunk(3)
            step = torch.stack([(right - here).abs().max(), (above - here).abs().max()]).max().item()
        level = math.floor(math.log2(BASE_CELL / cell * max(255.0 * step / _TOO_ALIKE, 2.0**-_COARSER))) + 1
        return (1.0 - _ROUNDING) * BASE_CELL * 2.0**-level / MIN_CELL_PIXELS

    def _decode(self, current: _Pass, slots: list[Slot]) -> None:
        began = time.perf_counter()
        centres = np.concatenate([slot.centres() for slot in slots])
        device = current.model.device
        with self._ahead(device):
            points = torch.from_numpy(current.plane.beside(current.offset, centres).astype(np.float32)).to(device)
        cells = self._pixels(current.model, points)
        height, width, *channels = cells.shape[1:]
        mosaics = cells.reshape(len(slots), CELLS, CELLS, height, width, *channels).swapaxes(2, 3)
        mosaics = mosaics.reshape(len(slots), CELLS * height, CELLS * width, *channels)
        for slot, mosaic in zip(slots, mosaics, strict=True):
            # A copy of its own, or one small tile would keep the whole batch in memory.
            self._cache.put(slot, current.content, mosaic.copy())
        self._decoding.note(len(centres), time.perf_counter() - began)

    def _composition(self, view: View, slots: list[Slot]) -> tuple[Tile, ...]:
        """Every slot's latest image, over coarser and finer ones where a slot has none yet."""
        present, stand_ins = [], {}
        for slot in slots:
            image = self._cache.image(slot)
            if image is not None:
                present.append(slot.placed(image))
                continue
            for levels in range(1, _COARSER + 1):
                parent = slot.coarser(levels)
                image = self._cache.image(parent)
                if image is not None:
                    stand_ins[parent] = parent.placed(image)
                    break
            else:
                for child in slot.finer():
                    image = self._cache.image(child)
                    if image is not None:
                        stand_ins[child] = child.placed(image)
        coarse_first = sorted(stand_ins, key=lambda slot: slot.level)
        return (*(stand_ins[slot] for slot in coarse_first), *present)

    def _encodings(self, scene: Scene) -> Iterator[Frame | None]:
        current = self._pass
        if self._are_encoded(scene, current.version, current.plane):
            return
        # Piece by piece, and kept, so that a newer scene loses nothing of what was encoded.
        version, encoding, plane = self._encoding
        other_plane = scene.ellipses and plane != current.plane and any(part.ndim == 3 for part in self._spreads)
        if version != current.version or encoding is not scene.encode or other_plane:
            self._encoding, self._means, self._spreads = (current.version, scene.encode, current.plane), [], []
        done = sum(map(len, self._means))
        while done < len(scene.encode):
            began, count = time.perf_counter(), self._encoding_cost.items(*_IMAGES_A_CALL)
            images = torch.from_numpy(scene.encode[done : done + count])
            with self._ahead(current.model.device), self._fast(current.model):
                images = images.to(current.model.device)
                posterior = current.model.encode(to_float(images))
                self._means.append(posterior.mean.cpu().numpy())
                self._spreads.append(_spread_of(posterior, self._encoding[2]))
            self._encoding_cost.note(len(images), time.perf_counter() - began)
            done += len(images)
            if done < len(scene.encode):
                yield None
        self._shown_encodings = (current.version, scene.encode, current.plane if scene.ellipses else None)
        means = np.concatenate(self._means)
        frame = EncodingsFrame(current.version, scene.encode, means)
        if scene.ellipses:
            spreads = np.concatenate(self._spreads)
            if spreads.ndim == 2:
                spreads = covariances_on(current.plane, np.square(spreads, dtype=np.float64))
            frame = replace(frame, plane=current.plane, covariances=spreads)
        yield frame

    def _pictures(self, scene: Scene) -> Iterator[Frame]:
        request = scene.pictures
        if request is None:
            self._making = None
            return
        while self._shown_pictures[1] is not request or self._shown_pictures[0] != scene.version:
            current = self._making
            if current is None or current.request is not request or current.version.lineage != scene.version.lineage:
                steps = picture_steps(scene.model, scene.version, request)
                current = self._making = _Making(scene.version, request, scene.model.device, steps)
            with self._ahead(current.device):
                frame = next(current.steps, _NOTHING)
            if frame is _NOTHING:
                self._making, self._shown_pictures = None, (current.version, request)
                continue
            # Where all three rows stand already, they are replaced together.
            part = frame is not None and request.expectation and frame.expectation is None
            yield None if part and self._shown_pictures[1] is request else frame


def _largest_step(mosaic: np.ndarray) -> int:
    """Grey levels by which any pixel differs between neighbouring cells of a tile, at most."""
    height, width = mosaic.shape[0] // CELLS, mosaic.shape[1] // CELLS
    cells = mosaic.reshape(CELLS, height, CELLS, width, -1).astype(np.int16)
    return max(int(np.abs(np.diff(cells, axis=axis)).max()) for axis in (0, 2))


def _spread_of(posterior: Posterior, plane: Plane) -> np.ndarray:
    """Standard deviations (n, latent_dims) of n posteriors, or where dimensions depend on each other their covariances
    on the plane, float64 (n, 2, 2), as those of all dimensions would fill the memory."""
    if not isinstance(posterior, FullGaussian):
        return posterior.scale.cpu().numpy()
    across = plane.basis() @ posterior.factor.cpu().numpy().astype(np.float64)
    return across @ across.transpose(0, 2, 1)
