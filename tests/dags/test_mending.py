"""What a person must mend is not tried again; what may be well at the next try is."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.catalog.errors import CatalogError, Problem
from include.recovery.plan import UnknownService


@pytest.mark.parametrize(
    "error",
    [
        UnknownService("the catalog names no service 'bnak'; did you mean bank?"),
        LookupError("no lease 'x'; `drillyard ledger leases` lists the open ones"),
        CatalogError([Problem("platform.yaml", 7, "tiers", "is no mapping")]),
    ],
)
def test_what_a_person_must_mend_fails_at_once_in_its_own_words(error: Exception) -> None:
    from drillyard.mending import asked_of_a_person

    with pytest.raises(AirflowFailException) as failed, asked_of_a_person():
        raise error
    assert str(failed.value) == str(error)


def test_a_ledger_that_does_not_answer_is_asked_again() -> None:
    from drillyard.mending import asked_of_a_person
    from include.ledger.model import LedgerUnreachable

    with pytest.raises(LedgerUnreachable), asked_of_a_person():
        raise LedgerUnreachable("the ledger does not answer")
