# `make demo`, `make test` and `make up` work on a fresh clone: each makes the environment first, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A GPU that the driver lists gets the CUDA build of TensorFlow beside it.
EXTRAS := $(shell nvidia-smi --list-gpus 2>/dev/null | grep -q '^GPU' && echo dev,gpu || echo dev)
CONSTRAINTS := $(wildcard constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help env demo up test test-fast check format constraints clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

env: $(STAMP) ## the virtual environment in .venv with everything that development needs

# Only what decides the installation makes it again. constraints.txt pins; without it pip chooses.
$(STAMP): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11: name a newer one, as in make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]" \
	  $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
	@touch $@

demo: $(STAMP) ## two small sweeps from POST to verdict, about a minute
	$(BIN)/sweep-service demo

up: $(STAMP) ## server, workers and dashboard on this machine
	$(BIN)/sweep-service up

test: check ## the checks and every test
	$(BIN)/pytest

test-fast: $(STAMP) ## the unmarked tests: no TensorFlow, PostgreSQL, browser or kills
	$(BIN)/pytest -m "not engine and not faults and not postgres and not browser"

check: $(STAMP) ## formatting, lints, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## format, and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# pip resolves without installing anything, and what a person has installed by hand does not slip in.
constraints: $(STAMP) ## write constraints.txt anew from what the dev extra resolves to today
	@mkdir -p build
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed \
	  --report build/resolved.json ".[dev]"
	$(BIN)/python -c 'import json; found = json.load(open("build/resolved.json"))["install"]; \
	  names = {m["name"].lower().replace("_", "-"): m["version"] for m in (i["metadata"] for i in found)}; \
	  print("\n".join(f"{n}=={v}" for n, v in sorted(names.items()) if n != "sweep-service"))' > constraints.txt

clean: ## remove the environment and all that tools have left (never sweep-data)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
