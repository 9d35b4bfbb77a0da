"""A drill's journal: what happened, in order, kept in the ledger so that a killed drill tells its story to the next try."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.evidence.record import Phase
from include.recovery.model import Check, PlanItem, RecoveryPoint
from include.values import utcnow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.ledger import Ledger


class Journal:
    """The journal of one drill. Every `note` with a key is written once however often it is repeated."""

    def __init__(self, ledger: Ledger, item: PlanItem, clock: Callable[[], datetime] = utcnow) -> None:
        self.ledger, self.item, self.clock = ledger, item, clock

    def note(self, event: str, body: dict[str, Any] | None = None, key: str | None = None) -> None:
        """Append one event. With a key, the first one stays."""
        self.ledger.append(self.item.drill_id, event, self.clock(), body or {}, key=key)

    def events(self, event: str) -> list[tuple[datetime, dict[str, Any]]]:
        """The events of one kind with their instants, oldest first."""
        return [(entry.at, entry.body) for entry in self.ledger.journal(self.item.drill_id) if entry.event == event]

    def first(self, event: str) -> tuple[datetime, dict[str, Any]] | None:
        return next(iter(self.events(event)), None)

    @contextmanager
    def phase(self, name: str, note: str = "", *, once: bool = False) -> Iterator[None]:
        """Time a phase. One that is cut off (killed, raised) keeps its beginning and has no end; what was raised is noted.

        `once`: repeated until it is through, it is one phase from its first try on.
        """
        self.note("phase-started", {"phase": name, "note": note}, key=f"phase-started {name}" if once else None)
        try:
            yield
        except Exception as error:
            with suppress(Exception):  # a ledger that fails too must not hide what failed first
                self.note("phase-broken", {"phase": name, "why": f"{type(error).__name__}: {error}".splitlines()[0]})
            raise
        self.note("phase-ended", {"phase": name})

    def broken(self) -> str:
        """The phase that was raised out of last, and with what; empty when none was."""
        raised = self.events("phase-broken")
        return f"{raised[-1][1]['phase']} broke off with {raised[-1][1]['why']}" if raised else ""

    def phases(self) -> tuple[Phase, ...]:
        """Every phase in order; a second try of one appears again."""
        phases: list[Phase] = []
        for entry in self.ledger.journal(self.item.drill_id):
            if entry.event == "phase-started":
                phases.append(Phase(name=entry.body["phase"], started=entry.at, note=entry.body.get("note", "")))
            elif entry.event == "phase-ended":
                for index in range(len(phases) - 1, -1, -1):
                    if phases[index].name == entry.body["phase"] and phases[index].ended is None:
                        phases[index] = phases[index].model_copy(update={"ended": entry.at})
                        break
        return tuple(phases)

    def add_checks(self, checks: Sequence[Check]) -> None:
        """Append what a layer found, all of it or nothing: a killed drill makes the whole layer's checks again."""
        self.ledger.append_all(self.item.drill_id, "check", self.clock(), [check.model_dump(mode="json") for check in checks])

    def checks(self) -> tuple[Check, ...]:
        """The newest outcome of every check, in the order in which they first appeared."""
        newest: dict[str, Check] = {}
        for _, body in self.events("check"):
            check = Check.model_validate(body)
            newest[check.name] = check
        return tuple(newest.values())

    def point(self) -> RecoveryPoint | None:
        chosen = self.events("point")
        return RecoveryPoint.model_validate(chosen[-1][1]) if chosen else None
