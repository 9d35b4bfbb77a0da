"""`drillyard costs`: the report that closes a month, from a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from include.values import utcnow

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.callback()
def _room() -> None:
    """Costs of data transfer, from the bills."""


@app.command()
def report(
    billing: Annotated[str, typer.Option(help="Folder or URL (s3://, gs://, abfs://) with exports; several with commas.")],
    catalog: Annotated[Path, typer.Option(help="Platform directory, with costs.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder for the report; made when it is not there.")],
    month: Annotated[str | None, typer.Option(help="Billing month YYYY-MM; all delivered months without it.")] = None,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    send: Annotated[bool, typer.Option("--send", help="Mail the report to the finance contacts of costs.yaml.")] = False,
) -> None:
    """Read billing exports, classify and allocate transfer, and write the report with totals.json beside it."""
    from include.costs.calendar import a_month
    from include.costs.report import write_report
    from include.costs.settings import CostsError

    try:
        month = month if month is None else a_month(month)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--month") from None
    try:
        result = write_report(billing, catalog, out, now=utcnow(), month=month, engine=engine, send=send)
    except (CostsError, OSError, ValueError, RuntimeError) as fault:
        typer.echo(f"drillyard costs report: {fault}", err=True)
        raise typer.Exit(1) from fault
    for provider, currencies in result["billed_cost"].items():
        for currency, amount in currencies.items():
            typer.echo(f"{provider}: {amount} {currency} billed")
    aside = result["quarantined"]
    for entry in [*aside["files"], *aside["rows"]]:
        typer.echo(f"quarantined: {entry['file']}, line {entry['line'] or '?'}: {entry['reason']}", err=True)
    typer.echo(f"{result['rows']} rows in {', '.join(result['months']) or 'no month'}; report in {out}")


@app.command()
def sign(
    out: Annotated[Path, typer.Option(help="Folder of a report that was written for one month.")],
    month: Annotated[str, typer.Option(help="Billing month YYYY-MM.")],
    by: Annotated[str, typer.Option(help="Who signs.")],
    reason: Annotated[str, typer.Option(help="Why, when the month was signed before.")] = "",
    catalog: Annotated[Path | None, typer.Option(help="Platform directory with the evidence stores; DRILLYARD_PLATFORM.")] = None,
) -> None:
    """Sign a month: a record in the evidence, and its numbers the issued version that later reports are compared with."""
    from include.catalog.load import load
    from include.costs.signing import sign as sign_month
    from include.evidence.stores import open_stores
    from include.settings import platform_dir

    try:
        stores = open_stores(load(catalog or platform_dir()).catalog.platform.evidence)
        note, wrong = sign_month(out, month, by, utcnow(), stores=stores, reason=reason)
    except (LookupError, OSError, ValueError, RuntimeError) as fault:
        typer.echo(f"drillyard costs sign: {fault}", err=True)
        raise typer.Exit(1) from fault
    for fault_line in wrong:
        typer.echo(fault_line, err=True)
    typer.echo(
        f"{month} version {note.detail['version']} signed by {by}: record {note.record_id}, sealed by the next sealing run"
    )


@app.command()
def bills(out: Annotated[Path, typer.Option(help="Folder for the synthetic bills.")]) -> None:
    """Write synthetic bills of the example platform, to try the report without a real bill."""
    from include.costs.synthetic import write_bills

    written = write_bills(out)
    typer.echo(f"{len(written)} synthetic bills in {out}; none of their numbers is real")
