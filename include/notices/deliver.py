"""Handing messages over: mail by SMTP, chat and paging by Apprise. Each is accepted or its failure is told; never half."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from include.connections import ConnectionInfo, Connections, from_environment
from include.notices.model import Notice, Via

SMTP_CONNECTION = "drillyard_smtp"
"""As Airflow's SMTP provider has it: host, port, login, password; extra ``from_email``, ``disable_ssl``, ``disable_tls``."""
TIMEOUT = 30.0
BEHIND = "waits behind an earlier message"

Accepted = Callable[[Notice], None]


def deliver(
    messages: Iterable[Notice], connections: Connections = from_environment, accepted: Accepted = lambda _: None
) -> dict[str, str]:
    """Hand every message over, in order; answers why, by its key, each that was not taken. Raises nothing for those.

    `accepted` is called as soon as the mail server or the service has taken a message: note it there, so that a crash
    doubles at most the one in flight. One recipient's failure stops no other, and lets no later message to it overtake.
    """
    failures: dict[str, str] = {}
    given = list(messages)
    for via, way in _WAYS.items():
        mine = [one for one in given if one.via == via]
        if mine:
            failures |= way(mine, connections, accepted)
    return failures


# ---- SMTP ----------------------------------------------------------------------------------------------------------


def _by_mail(messages: Sequence[Notice], connections: Connections, accepted: Accepted) -> dict[str, str]:
    """All over one session. A refused address is that message's failure; a lost session is that of all that are left."""
    failures: dict[str, str] = {}
    stuck, left = set[str](), list(messages)
    try:
        info = connections(SMTP_CONNECTION)
        sender = _sender(info)
        with _session(info) as server:
            while left:
                one = left[0]
                refusal = BEHIND if one.to in stuck else _refusal(server, one, sender)
                if refusal is None:
                    accepted(one)
                else:
                    stuck.add(one.to)
                    failures[one.key] = f"{one.to}: {refusal}"
                left.pop(0)
    except (OSError, smtplib.SMTPException, LookupError, ValueError) as error:
        failures |= {one.key: f"{one.to}: mail cannot be sent: {error}" for one in left}
    return failures


def _refusal(server: smtplib.SMTP, one: Notice, sender: str) -> str | None:
    """Hand one over; the server's words when it refuses this one. A session that is lost raises."""
    try:
        server.send_message(compose(one, sender), from_addr=sender, to_addrs=[one.to])
    except smtplib.SMTPRecipientsRefused as refused:
        return "; ".join(f"{code} {_text(why)}" for code, why in refused.recipients.values())
    except smtplib.SMTPResponseException as refused:
        return f"{refused.smtp_code} {_text(refused.smtp_error)}"
    return None


def compose(notice: Notice, sender: str) -> EmailMessage:
    """The mail, with a Message-ID that is the same at every attempt."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(notice.title.split())
    mail["From"] = sender
    mail["To"] = notice.to
    mail["Date"] = format_datetime(notice.decided_at)
    mail["Message-ID"] = f"<{notice.key}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    if notice.severity == "failure":
        mail["Importance"] = "high"
    mail.set_content(notice.body)
    return mail


def _sender(info: ConnectionInfo) -> str:
    sender = info.extra.get("from_email") or info.login or ""
    if "@" not in sender:
        raise ValueError(f"connection {info.conn_id!r} names no sender: give its extra field from_email an e-mail address")
    return str(sender)


def _session(info: ConnectionInfo) -> smtplib.SMTP:
    """Encrypted unless the connection says otherwise, as in Airflow: TLS from the start, or STARTTLS with ``disable_ssl``."""
    plain, context = bool(info.extra.get("disable_ssl")), ssl.create_default_context()
    timeout = float(info.extra.get("timeout") or TIMEOUT)
    host = info.host or "localhost"
    if not plain:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, info.port or 465, timeout=timeout, context=context)
    else:
        server = smtplib.SMTP(host, info.port or 587, timeout=timeout)
    try:
        if plain and not info.extra.get("disable_tls"):
            server.starttls(context=context)
        if info.login and info.password:
            server.login(info.login, info.password)
    except BaseException:
        server.close()
        raise
    return server


def _text(said: Any) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


# ---- Apprise -------------------------------------------------------------------------------------------------------


def _by_apprise(messages: Sequence[Notice], connections: Connections, accepted: Accepted) -> dict[str, str]:
    """One call a message. Apprise's own words on a failure may hold the URL with its token, so they are not passed on."""
    import apprise

    failures: dict[str, str] = {}
    stuck = set[str]()
    for one in messages:
        refusal = BEHIND if one.to in stuck else _not_taken(apprise.Apprise(), one, connections)
        if refusal is None:
            accepted(one)
        else:
            stuck.add(one.to)
            failures[one.key] = f"{one.to}: {refusal}"
    return failures


def _not_taken(target: Any, one: Notice, connections: Connections) -> str | None:
    """Hand one over; why it was not taken."""
    try:
        for path, tag in _urls(connections(one.to)):
            if not target.add(path, tag=tag):
                return "its connection holds a URL that Apprise does not know"
        taken = target.notify(body=f"{one.body}\n(message {one.key[:12]})", title=one.title, notify_type=one.severity)
    except (LookupError, ValueError, OSError) as error:
        return str(error)
    return None if taken else "the service did not take the message; its answer is in Apprise's log"


def _urls(info: ConnectionInfo) -> list[tuple[str, str]]:
    """URL and tag of each target, as Airflow's Apprise provider keeps them: extra ``config``, one or a list of them."""
    config = info.extra.get("config")
    if isinstance(config, str):
        import json

        with suppress(ValueError):
            config = json.loads(config)
    entries = config if isinstance(config, list) else [config]
    found = [
        (str(entry["path"]), str(entry.get("tag", ""))) for entry in entries if isinstance(entry, dict) and entry.get("path")
    ]
    if not found:
        raise ValueError(f'connection {info.conn_id!r} holds no Apprise URL: its extra must be {{"config": {{"path": "URL"}}}}')
    return found


_WAYS: dict[Via, Callable[[Sequence[Notice], Connections, Accepted], dict[str, str]]] = {
    "smtp": _by_mail,
    "apprise": _by_apprise,
}
