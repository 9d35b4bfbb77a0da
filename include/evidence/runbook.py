"""The runbook of a cold kit: what to restore in which order, with which command, who is told and who decides. Text and page."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from include.evidence import keys
from include.evidence.packing import domains
from include.evidence.page import TEMPLATES
from include.values import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Environment

    from include.evidence.kit import Kit, KitService


def as_text(kit: Kit, service: str | None = None) -> str:
    """Markdown: readable as it is, on a terminal and on paper. With `service`: that service and all that it needs.

    Raises LookupError for a service that the kit does not know.
    """
    return _render("runbook.md.j2", kit, service)


def as_page(kit: Kit, service: str | None = None) -> str:
    """One self-contained HTML file, for a screen without a network and for the printer."""
    return _render("runbook.html.j2", kit, service)


def needed(kit: Kit, service: str) -> list[KitService]:
    """A service with everything that it depends on, in the order of recovery. Raises LookupError naming what is there."""
    by_name = {one.service: one for one in kit.services}
    if service not in by_name:
        known = ", ".join(sorted(by_name))
        raise LookupError(f"kit {kit.kit_id} has no service {service!r}; it knows: {known}")
    found, rest = set[str](), [service]
    while rest:
        name = rest.pop()
        if name in by_name and name not in found:
            found.add(name)
            rest += by_name[name].depends_on
    return [one for one in kit.services if one.service in found]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"minute": minute, "long": long, "gigabytes": gigabytes}
    return made


def _render(template: str, kit: Kit, service: str | None) -> str:
    services = list(kit.services) if service is None else needed(kit, service)
    return (
        _environment()
        .get_template(template)
        .render(
            kit=kit,
            only=service,
            services=services,
            waves=[(number, list(group)) for number, group in groupby(services, key=lambda one: one.wave)],
            expected=expected,
            domains=domains,
            key_ids=[keys.key_id(key) for key in kit.trusted_keys],
            majors=sorted({one.engine_version for each in services for one in each.datastores if one.engine_version}),
            machine=machine_variables(kit),
            connections=[one for one in kit.connections if service is None or _used_by(one.used_for, services)],
        )
    )


def _used_by(used_for: str, services: Iterable[KitService]) -> bool:
    of_services = "backups of " in used_for
    return not of_services or any(f"backups of {one.service}/" in used_for for one in services)


def machine_variables(kit: Kit) -> dict[str, str]:
    """The variables of the catalog with the values that they had: whichever differ on the recovering machine are set there."""
    return {**kit.variables, **dict.fromkeys(kit.withheld, "(withheld: it looks like a secret; set it)")}


def expected(service: KitService) -> str:
    """How long a service's own restore takes, as it was measured."""
    if not service.datastores:
        return "nothing to restore"
    times = [one.rto_measured for one in service.datastores]
    known = [one for one in times if one is not None]
    return long(sum(known, timedelta(0))) if len(known) == len(times) else "never measured"


def minute(at: datetime | None) -> str:
    """An instant as people write it."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "never"


def long(time: timedelta | None) -> str:
    """A duration to the second, upwards: ``1h30m``."""
    if time is None:
        return "never measured"
    return format_duration(timedelta(seconds=max(1, -(-time // timedelta(seconds=1)))))


def gigabytes(size: Any) -> str:
    """Bytes as a person reads them."""
    return "size not told" if size is None else f"{size / 10**9:.2f} GB"
