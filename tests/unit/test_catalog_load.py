from decimal import Decimal

import pytest
import yaml
from catalog_files import HARBOUR, harbour, loaded

from include.catalog.errors import CatalogError
from include.catalog.load import load
from include.clouds.selfhosted.settings import BaseBackups, RestoreHost
from include.clouds.selfhosted.settings import Datastore as SelfHosted
from include.settings import PROJECT


def test_a_good_catalog_loads_typed():
    found = load(HARBOUR, {})
    assert (found.errors, found.warnings, found.broken) == ((), (), {})
    assert list(found.catalog.services) == ["analytics", "identity", "inventory", "orders"]
    (main,) = found.catalog.services["orders"].datastores
    assert isinstance(main, SelfHosted) and isinstance(main.backups, BaseBackups)
    assert found.catalog.tenants["pharma-one"].region == "site-a"
    assert found.catalog.environments["staging"].owner == "core"
    assert found.catalog.rates.rates["selfhosted"].compute_per_hour == Decimal("0.12")
    assert found.base == HARBOUR
    assert found.catalog.regulated(found.catalog.services["orders"])[0].name == "pharma-one"
    assert set(found.catalog.datastores()) == {"analytics/main", "identity/main", "inventory/main", "orders/main"}


def test_settings_are_the_rooms_own_model():
    settings = load(HARBOUR, {}).catalog.settings["selfhosted"]
    assert isinstance(settings, RestoreHost)
    assert settings.sandbox_root == "/var/tmp/sandboxes"
    assert settings.bin_dirs == {"18": "/usr/lib/postgresql/18/bin"}, "a number as a key means its text"


def test_rooms_are_told_the_failure_domains_of_the_regions():
    found = load(HARBOUR, {})
    assert found.catalog.settings["selfhosted"].failure_domains == {"site-a": "hall-1", "site-b": "hall-2"}
    written = found.catalog.platform.clouds["selfhosted"].settings
    assert RestoreHost.model_validate(written) == found.catalog.settings["selfhosted"]


def test_two_answers_to_what_fails_together_are_refused(tmp_path):
    change = ("platform.yaml", "      bin_dirs:", "      failure_domains: {site-a: hall-2}\n      bin_dirs:")
    with pytest.raises(CatalogError, match="the regions above say 'hall-1' for 'site-a'"):
        loaded(tmp_path, change)


def test_the_environment_fills_variables():
    settings = load(HARBOUR, {"HARBOUR_SANDBOX": "/big/disk"}).catalog.settings["selfhosted"]
    assert settings.sandbox_root == "/big/disk"


def test_the_example_platform_is_fine():
    found = load(PROJECT / "include" / "platforms" / "example", {})
    assert [str(problem) for problem in (*found.errors, *found.warnings)] == []
    assert len(found.catalog.services) >= 12
    assert len({service.tier for service in found.catalog.services.values()}) == 3


PROBLEMS = [tuple(row.values()) for row in yaml.safe_load((HARBOUR.parent / "problems.yaml").read_text())]


@pytest.mark.parametrize(("file", "old", "new", "line"), PROBLEMS, ids=[row[3][:70] for row in PROBLEMS])
def test_a_problem_is_told_in_one_line_and_takes_out_no_other_service(tmp_path, file, old, new, line):
    if file == "platform.yaml":
        with pytest.raises(CatalogError) as caught:
            loaded(tmp_path, (file, old, new))
        assert line in [str(problem) for problem in caught.value.problems]
        return
    found = loaded(tmp_path, (file, old, new))
    assert line in [str(problem) for problem in found.errors]
    if file.startswith("services/"):
        stem = file.removeprefix("services/").partition(".")[0]
        assert set(found.catalog.services) == {"analytics", "identity", "inventory", "orders"} - {stem}
        assert list(found.broken) == ["Order_Intake" if "Order_Intake" in new else stem]
        assert next(iter(found.broken.values())).startswith(f"services/{stem}.")


