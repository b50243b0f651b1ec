# Everything runs in a virtual environment of its own, .venv, which each target makes if it is missing.
# To use another Python: make PYTHON=python3.13 test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
TESTS ?= tests
# Three workers even on two cores: half of the time of a test is waiting, for a deadline, a terminal or another process.
WORKERS ?= 3
TYPESCRIPT := $(wildcard $(addprefix middleware/typescript/,*.json src/*.ts tests/*.ts tests/support/*.ts examples/*.ts) demos/typescript/*)

.PHONY: help demo test slow check lint types contracts wheel mutants bench docs peers conformance typescript clean

help: ## say what the targets do
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/venv.stamp:
	@echo "Setting up $(VENV) (once; a minute or two) ..." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'  # the one that an old Python brings needs minutes to choose versions
	@touch $@

$(VENV)/base.stamp: pyproject.toml | $(VENV)/venv.stamp
	@$(PIP) install -e .
	@touch $@

# What the tests need holds what the program needs, so one step does both. Compiling it on all cores takes half as long as
# pip does; that some package has a template that is no Python is no failure.
$(VENV)/test.stamp: pyproject.toml | $(VENV)/venv.stamp
	@$(PIP) install --no-compile -e '.[test]'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || :
	@touch $(VENV)/base.stamp $@

# Order only: what others wrote does not change with our own dependencies.
$(VENV)/peers.stamp: $(wildcard tests/peers/requirements-*.txt) tests/peers/package.json tests/peers/install.py | $(VENV)/test.stamp
	@$(BIN)/python tests/peers/install.py $(VENV)/peers
	@touch $@

$(VENV)/conformance.stamp: tests/conformance/versions.txt tests/conformance/install.py | $(VENV)/test.stamp
	@$(BIN)/python tests/conformance/install.py $(VENV)/conformance
	@touch $@

# Node and npm of this machine, or else those that the test extra brings along.
$(VENV)/typescript.stamp: $(TYPESCRIPT) tests/typescript/install.py | $(VENV)/test.stamp
	@$(BIN)/python tests/typescript/install.py $(VENV)/typescript
	@touch $@

demo: $(VENV)/base.stamp ## see the whole loop; without a terminal it plays by itself
	@$(BIN)/allowly-harness demo

test: $(VENV)/test.stamp $(VENV)/peers.stamp $(VENV)/typescript.stamp ## run the tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(TESTS)

check: lint types contracts test wheel ## everything that CI runs

lint: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python docs/generate.py --check

types: $(VENV)/test.stamp
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/api.py
	$(BIN)/pyright

contracts: $(VENV)/test.stamp
	$(BIN)/lint-imports --no-cache

wheel: $(VENV)/test.stamp ## build the wheel and run the demo from it, in a clean environment
	PYTHON=$(PYTHON) BUILD="$(BIN)/python -m build" sh tests/wheel.sh

peers: $(VENV)/peers.stamp ## install the clients and servers of others that the tests run against

conformance: $(VENV)/test.stamp $(VENV)/conformance.stamp ## use the authority with every published version of the SDK
	@$(BIN)/python tests/conformance/run.py $(VENV)/conformance

typescript: $(VENV)/test.stamp $(VENV)/typescript.stamp ## build the TypeScript middleware and run its tests
	$(BIN)/pytest tests/typescript

mutants: $(VENV)/test.stamp ## break the guarantees on purpose and see the tests notice
	$(BIN)/python tests/mutants/mutants.py

slow: $(VENV)/test.stamp $(VENV)/peers.stamp $(VENV)/typescript.stamp ## run the tests that take minutes: the mutants, and the benchmarks once
	$(BIN)/pytest -m slow $(TESTS)

bench: $(VENV)/test.stamp ## measure, as ratios against a baseline in the same run
	$(BIN)/python tests/bench/run.py

docs: $(VENV)/test.stamp ## write the generated parts of the pages
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/pictures.py

clean: ## remove what was built
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
