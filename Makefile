# The two commands: `make demo` (CRASH=1 kills the worker in the middle) and `make test`.
# They need python3 (3.11 or newer) with venv, and make; everything else is installed into .venv.

PYTHON ?= python3
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
BENCH_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt
# The constraints hold for the build backend as well.
PIP := PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

export CRASH

.PHONY: help demo test lint types imports pytest bench clean

help:
	@echo "make demo           run an agent on an embedded Temporal server; CRASH=1 kills its worker in the middle"
	@echo "make test           check style, types and import rules, then run the tests (PYTEST_ARGS='-k name', TEST_PROCESSES=2)"
	@echo "make bench          measure against hand-written Temporal workflows (BENCH_ARGS); BENCH=load: the facade under load"
	@echo "make clean          remove .venv and everything that was generated"

demo: $(VENV)/.installed-demo
	@$(BIN)/oris-temporal demo

test: lint types imports pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy --strict

imports: $(VENV)/.installed-test
	$(BIN)/lint-imports

# A third process was tried: the tests took as long, for they need both cores most of the time.
# Exit code 5: none was selected.
pytest: $(VENV)/.installed-test
	$(BIN)/pytest --numprocesses=$(TEST_PROCESSES) --dist=worksteal -m 'not alone' $(PYTEST_ARGS)
	$(BIN)/pytest -m alone $(PYTEST_ARGS) || [ $$? -eq 5 ]

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks$(if $(filter load,$(BENCH)),.load) $(BENCH_ARGS)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "oris-temporal needs Python 3.11 or newer as '$(PYTHON)'. Install it, or name another: make PYTHON=python3.12 ..."; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' does not work. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed-demo: $(INPUTS) | $(VENV)/bin/python
	@echo "Installing oris-temporal into $(VENV) ..."
	@$(PIP) --editable '.[all]'
	@touch $@

$(VENV)/.installed-test: $(INPUTS) | $(VENV)/bin/python
	@echo "Installing oris-temporal and its test tools into $(VENV) ..."
	@$(PIP) --editable '.[all,test]'
	@touch $@ $(VENV)/.installed-demo

$(VENV)/.installed-bench: $(INPUTS) | $(VENV)/bin/python
	@echo "Installing oris-temporal and what it is measured against into $(VENV) ..."
	@$(PIP) --editable '.[all,bench]'
	@touch $@ $(VENV)/.installed-demo

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .oris
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
