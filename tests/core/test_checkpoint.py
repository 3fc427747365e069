"""Model files: round trips, safetensors' own reader as witness, and thousands of ways to be damaged or hostile."""

from __future__ import annotations

import json
import math
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import small_models
import torch

from vae_studio.core import checkpoint
from vae_studio.core.checkpoint import ModelFileError, load_model, save_model
from vae_studio.core.config import (
    BernoulliConfig,
    ContinuousBernoulliConfig,
    ConvolutionalConfig,
    GaussianConfig,
    LaplaceConfig,
    LaplacePriorConfig,
    MixtureConfig,
    MLPConfig,
    ResidualConfig,
    RunConfig,
    SquaredErrorConfig,
)
from vae_studio.core.files import FileError
from vae_studio.core.model import VAE, build
from vae_studio.core.presets import PRESETS

CARD = {"seconds": 131.25, "versions": {"torch": "2"}, "command": "vae-studio train β “x”", "figures": [1, None]}
DATA_WORDS = ("damaged", "cut off", "not a safetensors file", "not a VAE Studio model", "format version")


def bits(model: VAE) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in model.state_dict().items()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VAE, str]:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model = small_models.mlp(widths=(16, 8))
    return path, model, save_model(path, model, CARD)


def parts(content: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: dict, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def signed(header: dict, body: bytes = b"") -> bytes:
    """A file with a right checksum, as somebody who means harm would make it."""
    header["__metadata__"]["sha256"] = checkpoint._digest(header, memoryview(body))
    return joined(header, body)


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


TINY = RunConfig(network=MLPConfig(widths=(6,)), latent_dims=3)
CONFIGS = [preset.config for preset in PRESETS.values()] + [
    RunConfig(network=MLPConfig(widths=(5, 4, 3), activation="tanh"), latent_dims=256, beta=0.25),
    RunConfig(network=MLPConfig(widths=(3,), activation="relu"), latent_dims=1, seed=2**63 - 1),
    RunConfig(network=MLPConfig(widths=()), latent_dims=64, posterior="full-gaussian"),
    RunConfig(network=ResidualConfig(channels=(3, 4), blocks=2, dense=(5,)), initialisation="normal"),
    *(TINY.with_changes(posterior=posterior) for posterior in ("full-gaussian", "laplace")),
    *(TINY.with_changes(prior=prior) for prior in (LaplacePriorConfig(), MixtureConfig(components=1), MixtureConfig())),
    *(TINY.with_changes(likelihood=BernoulliConfig(targets=f"binarised-{when}")) for when in ("fresh", "once")),
    TINY.with_changes(likelihood=ContinuousBernoulliConfig()),
    *(
        TINY.with_changes(likelihood=kind(scale=scale, mean=mean))
        for kind in (GaussianConfig, LaplaceConfig)
        for scale in ("fixed", "learned", "per-pixel")
        for mean in ("sigmoid", "linear")
    ),
    *(
        TINY.with_changes(model="autoencoder", likelihood=likelihood)
        for likelihood in (BernoulliConfig(), SquaredErrorConfig())
    ),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.preset} {config.network.title}")
def test_a_model_comes_back_bit_for_bit(tmp_path: Path, config: RunConfig) -> None:
    model = build(config, (1, 28, 28))
    sha256 = save_model(tmp_path / "m.safetensors", model, CARD)
    loaded = load_model(tmp_path / "m.safetensors")
    assert bits(loaded.model) == bits(model)
    assert loaded.model.config == config
    assert loaded.model.image_shape == (1, 28, 28)
    assert loaded.card == CARD
    assert loaded.path == tmp_path / "m.safetensors"
    assert loaded.sha256 == sha256
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mean = model.encode(x).mean
        assert torch.equal(loaded.model.encode(x).mean, mean)
        assert torch.equal(loaded.model.encode(x).scale, model.encode(x).scale)
        assert torch.equal(loaded.model.decode(mean).mean, model.decode(mean).mean)
        if model.is_vae:
            assert torch.equal(loaded.model.prior.log_prob(mean), model.prior.log_prob(mean))
            assert torch.equal(loaded.model.decode(mean).log_prob(x), model.decode(mean).log_prob(x))


def test_what_is_learned_beside_the_networks_comes_back(tmp_path: Path) -> None:
    """The scale of the pixels, and the components of the prior, as safetensors' own reader finds them."""
    config = TINY.with_changes(likelihood=GaussianConfig(scale="learned"), prior=MixtureConfig(components=4))
    model = build(config, (1, 28, 28))
    with torch.no_grad():
        model.log_scale.fill_(-1.25)
        model.prior.means[2, 1] = 7.5
    save_model(tmp_path / "m", model, {})
    found = safetensors.numpy.load_file(tmp_path / "m")
    assert found["log_scale"] == np.float32(-1.25) and found["prior.means"][2, 1] == 7.5
    loaded = load_model(tmp_path / "m").model
    assert loaded.log_scale.item() == -1.25 and loaded.prior.means[2, 1] == 7.5
    assert not loaded.log_scale.requires_grad


@pytest.mark.parametrize("network", [MLPConfig(widths=(4,)), ConvolutionalConfig(channels=(3,), dense=(4,))])
@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 9, 12), (1, 64, 64)])
def test_colour_models_of_any_size_come_back(tmp_path: Path, network: object, shape: tuple[int, int, int]) -> None:
    model = build(TINY.with_changes(network=network), shape)
    save_model(tmp_path / "m", model, CARD)
    loaded = load_model(tmp_path / "m").model
    assert loaded.image_shape == shape and bits(loaded) == bits(model)
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(loaded.encode(x).mean, model.encode(x).mean)
        assert loaded.decode(torch.zeros(2, 3)).mean.shape == (2, *shape)


