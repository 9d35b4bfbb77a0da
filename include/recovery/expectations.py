"""The third layer: the service's Great Expectations suite, run on the restored database as the read-only role.

A suite is a YAML file beside the service::

    orders:                                   # a table, schema-qualified if not in public
      - type: expect_table_row_count_to_be_between
        kwargs: {min_value: 1000}
      - type: expect_column_values_to_not_be_null
        kwargs: {column: customer_id}
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import yaml

from include.recovery.model import Access, Check, Outcome

Suite = dict[str, list[dict[str, Any]]]


def read_suite(path: Path) -> Suite:
    """Read a suite file. Raises ValueError naming the file and the entry that is not ``{type, kwargs}``."""
    raw = yaml.safe_load(path.read_text()) or {}
    if not isinstance(raw, dict):
        raise ValueError(f"{path.name}: a suite is a mapping of tables to lists of expectations")
    for table, items in raw.items():
        for number, item in enumerate(items or []):
            if not isinstance(item, dict) or set(item) - {"type", "kwargs"} or "type" not in item:
                raise ValueError(f"{path.name}: {table}[{number}]: an expectation is {{type: expect_…, kwargs: {{…}}}}")
    return {str(table): list(items or []) for table, items in raw.items()}


def preload() -> None:
    """Import Great Expectations (seconds) while something else is waited for."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations  # noqa: F401

    for name in ("great_expectations", "great_expectations._docs_decorators", "great_expectations.expectations.registry"):
        logging.getLogger(name).setLevel(logging.WARNING)


def run_suite(access: Access, suite: Suite, name: str, docs: Path | None) -> tuple[Check, ...]:
    """Run a suite; one check a suite with counts of expectations, never rows (``BOOLEAN_ONLY``).

    `docs`: a folder for Data Docs (HTML), or None. Raises nothing: a suite that cannot be run is one `unknown` check.
    """
    try:
        result = _run(access, suite, name, docs)
    except Exception as error:  # whatever the library raises is a finding, and the drill goes on to clean up
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return (Check(name="expectations", layer="expectations", outcome=Outcome.UNKNOWN, detail=f"could not be run: {reason}"),)
    failed = [text for met, text in result if not met]
    return (
        Check(
            name="expectations",
            layer="expectations",
            outcome=Outcome.FAILED if failed else Outcome.PASSED,
            measured=f"{len(result) - len(failed)} of {len(result)} met",
            threshold="all",
            detail="; ".join(failed[:5]),
        ),
    )


def _run(access: Access, suite: Suite, name: str, docs: Path | None) -> list[tuple[bool, str]]:
    preload()
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from sqlalchemy.engine import URL

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    url = URL.create(
        "postgresql+psycopg2",
        username=access.reader,
        password=access.reader_password,
        host="localhost",  # Great Expectations wants a host in the URL; the query's host (a socket's folder) wins
        database=access.database,
        query={"host": access.host, "port": str(access.port)},
    )
    source = context.data_sources.add_postgres(name, connection_string=url.render_as_string(hide_password=False))
    definitions = []
    for table, items in suite.items():
        schema, _, bare = table.rpartition(".")
        asset = source.add_table_asset(name=table, table_name=bare, schema_name=schema or None)
        batch = asset.add_batch_definition_whole_table("all")
        expectations = gx.ExpectationSuite(name=f"{name}.{table}")
        for item in items:
            configuration = ExpectationConfiguration(type=item["type"], kwargs=item.get("kwargs") or {})
            expectations.add_expectation_configuration(configuration)
        context.suites.add(expectations)
        definitions.append(
            context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=expectations))
        )
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=name, validation_definitions=definitions, actions=_docs_action(context, docs), result_format="BOOLEAN_ONLY"
        )
    )
    outcome: list[tuple[bool, str]] = []
    for run in checkpoint.run().run_results.values():
        for result in run.results:
            configuration = result.expectation_config
            column = configuration.kwargs.get("column")
            table = run.meta["active_batch_definition"]["data_asset_name"] if run.meta else ""
            raised = (result.exception_info or {}).get("exception_message") or ""
            text = f"{table}{'.' + column if column else ''}: {configuration.type}" + (
                f" ({raised.splitlines()[0]})" if raised else ""
            )
            outcome.append((bool(result.success), text))
    return outcome


def _docs_action(context: Any, docs: Path | None) -> list[Any]:
    if docs is None:
        return []
    from great_expectations.checkpoint.actions import UpdateDataDocsAction

    docs.mkdir(parents=True, exist_ok=True)
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
    builder = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(
        site_name="drill", site_config={"class_name": "SiteBuilder", "store_backend": backend, "site_index_builder": builder}
    )
    return [UpdateDataDocsAction(name="docs", site_names=["drill"])]
