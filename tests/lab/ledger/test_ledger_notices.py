"""Notices on a real ledger, to a real SMTP server and a real HTTP server: once a change, never lost, loud when not taken."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote_plus

import fsspec
import pytest
from typer.testing import CliRunner

from include.audit.waivers import new_waiver
from include.catalog.load import load
from include.catalog.model import Heartbeat
from include.cli import build
from include.connections import ConnectionInfo, from_environment
from include.evidence.publish import current
from include.evidence.record import DrillRecord
from include.lab import sink as sinks
from include.lab.platform import example_without
from include.lab.sink import Sink
from include.ledger.ledger import Ledger
from include.notices.deliver import deliver
from include.notices.heartbeat import beat
from include.notices.model import NotDelivered, Notice
from include.notices.tell import preview, say_now, tell
from include.settings import platform_dir
from tests.unit.evidence_samples import a_drill, a_verification

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OWNER = "mara.lind@example.test"  # of order-intake


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    running = sinks.launch(tmp_path_factory.mktemp("mail"))
    yield running
    running.stop()


@pytest.fixture
def told(ledger: Ledger, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The example platform, its ledger full of proof, and everything that is sent arrives in the sink."""
    sink.empty()
    monkeypatch.setenv("DRILLYARD_LAB_HOME", str(tmp_path))
    # Without the clouds: their evidence stores are not on this machine.
    platform = example_without({"aws", "google", "azure"}, tmp_path / "platform")
    monkeypatch.setenv("DRILLYARD_PLATFORM", str(platform))
    monkeypatch.setenv("DRILLYARD_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv("AIRFLOW_CONN_DRILLYARD_LEDGER", ledger.url.replace("postgresql+psycopg2", "postgres"))
    set_smtp(monkeypatch, sink.smtp_port)
    chat = {"config": {"path": f"json://127.0.0.1:{sink.http_port}/chat"}}
    beat = {"url": f"http://127.0.0.1:{sink.http_port}/heartbeat"}
    monkeypatch.setenv("AIRFLOW_CONN_OPERATIONS_CHAT", json.dumps({"conn_type": "apprise", "extra": chat}))
    monkeypatch.setenv("AIRFLOW_CONN_DRILLYARD_HEARTBEAT", json.dumps({"conn_type": "http", "extra": beat}))
    for name in load(platform).catalog.datastores():
        service, _, datastore = name.partition("/")
        ledger.project(
            a_drill(service, datastore, NOW - DAY, rto_measured=timedelta(minutes=1), rpo_measured=timedelta(seconds=9))
        )
        ledger.project(a_verification(service, datastore, NOW - 4 * HOUR))
    return ledger


def passed(service: str, datastore: str, at: datetime) -> DrillRecord:
    return a_drill(service, datastore, at, rto_measured=timedelta(minutes=1), rpo_measured=timedelta(seconds=9))


def set_smtp(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    extra = {"from_email": "drillyard@example.test", "disable_ssl": True, "disable_tls": True, "timeout": 5}
    value = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_DRILLYARD_SMTP", json.dumps(value))


def to(sink: Sink, address: str) -> list[str]:
    return [str(one["Subject"]) for one in sink.mails() if one["To"] == address]


def test_a_change_is_told_once_by_mail_and_chat_and_its_way_back_too(told: Ledger, sink: Sink) -> None:
    tell(now=NOW)
    at_first = len(sink.mails())
    told.project(a_drill("order-intake", "orders", NOW, "failed", summary="orders have lines: 0 orders"))
    for hours in range(5):
        tell(now=NOW + hours * HOUR)
    assert to(sink, OWNER) == ["[example-distribution] order-intake/orders failed"]
    (mail,) = [one for one in sink.mails() if one["To"] == OWNER]
    assert "was proven" in mail.get_content() and "orders have lines: 0 orders" in mail.get_content()
    assert mail["Message-ID"].endswith("@example.test>") and mail["Auto-Submitted"] == "auto-generated"
    (tenant,) = [one for one in sink.mails() if one["To"] == "duty@harbour-retail.example.test"]
    assert "order-intake: failed" in tenant.get_content() and "lines" not in tenant.get_content()
    chats = [json.loads(one["body"]) for one in sink.requests() if one["path"].startswith("/chat")]
    assert [one["type"] for one in chats if "order-intake" in one["title"]] == ["failure"]
    assert len([one for one in sink.requests() if one["path"] == "/heartbeat"]) == 6
    told.project(passed("order-intake", "orders", NOW + HOUR))
    tell(now=NOW + 6 * HOUR)
    tell(now=NOW + 7 * HOUR)
    assert to(sink, OWNER)[1:] == ["[example-distribution] order-intake/orders proven"]
    assert len({str(one["Message-ID"]) for one in sink.mails()}) == len(sink.mails()) > at_first


def test_a_platform_that_slept_two_days_tells_the_nights_that_did_not_happen_once(told: Ledger, sink: Sink) -> None:
    """The clock is given: nobody waits two days. The ledger, the mail server and all that is decided are real."""
    tell(now=NOW)
    sink.empty()
    for hours in (30, 31, 40):
        tell(now=NOW + hours * HOUR)
    (mail,) = [one for one in sink.mails() if one["To"] == OWNER]
    assert "order-intake/orders: proven, overdue (was proven)" in mail.get_content()
    assert "no verification since 2026-11-23 02:00 UTC" in mail.get_content()
    tell(now=NOW + 50 * HOUR)
    (_, later) = [one for one in sink.mails() if one["To"] == OWNER]
    assert "order-intake/orders: stale, overdue (was proven, overdue)" in later.get_content()


def test_a_waived_drill_is_not_told_as_overdue_and_its_expiry_brings_it_back(told: Ledger, sink: Sink) -> None:
    catalog = load(platform_dir()).catalog
    until = NOW + 12 * DAY
    told.project(new_waiver(catalog, "order-intake", "ines-holm", "moves to another site", until, NOW))
    tell(now=NOW)
    for at in (NOW + 8 * DAY, NOW + 9 * DAY, until + HOUR):
        for name in catalog.datastores():
            told.project(a_verification(*name.split("/"), at - HOUR))
        sink.empty()
        tell(now=at)
        told_now = [one.get_content() for one in sink.mails() if one["To"] == OWNER]
        if at < until:
            assert not any("order-intake/orders" in one for one in told_now), told_now
            others = [one.get_content() for one in sink.mails() if "no drill since" in one.get_content()]
            assert at > NOW + 8 * DAY or others, "nobody else's missed drill was told"
        else:
            assert any("order-intake/orders: proven, overdue" in one for one in told_now), told_now
    report = current(now=NOW + 9 * DAY)
    (mine,) = [one for one in report.services if one.service == "order-intake"]
    assert mine.state == "proven" and "drills waived by ines-holm until 2026-12-05" in " ".join(mine.reasons)


SCHEMES = {
    "form": "form://{host}",
    "xml": "xml://{host}/chat",
    "mattermost": "mmost://{host}/abcdefghijklmnopqrstuvwxyz",
    "ntfy": "ntfy://{host}/drills",
}
"""Services that Apprise reaches on a host of one's own, each with a format of its own on the wire."""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_channel_of_any_kind_gets_the_news_and_one_that_refuses_is_named(sink: Sink, scheme: str) -> None:
    news = Notice(
        key="k1", via="apprise", to="chat", title="[x] orders failed", body="why & where", decided_at=NOW, severity="failure"
    )

    def at(port: int) -> dict[str, str]:
        url = SCHEMES[scheme].format(host=f"127.0.0.1:{port}")
        info = ConnectionInfo(conn_id="chat", conn_type="apprise", extra={"config": {"path": url}})
        return deliver([news], lambda _: info)

    sink.empty()
    assert at(sink.http_port) == {}
    (one,) = sink.requests()
    said = html.unescape(unquote_plus(one["body"]))
    assert "orders failed" in said and "why & where" in said, one
    assert "did not take the message" in at(1)["k1"]


def test_the_sign_of_life_is_a_file_that_is_replaced_as_a_whole(told: Ledger, sink: Sink, tmp_path: Path) -> None:
    place, far = tmp_path / "signs" / "alive.json", f"memory://{tmp_path.name}/alive.json"
    beats = [Heartbeat(name="folder", file=str(place)), Heartbeat(name="store", file=far)]
    for hours in range(2):
        assert beat(beats, from_environment, NOW + hours * HOUR, platform="example") == {}
        told_by = json.loads(place.read_text())
        assert told_by == {"platform": "example", "alive_at": (NOW + hours * HOUR).isoformat()}
        with fsspec.open(far, "rb") as file:
            assert json.load(file) == told_by
    assert [one.name for one in place.parent.iterdir()] == ["alive.json"]
    (tmp_path / "full").write_text("a file where a folder should be")
    broken = Heartbeat(name="broken", file=str(tmp_path / "full" / "alive.json"))
    failures = beat([broken, beats[0]], from_environment, NOW + DAY, platform="example")
    assert list(failures) == ["broken"] and "heartbeat broken" in failures["broken"]
    assert json.loads(place.read_text())["alive_at"] == (NOW + DAY).isoformat(), "one that fails stops no other"


def test_a_mail_server_that_is_down_is_loud_and_nothing_is_lost_or_doubled(
    told: Ledger, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(now=NOW)
    sink.empty()
    told.project(a_drill("order-intake", "orders", NOW, "failed"))
    set_smtp(monkeypatch, 1)
    for minutes in (1, 2):
        with pytest.raises(NotDelivered, match=r"mara\.lind@example\.test: mail cannot be sent.*wait in the ledger"):
            tell(now=NOW + timedelta(minutes=minutes))
    assert sink.mails() == []
    assert [one for one in sink.requests() if one["path"] == "/heartbeat"] == []  # so that the outside asks
    told.project(passed("order-intake", "orders", NOW + HOUR))
    set_smtp(monkeypatch, sink.smtp_port)
    tell(now=NOW + 2 * HOUR)
    tell(now=NOW + 3 * HOUR)
    assert [title.rpartition(" ")[2] for title in to(sink, OWNER)] == ["failed", "proven"]
    chats = [one for one in sink.requests() if one["path"].startswith("/chat")]
    assert len(chats) == 2  # the chat took the first at once, and got it once


def test_a_crash_after_the_server_took_it_sends_the_same_message_id(told: Ledger, sink: Sink) -> None:
    tell(now=NOW)
    sink.empty()
    told.project(a_drill("order-intake", "orders", NOW, "failed"))
    (waiting,) = [one for one in preview(at=NOW) if one.to == OWNER]
    deliver([waiting])  # and nobody noted it
    tell(now=NOW)
    ids = [str(one["Message-ID"]) for one in sink.mails() if one["To"] == OWNER]
    assert len(ids) == 2 and len(set(ids)) == 1


def test_a_run_that_is_late_is_told_to_the_operators_once(told: Ledger, sink: Sink) -> None:
    from include.connections import from_environment

    for _ in range(3):
        say_now(from_environment, "verify_backups is late", "Run r1 has not ended.", "late/verify_backups/r1", NOW)
    late = [one for one in sink.mails() if "is late" in str(one["Subject"])]
    assert sorted(str(one["To"]) for one in late) == ["ines.holm@example.test", "jonas.falk@example.test"]


def test_a_refused_address_and_a_broken_service_hide_no_other(sink: Sink, told: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"json://127.0.0.1:{sink.http_port}/broken"
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", json.dumps({"conn_type": "apprise", "extra": {"config": {"path": url}}}))

    def a_notice(key: str, via: str, to: str) -> Notice:
        return Notice.model_validate({"key": key, "via": via, "to": to, "title": "t", "body": "b", "decided_at": NOW})

    taken: list[str] = []
    failures = deliver(
        [
            a_notice("1", "smtp", "refused@example.test"),
            a_notice("2", "smtp", "ann@example.test"),
            a_notice("3", "apprise", "broken"),
            a_notice("4", "apprise", "operations_chat"),
            a_notice("5", "apprise", "not_there"),
            a_notice("6", "apprise", "broken"),
        ],
        accepted=lambda one: taken.append(one.key),
    )
    assert taken == ["2", "4"]
    assert "550" in failures["1"] and "did not take" in failures["3"] and "AIRFLOW_CONN_NOT_THERE" in failures["5"]
    assert "waits behind" in failures["6"]
    assert url not in "".join(failures.values())


def test_the_preview_shows_and_sends_nothing(told: Ledger, sink: Sink) -> None:
    tell(now=NOW)
    sink.empty()
    shown = CliRunner().invoke(build(), ["notices", "preview", "--at", "2026-11-25T12:00:00Z"])
    assert shown.exit_code == 0, shown.output
    assert "order-intake/orders: stale, overdue (was proven)" in shown.output
    assert sink.mails() == sink.requests() == []
