# klingweb: every chore is one word. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
TEMPLATES := $(wildcard templates/*.html templates/*/*.html)
LOCALE ?= en

.DEFAULT_GOAL := help
.PHONY: help install run test browser bench lint format messages lock demo clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "klingweb needs Python 3.11 or newer: make run PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): $(VENV)/pyvenv.cfg requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(DEV): $(VENV)/pyvenv.cfg requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ $(RUNTIME)

lock: $(DEV) ## Resolve the versions again and write both lock files
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --extra postgres pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --extra postgres --group dev pyproject.toml --output-file requirements-dev.lock

install: $(RUNTIME) ## Install what running needs, and no more

run: $(RUNTIME) ## Install what is missing and start everything (Ctrl-C stops it)
	@exec $(BIN)/python manage.py run

browser:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null; \
	  else echo "The browser tests need Chromium: install the package \"chromium\", then run make test again."; exit 1; fi; }

test: $(DEV) browser lint ## Run every test, the browser's too
	$(BIN)/python -m pytest

bench: $(DEV) ## Print the figures of docs/architecture.md, side by side
	$(BIN)/python -m tests.bench

lint: $(DEV) ## Check style, rooms and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djade --check --target-version 5.2 $(TEMPLATES)
	$(BIN)/mypy

format: $(DEV) ## Put everything into form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/djade --target-version 5.2 $(TEMPLATES)

messages: $(DEV) ## Extract the texts for translation into locale/ (needs gettext)
	$(BIN)/python manage.py makemessages --locale $(LOCALE) --ignore .venv --ignore data --ignore tests

demo: $(RUNTIME) ## Add the demo data again (remove it: manage.py demo --remove)
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py demo

clean: ## Remove what was installed and built; data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
