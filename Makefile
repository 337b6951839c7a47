# make demo     train and run a first model
# make test     what must pass before a change goes in: checks, tests, doctests
# make check    format, lint, types
# make interop  what Evergraph writes, read and run by TensorFlow 2, which this installs into .venv-tensorflow
# make bench    measurements
#
# Each target installs what it needs into .venv first, and again when pyproject.toml changes.

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test check interop bench

demo: $(INSTALLED)
	@$(BIN)/evergraph run examples/digits.py

test: check
	@$(BIN)/python -m pytest -q --no-header -o python_files= --doctest-modules src
	@$(BIN)/python -m pytest -n $(WORKERS) --no-header tests

check: $(INSTALLED)
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary

interop: $(INSTALLED) .venv-tensorflow/installed
	@EVERGRAPH_TF2_PYTHON=$(CURDIR)/.venv-tensorflow/bin/python $(BIN)/python -m pytest -n $(WORKERS) --no-header tests/interop

.venv-tensorflow/installed:
	@echo "installing TensorFlow 2 into .venv-tensorflow (a minute or two, the first time)"
	@$(PYTHON) -m venv .venv-tensorflow
	@.venv-tensorflow/bin/python -m pip install -qq --disable-pip-version-check 'tensorflow-cpu>=2.21,<2.22'
	@touch $@

bench: $(INSTALLED)
	@$(BIN)/python benchmarks/run.py

$(INSTALLED): pyproject.toml
	@echo "installing into .venv (a minute or two, the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@
