"""Billing exports of three clouds to FOCUS, transfer classes, allocation and a report that reconciles with the bill."""
