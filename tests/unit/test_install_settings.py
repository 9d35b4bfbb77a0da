"""Set-up's pure parts: which Python, which files, whose package index, whether anything is to be done."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from include.lab import install


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the files that set-up reads, and a finished environment."""
    files = {
        "requirements.txt": "alpha==1\n",
        "requirements-lab.txt": "-r requirements.txt\nbeta==2\n",
        "requirements-dev.txt": "# tests\n-r requirements-lab.txt\ngamma==3\n",
        "constraints.txt": "alpha==1\nbeta==2\ngamma==3\n",
        "pyproject.toml": "[project]\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(install, "PROJECT", tmp_path)
    for name, path in {
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "STAMP": venv / "stamp",
        "UNFINISHED": venv / "unfinished",
    }.items():
        monkeypatch.setattr(install, name, path)
    return tmp_path


def stamp(checkout: Path, *profiles: str) -> None:
    install.STAMP.write_text(json.dumps({"digests": {profile: install.digest(profile) for profile in profiles}}))


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 9), (2, 7, 18)])
def test_an_old_python_is_refused_with_both_versions_and_a_way_out(version: tuple[int, ...]) -> None:
    with pytest.raises(install.InstallError, match=rf"Python 3\.11 or newer.*{version[0]}\.{version[1]}.*PYTHON="):
        install.check_python(version)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 1), (4, 0)])
def test_a_new_enough_python_is_taken(version: tuple[int, ...]) -> None:
    install.check_python(version)


def test_included_files_are_found_each_once(checkout: Path) -> None:
    found = [file.name for file in install.included(checkout / "requirements-dev.txt")]
    assert found == ["requirements-dev.txt", "requirements-lab.txt", "requirements.txt"]


def test_a_missing_file_is_named(checkout: Path) -> None:
    (checkout / "requirements.txt").unlink()
    with pytest.raises(install.InstallError, match=r"requirements\.txt is missing"):
        install.included(checkout / "requirements-dev.txt")


def test_what_is_installed_is_current(checkout: Path) -> None:
    stamp(checkout, "runtime", "lab", "dev")
    assert [install.is_current(profile) for profile in install.PROFILES] == [True, True, True]


def test_a_narrower_profile_is_not_a_wider_one(checkout: Path) -> None:
    stamp(checkout, "runtime", "lab")
    assert install.is_current("lab")
    assert not install.is_current("dev")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-lab.txt", "constraints.txt", "pyproject.toml"])
def test_a_changed_file_makes_set_up_run_again(checkout: Path, name: str) -> None:
    stamp(checkout, "runtime", "lab", "dev")
    (checkout / name).write_text("alpha==9\n-r requirements.txt\n" if name == "requirements-lab.txt" else "alpha==9\n")
    assert not install.is_current("dev")


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"digests": 3}', "null"])
def test_a_broken_stamp_is_no_stamp(checkout: Path, broken: str) -> None:
    install.STAMP.write_text(broken)
    assert not install.is_current("runtime")


def test_an_interrupted_installation_is_not_current_nor_usable(checkout: Path) -> None:
    stamp(checkout, "runtime", "lab", "dev")
    install.UNFINISHED.touch()
    assert not install.is_current("runtime")
    assert not install.usable()


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Path) -> None:
    stamp(checkout, "runtime")
    install.PYTHON.unlink()
    install.PYTHON.symlink_to(checkout / "gone")
    assert not install.is_current("runtime")
    assert not install.usable()


def test_an_environment_of_another_place_is_not_usable(checkout: Path) -> None:
    assert not install.usable()


LISTING = """\
:env:.cert='/certs/ca.pem'
global.cert='/other.pem'
global.index-url='https://one.example/simple'
install.index-url='https://two.example/simple'
global.extra-index-url='https://three.example/simple
file:///mirror'
freeze.timeout='10'
global.find-links='/wheels /more'
nonsense
"""


def test_pips_order_of_precedence() -> None:
    found = install.pip_settings(LISTING.replace("simple\nfile", "simple file"))
    assert found == {
        "cert": "/certs/ca.pem",
        "index-url": "https://two.example/simple",
        "extra-index-url": "https://three.example/simple file:///mirror",
        "find-links": "/wheels /more",
    }


