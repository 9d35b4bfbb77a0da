"""Gather the evidence of a period and write it down: CSV for tools, one page for people, a manifest that proves both."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.audit.controls import CONTROLS
from include.audit.model import Audit, ChainLine, DrillLine, VerificationLine, Waiver
from include.audit.periods import Past, drill_lines, verification_line
from include.audit.waivers import waivers_in
from include.evidence.record import DrillRecord, LeaseRecord, NoteRecord, Record, VerificationRecord
from include.values import Frozen, canonical_json, digest

if TYPE_CHECKING:
    from include.catalog.loaded import Loaded
    from include.evidence.store import Store
    from include.ledger.model import Anchor

HELD = "drill-held"
_ORDER = {"missed": 0, "waived": 1, "held": 2, "done": 3}


def audit(
    loaded: Loaded, stores: Sequence[Store], anchor: Anchor | None, since: datetime, until: datetime, now: datetime
) -> Audit:
    """The export's content, read from the first store that answers; every store is verified whole.

    Raises StoreDown when none answers, ValueError when the period is empty.
    """
    from include.evidence.chain import verify_stores

    if until <= since:
        raise ValueError(f"the period ends ({until.isoformat()}) before it begins ({since.isoformat()})")
    store, records, unreadable = _read(stores)
    looks = verify_stores(stores, loaded.catalog.platform.trusted_keys, anchor)
    urls = {one.name: one.url for one in loaded.catalog.platform.evidence}
    pasts = gather(loaded, records)
    sealed = _sealed_in(store)
    lines = [
        line.model_copy(update={"sealed_in": sealed.get(line.path)})
        for past in pasts
        for line in drill_lines(past, since, until, now)
    ]
    return Audit(
        platform=loaded.catalog.platform.name,
        since=since,
        until=until,
        made_at=now,
        catalog_revision=loaded.revision,
        read_from=store.name,
        anchor=str(anchor) if anchor else "",
        chain=tuple(
            ChainLine(
                store=look.store,
                url=urls.get(look.store, look.store),
                word=look.seal,
                head=str(look.head) if look.head else "",
                links=look.links,
                records=look.records,
                findings=tuple(f"{one.kind} {one.where}: {one.detail}" for one in look.findings)[:50],
            )
            for look in looks
        ),
        unreadable=(
            *(f"{path}: {why}" for path, why in sorted(unreadable.items())),
            *(f"service {name}: {why}" for name, why in sorted(loaded.broken.items())),
        ),
        drills=tuple(lines),
        verifications=tuple(verification_line(past, since, until, now) for past in pasts),
        waivers=tuple(one for one in waivers_in(records) if one.since < until and one.until > since),
        controls=CONTROLS,
    )


def gather(loaded: Loaded, records: Iterable[Record]) -> list[Past]:
    """What the evidence says of each datastore of the catalog."""
    found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    first: dict[str, datetime] = {}
    ordered = sorted(records, key=lambda one: one.record_id)
    for record in ordered:
        subject = _subject(record)
        if subject is not None:
            first.setdefault(subject, record.written_at)
        match record:
            case DrillRecord():
                found[record.service + "/" + record.datastore]["drills"].append(record)
            case VerificationRecord() if not record.canary:
                found[record.service + "/" + record.datastore]["verifications"].append(record)
            case NoteRecord() if record.event == HELD:
                found[record.subject]["held"].append(record)
    waivers = waivers_in(ordered)
    pasts = []
    for name, (service, datastore) in sorted(loaded.catalog.datastores().items()):
        kept = found[name]
        pasts.append(
            Past(
                service=service.service,
                datastore=datastore.name,
                tier=service.tier,
                drills=sorted(kept["drills"], key=lambda one: one.decided_at),
                held=kept["held"],
                verifications=kept["verifications"],
                waivers=waivers,
                known_from=first.get(name),
                targets=loaded.catalog.platform.tiers[service.tier],
            )
        )
    return pasts


def write(content: Audit, out: Path) -> str:
    """Write the files of an export; answers the digest of its content.

    ``manifest.json`` holds that digest, the chain's verification and the SHA-256 of each file.
    """
    out.mkdir(parents=True, exist_ok=True)
    told = digest(content)
    drills = sorted(content.drills, key=lambda one: (_ORDER[one.outcome], one.service, one.datastore, one.first_night))
    files = {
        "drills.csv": _csv(DrillLine, drills),
        "verifications.csv": _csv(VerificationLine, content.verifications),
        "waivers.csv": _csv(Waiver, content.waivers),
        "controls.csv": _csv(type(CONTROLS[0]), content.controls),
        "audit.json": canonical_json(content),
        "audit.html": _page(content, drills, told).encode(),
    }
    manifest = {
        "content_digest": told,
        "platform": content.platform,
        "since": content.since.isoformat(),
        "until": content.until.isoformat(),
        "made_at": content.made_at.isoformat(),
        "chain": [one.model_dump(mode="json") for one in content.chain],
        "anchor": content.anchor,
        "sha256": {name: digest(data) for name, data in files.items()},
    }
    for name, data in (*files.items(), ("manifest.json", canonical_json(manifest))):
        (out / name).write_bytes(data)
    return told


def _read(stores: Sequence[Store]) -> tuple[Store, list[Record], dict[str, str]]:
    from include.evidence.store import StoreDown

    down: StoreDown | None = None
    for store in stores:
        unreadable: dict[str, str] = {}
        try:
            return store, list(store.records(unreadable=unreadable)), unreadable
        except StoreDown as error:
            down = error
    raise down or ValueError("no evidence store is given")


def _sealed_in(store: Store) -> dict[str, int]:
    """The number of the link that names each record."""
    from include.evidence.links import link_numbers, parse_link
    from include.evidence.naming import link_path

    found = {}
    for seq in link_numbers(store):
        link, _ = parse_link(store.read(link_path(seq)), seq)
        for entry in link.entries if link else ():
            found[entry.path] = seq
    return found


def _subject(record: Record) -> str | None:
    match record:
        case DrillRecord() | VerificationRecord():
            return f"{record.service}/{record.datastore}"
        case LeaseRecord():
            return f"{record.lease.service}/{record.lease.datastore}"
        case NoteRecord():
            return record.subject if record.event == HELD else None
    return None


def _csv(model: type[Frozen], lines: Iterable[Frozen]) -> bytes:
    """Comma-separated, with a header; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(model.model_fields), lineterminator="\r\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({name: _cell(value) for name, value in line.model_dump(mode="json").items()})
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _page(content: Audit, drills: Sequence[DrillLine], told: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from include.evidence.page import TEMPLATES
    from include.evidence.wording import brief

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html.j2").render(
        audit=content,
        drills=drills,
        tiers=sorted({line.tier for line in content.drills}),
        css=(TEMPLATES / "readiness.css").read_text(),
        content_digest=told,
        brief=brief,
    )
