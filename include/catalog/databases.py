"""The checks of a service's databases: where they and their copies are, whose data they hold, what SQL asks of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from include.catalog.errors import Problem
from include.catalog.references import Known, missing, place_problems, repeated
from include.catalog.source import Document, Loc
from include.catalog.sql import objection
from include.catalog.view import View


def datastore_problems(document: Document, service: View, known: Known) -> Iterator[Problem]:
    """Of every datastore of a service."""
    yield from repeated(document, ["datastores"], service.at("datastores"), "datastore")
    tenants = {name: known.tenants[name] for _, name in service.at("tenants").texts() if name in known.tenants}
    regulated = {name: t.at("region").text for name, t in tenants.items() if t.at("class").text == "regulated"}
    for index, item in service.at("datastores").items():
        loc: Loc = ["datastores", index]
        yield from place_problems(document, loc, item, known)
        for name, region in regulated.items():
            if None not in (region, item.at("region").text) and region != item.at("region").text:
                what = f"tenant {name!r} is regulated and its data may be in region {region!r} only"
                yield document.problem([*loc, "region"], what, region)
        yield from _copy_problems(document, loc, item, known)
        yield from _sql_problems(document, loc, item)


def _copy_problems(document: Document, loc: Loc, item: View, known: Known) -> Iterator[Problem]:
    """Copies, where a cloud lists them in the catalog (``backups.copies[].failure_domain``); others find them by looking."""
    place: Loc = [*loc, "backups", "copies"]
    copies = item.at("backups", "copies")
    for index, copy in copies.items():
        yield from missing(
            document, [*place, index, "failure_domain"], "failure domain", copy.at("failure_domain"), known.domains
        )
    regions = (known.clouds or {}).get(item.at("cloud").text or "", {})
    home = regions.get(item.at("region").text or "")
    if home and item.at("backups", "location").text and all(domain == home for _, domain in copies.texts("failure_domain")):
        what = f"no copy outside failure domain {home!r}: when it is lost, so is the backup; add one in another"
        yield document.problem(place if copies.items() else [*loc, "backups"], what, severity="warning")


def _sql_problems(document: Document, loc: Loc, item: View) -> Iterator[Problem]:
    questions = item.at("validation", "questions")
    place: Loc = [*loc, "validation", "questions"]
    yield from repeated(document, place, questions, "question")
    asked: list[tuple[Loc, str | None]] = [([*loc, "business_time"], item.at("business_time").text)]
    asked += [([*place, index, "sql"], sql) for index, sql in questions.texts("sql")]
    for where, sql in asked:
        what = objection(sql) if sql is not None else None
        if what:
            yield document.problem(where, what)


def expectation_files(document: Document, base: Path) -> tuple[list[Document], list[Problem]]:
    """The suites that a service's file names, and what is wrong with them. Reads the file as written, broken or not.

    `base` is resolved: a suite outside it would not be in the catalog's revision, and is refused.
    """
    found: list[Document] = []
    problems: list[Problem] = []
    folder = document.path.parent
    for index, item in View(document.data).at("datastores").items():
        name = item.at("validation", "expectations").text
        if name is None:
            continue
        loc: Loc = ["datastores", index, "validation", "expectations"]
        path = (folder / name).resolve()
        if not path.is_relative_to(base):
            problems.append(document.problem(loc, f"{name!r} is outside the catalog's directory; move it beside the service"))
        elif not path.is_file():
            near = [other.relative_to(folder).as_posix() for other in folder.rglob("*.yaml") if other != document.path]
            problems.append(document.unknown(loc, "file", name, near))
        else:
            found.append(Document(path, base, None))
            problems.extend(_suite_problems(found[-1]))
    return found, problems


def _suite_problems(suite: Document) -> Iterator[Problem]:
    """A suite is a mapping of tables to lists of ``{type: expect_…, kwargs: {…}}``."""
    yield from suite.problems
    tables = View(suite.data).fields()
    if not tables and not suite.problems:
        yield suite.problem([], "a suite is a mapping of tables to lists of expectations")
    for table, expectations in tables.items():
        if not expectations.items():
            yield suite.problem([table], "needs a list of expectations (- type: expect_…)")
        for index, item in expectations.items():
            kind = item.at("type").text
            if kind is None or set(item.fields()) - {"type", "kwargs"}:
                yield suite.problem([table, index], "an expectation is {type: expect_…, kwargs: {…}}")
            elif not kind.startswith("expect_"):
                yield suite.problem([table, index, "type"], f"{kind!r} is no expectation; their names begin with expect_")
