"""Kits in evidence stores: written whole, found again newest first, and not believed before their digests fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Literal

from include.evidence.kit import EXPORTED, KIT_FILE, KITS, RUNBOOK_PAGE, RUNBOOK_TEXT, Kit, instant_of, kit_path, note_path
from include.evidence.links import SealRefused, link_numbers, read_link
from include.evidence.naming import record_id_of
from include.evidence.record import NoteRecord
from include.evidence.store import RECORD, Store, StoreDown
from include.evidence.stores import Stores
from include.values import Frozen, canonical_json, digest, format_duration

POINTER = "newest-kit.json"
"""For whoever looks into a store by hand: which kit is the newest. Drillyard itself lists them."""
KEPT = 14
"""Kits that a store keeps: two weeks of nights."""
MAX_AGE = timedelta(days=8)
"""An older kit is not used unless somebody says so: backups that it names may be gone."""
_SEALED_WITHIN = timedelta(days=3)


class KitError(LookupError):
    """There is no kit to go on with: which store, what is wrong with it, and what to do."""


class Shelved(Frozen):
    """A kit as it was found."""

    kit: Kit
    store: str
    seal: Literal["TRUSTED", "UNTRUSTED", "NOT SEALED", "UNPROVEN"]
    key_id: str | None = None
    passed_over: tuple[str, ...] = ()
    """Younger kits that were not used, and why."""

    @property
    def words(self) -> str:
        """What its digest is worth, for a person."""
        by = f" by key {self.key_id}" if self.key_id else ""
        return {
            "TRUSTED": f"sealed{by}, which is trusted",
            "UNTRUSTED": f"sealed{by}, which is UNTRUSTED: compare it with the one that was printed",
            "NOT SEALED": "not sealed yet: only its own record vouches for it",
            "UNPROVEN": "UNPROVEN: nothing vouches for its content",
        }[self.seal]


def contents(kit: Kit, text: str, page: str) -> dict[str, bytes]:
    """The files of a kit by path: the kit, and its runbook as text and as a page."""
    files = {KIT_FILE: canonical_json(kit), RUNBOOK_TEXT: text.encode(), RUNBOOK_PAGE: page.encode()}
    return {kit_path(kit.kit_id, name): data for name, data in files.items()}


def note_of(kit: Kit, files: Mapping[str, bytes]) -> NoteRecord:
    """The record that names a kit's files by digest. Written last: a kit without it is not finished."""
    named = {path: digest(data) for path, data in files.items()}
    return NoteRecord(
        record_id=record_id_of(note_path(kit.kit_id)) or "",
        written_at=kit.written_at,
        event=EXPORTED,
        by="drillyard",
        subject="platform",
        detail={"kit_id": kit.kit_id, "files": named, "services": len(kit.services), "problems": list(kit.problems)},
    )


