"""What suspension keeps in the ledger: former states (written once), what is remembered of each resource, people's wishes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ARRAY, Connection, Table, and_, bindparam, cast, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import Insert, insert

from include.evidence.record import SuspensionRecord, Woken
from include.ledger.tables import former_states, sleepers, wishes
from include.suspension.decision import Memory, Phase, Wish
from include.suspension.model import Batch, FormerState
from include.values import canonical_json

if TYPE_CHECKING:
    from include.ledger.ledger import Ledger


class Sleep(NamedTuple):
    """One sleep of one resource, from its former state to its being up again (None: it still sleeps)."""

    former: FormerState
    woken_at: datetime | None
    exact: bool | None


def place_of(key: str) -> str:
    """``cloud/account/region`` of a resource's key."""
    return "/".join(key.split("/")[:3])


class Sleeps:
    """The ledger's part for suspension. Every change is one transaction and may be repeated; errors are the ledger's."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def memories(self, batch: Batch) -> dict[str, Memory]:
        """What is remembered of an account and region, by resource key."""
        place = f"{batch.cloud}/{batch.account}/{batch.region}"
        with self._ledger.reading() as connection:
            return _remembered(connection, sleepers.c.place == place)

    def of_environment(self, environment: str) -> dict[str, Memory]:
        """What is remembered of an environment, over all its accounts."""
        with self._ledger.reading() as connection:
            return _remembered(connection, sleepers.c.environment == environment)

    def asleep(self) -> dict[str, Memory]:
        """What is not awake, wherever it is and whatever the catalog says of it."""
        with self._ledger.reading() as connection:
            return _remembered(connection, sleepers.c.phase != Phase.AWAKE.value)

    def remember(self, memories: Iterable[Memory], formers: Iterable[FormerState] = ()) -> dict[str, FormerState]:
        """Write former states, each generation once and for all, and memories; one transaction.

        A generation that is written already stays as it is: the first look, before the first stop, is the true one. Answers by
        resource key what was already there of the former states that were given.
        """
        rows, given = [_row(memory) for memory in memories], list(formers)
        if not rows and not given:
            return {}
        with self._ledger.writing() as connection:
            earlier = _write_formers(connection, given)
            if rows:
                _write_memories(connection, rows, lambda old, new: old <= new)
        return earlier

    def sleeps(self, since: datetime, until: datetime) -> list[Sleep]:
        """Every sleep that touches [since, until), oldest first."""
        touches = and_(
            former_states.c.taken_at < until, or_(former_states.c.woken_at.is_(None), former_states.c.woken_at > since)
        )
        query = select(former_states).where(touches).order_by(former_states.c.taken_at, former_states.c.key)
        with self._ledger.reading() as connection:
            return [
                Sleep(FormerState.model_validate_json(row.body), row.woken_at and row.woken_at.astimezone(UTC), row.exact)
                for row in connection.execute(query)
            ]

    def wish(self, wish: Wish) -> None:
        """Write a wish, or its newer state."""
        values = {"wish_id": wish.wish_id, "environment": wish.environment, "until": wish.until, "body": _text(wish)}
        row = insert(wishes).values(**values)
        with self._ledger.writing() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=[wishes.c.wish_id], set_={"body": row.excluded.body}))

    def wishes(self, now: datetime) -> dict[str, tuple[Wish, ...]]:
        """Wishes that are in force, by environment, oldest first."""
        with self._ledger.reading() as connection:
            rows = connection.execute(select(wishes.c.body).where(wishes.c.until > now).order_by(wishes.c.wish_id)).scalars()
            found = [Wish.model_validate_json(body) for body in rows]
        held = sorted((wish for wish in found if wish.holds(now)), key=lambda one: one.at)
        return {name: tuple(one for one in held if one.environment == name) for name in {one.environment for one in held}}


def project(connection: Connection, record: SuspensionRecord) -> None:
    """Apply a suspension's record. Of a ledger that was lost, it makes the memories again, as true as they must be:
    what has a former state and is not woken was about to be stopped, and the next look tells the rest."""
    _write_formers(connection, record.former)
    rebuilt = [
        Memory(
            key=former.key,
            environment=former.environment,
            generation=former.generation,
            phase=Phase.SUSPENDING,
            changed_at=former.taken_at,
            rule="rebuilt",
            sealed=True,
        )
        for former in record.former
    ]
    if rebuilt:
        _write_memories(connection, [_row(memory) for memory in rebuilt], lambda old, new: old < new)
    if record.woken:
        _project_woken(connection, record.woken)


def _project_woken(connection: Connection, woken: Sequence[Woken]) -> None:
    """End their sleeps; and of memories that were made from evidence, say that they are awake."""
    mine = and_(former_states.c.key == bindparam("of"), former_states.c.generation == bindparam("nth"))
    ended = update(former_states).where(mine, former_states.c.woken_at.is_(None))
    given = [{"of": one.key, "nth": one.generation, "at": one.at, "as_before": one.exact} for one in woken]
    connection.execute(ended.values(woken_at=bindparam("at"), exact=bindparam("as_before")), given)
    by_key = {one.key: one for one in woken}
    for body in connection.execute(select(sleepers.c.body).where(sleepers.c.key.in_(by_key))).scalars().all():
        memory = Memory.model_validate_json(body)
        one = by_key[memory.key]
        if memory.rule == "rebuilt" and memory.generation == one.generation:
            awake = memory.model_copy(update={"phase": Phase.AWAKE, "changed_at": one.at})
            connection.execute(update(sleepers).where(sleepers.c.key == one.key).values(phase=awake.phase, body=_text(awake)))


def _write_formers(connection: Connection, formers: Sequence[FormerState]) -> dict[str, FormerState]:
    """Those that are new; answers by key the others, as they were written first."""
    rows = [
        {
            "key": one.key,
            "generation": one.generation,
            "environment": one.environment,
            "taken_at": one.taken_at,
            "body": _text(one),
        }
        for one in formers
    ]
    if not rows:
        return {}
    statement = _from_arrays(former_states, rows).on_conflict_do_nothing().returning(former_states.c.key)
    new = set(connection.execute(statement).scalars())
    there = [(one.key, one.generation) for one in formers if one.key not in new]
    if not there:
        return {}
    known = tuple_(former_states.c.key, former_states.c.generation).in_(there)
    bodies = connection.execute(select(former_states.c.body).where(known)).scalars()
    return {one.key: one for one in map(FormerState.model_validate_json, bodies)}


def _write_memories(connection: Connection, rows: Sequence[dict[str, Any]], replaces: Callable[[Any, Any], Any]) -> None:
    """Write rows of memories; one that is there is replaced when its generation and the new one say so."""
    row = _from_arrays(sleepers, rows)
    newest = {name: row.excluded[name] for name in ("environment", "phase", "generation", "body")}
    where = replaces(sleepers.c.generation, row.excluded.generation)
    connection.execute(row.on_conflict_do_update(index_elements=[sleepers.c.key], set_=newest, where=where))


def _from_arrays(table: Table, rows: Sequence[dict[str, Any]]) -> Insert:
    """An insert of many rows in one statement of a few parameters: one array a column, whatever the number of rows."""
    names = list(rows[0])
    columns = [func.unnest(cast([row[name] for row in rows], ARRAY(table.c[name].type))) for name in names]
    return insert(table).from_select(names, select(*columns))


def _remembered(connection: Connection, where: Any) -> dict[str, Memory]:
    """Memories with their newest former state."""
    newest = and_(former_states.c.key == sleepers.c.key, former_states.c.generation == sleepers.c.generation)
    query = select(sleepers.c.body, former_states.c.body).join(former_states, newest, isouter=True).where(where)
    found: dict[str, Memory] = {}
    for body, former in connection.execute(query):
        memory = Memory.model_validate_json(body)
        update_ = {"former": FormerState.model_validate_json(former)} if former else {}
        found[memory.key] = memory.model_copy(update=update_)
    return found


def _row(memory: Memory) -> dict[str, Any]:
    return {
        "key": memory.key,
        "environment": memory.environment,
        "place": place_of(memory.key),
        "phase": memory.phase.value,
        "generation": memory.generation,
        "body": _text(memory.model_copy(update={"former": None})),
    }


def _text(value: Any) -> str:
    return canonical_json(value).decode()
