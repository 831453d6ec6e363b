# Everything a developer types. Each target sets up what it needs in .venv, once.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TESTS  ?= harvest_dagster_tests
# Twice: else setuptools says in a frame of stars that an editable installation is one.
QUIET  := --quiet --quiet

.DEFAULT_GOAL := help
.PHONY: help demo dev test test-slow test-browser lint migration schema clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([^:]*):[^#]*## /make \1\t/' | expand -t 18
	@echo 'PYTHON=python3.12 names another Python, TESTS=harvest_dagster_tests/http a part of the tests.'

# pip 25.1 brings --group.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	  || { echo 'Python 3.10 to 3.13 is needed; name one with PYTHON=python3.12'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(QUIET) 'pip>=25.1'

$(VENV)/.run: pyproject.toml $(BIN)/pip
	$(BIN)/pip install $(QUIET) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/pip install $(QUIET) --group test
	@touch $@

$(VENV)/.browser: $(VENV)/.test
	$(BIN)/pip install $(QUIET) --group browser
	@touch $@

$(VENV)/.lint: $(VENV)/.run
	$(BIN)/pip install $(QUIET) --group lint
	@touch $@

demo: $(VENV)/.run  ## harvest a small repository on this machine and show what came
	$(BIN)/python -m harvest_dagster.demo

dev: $(VENV)/.run  ## the Dagster UI, with the simulated repository beside it
	$(BIN)/python -m harvest_dagster.demo --serve

test: $(VENV)/.test  ## the default tests, on SQLite and PostgreSQL
	$(BIN)/pytest -n 2 -m 'not slow and not browser' $(TESTS)

test-slow: $(VENV)/.test  ## the slow ones
	$(BIN)/pytest -n 2 -m slow $(TESTS)

test-browser: $(VENV)/.browser  ## Dagster's UI in Chromium; pictures of it in build/screenshots
	$(BIN)/pytest -m browser harvest_dagster_tests/browser

lint: $(VENV)/.lint  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

migration: $(VENV)/.run  ## a new Alembic migration from what changed in storage/tables.py: make migration NAME=what
	$(BIN)/python -m harvest_dagster.storage.migrations '$(NAME)'

schema: $(VENV)/.run  ## the JSON Schema of the YAML, from catalog/schema.py
	$(BIN)/python -m harvest_dagster.catalog.json_schema

clean:  ## away with what the targets made
	rm -rf $(VENV) .demo .dagster build *.egg-info
