# `make help` lists the targets: first what one needs to try and to run, then what developers do.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
BASELINES := requirements arq

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-browser test-slow test-demo quick test-wheel test-chart docs sbom audit lint format faults chaos soak fuzz bench screenshots recording build lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^# ---/ {print ""} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Set-ups add to .venv, and remove nothing that a user put there. Each writes its stamp last, so one
# that was cut short is done again; so are both once the environment's Python is gone or too old.
MODERN := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
ifneq ($(shell $(BIN)/python $(MODERN) 2>/dev/null && echo modern),modern)
$(shell rm -f .venv/.demo .venv/.dev)
endif

# A package that a killed pip has left without a RECORD could never be replaced: it is forgotten, and
# installed again.
.venv/.demo: requirements-demo.txt pyproject.toml
	@echo "Setting up .venv (once; about half a minute) ..."
	@{ $(BIN)/python $(MODERN) && $(PIP) --version; } >/dev/null 2>&1 || $(MAKE) --no-print-directory .venv
	@for info in .venv/lib/python*/site-packages/*.dist-info; do [ -e $$info/RECORD ] || rm -rf $$info; done
	@$(PIP) install --require-hashes -r requirements-demo.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: .venv
.venv:
	@$(PYTHON) $(MODERN) || \
		{ echo "Dingda needs Python 3.11 or newer; name one: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "This Python cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }

.venv/.dev: requirements-dev.txt .venv/.demo
	@echo "Adding the developers' tools to .venv (once; about a minute) ..."
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

demo: .venv/.demo ## start a server, the bot and a simulated DingTalk (STREAM=1: in Stream mode); Ctrl-C ends all
	@exec $(BIN)/dingda demo $(if $(STREAM),--stream)

# Most tests wait for processes, leases and outages, so two cores take four files at a time.
test: setup lint ## ruff, mypy and every test but the slow ones
	@$(BIN)/pytest -n 4 --dist loadfile

quick: setup ## ruff and the quick unit tests, in less than a minute
	@$(BIN)/ruff check .
	@$(BIN)/pytest -n 2 --dist loadfile -m "not slow and not packaging and not heavy" tests/unit

test-browser: setup ## every test of the chat page and the dashboard (needs Debian's `chromium`; about 5 minutes)
	@$(BIN)/pytest -m "" tests/browser

test-slow: setup ## the slow tests, but for those of make faults, one at a time (about 10 minutes)
	@$(BIN)/pytest -m slow --ignore tests/faults

test-demo: setup ## kill, stop and reload what the demo is made of, and type what the docs show (about 4 minutes)
	@$(BIN)/pytest -m "" tests/e2e/test_demo_shows_the_promise.py tests/e2e/test_demo.py tests/e2e/test_reload.py tests/browser/test_page_demo.py tests/docs/test_console_blocks.py

build: .venv/.demo ## make the wheel and the sdist, in dist/
	@$(BIN)/python -m hatchling build --clean

# --- developers

setup: .venv/.dev ## add the developers' tools to .venv (quick when nothing changed)

test-wheel: setup ## install the wheel in an empty environment, and a new skill package beside it
	@$(BIN)/pytest -m packaging tests/packaging

CHART := .venv/.chart
test-chart: setup $(CHART)/.ready ## render the Helm chart, and check what comes out
	@PYTHONPATH=$$(echo $(CHART)/lib/python*/site-packages) $(BIN)/pytest -p no:cloudcoil tests/chart

$(CHART)/.ready: tests/chart/requirements.txt
	@echo "Setting up what renders the Helm chart (once) ..."
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	@touch $@

# Each language is a site of its own, with its own search; they link to each other.
DOCS := .venv/.docs
docs: .venv/.demo $(DOCS)/.ready ## build the docs' site, English and Chinese, in dist/site
	@rm -rf dist/site && mkdir -p dist/site && cp docs/site/index.html dist/site
	@$(SPHINX) --doctree-dir $(DOCS)/pages/en docs dist/site/en
	@$(SPHINX) --doctree-dir $(DOCS)/pages/zh -D language=zh_CN docs/zh dist/site/zh
	@echo "dist/site/index.html"
SPHINX = PYTHONPATH=$$(echo $(DOCS)/lib/python*/site-packages) $(BIN)/python -m sphinx \
	--quiet --fresh-env --fail-on-warning --conf-dir docs/site

$(DOCS)/.ready: docs/site/requirements.txt
	@echo "Setting up what builds the docs (once) ..."
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

SUPPLY_CHAIN := .venv/.supply-chain
sbom: $(SUPPLY_CHAIN)/.ready ## list what the image is made of, in dist/dingda.cdx.json
	@mkdir -p dist
	@$(SUPPLY_CHAIN)/bin/python -W ignore::UserWarning -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml \
		--output-reproducible --output-file dist/dingda.cdx.json

# Strict: a package that could not be looked up is not one without known weaknesses.
audit: $(SUPPLY_CHAIN)/.ready ## look the locked packages up among known weaknesses (needs the Internet)
	@$(SUPPLY_CHAIN)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements-dev.txt

$(SUPPLY_CHAIN)/.ready: scripts/supply-chain.txt
	@echo "Setting up what lists and audits packages (once) ..."
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Four rows at a time, handed out one by one, and those marked `alone` by themselves at the end.
faults: setup ## break one thing at a time, and write docs/faults.md (about 15 minutes)
	@$(BIN)/pytest -m "" -n 4 --dist load --maxschedchunk 1 -p tests.faults.report tests/faults

MINUTES := 2
SEED := 1
chaos: setup ## break everything at once (MINUTES=2, SEED=1), and write docs/faults.md
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) --seed $(SEED) --record

soak: setup ## a steady load, restarts and a failover (MINUTES=20, SEED=1): does anything grow? writes docs/faults.md
	@$(BIN)/python -m tests.soak --minutes $(if $(filter command line,$(origin MINUTES)),$(MINUTES),20) --seed $(SEED) --record

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup ## let ruff mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

fuzz: setup ## strange requests, texts and answers, for ten minutes (MINUTES=10, SEED=1)
	@$(BIN)/python -m scripts.fuzz $(if $(filter command line,$(origin MINUTES)),--minutes $(MINUTES)) --seed $(SEED)

bench: setup $(BASELINES:%=benchmarks/.venv/%/.ready) ## measure beside what people would use instead (about 19 minutes; QUICK=1: 3)
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

benchmarks/.venv/%/.ready: benchmarks/baselines/%.txt
	@echo "Setting up what the benchmarks compare with: $* ..."
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

recording: setup ## record the demo again, for the READMEs (needs Debian's `chromium`; two minutes)
	@$(BIN)/python -m scripts.recording

screenshots: setup ## draw the pictures of docs/img again (needs Debian's `chromium`)
	@$(BIN)/python -m scripts.screenshots

lock: setup ## resolve pyproject.toml into the three lock files
	@$(BIN)/uv pip compile pyproject.toml $(LOCK) -o requirements.txt
	@$(BIN)/uv pip compile pyproject.toml --extra demo --group build $(LOCK) -o requirements-demo.txt
	@$(BIN)/uv pip compile pyproject.toml --all-extras --group dev $(LOCK) -o requirements-dev.txt
LOCK := --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

clean: ## remove .venv, caches, dist and the demo's data
	@rm -rf .venv benchmarks/.venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis data
