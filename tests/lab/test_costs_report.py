"""A whole report of the example platform: pages, workbook, mail, months, FOCUS rules."""

from __future__ import annotations

import csv
import email
import email.policy
import json
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zipfile import ZipFile

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from typer.testing import CliRunner

from include.costs import money
from include.costs.cli import app
from include.costs.conformance import Checker
from include.costs.engines import DuckDBEngine, open_engine
from include.costs.report import write_report
from include.costs.synthetic import write_bills
from include.evidence import keys
from include.evidence.chain import seal, verify_stores
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.lab.platform import example_without
from include.settings import PROJECT

NOW = datetime(2026, 11, 6, 5, 30, tzinfo=UTC)
MODEL = PROJECT / "tests" / "costs_data" / "focus-model-1.2.json"
EXAMPLE = PROJECT / "include" / "platforms" / "example"


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bills")
    write_bills(folder, months=("2026-09", "2026-10"))
    return folder


@pytest.fixture(scope="module")
def report(bills: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report(bills, EXAMPLE, out, now=NOW, month="2026-10")
    return out


def test_the_page_and_its_companions_are_there_and_agree(report: Path) -> None:
    totals = json.loads((report / "totals.json").read_text())
    page = (report / "index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    assert "not measured" in page and "draft" in page and "EU-MediaMesh" not in page
    with (report / "shares.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    billed = money.add(Decimal(r["billed"]) for r in lines if r["currency"] == "USD")
    parts = [totals["unclassified"]["cost"], *totals["transfer_cost"].values()]
    assert billed == money.add(Decimal(part["USD"]) for part in parts if "USD" in part)
    assert (report / "guard" / "index.html").exists()


def test_what_was_planted_is_found_with_its_rows(report: Path) -> None:
    page = (report / "index.html").read_text()
    for kind in ("anomaly", "replicated twice", "chatty pair", "NAT instead of endpoint", "above list price"):
        assert f"<td>{kind}</td>" in page, kind
    files = sorted((report / "findings").glob("*.csv"))
    assert files and all(len(f.read_text().splitlines()) > 1 for f in files)


def test_the_workbook_totals_are_formulas(report: Path) -> None:
    with ZipFile(report / "report.xlsx") as book:
        summary = book.read("xl/worksheets/sheet1.xml").decode()
    assert "SUMIFS(Lines!$L$2" in summary and summary.count("<f>") > 20


def test_focus_files_break_no_mandatory_rule_beyond_what_the_input_lacks(report: Path) -> None:
    lacking = {"ListUnitPrice", "ContractedUnitPrice", "SkuPriceId", "ResourceType", "PricingCurrencyListUnitPrice"}
    with open_engine("duckdb") as desk:
        assert isinstance(desk, DuckDBEngine)
        for source in sorted((report / "focus").glob("source=*")):
            failed, checked = Checker(desk, source, MODEL).failures()
            assert checked > 200
            hard = [f for f in failed if not f.conditional and f.column not in lacking]
            assert hard == [], source.name


def test_signing_makes_a_month_final_and_a_change_makes_it_restated(
    bills: Path, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "month"
    shutil.copytree(report, out)
    monkeypatch.setenv("DRILLYARD_LAB_HOME", str(tmp_path / "lab"))
    monkeypatch.delenv("AIRFLOW_CONN_DRILLYARD_LEDGER", raising=False)
    # Without the clouds: their evidence stores are not on this machine.
    platform = example_without({"aws", "google", "azure"}, tmp_path / "platform")
    arguments = ["sign", "--out", str(out), "--month", "2026-10", "--by", "anna-wolf", "--catalog", str(platform)]
    signed = CliRunner().invoke(app, arguments)
    assert signed.exit_code == 0, signed.output
    stores = [LocalStore(name, tmp_path / "lab" / name / "evidence") for name in ("dc-north", "dc-south")]
    private, public = keys.generate()
    assert seal(Stores(stores), private, datetime.now(UTC)).entries == 1
    assert {look.seal for look in verify_stores(stores, [public])} == {"TRUSTED"}
    (kept,) = (tmp_path / "lab" / "dc-south").rglob("*costs-2026-10-v1.json")
    kept.write_bytes(kept.read_bytes().replace(b"anna-wolf", b"otto-wolf"))
    assert "BROKEN" in {look.seal for look in verify_stores(stores, [public])}
    assert (out / "issued" / "2026-10.v1.json").exists() and len(list((out / "issued").glob("*-note-costs-*.json"))) == 1
    write_report(bills, EXAMPLE, out, now=NOW, month="2026-10")
    assert '<span class="state final">' in (out / "index.html").read_text()
    changed = tmp_path / "changed"
    shutil.copytree(bills, changed)
    (changed / "azure" / "actual-2026-10.csv").unlink()
    write_report(changed, EXAMPLE, out, now=NOW, month="2026-10")
    page = (out / "index.html").read_text()
    assert '<span class="state restated">' in page and "billed_cost / Microsoft / EUR" in page


class _Box(Message):
    def __init__(self) -> None:
        super().__init__()
        self.received: list[str] = []

    def handle_message(self, message: email.message.Message) -> None:
        self.received.append(message.as_string())


@pytest.fixture
def mailbox() -> Iterator[tuple[_Box, int]]:
    box = _Box()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    yield box, port
    server.stop()


def test_finance_gets_the_report_with_pictures_inside(bills: Path, tmp_path: Path, mailbox: tuple[_Box, int]) -> None:
    box, port = mailbox
    platform = tmp_path / "platform"
    shutil.copytree(EXAMPLE, platform)
    settings = platform / "costs.yaml"
    settings.write_text(settings.read_text().replace("port: 1025", f"port: {port}"))
    write_report(bills, platform, tmp_path / "out", now=NOW, month="2026-10", send=True)
    (text,) = box.received
    message = email.message_from_string(text, policy=email.policy.default)
    assert message["To"] == "anna.wolf@example.test" and "2026-10" in message["Subject"]
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds.count("image/png") == 2 and any("spreadsheet" in kind for kind in kinds)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    runner = CliRunner()
    arguments = ["report", "--catalog", str(EXAMPLE), "--out", str(tmp_path / "o"), "--billing"]
    gone = runner.invoke(app, [*arguments, str(tmp_path / "none")])
    assert gone.exit_code == 1 and "no billing directory" in gone.output
    assert runner.invoke(app, [*arguments, str(tmp_path), "--month", "2026-13"]).exit_code == 2
