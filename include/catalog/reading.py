"""One pass over a catalog directory: every file opened once, read into its model, and every problem kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.catalog.databases import expectation_files
from include.catalog.errors import Problem, Severity
from include.catalog.model import Environment, Platform, Rates, Service, Tenant, Tenants
from include.catalog.schema import service_model, settings_model
from include.catalog.source import Document
from include.catalog.structure import parse
from include.clouds import CLOUDS
from include.values import digest


@dataclass
class Reading:
    """What was read. `unusable` has, by the file's name without ``.yaml``, why a service cannot be used."""

    base: Path
    environ: Mapping[str, str]
    documents: dict[str, Document] = field(default_factory=dict)
    """By file, relative to `base`."""
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

    def found(self, severity: Severity) -> tuple[Problem, ...]:
        """The problems of one severity, each once, by file and line."""
        chosen = {problem for problem in self.problems if problem.severity == severity}
        return tuple(sorted(chosen, key=lambda problem: (problem.file, problem.line, problem.field, problem.what)))

    def revision(self) -> str:
        """The digest of all files that were read, by name."""
        return digest({name: digest(document.raw) for name, document in self.documents.items()})

    def raw_name(self, stem: str) -> str | None:
        """What a service's file calls its service, readable as a service or not."""
        document = self.documents.get(f"services/{stem}.yaml")
        name = document.data.get("service") if document is not None and isinstance(document.data, Mapping) else None
        return name if isinstance(name, str) else None

    def read(self) -> None:
        """Read every file. Only what a single file can tell is checked here."""
        self._read_platform()
        self._read_services()
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
        else:
            self.note([Problem("rates.yaml", 1, "", "is missing: a drill has a price before it runs")])

    def _read_platform(self) -> None:
        path = self.base / "platform.yaml"
        if not path.is_file():
            self.note([Problem("platform.yaml", 1, "", f"is missing in {self.base}; every catalog has one")])
            return
        document = self._open(path)
        self.platform, problems = parse(document, Platform)
        self.note(problems)
        clouds = document.data.get("clouds") if isinstance(document.data, Mapping) else None
        for cloud, entry in (clouds if isinstance(clouds, Mapping) else {}).items():
            written = entry.get("settings") if isinstance(entry, Mapping) else None
            model = settings_model(cloud) if cloud in CLOUDS else None
            if model is None:
                self.settings[cloud] = written or {}
                continue
            self.settings[cloud], problems = parse(document, model, ["clouds", cloud, "settings"], written or {})
            self.note(problems)

    def _read_services(self) -> None:
        for path in self._files("services"):
            document = self._open(path)
            service, problems = parse(document, service_model())
            self.note(problems, path.stem)
            if service is not None:
                self.services[path.stem] = service
            suites, problems = expectation_files(document, self.base)
            self.note(problems, path.stem)
            self.documents.update({suite.file: suite for suite in suites})

    def _read_tenants(self) -> None:
        path = self.base / "tenants.yaml"
        if not path.is_file():
            return
        document = self._open(path)
        found, problems = parse(document, Tenants)
        self.note(problems)
        items = document.data.get("tenants") if isinstance(document.data, Mapping) else None
        if found is not None:
            self.tenants = dict(enumerate(found.tenants))
        elif document.problems or not isinstance(items, list):
            self.broken_tenants["*"] = str(problems[0])
        else:
            for index, item in enumerate(items):
                tenant, problems = parse(document, Tenant, ["tenants", index], item)
                if tenant is not None:
                    self.tenants[index] = tenant
                else:
                    name = item.get("name") if isinstance(item, Mapping) else None
                    self.broken_tenants[str(name or f"tenants[{index}]")] = str(problems[0])

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
