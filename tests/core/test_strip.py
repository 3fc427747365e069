"""Strips of a path's frames: their pixels, whatever their number, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
from small_models import decoded, rounds_to

from vae_studio.core.strip import StripError, StripRequest, strip_steps
from vae_studio.core.walk import Walk

ENDS = ((-1.0, 0.5), (1.5, -0.5))


@pytest.mark.parametrize("model", [small_models.mlp(), small_models.convolutional()], ids=["mlp", "convolutional"])
def test_more_frames_than_a_call_takes_are_all_there(model) -> None:
    request = StripRequest(ENDS, frames=230, spherical=True)
    *progress, picture = strip_steps(model, request)
    assert progress == pytest.approx([100 / 230, 200 / 230, 1.0])
    frames = picture.reshape(28, 230, 28).swapaxes(0, 1)
    assert rounds_to(frames, decoded(model, Walk(ENDS, True).steps(230).astype(np.float32)))


def test_the_same_request_gives_the_same_bytes() -> None:
    model, request = small_models.mlp(), StripRequest(ENDS, frames=7)
    first, second = (list(strip_steps(model, request))[-1] for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"points": ENDS[:1]}, "two points or more"),
        ({"frames": 1}, "Frames must lie between 2 and 400"),
        ({"frames": 401}, "Frames must lie between 2 and 400"),
        ({"scale": 0}, "The scale must lie between 1 and 16"),
        ({"spacing": 65}, "Spacing must lie between 0 and 64"),
    ],
)
def test_what_cannot_be_is_refused(values: dict, words: str) -> None:
    with pytest.raises(StripError, match=words):
        StripRequest(**{"points": ENDS, **values})


def test_a_picture_that_is_too_wide_is_refused() -> None:
    with pytest.raises(StripError, match="179,200 pixels wide"):
        next(strip_steps(small_models.mlp(), StripRequest(ENDS, frames=400, scale=16)))
