"""What the power adapters of all clouds share: kinds put together to one switch, and calls taken apart by answer. No SDK.

A cloud's adapter is one `Kind` for each thing of its that sleeps. A kind translates: what it lists, and the calls that stop
and start. Errors become answers in one place a cloud, its `judge`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from include.clouds.managed import NotThere, Refusal
from include.recovery.contracts import Transient
from include.suspension.model import Answer, Batch, Outcome, Power, Resource, Survey, Wake

ACCEPTED = Answer(outcome=Outcome.ACCEPTED)
Judge = Callable[[Exception], Answer]
"""What an error means for the resource it is about. Raises what it does not know."""
Item = TypeVar("Item", Resource, Wake)
_UNREADABLE = (Transient, PermissionError, LookupError, OSError, Refusal)


class Kind(Protocol):
    """One kind of thing of one cloud."""

    def survey(self, batch: Batch, only: frozenset[str] | None) -> list[Resource]:
        """All of them; `only`: those ids are asked for, where that saves calls."""
        ...

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]: ...

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]: ...


class Switch:
    """A `PowerSwitch` made of kinds."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = dict(kinds)

    @property
    def kinds(self) -> Sequence[str]:
        return tuple(self._kinds)

    def survey(self, batch: Batch) -> Survey:
        found: list[Resource] = []
        unreadable: dict[str, str] = {}
        lost: list[Transient] = []
        wanted = batch.kinds or self.kinds
        for name in wanted:
            try:
                found += self._kind(name).survey(batch, None)
            except _UNREADABLE as error:
                unreadable[name] = str(error)
                lost += [error] if isinstance(error, Transient) else []
        if len(lost) == len(wanted):
            raise lost[0]
        return Survey(resources=tuple(found), unreadable=unreadable)

    def look(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Resource]:
        now: dict[str, Resource] = {}
        for name, mine in _by_kind(resources, lambda one: one.kind).items():
            ids = frozenset(one.id for one in mine)
            now |= {one.id: one for one in self._kind(name).survey(batch, ids) if one.id in ids}
        return now

    def stop(self, batch: Batch, resources: Sequence[Resource]) -> Mapping[str, Answer]:
        answers: dict[str, Answer] = {}
        for name, mine in _by_kind(resources, lambda one: one.kind).items():
            answers |= self._kind(name).stop(batch, mine)
        return answers

    def start(self, batch: Batch, wakes: Sequence[Wake]) -> Mapping[str, Answer]:
        answers: dict[str, Answer] = {}
        for name, mine in _by_kind(wakes, lambda one: one.resource.kind).items():
            answers |= self._kind(name).start(batch, mine)
        return answers

    def _kind(self, name: str) -> Kind:
        if name not in self._kinds:
            raise LookupError(f"no kind named {name!r}; known here: {', '.join(self._kinds)}")
        return self._kinds[name]


def _by_kind(items: Sequence[Item], kind: Callable[[Item], str]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        found[kind(item)].append(item)
    return found


def each(items: Sequence[Item], ask: Callable[[Item], object], judge: Judge) -> dict[str, Answer]:
    """One call for each, where the vendor has no other. An error is the answer of its own resource only."""
    answers = {}
    for item in items:
        try:
            ask(item)
        except Exception as error:
            answers[id_of(item)] = judge(error)
        else:
            answers[id_of(item)] = ACCEPTED
    return answers


def together(
    ids: Sequence[str], ask: Callable[[Sequence[str]], object], judge: Judge, named: Callable[[str], set[str]], most: int
) -> dict[str, Answer]:
    """Many in a call, where the vendor refuses the whole call for one of them.

    Those that the refusal names (`named`, from its text) get it as their answer, and the rest is asked for again. A refusal
    that names none is narrowed down by halves; a lost answer or a missing right is everybody's. Once a single one finds no
    capacity, the rest of a call with it finds none either and is not asked for one by one.
    """
    answers: dict[str, Answer] = {}
    waiting = [list(ids[start : start + most]) for start in range(0, len(ids), most)]
    while waiting:
        batch = waiting.pop(0)
        try:
            ask(batch)
        except Exception as error:
            answer = judge(error)
            culprits = named(str(error)) & set(batch)
            if culprits and answer.outcome is not Outcome.UNKNOWN:
                answers |= dict.fromkeys(culprits, answer)
                waiting = [[one for one in batch if one not in culprits], *waiting]
            elif len(batch) == 1 and answer.outcome is Outcome.NO_CAPACITY:
                answers |= dict.fromkeys([*batch, *(one for rest in waiting for one in rest)], answer)
                waiting = []
            elif len(batch) == 1 or answer.outcome is Outcome.UNKNOWN or isinstance(error, PermissionError):
                answers |= dict.fromkeys(batch, answer)
            else:
                waiting = [batch[: len(batch) // 2], batch[len(batch) // 2 :], *waiting]
        else:
            answers |= dict.fromkeys(batch, ACCEPTED)
        waiting = [one for one in waiting if one]
    return answers


def id_of(item: Resource | Wake) -> str:
    """The resource's own id."""
    return item.resource.id if isinstance(item, Wake) else item.id


def place(batch: Batch) -> dict[str, str]:
    """Where a batch's resources are."""
    return {"cloud": batch.cloud, "account": batch.account, "region": batch.region}


def known(words: Mapping[str, Power], word: str, what: str) -> Power:
    """A vendor's word as ours. Raises ValueError for one that nobody has mapped: better loud than guessed."""
    if word not in words:
        raise ValueError(f"{what} says {word!r}, which its adapter does not know: add it with the vendor's meaning")
    return words[word]


def scaled(power: Power, desired: int, running: int) -> Power:
    """The power of something whose size is a number, when its own state allows for one."""
    if power is not Power.ON:
        return power
    if desired == 0:
        return Power.STOPPING if running else Power.OFF
    return Power.ON if running >= desired else Power.STARTING


def stays(wake: Wake) -> None:
    """Raise Refusal when a wake asks for another type or zone than a kind that cannot move has."""
    mine = wake.resource
    if wake.instance_type not in (None, mine.instance_type) or (wake.zones and mine.zone not in wake.zones):
        raise Refusal(f"a {mine.kind} starts as what it is and where it is: {wake.instance_type or ''} {', '.join(wake.zones)}")


def judged(error: Exception, busy: Sequence[str], capacity: Sequence[str], gone: Sequence[str] = ()) -> Answer:
    """An answer from an error of ours and the vendor's words in its text. Raises what is no answer of a cloud."""
    said = str(error)
    if any(word in said for word in capacity):
        return Answer(outcome=Outcome.NO_CAPACITY, detail=said)
    if any(word in said for word in busy):
        return Answer(outcome=Outcome.BUSY, detail=said)
    if isinstance(error, NotThere) or any(word in said for word in gone):
        return Answer(outcome=Outcome.GONE, detail=said)
    if isinstance(error, Transient):
        return Answer(outcome=Outcome.UNKNOWN, detail=said)
    if isinstance(error, Refusal | PermissionError | OSError):
        return Answer(outcome=Outcome.REFUSED, detail=said)
    raise error
