PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PEERS := .peers
PEERS_INSTALLED := $(PEERS)/.installed
ENGINES := .engines
ENGINES_INSTALLED := $(ENGINES)/.installed
FUZZ := .fuzz
FUZZ_INSTALLED := $(FUZZ)/.installed
SIDE_BY_SIDE := $(addprefix tests/,browser collector conformance container contract crash examples faults frameworks fuzz house properties schemas)
KILLS ?= 1000
POINTS ?= 3000
BODIES ?= 1000000
SECONDS ?= 86400
# The suite starts some thousand processes: without kept bytecode each of them compiles the whole of kizashi first.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo serve test lint bench bench-ingest bench-query bench-clickhouse bench-sdk bench-pages backtest calibrate conformance crash powerloss clickhouse properties faults fuzz overload docs \
	container-test clean help

demo: $(INSTALLED)  ## a collector, a shop, visitors and a bidding script, for half a minute
	$(BIN)/kizashi demo

serve: $(INSTALLED)  ## a collector on http://127.0.0.1:8700 that stays
	$(BIN)/kizashi serve --data data --plan examples/plan.toml

test: $(INSTALLED)  ## all tests; where the SDK's measure time, each has a processor to itself
	$(BIN)/python -m pytest -n 3 --dist worksteal $(SIDE_BY_SIDE)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(addprefix --ignore=,$(SIDE_BY_SIDE))

lint: $(INSTALLED)  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(INSTALLED)  ## ratios against limits measured in the same run; docs/benchmarks.md keeps the last results
	PYTHONPATH=tests $(BIN)/python -m bench.ingest

bench-ingest: bench  ## the same, then with ten million events stored: rate, size, memory, start
	PYTHONPATH=tests $(BIN)/python -m bench.stored
	PYTHONPATH=tests $(BIN)/python -m bench.seen

bench-query: $(ENGINES_INSTALLED)  ## what answers cost with ten million events stored, beside chdb and DuckDB in the same run
	PYTHONPATH=tests $(ENGINES)/bin/python -m bench.query

bench-clickhouse: $(INSTALLED)  ## the store in ClickHouse at ten and a hundred million events: some 40 minutes and 10 GB of disk
	PYTHONPATH=tests $(BIN)/python -m bench.clickhouse

bench-sdk: $(PEERS_INSTALLED)  ## what a tracked event costs, beside five other SDKs in the same run
	PYTHONPATH=tests $(PEERS)/bin/python -m bench.sdk
	PYTHONPATH=tests $(PEERS)/bin/python -m bench.sdk_outage

bench-pages: $(INSTALLED)  ## how soon each page of the dashboard is useful with ten million events stored; needs Chromium
	PYTHONPATH=tests $(BIN)/python -m bench.pages

conformance: $(PEERS_INSTALLED)  ## which promises kizashi and five other SDKs keep; docs/conformance.md keeps the last result
	PYTHONPATH=tests $(PEERS)/bin/python -m conformance

crash: $(INSTALLED)  ## kills a collector under load KILLS times; docs/crash.md keeps the last result
	PYTHONPATH=tests $(BIN)/python -m crash kills --kills $(KILLS)

powerloss: $(INSTALLED)  ## rebuilds the disk at POINTS power losses; needs strace
	PYTHONPATH=tests $(BIN)/python -m crash powerloss --points $(POINTS)

clickhouse: $(INSTALLED)  ## all that holds for both stores, and the properties of the one in ClickHouse at length
	LONG_CLICKHOUSE=1 AT_LENGTH=1 $(BIN)/python -m pytest -n 2 --timeout 1800 tests/contract tests/collector/http/routes \
		tests/collector/store/clickhouse tests/collector/store/test_every_log.py tests/properties/test_once.py \
		tests/properties/test_store_against_oracle.py tests/properties/test_clickhouse_walks.py

properties: $(INSTALLED)  ## every property on ten times as many examples as in `make test`, and on others each time
	AT_LENGTH=1 $(BIN)/python -m pytest -n 2 --dist worksteal --timeout 1800 tests/properties tests/collector/ingest

faults: $(INSTALLED)  ## every fault, the slow ones too: full, refusing and slow disks, damage, clocks
	LONG_FAULTS=1 $(BIN)/python -m pytest tests/faults

fuzz: $(FUZZ_INSTALLED)  ## BODIES bodies against a collector, then atheris and Schemathesis; docs/fuzz.md keeps the last result
	PYTHONPATH=tests $(FUZZ)/bin/python -m fuzz $(BODIES) $(SECONDS)
	PYTHONPATH=tests $(FUZZ)/bin/python -m fuzz.coverage_guided 30000
	PYTHONPATH=tests $(FUZZ)/bin/python -m fuzz.openapi 50

overload: $(INSTALLED)  ## three times the peak for a minute; docs/limits.md says what is promised
	PYTHONPATH=tests $(BIN)/python -m overload

calibrate: $(INSTALLED)  ## the nowcast on simulated journeys whose truth is known; minutes
	PYTHONPATH=tests $(BIN)/python -m values.simulate --seeds 16 --first 101

backtest: $(INSTALLED)  ## the nowcast on half a year of a real shop, beside what then happened; needs ../shared/data
	PYTHONPATH=tests $(BIN)/python -m values.backtest

docs: $(INSTALLED)  ## write what is generated: schemas, OpenAPI
	$(BIN)/python schemas/generate_currencies.py
	$(BIN)/python schemas/generate.py

container-test:  ## builds the image on BASE and proves its promises; needs podman or docker
	tests/container/build_and_run.sh $(BASE)

clean:  ## remove what make made
	rm -rf $(VENV) $(PEERS) $(ENGINES) $(FUZZ) fuzz-found dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The mark is newer than pyproject.toml only after a complete install.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kizashi needs Python 3.11 or newer; name one: make PYTHON=python3.13")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(INSTALLED)

# Other SDKs pin what they like: they have an environment of their own.
$(PEERS_INSTALLED): pyproject.toml tests/conformance/peers.txt $(INSTALLED)
	$(BIN)/python -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/conformance/peers.txt --editable '.[collector]'
	touch $(PEERS_INSTALLED)

# The engines are large, and nothing but their benchmark needs them.
$(ENGINES_INSTALLED): pyproject.toml tests/bench/engines.txt $(INSTALLED)
	$(BIN)/python -m venv --clear $(ENGINES)
	$(ENGINES)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/bench/engines.txt --editable '.[collector]'
	touch $(ENGINES_INSTALLED)

# The fuzzers bring libraries that the tests do not need.
$(FUZZ_INSTALLED): pyproject.toml tests/fuzz/requirements.txt $(INSTALLED)
	$(BIN)/python -m venv --clear $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/fuzz/requirements.txt --editable '.[collector]'
	touch $(FUZZ_INSTALLED)

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16
