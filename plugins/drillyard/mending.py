"""What only a person can mend fails at once: the next try finds the same, and shows the reason a minute later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException


@contextmanager
def asked_of_a_person() -> Iterator[None]:
    """Around what reads a form or the catalog: a wrong name, value or file ends the task, whatever its retries.

    What may be well at the next try (a ledger or a store that does not answer) passes.
    """
    from include.catalog.errors import CatalogError

    try:
        yield
    except (ValueError, LookupError, CatalogError) as error:
        raise AirflowFailException(str(error)) from error
