"""The columns of FOCUS 1.2 that we write, the two provider columns of 1.3, and our own, with their kinds.

Source: FOCUS 1.2 specification (2025-05-29), cost and usage; FOCUS 1.3 for ServiceProviderName and HostProviderName.
"""

from __future__ import annotations

FOCUS_COLUMNS: dict[str, str] = {
    "AvailabilityZone": "text",
    "BilledCost": "money",
    "BillingAccountId": "text",
    "BillingAccountName": "text",
    "BillingAccountType": "text",
    "BillingCurrency": "text",
    "BillingPeriodEnd": "time",
    "BillingPeriodStart": "time",
    "CapacityReservationId": "text",
    "CapacityReservationStatus": "text",
    "ChargeCategory": "text",
    "ChargeClass": "text",
    "ChargeDescription": "text",
    "ChargeFrequency": "text",
    "ChargePeriodEnd": "time",
    "ChargePeriodStart": "time",
    "CommitmentDiscountCategory": "text",
    "CommitmentDiscountId": "text",
    "CommitmentDiscountName": "text",
    "CommitmentDiscountQuantity": "quantity",
    "CommitmentDiscountStatus": "text",
    "CommitmentDiscountType": "text",
    "CommitmentDiscountUnit": "text",
    "ConsumedQuantity": "quantity",
    "ConsumedUnit": "text",
    "ContractedCost": "money",
    "ContractedUnitPrice": "money",
    "EffectiveCost": "money",
    "InvoiceId": "text",
    "InvoiceIssuerName": "text",
    "ListCost": "money",
    "ListUnitPrice": "money",
    "PricingCategory": "text",
    "PricingCurrency": "text",
    "PricingCurrencyContractedUnitPrice": "money",
    "PricingCurrencyEffectiveCost": "money",
    "PricingCurrencyListUnitPrice": "money",
    "PricingQuantity": "quantity",
    "PricingUnit": "text",
    "ProviderName": "text",
    "PublisherName": "text",
    "RegionId": "text",
    "RegionName": "text",
    "ResourceId": "text",
    "ResourceName": "text",
    "ResourceType": "text",
    "ServiceCategory": "text",
    "ServiceName": "text",
    "ServiceSubcategory": "text",
    "SkuId": "text",
    "SkuMeter": "text",
    "SkuPriceDetails": "text",
    "SkuPriceId": "text",
    "SubAccountId": "text",
    "SubAccountName": "text",
    "SubAccountType": "text",
    "Tags": "text",
}
PROVIDER_COLUMNS = ("ServiceProviderName", "HostProviderName")
"""FOCUS 1.3. They replace ProviderName and PublisherName there; we write both."""

FILLED = frozenset(
    (
        "BillingAccountId",
        "BillingAccountName",
        "BillingAccountType",
        "BillingCurrency",
        "BillingPeriodStart",
        "ChargeCategory",
        "ChargeDescription",
        "ChargePeriodEnd",
        "ChargePeriodStart",
        "ServiceCategory",
        "ServiceName",
        "ServiceSubcategory",
        "x_TransferClass",
    )
)
"""Never NULL in our files: a row without them is not usable, or `focus` fills them. The same in every file, because readers
such as BigQuery want a column to be of one mode in all of them."""

KEY = (
    "ProviderName",
    "x_ServiceCode",
    "ServiceName",
    "x_UsageType",
    "x_Operation",
    "x_TransferType",
    "x_FromRegion",
    "x_ToRegion",
    "RegionId",
    "x_KeyText",
    "PricingUnit",
    "x_ChargeKind",
)
"""What a class depends on. Distinct keys are few (thousands), rows are many (millions): keys are classified once."""

PARTS = (
    "x_Month",
    "BillingCurrency",
    "BillingAccountId",
    "SubAccountId",
    "x_TagService",
    "x_TagEnvironment",
    "x_TagTenant",
    "x_TagOwner",
    "x_TagDestination",
    "x_TagDrill",
    "x_Resource",
)
"""What allocation depends on besides the key."""
SUMS = ("BilledCost", "EffectiveCost", "ListCost", "PricingQuantity")

KINDS = {"text": "string", "time": "timestamp", "money": "decimal(38,24)", "quantity": "decimal(38,12)"}
