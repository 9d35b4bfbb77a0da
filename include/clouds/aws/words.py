"""Amazon's words in ours: states of instances and snapshots, and errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from include.recovery.contracts import Transient
from include.recovery.model import Status

_RUNNING = (
    *("creating", "backing-up", "modifying", "rebooting", "resetting-master-credentials", "starting", "maintenance", "upgrading"),
    *("configuring-enhanced-monitoring", "configuring-iam-database-auth", "configuring-log-exports", "converting-to-vpc"),
    *("configuring-associated-roles", "moving-to-vpc", "renaming", "storage-config-upgrade", "storage-initialization"),
)
_FAILED = (
    *("failed", "inaccessible-encryption-credentials", "inaccessible-encryption-credentials-recoverable", "incompatible-create"),
    *("incompatible-network", "incompatible-option-group", "incompatible-parameters", "incompatible-restore", "restore-error"),
    *("insufficient-capacity", "stopped", "stopping", "storage-full", "deleting", "delete-precheck"),
)
INSTANCE: dict[str, Status] = {
    **dict.fromkeys(_RUNNING, Status.RUNNING),
    **dict.fromkeys(_FAILED, Status.FAILED),
    "available": Status.SUCCEEDED,
    "storage-optimization": Status.SUCCEEDED,
}
"""Of a sandbox. Source: Amazon RDS User Guide, "Viewing Amazon RDS DB instance status". A stopped sandbox is no use."""

SNAPSHOT: dict[str, Status] = {
    "available": Status.SUCCEEDED,
    "creating": Status.RUNNING,
    "copying": Status.RUNNING,
    "pending": Status.PENDING,
    "modifying": Status.RUNNING,
    "deleting": Status.FAILED,
    "failed": Status.FAILED,
    "incompatible-restore": Status.FAILED,
    "inaccessible-encryption-credentials": Status.FAILED,
}
"""Source: API_DBSnapshot, Status."""

_BUSY = (
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException"),
    *("InternalFailure", "InternalError", "InternalServiceError", "ServiceUnavailable", "ServiceUnavailableException"),
    *("RequestTimeout", "RequestTimeoutException", "SlowDown", "KMSInternalException", "DependencyTimeoutException"),
    *("InvalidDBInstanceState", "InvalidDBInstanceStateFault", "InsufficientDBInstanceCapacity"),
)
_NOT_KNOWN = (
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException"),
    *("AuthFailure", "SignatureDoesNotMatch", "InvalidToken"),
)
_NOT_LET = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


class NotSignedIn(PermissionError):
    """AWS does not know who asks (expired, revoked or missing credentials): so it said nothing of the thing asked for."""


class Refused(OSError):
    """AWS said no, and will say it again: `code` is its word for why."""

    def __init__(self, said: str, code: str) -> None:
        super().__init__(said)
        self.code = code

    def means(self, what: str) -> bool:
        """Whether the code is this one; RDS spells some with ``Fault`` at the end and some without."""
        return self.code.removesuffix("Fault") == what


def status(word: str, words: dict[str, Status], what: str) -> Status:
    """Raises ValueError for a word that nobody has mapped: better loud than guessed."""
    if word not in words:
        raise ValueError(f"{what} says {word!r}, which include/clouds/aws/words.py does not know: add it with Amazon's meaning")
    return words[word]


def code(error: BaseException) -> str:
    """Amazon's error code, or empty."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Errors of the SDK as ours: Transient for what may go otherwise next time, PermissionError for what a person must mend.

    Other refusals are `Refused`: findings, or bugs.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        said = f"{what}: {error}"
        if code(error) in _BUSY or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise Transient(said) from error
        if code(error) in _NOT_KNOWN:
            raise NotSignedIn(f"{said}; look at the connection's credentials") from error
        if code(error) in _NOT_LET:
            raise PermissionError(f"{said}; look at the role's policy (include/clouds/aws/iam)") from error
        raise Refused(said, code(error)) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise NotSignedIn(f"{what}: {error}; give the connection credentials or a role") from error
    except (BotoCoreError, ResponseParserError) as error:
        raise Transient(f"{what}: {error}") from error