def test_every_error_in_every_file_at_once(tmp_path):
    found = loaded(
        tmp_path,
        ("services/orders.yaml", "tier: tier-1", "tier: teir-1"),
        ("services/orders.yaml", "size_hint_gb", "size_hint"),
        ("services/orders.yaml", "kind: base_backup", "kind: base_bakup"),
        ("services/inventory.yaml", "owner: core", "owner: [core"),
        ("services/analytics.yaml", "region: site-a", "region: site-c"),
        ("tenants.yaml", "region: site-a", "region: site-x"),
        ("rates.yaml", "source:", "sorce:"),
    )
    places = {(problem.file, problem.field) for problem in found.errors}
    assert places >= {
        ("services/orders.yaml", "tier"),
        ("services/orders.yaml", "datastores[0].size_hint"),
        ("services/orders.yaml", "datastores[0].backups.kind"),
        ("services/inventory.yaml", ""),
        ("services/analytics.yaml", "datastores[0].region"),
        ("tenants.yaml", "tenants[1].region"),
        ("rates.yaml", "source"),
        ("rates.yaml", "sorce"),
    }
    assert set(found.catalog.services) == {"identity"}
    assert found.catalog.rates is None


def test_a_broken_platform_still_shows_what_is_wrong_elsewhere(tmp_path):
    with pytest.raises(CatalogError) as caught:
        loaded(
            tmp_path,
            ("platform.yaml", "ends: 2026-12-01T00:00:00+01:00", "ends: soon"),
            ("services/orders.yaml", "tier: tier-1", "tier: teir-1"),
            ("services/inventory.yaml", "region: site-a", "region: site-q"),
        )
    fields = {(problem.file, problem.field) for problem in caught.value.problems}
    assert fields == {
        ("platform.yaml", "blackouts[0].ends"),
        ("services/orders.yaml", "tier"),
        ("services/inventory.yaml", "datastores[0].region"),
    }
    assert all(str(problem) in str(caught.value) for problem in caught.value.problems)


def test_an_unreadable_platform_accuses_nobody_else(tmp_path):
    with pytest.raises(CatalogError) as caught:
        loaded(tmp_path, ("platform.yaml", "currency: EUR", "currency: [EUR"))
    assert [problem.file for problem in caught.value.problems] == ["platform.yaml"]


def test_to_depend_on_a_broken_service_is_not_wrong(tmp_path):
    found = loaded(tmp_path, ("services/identity.yaml", "tier: tier-1", "tier: ["))
    assert set(found.broken) == {"identity"}
    assert set(found.catalog.services) == {"analytics", "inventory", "orders"}


def test_a_circle_is_named_and_takes_its_members_only(tmp_path):
    found = loaded(tmp_path, ("services/identity.yaml", "depends_on: []", "depends_on: [inventory]"))
    assert set(found.broken) == {"identity", "inventory"}
    assert set(found.catalog.services) == {"analytics", "orders"}
    fields = {(problem.file, problem.line, problem.field) for problem in found.errors}
    assert fields == {("services/identity.yaml", 5, "depends_on[0]"), ("services/inventory.yaml", 5, "depends_on[0]")}
    for problem in found.errors:
        assert "identity -> inventory -> identity" in problem.what or "inventory -> identity -> inventory" in problem.what


def test_two_files_for_one_service_the_one_with_its_name_keeps_it(tmp_path):
    base = harbour(tmp_path)
    (base / "services" / "aaa.yaml").write_text((base / "services" / "identity.yaml").read_text())
    found = load(base, {})
    assert "identity" in found.catalog.services
    assert list(found.broken) == ["aaa"]
    assert "service 'identity' is services/identity.yaml already; rename one" in found.broken["aaa"]


