"""Our own configuration, the mark on a sandbox, what a dump may bring, what the disk tells: pure parts of the room."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.clouds.selfhosted import configuration, loading, points, preflight, replay, sandbox
from include.clouds.selfhosted.encryption import store_encryption
from include.clouds.selfhosted.papers import Job, Seen, State
from include.clouds.selfhosted.sandbox import Folder
from include.clouds.selfhosted.settings import RestoreHost
from include.recovery.model import Lease, Outcome, RecoveryPoint, Status, Target
from include.settings import PROJECT

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def job(**changes: object) -> Job:
    known: dict[str, object] = {
        "name": "dy-shop-main-0123456789", "kind": "base_backup", "major": "18", "bin_dir": "/pg/bin", "location": "/b/one",
        "wal": "/b/wal", "database": "shop", "superuser": "postgres", "max_ready": 60.0,
    }  # fmt: skip
    return Job(**(known | changes))  # type: ignore[arg-type]


def written(**changes: object) -> dict[str, str]:
    folder = Folder(Path("/it's a 100% folder") / "dy-x")
    kept = configuration.meaning_of("timezone = 'Europe/Berlin'", "archive_command = 'cp %p /production'")
    text = configuration.postgresql_conf(folder, job(**changes), {"max_prepared_xacts setting": "33"}, kept)
    return {line.partition(" = ")[0]: line.partition(" = ")[2] for line in text.splitlines() if " = " in line}


def test_nothing_of_the_originals_configuration_but_what_gives_answers_their_meaning() -> None:
    found = written()
    assert found["timezone"] == "'Europe/Berlin'"
    assert found["archive_mode"] == "'off'"
    assert found["archive_command"] == "''"
    assert found["listen_addresses"] == "''"
    assert found["shared_preload_libraries"] == "''"
    assert found["max_logical_replication_workers"] == "'0'"
    assert found["max_prepared_transactions"] == "'33'"
    assert found["event_triggers"] == "'off'"
    assert "event_triggers" not in written(major="16")


def test_what_is_kept_cannot_outrank_what_is_ours() -> None:
    assert not set(configuration.MEANING) & set(configuration._QUIET)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("TimeZone = 'Asia/Tokyo' # comment", "Asia/Tokyo"),
        ("timezone UTC", "UTC"),
        ("  timezone='it''s'", "it's"),
        ("#timezone = 'no'", None),
        ("log_timezone = 'no'", None),
    ],
)
def test_lines_are_read_as_postgresql_reads_them(line: str, value: str | None) -> None:
    assert configuration.meaning_of(line).get("timezone") == value


def test_the_target_is_said_once_and_only_when_asked() -> None:
    assert not [name for name in written() if name in ("recovery_target", "recovery_target_time")]
    assert written(target="immediate")["recovery_target"] == "'immediate'"
    assert written(target="time", target_time=NOW)["recovery_target_time"] == "'2026-11-23T14:00:00+00:00'"


def test_the_restore_command_survives_quotes_and_percents() -> None:
    command = configuration.restore_command(Folder(Path("/it's a 100% folder") / "dy-x"))
    assert "100%% folder" in command
    assert re.findall(r"(?<!%)%(?!%)[a-zA-Z]", command) == ["%f", "%p", "%f"]
    assert "cp " not in command


def test_without_an_archive_nothing_is_asked_for() -> None:
    assert written(wal=None)["restore_command"] == "'exit 1'"


def lease(**changes: object) -> Lease:
    known: dict[str, object] = {
        "lease_id": "shop.main.1", "sandbox": "dy-shop-main-0123456789", "cloud": "selfhosted", "region": "north",
        "service": "shop", "datastore": "main", "opened_at": NOW, "expires_at": NOW + timedelta(hours=1), "requested_by": "test",
    }  # fmt: skip
    return Lease.model_validate(known | changes)


def test_a_folder_appears_with_its_mark_or_not_at_all(tmp_path: Path) -> None:
    first = sandbox.make(tmp_path, job(), lease())
    again = sandbox.make(tmp_path, job(), lease(lease_id="another"))
    assert first.path == again.path
    mark = again.mark()
    assert mark is not None
    assert mark.lease_id == "shop.main.1"
    assert [one.name for one in tmp_path.iterdir()] == [job().name]


def test_what_has_no_mark_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "dy-shop-main-0123456789").mkdir()
    (tmp_path / "dy-cut").mkdir()
    (tmp_path / "dy-cut" / "lease.json").write_text('{"lease_id": "half')
    assert list(sandbox.marked(tmp_path)) == []
    sandbox.make(tmp_path, job(name="dy-other"), lease())
    (tmp_path / "dy-link").symlink_to(tmp_path / "dy-other")
    assert [one.name for one in sandbox.marked(tmp_path)] == ["dy-other"]


def test_the_mark_is_the_last_thing_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sandbox.make(tmp_path, job(), lease())
    (folder.path / "data").mkdir()
    (folder.path / "data" / "file").touch()

    def refuse(path: Path, **_: object) -> None:
        if path.is_relative_to(tmp_path):
            raise OSError(f"cannot delete {path}")

    monkeypatch.setattr(sandbox.shutil, "rmtree", refuse)
    with pytest.raises(OSError, match="cannot delete"):
        sandbox.remove(folder, patience=0.1)
    assert folder.mark() is not None


def test_what_lies_in_a_folder_reads_back_equal_and_refuses_the_rest(tmp_path: Path) -> None:
    asked = job(target="time", target_time=NOW, tarred=True)
    folder = sandbox.make(tmp_path, asked, lease())
    assert folder.job() == asked
    state = State(status=Status.RUNNING, phase="start", phases={"copy": 0.5}, server=Seen(pid=1, created=2.5), files=True)
    folder.write(state)
    assert folder.state() == state
    mark = folder.mark()
    assert mark is not None
    assert mark.expires_at == lease().expires_at
    whole = json.loads(mark.text())
    damaged = [json.dumps(whole | {"expires_at": wrong}) for wrong in (None, 5, "soon", "2026-11-23T14:00:00")]
    for damage in ('{"lease_id": "x"}', "[]", "", mark.text().replace("region", "regoin"), *damaged):
        (folder.path / sandbox.MARK).write_text(damage)
        assert folder.mark() is None, damage


def test_the_runner_loads_no_model_library_before_it_copies() -> None:
    code = "import sys, include.clouds.selfhosted.making; print(*(m for m in ('pydantic', 'sqlalchemy') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_state_is_read_whole(tmp_path: Path) -> None:
    folder = sandbox.make(tmp_path, job(), lease())
    assert folder.state() == State()
    folder.write(State(phase="copy", phases={"copy": 1.5}))
    assert folder.state().phases == {"copy": 1.5}
    assert not folder.is_worked_on()


def test_a_socket_in_a_deep_folder_moves_to_a_short_one(tmp_path: Path) -> None:
    assert Folder(Path("/short/dy-x")).socket_dir == Path("/short/dy-x/run")
    deep = tmp_path / ("a" * 90) / "dy-shop-main-0123456789"
    deep.mkdir(parents=True)
    place = Folder(deep).socket_dir
    assert len(str(place)) < 60
    assert place == Folder(deep).socket_dir


def test_ways_out_are_never_loaded_from_a_dump() -> None:
    listing = (
        ";\n; Archive created at 2026-11-23 14:00:00\n"
        "2; 3079 1 EXTENSION - postgres_fdw\n"
        "3; 0 0 USER MAPPING - USER MAPPING postgres SERVER billing postgres\n"
        "4; 6100 2 SUBSCRIPTION - feed postgres\n"
        "5; 3466 3 EVENT TRIGGER - tell postgres\n"
        "6; 1259 4 TABLE public orders postgres\n"
    )
    kept = loading.entries_to_load(listing)
    assert "TABLE public orders" in kept
    assert "EXTENSION" in kept
    for gone in ("USER MAPPING", "SUBSCRIPTION", "EVENT TRIGGER"):
        assert gone not in kept


def test_roles_that_policies_name() -> None:
    sql = (
        'CREATE POLICY own ON public.notes TO clerk, "Head Clerk" USING ((owner = CURRENT_USER));\n'
        "CREATE POLICY all_of ON public.notes TO PUBLIC USING (true);\n"
        "CREATE POLICY new ON public.notes FOR INSERT TO clerk WITH CHECK (true);\n"
    )
    assert loading.policy_roles(sql) == ['"Head Clerk"', "clerk"]


def test_the_labels_zone_is_settled_by_the_manifest() -> None:
    written_at = datetime(2026, 11, 23, 14, 0, 2, tzinfo=UTC)
    assert points.label_time("2026-11-23 15:00:00 CET", written_at) == datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
    assert points.label_time("2026-11-23 19:30:00 IST", written_at) == datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
    assert points.label_time("2026-11-23 14:00:00 UTC", None) == datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
    with pytest.raises(ValueError, match="log_timezone"):
        points.label_time("2026-11-23 15:00:00 CST", None)


def test_phases_come_from_the_servers_own_log() -> None:
    log = (
        "2026-11-23 14:00:00.000 UTC [1] LOG:  starting PostgreSQL 18.6\n"
        "2026-11-23 14:00:00.250 UTC [2] LOG:  redo starts at 0/2000028\n"
        "2026-11-23 14:00:03.750 UTC [1] LOG:  database system is ready to accept connections\n"
    )
    assert replay.recovery_seconds(log) == {"start": 0.25, "replay": 3.5}
    assert replay.recovery_seconds(log[:60]) == {}


def test_the_reason_is_what_the_server_called_an_error() -> None:
    stamp = "2026-11-23 14:00:00.000 UTC [1]"
    log = f"{stamp} LOG:  a\n{stamp} FATAL:  could not locate it\n{stamp} LOG:  shut down\n"
    assert replay.reasons(log) == "FATAL:  could not locate it"
    assert replay.reasons("first\nsecond\n") == "first | second"


def test_what_ended_the_server_is_never_pushed_out_by_what_it_said_next() -> None:
    stamp = "2026-11-23 14:00:00.000 UTC [1]"
    reason = ['FATAL:  WAL was generated with "wal_level=minimal"', "DETAIL:  set a while ago", "HINT:  Use a backup"]
    before = [f"ERROR:  earlier {n}" for n in range(20)]
    after = ["FATAL:  the database system is starting up", "DETAIL:  Consistent recovery state has not been yet reached."]
    after += [f"ERROR:  later {n}" for n in range(20)] + ["LOG:  startup process exited with exit code 1", "LOG:  shut down"]
    told = replay.reasons("\n".join(f"{stamp} {line}" for line in [*before, *reason, *after]))
    assert told.startswith(" | ".join(reason))
    assert "starting up" not in told


def point(**changes: object) -> RecoveryPoint:
    known: dict[str, object] = {
        "id": "one", "kind": "base_backup", "taken_at": NOW, "restorable_until": NOW + timedelta(hours=2), "region": "north",
        "failure_domain": "north", "location": "/b/one", "engine_version": "18",
        "facts": {"stopped_at": (NOW + timedelta(minutes=5)).isoformat()},
    }  # fmt: skip
    return RecoveryPoint.model_validate(known | changes)


@pytest.mark.parametrize(
    ("minutes", "outcome"), [(4, Outcome.FAILED), (5, Outcome.PASSED), (120, Outcome.PASSED), (121, Outcome.FAILED)]
)
def test_a_time_must_lie_between_the_backups_end_and_the_logs(minutes: int, outcome: Outcome) -> None:
    check = preflight.reaches(point(), Target(time=NOW + timedelta(minutes=minutes)))
    assert check.outcome is outcome
    assert bool(check.detail) == (outcome is Outcome.FAILED)


def test_a_dump_has_one_state_only() -> None:
    assert preflight.reaches(point(kind="dump"), Target(time=NOW + timedelta(minutes=9))).outcome is Outcome.FAILED
    assert preflight.reaches(point(), Target(point_id="one")).outcome is Outcome.PASSED
    assert preflight.reaches(point(), Target(point_id="other")).outcome is Outcome.FAILED


def test_another_version_is_refused_and_both_are_named() -> None:
    host = RestoreHost(sandbox_root="/s", bin_dirs={"17": "/pg17/bin", "18": "/pg18/bin"})
    check = preflight.version(point(engine_version="16"), host)
    assert check.outcome is Outcome.FAILED
    assert "16" in check.detail
    assert "17, 18" in check.detail
    assert "bin_dirs" in check.detail


def test_encryption_is_read_below_the_mapped_device(tmp_path: Path) -> None:
    number = (tmp_path / "x").parent.stat().st_dev
    import os

    device = tmp_path / f"{os.major(number)}:{os.minor(number)}"
    (device / "dm").mkdir(parents=True)
    (device / "slaves").mkdir()
    (device / "dm" / "uuid").write_text("LVM-abc")
    assert store_encryption(str(tmp_path), tmp_path) is False
    (tmp_path / "crypt" / "dm").mkdir(parents=True)
    (tmp_path / "crypt" / "dm" / "uuid").write_text("CRYPT-LUKS2-abc")
    (device / "slaves" / "dm-1").symlink_to(tmp_path / "crypt")
    assert store_encryption(str(tmp_path), tmp_path) is True
    assert store_encryption("s3://bucket/backups") is None
    assert store_encryption(str(tmp_path / "nowhere")) is None
    assert store_encryption(str(tmp_path), tmp_path / "no-sys") is None
