"""The same bill on a real local Spark: identical totals.json."""

from __future__ import annotations

import shutil
from pathlib import Path

from costs_reading import DATA, cur, google, read, write


def test_spark_and_duckdb_give_identical_totals(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in ("ea_sample.csv", "focus_sample.csv"):
        shutil.copy(DATA / name, tmp_path)
    costs = ["0.1234567890123456789012345678", "1.5E-31", "-7.29e-09", "x"]
    write(tmp_path / "cur2.csv", [cur(day=i + 1, cost=c, resource_tags='{"user_service": "shop"}') for i, c in enumerate(costs)])
    pq.write_table(
        pa.Table.from_pylist([google(1.1), google(2e-13, credits=[]), google(2.0000000000000004)]), tmp_path / "g.parquet"
    )
    rows = [
        {**cur(day=i + 1, bill_payer_account_id="333333333333"), "line_item_unblended_cost": c}
        for i, c in enumerate((0.1, 1e-9, 2.0e-3, 1.0e23 / 1e20, 5.6843418860808015e-14))
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "doubles.parquet")
    embedded = read(tmp_path)
    assert embedded["rows"] == 27 + 477 + 3 + 3 + 5
    assert read(tmp_path, engine="spark") == embedded