@pytest.mark.parametrize("channels", [2, 4])
def test_images_are_grey_or_coloured(tmp_path: Path, channels: int) -> None:
    save_model(tmp_path / "m", build(TINY, (channels, 8, 8)), {})
    with pytest.raises(ModelFileError) as refused:
        load_model(tmp_path / "m")
    assert str(refused.value) == (
        f"{tmp_path / 'm'} cannot be opened: its images have {channels} channels, not 1 (grey) or 3 (colour)."
    )


FIGURES = {
    "neg_elbo": 100.5,
    "reconstruction": 80,
    "kl": 20.5,
    "kl_per_dim": [20.5, 0.0, 0.0],
    "active_units": 1,
    "active": [True, False, False],
}
WITHOUT = dict.fromkeys(FIGURES)
ERROR = {**WITHOUT, "reconstruction": 30.5, "active_units": 3, "active": [True] * 3}


@pytest.mark.parametrize(
    ("model", "figures", "sensible"),
    [
        ("vae", FIGURES, True),
        ("vae", WITHOUT, True),
        ("vae", {}, True),
        ("vae", {name: value for name, value in FIGURES.items() if name != "active"}, True),
        ("vae", ERROR, False),
        ("vae", {**FIGURES, "kl": None}, False),
        ("vae", {**FIGURES, "neg_elbo": math.inf}, False),
        ("vae", {**FIGURES, "neg_elbo": "100"}, False),
        ("vae", {**FIGURES, "reconstruction": None}, False),
        ("vae", {**FIGURES, "reconstruction": True}, False),
        ("vae", {**FIGURES, "kl_per_dim": [20.5, 0.0]}, False),
        ("vae", {**FIGURES, "kl_per_dim": [20.5, 0.0, math.nan]}, False),
        ("vae", {**FIGURES, "kl_per_dim": 20.5}, False),
        ("vae", {**FIGURES, "scale": 0.1}, True),
        ("vae", {**FIGURES, "scale": "wide"}, False),
        ("vae", {**FIGURES, "scale": float("inf")}, False),
        ("vae", {**FIGURES, "active_units": 2}, False),
        ("vae", {**FIGURES, "active_units": None}, False),
        ("vae", {**FIGURES, "active_units": 4, "active": None}, False),
        ("vae", {**FIGURES, "active_units": -1, "active": None}, False),
        ("vae", {**FIGURES, "active_units": 1.5, "active": None}, False),
        ("vae", {**FIGURES, "active": [True, False]}, False),
        ("vae", {**FIGURES, "active": [1, 0, 0]}, False),
        ("vae", {**FIGURES, "active": "yes"}, False),
        ("vae", {**WITHOUT, "active": [True, False, False]}, False),
        ("vae", {**FIGURES, "neg_elbo": 10**400}, False),
        ("autoencoder", ERROR, True),
        ("autoencoder", WITHOUT, True),
        ("autoencoder", FIGURES, False),
        ("autoencoder", {**ERROR, "kl": 0.0}, False),
        ("autoencoder", {**ERROR, "reconstruction": math.nan}, False),
        ("autoencoder", {**ERROR, "kl_per_dim": [0.0] * 3}, False),
    ],
)
def test_a_cards_figures_make_sense_or_the_file_is_refused(
    tmp_path: Path, model: str, figures: dict, sensible: bool
) -> None:
    """A VAE has a bound and a KL, an auto-encoder has neither; older cards do not list the active units."""
    likelihood = BernoulliConfig() if model == "vae" else SquaredErrorConfig()
    save_model(tmp_path / "m", build(TINY.with_changes(model=model, likelihood=likelihood), (1, 8, 8)), figures)
    if sensible:
        assert load_model(tmp_path / "m").card == figures
        return
    with pytest.raises(ModelFileError, match=r"cannot be opened: .*makes no sense"):
        load_model(tmp_path / "m")


