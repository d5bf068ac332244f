# The commands a person types. Each does its work in scripts/, which can be called by hand as well.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast lint format bench fuzz hostile docs test-jenkins wheel clean

BIN := .venv/bin

help:          ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

setup:         ## install what is missing and make .venv, for development
	@scripts/setup test

demo:          ## profile the example, and print where the report is
	@scripts/demo

test:          ## everything: lint, Python, Docker, browser, Groovy
	@scripts/test

test-fast: setup ## the tests that need no Docker, browser or Groovy, in seconds
	@$(BIN)/python -m pytest -q -m 'not docker and not browser and not slow'

lint: setup    ## ruff, mypy, import-linter, shellcheck, CodeNarc
	@scripts/lint

format: setup  ## let ruff format the Python files, and mend what it can
	@$(BIN)/ruff check --fix-only -q
	@$(BIN)/ruff format

bench:         ## what measuring itself costs; some of it: make bench WORDS="start client"
	@scripts/bench $(WORDS)

fuzz: setup    ## ten minutes of garbled input for every parser
	@PROFILEAPP_FUZZ_S=600 $(BIN)/python -m pytest -q tests/hostile/test_fuzz.py

hostile: setup ## every attack and fault, also those that take minutes
	@PROFILEAPP_HOSTILE=1 $(BIN)/python -m pytest -q -s tests/hostile

docs: setup    ## write the parts of docs/ that are made from the code
	@$(BIN)/python scripts/make-docs

test-jenkins: setup ## build a pipeline on a real Jenkins: make test-jenkins JENKINS_URL=…
	@$(BIN)/python tests/jenkins/check.py

wheel: setup   ## dist/*.whl
	@$(BIN)/python -m build --wheel

clean:         ## remove what these commands made, but for .venv
	@rm -rf build dist profile .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find worker tests examples -name __pycache__ -prune -exec rm -rf {} +