def put(stores: Stores, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write a kit's files to every store; answers the failures by store. Raises StoresDown when no store took them."""
    failures: dict[str, str] = {}
    for path, data in files.items():
        failures |= stores.put_new(path, data).failures
    return failures


def tidy(stores: Stores, newest: str, kept: int = KEPT) -> dict[str, str]:
    """Point to the newest kit, copy kits to stores that lack them, drop the oldest; answers what failed, by store.

    A store that keeps everything (object lock) refuses to drop: then its own lifecycle rule does it.
    """
    failures = dict(stores.repair(prefixes=(KITS,)).failures)
    for store in stores:
        try:
            store.replace(POINTER, canonical_json({"kit_id": newest, "path": kit_path(newest, RUNBOOK_PAGE)}))
            old = kit_ids(store)[kept:]
            for path in [path for one in old for path in store.list(f"{KITS}{one}/")]:
                store.delete(path)
        except StoreDown as error:
            failures.setdefault(store.name, str(error))
    return failures


def kit_ids(store: Store) -> list[str]:
    """The kits of a store, newest first."""
    names = {path.removeprefix(KITS).partition("/")[0] for path in store.list(KITS)}
    return sorted((name for name in names if _is_kit(name)), reverse=True)


def _is_kit(name: str) -> bool:
    try:
        return bool(instant_of(name))
    except ValueError:
        return False


def fetch(
    store: Store,
    now: datetime,
    trusted_keys: Collection[str] = (),
    *,
    kit_id: str | None = None,
    max_age: timedelta = MAX_AGE,
    unproven: bool = False,
    own_keys: bool = False,
) -> Shelved:
    """The newest finished kit of a store, or the one named, after its digests were compared.

    A kit whose export was cut off is passed over, and said. One that is damaged is refused, naming the newest whole one.
    `unproven`: take it although its record is gone or does not fit. `own_keys`: with nothing better at hand, the keys that
    the kit itself names count: compare them with those that were printed. Raises KitError, or StoreDown.
    """
    there = kit_ids(store)
    if not there:
        raise KitError(f"store {store!r} has no kit: the nightly verification exports one; look at `--from`, try another store")
    if kit_id is not None and kit_id not in there:
        raise KitError(f"store {store!r} has no kit {kit_id}; the newest are {', '.join(there[:3])}")
    passed: list[str] = []
    for name in [kit_id] if kit_id else there:
        wrong = _fault(store, name)
        if wrong is None or unproven:
            kit = _read(store, name)
            _heed_age(store, name, now, max_age)
            known = kit.trusted_keys if own_keys else trusted_keys
            seal, key = ("UNPROVEN", None) if wrong else _seal(store, name, known)
            return Shelved(kit=kit, store=store.name, seal=seal, key_id=key, passed_over=tuple(passed))
        if not wrong.startswith("its export"):
            whole = next((other for other in there if other != name and _fault(store, other) is None), None)
            hint = f"the newest whole one is {whole}: add `--kit {whole}`" if whole else "no other kit here is whole"
            raise KitError(f"kit {name} in store {store!r} is damaged: {wrong}; try another store; {hint}")
        passed.append(f"{name}: {wrong}")
    raise KitError(f"store {store!r} has no finished kit ({'; '.join(passed[:3])}); try another store, or add `--unproven`")


def _fault(store: Store, kit_id: str) -> str | None:
    """Why the files of a kit are not those that its record names; None when they are."""
    try:
        data = store.read(note_path(kit_id))
        note = RECORD.validate_json(data)
    except FileNotFoundError:
        return "its export was cut off: no record names its files"
    except ValueError as error:
        return f"{note_path(kit_id)} is not a record: {str(error).splitlines()[0]}"
    if canonical_json(note) != data:
        return f"{note_path(kit_id)} was changed: its bytes are not the canonical form of its content"
    files = note.detail.get("files", {}) if isinstance(note, NoteRecord) else {}
    if kit_path(kit_id, KIT_FILE) not in files:
        return f"{note_path(kit_id)} does not name it"
    return _differing(store, files)


def _differing(store: Store, files: Mapping[str, str]) -> str | None:
    """The first file that is not what its record says."""
    for path, sha256 in files.items():
        try:
            found = digest(store.read(path))
        except FileNotFoundError:
            return f"{path} is gone"
        if found != sha256:
            return f"{path} is {found}, its record says {sha256}"
    return None


def _read(store: Store, kit_id: str) -> Kit:
    path = kit_path(kit_id, KIT_FILE)
    try:
        return Kit.model_validate_json(store.read(path))
    except ValueError as error:
        raise KitError(f"{path} in store {store!r} cannot be read as a kit: {str(error).splitlines()[0]}") from error


def _heed_age(store: Store, kit_id: str, now: datetime, max_age: timedelta) -> None:
    age = max(now - instant_of(kit_id), timedelta(0))
    if age > max_age:
        old, most = spelled(age), spelled(max_age)
        raise KitError(
            f"the newest kit in store {store!r}, {kit_id}, is {old} old (at most {most}): backups that it names may be gone; "
            f"look into the other store, or go on with `--max-age {old}`"
        )


def spelled(age: timedelta) -> str:
    """A kit's age to the minute, upwards, so that what is said can be given back as a limit."""
    return format_duration(timedelta(minutes=max(0, -(-age // timedelta(minutes=1)))))


def _seal(
    store: Store, kit_id: str, trusted_keys: Collection[str]
) -> tuple[Literal["TRUSTED", "UNTRUSTED", "NOT SEALED", "UNPROVEN"], str | None]:
    """Whether a link of the chain names the kit's record with its digest, and whose. A broken chain counts as none."""
    path, made = note_path(kit_id), instant_of(kit_id)
    try:
        sha256 = digest(store.read(path))
        for seq in reversed(link_numbers(store)):
            link, _ = read_link(store, seq)
            if any((entry.path, entry.sha256) == (path, sha256) for entry in link.entries):
                return ("TRUSTED" if link.public_key in trusted_keys else "UNTRUSTED"), link.key_id
            if link.sealed_at < made - _SEALED_WITHIN:
                break
    except (SealRefused, StoreDown, FileNotFoundError):
        return "UNPROVEN", None
    return "NOT SEALED", None
