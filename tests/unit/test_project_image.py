"""The Dockerfile and what it leaves out, without building it; tests/lab/test_install_image.py runs its steps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from project_files import image_files, project_files

from include.settings import PROJECT

DOCKERFILE = (PROJECT / "Dockerfile").read_text()


def test_the_linter_has_nothing_to_say() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([linter, PROJECT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_an_argument_and_of_the_airflow_that_is_pinned() -> None:
    base = re.search(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE, re.M)
    assert base is not None
    assert "FROM ${BASE_IMAGE}" in DOCKERFILE
    pinned = re.search(r"^apache-airflow==(\d+\.\d+)", (PROJECT / "requirements.txt").read_text(), re.M)
    assert pinned is not None
    assert f":{pinned[1]}-" in base[1], "Astro Runtime's tag begins with Airflow's major and minor version"


def test_it_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.M)
    assert users
    assert users[-1] not in ("root", "0")


def test_the_project_is_importable_in_it() -> None:
    assert re.search(r"^WORKDIR (\S+)$", DOCKERFILE, re.M)[1] in re.search(r"PYTHONPATH=(\S+)", DOCKERFILE)[1]  # type: ignore[index]


def test_only_what_production_needs_goes_in() -> None:
    names = {path.relative_to(PROJECT).as_posix() for path in image_files()}
    assert {"dags/drill_restores.py", "plugins/.airflowignore", "include/cli.py", "constraints.txt", "pyproject.toml"} <= names
    assert [name for name in names if name.startswith(("include/lab/", "tests/", "docs/", ".git", ".venv", "build/"))] == []
    assert {path for path in project_files() if path.parent == PROJECT / "dags"} <= set(image_files())
