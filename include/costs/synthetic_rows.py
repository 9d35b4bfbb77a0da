"""Millions of synthetic CUR-like rows for benchmarks: seeded, skewed, with resources that belong to services and accounts.

Nothing here comes from a real bill. The usage types follow AWS's documented patterns, so that the real rules run.
"""

from __future__ import annotations

from pathlib import Path

REGIONS = ("USE1", "USE2", "USW2", "EU", "EUW2", "EUC1", "APN1", "APS1", "CAN1", "SAE1")
_CODES = {
    "USE1": "us-east-1",
    "USE2": "us-east-2",
    "USW2": "us-west-2",
    "EU": "eu-west-1",
    "EUW2": "eu-west-2",
    "EUC1": "eu-central-1",
    "APN1": "ap-northeast-1",
    "APS1": "ap-southeast-1",
    "CAN1": "ca-central-1",
    "SAE1": "sa-east-1",
}
_MOVING = (
    ("DataTransfer-Out-Bytes", "AmazonEC2", "RunInstances", "GB"),
    ("DataTransfer-In-Bytes", "AmazonEC2", "RunInstances", "GB"),
    ("DataTransfer-Regional-Bytes", "AmazonEC2", "InterZone-In", "GB"),
    ("NatGateway-Bytes", "AmazonEC2", "NatGateway", "GB"),
    ("VpcEndpoint-Bytes", "AmazonVPC", "VpcEndpoint", "GB"),
    ("TransitGateway-Bytes", "AmazonVPC", "TransitGatewayVPC", "GB"),
)
_STANDING = (
    ("NatGateway-Hours", "AmazonEC2", "NatGateway", "Hrs"),
    ("BoxUsage:m6i.xlarge", "AmazonEC2", "RunInstances", "Hrs"),
    ("BoxUsage:c7g.large", "AmazonEC2", "RunInstances", "Hrs"),
    ("EBS:VolumeUsage.gp3", "AmazonEC2", "CreateVolume-Gp3", "GB-Mo"),
    ("TimedStorage-ByteHrs", "AmazonS3", "StandardStorage", "GB-Mo"),
    ("Requests-Tier1", "AmazonS3", "PutObject", "Requests"),
    ("Lambda-GB-Second", "AWSLambda", "Invoke", "Lambda-GB-Second"),
    ("InstanceUsage:db.r6g.large", "AmazonRDS", "CreateDBInstance:0014", "Hrs"),
)


def usage_types() -> list[dict[str, str]]:
    """All usage types with product, operation, unit and region: 230, most of them transfer between two regions."""
    rows = []
    for region in REGIONS:
        for name, product, operation, unit in (*_MOVING, *_STANDING):
            rows.append({"usage": f"{region}-{name}", "product": product, "operation": operation, "unit": unit, "region": region})
        for other in REGIONS:
            if other != region:
                usage = f"{region}-{other}-AWS-Out-Bytes"
                rows.append({"usage": usage, "product": "AmazonS3", "operation": "GetObject", "unit": "GB", "region": region})
    return [{**row, "code": _CODES[row["region"]], "place": str(i)} for i, row in enumerate(rows)]


def write_rows(path: Path, rows: int, *, seed: int = 20261001, form: str = "parquet") -> Path:
    """Write `rows` synthetic lines of October 2026 as Parquet (CUR 2.0 names) or CSV (legacy names), 16 columns.

    A resource belongs to one service, account, tenant and region; usage within a resource follows a power law. Amounts are
    doubles with ten decimals, as AWS writes them.
    """
    import duckdb
    import pyarrow as pa

    types = usage_types()
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order = false")
    con.register("types", pa.Table.from_pylist([{**t, "place": int(t["place"])} for t in types]))
    if form == "parquet":
        names = {}
        options = "FORMAT parquet, COMPRESSION zstd"
    else:
        names = _LEGACY
        options = "FORMAT csv, HEADER"
    columns = ", ".join(f'{expression} AS "{names.get(name, name)}"' for name, expression in _COLUMNS.items())
    per_region = len(types) // len(REGIONS)
    con.execute(
        f"""COPY (
            SELECT {columns} FROM (
                SELECT n, r, hash(r + {seed}) AS h,
                       (hash(r * 3 + {seed}) % {len(REGIONS)}) * {per_region}
                       + CAST(floor(pow((hash(n * 5 + {seed}) % 1000000) / 1000000.0, 2.5) * {per_region}) AS BIGINT) AS k
                FROM (
                    SELECT range AS n,
                           CAST(floor(pow((hash(range + {seed}) % 1000000) / 1000000.0, 3) * 60000) AS BIGINT) AS r
                    FROM range({rows})
                )
            ) JOIN types ON types.place = k
        ) TO '{path}' ({options})"""
    )
    con.close()
    return path


_COLUMNS = {
    "bill_billing_period_start_date": "TIMESTAMP '2026-10-01 00:00:00'",
    "bill_payer_account_id": "'100000000001'",
    "line_item_usage_account_id": "CAST(200000000000 + (h // 7) % 12 * 3 + (h // 91) % 2 AS VARCHAR)",
    "line_item_line_item_type": "'Usage'",
    "line_item_usage_start_date": "TIMESTAMP '2026-10-01 00:00:00' + INTERVAL (hash(n * 7) % 31) DAY",
    "line_item_product_code": "product",
    "line_item_usage_type": "usage",
    "line_item_operation": "operation",
    "line_item_resource_id": "'i-' || lpad(CAST(r AS VARCHAR), 17, '0')",
    "line_item_usage_amount": "round((hash(n * 13) % 1000000) / 1000.0, 6)",
    "line_item_currency_code": "'USD'",
    "line_item_unblended_cost": "round((hash(n * 17) % 10000000000) / 2e10, 10)",
    "pricing_unit": "unit",
    "product_region_code": "code",
    "resource_tags_user_service": "CASE WHEN h % 10 < 8 THEN 'svc-' || lpad(CAST((h // 7) % 12 AS VARCHAR), 2, '0') END",
    "resource_tags_user_tenant": "CASE WHEN (h // 13) % 10 < 3 "
    "THEN 'tenant-' || CAST((h // 1001) % 4 + (h // 7) % 12 AS VARCHAR) END",
}
_LEGACY = {
    "bill_billing_period_start_date": "bill/BillingPeriodStartDate",
    "bill_payer_account_id": "bill/PayerAccountId",
    "line_item_usage_account_id": "lineItem/UsageAccountId",
    "line_item_line_item_type": "lineItem/LineItemType",
    "line_item_usage_start_date": "lineItem/UsageStartDate",
    "line_item_product_code": "lineItem/ProductCode",
    "line_item_usage_type": "lineItem/UsageType",
    "line_item_operation": "lineItem/Operation",
    "line_item_resource_id": "lineItem/ResourceId",
    "line_item_usage_amount": "lineItem/UsageAmount",
    "line_item_currency_code": "lineItem/CurrencyCode",
    "line_item_unblended_cost": "lineItem/UnblendedCost",
    "pricing_unit": "pricing/unit",
    "product_region_code": "product/region",
    "resource_tags_user_service": "resourceTags/user:service",
    "resource_tags_user_tenant": "resourceTags/user:tenant",
}
