"""The project's shape, as rules: who may import what, how long things are, what must not stand in any file."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from project_files import project_files

from include.clouds import CLOUDS
from include.lab.install import PROFILES, included, pip_settings
from include.settings import PROJECT

SDKS = ("boto3", "botocore", "aiobotocore", "google.cloud", "googleapiclient", "azure", "moto")
SDK_ROOMS = ("include/clouds/", "include/lab/")
AIRFLOW_STARTER = "include/lab/airflow_commands.py"
"""The one file below include/ that is Airflow's: it runs Airflow's own commands, for the lab."""


def relative(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def imports(text: str) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in statements(text):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@cache
def parsed(text: str) -> ast.Module:
    """A file's tree, made once for all rules."""
    return ast.parse(text)


@cache
def statements(text: str) -> list[ast.AST]:
    """Every statement of a file, however deep: imports and functions are among them, and expressions are left alone."""
    found: list[ast.AST] = [parsed(text)]
    for node in found:
        for inner in ("body", "handlers", "orelse", "finalbody", "cases"):
            found.extend(getattr(node, inner, ()))
    return found


def boundary_faults(name: str, text: str) -> list[str]:
    """What a file of the project imports against the rules; `name` is its path in the project."""
    found = []
    for module in set(imports(text)):
        if name.startswith("include/") and name != AIRFLOW_STARTER and within(module, ("airflow",)):
            found.append(f"{name}: include/ works without Airflow, and imports {module}")
        if not name.startswith((*SDK_ROOMS, "tests/")) and within(module, SDKS):
            found.append(f"{name}: a cloud's SDK ({module}) belongs into its room")
        if name.startswith("include/") and within(module, ("drillyard", "plugins", "tests")):
            found.append(f"{name}: include/ is below plugins/ and tests/, and imports {module}")
        if not name.startswith(("include/lab/", "include/cli.py", "tests/")) and within(module, ("include.lab",)):
            found.append(f"{name}: the lab is not in the image, and is imported: {module}")
    return found


def cloud_comparisons(name: str, text: str) -> list[str]:
    """Where a file compares something with the name of a cloud."""
    found: list[str] = []
    if not any(cloud in text for cloud in KNOWN_CLOUDS):
        return found
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            parts += [element for part in parts if isinstance(part, (ast.Tuple, ast.List, ast.Set)) for element in part.elts]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        else:
            continue
        if any(isinstance(part, ast.Constant) and part.value in KNOWN_CLOUDS for part in parts):
            found.append(f"{name}:{node.lineno}")
    return found


KNOWN_CLOUDS = {*CLOUDS, "aws", "google", "azure", "selfhosted"}
SOURCES = [path for folder in ("include", "plugins", "dags") for path in project_files(".py", below=PROJECT / folder)]


def test_no_file_imports_what_its_room_may_not() -> None:
    assert len(SOURCES) > 50
    assert [fault for path in SOURCES for fault in boundary_faults(relative(path), path.read_text())] == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("include/recovery/planted.py", "from airflow.sdk import task"),
        ("include/catalog/planted.py", "def f():\n    import boto3"),
        ("include/ledger/planted.py", "from google.cloud import storage"),
        ("plugins/drillyard/planted.py", "from azure.identity import DefaultAzureCredential"),
        ("include/evidence/planted.py", "from drillyard.tasks import seal"),
        ("dags/planted.py", "from include.lab import fleet"),
    ],
)
def test_a_planted_import_is_found(name: str, line: str) -> None:
    assert len(boundary_faults(name, line)) >= 1


@pytest.mark.parametrize(
    ("name", "line", "rule"),
    [
        ("include/recovery/planted.py", "import airflow", "TID251"),
        ("include/costs/planted.py", "from google.cloud import storage", "TID251"),
        ("include/catalog/planted.py", "import azure.identity", "TID251"),
        ("include/ledger/planted.py", "import boto3", "TID251"),
        ("plugins/drillyard/planted.py", "import pandas", "TID253"),
        ("dags/planted.py", "import great_expectations", "TID253"),
    ],
)
def test_ruff_refuses_a_planted_import(name: str, line: str, rule: str) -> None:
    text = f'"""Planted."""\n\n{line}\n'
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", f"--stdin-filename={name}", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert rule in done.stdout


def test_no_cloud_is_named_in_a_comparison() -> None:
    files = [path for path in SOURCES if relative(path) != "include/clouds/__init__.py"]
    assert [place for path in files for place in cloud_comparisons(relative(path), path.read_text())] == []


@pytest.mark.parametrize("text", ['cloud == "aws"', 'x = y in ("google", "azure")', 'match c:\n case "selfhosted":\n  pass'])
def test_a_planted_comparison_is_found(text: str) -> None:
    assert cloud_comparisons("planted.py", text) == [f"planted.py:{2 if 'match' in text else 1}"]


def test_dag_files_are_tables_of_contents() -> None:
    long = {path.name: lines for path in project_files(".py", below=PROJECT / "dags") if (lines := count(path)) > 80}
    assert long == {}


def count(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_file_is_long() -> None:
    lengths = {relative(path): count(path) for path in project_files(".py")}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}
    ordered = sorted(lengths.values())
    assert ordered[int(len(ordered) * 0.9)] <= 250


def test_functions_are_short() -> None:
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in SOURCES
        for node in statements(path.read_text())
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    assert lengths[int(len(lengths) * 0.9)] <= 35


TEXTS = [path for path in project_files() if path.suffix not in (".png", ".svg", ".gz", ".dump", ".parquet", ".jpg", ".xlsx")]
MACHINE = re.compile(r"(?<![\w.}])/(?:(?:root|work)/|home/[a-z]|Users/[A-Za-z]|opt/(?:pypi|wheels))")


def test_no_file_names_a_place_on_a_developers_machine() -> None:
    found = [
        relative(path) for path in TEXTS if path.name != Path(__file__).name and MACHINE.search(path.read_text(errors="replace"))
    ]
    assert found == []


def index_hosts() -> set[str]:
    """The hosts of the package indexes that this machine is set up for."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    values = [*pip_settings(listing).values(), *(value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_")))]
    return {host for value in values for word in value.split() if (host := urlsplit(word).hostname or "")} - {
        "localhost",
        "127.0.0.1",
    }


def test_no_file_names_a_package_index() -> None:
    hosts = index_hosts() | {"pypi.org", "files.pythonhosted.org"}
    named = re.compile("|".join(map(re.escape, sorted(hosts))))
    found = [
        relative(path) for path in TEXTS if path.name != Path(__file__).name and named.search(path.read_text(errors="replace"))
    ]
    assert found == []


def test_the_lock_and_requirements_name_packages_only() -> None:
    for path in PROJECT.glob("*.txt"):
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        assert [line for line in lines if "://" in line or (line.startswith("-") and not line.startswith("-r "))] == [], path.name


def test_the_lock_holds_every_requirement_exactly() -> None:
    lock = (PROJECT / "constraints.txt").read_text().splitlines()
    pinned = {re.split(r"[=<>!;\[ ]", line)[0].lower().replace("_", "-") for line in lock if "==" in line}
    named = set()
    for path in included(PROJECT / PROFILES["dev"]):
        lines = (line for line in path.read_text().splitlines() if line.strip() and not line.startswith(("#", "-")))
        named |= {re.split(r"[=<>!;\[ ]", line)[0].lower().replace("_", "-") for line in lines}
    assert named - pinned == set(), "run `make lock`"


def test_modules_have_names_of_the_field() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base"}
    assert [relative(path) for path in SOURCES if path.stem in vague or path.parent.name in vague] == []