def test_values_over_several_lines_are_kept_as_pip_prints_them() -> None:
    assert install.pip_settings(r"global.extra-index-url='a\nb'") == {"extra-index-url": "a\nb"}


def test_uv_looks_where_pip_looks() -> None:
    settings = {
        "index-url": "https://two.example/simple",
        "extra-index-url": "https://three.example/simple\nfile:///mirror",
        "find-links": "/wheels /more",
        "trusted-host": "two.example",
        "cert": "/certs/ca.pem",
        "proxy": "http://proxy.example:3128",
        "timeout": "60",
        "no-index": "true",
    }
    found = install.uv_environment(settings, {"PATH": "/bin"})
    assert found == {
        "PATH": "/bin",
        "UV_DEFAULT_INDEX": "https://two.example/simple",
        "UV_INDEX": "https://three.example/simple file:///mirror",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INSECURE_HOST": "two.example",
        "UV_HTTP_TIMEOUT": "60",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_NO_INDEX": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "SSL_CERT_FILE": "/certs/ca.pem",
        "ALL_PROXY": "http://proxy.example:3128",
    }


def test_what_the_user_set_for_uv_stays() -> None:
    found = install.uv_environment(
        {"index-url": "https://two.example/simple"}, {"UV_DEFAULT_INDEX": "https://mine.example/simple"}
    )
    assert found["UV_DEFAULT_INDEX"] == "https://mine.example/simple"


def test_nothing_set_means_nothing_passed_on() -> None:
    assert install.uv_environment({}, {}) == {"UV_PYTHON_DOWNLOADS": "never"}


def test_an_error_shows_no_address_and_says_what_to_do() -> None:
    said = (
        "noise\n" * 50
        + "error: Failed to fetch `https://user:token@index.example/simple/x/`\n  dns error: name resolution failed\n"
    )
    text = str(install.failure("installing", said))
    assert "index.example" not in text
    assert "token" not in text
    assert "<index>" in text
    assert text.endswith("then run the same command again")
    assert install.UNREACHABLE in text
    assert len(text.splitlines()) <= 17


def test_another_error_is_not_called_a_network_fault() -> None:
    assert install.UNREACHABLE not in str(install.failure("installing", "error: No space left on device"))


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert install.main(["everything"]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_current_environment_is_left_alone(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stamp(checkout, "runtime", "lab", "dev")

    def never(*_: object) -> None:
        raise AssertionError("installed again")

    monkeypatch.setattr(install, "install", never)
    assert install.main(["dev"]) == 0
    assert capsys.readouterr().out == ""


def test_foreign_variables_do_not_reach_the_installer(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setattr(install, "usable", lambda: True)
    (checkout / ".venv" / "lib" / "python3" / "site-packages").mkdir(parents=True)
    monkeypatch.setattr(install, "installer", lambda environ: (["pip"], environ))
    monkeypatch.setattr(install, "run", lambda what, command, environ: seen.append(environ))
    install.install("lab")
    assert all("PIP_TARGET" not in environ and "VIRTUAL_ENV" not in environ and environ["PIP_USER"] == "0" for environ in seen)
    assert len(seen) == 2
    assert install.is_current("runtime")
    assert install.is_current("lab")
    assert not install.UNFINISHED.exists()


@pytest.mark.parametrize(("touched", "unfinished"), [(False, False), (True, True)])
def test_a_failed_installation_is_healed_only_when_it_changed_something(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, touched: bool, unfinished: bool
) -> None:
    packages = checkout / ".venv" / "lib" / "python3" / "site-packages"
    packages.mkdir(parents=True)
    os.utime(packages, (1, 1))

    def fail(what: str, command: object, environ: object) -> str:
        if touched:
            (packages / "half").mkdir()
        raise install.InstallError("no index")

    monkeypatch.setattr(install, "usable", lambda: True)
    monkeypatch.setattr(install, "installer", lambda environ: (["pip"], environ))
    monkeypatch.setattr(install, "run", fail)
    with pytest.raises(install.InstallError):
        install.install("lab")
    assert install.UNFINISHED.exists() is unfinished
    assert not install.STAMP.exists()
