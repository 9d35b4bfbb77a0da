"""Set-up from nothing, as a newcomer has it: a checkout, and a PATH with Python and make alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from include.settings import PROJECT

sys.path.insert(0, str(PROJECT / "tests" / "unit"))

from project_files import project_files

pytestmark = pytest.mark.full

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


class Newcomer:
    """A checkout and an environment with nothing in it."""

    def __init__(self, place: Path) -> None:
        self.checkout, self.bin = place / "checkout", place / "bin"
        for file in project_files():
            target = self.checkout / file.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        self.bin.mkdir()
        (self.bin / "python3").symlink_to(Path(sys._base_executable).resolve())  # type: ignore[attr-defined]
        make = shutil.which("make")
        assert make is not None
        (self.bin / "make").symlink_to(make)
        self.env = {"PATH": str(self.bin), "HOME": str(place)} | {
            name: os.environ[name] for name in CERTIFICATES if name in os.environ
        }

    def start(self, *targets: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["make", *targets],
            cwd=self.checkout,
            env=self.env | more,
            executable=self.bin / "make",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def make(self, *targets: str, **more: str) -> tuple[int, str, float]:
        began = time.monotonic()
        process = self.start(*targets, **more)
        said, _ = process.communicate(timeout=1200)
        return process.returncode, said, time.monotonic() - began


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    place = tmp_path_factory.mktemp("newcomer")
    yield Newcomer(place)
    shutil.rmtree(place)


def test_help_needs_nothing(newcomer: Newcomer) -> None:
    code, said, _ = newcomer.make()
    assert code == 0
    assert "make demo" in said
    assert "make up" in said
    assert not (newcomer.checkout / ".venv").exists()


def test_no_network_is_said_and_leaves_nothing_half_made(newcomer: Newcomer) -> None:
    code, said, _ = newcomer.make("setup-lab", PIP_INDEX_URL="https://index.invalid/simple", PIP_RETRIES="1", UV_HTTP_RETRIES="0")
    assert code != 0
    assert "index.invalid" not in said
    assert "no package index answered" in said


def test_a_killed_set_up_heals_and_the_next_is_instant(newcomer: Newcomer) -> None:
    process = newcomer.start("setup-lab")
    packages = newcomer.checkout / ".venv" / "lib"
    until = time.monotonic() + 600
    while (
        not list(packages.glob("python*/site-packages/apache_airflow*")) and time.monotonic() < until and process.poll() is None
    ):
        time.sleep(0.05)
    for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        child.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode != 0, "it was not caught in the middle"

    code, said, _ = newcomer.make("setup-lab")
    assert (code, "ready after" in said) == (0, True), said
    assert "installing requirements-lab.txt" in said
    done = subprocess.run(
        [newcomer.checkout / ".venv" / "bin" / "drillyard", "lab", "--help"],
        env=newcomer.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    code, said, seconds = newcomer.make("setup-lab")
    assert (code, said) == (0, "")
    assert seconds < 2


def test_a_python_that_is_too_old_is_passed_over(newcomer: Newcomer) -> None:
    old = newcomer.bin.parent / "old"
    old.mkdir()
    (old / "python3").write_text("#!/bin/sh\nexit 1\n")
    (old / "python3").chmod(0o755)
    code, said, _ = newcomer.make("setup", PATH=str(old))
    assert code != 0
    assert "no Python 3.11 or newer on PATH" in said
