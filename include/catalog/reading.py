"""One pass over a catalog directory: every file opened once, read into its model, and every problem kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from include.catalog.databases import expectation_files
from include.catalog.errors import Problem, Severity
from include.catalog.model import Environment, Platform, Rates, Service, Tenant, Tenants
from include.catalog.references import Known
from include.catalog.schema import service_model, settings_model
from include.catalog.source import Document
from include.catalog.structure import parse
from include.catalog.view import View
from include.clouds import CLOUDS
from include.values import digest

Checking = Callable[[Document, View, Known], Iterable[Problem]]


@dataclass
class Reading:
    """What was read. `unusable` has, by the file's name without ``.yaml``, why a service cannot be used."""

    base: Path
    environ: Mapping[str, str]
    documents: dict[str, Document] = field(default_factory=dict)
    """By file, relative to `base`."""
    suites: dict[str, Document] = field(default_factory=dict)
    """Expectations, likewise."""
    problems: list[Problem] = field(default_factory=list)
    unusable: dict[str, list[Problem]] = field(default_factory=dict)
    platform: Platform | None = None
    services: dict[str, Service] = field(default_factory=dict)
    """The readable ones, by the file's name without ``.yaml``."""
    tenants: dict[int, Tenant] = field(default_factory=dict)
    """The readable ones, by their place in tenants.yaml."""
    broken_tenants: dict[str, str] = field(default_factory=dict)
    """Where it is said that a tenant cannot be used; ``*``: the whole file."""
    environments: dict[str, Environment] = field(default_factory=dict)
    """The readable ones, by the file's name without ``.yaml``."""
    rates: Rates | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def note(self, problems: Iterable[Problem], stem: str | None = None) -> None:
        """Keep problems; an error noted for a `stem` makes that service unusable."""
        new = list(problems)
        self.problems.extend(new)
        errors = [problem for problem in new if problem.severity == "error"]
        if stem is not None and errors:
            self.unusable.setdefault(stem, []).extend(errors)

    def refer(self, file: str, check: Checking, known: Known, stem: str | None = None) -> None:
        """Run a check of names over a file as it is written; where a field is wrong in itself, no more is said of it."""
        document = self.documents[file]
        wrong = {problem.field for problem in self.problems if problem.file == file}
        self.note((p for p in check(document, View(document.data), known) if p.field not in wrong), stem)

    def data(self, file: str) -> Any:
        """What a file says, or None."""
        return self.documents[file].data if file in self.documents else None

    def stems(self, folder: str) -> list[str]:
        """The names, without ``.yaml``, of the files read from a folder."""
        return [d.path.stem for d in self.documents.values() if d.path.parent == self.base / folder]

    def found(self, severity: Severity) -> tuple[Problem, ...]:
        """The problems of one severity, each once, by file and line."""
        chosen = {problem for problem in self.problems if problem.severity == severity}
        return tuple(sorted(chosen, key=lambda problem: (problem.file, problem.line, problem.field, problem.what)))

    def revision(self) -> str:
        """The digest of all files that were read, by name."""
        return digest({name: digest(document.raw) for name, document in {**self.documents, **self.suites}.items()})

    def raw_name(self, stem: str) -> str | None:
        """What a service's file calls its service, readable as a service or not."""
        return View(self.data(f"services/{stem}.yaml")).at("service").text

    def read(self) -> None:
        """Read every file. Only what a single file can tell is checked here."""
        self._read_platform()
        self._read_services()
        self._read_clouds()
        self._read_tenants()
        for path in self._files("environments"):
            environment, problems = parse(self._open(path), Environment)
            self.note(problems)
            if environment is not None:
                self.environments[path.stem] = environment
        path = self.base / "rates.yaml"
        if path.is_file():
            self.rates, problems = parse(self._open(path), Rates)
            self.note(problems)
        elif self._used():
            self.note([Problem("rates.yaml", 1, "", "is missing: a drill has a price before it runs")])
        else:
            what = "is missing: what sleep saves cannot be forecast, only settled from the bill"
            self.note([Problem("rates.yaml", 1, "", what, severity="warning")])

    def _read_platform(self) -> None:
        path = self.base / "platform.yaml"
        if not path.is_file():
            self.note([Problem("platform.yaml", 1, "", f"is missing in {self.base}; every catalog has one")])
            return
        document = self._open(path)
        self.platform, problems = parse(document, Platform)
        self.note(problems)

    def _used(self) -> set[str]:
        """The clouds that databases are restored on."""
        return {item.cloud for service in self.services.values() for item in service.datastores}

    def _read_clouds(self) -> None:
        """The clouds' settings. They are about restores: a cloud without databases may be given none, if it needs any."""
        document, used = self.documents.get("platform.yaml"), self._used()
        for cloud, entry in View(document.data).at("clouds").fields().items() if document is not None else ():
            self.settings[cloud] = entry.at("settings").value or {}
            model = settings_model(cloud) if cloud in CLOUDS else None
            if document is not None and model is not None and (self.settings[cloud] or cloud in used or not _needs(model)):
                self._read_settings(document, cloud, entry, model)

    def _read_settings(self, document: Document, cloud: str, entry: View, model: type[BaseModel]) -> None:
        """A cloud's settings in its room's model. A room that asks for `failure_domains` gets those of the regions.

        Regions are said once, in platform.yaml: two answers to what fails together would count a copy that is none.
        """
        written, place = self.settings[cloud], ("clouds", cloud, "settings")
        if "failure_domains" in model.model_fields and isinstance(written, Mapping):
            regions = {r.at("name").text or "": r.at("failure_domain").text or "" for _, r in entry.at("regions").items()}
            for region, domain in View(written).at("failure_domains").fields().items():
                if regions.get(region) != domain.text:
                    what = f"the regions above say {regions.get(region)!r} for {region!r}; leave it out, it is taken from there"
                    self.note([document.problem([*place, "failure_domains", region], what)])
            written = {**written, "failure_domains": regions}
        self.settings[cloud], problems = parse(document, model, place, written)
        self.note(problems)
        if self.platform is not None and isinstance(written, Mapping):
            declared = self.platform.clouds[cloud].model_copy(update={"settings": dict(written)})
            self.platform = self.platform.model_copy(update={"clouds": {**self.platform.clouds, cloud: declared}})

    def _read_services(self) -> None:
        for path in self._files("services"):
            document = self._open(path)
            service, problems = parse(document, service_model())
            self.note(problems, path.stem)
            if service is not None:
                self.services[path.stem] = service
            suites, problems = expectation_files(document, self.base)
            self.note(problems, path.stem)
            self.suites.update({suite.file: suite for suite in suites})

    def _read_tenants(self) -> None:
        path = self.base / "tenants.yaml"
        if not path.is_file():
            return
        document = self._open(path)
        found, problems = parse(document, Tenants)
        self.note(problems)
        items = View(document.data).at("tenants").items()
        if found is not None:
            self.tenants = dict(enumerate(found.tenants))
        elif document.problems or not items:
            self.broken_tenants["*"] = problems[0].place
        else:
            for index, item in items:
                tenant, problems = parse(document, Tenant, ["tenants", index], item.value)
                if tenant is not None:
                    self.tenants[index] = tenant
                else:
                    self.broken_tenants[item.at("name").text or f"tenants[{index}]"] = problems[0].place

    def _open(self, path: Path) -> Document:
        document = Document(path, self.base, self.environ)
        self.documents[document.file] = document
        return document

    def _files(self, folder: str) -> list[Path]:
        """The YAML files of a folder, by name. One that looks like it but would be overlooked is a problem."""
        found = []
        for path in sorted((self.base / folder).glob("[!.]*")):
            if path.is_dir() or path.name.endswith(".expectations.yaml"):
                continue
            if path.suffix == ".yaml":
                found.append(path)
            elif path.suffix in (".yml", ".json"):
                problem = Problem(path.relative_to(self.base).as_posix(), 1, "", f"is not read; rename it to {path.stem}.yaml")
                self.note([problem], path.stem if folder == "services" else None)
        return found


def _needs(model: type[BaseModel]) -> bool:
    """Whether a cloud's settings have fields without a default."""
    return any(field.is_required() for field in model.model_fields.values())
