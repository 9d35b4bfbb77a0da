import json

import pytest
import yaml
from catalog_files import HARBOUR, harbour
from typer.testing import CliRunner

from include import clouds
from include.catalog import cli, discover, schema
from include.catalog.load import load
from include.recovery.model import Discovery


def run(*words: object):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def test_a_good_catalog_is_one_line():
    result = run("check", HARBOUR)
    assert result.exit_code == 0
    (line,) = result.output.splitlines()
    assert "fine, 4 services, 4 datastores, 3 tiers" in line


def test_problems_are_all_printed_without_colours_into_a_pipe(tmp_path):
    base = harbour(
        tmp_path,
        ("services/orders.yaml", "tier: tier-1", "tier: teir-1"),
        ("services/inventory.yaml", "owner: core", "owner: croe"),
        ("services/analytics.yaml", "failure_domain: hall-2", "failure_domain: hall-1"),
    )
    result = run("check", base)
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("services/analytics.yaml:18: warning: datastores[0].backups.copies: no copy outside")
    assert lines[1:3] == [
        "services/inventory.yaml:3: owner: no team named 'croe'; did you mean 'core'?",
        "services/orders.yaml:2: tier: no tier named 'teir-1'; did you mean 'tier-1'?",
    ]
    assert "2 errors, 2 services" in lines[3] and lines[3].endswith("unusable: inventory, orders")


def test_colours_on_a_terminal(tmp_path):
    base = harbour(tmp_path, ("services/orders.yaml", "tier: tier-1", "tier: teir-1"))
    assert "\x1b[31m" in CliRunner().invoke(cli.app, ["check", str(base)], color=True).output


def test_a_warning_alone_is_not_an_error(tmp_path):
    base = harbour(tmp_path, ("services/analytics.yaml", "failure_domain: hall-2", "failure_domain: hall-1"))
    result = run("check", base)
    assert result.exit_code == 0 and "1 warning" in result.output


def test_a_broken_platform_shows_everything_and_says_so(tmp_path):
    base = harbour(tmp_path, ("platform.yaml", "rpo: 15m", "rpo: 15"), ("services/orders.yaml", "tier: tier-1", "tier: x"))
    result = run("check", base)
    assert result.exit_code == 1
    assert "platform.yaml:14: tiers.tier-1.rpo" in result.output and "services/orders.yaml:2: tier" in result.output
    assert "2 errors; nothing of this catalog can be used" in result.output


def test_no_such_directory(tmp_path):
    result = run("check", tmp_path / "nowhere")
    assert result.exit_code == 1 and "is no directory" in result.output


def test_schema_prints_every_kind():
    assert sorted(json.loads(run("schema").output)) == ["environment", "platform", "rates", "service", "tenants"]


def test_schema_writes_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "SCHEMA_DIR", tmp_path / "schema")
    assert run("schema", "--write").exit_code == 0
    assert json.loads((tmp_path / "schema" / "rates.schema.json").read_text())["title"] == "Rates"


class Room:
    """A cloud that has the databases of `names`; the catalogued ones are not reported."""

    def __init__(self, names: list[str], error: str | None = None, silent: dict[str, str] | None = None) -> None:
        self.names, self.error, self.silent = names, error, silent or {}

    def backup_source(self, clients: object, settings: object) -> "Room":
        self.settings = settings
        return self

    def discover(self, datastores: dict[str, object]) -> Discovery:
        if self.error:
            raise ConnectionError(self.error)
        known = {getattr(item, "database", None) for item in datastores.values()}
        drafts = [{"name": name, "cloud": "selfhosted", "database": name} for name in self.names if name not in known]
        return Discovery(drafts=tuple(drafts), unreadable=self.silent)


def ask(monkeypatch, room: Room, *words: object):
    monkeypatch.setattr(clouds, "room", {"selfhosted": room}.__getitem__)
    return run("discover", *words)


def test_discover_is_green_when_everything_is_catalogued(monkeypatch):
    room = Room(["orders", "identity"])
    result = ask(monkeypatch, room, HARBOUR)
    assert result.exit_code == 0 and "0 databases not in the catalog, 1 cloud asked" in result.output
    assert room.settings.sandbox_root == "/var/tmp/sandboxes", "the room gets its own validated settings"


def test_a_database_that_nobody_named_is_a_red_finding_with_a_draft(monkeypatch):
    result = ask(monkeypatch, Room(["orders", "forgotten"]), HARBOUR)
    assert result.exit_code == 1
    draft = yaml.safe_load(result.stdout)
    assert draft == [{"name": "forgotten", "cloud": "selfhosted", "database": "forgotten"}]


def test_a_cloud_that_cannot_be_asked_is_red_too(monkeypatch):
    result = ask(monkeypatch, Room([], error="no route to host"), HARBOUR)
    assert result.exit_code == 1 and "selfhosted: could not be asked: no route to host" in result.output


def test_one_server_that_is_silent_is_red_and_hides_no_other(monkeypatch):
    result = ask(monkeypatch, Room(["orders"], silent={"connection erp_db": "connection refused"}), HARBOUR)
    assert result.exit_code == 1
    assert "selfhosted, connection erp_db: could not be asked: connection refused" in result.output
    result = ask(monkeypatch, Room(["forgotten"], silent={"connection erp_db": "connection refused"}), HARBOUR)
    assert "erp_db" in result.output and "name: forgotten" in result.stdout


def test_one_cloud_that_fails_hides_no_other():
    loaded = load(HARBOUR, {})
    two = {"selfhosted": loaded.catalog.platform.clouds["selfhosted"], "other": loaded.catalog.platform.clouds["selfhosted"]}
    platform = loaded.catalog.platform.model_copy(update={"clouds": two})
    catalog = type(loaded.catalog)(platform, loaded.catalog.services)
    rooms = {"selfhosted": Room([], error="down"), "other": Room(["forgotten"])}
    found = discover.discover(type(loaded)(catalog, loaded.base, loaded.revision), room=rooms.__getitem__)
    assert found.failed == {"selfhosted": "down"} and list(found.drafts) == ["other"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_counts_are_in_words(number):
    assert cli.count(number, "error") == f"{number} error{'' if number == 1 else 's'}"
