"""E-mail to finance, with the pictures inside it: standard library only."""

from __future__ import annotations

import smtplib
import ssl
from datetime import datetime
from decimal import Decimal
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from include.connections import Connections
from include.costs import pictures
from include.costs.settings import Mail

if TYPE_CHECKING:
    from include.costs.view import View

TIMEOUT = 30


def compose(view: View, mail: Mail, addresses: tuple[str, ...], workbook: Path, *, now: datetime) -> EmailMessage:
    """The message: text for every reader, HTML with the flow and the trend, the workbook attached."""
    message = EmailMessage()
    state = view.state.state if view.state else "several months"
    message["Subject"] = f"Transfer costs {view.title} ({state})"
    message["From"] = mail.sender
    message["To"] = ", ".join(addresses)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=mail.sender.split("@")[1])
    lines = [
        f"{provider}: {pictures.shown(Decimal(amount))} {currency} billed"
        for provider, parts in view.totals["billed_cost"].items()
        for currency, amount in parts.items()
    ]
    top = [f"{f.title}: {pictures.shown(f.amount)} {f.currency} ({f.confidence})" for f in view.findings[:5]]
    aside = view.totals["quarantined"]
    if aside["files"] or aside["row_count"]:
        lines.append(f"Quarantined, not in these numbers: {len(aside['files'])} files, {aside['row_count']} rows.")
    message.set_content("\n".join([f"Transfer costs {view.title}, {state}", "", *lines, "", "Findings:", *(top or ["none"])]))
    shown = [(make_msgid(domain="drillyard"), svg) for svg in (view.flow_picture(), view.trend_picture()) if svg]
    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    body += "".join(f"<p><img src='cid:{cid[1:-1]}' alt='Transfer cost' width='760'></p>" for cid, _ in shown)
    body += "<p><b>Findings</b></p>" + "".join(f"<p>{escape(line)}</p>" for line in top or ["none"])
    message.add_alternative(
        f"<html><body><h2>Transfer costs {escape(view.title)}, {state}</h2>{body}</body></html>", subtype="html"
    )
    rich = message.get_payload()[1]  # type: ignore[index]
    for cid, svg in shown:
        rich.add_related(pictures.png(svg), "image", "png", cid=cid)  # type: ignore[union-attr]
    kind = "vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    message.add_attachment(
        workbook.read_bytes(), maintype="application", subtype=kind, filename=f"transfer-costs-{view.title}.xlsx"
    )
    return message


def send(message: EmailMessage, mail: Mail, connections: Connections) -> None:
    """Hand the message to the mail server. Raises OSError or SMTPException; a report never fails for it (the caller notes it)."""
    host, port, login, password = mail.host, mail.port, None, None
    if mail.connection:
        known = connections(mail.connection)
        host, port, login, password = known.host or host, known.port or port, known.login, known.password
    with smtplib.SMTP(host, port, timeout=TIMEOUT) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if login and password:
            server.login(login, password)
        server.send_message(message)
