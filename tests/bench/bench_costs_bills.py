"""Ten million CUR-like rows to classes, allocation and totals, and to FOCUS Parquet, against a DuckDB scan; one million
rows of CSV against focus-converter 1.0.0 in an environment of its own.

Sizes: ``DRILLYARD_BENCH_ROWS`` (10,000,000) and ``DRILLYARD_BENCH_CSV_ROWS`` (1,000,000). Times are CPU seconds of fresh
processes (others on the machine do not count), memory is the process's peak.
`scan` reads the same columns of the same file into Arrow batches.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from include.settings import PROJECT

SAMPLE = PROJECT / "tests" / "costs_data" / "cur_sample.csv"
ROWS = int(os.environ.get("DRILLYARD_BENCH_ROWS") or 10_000_000)
CSV_ROWS = int(os.environ.get("DRILLYARD_BENCH_CSV_ROWS") or 1_000_000)
MEMORY_BAR, SCAN_BAR, FOCUS_BAR, PEER_SPEED_BAR, PEER_MEMORY_BAR = 0.6, 2.0, 5.0, 10.0, 0.2

STEP = """
import json, resource, shutil, sys, time
from pathlib import Path
step, given, scratch = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
from include.costs.bill import Bill
from include.costs.engines import open_engine
from include.costs.focus import write_focus
from include.costs.intake import take_in
from include.costs.keys import Declared
from include.costs.platform import Platform
from include.costs.report import Figures
from include.costs.settings import CostSettings

with open_engine("duckdb") as engine:
    engine.run("SELECT 1").fetchall()
    took = {}
    def timed(name, work):
        wall, began = time.monotonic(), time.process_time()
        work()
        took[name] = (time.process_time() - began, time.monotonic() - wall)
    if step == "scan":
        import duckdb
        columns = [c for c in sys.argv[4].split(",")]
        files = sorted(str(p) for p in given.rglob("*.parquet"))
        def scan():
            batches = engine.con.con.sql(f"SELECT {', '.join(columns)} FROM read_parquet({files})").to_arrow_reader(100_000)
            assert sum(batch.num_rows for batch in batches)
        timed("scan", scan)
    else:
        bill = Bill(engine, engine, CostSettings())
        timed("inspect", lambda: bill.take(take_in(given)))
        def figures():
            bill.group()
            made = Figures(bill, bill.settings, Declared(), Platform())
            made.limit(None)
            print(json.dumps(made.totals)[:0], end="")
        timed("totals", figures)
        if step == "focus":
            timed("focus", lambda: write_focus(bill, scratch / "focus"))
            shutil.rmtree(scratch / "focus")
