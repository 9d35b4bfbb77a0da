"""Sealing keys: announced before they take over, checked, never shown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from include.evidence import keys
from include.evidence.chain import SealRefused, seal, verify
from include.evidence.links import KEY_ROTATION, read_link
from include.evidence.naming import link_path
from include.values import canonical_json
from tests.unit.chain_samples import PRIVATE, PUBLIC, kinds, nights, two
from tests.unit.evidence_samples import T0, a_note

NEW = "22" * 32


def _rotation(at: object, **detail: object) -> object:
    return a_note(KEY_ROTATION, at, old_key_id=keys.key_id(PUBLIC), new_public_key=keys.public_of(NEW), **detail)  # type: ignore[arg-type]


def test_an_announced_key_takes_over(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    stores.write_record(_rotation(T0 + timedelta(hours=1)))  # type: ignore[arg-type]
    seal(stores, PRIVATE, T0 + timedelta(hours=1))
    nights(stores, 2, first=1, key=NEW)
    trusted = [PUBLIC, keys.public_of(NEW)]
    assert verify(stores.stores[0], trusted).seal == "TRUSTED"
    assert verify(stores.stores[0], trusted).keys == (keys.key_id(PUBLIC), keys.key_id(keys.public_of(NEW)))
    assert verify(stores.stores[0], [PUBLIC]).seal == "UNTRUSTED"


def test_a_key_that_nobody_announced_is_refused_and_found(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    with pytest.raises(SealRefused, match="no sealed record announces it"):
        nights(stores, 1, first=1, key=NEW)
    link, sha256 = read_link(stores.stores[0], 1)
    forged = link.model_copy(
        update={"seq": 2, "previous": sha256, "entries": (), "public_key": keys.public_of(NEW), "signature": ""}
    )
    forged = forged.model_copy(update={"key_id": keys.key_id(keys.public_of(NEW))})
    forged = forged.model_copy(update={"signature": keys.sign(NEW, forged.body())})
    stores.put_new(link_path(2), canonical_json(forged))
    assert kinds(verify(stores.stores[0], [PUBLIC, keys.public_of(NEW)])) == {"rotation"}


def test_a_lost_key_is_replaced_by_a_record_that_says_so(tmp_path: Path) -> None:
    stores = two(tmp_path)
    nights(stores, 1)
    stores.write_record(_rotation(T0 + timedelta(hours=1), lost=True))  # type: ignore[arg-type]
    seal(stores, NEW, T0 + timedelta(hours=1), trusted_keys=[PUBLIC])
    assert verify(stores.stores[0], [PUBLIC, keys.public_of(NEW)]).findings == ()


def test_keys_are_checked_and_never_shown() -> None:
    private, public = keys.generate()
    assert keys.public_of(private) == public and len(keys.key_id(public)) == 16
    assert keys.signed_by(public, b"x", keys.sign(private, b"x"))
    assert not keys.signed_by(public, b"y", keys.sign(private, b"x"))
    signature = keys.sign(private, b"x")
    for other_form in (signature.upper(), f" {signature}", f"{signature[:64]} {signature[64:]}", signature + "\n"):
        assert not keys.signed_by(public, b"x", other_form), "a second form of one signature lets bytes be changed unnoticed"
    assert not keys.signed_by("zz", b"x", "11") and not keys.signed_by(public, b"x", "zz")
    for wrong in ("", private[:-2], private.upper() + "AA", "g" * 64, " " + private):
        with pytest.raises(ValueError, match="keygen") as error:
            keys.sign(wrong, b"x")
        assert not wrong.strip() or wrong.strip() not in str(error.value)
