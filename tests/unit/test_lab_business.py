"""The lab's fleet and the example platform say the same, and every business file is complete."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.catalog.load import load
from include.lab import backups, business, clouds, environment, fleet, home
from include.lab.aws import estate as aws_estate
from include.lab.aws import sleepers as aws_sleepers
from include.lab.azure import estate as azure_estate
from include.lab.azure import sleepers as azure_sleepers
from include.lab.faults import board
from include.lab.faults.of_data import written_tables
from include.lab.google import estate as google_estate
from include.lab.google import sleepers as google_sleepers
from include.lab.platform import example_without

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
DATABASES = [database for server in fleet.SERVERS for database in server.databases]


@pytest.fixture(scope="module")
def example():
    return load(backups.EXAMPLE, {"DRILLYARD_LAB_HOME": "/lab"})


def test_the_example_passes_with_and_without_a_lab(example):
    for loaded in (example, load(backups.EXAMPLE, {})):
        assert loaded.errors == ()
        assert loaded.warnings == ()
        assert loaded.broken == {}


@pytest.mark.parametrize("gone", [clouds.ALL, ("aws",), ("azure",), ("azure", "google")], ids=" ".join)
def test_the_example_without_some_clouds_passes_too(tmp_path, gone):
    part = load(example_without(gone, tmp_path / "part"), {"DRILLYARD_LAB_HOME": "/lab"})
    assert (part.errors, part.warnings, part.broken) == ((), (), {})
    assert {d.cloud for s in part.catalog.services.values() for d in s.datastores} == {"selfhosted", *clouds.ALL} - set(gone)
    kept = {"north", "south", *(store for cloud, store in (("aws", "frankfurt"), ("google", "belgium")) if cloud not in gone)}
    assert {store.name for store in part.catalog.platform.evidence} == kept
    test = part.catalog.environments["test"].suspension
    assert {one.cloud for one in test.accounts} == set(clouds.ALL) - set(gone) if test else set(gone) == set(clouds.ALL)


def test_what_sleeps_in_the_example_is_what_the_lab_has_for_it(example):
    test = example.catalog.environments["test"].suspension
    asleep = {
        ("aws", aws_sleepers.ACCOUNT, aws_sleepers.CONNECTION, aws_sleepers.REGION),
        ("google", google_sleepers.PROJECT, google_sleepers.CONNECTION, google_sleepers.REGION),
        ("azure", azure_sleepers.SUBSCRIPTION, azure_sleepers.CONNECTION, azure_sleepers.REGION),
    }
    assert {(one.cloud, one.account, one.connection, *one.regions) for one in test.accounts} == asleep
    production = {aws_estate.HOME_ACCOUNT, google_estate.PROJECT, azure_estate.SUBSCRIPTION}
    assert production & {one.account for one in test.accounts} == set()
    assert test.match == aws_sleepers.TAGS == google_sleepers.LABELS == azure_sleepers.TAGS
    assert test.guards.transactions.connections == {aws_sleepers.DATABASE: aws_sleepers.DATABASE_CONNECTION}


def test_every_catalogued_database_is_in_the_fleet_and_the_other_way_round(example):
    every = {f"{s.service}/{d.name}": d for s in example.catalog.services.values() for d in s.datastores}
    catalogued = {name: entry for name, entry in every.items() if entry.cloud not in clouds.ALL}
    assert set(catalogued) == {database.datastore_id for database in DATABASES}
    for server in fleet.SERVERS:
        for database in server.databases:
            entry = catalogued[database.datastore_id]
            assert entry.database == database.name
            assert entry.region == server.domain
            assert entry.connection == environment.connection_id(server.name)
            owner = server.name if server.physical else database.service
            folder = home.backups(Path("/lab"), server.domain, owner)
            copies = home.backups(Path("/lab"), server.copies_in, owner)
            if server.physical:
                assert (entry.backups.location, entry.backups.wal) == (str(folder / "base"), str(folder / "wal"))
                assert [(c.location, c.wal) for c in entry.backups.copies] == [(str(copies / "base"), str(copies / "wal"))]
            else:
                assert entry.backups.location == str(folder / "dumps")
                assert [c.location for c in entry.backups.copies] == [str(copies / "dumps")]
            assert [c.failure_domain for c in entry.backups.copies] == [server.copies_in]


def test_every_database_on_a_cloud_is_in_its_estate_and_the_other_way_round(example):
    catalogued = {
        (d.cloud, s.service, d.database) for s in example.catalog.services.values() for d in s.datastores if d.cloud in clouds.ALL
    }
    estates = {"aws": aws_estate.INSTANCES, "azure": azure_estate.SERVICES, "google": google_estate.SERVICES}
    assert catalogued == {(cloud, one.name, one.database) for cloud, made in estates.items() for one in made}
    for cloud in clouds.ALL:
        faults = clouds.part(cloud, Path("/lab")).faults
        assert {(cloud, one.service) for one in faults if one.datastore} < {(where, name) for where, name, _ in catalogued}
        assert all(clouds.cloud_of(one) == cloud for one in faults)


def test_the_example_is_a_believable_business(example):
    services = example.catalog.services
    tiers = {tier: [s for s in services.values() if s.tier == tier] for tier in example.catalog.platform.tiers}
    assert all(len(found) >= 4 for found in tiers.values())
    assert {"airflow-metadata", "drillyard-ledger"} <= set(services)
    for service in services.values():
        assert service.description
        for datastore in service.datastores:
            assert len(datastore.validation.questions) >= 3
            assert any(question.digest for question in datastore.validation.questions) or datastore.cloud in clouds.ALL
            assert datastore.validation.expectations
            assert datastore.validation.constraints


@pytest.mark.parametrize("name", sorted({database.business for database in DATABASES}))
def test_business_files_are_complete_and_deterministic(name):
    parts = business.sections(name)
    assert set(parts) == set(business.SECTIONS)
    for text in parts.values():
        bound = business.bind(text, 20_000, NOW)
        assert bound == business.bind(text, 20_000, NOW)
        assert not re.search(r"(?<!:):(rows|now)\b", bound)
        assert "random()" not in bound
    assert "now()" not in parts["seed"]


def test_bind_leaves_casts_alone():
    assert business.bind("SELECT :rows::text, :now::date, a::rows", 7, NOW) == (
        "SELECT 7::text, timestamptz '2026-11-23T14:00:00+00:00'::date, a::rows"
    )


def test_a_business_file_without_a_section_is_named(tmp_path, monkeypatch):
    (tmp_path / "half.sql").write_text("-- section: schema\nSELECT 1;\n")
    monkeypatch.setattr(business, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"half\.sql has no section 'seed'"):
        business.sections("half")


def test_faults_have_services_of_their_own_that_can_have_them():
    defaults = [fault.service for fault in board.FAULTS.values()]
    assert len(set(defaults)) == len(defaults) == 9
    for fault in board.FAULTS.values():
        server, _ = fleet.find(fault.service)
        assert fault.physical in (None, server.physical)
    assert len(DATABASES) - len(defaults) >= 6
    assert "order-intake" not in defaults


def test_the_generators_tables_are_known():
    _, database = fleet.find("order-intake")
    assert written_tables(database) == {"orders", "order_lines", "order_events"}
    _, database = fleet.find("inventory")
    assert written_tables(database) == {"movements", "stock"}


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(KeyError, match="order-intake"):
        fleet.find("order-intak")
    with pytest.raises(KeyError, match="orders-db"):
        fleet.server("orders")


def test_the_ledgers_question_names_tables_that_its_migrations_make(example):
    """A name that no migration makes is answered `missing` for ever: the drill of a healthy ledger would be red."""
    from include.ledger.migrations import VERSION_TABLE
    from include.ledger.tables import metadata

    datastore = example.catalog.services["drillyard-ledger"].datastores[0]
    asked = next(q.sql for q in datastore.validation.questions if "to_regclass" in q.sql)
    named = set(re.findall(r"'(\w+)'", asked.partition("ARRAY")[2]))
    assert named >= {VERSION_TABLE, "drills", "leases"}
    assert named <= {VERSION_TABLE, *metadata.tables}