print("TOOK" + json.dumps({"took": took, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}))
"""
MEASURE = """
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, timeout=900)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6)
"""
_SCANNED = (
    "bill_billing_period_start_date,bill_payer_account_id,line_item_usage_account_id,line_item_line_item_type,"
    "line_item_usage_start_date,line_item_product_code,line_item_usage_type,line_item_operation,line_item_usage_amount,"
    "line_item_currency_code,line_item_unblended_cost,pricing_unit,product_region_code,resource_tags_user_service,"
    "resource_tags_user_tenant"
)


def step(name: str, given: Path, scratch: Path) -> dict[str, Any]:
    """Run one step in a fresh process: CPU and wall seconds by part, peak memory in GB."""
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", STEP, name, str(given), str(scratch), _SCANNED]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    answer: dict[str, Any] = json.loads(done.stdout.rpartition("TOOK")[2])
    return answer


def line(
    name: str, value: float, unit: str, peer: str, peer_value: float, bar: float, *, ratio: float, least: bool = False
) -> dict[str, Any]:
    """One measured line; `least` bars must be reached, the others not exceeded."""
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 3),
        "ratio": round(ratio, 3),
        "bar": bar,
        "holds": ratio >= bar if least else ratio <= bar,
    }


def large(scratch: Path) -> list[dict[str, Any]]:
    """Ten million rows."""
    from include.costs.synthetic_rows import write_rows

    given = scratch / "large"
    given.mkdir()
    write_rows(given / "cur.parquet", ROWS)
    runs = [(step("scan", given, scratch), step("focus", given, scratch)) for _ in range(2)]
    scan = min(r[0]["took"]["scan"][0] for r in runs)
    # The look into each file before anything is added up is a part of the way to totals.
    totals = min(r[1]["took"]["inspect"][0] + r[1]["took"]["totals"][0] for r in runs)
    focus = min(r[1]["took"]["focus"][0] for r in runs)
    peak = max(r[1]["peak"] for r in runs)
    only = step("totals", given, scratch)["peak"]
    return [
        line("costs_totals", totals, "CPU s", "DuckDB scan", scan, SCAN_BAR, ratio=totals / scan),
        line("costs_totals_memory", only, "GB", "bar", MEMORY_BAR, 1.0, ratio=only / MEMORY_BAR),
        line("costs_focus", focus, "CPU s", "DuckDB scan", scan, FOCUS_BAR, ratio=focus / scan),
        line("costs_focus_memory", peak, "GB", "bar", MEMORY_BAR, 1.0, ratio=peak / MEMORY_BAR),
    ]


def converter() -> Path:
    """focus-converter 1.0.0 in build/, never among the project's own packages. Its users must pin what it does not."""
    home = PROJECT / "build" / "focus-converter"
    python = home / "bin" / "python"
    if not (home / "bin" / "focus-converter").exists():
        venv.create(home, with_pip=True, clear=True)
        packages = ["focus-converter==1.0.0", "multimethod<2", "click<8.2"]
        command = [str(python), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(command, check=True, env=_clean(), cwd=home)
    return home / "bin" / "focus-converter"


def repeat_sample(path: Path, rows: int) -> Path:
    """The real CUR sample again and again: focus-converter hangs when one of a real CUR's 84 columns is missing."""
    header, _, body = SAMPLE.read_bytes().partition(b"\n")
    each = body.count(b"\n") if body.endswith(b"\n") else body.count(b"\n") + 1
    body = body if body.endswith(b"\n") else body + b"\n"
    with path.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(max(rows // each, 1)):
            file.write(body)
    return path


def peer(scratch: Path) -> list[dict[str, Any]]:
    """One million rows of CSV, by both."""
    given = scratch / "csv"
    given.mkdir()
    repeat_sample(given / "cur.csv", CSV_ROWS)
    ours = step("focus", given, scratch)
    own = sum(ours["took"][name][0] for name in ("inspect", "totals", "focus"))
    own_wall = sum(ours["took"][name][1] for name in ("inspect", "totals", "focus"))
    command = [str(converter()), "convert", "--provider", "aws-cur", "--data-path", str(given / "cur.csv"),
               "--data-format", "csv",
               "--parquet-data-format", "file", "--export-path", str(scratch / "theirs")]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=True, env=_clean())
    wall, seconds, memory = map(float, done.stdout.split()[-3:])
    name = "focus-converter 1.0.0"
    return [
        line("costs_csv_wall", own_wall, "s", name, wall, PEER_SPEED_BAR, ratio=wall / own_wall, least=True),
        line("costs_csv_cpu", own, "CPU s", name, seconds, 1.0, ratio=seconds / own, least=True),
        line("costs_csv_memory", ours["peak"], "GB", name, memory, PEER_MEMORY_BAR, ratio=ours["peak"] / memory),
    ]


def _clean() -> dict[str, str]:
    """The environment without this project on the path of the peer's Python."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def run() -> list[dict[str, Any]]:
    """All lines, for `make bench`."""
    with tempfile.TemporaryDirectory(prefix="drillyard-bench-") as folder:
        return [*large(Path(folder)), *peer(Path(folder))]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="drillyard-bench-") as place:
        for part in (peer, large):
            for found in part(Path(place)):
                sys.stdout.write(json.dumps(found) + "\n")
                sys.stdout.flush()
