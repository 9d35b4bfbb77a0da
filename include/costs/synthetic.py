"""Synthetic bills of the example platform: four months on three clouds, from a seed. Nothing in them is from a real bill.

They hold what the report must find: an anomaly, a pair of services that talk across zones, the same volume sent to two
clouds, NAT beside object storage, a price above list, shared parts, a drill's own cost, credits, tax, and one usage type
that no rule knows.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

SEED = 20261123
MONTHS = ("2026-07", "2026-08", "2026-09", "2026-10")
ANOMALY = date(2026, 10, 15)
_AWS = (
    # service, tenant, account, product, usage type, operation, unit, GB a day, price
    ("order-intake", "", "210000000001", "AmazonEC2", "EU-DataTransfer-Out-Bytes", "RunInstances", "GB", 410, "0.09"),
    ("customer-portal", "", "210000000001", "AmazonCloudFront", "EU-DataTransfer-Out-Bytes", "GET", "GB", 900, "0.085"),
    (
        "customer-portal",
        "harbour-retail",
        "210000000001",
        "AmazonEC2",
        "EU-DataTransfer-Out-Bytes",
        "RunInstances",
        "GB",
        190,
        "0.09",
    ),
    ("product-content", "", "210000000002", "AmazonS3", "EU-DataTransfer-Out-Bytes", "GetObject", "GB", 320, "0.09"),
    ("product-content", "", "210000000002", "AmazonS3", "EU-EUC1-AWS-Out-Bytes", "PutObject", "GB", 260, "0.02"),
    ("inventory", "", "210000000001", "AmazonEC2", "EU-DataTransfer-Regional-Bytes", "InterZone-Out", "GB", 1500, "0.01"),
    ("shipping", "", "210000000001", "AmazonEC2", "EU-DataTransfer-Regional-Bytes", "InterZone-In", "GB", 1500, "0.01"),
    ("warehouse-events", "", "210000000002", "AmazonEC2", "EU-NatGateway-Bytes", "NatGateway", "GB", 520, "0.048"),
    ("erp-connector", "", "210000000002", "AWSDirectConnect", "EU-EQLD5-DataXfer-Out:dc.3", "", "GB", 240, "0.02"),
    ("partner-exchange", "medisure", "210000000002", "AmazonVPC", "EU-VpcEndpoint-Bytes", "VpcEndpoint", "GB", 160, "0.012"),
    ("shared-network", "", "210000000009", "AmazonVPC", "EU-TransitGateway-Bytes", "TransitGatewayVPC", "GB", 2100, "0.02"),
    ("analytics", "", "210000000003", "AmazonS3", "EUC1-DataTransfer-Out-Bytes", "GetObject", "GB", 150, "0.09"),
    ("analytics-copy", "", "210000000003", "AmazonS3", "EUC1-DataTransfer-Out-Bytes", "GetObject", "GB", 150, "0.09"),
    ("order-intake", "", "210000000001", "AmazonEC2", "EU-DataTransfer-In-Bytes", "RunInstances", "GB", 700, "0"),
    ("notifications", "", "210000000002", "AmazonMesh", "EU-MediaMesh-Out-Bytes", "", "GB", 12, "0.05"),
    ("order-intake", "", "210000000001", "AmazonEC2", "EU-BoxUsage:m6i.xlarge", "RunInstances", "Hrs", 96, "0.214"),
    ("inventory", "", "210000000001", "AmazonRDS", "EU-InstanceUsage:db.r6g.large", "CreateDBInstance:0014", "Hrs", 48, "0.25"),
    ("product-content", "", "210000000002", "AmazonS3", "EU-TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", 260, "0.023"),
)
_REGIONS = {"EU": "eu-west-1", "EUC1": "eu-central-1"}
_AZURE = (
    ("erp-connector", "", "Bandwidth", "Rtn Preference: MGN", "Standard Data Transfer Out", "1 GB", 130, "0.079"),
    ("erp-connector", "", "Virtual Network", "Peering", "Intra-Region Egress", "1 GB", 600, "0.0091"),
    ("erp-connector", "", "Virtual Network", "Peering", "Intra-Region Ingress", "1 GB", 580, "0.0091"),
    ("invoicing", "", "Virtual Network", "Private Link", "Standard Data Processed - Egress", "1 GB", 210, "0.0091"),
    ("invoicing", "medisure", "Bandwidth", "Inter-Region", "Intra Continent Data Transfer Out", "1 GB", 140, "0.018"),
    ("invoicing", "", "NAT Gateway", "NAT Gateway", "Standard Data Processed", "1 GB", 90, "0.041"),
    ("identity", "", "Virtual Machines", "Dv5 Series", "D4 v5", "1 Hour", 48, "0.19"),
)
_GOOGLE = (
    ("analytics", "", "Compute Engine", "Network Inter Zone Data Transfer Out", 800, "0.01"),
    ("analytics", "", "Networking", "Networking Cloud Nat Data Processing", 210, "0.045"),
    ("pricing", "", "Compute Engine", "Network Internet Data Transfer Out from EMEA to EMEA", 120, "0.12"),
    ("pricing", "", "Compute Engine", "Network Internet Data Transfer Out from EMEA to Americas", 9, "0.31"),
    ("returns", "campus-supply", "Compute Engine", "Network Inter Region Data Transfer Out from EMEA to Frankfurt", 160, "0.02"),
    ("analytics", "", "BigQuery", "Analysis (europe-west3)", 3, "6.25"),
)


def write_bills(folder: Path, *, seed: int = SEED, months: tuple[str, ...] = MONTHS) -> list[Path]:
    """Write the bills of some months below `folder` and return the files: CUR 2.0 CSV.gz, Azure cost details CSV (EUR),
    Google Cloud detailed export as Parquet with nested columns. The same seed gives the same bytes of charges."""
    written = []
    for month in months:
        draw = random.Random(f"{seed}-{month}")  # noqa: S311 - a seeded bill, no secret
        written.append(_write_aws(folder / "aws" / f"BILLING_PERIOD={month}" / f"example-{month}.csv.gz", month, draw))
        written.append(_write_azure(folder / "azure" / f"actual-{month}.csv", month, draw))
        written.append(_write_google(folder / "google" / f"export-{month}.parquet", month, draw))
    return written


def days_of(month: str) -> Iterator[date]:
    """The days of a month."""
    day = date.fromisoformat(f"{month}-01")
    while f"{day:%Y-%m}" == month:
        yield day
        day += timedelta(days=1)


def volume(day: date, usual: float, draw: random.Random) -> float:
    """A day's volume: growth over the months, quiet weekends, some noise."""
    weekday = 0.55 if day.weekday() >= 5 else 1.0
    return round(usual * weekday * (1 + 0.04 * (day.month - 7)) * draw.uniform(0.93, 1.07), 6)


