# `make run` starts the demo, `make test` is what continuous integration runs.

SHELL := /bin/bash
CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help run test test-loaded prove chaos drift check lint fmt bench bench-peers bench-webhooks bench-freshness bench-sync official-client browser schemathesis integrations tools cargo

help: ## Lists the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 18

# The dev profile: GHL's limit bounds the demo, not the processor, and a release build takes several times as long.
run: cargo ## Builds the program and starts the demo: everything in one process, with a simulated GHL
	$(CARGO) run --locked -- demo

# Twice as many as processors, since most tests wait for programs that they started.
test: export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))
test: cargo tools official-client browser schemathesis lint ## Checks format and lints and runs all tests; installs redis-server, PostgreSQL, Node.js, Python, promtool and Chromium if missing
	$(CARGO) test --locked --workspace

# RUNS, BUSY: how often, and beside how many processes.
test-loaded: cargo tools official-client browser schemathesis ## Runs all tests five times beside four processes that keep the processors busy
	tests/loaded

# SOAK_EVENTS, SEQUENCES: how many calls are replayed, and how many random sequences are compared.
prove: cargo tools ## Checks all states of the queue's model, replays ten million calls of the real queue in it, and compares memory and Redis
	$(CARGO) run --locked --release --package queue-model -- prove
	SOAK_EVENTS=$(or $(SOAK_EVENTS),10000000) $(CARGO) test --locked --release --package job-engine --lib soak -- --nocapture
	DIFFERENTIAL_SEQUENCES=$(or $(SEQUENCES),10000) $(CARGO) test --locked --release --package job-engine --lib differential

# CHAOS_SEED=N repeats one storm, CHAOS_MINUTES=N runs new ones for longer.
chaos: cargo tools ## Kills, stops, restarts and breaks everything for minutes, and checks that no event is lost
	CHAOS_MINUTES=$(or $(CHAOS_MINUTES),5) $(CARGO) test --locked --test it chaos -- --nocapture

# DRIFT_SEED=N repeats one run.
drift: cargo tools ## Edits both sides while webhooks are lost, doubled and reordered, and checks that one reconciliation ends the drift
	DRIFT_SEED=$(or $(DRIFT_SEED),$$RANDOM) DRIFT_EDITS=$(or $(DRIFT_EDITS),2500) $(CARGO) test --locked --test it drift:: -- --nocapture --test-threads 1

check: cargo ## Compiles everything without running it
	$(CARGO) check --locked --workspace --all-targets

lint: cargo
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	$(CARGO) check --locked --no-default-features # as the image is built: without the simulated GHL

fmt: cargo ## Formats the code
	$(CARGO) fmt --all

BENCH := tests/bench
# Not --locked: the engine's dependencies change without this workspace, which then adds what it lacks.
BENCH_BUILD := $(CARGO) build --release --manifest-path $(BENCH)/rust/Cargo.toml --target-dir $(BENCH)/rust/target

bench: cargo tools ## Measures the engine beside other job queues; QUICK=1 takes three minutes
	$(BENCH_BUILD) --bin engine --bin server
	$(BENCH)/bench.py
	$(BENCH)/scale.py

bench-webhooks: cargo tools ## Measures how fast the gateway accepts signed webhooks, and one key's events beside a flood of another's, over SQLite and PostgreSQL
	$(CARGO) bench --locked --bench webhooks

bench-freshness: cargo tools ## Measures how soon an edit on one side reaches the other, over Redis and PostgreSQL, with and without imports
	$(CARGO) bench --locked --bench freshness

# BASELINE=path measures another build of the program in turns with this one; AT_ONCE=N: number of concurrent jobs.
bench-sync: cargo tools ## Measures what a pulled contact costs, each part of the system by itself, over PostgreSQL and over SQLite
	$(CARGO) bench --locked --bench sync

# The table names what can't be installed as missing, so no failure ends this.
bench-peers: cargo ## Installs the other job queues for `make bench`
	-$(BENCH_BUILD) --features peers
	-command -v sidekiq >/dev/null || apt-get install --quiet --yes --no-install-recommends ruby-sidekiq
	-npm ci --prefix $(BENCH) --no-audit --no-fund
	-python3 -m venv $(BENCH)/.venv && $(BENCH)/.venv/bin/pip install --quiet --requirement $(BENCH)/requirements.txt

# Not part of `make test`: the first time it installs what builds nodes of n8n, 700 MB.
integrations: cargo tools ## Tests the apps for Zapier and n8n and the TypeScript client against the gateway, workers and the sandbox
	$(CARGO) build --locked --workspace
	integrations/run-tests.mjs target/debug/clienty-sync

# Only if the lock file is newer than what is installed: otherwise the tests need no network.
CLIENT := tests/official_client
official-client: $(CLIENT)/node_modules/.package-lock.json
$(CLIENT)/node_modules/.package-lock.json: $(CLIENT)/package-lock.json | tools
	npm ci --prefix $(CLIENT) --ignore-scripts --no-audit --no-fund
	@touch $@

# What drives the browser; the browser itself is Debian's.
BROWSER := tests/browser
browser: $(BROWSER)/node_modules/.package-lock.json
$(BROWSER)/node_modules/.package-lock.json: $(BROWSER)/package-lock.json | tools
	npm ci --prefix $(BROWSER) --ignore-scripts --no-audit --no-fund
	@touch $@

# What asks the API by its own document.
SCHEMATHESIS := tests/schemathesis
schemathesis: $(SCHEMATHESIS)/.venv/installed
$(SCHEMATHESIS)/.venv/installed: $(SCHEMATHESIS)/requirements.txt | tools
	python3 -m venv $(SCHEMATHESIS)/.venv
	$(SCHEMATHESIS)/.venv/bin/pip install --quiet --disable-pip-version-check --requirement $(SCHEMATHESIS)/requirements.txt
	@touch $@

tools:
	@tests/install-tools

cargo:
	@command -v $(CARGO) >/dev/null || { echo 'Rust is missing: install it from https://rustup.rs' >&2; exit 1; }
