"""A PostgreSQL server for the ledger alone, and migrated ledgers on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.ledger import open_ledger
from include.ledger.ledger import Ledger
from include.ledger.migrations import migrate
from tests.lab.ledger.databases import database, postgres_server


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL of these tests' own; gives the URL of its superuser without a database."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def ledger(server: str) -> Iterator[Ledger]:
    url = database(server, "ledger")
    migrate(url)
    opened = open_ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def second(server: str) -> Iterator[Ledger]:
    url = database(server, "second")
    migrate(url)
    opened = open_ledger(url)
    yield opened
    opened.close()
