"""Amazon RDS for PostgreSQL: the verbs' operators, which set their cloud and connection type and nothing else."""

from __future__ import annotations

from drillyard.operators.restore import RestoreOperator
from drillyard.operators.verify import VerifyOperator


class RdsRestoreOperator(RestoreOperator):
    """Restore an RDS instance from its automated backups, a snapshot or a copy, into the recovery account's sandbox network."""

    cloud = "aws"
    connection_type = "aws"


class RdsVerifyOperator(VerifyOperator):
    """Verify the RDS backups of one account and region in a batched sweep: calls grow with pages, not with databases."""

    cloud = "aws"
    connection_type = "aws"
