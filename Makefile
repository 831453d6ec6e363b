# The commands of a developer. Each target installs what it needs into .venv, once.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TESTS  ?= harvest_dagster_tests
# Twice, because setuptools otherwise prints a large notice about editable installations.
QUIET  := --quiet --quiet

# COVERAGE=1 measures the default tests, too; what it needs is in pyproject.toml.
MEASURED = $(if $(COVERAGE),coverage run -m )
# A part of the tests reaches less; then only the report is of use.
PART     = $(filter-out harvest_dagster_tests,$(TESTS))

# Some containers set it. Every process of the demo and of the tests would then compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

# The databases of the tests are in memory where there is room: SQLite otherwise waits for the disk at each of the 400
# commits of a run. The slow tests need up to 4 GB.
ROOMY    := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 8000000 { print "/dev/shm" }')
IN_MEMORY = $(if $(ROOMY),TMPDIR=$(ROOMY) )

.DEFAULT_GOAL := help
.PHONY: help demo dev test coverage test-slow test-random test-browser bench lint docs migration schema reference clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([^:]*):[^#]*## /make \1\t/' | expand -t 18
	@echo 'PYTHON=python3.12 selects another Python, TESTS=harvest_dagster_tests/http a part of the tests.'

# pip supports --group from 25.1 on.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))' \
	  || { echo 'Python 3.10 to 3.14 is needed; select one with PYTHON=python3.12'; exit 1; }
	@echo 'Creating the environment $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install $(QUIET) 'pip>=25.1'

$(VENV)/.run: pyproject.toml $(BIN)/pip
	@echo 'Installing harvest_dagster, Dagster and about 100 other packages; this takes a minute or more'
	@$(BIN)/pip install $(QUIET) --editable '.[dev]'
	@echo 'Installed'
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/pip install $(QUIET) --group test
	@touch $@

$(VENV)/.browser: $(VENV)/.test
	$(BIN)/pip install $(QUIET) --group browser
	@touch $@

# mypy checks the tests, too. It needs the packages that they import.
$(VENV)/.lint: $(VENV)/.browser
	$(BIN)/pip install $(QUIET) --group lint
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	$(BIN)/pip install $(QUIET) --group docs
	@touch $@

demo: $(VENV)/.run  ## harvest a small repository on this machine and show the result
	$(BIN)/python -m harvest_dagster.demo

dev: $(VENV)/.run  ## start the Dagster UI, with the simulated repository
	$(BIN)/python -m harvest_dagster.demo --serve

test: $(VENV)/.test  ## run the default tests, on SQLite and PostgreSQL
	$(if $(COVERAGE),rm -rf build/coverage)
	$(IN_MEMORY)$(BIN)/$(MEASURED)pytest -n 2 -m 'not slow and not browser' $(TESTS)
	$(if $(COVERAGE),$(BIN)/coverage combine --quiet && $(BIN)/coverage report $(if $(PART),--fail-under=0))

coverage: export COVERAGE = 1
coverage: test  ## run the default tests and measure their branch coverage; it must not fall

# More workers than two cores: many of these tests wait for a tick of Dagster's daemon, or for a process to end.
test-slow: SLOW_WORKERS = 3
test-slow: $(VENV)/.test  ## run the slow tests
	$(IN_MEMORY)$(BIN)/pytest -n $(SLOW_WORKERS) --dist worksteal -m slow $(TESTS)

# A failure that it finds is new. The other targets have the same examples in each run.
test-random: $(VENV)/.test  ## run the property tests with other examples each time
	$(IN_MEMORY)HARVEST_TEST_RANDOM=1 $(BIN)/pytest -n 2 -m 'hypothesis and not browser' $(TESTS)

test-browser: $(VENV)/.browser  ## test Dagster's UI in Chromium; pictures are in build/screenshots
	$(BIN)/pytest -m browser harvest_dagster_tests/browser

# Half an hour, with nothing else on the machine. BENCH='--records 20000 --runs 1' is shorter; --help lists the options.
bench: $(VENV)/.test  ## measure speed and memory beside other tools: build/bench/results.md
	$(BIN)/python benchmarks/bench.py $(BENCH)

lint: $(VENV)/.lint  ## run ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs  ## build the documentation site into build/site; a broken link or anchor is an error
	rm -rf build/site
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs build/site
	@echo 'open build/site/index.html'

migration: $(VENV)/.run  ## write an Alembic migration for the changes in storage/tables.py: make migration NAME=what
	$(BIN)/python -m harvest_dagster.storage.migrations '$(NAME)'

schema: $(VENV)/.run  ## write the JSON Schema of the YAML, from catalog/schema.py
	$(BIN)/python -m harvest_dagster.catalog.json_schema

reference: $(VENV)/.run  ## write the generated pages in docs/reference
	$(BIN)/python -m harvest_dagster.reference

clean:  ## delete everything that these commands created
	rm -rf $(VENV) .demo .dagster build *.egg-info
