"""``costs.yaml`` of a platform directory: tags, declared keys, rates, contacts. Every error names its line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from include.catalog.entry import Entry


class TagKeys(Entry):
    """Names of tags, most trusted first; ``team``, ``user:team`` and ``user_team`` are the same tag."""

    service: tuple[str, ...] = ("service", "app", "application")
    environment: tuple[str, ...] = ("environment", "env")
    tenant: tuple[str, ...] = ("tenant", "customer")
    owner: tuple[str, ...] = ("owner", "team")
    destination: tuple[str, ...] = ("transfer-destination",)
    """Where a resource sends its data: ``CLOUD/REGION``. Another cloud of the catalog makes its egress cross-cloud."""
    drill: tuple[str, ...] = ("drillyard:lease", "drillyard-lease", "drillyard-drill")
    """Set on what restore drills create: the drill's id."""


class Owned(Entry):
    """What belongs to a service although it carries no tag. Globs: ``*`` and ``?``."""

    service: str
    environment: str | None = None
    accounts: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> Owned:
        if not self.accounts and not self.resources:
            raise ValueError("names neither accounts nor resources, so it can never match; add one")
        return self


class SharedPart(Entry):
    """A cost that several services or tenants cause together, and the declared key that splits it."""

    name: str
    accounts: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """Values of the service tag that mean this part, such as ``shared-network``."""
    key: str
    """A key of the keys file: orders, requests, bytes."""


class Destination(Entry):
    """Where traffic of a service or an account goes, when the bill cannot say it."""

    service: str | None = None
    account: str | None = None
    classes: tuple[str, ...] = ("internet_egress", "vpn_direct_connect", "peering")
    to: str
    """``CLOUD/REGION``, with the cloud's name in the catalog."""
    share: Decimal = Field(default=Decimal(1), gt=0, le=1)


class Mail(Entry):
    """The mail server that sends reports to finance."""

    host: str = "127.0.0.1"
    port: int = 25
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    connection: str | None = None
    """A connection id (type smtp) with host, login and password; it wins over host and port."""
    starttls: bool = False


class CostSettings(Entry):
    """costs.yaml."""

    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    """Currency of the report. None: currencies are kept apart."""
    tags: TagKeys = TagKeys()
    owned: tuple[Owned, ...] = ()
    shared: tuple[SharedPart, ...] = ()
    destinations: tuple[Destination, ...] = ()
    keys: str | None = None
    """CSV, relative to costs.yaml: month, key, kind (service or tenant), name, weight."""
    revenue: str | None = None
    """CSV, relative to costs.yaml: month, tenant, currency, revenue."""
    rates: str | None = None
    """CSV, relative to costs.yaml: month, from, to, rate, source."""
    storage: dict[str, str] = Field(default_factory=dict)
    """Scheme of a billing URL (``s3``, ``gs``, ``abfs``) to the connection with fsspec's ``storage_options`` in its extra."""
    measured: str | None = None
    """CSV, relative to costs.yaml: savings and drill costs measured elsewhere, see `include.costs.measured`."""
    providers: dict[str, str] = Field(default_factory=lambda: {"aws": "AWS", "google": "Google Cloud", "azure": "Microsoft"})
    """Cloud of the catalog to ProviderName of the bill."""
    finance: tuple[str, ...] = ()
    """People of platform.yaml, or e-mail addresses."""
    mail: Mail | None = None
    list_price_tolerance: Decimal = Decimal("0.05")
    anomaly_factor: Decimal = Decimal("3")
    anomaly_least: Decimal = Decimal("10")
    """Anomalies below this amount a day are not reported."""


class CostsError(ValueError):
    """Something in the platform's cost files is wrong; the message says file, line, field and what to do."""


def load_settings(directory: Path) -> CostSettings:
    """Read ``costs.yaml``; defaults when the directory has none. Raises CostsError with the line of each fault."""
    path = directory / "costs.yaml"
    if not path.exists():
        return CostSettings()
    text = path.read_text(encoding="utf-8")
    try:
        raw = yaml.safe_load(text) or {}
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise CostsError(f"{path}, line {line}: not YAML: {getattr(fault, 'problem', fault)}") from fault
    if not isinstance(raw, dict):
        raise CostsError(f"{path}, line 1: a mapping is expected, such as `currency: EUR`")
    try:
        return CostSettings.model_validate(raw)
    except ValidationError as fault:
        node = yaml.compose(text)
        lines = [
            f"{path}, line {_line(node, e['loc'])}, field {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in fault.errors()
        ]
        raise CostsError("\n".join(lines)) from fault


def _line(node: Any, location: tuple[Any, ...]) -> int:
    line = 1 if node is None else node.start_mark.line + 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == step), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            return line
    return line
