"""The benchmark runner: what it finds, filters, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.lab import bench

GOOD = """
def run():
    return [
        dict(name="copy_speed", value=120.0, unit="MB/s", peer="floor", peer_value=130.0, ratio=0.92, bar=">= 0.8", holds=True),
        dict(name="copy_memory", value=40, unit="MB", bar="value <= 100", holds=True),
    ]
"""
BROKEN_BAR = 'def run():\n    return [dict(name="restore_wall", value=9.0, unit="s", bar="value <= 3", holds=False)]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "bench"
    place.mkdir()
    (place / "bench_copy.py").write_text(GOOD)
    return place


def run(folder: Path, *only: str) -> tuple[int, dict[str, list[dict[str, object]]]]:
    result = folder.parent / "build" / "bench.json"
    code = bench.main(only, folder, result)
    return code, json.loads(result.read_text()) if result.exists() else {}


def test_all_figures_are_written_with_the_machine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, content = run(folder)
    assert code == 0
    assert [figure["name"] for figure in content["figures"]] == ["copy_speed", "copy_memory"]
    assert content["figures"][0] == {
        "name": "copy_speed",
        "value": 120.0,
        "unit": "MB/s",
        "peer": "floor",
        "peer_value": 130.0,
        "ratio": 0.92,
        "bar": ">= 0.8",
        "holds": True,
    }
    assert set(content["machine"]) == {"at", "cores", "memory_gb", "system", "python"}
    assert "120 MB/s" in capsys.readouterr().out


def test_a_bar_that_does_not_hold_ends_with_1_and_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bench_restore.py").write_text(BROKEN_BAR)
    code, content = run(folder)
    assert code == 1
    assert len(content["figures"]) == 3
    assert "NO" in capsys.readouterr().out


def test_only_by_module_runs_no_other(folder: Path) -> None:
    (folder / "bench_restore.py").write_text("raise RuntimeError('ran')\n")
    code, content = run(folder, "copy")
    assert code == 0
    assert content["errors"] == []


def test_only_by_figure(folder: Path) -> None:
    code, content = run(folder, "copy_memory")
    assert (code, [figure["name"] for figure in content["figures"]]) == (0, ["copy_memory"])


def test_an_unknown_name_is_told_with_the_known_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, content = run(folder, "nothing")
    assert (code, content) == (2, {})
    assert "modules: copy" in capsys.readouterr().err


def test_one_failing_module_does_not_hide_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bench_a_first.py").write_text("def run():\n    raise OSError('disk is full')\n")
    code, content = run(folder)
    assert code == 1
    assert len(content["figures"]) == 2
    assert "disk is full" in str(content["errors"])
    assert "bench_a_first.py" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["dict(name='x')", "dict(name='x', value='fast', unit='s', bar='b', holds=True)", "3"])
def test_what_is_no_figure_is_refused(folder: Path, wrong: str) -> None:
    (folder / "bench_wrong.py").write_text(f"def run():\n    return [{wrong}]\n")
    code, content = run(folder)
    assert code == 1
    assert "bench_wrong.py" in str(content["errors"])


def test_two_figures_of_one_name_are_refused(folder: Path) -> None:
    (folder / "bench_twice.py").write_text(GOOD)
    code, content = run(folder)
    assert code == 1
    assert "two figures are named 'copy_memory'" in content["errors"]
