"""The command: the same finite figures as tables, as JSON lines and in the file; and who may import the benchmark."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment, json_lines, run
from test_import_law import PACKAGE, imports_of, loaded_after, own

from vae_studio.bench import SUBJECTS
from vae_studio.bench.report import number

QUICK = "bench --quick --device cpu"


def check(document: dict, tables: str) -> None:
    """Every figure is finite, lies between its ends, and stands in its cell of the tables."""
    for section in document["sections"]:
        table = tables.partition(f"### {section['title']}\n")[2].partition("###")[0]
        header, _, *rows = [[c.strip() for c in re.split(r" \| ", row.strip("| "))] for row in _rows(table)]
        used = [key for key in section["columns"] if any(key in line["figures"] for line in section["lines"])]
        assert len(header) >= len(used)
        assert len(rows) == len(section["lines"])
        for line, row in zip(section["lines"], _rows(table)[2:], strict=True):
            cells = [cell.strip() for cell in row.strip()[1:-1].split("|")]
            assert cells[0] == line["what"]
            assert line["figures"]
            for key, figure in line["figures"].items():
                assert all(math.isfinite(value) for value in figure.values())
                assert figure["low"] <= figure["value"] <= figure["high"]
                assert figure["repeats"] >= 1
                assert cells[1 + used.index(key)].split(" ")[0] == number(figure["value"])


def _rows(table: str) -> list[str]:
    return [row for row in table.splitlines() if row.startswith("|")]


def test_tables_and_file_have_the_same_figures(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    result = run(f"{QUICK} --only growth,likelihood --out {out}")
    assert result.exit_code == 0, result.stderr
    (document,) = json_lines(out.read_text("utf-8").replace("\n", ""))
    assert [section["section"] for section in document["sections"]] == ["likelihood", "growth"]
    check(document, result.stdout)
    check(document, out.with_suffix(".md").read_text("utf-8"))
    machine, settings = document["machine"], document["settings"]
    assert machine["processor"] in result.stdout
    assert machine["date"] in result.stdout
    assert settings == {"repeats": 1, "quick": True, "device": "cpu"}
    likelihood = document["sections"][0]["lines"][0]["figures"]
    assert 50 < likelihood["nll"]["value"] < 110
    for line in document["sections"][1]["lines"]:
        if "images" in line["what"] and "epoch" in line["figures"]:
            assert line["figures"]["epoch"]["value"] > 0


def test_json_lines_come_one_a_subject() -> None:
    result = run(f"{QUICK} --only likelihood --repeats 2 --json")
    first, section = json_lines(result.stdout)
    assert first["settings"] == {"repeats": 2, "quick": True, "device": "cpu"}
    assert section["lines"][0]["figures"]["nll"]["repeats"] == 2
    assert first["machine"]["cores"] >= 1
    assert (section["section"], section["title"]) == ("likelihood", SUBJECTS["likelihood"])
    assert "Measuring" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--only map,nothing", "nothing"),
        ("--out bench.txt", ".json"),
        ("--repeats 0", "--repeats"),
        ("--device tpu", "Device should be"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: str, words: str) -> None:
    result = run(f"bench {arguments}")
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.000123, "1.2e-04"),
        (0.0123, "0.0123"),
        (1.234, "1.23"),
        (12.345, "12.3"),
        (105.432, "105.4"),
        (1234567.0, "1,234,567"),
        (-0.5, "-0.500"),
    ],
)
def test_a_number_has_three_digits_or_more(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.slow
def test_a_quick_run_measures_everything(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "vae_studio", *QUICK.split(), "--out", "bench.json"]
    env, pipe = environment(tmp_path), subprocess.PIPE
    # Two minutes on an idle machine, and this one may be busy.
    done = subprocess.run(argv, cwd=tmp_path, env=env, stdout=pipe, stderr=pipe, encoding="utf-8", timeout=900)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert [section["section"] for section in document["sections"]] == list(SUBJECTS)
    check(document, done.stdout)
    lines = {section["section"]: section["lines"] for section in document["sections"]}
    assert "ratio" not in {key for line in lines["quality"] for key in line["figures"]}  # void in a quick run
    states = {"idle", "idle, dragging", "training", "training, dragging", "training, all layers, panning"}
    assert states < {line["what"] for line in lines["window"]}
    for line in lines["window"]:
        assert ("drag_p95" in line["figures"]) == ("dragging" in line["what"])
        assert ("speed" in line["figures"]) == ("training" in line["what"])
        moving = any(word in line["what"] for word in ("dragging", "panning", "zooming"))
        assert ("fps" in line["figures"]) == ("gap_p99" in line["figures"]) == moving
    started = lines["start-up"][0]["figures"]
    assert 0 < started["paint"]["value"] < started["map"]["value"]
    assert started["memory"]["value"] > 50
    assert not (tmp_path / "data").exists()  # runs made by the measured window are not left behind


def test_nothing_but_the_command_imports_the_benchmark() -> None:
    for path in PACKAGE.rglob("*.py"):
        users = {name for name in own(imports_of(path)) if name.startswith("vae_studio.bench")}
        assert not users or path.name == "cli_bench.py" or path.parent.name == "bench", path


def test_the_command_is_listed_without_torch() -> None:
    assert "torch" not in loaded_after("import vae_studio.cli_bench")