def test_safetensors_reads_what_we_write(saved: tuple[Path, VAE, str]) -> None:
    path, model, sha256 = saved
    with safetensors.safe_open(path, framework="np") as file:
        names, metadata = set(file.keys()), file.metadata()
        for name, tensor in model.state_dict().items():
            assert np.array_equal(file.get_tensor(name), tensor.numpy())
    assert names == set(model.state_dict())
    assert set(metadata) == {"format", "format_version", "config", "image_shape", "card", "sha256"}
    assert json.loads(metadata["config"]) == model.config.model_dump(mode="json")
    assert json.loads(metadata["card"]) == CARD
    assert json.loads(metadata["image_shape"]) == [1, 28, 28]
    assert metadata["sha256"] == sha256
    assert len(bytes.fromhex(sha256)) == 32


def test_the_checksum_depends_on_the_content_alone(saved: tuple[Path, VAE, str], tmp_path: Path) -> None:
    _, model, sha256 = saved
    assert save_model(tmp_path / "again", model, dict(reversed(CARD.items()))) == sha256
    assert save_model(tmp_path / "again", model, {}) != sha256
    assert save_model(tmp_path / "again", small_models.mlp(seed=1, widths=(16, 8)), CARD) != sha256


def test_channels_last_and_trained_weights_are_saved(tmp_path: Path) -> None:
    model = build(PRESETS["convolutional-2d"].config, (1, 28, 28))
    plain = bits(model)
    model.to(memory_format=torch.channels_last).requires_grad_(True)
    assert not all(p.is_contiguous() for p in model.parameters())
    save_model(tmp_path / "m", model, {})
    assert bits(load_model(tmp_path / "m").model) == plain


def test_every_flipped_bit_is_noticed(saved: tuple[Path, VAE, str], tmp_path: Path) -> None:
    content = saved[0].read_bytes()
    chance = random.Random(3)
    header_end = 8 + struct.unpack_from("<Q", content)[0]
    # Half of them in the header, which is where a flip could mean something.
    positions = [chance.randrange(header_end) for _ in range(300)] + [
        chance.randrange(len(content)) for _ in range(300)
    ]
    for position in (*range(8), *positions):
        damaged = bytearray(content)
        damaged[position] ^= 1 << chance.randrange(8)
        said = refusal(tmp_path / "m", damaged)
        assert any(words in said for words in DATA_WORDS), said


def test_every_replaced_byte_is_noticed_or_changes_nothing(saved: tuple[Path, VAE, str], tmp_path: Path) -> None:
    path, model, sha256 = saved
    content = path.read_bytes()
    chance = random.Random(4)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] = chance.randrange(256)
        (tmp_path / "m").write_bytes(damaged)
        try:
            loaded = load_model(tmp_path / "m")
        except ModelFileError:
            refused += 1
        else:
            assert (bits(loaded.model), loaded.card, loaded.sha256) == (bits(model), CARD, sha256)
    assert refused > 290


def test_a_file_cut_off_anywhere_is_refused(saved: tuple[Path, VAE, str], tmp_path: Path) -> None:
    content = saved[0].read_bytes()
    chance = random.Random(5)
    for length in (0, 1, 7, 8, 9, 100, *(chance.randrange(len(content)) for _ in range(60)), len(content) - 1):
        refusal(tmp_path / "m", content[:length])
    refusal(tmp_path / "m", content + b"\0")


