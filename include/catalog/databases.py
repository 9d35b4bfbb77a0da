"""The checks of a service's databases: where they and their copies are, whose data they hold, what SQL asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from include.catalog.errors import Problem
from include.catalog.model import Datastore, Service
from include.catalog.references import Known, place_problems, repeated
from include.catalog.source import Document, Loc
from include.catalog.sql import objection


def datastore_problems(document: Document, service: Service, known: Known) -> Iterator[Problem]:
    """Of every datastore of a service."""
    yield from repeated(document, ["datastores"], [item.name for item in service.datastores], "datastore")
    regulated = [known.tenants[name] for name in service.tenants if name in known.tenants]
    for index, item in enumerate(service.datastores):
        loc: Loc = ["datastores", index]
        yield from place_problems(document, loc, item, known)
        for tenant in regulated:
            if tenant.tenant_class == "regulated" and tenant.region not in (None, item.region):
                what = f"tenant {tenant.name!r} is regulated and its data may be in region {tenant.region!r} only"
                yield document.problem([*loc, "region"], what, tenant.region)
        yield from _copy_problems(document, loc, item, known)
        yield from _sql_problems(document, loc, item)


def _copy_problems(document: Document, loc: Loc, item: Datastore, known: Known) -> Iterator[Problem]:
    """Copies as far as a cloud's own model lists them (``backups.copies[].failure_domain``): else its room knows."""
    copies = getattr(getattr(item, "backups", None), "copies", None)
    home = known.regions(item.cloud).get(item.region)
    if copies is None or home is None:
        return
    for index, copy in enumerate(copies):
        if copy.failure_domain not in known.domains:
            place = [*loc, "backups", "copies", index, "failure_domain"]
            yield document.unknown(place, "failure domain", copy.failure_domain, known.domains)
    if all(copy.failure_domain == home for copy in copies):
        what = f"no copy outside failure domain {home!r}: when it is lost, so is the backup; add one in another"
        place = [*loc, "backups", "copies"] if copies else [*loc, "backups"]
        yield document.problem(place, what, severity="warning")


def _sql_problems(document: Document, loc: Loc, item: Datastore) -> Iterator[Problem]:
    asked: list[tuple[Loc, str]] = [([*loc, "business_time"], item.business_time)]
    questions = item.validation.questions
    asked += [([*loc, "validation", "questions", index, "sql"], question.sql) for index, question in enumerate(questions)]
    for place, sql in asked:
        what = objection(sql)
        if what:
            yield document.problem(place, what)
    yield from repeated(document, [*loc, "validation", "questions"], [question.name for question in questions], "question")


def expectation_files(document: Document, base: Path) -> tuple[list[Document], list[Problem]]:
    """The suites that a service's file names, and what is wrong with them. Reads the file as written, broken or not.

    `base` is resolved: a suite outside it would not be in the catalog's revision, and is refused.
    """
    found: list[Document] = []
    problems: list[Problem] = []
    items = document.data.get("datastores") if isinstance(document.data, Mapping) else None
    for index, item in enumerate(items if isinstance(items, list) else []):
        validation = item.get("validation") if isinstance(item, Mapping) else None
        name = validation.get("expectations") if isinstance(validation, Mapping) else None
        if not isinstance(name, str):
            continue
        loc: Loc = ["datastores", index, "validation", "expectations"]
        path = (document.path.parent / name).resolve()
        if not path.is_relative_to(base):
            problems.append(document.problem(loc, f"{name!r} is outside the catalog's directory; move it beside the service"))
        elif not path.is_file():
            near = [p.relative_to(document.path.parent).as_posix() for p in sorted(document.path.parent.rglob("*.yaml"))]
            problems.append(document.unknown(loc, "file", name, [n for n in near if n != document.path.name]))
        else:
            suite = Document(path, base, None)
            found.append(suite)
            problems.extend(_suite_problems(suite, suite.data))
    return found, problems


def _suite_problems(suite: Document, data: Any) -> Iterator[Problem]:
    """A suite is a mapping of tables to lists of ``{type: expect_…, kwargs: {…}}``."""
    yield from suite.problems
    if suite.problems:
        return
    if not isinstance(data, Mapping):
        yield suite.problem([], "a suite is a mapping of tables to lists of expectations")
        return
    for table, items in data.items():
        if not isinstance(items, list) or not items:
            yield suite.problem([table], "needs a list of expectations (- type: expect_…)")
            continue
        for index, item in enumerate(items):
            if not isinstance(item, Mapping) or set(item) - {"type", "kwargs"} or "type" not in item:
                yield suite.problem([table, index], "an expectation is {type: expect_…, kwargs: {…}}")
            elif not str(item["type"]).startswith("expect_"):
                yield suite.problem([table, index, "type"], f"{item['type']!r} is no expectation; their names begin with expect_")
