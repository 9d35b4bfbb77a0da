"""What a person must mend is not tried again; what may be well at the next try is."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.catalog.errors import CatalogError, Problem
from include.ledger.model import LedgerUnreachable
from include.recovery.plan import UnknownService


@pytest.mark.parametrize(
    "error",
    [
        UnknownService("the catalog names no service 'bnak'; did you mean bank?"),
        LookupError("no lease 'x'; `drillyard ledger leases` lists the open ones"),
    ],
)
def test_what_a_person_must_mend_fails_at_once_in_its_own_words(error: Exception) -> None:
    from drillyard.mending import asked_of_a_person

    with pytest.raises(AirflowFailException) as failed, asked_of_a_person():
        raise error
    assert str(failed.value) == str(error)


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnreachable("the ledger does not answer"),
        CatalogError([Problem("platform.yaml", 7, "tiers", "is no mapping")]),
    ],
)
def test_what_may_be_well_in_a_moment_is_tried_again(error: Exception) -> None:
    """The files of a catalog are replaced while a night begins."""
    from drillyard.mending import asked_of_a_person

    with pytest.raises(type(error)), asked_of_a_person():
        raise error
