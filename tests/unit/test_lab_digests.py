"""Signed digests: what was signed verifies, anything changed does not, and each database finds its own part."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.recovery import digests

KEY = "11" * 32
OTHER = "22" * 32
TRUSTED = [digests.public_key(KEY)]
AT = "2026-11-23T14:00:00+00:00"

texts = st.text(max_size=20)
parts = st.fixed_dictionaries(
    {
        "as_of": st.just(AT),
        "digests": st.dictionaries(texts, texts, max_size=3),
        "constraints": st.lists(texts, max_size=3).map(sorted),
    }
)
several = st.dictionaries(st.sampled_from(["a/x", "b/y", "c/z"]), parts, min_size=1)


@settings(max_examples=20, deadline=None)
@given(several)
def test_each_datastore_reads_back_what_was_taken_of_it(by_datastore):
    document = json.loads(json.dumps(digests.sign(digests.merge(by_datastore), KEY)))
    for name, part in by_datastore.items():
        assert digests.of(document, name, TRUSTED) == part


@settings(max_examples=20, deadline=None)
@given(several, st.data())
def test_any_change_is_noticed(by_datastore, data):
    document = digests.sign(digests.merge(by_datastore), KEY)
    field = data.draw(st.sampled_from(["as_of", "digests", "constraints", "signature"]))
    changed = {**document, field: "00" * 64 if field == "signature" else "something else"}
    with pytest.raises(ValueError, match="does not fit"):
        digests.verify(changed, TRUSTED)


def test_another_key_does_not_count_even_when_it_signs_well():
    document = digests.sign({"as_of": AT, "digests": {}, "constraints": []}, OTHER)
    with pytest.raises(ValueError, match="not among the trusted keys"):
        digests.verify(document, TRUSTED)
    digests.verify(document, [*TRUSTED, digests.public_key(OTHER)])


@pytest.mark.parametrize("missing", ["key_id", "signature"])
def test_an_unsigned_document_is_refused(missing):
    document = digests.sign({"as_of": AT, "digests": {}, "constraints": []}, KEY)
    del document[missing]
    with pytest.raises(ValueError, match="not signed"):
        digests.verify(document, TRUSTED)


def test_a_signature_that_is_no_hex_is_refused():
    document = digests.sign({"as_of": AT, "digests": {}, "constraints": []}, KEY)
    with pytest.raises(ValueError, match="does not fit"):
        digests.verify({**document, "signature": "no hex"}, TRUSTED)


def test_a_database_that_the_file_does_not_cover_is_named():
    part = {"as_of": AT, "digests": {}, "constraints": []}
    document = digests.sign(digests.merge({"a/x": part, "b/y": part}), KEY)
    with pytest.raises(ValueError, match="cover a/x, b/y, not c/z"):
        digests.of(document, "c/z", TRUSTED)


def test_databases_of_one_backup_are_asked_for_one_instant():
    part = {"as_of": AT, "digests": {}, "constraints": []}
    with pytest.raises(ValueError, match="one instant"):
        digests.merge({"a/x": part, "b/y": {**part, "as_of": "2026-11-23T14:00:01+00:00"}})
    with pytest.raises(ValueError, match="none"):
        digests.merge({})
