"""Runs several Airflow commands in one process: ``python -m include.lab.airflow_commands '["db", "migrate"]' …``.

Importing Airflow takes seconds, so four commands in four processes would make every start wait for it four times.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence


def run(commands: Sequence[Sequence[str]]) -> None:
    """Run each command as the `airflow` program would. Raises what the first failing one raises (often SystemExit)."""
    from airflow import configuration  # first: its import order is Airflow's own, see airflow/__main__.py
    from airflow.cli import cli_parser

    configuration.write_default_airflow_configuration_if_needed()
    parser = cli_parser.get_parser()
    for command in commands:
        arguments = parser.parse_args(list(command))
        print(f"airflow {' '.join(command)}", flush=True)
        arguments.func(arguments)


if __name__ == "__main__":
    run([json.loads(argument) for argument in sys.argv[1:]])
