# Everything a user or a contributor does, on a machine with nothing but make and Python 3.11 or newer.
# Recipes use the shell's own commands and Python, never another program.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python on PATH that is new enough. Another one: make setup PYTHON=/path/to/python3
ifndef PYTHON
PYTHON := $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	if command -v "$$python" >/dev/null 2>&1 && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo "$$python"; break; fi; done)
endif
VENV := .venv/bin/python
INSTALL := $(PYTHON) -I include/lab/install.py
AIRFLOW := $(VENV) -m include.lab.airflow_home
PYTEST := $(VENV) -m pytest
ONLY ?=
JOBS ?= 2
# Tests mostly wait, for a server or a process: two files at once are done in little more than half the time.
SIDE_BY_SIDE := -n $(JOBS) --dist loadfile --no-loadscope-reorder
export PYTHONPATH := $(CURDIR)
# Compiled modules are kept in .venv, also where the caller's shell says otherwise: minutes, on two cores.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help python setup setup-lab demo test test-unit test-full bench up down lint lock clean

help: python ## what can be made (this list)
	@$(PYTHON) -c 'import re; [print(f"  make {name:10} {text}") for name, text in re.findall(r"^([a-z-]+):.*?## (.+)", open("Makefile").read(), re.M)]'

python:
	@if [ -z "$(PYTHON)" ]; then echo "no Python 3.11 or newer on PATH; install one, or name it: make setup PYTHON=/path/to/python3" >&2; exit 1; fi

setup: python ## install everything into .venv (the other targets do this themselves)
	@$(INSTALL) dev

setup-lab: python
	@$(INSTALL) lab

demo: setup-lab ## prove that backups come back: a lab, real restores, a readiness report
	@$(VENV) -m include.lab.demo

test: setup ## every test except the full fault matrices, two at once (JOBS=1: one by one)
	@$(PYTEST) $(SIDE_BY_SIDE) -m "not full"

test-unit: setup ## the unit tests, in half a minute
	@$(PYTEST) $(SIDE_BY_SIDE) -m "not full" tests/unit

test-full: setup ## every test, with the full fault matrices
	@$(PYTEST) $(SIDE_BY_SIDE)

bench: setup ## every benchmark, into build/bench.json (ONLY=name: some of them)
	@$(VENV) -m include.lab.bench $(ONLY)

up: setup-lab ## Airflow with the DAGs, against the lab; prints its address and login
	@$(AIRFLOW) up

down: setup-lab ## stop Airflow, the lab and everything they started
	@$(AIRFLOW) down

lint: setup ## ruff, mypy, Dockerfile, published schemas
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy
	$(VENV) -m include.lab.currency
	.venv/bin/hadolint Dockerfile

lock: python ## renew constraints.txt from the requirements files
	@$(INSTALL) lock

clean: python ## remove what was built, not .venv; stops Airflow and the lab first
	@if [ -x "$(VENV)" ] && [ -d build ]; then $(AIRFLOW) down; fi
	@$(PYTHON) -c 'import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ("build", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis")]'
