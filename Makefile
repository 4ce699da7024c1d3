# Everything runs from .venv, which the first target that needs it sets up.
PYTHON ?=
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo run test simulate check bench chaos format generate dump release clean
.SILENT:

help: ## Show this list
	awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Set up .venv with the server, the tests and the checks

demo: $(READY) ## Watch Tidings deliver webhooks, end to end, on this machine
	$(BIN)/python docs/demo.py

run: $(READY) ## Leave a server running for development: plaintext, loopback, no tokens
	exec $(BIN)/tidings-server serve --dev

test: $(READY) ## Run the whole test suite
	$(BIN)/pytest

SEEDS ?= 10000
simulate: $(READY) ## Simulate 10,000 storms in virtual time, or as many as SEEDS=… says
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

check: $(READY) ## Run every check that needs no server: style, types, layers, contract, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	if [ -f proto/released.binpb ]; then $(BIN)/buf breaking --against proto/released.binpb; fi
	$(BIN)/python proto/generate.py --check

chaos: $(READY) ## Strike servers with faults of every class for some minutes, and count what is lost
	$(BIN)/python -m tests.chaos.chaos $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS))

bench: $(READY) ## Measure how fast notifications are delivered, beside a bare HTTP client
	$(BIN)/python -m tests.benchmarks.bench

format: $(READY) ## Rewrite code and contract in the one format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/buf format --write

generate: $(READY) ## Make generated/ anew after a change of the contract
	$(BIN)/python proto/generate.py

dump: $(READY) ## Write the dump of today's schema, which later versions must be able to migrate
	$(BIN)/python -m tests.schemas.make

release: check ## Make today's contract the one that later changes must not break
	$(BIN)/buf build --exclude-source-info --output proto/released.binpb

clean: ## Remove what make and the tools have made here
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find service tests generated docs proto -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python that is new enough and can make a virtual environment wins.
$(READY): pyproject.toml clients/python/pyproject.toml constraints.txt
	new_enough=; python=; \
	for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  new_enough=$$candidate; \
	  if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$new_enough" ]; then \
	  echo 'Tidings needs Python 3.11 or newer, and found none. Install one, or name it: make PYTHON=/path/to/python3' >&2; \
	  exit 1; \
	fi; \
	if [ -z "$$python" ]; then \
	  echo "$$new_enough cannot make virtual environments. Install them (Debian, Ubuntu: apt-get install python3-venv)." >&2; \
	  exit 1; \
	fi; \
	echo "Setting up .venv with $$("$$python" --version); this takes a minute, once." >&2; \
	"$$python" -m venv --clear .venv
	$(BIN)/pip install --quiet --no-input --disable-pip-version-check --constraint constraints.txt --editable '.[postgres,dev]' --editable clients/python
	touch $@