def _write_aws(path: Path, month: str, draw: random.Random) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for day in days_of(month):
        shared = volume(day, 1, draw)
        for service, tenant, account, product, usage, operation, unit, usual, price in _AWS:
            amount = round(usual * shared, 6) if "Regional" in usage or "analytics" in service else volume(day, usual, draw)
            if service == "product-content" and usage == "EU-DataTransfer-Out-Bytes" and day == ANOMALY:
                amount *= 7
            rows.append(_aws_row(day, month, service, tenant, account, product, usage, operation, unit, amount, price))
    first = next(days_of(month))
    rows.append(
        {
            **_aws_row(first, month, "", "", "210000000000", "AmazonEC2", "", "", "", 1, "184.25"),
            "line_item_line_item_type": "Tax",
        }
    )
    drill = _aws_row(
        first, month, "order-intake", "", "210000000001", "AmazonRDS", "EU-InstanceUsage:db.r6g.large", "", "Hrs", 2, "0.25"
    )
    tags = json.loads(drill["resource_tags"]) | {"drillyard-drill": f"order-intake-{month}"}
    rows.append(
        {**drill, "resource_tags": json.dumps(tags), "line_item_resource_id": "arn:aws:rds:eu-west-1:210000000001:db:drill"}
    )
    with gzip.GzipFile(path, "wb", mtime=0) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _aws_row(
    day: date, month: str, service: str, tenant: str, account: str, product: str, usage: str, operation: str, unit: str,
    amount: float, price: str,
) -> dict[str, Any]:  # fmt: skip
    following = day + timedelta(days=1)
    region = _REGIONS.get(usage.split("-", maxsplit=1)[0], "eu-west-1")
    cost = f"{amount * float(price):.10f}"
    tags = {"user_service": service.replace("-copy", ""), "user_tenant": tenant, "user_environment": "production"}
    if service.startswith("analytics"):
        tags["user_transfer-destination"] = "google/europe-west3" if service == "analytics" else "azure/westeurope"
    return {
        "bill_billing_period_start_date": f"{month}-01T00:00:00.000Z",
        "bill_payer_account_id": "210000000000",
        "line_item_usage_account_id": account,
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": f"{day}T00:00:00.000Z",
        "line_item_usage_end_date": f"{following}T00:00:00.000Z",
        "line_item_product_code": product,
        "line_item_usage_type": usage,
        "line_item_operation": operation,
        "line_item_resource_id": f"arn:aws:example:{region}:{account}:{service or 'account'}",
        "line_item_usage_amount": f"{amount:.6f}",
        "line_item_currency_code": "USD",
        "line_item_unblended_cost": cost,
        "line_item_line_item_description": f"${price} per {unit or 'unit'}: {usage or 'tax'}",
        "pricing_public_on_demand_cost": cost,
        "pricing_unit": unit,
        "product_region_code": region,
        "resource_tags": json.dumps({name: value for name, value in tags.items() if value}),
    }


