"""The table, the JSON with its schema, the page's text, and the commands."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from include.evidence import chain, keys, publish, schemas
from include.evidence.cli import app
from include.evidence.cli_readiness import readiness_command
from include.evidence.page import page
from include.evidence.publish import from_records, stop_in
from include.evidence.readiness import readiness
from include.evidence.readiness_model import Readiness, Uncatalogued
from include.evidence.store import LocalStore
from include.evidence.stores import Stores
from include.evidence.table import COLUMNS, headlines, print_table, rows
from include.evidence.wording import brief
from include.ledger.model import Anchor
from include.values import canonical_json
from tests.unit.evidence_samples import T0, a_lease, a_lease_record, a_note, a_verification, a_year
from tests.unit.readiness_samples import NOW, STOP, a_loaded, a_platform, a_service, proven

REPORT = a_platform()
STRAY = Uncatalogued(database="shadow", cloud="selfhosted", region="dc-south", seen_at=NOW)


# ---- table -------------------------------------------------------------------------------------------------------


def test_every_row_says_all_and_nothing_is_cut_at_160_columns() -> None:
    out = io.StringIO()
    print_table(REPORT, NOW, out, width=160)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 160 and "…" not in text
    squeezed = "".join(text.split())
    for _, cells in rows(REPORT, NOW):
        for name, cell in zip(COLUMNS, cells, strict=True):
            if name not in ("evidence", "findings"):  # these two fold over several lines
                assert cell in text
        assert cells[6][:24] in squeezed
    for name in COLUMNS:
        assert name.split()[0] in text


def test_into_a_file_it_is_one_plain_line_a_datastore() -> None:
    out = io.StringIO()
    print_table(REPORT, NOW, out)
    lines = out.getvalue().splitlines()
    assert lines[0].split()[:2] == ["service", "tier"] and "\x1b" not in out.getvalue()
    assert len([line for line in lines if "-drill-" in line]) == sum(
        one.drill is not None for service in REPORT.services for one in service.datastores
    )
    returns = next(line for line in lines if line.startswith("returns"))
    for part in ("tier-3", "– / 1d", "✘ failed", "10d 8h", "20261120T060035.000000Z-drill-returns.main", "database-amcheck"):  # noqa: RUF001
        assert part in returns


def test_headlines_say_stop_canary_seal_and_tiers() -> None:
    text = "\n".join(headlines(REPORT.model_copy(update={"stop": STOP}), NOW))
    for part in (
        "STOPPED by ines-holm",
        "canary of selfhosted dc-north: refused, as it must be, 9h ago",
        "seal: UNTRUSTED, head 1042:5f4b",
        "tier-1: 1 unknown, 4 proven",
    ):
        assert part in text
    bare = REPORT.model_copy(update={"canaries": (), "uncatalogued": (STRAY,), "seal": None, "doubles": ("RDS control plane",)})
    text = "\n".join(headlines(bare, NOW))
    assert (
        "canary: none" in text
        and "not in the catalog: shadow (selfhosted dc-south)" in text
        and "doubles, not the real thing: RDS control plane" in text
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),  # noqa: RUF001
        (0, "0s"),
        (0.44, "0.4s"),
        (9.96, "10s"),
        (95, "95s"),
        (119.6, "2m"),
        (725, "12m 5s"),
        (3600, "1h"),
        (11_400, "3h 10m"),
        (93_600, "1d 2h"),
        (31_536_000, "365d"),
    ],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert brief(seconds) == text


# ---- JSON, schemas, page -----------------------------------------------------------------------------------------


@cache
def published(kind: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((schemas.FOLDER / f"{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_published_schemas_say_what_the_models_say() -> None:
    assert schemas.stale() == [], "run: drillyard evidence schema --write"


def test_the_json_fits_its_schema_and_reads_back() -> None:
    text = canonical_json(REPORT)
    published("readiness").validate(json.loads(text))
    assert Readiness.model_validate_json(text) == REPORT


def test_every_record_and_link_fits_its_schema(tmp_path: Path) -> None:
    store = LocalStore("one", tmp_path)
    for record in [*a_year(1, 8), a_lease_record("opened", a_lease("a", "b", "c"), T0)]:
        published(record.kind).validate(json.loads(canonical_json(record)))
        Stores([store]).write_record(record)
    chain.seal(Stores([store]), "11" * 32, NOW, window=None)
    link = json.loads(store.read("chain/0000000001.json"))
    published("link").validate(link)
    with pytest.raises(jsonschema.ValidationError):
        published("link").validate(link | {"extra": 1})


def test_the_page_needs_nothing_from_outside() -> None:
    html = page(REPORT)
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "") and "https://" not in html
    for part in ('<link rel="stylesheet"', "src=", "@import", "url("):
        assert part not in html.split('<script type="application/json"')[0]
    assert html.count("</script>") == 2


# ---- gathering ---------------------------------------------------------------------------------------------------


def test_from_records_alone_finds_the_newest_of_each_and_the_stop() -> None:
    records = a_year(services=2, days=20)
    held = a_note("drill-held", NOW, why="blackout").model_copy(update={"subject": "service-1/main"})
    strays = [
        a_note("uncatalogued-database", NOW - timedelta(days=age), cloud="selfhosted", region="dc-south").model_copy(
            update={"subject": name}
        )
        for name, age in (("shadow", 0), ("shadow", 1), ("gone", 3))
    ]
    evidence = from_records([*records, held, *strays], NOW)
    assert [(one.database, one.seen_at) for one in evidence.uncatalogued] == [("shadow", NOW)]
    assert set(evidence.drills) == {"service-0/main", "service-1/main"}
    assert evidence.held == {"service-1/main": "blackout"}
    assert evidence.canaries == (), "a canary of months ago is none"
    assert len(evidence.trend["service-0/main"]) == 3
    assert evidence.verifications["service-0/main"].written_at == max(
        r.written_at for r in records if r.kind == "verification" and not r.canary and r.service == "service-0"
    )
    stop = stop_in(records)
    assert stop is not None and stop.reason == "peak"
    assert stop_in([*records, a_note("global-resume", stop.at + timedelta(hours=1))]) is None


def test_the_seal_of_the_worst_store_counts(tmp_path: Path) -> None:
    stores = Stores([LocalStore("one", tmp_path / "one"), LocalStore("two", tmp_path / "two")])
    stores.write_record(a_verification("orders", "main", T0))
    head = chain.seal(stores, "11" * 32, T0).head
    service = a_service("orders")
    untrusted = publish.look_at_seal(stores, a_loaded(service), head)
    assert (untrusted.word, untrusted.head) == ("UNTRUSTED", str(head))
    loaded = a_loaded(service)
    loaded.catalog.platform.trusted_keys.append(keys.public_of("11" * 32))
    assert publish.look_at_seal(stores, loaded, head).word == "TRUSTED"
    (tmp_path / "two" / stores.stores[1].list("records/")[0]).write_text("{}")
    broken = publish.look_at_seal(stores, loaded, head)
    assert broken.word == "BROKEN" and broken.findings[0].startswith("two: altered records/")
    cut = publish.look_at_seal(stores, loaded, Anchor(seq=2, link_sha256="0" * 64))
    assert any("truncated" in finding for finding in cut.findings)


def test_docs_are_linked_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLYARD_REPORTS", str(tmp_path))
    service = a_service("orders")
    drill = proven(service).drills["orders/main"]
    there = tmp_path / "data-docs" / drill.drill_id / "index.html"
    there.parent.mkdir(parents=True)
    there.write_text("x")
    evidence = from_records([drill], NOW)
    report = readiness(a_loaded(service), replace(proven(service), docs=evidence.docs), None, NOW)
    shown = report.services[0].datastores[0].drill
    assert shown is not None and shown.docs == f"data-docs/{drill.drill_id}/index.html"


# ---- commands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[LocalStore, Anchor]:
    store = LocalStore("one", tmp_path / "one")
    Stores([store]).write_record(a_verification("orders", "main", T0))
    head = chain.seal(Stores([store]), "11" * 32, T0).head
    assert head is not None
    return store, head


def test_verify_says_what_it_found_by_its_exit_status(sealed: tuple[LocalStore, Anchor]) -> None:
    store, head = sealed
    public = keys.public_of("11" * 32)
    run = CliRunner().invoke
    whole = run(app, ["verify", store.url, "--key", public, "--anchor", str(head)])
    assert whole.exit_code == 0 and f"TRUSTED; 1 links, 1 records compared, 0 pending; head {head}" in whole.output
    other = run(app, ["verify", store.url, "--key", keys.public_of("22" * 32), "--anchor", str(head)])
    assert other.exit_code == 3 and "UNTRUSTED" in other.output
    cut = run(app, ["verify", store.url, "--key", public, "--anchor", f"2:{'0' * 64}"])
    assert cut.exit_code == 1 and "truncated  chain/0000000002.json" in cut.output
    path = store.list("records/")[0]
    (store.root / path).write_text("{}")
    altered = run(app, ["verify", store.url, "--key", public, "--anchor", str(head)])
    assert altered.exit_code == 1 and f"altered    {path}" in altered.output
    wrong = run(app, ["verify", store.url, "--key", public, "--anchor", "latest"])
    assert wrong.exit_code == 1 and "is not an anchor" in wrong.output


def test_without_an_anchor_it_says_what_cannot_be_noticed(sealed: tuple[LocalStore, Anchor]) -> None:
    done = CliRunner().invoke(app, ["verify", sealed[0].url, "--key", keys.public_of("11" * 32)])
    assert done.exit_code == 0
    assert "AIRFLOW_CONN_DRILLYARD_LEDGER" in done.output and "a cut-off tail would not be noticed" in done.output


def test_keygen_makes_a_pair_that_works() -> None:
    out = CliRunner().invoke(app, ["keygen"]).output.splitlines()
    private, public = out[1].strip(), out[3].strip()
    assert keys.public_of(private) == public and out[4] == f"key id: {keys.key_id(public)}"


def test_readiness_from_a_store_with_the_ledger_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    store = LocalStore("one", tmp_path / "one")
    service = a_service("orders")
    evidence = proven(service)
    for record in (*evidence.drills.values(), *evidence.verifications.values()):
        Stores([store]).write_record(record)
    monkeypatch.setattr("include.catalog.load.load", lambda directory: a_loaded(service))
    monkeypatch.setattr(publish, "utcnow", lambda: NOW)
    command = typer.Typer()
    command.command()(readiness_command)
    table = CliRunner().invoke(command, ["--from", store.url])
    assert table.exit_code == 0 and "✔ proven" in table.output and "seal: NONE" in table.output
    report = tmp_path / "out" / "readiness.json"
    assert CliRunner().invoke(command, ["--from", store.url, "--format", "json", "--out", str(report)]).exit_code == 0
    assert Readiness.model_validate_json(report.read_text()).services[0].state == "proven"
    html = CliRunner().invoke(command, ["--from", store.url, "--format", "html"])
    assert html.output.startswith("<!doctype html>")
    alone = CliRunner().invoke(command, [])
    assert alone.exit_code == 1 and "AIRFLOW_CONN_DRILLYARD_LEDGER" in alone.output
