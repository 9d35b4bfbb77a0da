"""The bill in one place: accepted files, groups of their rows, classes of their keys, and the facts that reports are made of."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from include.costs import deliveries, money, parties
from include.costs.classify import NOT_TRANSFER, Key, table
from include.costs.columns import KEY, PARTS, SUMS
from include.costs.deliveries import Accepted, Replaced
from include.costs.doubled import Doubled
from include.costs.engines import DuckDBEngine, Engine
from include.costs.gather import GROUPED, LONG, grouped
from include.costs.inspection import Inspected, bad_rows, inspect, table_of
from include.costs.intake import Intake, Quarantined, Unreadable
from include.costs.residue import residues
from include.costs.services import category_of
from include.costs.settings import CostSettings

if TYPE_CHECKING:
    import ibis.expr.types as ir

DAILY = (*KEY, "BillingCurrency", "x_Month", "x_Day", "x_TagService")


class Fact(NamedTuple):
    """One line of a month: everything of one class, route and party, in one currency. Amounts are exact."""

    month: str
    provider: str
    currency: str
    transfer_class: str
    origin: str
    to: str
    rule: str
    service_name: str
    """What the provider calls the service."""
    party: int
    """Index of `Bill.parties`."""
    rows: int
    billed: Decimal
    effective: Decimal
    listed: Decimal
    gb: Decimal


class Daily(NamedTuple):
    """One day of one class and route."""

    month: str
    day: date
    provider: str
    currency: str
    transfer_class: str
    origin: str
    to: str
    service: str
    """The service tag; empty where there is none."""
    billed: Decimal
    gb: Decimal


class Bill:
    """Made by `read`; its tables live in the embedded engine, `desk`, whichever engine read the rows."""

    def __init__(self, engine: Engine, desk: DuckDBEngine, settings: CostSettings) -> None:
        self.engine = engine
        self.desk = desk
        self.settings = settings
        self.inspected: list[Inspected] = []
        self.accepted: tuple[Accepted, ...] = ()
        self.replaced: tuple[Replaced, ...] = ()
        self.doubled: tuple[Doubled, ...] = ()
        self.quarantined: list[Quarantined] = []
        self.ignored: tuple[str, ...] = ()
        self.rests: dict[tuple[str, str, str], Decimal] = {}
        self.parties: list[parties.Party] = []
        self.classes: list[dict[str, Any]] = []
        self.on_key: tuple[str, ...] = KEY
        """Columns that tell the distinct keys apart, and so the classes."""
        self._on_party: tuple[str, ...] = ()

    def take(self, intake: Intake) -> None:
        """Inspect every file, put aside the damaged ones, and choose which deliveries count."""
        self.quarantined += intake.quarantined
        self.ignored = intake.ignored
        for file in intake.files:
            try:
                self.inspected.append(inspect(self.desk, file, self.settings))
            except Unreadable as fault:
                self.quarantined.append(Quarantined(file=file.name, reason=str(fault), line=fault.line, rows=fault.rows))
        chosen = deliveries.choose(self.desk, self.inspected, self.settings)
        self.accepted, self.replaced, self.doubled = chosen.accepted, chosen.replaced, chosen.doubled
        gone = {r.file for r in self.replaced if r.month is None}
        for one in self.inspected:
            if one.file.name not in gone:
                self.quarantined += bad_rows(one)
        self.quarantined += _put_aside(self.inspected, self.doubled)

    def rows_of(self, accepted: Accepted, only: tuple[str, ...] | None = None, at: ir.Table | None = None) -> ir.Table:
        """The FOCUS rows of one group of files, less what others restate; see `inspection.table_of`."""
        rows = table_of(self.engine, accepted.files, self.settings, accepted.mode, only, at)
        return deliveries.apply(rows, accepted.without)

    def group(self) -> None:
        """Groups of all rows in `desk`, then their classes and parties."""
        kinds = {**dict.fromkeys((*KEY, *PARTS), "VARCHAR"), "x_Month": "DATE", "Rows": "BIGINT", LONG: "BIGINT"}
        kinds |= {name: f"DECIMAL(38,{12 if name == 'PricingQuantity' else money.SCALE})" for name in SUMS}
        order = (*KEY, *PARTS, *SUMS, "Rows", LONG)
        self.desk.run(f"CREATE OR REPLACE TEMP TABLE groups ({', '.join(f'{n} {kinds[n]}' for n in order)})")
        for accepted in self.accepted:
            if self.engine is self.desk and accepted.mode == "alone" and not accepted.without:
                self._from_looks(accepted, order)
            else:
                self._pass_over(accepted, "groups", order)
            if self.desk.run(f"SELECT sum({LONG}) FROM groups").fetchall()[0][0] and accepted.mode != "amortised":
                for key, rest in residues(self.engine, self.rows_of(accepted, GROUPED)).items():
                    self.rests[key] = money.EXACT.add(self.rests.get(key, Decimal(0)), rest)
                self.desk.run(f"UPDATE groups SET {LONG} = 0")
        for one in self.inspected:
            self.desk.drop(one.look)
        self._classify()
        self._resolve()

    def _pass_over(self, accepted: Accepted, target: str, order: tuple[str, ...], by: tuple[str, ...] = (*KEY, *PARTS)) -> None:
        found = grouped(self.engine, partial(self.rows_of, accepted), by)
        self.desk.insert(target, order, self.engine, found)
        if isinstance(self.engine, DuckDBEngine):
            self.engine.drop(found.get_name())

    def _from_looks(self, accepted: Accepted, order: tuple[str, ...]) -> None:
        """The groups that the look into each of these files found already: no second pass over their rows."""
        names, listed = {file.name for file in accepted.files}, ", ".join(order)
        looks = [one.look for one in self.inspected if one.file.name in names]
        every = " UNION ALL ".join(f"SELECT {listed} FROM {look}" for look in looks)
        if len(looks) > 1:
            added = (*SUMS, "Rows", LONG)
            shown = ", ".join(f"sum({name}) AS {name}" if name in added else name for name in order)
            every = f"SELECT {shown} FROM ({every}) GROUP BY ALL"
        self.desk.run(f"INSERT INTO groups ({listed}) {every}")

    def varying(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those columns of the groups that have more than one value: the others need no comparison. At least one."""
        differ = [f"count(DISTINCT {n}) + CAST(count({n}) < count(*) AS INT) > 1" for n in names]
        (found,) = self.desk.run(f"SELECT {', '.join(differ)} FROM groups").fetchall()
        return tuple(name for name, hit in zip(names, found, strict=True) if hit) or names[:1]

    def _classify(self) -> None:
        rules = table()
        self.classes = []
        self.on_key = self.varying(KEY)
        shown = [n if n in self.on_key else f"any_value({n}) AS {n}" for n in KEY]
        for row in self.desk.rows(f"SELECT {', '.join(shown)} FROM groups GROUP BY {', '.join(self.on_key)}"):
            verdict = rules.classify(key_of(row))
            category, subcategory = category_of(row["ProviderName"] or "", row["ServiceName"] or "", row["x_ServiceCode"] or "")
            self.classes.append(
                {
                    **row,
                    "Class": verdict.transfer_class,
                    "Origin": verdict.origin,
                    "Destination": verdict.to,
                    "Rule": verdict.rule,
                    "GB": verdict.gb if verdict.transfer_class != NOT_TRANSFER else None,
                    "Category": category,
                    "Subcategory": subcategory,
                }
            )
        self.desk.load("classes", self.classes, (*KEY, "Class", "Origin", "Destination", "Rule", "GB", "Category", "Subcategory"))

    def _resolve(self) -> None:
        columns = tuple(name for name in PARTS if name not in ("x_Month", "BillingCurrency"))
        every = ("ProviderName", *columns)
        self._on_party = self.varying(every)
        shown = [n if n in self._on_party else f"any_value({n}) AS {n}" for n in every]
        found = self.desk.rows(f"SELECT {', '.join(shown)} FROM groups GROUP BY {', '.join(self._on_party)} ORDER BY ALL")
        self.parties = [parties.party_of(row, self.settings) for row in found]
        numbered = [{**row, "Party": str(i)} for i, row in enumerate(found)]
        self.desk.load("parties", numbered, ("ProviderName", *columns, "Party"))

    def facts(self) -> list[Fact]:
        """All lines, transfer and not, by month, class, route, service and party."""
        on_key = " AND ".join(f"g.{n} IS NOT DISTINCT FROM c.{n}" for n in self.on_key)
        on_party = " AND ".join(f"g.{n} IS NOT DISTINCT FROM p.{n}" for n in self._on_party)
        # Amounts that equal the billed one come as NULL: to make Decimals of them is most of the time here.
        found = self.desk.run(
            f"""SELECT month, provider, currency, transfer_class, origin, "to", rule, service_name, party, rows, billed,
                nullif(effective, billed), nullif(listed, billed), factor, quantity FROM (
                SELECT strftime(g.x_Month, '%Y-%m') AS month, coalesce(g.ProviderName, '(not named)') AS provider,
                g.BillingCurrency AS currency, c.Class AS transfer_class, coalesce(c.Origin, '') AS origin,
                coalesce(c.Destination, '') AS "to", coalesce(c.Rule, '') AS rule,
                coalesce(g.ServiceName, '(not named)') AS service_name, CAST(p.Party AS BIGINT) AS party,
                CAST(sum(g.Rows) AS BIGINT) AS rows, coalesce(sum(g.BilledCost), 0) AS billed,
                coalesce(sum(g.EffectiveCost), 0) AS effective, coalesce(sum(g.ListCost), 0) AS listed,
                c.GB AS factor, sum(g.PricingQuantity) AS quantity
                FROM groups g JOIN classes c ON {on_key} JOIN parties p ON {on_party} GROUP BY ALL) ORDER BY ALL"""
        ).fetchall()
        facts = []
        for row in found:
            *_, billed, effective, listed, factor, quantity = row
            gb = in_gb(quantity, factor)
            amounts = (billed, billed if effective is None else effective, billed if listed is None else listed, gb)
            facts.append(Fact._make((*row[:-5], *amounts)))
        return facts

    def daily(self) -> list[Daily]:
        """Transfer by day, class and route: a second, lighter pass over the rows."""
        order = (*DAILY, *SUMS, "Rows", LONG)
        kinds = {**dict.fromkeys(DAILY, "VARCHAR"), "x_Month": "DATE", "x_Day": "DATE", "Rows": "BIGINT", LONG: "BIGINT"}
        kinds |= {name: f"DECIMAL(38,{12 if name == 'PricingQuantity' else money.SCALE})" for name in SUMS}
        self.desk.run(f"CREATE OR REPLACE TEMP TABLE days ({', '.join(f'{n} {kinds[n]}' for n in order)})")
        for accepted in self.accepted:
            if accepted.mode != "amortised":
                self._pass_over(accepted, "days", order, DAILY)
        on_key = " AND ".join(f"d.{n} IS NOT DISTINCT FROM c.{n}" for n in self.on_key)
        found = self.desk.rows(
            f"""SELECT strftime(d.x_Month, '%Y-%m') AS month, d.x_Day AS day, coalesce(d.ProviderName, '(not named)') AS provider,
                d.BillingCurrency AS currency, c.Class AS transfer_class, coalesce(c.Origin, '') AS origin,
                coalesce(c.Destination, '') AS "to", coalesce(d.x_TagService, '') AS service, c.GB AS factor,
                sum(d.BilledCost) AS billed,
                sum(d.PricingQuantity) AS quantity
                FROM days d JOIN classes c ON {on_key} WHERE c.Class <> '{NOT_TRANSFER}' GROUP BY ALL ORDER BY ALL"""
        )
        series = []
        for row in found:
            factor, quantity = row.pop("factor"), row.pop("quantity")
            gb = in_gb(quantity, factor)
            series.append(Daily(**row, gb=gb))
        return series


