# Each thing a developer does has a target; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
PEERS := requirements arq

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format faults chaos fuzz bench screenshots lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## make .venv from the hash-pinned lock file (quick when nothing changed)

# The stamp is written last, so a set-up that was cut short is done again.
.venv/.ready: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Dingda needs Python 3.11 or newer; name one: make setup PYTHON=python3.12"; exit 1; }
	@echo "Setting up .venv (once; about a minute) ..."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || \
		{ echo "This Python cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

demo: setup ## start a server, the gateway, a worker and a simulated DingTalk; Ctrl-C ends all
	@exec $(BIN)/python -m dingda demo

test: setup lint ## ruff, mypy and every test but the slow ones
	@$(BIN)/pytest

faults: setup ## break one thing at a time, and write docs/faults.md (about eighteen minutes)
	@$(BIN)/pytest -m "" -p tests.faults.report tests/faults

MINUTES := 2
SEED := 1
chaos: setup ## break everything at once (MINUTES=2, SEED=1), and write docs/faults.md
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) --seed $(SEED) --record

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup ## let ruff mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

fuzz: setup ## strange requests, texts and answers, for ten minutes (MINUTES=10, SEED=1)
	@$(BIN)/python -m scripts.fuzz $(if $(filter command line,$(origin MINUTES)),--minutes $(MINUTES)) --seed $(SEED)

bench: setup $(PEERS:%=benchmarks/.venv/%/.ready) ## measure beside what people would use instead (QUICK=1: 3 minutes)
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

benchmarks/.venv/%/.ready: benchmarks/peers/%.txt
	@echo "Setting up what the benchmarks compare with: $* ..."
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

screenshots: setup ## draw the pictures of docs/img anew (needs Debian's `chromium`)
	@$(BIN)/python -m scripts.screenshots

lock: setup ## resolve pyproject.toml into the two lock files anew
	@$(BIN)/uv pip compile pyproject.toml $(LOCK) -o requirements.txt
	@$(BIN)/uv pip compile pyproject.toml --group dev $(LOCK) -o requirements-dev.txt
LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

clean: ## remove .venv, caches and the demo's data
	@rm -rf .venv benchmarks/.venv .mypy_cache .ruff_cache .pytest_cache .hypothesis data