def test_a_misnamed_file_is_a_warning_only(tmp_path):
    base = harbour(tmp_path)
    (base / "services" / "identity.yaml").rename(base / "services" / "ident.yaml")
    found = load(base, {})
    assert [str(p) for p in found.warnings] == [
        "services/ident.yaml:1: warning: service: the file of service 'identity' should be named identity.yaml"
    ]
    assert found.errors == () and "identity" in found.catalog.services


def test_no_copy_elsewhere_is_a_warning(tmp_path):
    found = loaded(tmp_path, ("services/orders.yaml", "failure_domain: hall-2", "failure_domain: hall-1"))
    assert found.errors == ()
    (warning,) = found.warnings
    assert warning.field == "datastores[0].backups.copies" and "hall-1" in warning.what


def test_a_file_that_would_be_overlooked_is_an_error(tmp_path):
    base = harbour(tmp_path)
    (base / "services" / "billing.yml").write_text("service: billing\n")
    found = load(base, {})
    assert [str(p) for p in found.errors] == ["services/billing.yml:1: is not read; rename it to billing.yaml"]
    assert set(found.broken) == {"billing"}


def test_a_broken_tenant_takes_its_services_with_it(tmp_path):
    found = loaded(tmp_path, ("tenants.yaml", "class: regulated", "class: regulatd"))
    assert set(found.broken) == {"orders"}, "nobody knows whether its data may leave the region"
    assert "tenant 'pharma-one' cannot be used, see tenants.yaml:3" in found.broken["orders"]
    assert set(found.catalog.tenants) == {"corner-shops"}


def test_missing_rates_are_told_and_the_services_stay(tmp_path):
    base = harbour(tmp_path)
    (base / "rates.yaml").unlink()
    found = load(base, {})
    assert [problem.file for problem in found.errors] == ["rates.yaml"]
    assert len(found.catalog.services) == 4 and found.broken == {}


def test_a_platform_that_only_suspends_needs_neither_networks_nor_rates(tmp_path):
    base = tmp_path / "platform"
    (base / "environments").mkdir(parents=True)
    platform = yaml.safe_load((HARBOUR / "platform.yaml").read_text())
    platform["clouds"] = {"aws": {"regions": [{"name": "eu-central-1", "failure_domain": "aws-frankfurt"}]}}
    (base / "platform.yaml").write_text(yaml.safe_dump(platform))
    scope = {"cloud": "aws", "account": "1", "connection": "aws_staging", "regions": ["eu-central-1"]}
    known = {"environment": "staging", "owner": "core", "suspension": {"accounts": [scope]}}
    (base / "environments" / "staging.yaml").write_text(yaml.safe_dump(known))
    found = load(base, {})
    assert found.errors == () and set(found.catalog.environments) == {"staging"}
    assert [(one.file, "forecast" in one.what) for one in found.warnings] == [("rates.yaml", True)]
    platform["clouds"]["aws"]["settings"] = {"connection": "aws_recovery"}  # begun, and not finished
    (base / "platform.yaml").write_text(yaml.safe_dump(platform))
    with pytest.raises(CatalogError, match="networks"):
        load(base, {})


@pytest.mark.parametrize("what", ["no directory", "no platform"])
def test_nothing_to_load(tmp_path, what):
    base = tmp_path / "nowhere"
    if what == "no platform":
        base.mkdir()
    with pytest.raises(CatalogError, match=r"platform\.yaml"):
        load(base, {})


def test_the_revision_follows_every_file_and_nothing_else(tmp_path):
    base = harbour(tmp_path)
    before = load(base, {}).revision
    assert load(base, {"HARBOUR_SANDBOX": "/elsewhere"}).revision == before
    seen = {before}
    for path in sorted(base.rglob("*.yaml")):
        path.write_text(path.read_text() + "# changed\n")
        seen.add(load(base, {}).revision)
    assert len(seen) == 1 + len(list(base.rglob("*.yaml"))), "each of the files, suites included, changes it"
