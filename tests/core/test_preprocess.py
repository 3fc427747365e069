"""Pictures become what an encoder expects: compared with MNIST's own images, with Pillow, and with plain loops."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw

from vae_studio import paths
from vae_studio.core import datasets
from vae_studio.core.checkpoint import load_model
from vae_studio.core.preprocess import PictureError, decode_picture, prepare, read_picture
from vae_studio.core.probing import Preparation

MNIST = (1, 28, 28)
PLAIN = Preparation("off", paper=False, scale=False, centre=False)
DIGITS = 200


def large(image: np.ndarray, number: int, how: Image.Resampling) -> np.ndarray:
    """A digit ten times as large somewhere on a big canvas; every other one dark on light."""
    rng = np.random.default_rng(number)
    canvas = np.zeros((600, 700), np.uint8)
    top, left = rng.integers(0, 320), rng.integers(0, 420)
    canvas[top : top + 280, left : left + 280] = np.asarray(Image.fromarray(image).resize((280, 280), how))
    return 255 - canvas if number % 2 else canvas


def read_back(digits: np.ndarray, how: Image.Resampling, steps: Preparation | None = None) -> np.ndarray:
    return np.stack([prepare(large(image, number, how), MNIST, steps) for number, image in enumerate(digits)])


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    total = x = y = 0.0
    for (row, column), value in np.ndenumerate(image):
        total, x, y = total + float(value), x + column * float(value), y + row * float(value)
    return x / total, y / total


def box_of(image: np.ndarray, above: int) -> tuple[int, int]:
    """Width and height of what is brighter."""
    rows, columns = np.nonzero(image > above)
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


def drawn(size: tuple[int, int], *strokes: tuple[float, ...], width: int = 20) -> np.ndarray:
    image = Image.new("L", size)
    for stroke in strokes:
        ImageDraw.Draw(image).line(stroke, fill=255, width=width)
    return np.asarray(image)


def encoded(data: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(data) if isinstance(data, np.ndarray) else data).save(buffer, kind, **options)
    return buffer.getvalue()


# MNIST's own images


def test_mnists_digits_drawn_ten_times_as_large_are_read_back_to_the_pixel(mnist: datasets.Data) -> None:
    digits = mnist.test.images[:DIGITS].numpy()
    again = read_back(digits, Image.Resampling.NEAREST)
    same = (again == digits).all(axis=(1, 2))
    assert same.mean() >= 0.97  # the others have a faint row at their edge


@pytest.mark.parametrize(("name", "share"), [("explorer-2d", 0.7), ("pytorch-example", 0.95)])
def test_digits_enlarged_smoothly_are_encoded_within_the_posteriors_spread(
    mnist: datasets.Data, name: str, share: float
) -> None:
    """Within 3σ of q(z|x) of the original, as the root mean square over latent dimensions; σ of the 2-D explorer is
    about 0.03, a hundredth of the plane."""
    digits = mnist.test.images[:DIGITS].numpy()
    again = read_back(digits, Image.Resampling.BICUBIC)
    encoder = load_model(paths.trained_models() / f"{name}.safetensors").model.encoder
    with torch.no_grad():
        before, after = (encoder(torch.from_numpy(images)[:, None].float() / 255) for images in (digits, again))
    dims = before.shape[1] // 2
    sigma = (before[:, dims:] / 2).exp()
    distance = ((after - before)[:, :dims] / sigma).square().mean(dim=1).sqrt()
    assert float((distance < 3.0).double().mean()) >= share


def test_an_image_of_mnist_is_left_as_it_is(mnist: datasets.Data) -> None:
    digits = mnist.test.images[:DIGITS].numpy()
    same = [np.array_equal(prepare(image, MNIST), image) for image in digits]
    assert np.mean(same) >= 0.97


# The steps


def test_the_longer_side_of_the_ink_becomes_20_of_28_pixels_and_proportions_stay() -> None:
    tall = prepare(drawn((700, 900), (300, 100, 300, 700), (300, 700, 450, 700)), MNIST)
    width, height = box_of(tall, 100)
    assert height == 20
    assert width == pytest.approx(20 * 170 / 620, abs=1.1)
    wide = prepare(drawn((700, 900), (50, 500, 650, 520)), MNIST)
    assert box_of(wide, 100)[0] == 20


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 20, 24), (1, 64, 64)])
def test_the_centre_of_mass_goes_to_the_middle_pixel(shape: tuple[int, int, int]) -> None:
    _, height, width = shape
    seven = drawn((400, 400), (60, 50, 200, 50), (200, 50, 110, 330))
    x, y = centre_of_mass(prepare(seven, shape))
    assert abs(x - width // 2) <= 0.5
    assert abs(y - height // 2) <= 0.5
    off = prepare(seven, shape, Preparation(centre=False))
    columns = np.flatnonzero((off > 100).any(axis=0))
    assert abs((columns[0] + columns[-1] + 1) / 2 - width / 2) <= 1.0, "else the box is in the middle"


def test_other_sizes_get_a_box_in_proportion() -> None:
    found = prepare(drawn((500, 500), (250, 30, 250, 470)), (1, 56, 56))
    assert found.shape == (56, 56)
    assert box_of(found, 100)[1] == 40


def test_dark_ink_on_light_paper_is_inverted_unless_told_otherwise() -> None:
    ink = drawn((300, 300), (150, 50, 150, 250))
    same = [prepare(picture, MNIST) for picture in (ink, 255 - ink)]
    assert np.array_equal(*same)
    plain = Preparation("off", paper=False)
    assert prepare(255 - ink, MNIST, plain)[0, 0] == 255
    assert np.array_equal(prepare(ink, MNIST, Preparation("on", paper=False)), prepare(255 - ink, MNIST, plain))


def test_without_any_step_the_whole_picture_is_fitted_in() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (56, 56), np.uint8)
    expected = picture.reshape(28, 2, 28, 2).mean(axis=(1, 3))
    assert np.abs(prepare(picture, MNIST, PLAIN) - expected).max() <= 0.5 + 1e-3
    wide = prepare(np.full((28, 56), 200, np.uint8) - np.eye(28, 56, dtype=np.uint8) * 100, MNIST, PLAIN)
    assert wide.shape == (28, 28)
    assert (wide[:6] == 200).all(), "what is beside the picture is as its border"


def test_a_photograph_in_bad_light_gives_the_ink_alone() -> None:
    ink = drawn((600, 450), (250, 80, 330, 90), (330, 90, 290, 380), width=24)
    down, across = np.mgrid[:450, :600]
    grain = np.random.default_rng(0).normal(0, 4, ink.shape)
    photo = (220 - 60 * across / 600 - 50 * down / 450 + grain) * (1 - 0.7 * ink / 255.0)
    found = prepare(np.stack([photo] * 3, axis=-1).clip(0, 255).astype(np.uint8), MNIST).astype(int)
    clean = prepare(ink, MNIST).astype(int)
    assert np.abs(found - clean).mean() < 4
    assert (found[clean == 0] < 30).all()
    assert prepare(photo.clip(0, 255).astype(np.uint8), MNIST, Preparation(paper=False)).min() > 30


def test_a_page_with_nothing_on_it_but_a_shadow_is_no_digit() -> None:
    shadow = np.linspace(120, 240, 300)[None].repeat(200, axis=0).astype(np.uint8)
    with pytest.raises(PictureError, match="nothing but paper"):
        prepare(shadow, MNIST)
    assert np.ptp(prepare(shadow, MNIST, PLAIN)) > 100


def test_an_l_is_kept_inside_though_its_mass_is_low() -> None:
    foot = drawn((300, 300), (40, 20, 40, 270), width=6)
    foot = np.maximum(foot, drawn((300, 300), (40, 255, 270, 255), width=40))
    found = prepare(foot, MNIST)
    assert box_of(found, 60)[1] == 20


def test_a_model_of_colour_images_gets_colours() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    expected = picture.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    found = prepare(picture, (3, 32, 32))
    assert found.shape == (32, 32, 3)
    assert np.abs(found - expected).max() <= 0.5 + 1e-3
    grey = prepare(picture[..., 0], (3, 32, 32))
    assert (grey == grey[..., :1]).all()


def test_ink_on_nothing_shows_whichever_it_is() -> None:
    ink = drawn((200, 200), (100, 30, 100, 170))
    for colour in (0, 255):
        picture = np.dstack([np.full((200, 200, 3), colour, np.uint8), ink])
        assert np.abs(prepare(picture, MNIST).astype(int) - prepare(ink, MNIST)).max() <= 2


@settings(max_examples=60)
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 255)),
    st.sampled_from(["auto", "on", "off"]),
    *[st.booleans()] * 3,
)
def test_whatever_the_picture_the_shape_is_right_or_a_sentence_says_why(
    picture: np.ndarray, invert: str, paper: bool, scale: bool, centre: bool
) -> None:
    for shape in ((1, 28, 28), (3, 9, 13)):
        try:
            found = prepare(picture, shape, Preparation(invert, paper, scale, centre))
        except PictureError as error:
            assert "blank" in str(error) or (paper and "nothing but paper" in str(error))
        else:
            assert found.dtype == np.uint8
            assert found.shape == ((28, 28) if shape[0] == 1 else (9, 13, 3))


@pytest.mark.parametrize(
    ("picture", "word"),
    [
        (np.full((50, 50), 200, np.uint8), "blank"),
        (np.zeros((9000, 9000), np.uint8), "million"),
        (np.eye(2000, 3, dtype=np.uint8) * 255, "narrow"),
        (np.eye(30), "8 bits"),
        (np.arange(125, dtype=np.uint8).reshape(5, 5, 5), "channels"),
    ],
)
def test_what_is_no_use_is_refused_in_words(picture: np.ndarray, word: str) -> None:
    with pytest.raises(PictureError, match=word):
        prepare(picture, MNIST)


# Files


def test_pictures_are_read_as_pillow_reads_them(tmp_path: Path) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (30, 40, 3), np.uint8)
    for kind in ("PNG", "BMP", "TIFF", "PPM"):
        path = tmp_path / f"picture.{kind.lower()}"
        path.write_bytes(encoded(picture, kind))
        assert np.array_equal(read_picture(path), picture), kind
    jpeg = encoded(picture, "JPEG")
    assert np.array_equal(decode_picture(jpeg), np.asarray(Image.open(io.BytesIO(jpeg))))


def test_16_bits_palettes_cmyk_and_black_and_white_are_understood() -> None:
    levels = np.linspace(0, 65535, 600).astype(np.uint16).reshape(20, 30)
    assert np.abs(decode_picture(encoded(levels)).astype(float) - levels / 257).max() <= 0.51
    ink = drawn((60, 60), (30, 10, 30, 50), width=8)
    for converted in ("1", "P", "LA"):
        found = decode_picture(encoded(Image.fromarray(ink).convert(converted)))
        assert np.array_equal(prepare(found, MNIST), prepare(ink, MNIST)), converted
    cmyk = decode_picture(encoded(Image.fromarray(np.dstack([ink] * 3)).convert("CMYK"), "TIFF"))
    assert np.abs(prepare(cmyk, MNIST).astype(int) - prepare(ink, MNIST)).mean() < 3


def test_a_camera_held_upright_is_believed() -> None:
    ink = drawn((120, 80), (20, 20, 60, 20), (60, 20, 60, 70), width=8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to the right
    found = decode_picture(encoded(np.ascontiguousarray(np.rot90(ink)), "PNG", exif=exif))
    assert np.array_equal(found, ink)


def test_large_pictures_are_made_smaller_when_they_are_read() -> None:
    found = decode_picture(encoded(Image.new("L", (3000, 1500), 7)))
    assert found.shape == (512, 1024)
    assert (found == 7).all()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, and has no pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_size_is_looked_at_before_a_pixel_is_decoded() -> None:
    with pytest.raises(PictureError, match="10,000 × 10,000 pixels"):
        decode_picture(png_header(10_000, 10_000), "large.png")
    with pytest.raises(PictureError, match="has more pixels"):
        decode_picture(png_header(30_000, 30_000), "bomb.png")
    with pytest.raises(PictureError, match="damaged"):
        decode_picture(png_header(100, 100), "empty.png")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a.png is empty"),
        (b"Not a picture at all." * 20, "no picture that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "no picture that can be read"),
        (encoded(np.random.default_rng(3).integers(0, 256, (64, 64), np.uint8))[:2000], "damaged"),
        (encoded(np.zeros((50, 50), np.uint8), "JPEG")[:200], "damaged"),
    ],
    ids=["empty", "text", "postscript", "half a PNG", "half a JPEG"],
)
def test_what_is_no_picture_is_refused_by_its_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=words):
        read_picture(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="No such file"):
        read_picture(tmp_path / "nothing.png")
    with pytest.raises(PictureError, match="folder"):
        read_picture(tmp_path)
