"""What only a person can mend fails at once: the next try finds the same, and shows the reason a minute later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException


@contextmanager
def asked_of_a_person() -> Iterator[None]:
    """Around what reads a form: a wrong name or value ends the task, whatever its retries.

    What may be well at the next try passes: a ledger that does not answer, a catalog whose files are just being replaced.
    """
    try:
        yield
    except (ValueError, LookupError) as error:
        raise AirflowFailException(str(error)) from error
