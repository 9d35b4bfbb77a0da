"""What was due in a period and what came of it: by the plan's own rule, for any history."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from include.audit.export import audit, gather, write
from include.audit.model import Audit, Waiver
from include.audit.periods import Past, drill_lines, verification_line
from include.audit.waivers import NoWaiver, end_waiver, new_waiver, waivers_in
from include.catalog.load import load
from include.catalog.model import Tier
from include.cli import build
from include.evidence import chain, keys
from include.evidence.naming import new_record_id
from include.evidence.record import DrillRecord, NoteRecord, Record
from include.evidence.stores import Stores, open_store
from include.lab.platform import example_without
from include.settings import PROJECT
from include.values import digest
from tests.unit.evidence_samples import a_drill, a_verification

DAY = timedelta(days=1)
START = datetime(2026, 7, 1, tzinfo=UTC)
END, LATER = START + 28 * DAY, START + 90 * DAY
WEEKLY = Tier(rpo=DAY, rto=DAY, drill_every=7 * DAY)
EXAMPLE = PROJECT / "include" / "platforms" / "example"


def a_past(*nights: int, verdicts: dict[int, str] | None = None, **changed: object) -> Past:
    """Drills of these nights (days after the start), five minutes after the plan."""
    drills = [drill_of(night, (verdicts or {}).get(night, "passed")) for night in nights]
    values = {"drills": drills, "known_from": START, "targets": WEEKLY, "tier": "tier-1"} | changed
    return Past(service="orders", datastore="main", **values)  # type: ignore[arg-type]


def drill_of(night: int, verdict: str = "passed") -> DrillRecord:
    at = START + night * DAY + timedelta(hours=2, minutes=20)
    return a_drill("orders", "main", at, verdict, drill_id=f"orders.main.{at:%Y-%m-%d}")


def said(past: Past, now: datetime = LATER, since: datetime = START) -> list[tuple[str, int, int]]:
    """(outcome or verdict, first night, how many) of each line that was due."""
    lines = drill_lines(past, since, END, now)
    return [(one.verdict or one.outcome, (one.first_night - START.date()).days, one.nights) for one in lines if one.due]


def test_a_weekly_cadence_that_was_kept_has_nothing_missed() -> None:
    assert said(a_past(0, 7, 14, 21)) == [("passed", night, 1) for night in (0, 7, 14, 21)]


def test_a_drill_that_was_not_done_is_missed_every_night_until_it_is() -> None:
    assert said(a_past(0, 10, 17, 24)) == [
        ("passed", 0, 1),
        ("missed", 7, 3),
        ("passed", 10, 1),
        ("passed", 17, 1),
        ("passed", 24, 1),
    ]


def test_a_failed_drill_is_due_again_the_next_night() -> None:
    past = a_past(0, 7, 8, 15, 22, verdicts={7: "failed"})
    assert said(past) == [("passed", 0, 1), ("failed", 7, 1), ("passed", 8, 1), ("passed", 15, 1), ("passed", 22, 1)]


def test_a_drill_that_was_asked_for_counts_as_done_and_moves_the_cadence() -> None:
    lines = drill_lines(a_past(0, 3, 10, 17, 24), START, END, LATER)
    assert [(one.due, one.outcome) for one in lines][:2] == [(True, "done"), (False, "done")]
    assert [one.outcome for one in lines].count("missed") == 0


def test_what_was_before_its_first_record_is_not_missed_and_what_has_none_is() -> None:
    assert said(a_past(20, 27, known_from=START + 19 * DAY + timedelta(hours=12))) == [("passed", 20, 1), ("passed", 27, 1)]
    (line,) = drill_lines(a_past(known_from=None), START, END, LATER)
    assert (line.outcome, line.nights, line.detail) == ("missed", 28, "no record of this datastore at all")


def test_a_waiver_counts_until_it_expires_and_a_hold_says_why() -> None:
    until, given = START + 9 * DAY, new_record_id("note", "w", START)
    waiver = Waiver(evidence_id=given, subject="orders", by="ann", why="moved", since=START, until=until)
    at = START + 9 * DAY + timedelta(hours=2, minutes=16)
    held = NoteRecord(record_id=new_record_id("drill-held", "x", at), written_at=at, event="drill-held", by="schedule",
                      subject="orders/main", detail={"why": "blackout summer-sale"})  # fmt: skip
    past = a_past(0, 12, 19, 26, waivers=[waiver], held=[held])
    assert said(past)[:5] == [("passed", 0, 1), ("waived", 7, 2), ("held", 9, 1), ("missed", 10, 2), ("passed", 12, 1)]
    lines = {one.outcome: one for one in drill_lines(past, START, END, LATER)}
    assert "waived by ann until 2026-07-10: moved" in lines["waived"].detail and lines["waived"].path
    assert lines["held"].detail == "held: blackout summer-sale" and lines["missed"].evidence_id == ""


def test_a_night_that_is_not_over_is_not_counted() -> None:
    now = START + 7 * DAY + timedelta(hours=3)
    assert said(a_past(0), now) == [("passed", 0, 1)]
    assert said(a_past(0), now + timedelta(hours=6)) == [("passed", 0, 1), ("missed", 7, 1)]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 27)), st.sets(st.integers(0, 27)), st.integers(1, 27))
def test_every_due_night_has_one_outcome_however_the_period_is_cut(nights: set[int], failed: set[int], cut: int) -> None:
    past = a_past(*sorted(nights), verdicts=dict.fromkeys(failed, "failed"))
    whole = drill_lines(past, START, END, LATER)
    parts = drill_lines(past, START, START + cut * DAY, LATER) + drill_lines(past, START + cut * DAY, END, LATER)
    assert sum(one.nights for one in whole) == sum(one.nights for one in parts)
    covered = [one.first_night + timedelta(days=n) for one in whole for n in range(one.nights)]
    assert len(covered) == len(set(covered)) and {one.decided_at for one in whole if one.decided_at} == {
        drill.decided_at for drill in past.drills
    }


def test_verifications_are_counted_by_window() -> None:
    nights = [a_verification("orders", "main", START + n * DAY + timedelta(hours=1), verdict="failed" if n == 3 else "passed")
              for n in range(10) if n != 5]  # fmt: skip
    line = verification_line(a_past(verifications=nights), START, START + 10 * DAY, LATER)
    assert (line.due, line.passed, line.failed, line.missed) == (10, 8, 1, 1)
    assert str(line.missed_first) == "2026-07-06"


# ---- waivers ----------------------------------------------------------------------------------------------------------


def test_a_waiver_has_a_person_a_reason_and_an_expiry_and_can_be_ended() -> None:
    catalog = load(EXAMPLE).catalog
    note = new_waiver(catalog, "analytics", "ines-holm", "moves to another cloud", START + 30 * DAY, START)
    (waiver,) = waivers_in([note])
    assert waiver.covers("analytics/facts", START + DAY) and not waiver.covers("analytics/facts", START + 30 * DAY)
    ended = end_waiver([waiver], waiver.evidence_id, "ines-holm", "moved", START + 3 * DAY)
    assert waivers_in([note, ended])[0].until == START + 3 * DAY
    for subject, by, why, until, word in (
        ("analytcs", "ines-holm", "x", START + DAY, "analytics"),
        ("analytics", "nobody", "x", START + DAY, "nobody of platform"),
        ("analytics", "ines-holm", " ", START + DAY, "reason"),
        ("analytics", "ines-holm", "x", START, "must expire"),
        ("analytics", "ines-holm", "x", START + 400 * DAY, "must expire"),
    ):
        with pytest.raises(NoWaiver, match=word):
            new_waiver(catalog, subject, by, why, until, START)


# ---- the export --------------------------------------------------------------------------------------------------------


def sealed_stores(folder: Path, records: list[Record]) -> Stores:
    stores = Stores([open_store(str(folder / name), name) for name in ("north", "south")])
    for record in records:
        stores.write_record(record)
    private, _ = keys.generate()
    chain.seal(stores, private, LATER, window=None)
    return stores


@pytest.fixture
def export(tmp_path: Path) -> tuple[Stores, Audit]:
    loaded = load(EXAMPLE)
    records: list[Record] = [a_verification("order-intake", "orders", START)]
    weeks = [START + n * 7 * DAY + timedelta(hours=3) for n in range(3)]
    records += [a_drill("order-intake", "orders", at, summary="=HYPERLINK(1)") for at in weeks]
    records.append(new_waiver(loaded.catalog, "analytics", "ines-holm", "moves", START + 20 * DAY, START - DAY))
    stores = sealed_stores(tmp_path, records)
    return stores, audit(loaded, list(stores), None, START, END, LATER)


def test_the_export_names_the_record_of_each_line_and_the_link_that_seals_it(export: tuple[Stores, Audit]) -> None:
    stores, content = export
    done = [one for one in content.drills if one.outcome == "done"]
    assert len(done) == 3 and all(one.sealed_in == 1 for one in done)
    for one in done:
        assert json.loads(stores.read(one.path))["record_id"] == one.evidence_id
    assert {one.word for one in content.chain} == {"UNTRUSTED"}
    assert content.count("waived") == 20 and len(content.waivers) == 1


def test_the_files_agree_with_their_manifest_and_hold_no_formula(export: tuple[Stores, Audit], tmp_path: Path) -> None:
    told = write(export[1], tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["content_digest"] == told == digest(json.loads((tmp_path / "out" / "audit.json").read_text()))
    for name, sha256 in manifest["sha256"].items():
        assert digest((tmp_path / "out" / name).read_bytes()) == sha256
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "drills.csv").read_bytes().decode())))
    assert sum(int(row["nights"]) for row in rows if row["outcome"] == "missed") == export[1].count("missed") > 0
    assert {row["detail"] for row in rows if row["outcome"] == "done"} == {"'=HYPERLINK(1)"}
    page = (tmp_path / "out" / "audit.html").read_text()
    assert told in page and "CP-9" in page and "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_an_altered_record_is_said_in_the_export(export: tuple[Stores, Audit], tmp_path: Path) -> None:
    line = next(one for one in export[1].drills if one.outcome == "done")
    file = tmp_path / "north" / line.path
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b"passed", b"PASSED"))
    content = audit(load(EXAMPLE), list(export[0]), None, START, END, LATER)
    north = next(one for one in content.chain if one.store == "north")
    assert north.word == "BROKEN" and any("altered" in one for one in north.findings)


def test_gather_knows_every_datastore_of_the_catalog() -> None:
    loaded = load(EXAMPLE)
    assert {past.subject for past in gather(loaded, [])} == set(loaded.catalog.datastores())


def test_the_commands_write_list_end_and_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLYARD_LAB_HOME", str(tmp_path))
    # Without the clouds: their stores are not on this machine.
    monkeypatch.setenv("DRILLYARD_PLATFORM", str(example_without({"aws", "google", "azure"}, tmp_path / "platform")))

    def run(*arguments: str) -> tuple[int, str]:
        made = CliRunner().invoke(build(), ["audit", *arguments])
        return made.exit_code, made.output

    far = f"{datetime.now(UTC) + 30 * DAY:%Y-%m-%d}"
    code, text = run("waive", "analytics", "--why", "moves", "--until", far, "--by", "ines-holm")
    assert code == 0, text
    code, text = run("waivers")
    evidence_id = text.split()[0]
    assert code == 0 and "1 waivers count now" in text
    assert run("unwaive", evidence_id, "--by", "ines-holm", "--why", "moved")[0] == 0
    assert "0 waivers count now, 1 are over" in run("waivers")[1]
    code, text = run("export", "--from", "2026-07-01", "--to", "2026-08-01", "--out", str(tmp_path / "out"))
    assert code == 1 and "NONE" in text and (tmp_path / "out" / "audit.html").is_file()  # nothing was sealed
    assert run("export", "--from", "July", "--to", "2026-08-01", "--out", str(tmp_path / "out"))[0] == 1
