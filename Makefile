# Common tasks of klingweb. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
# One more than processors, up to 4: tests of running processes wait most of their time.
TEST_PROCESSES = $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
TEMPLATES := $(shell find templates -name "*.html")

.DEFAULT_GOAL := help
.PHONY: help install run test browser walk bench lint format messages lock demo clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "klingweb needs Python 3.11 or newer: make run PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): $(VENV)/pyvenv.cfg requirements.lock
	@echo "Installing packages into $(VENV) ..."
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(DEV): $(VENV)/pyvenv.cfg requirements-dev.lock
	@echo "Installing packages for development into $(VENV) ..."
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ $(RUNTIME)

lock: $(DEV) ## Resolve package versions and write both lock files
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --extra postgres pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --extra postgres --group dev pyproject.toml --output-file requirements-dev.lock

install: $(RUNTIME) ## Install the packages that klingweb needs to run

run: $(RUNTIME) ## Install missing packages and start klingweb (Ctrl-C stops it)
	@exec $(BIN)/python manage.py run

# The browser tests need Chromium, and the Playwright driver needs libatomic1.
browser: $(DEV)
	@if ! command -v chromium >/dev/null || ! command -v chromium-headless-shell >/dev/null || ! $(BIN)/python -m playwright --version >/dev/null 2>&1; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the browser tests ..."; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	        chromium chromium-headless-shell fonts-liberation libatomic1 >/dev/null; \
	  elif ! command -v chromium >/dev/null || ! $(BIN)/python -m playwright --version >/dev/null 2>&1; then \
	    echo "The browser tests need the packages chromium and libatomic1. Install them and run make test again."; exit 1; fi; fi

test: $(DEV) browser lint ## Check the code and run all tests, including browser tests
	$(BIN)/python -m pytest --numprocesses=$(TEST_PROCESSES) --dist=loadfile --no-loadscope-reorder

walk: $(DEV) browser ## Walk every page in every language: axe, and no sideways scroll
	$(BIN)/python -m pytest -q tests/browser/walk_languages.py

bench: $(DEV) ## Run the benchmarks and print figures beside their targets
	$(BIN)/python -m tests.bench

lint: $(DEV) ## Check style, layers and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djade --check --target-version 5.2 $(TEMPLATES)
	$(BIN)/mypy

format: $(DEV) ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/djade --target-version 5.2 $(TEMPLATES)

# The compiled catalogs are committed: see docs/decisions/0009.
messages: $(DEV) ## Extract the texts into locale/ (needs gettext) and compile the catalogs
	$(BIN)/python manage.py makemessages --locale vi --locale zh_Hans --no-obsolete \
	    --ignore .venv --ignore data --ignore tests
	$(BIN)/python -m klingweb.catalogs

demo: $(RUNTIME) ## Add the demo data (manage.py demo --remove removes it)
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py demo

clean: ## Delete installed packages and caches, but no data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