def _write_azure(path: Path, month: str, draw: random.Random) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for day in days_of(month):
        for service, tenant, category, group, meter, unit, usual, price in _AZURE:
            amount = volume(day, usual, draw)
            tags = {"service": service, "environment": "production"} | ({"tenant": tenant} if tenant else {})
            rows.append(
                {
                    "invoiceId": "",
                    "billingAccountId": "7700001:example_2019-05-31",
                    "billingAccountName": "Example Distribution",
                    "billingPeriodStartDate": f"{day.month:02d}/01/{day.year}",
                    "SubscriptionId": "3f1e0000-0000-4000-8000-000000000001",
                    "subscriptionName": "erp-production",
                    "date": f"{day:%m/%d/%Y}",
                    "meterCategory": category,
                    "meterSubCategory": group,
                    "meterName": meter,
                    "meterId": f"m-{len(category):03d}-{len(meter):03d}",
                    "unitOfMeasure": unit,
                    "quantity": f"{amount:.6f}",
                    "effectivePrice": price,
                    "costInBillingCurrency": f"{amount * float(price):.12f}",
                    "billingCurrency": "EUR",
                    "resourceLocation": "westeurope",
                    "ResourceId": f"/subscriptions/3f1e0000-0000-4000-8000-000000000001/resourceGroups/erp/{service}",
                    "chargeType": "Usage",
                    "frequency": "UsageBased",
                    "pricingModel": "OnDemand",
                    "publisherName": "Microsoft",
                    "tags": json.dumps(tags),
                }
            )
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _write_google(path: Path, month: str, draw: random.Random) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for day in days_of(month):
        for service, tenant, product, sku, usual, price in _GOOGLE:
            amount = volume(day, usual, draw)
            cost = round(amount * float(price), 6)
            labels = [{"key": "service", "value": service}, {"key": "environment", "value": "production"}]
            discounted = [{"name": "Sustained use", "amount": round(-cost * 0.05, 6), "type": "SUSTAINED_USAGE_DISCOUNT"}]
            rows.append(
                {
                    "billing_account_id": "01A1B2-C3D4E5-F60718",
                    "service": {"id": product.lower().replace(" ", "-"), "description": product},
                    "sku": {"id": f"S-{len(sku):04d}", "description": sku},
                    "usage_start_time": day.isoformat() + "T00:00:00Z",
                    "usage_end_time": (day + timedelta(days=1)).isoformat() + "T00:00:00Z",
                    "project": {"id": "example-analytics", "name": "Analytics"},
                    "labels": labels + ([{"key": "tenant", "value": tenant}] if tenant else []),
                    "location": {"location": "europe-west3", "region": "europe-west3"},
                    "cost": cost,
                    "currency": "USD",
                    "usage": {
                        "amount": amount * 2**30,
                        "unit": "bytes",
                        "amount_in_pricing_units": amount,
                        "pricing_unit": "gibibyte",
                    },
                    "credits": discounted if product == "Compute Engine" and "Inter Zone" in sku else [],
                    "invoice": {"month": month.replace("-", "")},
                    "cost_type": "regular",
                }
            )
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path
