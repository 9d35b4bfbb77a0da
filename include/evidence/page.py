"""The readiness page: one file with everything in it, that opens from a disk without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from include.evidence.readiness_model import Readiness

TEMPLATES = Path(__file__).parent / "templates"


def page(report: Readiness) -> str:
    """The page as HTML. It carries instants, not ages: its script computes those, and what is stale, when it is opened."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("readiness.html.j2").render(
        report=report,
        css=(TEMPLATES / "readiness.css").read_text(),
        script=(TEMPLATES / "readiness.js").read_text(),
        data=_embedded(payload(report)),
    )


def payload(report: Readiness) -> dict[str, Any]:
    """The report as the page's script reads it: the trend as triples (unix seconds, verdict, RTO seconds)."""
    data = report.model_dump(mode="json", exclude={"services": {"__all__": {"datastores": {"__all__": {"trend"}}}}})
    for service, shown in zip(report.services, data["services"], strict=True):
        for datastore, line in zip(service.datastores, shown["datastores"], strict=True):
            line["trend"] = [[int(point.at.timestamp()), point.verdict, _short(point.rto_seconds)] for point in datastore.trend]
    return data


def _short(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _embedded(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in, whatever a check's detail says."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
