"""The readiness report on a terminal: a table with colours and words, or plain columns when nobody looks."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from include.evidence.readiness_model import SHOWN_FIRST, DatastoreReadiness, Readiness, ServiceReadiness, State
from include.evidence.wording import brief

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = ("service", "tier", "RPO proven/target", "RTO measured/target", "verdict", "proof age", "evidence", "findings")
MARKS: dict[State, str] = {"proven": "✔", "failed": "✘", "stale": "◷", "unknown": "?", "n/a": "·"}
_COLOURS: dict[State, str] = {"proven": "green", "failed": "bold red", "stale": "yellow", "unknown": "bold magenta", "n/a": "dim"}


def print_table(report: Readiness, now: datetime, file: TextIO, width: int | None = None) -> None:
    """Write the report. On a terminal with colours, folded to its width; into a file one line a datastore, never folded."""
    from rich.console import Console

    if file.isatty() or width is not None:
        _rich(report, now, Console(file=file, width=width))
    else:
        _plain(report, now, file)


def rows(report: Readiness, now: datetime) -> list[tuple[State, tuple[str, ...]]]:
    """One row a datastore: its state, and its cells in the order of `COLUMNS`."""
    found: list[tuple[State, tuple[str, ...]]] = []
    for service in report.services:
        if not service.datastores:
            cells = (service.service, service.tier or "?", "–", "–", _word(service.state), "–", "–", "; ".join(service.reasons))  # noqa: RUF001
            found.append((service.state, cells))
        found += [(one.state, _cells(service, one, now)) for one in service.datastores]
    return sorted(found, key=lambda row: SHOWN_FIRST[row[0]])


def headlines(report: Readiness, now: datetime) -> list[str]:
    """What stands above and below the rows: the stop, the canary, the seal, the doubles, the counts by tier."""
    lines = []
    if report.stop:
        lines.append(f"STOPPED by {report.stop.by} at {report.stop.at:%Y-%m-%d %H:%M} UTC: {report.stop.reason}")
    if not report.canaries:
        lines.append("canary: none, so nobody knows that the verifier finds bad backups")
    for one in report.canaries:
        said = {"passed": "refused, as it must be", "failed": "NOT CAUGHT"}.get(one.verdict, "unknown")
        age = brief((now - one.written_at).total_seconds())
        lines.append(f"canary of {one.cloud} {one.region}: {said}, {age} ago; {one.summary}")
    for other in report.uncatalogued:
        lines.append(f"{MARKS['failed']} not in the catalog: {other.database} ({other.cloud} {other.region})")
    if report.seal:
        head = f", head {report.seal.head}" if report.seal.head else ""
        lines.append(f"seal: {report.seal.word}{head}; {report.seal.checked}")
        lines += [f"  {finding}" for finding in report.seal.findings]
    lines.append(_kit(report, now))
    if report.doubles:
        lines.append(f"doubles, not the real thing: {', '.join(report.doubles)}")
    for tier in report.tiers:
        states = Counter(tier.states)
        lines.append(f"{tier.tier}: " + ", ".join(f"{states[state]} {state}" for state in SHOWN_FIRST if states[state]))
    return lines


def _kit(report: Readiness, now: datetime) -> str:
    """How old the cold kit is, and how much was brought back from one in time."""
    if report.kit is None:
        return "cold kit: none, so nothing can be brought back once Airflow and the ledger are gone"
    stores = [one for service in report.services for one in service.datastores]
    back = sum(any(line.verdict == "passed" and line.expires_at > now for line in one.cold) for one in stores)
    lacking = f", {len(report.kit.problems)} problems" if report.kit.problems else ""
    age = brief((now - report.kit.written_at).total_seconds())
    return f"cold kit: {age} old{lacking}; {back} of {len(stores)} databases were brought back from one in time"


def _cells(service: ServiceReadiness, one: DatastoreReadiness, now: datetime) -> tuple[str, ...]:
    name = service.service if len(service.datastores) == 1 else f"{service.service}/{one.datastore}"
    age = brief((now - one.proven_at).total_seconds()) if one.proven_at else "never"
    return (
        name,
        service.tier,
        f"{brief(one.rpo_proven_seconds)} / {brief(one.rpo_target_seconds)}",
        f"{brief(one.rto_measured_seconds)} / {brief(one.rto_target_seconds)}",
        _word(one.state),
        age,
        one.evidence_id or "–",  # noqa: RUF001
        ", ".join(dict.fromkeys(one.failed_checks)) or "; ".join(one.reasons),
    )


def _word(state: State) -> str:
    return f"{MARKS[state]} {state}"


def _rich(report: Readiness, now: datetime, console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, expand=False, pad_edge=False, title=f"{report.platform}: what is proven")
    for name in COLUMNS:
        folded = name in ("evidence", "findings")
        table.add_column(name, overflow="fold", no_wrap=not folded, min_width=24 if folded else None)
    for state, cells in rows(report, now):
        table.add_row(
            *(Text(cell, style=_COLOURS[state] if name == "verdict" else "") for name, cell in zip(COLUMNS, cells, strict=True))
        )
    console.print(table)
    for line in headlines(report, now):
        console.print(Text(line))


def _plain(report: Readiness, now: datetime, file: TextIO) -> None:
    lines = [COLUMNS, *(cells for _, cells in rows(report, now))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    for line in lines:
        file.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")
    file.writelines(f"{line}\n" for line in headlines(report, now))