def test_noise_is_refused(tmp_path: Path) -> None:
    chance = random.Random(6)
    for length in (0, 3, 8, 50, 5000):
        refusal(tmp_path / "m", chance.randbytes(length))
        refusal(tmp_path / "m", struct.pack("<Q", length) + chance.randbytes(length))
    for text in (b"{", b"[]", b"7", b"null", b'{"a": 1}', b'{"__metadata__": 3}', b"[" * 500_000, b"\xff\xfe{}"):
        refusal(tmp_path / "m", struct.pack("<Q", len(text)) + text)
    refusal(tmp_path / "m", struct.pack("<Q", 2**63) + b"{}")


def test_the_checksum_covers_names_types_shapes_bytes_and_metadata(saved: tuple[Path, VAE, str], tmp_path) -> None:
    header, body = parts(saved[0].read_bytes())
    name = "encoder.1.bias"
    metadata = header["__metadata__"]
    edits = [{key: metadata[key] + " "} for key in ("config", "image_shape", "card")] + [{"more": "x"}]
    changed = [{**header, "__metadata__": {**metadata, **edit}} for edit in edits]
    changed.append({("other" if key == name else key): value for key, value in header.items()})
    changed.append({**header, name: {**header[name], "dtype": "I32"}})
    changed.append({**header, name: {**header[name], "shape": [1, *header[name]["shape"]]}})
    changed.append({key: value for key, value in header.items() if key != name})
    assert load_model(_written(tmp_path / "m", joined(header, body))).card == CARD
    for variant in changed:
        assert "its checksum is wrong" in refusal(tmp_path / "m", joined(variant, body))
    assert "its checksum is wrong" in refusal(tmp_path / "m", joined(header, body[:-1] + bytes([body[-1] ^ 1])))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_other_programs_files_are_refused_with_a_sentence(tmp_path: Path) -> None:
    weights = {"a": np.zeros(3, np.float32)}
    said = refusal(tmp_path / "m", safetensors.numpy.save(weights))
    assert said == f"{tmp_path / 'm'} cannot be opened: it is a safetensors file, but not a VAE Studio model."
    assert "not a VAE Studio model" in refusal(tmp_path / "m", safetensors.numpy.save(weights, {"format": "pt"}))
    torch.save({"a": torch.zeros(3)}, tmp_path / "m.pt")
    assert "not a safetensors file" in refusal(tmp_path / "m", (tmp_path / "m.pt").read_bytes())


def test_a_newer_format_is_said_to_be_newer(saved: tuple[Path, VAE, str], tmp_path: Path) -> None:
    header, body = parts(saved[0].read_bytes())
    header["__metadata__"]["format_version"] = "2"
    assert "its format version is 2, this program reads 1." in refusal(tmp_path / "m", signed(header, body))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(saved: tuple[Path, VAE, str], tmp_path: Path, value: float) -> None:
    model = saved[1].frozen()
    model.decoder[0].bias[1] = value
    save_model(tmp_path / "m", model, {})
    with pytest.raises(ModelFileError, match="weights that are infinite or not numbers"):
        load_model(tmp_path / "m")


