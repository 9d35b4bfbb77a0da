"""Who a charge belongs to: tags first, then resources, then accounts, then declared shared parts. Pure decisions."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from include.costs.settings import CostSettings
from include.values import Frozen

UNALLOCATED = "(unallocated)"


class Party(Frozen):
    """The owner of a charge as far as the bill and the declarations tell. Empty: not known."""

    service: str = ""
    environment: str = ""
    tenant: str = ""
    owner: str = ""
    how: str = "none"
    """``tag``, ``resource``, ``account``, ``shared`` or ``none``."""
    shared: str = ""
    """Name of the shared part that must be split."""
    destination: str = ""
    """``CLOUD/REGION`` that the traffic goes to, by tag or declaration."""
    destination_share: str = "1"
    account: str = ""
    drill: str = ""


def party_of(row: dict[str, Any], settings: CostSettings) -> Party:
    """Decide for one distinct combination of account, tags and matched resource. `row` has the columns of PARTS."""
    account = row["SubAccountId"] or row["BillingAccountId"] or ""
    tag = row["x_TagService"] or ""
    service, environment, how, shared = "", row["x_TagEnvironment"] or "", "none", ""
    part = next((p for p in settings.shared if tag and tag in p.tags), None)
    if part is not None:
        shared, how = part.name, "shared"
    elif tag:
        service, how = tag, "tag"
    elif row["x_Resource"]:
        owned = settings.owned[int(row["x_Resource"])]
        service, how = owned.service, "resource"
        environment = environment or owned.environment or ""
    else:
        by_account = next((o for o in settings.owned if any(fnmatchcase(account, glob) for glob in o.accounts)), None)
        part = next((p for p in settings.shared if any(fnmatchcase(account, glob) for glob in p.accounts)), None)
        if by_account is not None:
            service, how = by_account.service, "account"
            environment = environment or by_account.environment or ""
        elif part is not None:
            shared, how = part.name, "shared"
    declared = _declared(service, account, settings)
    return Party(
        service=service,
        environment=environment,
        tenant=row["x_TagTenant"] or "",
        owner=row["x_TagOwner"] or "",
        how=how,
        shared=shared,
        destination=row["x_TagDestination"] or (declared[0] if declared else ""),
        destination_share="1" if row["x_TagDestination"] or not declared else declared[1],
        account=account,
        drill=row["x_TagDrill"] or "",
    )


def _declared(service: str, account: str, settings: CostSettings) -> tuple[str, str] | None:
    for entry in settings.destinations:
        if entry.service not in (None, service) or (entry.account is not None and not fnmatchcase(account, entry.account)):
            continue
        if entry.service or entry.account:
            return entry.to, str(entry.share)
    return None
