# One word for each thing a contributor does. Needs Python 3.11 or later, make and a package index; everything else is brought along.

# uv of the right age if there is one, else our own in .uv/ (the range is `required-version` in pyproject.toml).
UV := $(shell case "$$(uv --version 2>/dev/null)" in ("uv 0.9."*|"uv 0."[1-9][0-9].*) echo uv;; (*) echo .uv/bin/uv;; esac)
RUN := $(UV) run --no-sync
# Tests start real servers: more processes than cores only make them wait for each other.
WORKERS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help set-up up test check lint types contracts alone wheels bench format docs clean
MAKEFLAGS += --no-print-directory

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo '  ARGS="…" adds arguments to up, test and bench:  make test ARGS="kernel/tests -k slug"'

set-up: $(filter .uv/bin/uv,$(UV)) ## Install everything into .venv and bring the third-party files of the web face
	@$(UV) sync --quiet
	@$(RUN) python -m trophenix_kernel.web.vendor

up: set-up ## Run the whole platform here, with demonstration tenants, on its own PostgreSQL and NATS
	@$(RUN) trophenix up --demo $(ARGS)

test: set-up ## Run every test
	@$(RUN) pytest -n $(WORKERS) -m "not bench" $(ARGS)

check: set-up ## Everything that must hold before a change is merged: the list below, in this order
	@$(MAKE) lint types contracts
	@$(RUN) pytest -n $(WORKERS) -m "not bench"
	@$(MAKE) alone wheels
	@echo "All of it holds."

lint: ## … ruff, and the formatter's opinion
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: ## … pyright, strict
	@$(RUN) pyright

contracts: ## … who may import whom
	@$(RUN) lint-imports --no-logo

alone: ## … each distribution in an environment that holds only what it asks for
	@$(RUN) python .ci/alone.py

wheels: ## … wheels of all distributions, installed in an empty environment, started, and joined by a stranger's plugin
	@$(RUN) python .ci/wheels.py

bench: set-up ## Measure, and print what was measured beside what was aimed at
	@$(RUN) pytest -m bench -q -s
	@$(RUN) python tests/bench $(ARGS)

format: set-up ## Let ruff format and mend what it can
	@$(RUN) ruff check --fix --quiet . || true
	@$(RUN) ruff format .

docs: set-up ## Write the pages that are made from the code
	@$(RUN) python docs/write_errors.py
	@$(RUN) python docs/quote_files.py

clean: ## Remove what was built here; data (.data) and the environment (.venv) stay
	rm -rf .build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

.uv/bin/uv:
	python3 -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
