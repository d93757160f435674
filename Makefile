# Every target sets up what it needs; `make install` is quick when there is nothing to do.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install demo test test-slow check lint types layers docs bench format clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is %d.%d; try make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $(STAMP)

demo: install
	$(BIN)/python -m emotional_ed.experiments.demo

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: install
	$(BIN)/python -m pytest -m slow --durations=5

check: lint types layers docs

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

docs: install
	$(BIN)/mkdocs build --strict

bench: install
	$(BIN)/python benchmarks/populations.py
	$(BIN)/python benchmarks/memories.py
	$(BIN)/python benchmarks/optimizers.py
	$(BIN)/python benchmarks/replay.py
	$(BIN)/python benchmarks/suite.py
	$(BIN)/python benchmarks/runner.py
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/deep.py
	$(BIN)/python benchmarks/quantile.py

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
