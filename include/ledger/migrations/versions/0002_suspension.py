"""Suspension: former states, what is remembered of each resource, and people's wishes."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE former_states (
    key TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
    woken_at TIMESTAMP WITH TIME ZONE,
    exact BOOLEAN,
    body TEXT NOT NULL,
    PRIMARY KEY (key, generation)
);
CREATE INDEX former_states_by_time ON former_states (environment, taken_at);
CREATE TABLE sleepers (
    key TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    phase TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (key)
);
CREATE INDEX sleepers_by_environment ON sleepers (environment);
CREATE INDEX sleepers_by_place ON sleepers (place);
CREATE TABLE wishes (
    wish_id TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (wish_id)
);
CREATE INDEX wishes_by_environment ON wishes (environment, until);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    for table in ("former_states", "sleepers", "wishes"):
        op.drop_table(table)