def hostile_files(content: bytes) -> dict[str, bytes]:
    """Files with right checksums that describe what no sane program made."""
    header, body = parts(content)
    wide = {"kind": "mlp", "widths": [8192] * 8, "activation": "relu"}
    files = {}

    def add(name: str, **changes: str) -> None:
        files[name] = signed({**header, "__metadata__": {**header["__metadata__"], **changes}}, body)

    config = json.loads(header["__metadata__"]["config"])
    add("huge network", config=json.dumps({**config, "network": wide, "latent_dims": 256}))
    # Few weights, and 17 GB for one image.
    layer = {"channels": 1, "stride": 4, "transposed": True}
    tall = {"kind": "layered", "encoder": [{"channels": 1}], "encoder_dense": [], "decoder_dense": [], "start": 1}
    add("huge images inside", config=json.dumps({**config, "network": {**tall, "decoder": [layer] * 8}}))
    add("mixture in a VAE without", config=json.dumps({**config, "prior": {"kind": "gaussian-mixture"}}))
    add("impossible", config=json.dumps({**config, "likelihood": {"kind": "squared-error"}}))
    add("many unknown settings", config=json.dumps({**config, **{f"{'x' * 90}{n}": n for n in range(5000)}}))
    add("wider than allowed", config=json.dumps({**config, "network": {**wide, "widths": [10**9]}}))
    add("latent dims", config=json.dumps({**config, "latent_dims": 10**12}))
    add("unknown setting", config=json.dumps({**config, "exec": "rm"}))
    add("no config", config="")
    add("config is a list", config="[]")
    add("deep config", config="[" * 100_000)
    for shape in ("[1,1000000,1000000]", "[1,1048576,1048576]", "[1,65536,65536]", "[1,28]", "[3,28,28]", "[0,28,28]"):
        add(f"shape {shape}", image_shape=shape)
    for shape in ("[1,-28,28]", "[Infinity,1,1]", "[NaN,1,1]", "28", "null", "{}", '"abc"', f"[1,28,{'9' * 5000}]"):
        add(f"shape {shape[:20]}", image_shape=shape)
    for card in ("[]", "5", "null", "{", "[" * 100_000):
        add(f"card {card[:5]}", card=card)
    metadata = {key: value for key, value in header["__metadata__"].items() if key != "card"}
    files["no card"] = signed({**header, "__metadata__": metadata}, body)
    name = "encoder.1.weight"
    files["other type"] = signed({**header, name: {**header[name], "dtype": "I32"}}, body)
    files["other shape"] = signed({**header, name: {**header[name], "shape": header[name]["shape"][::-1]}}, body)
    files["a tensor more"] = signed({**header, "more": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}, body)
    files["a tensor less"] = signed({key: value for key, value in header.items() if key != name}, body)
    files["no tensors"] = signed({"__metadata__": dict(header["__metadata__"])})
    moved = {**header, name: {**header[name], "data_offsets": [0, 4]}}
    files["other offsets"] = signed(moved, body)
    files["offsets beyond the end"] = signed(
        {**header, name: {**header[name], "data_offsets": [header[name]["data_offsets"][0], 10**15]}}, body
    )
    return files


@pytest.mark.skipif(sys.platform == "win32", reason="memory cannot be measured here")
def test_hostile_files_are_refused_quickly_and_without_memory(saved: tuple[Path, VAE, str], tmp_path: Path) -> None:
    files = hostile_files(saved[0].read_bytes())
    for index, content in enumerate(files.values()):
        (tmp_path / f"{index}.safetensors").write_bytes(content)
    code = (
        "import json, resource, sys, time\nfrom pathlib import Path\n"
        "from vae_studio.core.checkpoint import ModelFileError, load_model\n"
        "load_model(Path(sys.argv[1]))\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before, said = peak(), []\n"
        "for index in range(int(sys.argv[3])):\n"
        "    began = time.process_time()\n"
        "    try:\n        load_model(Path(sys.argv[2]) / f'{index}.safetensors')\n"
        "    except ModelFileError as error:\n        said.append([time.process_time() - began, str(error)])\n"
        "    else:\n        said.append([0, 'accepted'])\n"
        "print(json.dumps([peak() - before, said]))\n"
    )
    arguments = [sys.executable, "-c", code, saved[0], tmp_path, str(len(files))]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    megabytes, said = json.loads(done.stdout)
    for index, (name, (seconds, words)) in enumerate(zip(files, said, strict=True)):
        assert words.startswith(f"{tmp_path / str(index)}.safetensors cannot be opened: "), (name, words)
        assert words.endswith("."), (name, words)
        assert "checksum" not in words, (name, words)
        assert seconds < 0.5, (name, words)
        assert len(words) < 500, (name, words)
    assert megabytes < 60


def test_a_file_that_is_absent_or_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=f"^There is no model file {tmp_path / 'nowhere'}.$"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match=f"^{tmp_path} is not a file.$"):
        load_model(tmp_path)
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_model(Path("n" * 300))


@pytest.mark.skipif(sys.platform == "win32", reason="no such files")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    began = time.monotonic()
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ModelFileError, match="is not a file"):
            load_model(path)
    assert time.monotonic() - began < 5


def test_a_file_too_large_to_be_a_model_is_not_read(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="memory cannot be measured here")
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(10**12)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match=r"too large for a model \(1000000 MB\)"):
        load_model(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000


def test_a_save_that_fails_leaves_the_old_model(saved: tuple[Path, VAE, str], tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "m"
    save_model(path, saved[1], CARD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="was not written: the disk is full"):
        save_model(path, small_models.mlp(seed=5, widths=(16, 8)), {})
    assert bits(load_model(path).model) == bits(saved[1])
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
