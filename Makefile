# Commands for developers. Each calls a script in scripts/, which also works alone.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast lint format bench fuzz hostile docs test-jenkins wheel wheels clean

BIN := .venv/bin

help:          ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

setup:         ## install what is missing and create .venv, for development
	@scripts/setup test

demo:          ## profile the example, and print where the report is
	@scripts/demo

test:          ## everything: lint, Python, Docker, browser, Groovy
	@scripts/test

test-fast: setup ## the tests that need no Docker, browser or Groovy, in seconds
	@$(BIN)/python -m pytest -q -m 'not docker and not browser and not slow'

lint: setup    ## ruff, mypy, import-linter, shellcheck, CodeNarc
	@scripts/lint

format: setup  ## let ruff format the Python files and fix what it can
	@$(BIN)/ruff check --fix-only -q
	@$(BIN)/ruff format

bench:         ## measure the overhead of measuring; a selection: make bench ONLY="start client"
	@scripts/bench $(ONLY)

fuzz: setup    ## ten minutes of garbled input for every parser
	@PROFILEAPP_FUZZ_S=600 $(BIN)/python -m pytest -q tests/hostile/test_fuzz.py

hostile: setup ## all attacks and faults, including those that take minutes
	@PROFILEAPP_HOSTILE=1 $(BIN)/python -m pytest -q -s tests/hostile

docs: setup    ## generate the parts of docs/ that come from the code
	@$(BIN)/python scripts/make-docs

test-jenkins: setup ## build a pipeline on a real Jenkins: make test-jenkins JENKINS_URL=…
	@$(BIN)/python tests/jenkins/check.py

wheel: setup   ## dist/*.whl
	@$(BIN)/python -m build --wheel

wheels: setup  ## a folder of wheels for agents: make wheels WORDS="--machine aarch64 --python 3.10"
	@$(BIN)/python scripts/wheels $(WORDS)

clean:         ## remove generated files, except .venv
	@rm -rf build dist profile .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find worker tests examples -name __pycache__ -prune -exec rm -rf {} +
