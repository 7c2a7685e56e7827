# One command for each thing you do with Shardboard. Needs Python ≥ 3.11 and nothing else; `make help` lists all.
# Everything is installed into .venv from requirements/*.txt, where each file of each package is pinned by its hash.
PYTHON ?= python3
ARGS ?=

UV_VERSION := 0.13.9
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ifeq ($(VERSION),)
$(error $(PYTHON) does not run here: choose another with PYTHON=…)
endif
VENV := .venv/bin/python$(VERSION)
BIN := .venv/bin
# Compiling every module of every package would double the time to the first board; Python compiles what it imports.
PIP := $(VENV) -m pip install --quiet --disable-pip-version-check --no-compile
# The editable install alone: its only dependency at build time is hatchling, which build.txt has brought.
INSTALL_PROJECT := $(PIP) --no-deps --no-build-isolation --no-index --editable .
PROJECT_FILES := pyproject.toml requirements/build.txt
COMPILE := .venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

.PHONY: help up test test-deps check faults mutants lock bench clean
.DEFAULT_GOAL := help

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | while IFS="$$(printf '\t')" read -r name meaning; do \
		printf '  make %-10s %s\n' "$$name" "$$meaning"; done
	@echo '  PYTHON=python3.12 chooses the interpreter; ARGS="--shards 5" goes to the command of up, test or bench.'

up: .venv/.installed-up ## start Kafka, Redis, Postgres and every service, and print the board's address
	@exec $(BIN)/shardboard up $(ARGS)

test: .venv/.installed-dev ## run every test (ARGS="tests/unit -k ranking" for fewer)
	$(VENV) -m pytest $(ARGS)

check: .venv/.installed-dev ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-deps: ## install the programs that some tests drive: Chromium, HAProxy, Redis, Prometheus
	@sh tests/support/install_programs.sh

bench: .venv/.installed-dev ## measure the hot functions (ARGS="bench/micro/test_merge.py" for some)
	$(VENV) -m pytest --benchmark-enable --benchmark-only $(or $(ARGS),bench)

faults: .venv/.installed-dev ## break everything under load, then count (ARGS="--faults 1000 --actions 1000000 --state DIR")
	$(VENV) -m tests.faults $(ARGS)

mutants: .venv/.installed-dev ## plant each known fault in a copy, print the test that kills it (ARGS="--jobs 2")
	$(VENV) -m tests.mutants $(ARGS)

lock: $(VENV) ## pin anew what pyproject.toml asks for
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(COMPILE) --upgrade --extra embedded --extra dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) --upgrade --extra embedded --constraint requirements/dev.txt pyproject.toml -o requirements/embedded.txt
	$(COMPILE) --upgrade --constraint requirements/dev.txt pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --upgrade --group build --constraint requirements/dev.txt -o requirements/build.txt

clean: ## remove what make made, the deployment's data (.shardboard) included
	rm -rf .venv .shardboard build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment per Python version: another PYTHON starts a new one.
$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Shardboard needs Python 3.11 or newer, $(PYTHON) is $(VERSION): make PYTHON=python3.12 …' >&2; exit 3; }
	$(PYTHON) -m venv --clear .venv

.venv/.installed-up: requirements/embedded.txt $(PROJECT_FILES) | $(VENV)
	$(PIP) --require-hashes -r requirements/embedded.txt -r requirements/build.txt
	$(INSTALL_PROJECT)
	@touch $@

.venv/.installed-dev: requirements/dev.txt $(PROJECT_FILES) | $(VENV)
	$(PIP) --require-hashes -r requirements/dev.txt -r requirements/build.txt
	@# The tests turn warnings into errors; those of the compiler about other people's modules are spent here.
	@$(VENV) -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true
	$(INSTALL_PROJECT)
	@touch $@ .venv/.installed-up
