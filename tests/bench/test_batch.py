"""The offered batch beside the preset's own: trained as the program trains, and compared line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import json_lines, run
from test_bench import QUICK, check

from vae_studio.bench import batch
from vae_studio.core import datasets
from vae_studio.core.batch_offer import offer
from vae_studio.core.config import DataConfig
from vae_studio.core.events import Finished
from vae_studio.core.presets import PRESETS
from vae_studio.core.train import train


def test_the_command_trains_both_batches_and_prints_what_it_measured(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    result = run(f"{QUICK} --only batch --out {out}")
    assert result.exit_code == 0, result.stderr
    (document,) = json_lines(out.read_text("utf-8").replace("\n", ""))
    check(document, result.stdout)
    (section,) = document["sections"]
    assert section["section"] == "batch"
    pairs = list(zip(section["lines"][::2], section["lines"][1::2], strict=True))
    assert len(pairs) == len(batch.CASES)
    few = DataConfig(limit=batch.QUICK_IMAGES)
    data = datasets.load(few)
    for (name, epochs), lines in zip(batch.CASES, pairs, strict=True):
        own = PRESETS[name].config.with_changes(device="cpu", epochs=epochs)
        configs = own, offer(own, 60_000).applied(own)
        for config, line in zip(configs, lines, strict=True):
            assert f"batch {config.batch_size}, rate {config.learning_rate:g}, " in line["remark"]
            *_, last = train(config.with_changes(data=few, epochs=1), data)
            assert isinstance(last, Finished)
            figures = line["figures"]
            assert figures["neg_elbo"]["value"] == pytest.approx(last.evaluation.neg_elbo, rel=1e-3)
            assert figures["seconds"]["value"] > 0
            assert "ratio" not in figures and "worse" not in figures, "one epoch compares nothing"


def test_there_is_an_offer_for_every_case_and_it_is_larger() -> None:
    for name, epochs in batch.CASES:
        config = PRESETS[name].config.with_changes(epochs=epochs)
        assert offer(config, 60_000).batch_size > config.batch_size
        assert not offer(config.with_changes(epochs=epochs // 2), 60_000), "so few epochs as that are too few"
