"""FOCUS files against the machine-readable rules of FOCUS 1.2 (finopsfoundation/focus_validator's model, MIT).

Every rule becomes one SQL condition; a rule fails when at least one row breaks it. Rules say MUST, SHOULD, MAY; only MUST
and MUST NOT are mandatory. A rule with an applicability criterion asks for what a provider may not support.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.values import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.costs.engines import DuckDBEngine

_DECIMALS = ("DECIMAL", "DOUBLE", "FLOAT", "BIGINT", "INTEGER")


UNDECIDABLE = {
    "BilledCost-C-005-C": "the model has no condition for `payments are received by a third party`",
    "PricingQuantity-C-008-M": "the model asks every row for a value, which its own rule for tax and credit rows forbids",
    "InvoiceId-C-005-C": "the model has no condition for `associated with an issued invoice`",
}
"""Rules whose condition stands only in their text."""


class Failure(Frozen):
    """A rule that rows break."""

    rule: str
    column: str
    keyword: str
    says: str
    rows: int
    conditional: bool
    """The rule applies only where a provider supports something."""


class Checker:
    """The rules over one relation: files written by `focus.write_focus`."""

    def __init__(self, desk: DuckDBEngine, files: Path, model: Path) -> None:
        self.desk = desk
        pattern = str(files / "**" / "*.parquet").replace("'", "''")
        desk.run(f"CREATE OR REPLACE TEMP VIEW focus_files AS SELECT * FROM read_parquet('{pattern}', union_by_name = true)")
        self.kinds = {row["column_name"]: row["column_type"] for row in desk.rows("DESCRIBE focus_files")}
        self.rules: dict[str, Any] = json.loads(model.read_text(encoding="utf-8"))["ModelRules"]
        self.optional = {
            rule["Reference"]
            for rule in self.rules.values()
            if rule["Function"] == "Presence"
            and (rule.get("ApplicabilityCriteria") or rule["ValidationCriteria"]["Keyword"] != "MUST")
        }

    def failures(self) -> tuple[list[Failure], int]:
        """Mandatory rules that fail, and how many were checked on rows or columns."""
        failed, checked = [], 0
        for name, rule in self.rules.items():
            criteria = rule["ValidationCriteria"]
            mandatory = criteria["Keyword"] in ("MUST", "MUST NOT") and name not in UNDECIDABLE
            if not mandatory or rule["Function"] == "Composite" or not criteria["Requirement"]:
                continue
            requirement = self._sql(criteria["Requirement"])
            if requirement is None:
                continue
            condition = self._sql(criteria["Condition"]) if criteria.get("Condition") else "true"
            checked += 1
            rows = self._broken(requirement, condition or "true", criteria["Requirement"])
            if rows:
                failed.append(
                    Failure(
                        rule=name,
                        column=rule["Reference"],
                        keyword=criteria["Keyword"],
                        says=criteria["MustSatisfy"],
                        rows=rows,
                        conditional=bool(rule.get("ApplicabilityCriteria")) or rule["Reference"] in self.optional,
                    )
                )
        return failed, checked

    def _broken(self, requirement: str, condition: str, node: dict[str, Any]) -> int:
        if node.get("CheckFunction") == "CheckDistinctCount":
            one, many = _name(node["ColumnAName"]), _name(node["ColumnBName"])
            sql = (
                f"SELECT count(*) AS n FROM (SELECT {one} FROM focus_files WHERE {one} IS NOT NULL AND ({condition}) "
                f"GROUP BY {one} HAVING count(DISTINCT {many}) > {int(node['ExpectedCount'])})"
            )
        else:
            sql = f"SELECT count(*) AS n FROM focus_files WHERE ({condition}) AND NOT coalesce(({requirement}), true)"
        return int(self.desk.rows(sql)[0]["n"])

    def _sql(self, node: dict[str, Any]) -> str | None:
        """A condition over one row; None for what is no condition over rows (other rules)."""
        if "CheckFunction" not in node:
            # One rule of the model has its condition inside a list or without a function.
            return None
        function = node["CheckFunction"]
        if function in ("AND", "OR"):
            parts = [part for item in node["Items"] if (part := self._sql(item)) is not None]
            return f"({f' {function} '.join(parts)})" if parts else None
        made: Callable[[dict[str, Any]], str] | None = _FUNCTIONS.get(function)
        if function == "ColumnPresent":
            return "true" if node["ColumnName"] in self.kinds else "false"
        if function.startswith("Type"):
            return self._typed(function, node["ColumnName"])
        named = [value for key, value in node.items() if key.endswith("ColumnName") or key in ("ColumnAName", "ColumnBName")]
        if made is None or any(column not in self.kinds for column in named):
            return None
        return made(node)

    def _typed(self, function: str, column: str) -> str:
        kind = self.kinds.get(column, "")
        good = {
            "TypeString": kind in ("VARCHAR", "JSON"),
            "TypeDecimal": kind.startswith(_DECIMALS),
            "TypeDateTime": kind.startswith("TIMESTAMP"),
        }
        return "true" if good.get(function, True) else "false"


def _name(column: str) -> str:
    return f'"{column}"'


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def _is(node: dict[str, Any]) -> str:
    # Two rules of the model name their column `CheckCondition`.
    column = _name(node.get("ColumnName") or node["CheckCondition"])
    if node["Value"] is None:
        return f"{column} IS NULL"
    # NULL stays NULL: whether a column may be empty is the matter of the nullability rules.
    return f"CAST({column} AS VARCHAR) = CAST({_literal(node['Value'])} AS VARCHAR)"


def _equal_product(node: dict[str, Any]) -> str:
    """A times B is the result, within one cent: vendors round unit prices."""
    a, b, result = (_name(node[key]) for key in ("ColumnAName", "ColumnBName", "ResultColumnName"))
    return f"abs(CAST({a} AS DOUBLE) * CAST({b} AS DOUBLE) - CAST({result} AS DOUBLE)) < 0.01"


_FUNCTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "CheckValue": _is,
    "CheckNotValue": lambda n: f"NOT {_is(n)}",
    "CheckSameValue": lambda n: f"{_name(n['ColumnAName'])} IS NOT DISTINCT FROM {_name(n['ColumnBName'])}",
    "CheckNotSameValue": lambda n: f"{_name(n['ColumnAName'])} IS DISTINCT FROM {_name(n['ColumnBName'])}",
    "CheckGreaterOrEqualThanValue": lambda n: f"{_name(n['ColumnName'])} >= {_literal(n['Value'])}",
    "ColumnByColumnEqualsColumnValue": _equal_product,
    "FormatString": lambda n: f"{_name(n['ColumnName'])} <> ''",
    "FormatKeyValue": lambda n: f"json_valid({_name(n['ColumnName'])})",
    "FormatCurrency": lambda n: f"regexp_full_match({_name(n['ColumnName'])}, '[A-Z]{{3}}')",
    "CheckNationalCurrency": lambda n: f"regexp_full_match({_name(n['ColumnName'])}, '[A-Z]{{3}}')",
    "CheckDistinctCount": lambda _: "true",
}
