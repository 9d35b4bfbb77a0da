"""Clients of AWS by connection: what is opened once, and what did not open."""

from __future__ import annotations

import pytest

from include.clouds.aws import clients
from include.recovery.contracts import Transient


def test_an_account_that_did_not_open_is_not_asked_again_for_every_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep asks for the same account once a place and list; while STS throttles, each would cost all the SDK's retries."""
    asked, now = [], [100.0]

    def shut(conn_id: str) -> clients.Account:
        asked.append(conn_id)
        raise Transient("STS does not answer")

    monkeypatch.setattr(clients.time, "monotonic", lambda: now[0])
    handed = clients.AwsClients(shut)
    for region in ("eu-central-1", "eu-west-1"):
        with pytest.raises(Transient, match="STS does not answer"):
            handed.client("aws_recovery", "rds", region)
    with pytest.raises(Transient):
        handed.client("aws_other", "rds", "eu-central-1")
    assert asked == ["aws_recovery", "aws_other"]
    now[0] += clients.SHUT_FOR
    with pytest.raises(Transient):
        handed.client("aws_recovery", "rds", "eu-central-1")
    assert asked == ["aws_recovery", "aws_other", "aws_recovery"]


def test_a_role_that_sts_does_not_give_is_said_in_our_words() -> None:
    """Else a drill on a night without AWS would be recorded as unknown, and nobody could read why."""
    from botocore.exceptions import EndpointConnectionError

    def silent(conn_id: str) -> clients.Account:
        raise EndpointConnectionError(endpoint_url="https://sts.invalid")

    with pytest.raises(Transient, match="connection aws_recovery, role: Could not connect"):
        clients.AwsClients(silent).client("aws_recovery", "rds", "eu-central-1")
