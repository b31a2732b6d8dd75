# `make` lists the targets. Everything is set up in .venv (and small environments of its own where versions must differ).
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROTOS_VENV := .venv-protos
PROTOS_READY := $(PROTOS_VENV)/.ready
PROTOBUF6_VENV := .venv-protobuf6
PROTOBUF6_READY := $(PROTOBUF6_VENV)/.ready
IB_ASYNC_VENV := .venv-ib-async
IB_ASYNC_READY := $(IB_ASYNC_VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
CODE := services clients/ktrdr_bridge clients/ktrdr_client tests benchmarks examples
TEST_ARGS ?=
SOAK_SECONDS ?= 300
SOAK_SEED ?= 0
FAULTS ?=
BENCH ?=

.PHONY: help
help:  ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY)  ## Set up .venv with everything that demo, tests and services need

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "KTRDR needs Python 3.11 or newer; choose one with: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "setting up $(VENV) (once; takes a minute or two)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[training,ib,integrations,dev]'
	@touch $@

.PHONY: demo
demo: $(READY)  ## Load bars, train on them and follow both, with a replay gateway: no account needed
	@$(BIN)/python -m examples.demo

.PHONY: test
test: $(READY) $(PROTOBUF6_READY) $(IB_ASYNC_READY)  ## Run all tests
	$(BIN)/pytest -n 2 --dist loadgroup $(TEST_ARGS)

$(PROTOBUF6_READY): constraints-protobuf6.txt
	$(PYTHON) -m venv $(PROTOBUF6_VENV)
	$(PROTOBUF6_VENV)/bin/pip install --quiet --disable-pip-version-check -r constraints-protobuf6.txt
	@touch $@

# Another client library in place of ib_insync, which it can't share an environment with. It takes no tzdata of 2026.
$(IB_ASYNC_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(IB_ASYNC_VENV)
	sed 's/^tzdata==.*/tzdata==2025.3/' constraints.txt > $(IB_ASYNC_VENV)/constraints.txt
	$(IB_ASYNC_VENV)/bin/pip install --quiet --no-compile --disable-pip-version-check -c $(IB_ASYNC_VENV)/constraints.txt -e '.[ib-async]' \
	  google-api-core grpcio-testing hypothesis psutil pytest pytest-asyncio pytest-timeout pytest-xdist
	@touch $@

.PHONY: test-ib-async
test-ib-async: $(IB_ASYNC_READY)  ## Run all tests of the IB host over ib_async (`make test` runs some of them so)
	$(IB_ASYNC_VENV)/bin/python -m pytest -n 2 -p no:cacheprovider --ignore tests/integration/ib_host/test_over_ib_async.py $(TEST_ARGS) \
	  tests/unit/ib_host tests/unit/replay tests/integration/ib_host tests/integration/replay tests/contract/ib_host

.PHONY: soak
soak: $(READY)  ## Kill a running system, then load beside random faults, for minutes each (SOAK_SECONDS=300, SOAK_SEED=0 for a random one)
	$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS) --seed $(SOAK_SEED)
	$(BIN)/python -m tests.fault_matrix --seconds $(SOAK_SECONDS) --seed $(SOAK_SEED)

.PHONY: faults
faults: $(READY)  ## Load beside every fault of a gateway, in every mode (about ten minutes; FAULTS='--seed 1' for other ones)
	$(BIN)/python -m tests.fault_matrix $(FAULTS)

.PHONY: pacing-hour
pacing-hour: $(READY)  ## Ask a gateway that counts for an hour, on a clock that jumps: no limit of IB's may be broken
	$(BIN)/python -m tests.pacing_hour

.PHONY: lint
lint: $(READY) protos-lint  ## Check style, types, imports and the contract
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	PYTHONPATH=.:clients $(BIN)/lint-imports --no-cache

.PHONY: format
format: $(READY)  ## Format the code
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)
	$(BIN)/buf format -w protos

.PHONY: protos-lint
protos-lint: $(READY)  ## Check the contract: style, comments, format, and that it breaks nothing released
	BUF=$(BIN)/buf PYTHON=$(BIN)/python protos/check.sh

$(PROTOS_READY): constraints-protos.txt
	$(PYTHON) -m venv $(PROTOS_VENV)
	$(PROTOS_VENV)/bin/pip install --quiet --disable-pip-version-check -r constraints-protos.txt
	@touch $@

.PHONY: protos
protos: $(PROTOS_READY)  ## Generate the stubs in clients/ktrdr from the contract
	PYTHON=$(PROTOS_VENV)/bin/python protos/generate.sh clients

.PHONY: protos-check
protos-check: $(PROTOS_READY)  ## Fail if the committed stubs differ from what the contract generates
	PYTHON=$(PROTOS_VENV)/bin/python protos/check-drift.sh

.PHONY: protos-release
protos-release: $(READY)  ## Make the contract of now the one that later changes may not break
	BUF=$(BIN)/buf PYTHON=$(BIN)/python protos/release.sh

.PHONY: bench
bench: $(BENCH_READY)  ## Measure: each figure beside a baseline of the same run (BENCH="bridge status_scale" for some)
	$(BENCH_VENV)/bin/python -m benchmarks.run $(BENCH)

$(BENCH_READY): pyproject.toml constraints.txt benchmarks/requirements-peers.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -r benchmarks/requirements-peers.txt -e '.[training]'
	@touch $@

.PHONY: clean
clean:  ## Remove environments and caches
	rm -rf $(VENV) $(PROTOS_VENV) $(PROTOBUF6_VENV) $(IB_ASYNC_VENV) $(BENCH_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
