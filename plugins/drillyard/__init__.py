"""Drillyard's part inside Airflow: operators, triggers, and clients from the providers' hooks."""