def in_gb(quantity: Decimal | None, factor: str | None) -> Decimal:
    """A quantity by what one unit of it is in GB; 0 where it is no data."""
    if not factor or quantity is None:
        return Decimal(0)
    return quantity if factor == "1" else money.EXACT.multiply(quantity, Decimal(factor))


def _put_aside(inspected: list[Inspected], doubled: tuple[Doubled, ...]) -> list[Quarantined]:
    """Duplicate deliveries in another shape: the file when nothing else is in it, else the rows of the account and month."""
    every = {i.file.name: i.rows for i in inspected}
    same: dict[str, list[Doubled]] = {}
    for double in doubled:
        if double.same:
            same.setdefault(double.file, []).append(double)
    found = []
    for name, parts in same.items():
        what = "file" if sum(p.rows for p in parts) == every[name] else "row"
        found += [Quarantined(file=name, reason=p.reason, rows=p.rows, what=what) for p in parts]
    return found


def key_of(row: dict[str, Any]) -> Key:
    """A distinct key of the bill, cleaned: service code and name together, regions in lower case."""
    return Key(
        provider=row["ProviderName"] or "",
        service=f"{row['x_ServiceCode'] or ''} {row['ServiceName'] or ''}".strip(),
        usage=row["x_UsageType"] or "",
        operation=row["x_Operation"] or "",
        transfer=row["x_TransferType"] or "",
        text=row["x_KeyText"] or "",
        region=(row["RegionId"] or "").lower(),
        from_region=(row["x_FromRegion"] or "").lower(),
        to_region=(row["x_ToRegion"] or "").lower(),
        unit=row["PricingUnit"] or "",
    )
