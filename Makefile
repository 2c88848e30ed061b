# ChanQuant. `make` or `make help` lists the targets.
# Everything that is missing is set up by the target that needs it; a second run skips it.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
KIND ?= strategy
SETUP := $(VENV)/.installed
PEERS := .venv-peers/.installed

TREND := ema_cross,macd,supertrend,donchian,multi_timeframe
RANGE := bollinger,rsi_reversion,grid,dca
SHIPPED := 'strategy=[$(TREND),$(RANGE),buy_and_hold,external]'
SYNC := --quiet --require-hashes --compile-bytecode
OURS := --quiet --no-deps --no-build-isolation
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-header --no-annotate

INTERPRETED := tests/unit/core tests/unit/rules tests/unit/strategies -k "not compiled]"

.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*##' '/^[a-z-]+:.*##/ {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SETUP)  ## make the environment in .venv from the locked requirements

$(SETUP): requirements/dev.lock requirements/uv.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.lock
	$(BIN)/uv pip sync $(SYNC) --python $(BIN)/python requirements/dev.lock
	$(BIN)/uv pip install $(OURS) --python $(BIN)/python --editable .
	$(BIN)/python -m compileall -q engine web
	$(BIN)/chanquant compile $(SHIPPED)
	touch $(SETUP)

run: $(SETUP)  ## trade a made-up market on paper, with the panel at 127.0.0.1:8000
	$(BIN)/chanquant up

test: $(SETUP) check  ## run every test that needs neither root nor a server
	mkdir -p .cache
	bash -o pipefail -c '$(BIN)/python -m pytest -n 2 --ignore=tests/system | tee .cache/pytest.txt'
	tail -n 1 .cache/pytest.txt > .cache/summary.txt
	$(BIN)/coverage run -m pytest -q $(INTERPRETED)
	$(BIN)/coverage report

check: $(SETUP)  ## ruff, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

system-test: $(SETUP)  ## run the tests that need root, a browser or a server (Debian)
	test -x /usr/bin/chromium || (apt-get update -qq && apt-get install -y -qq chromium)
	$(BIN)/python -m pytest tests/system

bench: $(SETUP) $(PEERS)  ## measure ours and the peers side by side
	$(BIN)/python -m benchmarks.run

soak: $(SETUP)  ## measure what takes long, and write docs/soak.md
	$(BIN)/python -m benchmarks.soak

$(PEERS): benchmarks/peers.lock $(SETUP)
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	$(BIN)/uv pip sync $(SYNC) --python .venv-peers/bin/python benchmarks/peers.lock
	touch $(PEERS)

new: $(SETUP)  ## write the first files of a part: make new KIND=strategy NAME=x
	$(BIN)/chanquant new $(KIND) $(NAME)

lock: $(SETUP)  ## resolve the requirements anew
	$(LOCK) pyproject.toml -o requirements/run.lock
	$(LOCK) pyproject.toml --all-extras --group dev -c requirements/run.lock -o requirements/dev.lock
	echo uv | $(LOCK) -c requirements/dev.lock - -o requirements/uv.lock
	$(LOCK) benchmarks/peers.in -o benchmarks/peers.lock

clean:  ## remove what can be made again, but not var
	rm -rf $(VENV) .venv-peers .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis dist

.PHONY: help setup run test check system-test bench soak new lock clean
