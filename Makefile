# `make demo` and `make test` need only Python 3.11+, make and git: they make .venv and install from the lock.
PYTHON ?= python3
BIN    := .venv/bin

# what `make test` leaves out: it needs more than Python, or its length (tests/support/tiers.py)
FURTHER := torture or e2e or warehouse or postgresql
PYTEST  := $(BIN)/python -m pytest -n auto --dist worksteal -p no:cacheprovider

.PHONY: demo install test test-all test-further test-busy test-fresh lint check bench lock picture clean

demo: .venv/run.stamp
	@$(BIN)/anr demo

install: .venv/run.stamp

# core, bot and the scenarios: Python alone
test: .venv/dev.stamp
	$(PYTEST) -m "not ($(FURTHER))" --ignore=tests/e2e

# everything, with the floor of coverage; says first what Debian has to bring
test-all:
	@$(PYTHON) -m tests.support.tiers
	@$(MAKE) --no-print-directory .venv/dev.stamp .venv/slack_types.stamp
	$(PYTEST) --cov --cov-report=term

# what `make test` leaves out; CI runs it after `make test`
test-further: .venv/dev.stamp
	@$(PYTHON) -m tests.support.tiers
	@$(MAKE) --no-print-directory .venv/slack_types.stamp
	$(PYTEST) -m "$(FURTHER)"

# everything beside four busy processes: no test fails because a machine is slow
test-busy:
	tests/beside_load.sh

# the first tier with Python, make and git alone
test-fresh:
	tests/fresh_machine.sh

lint: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# before a push; CI runs all tests: .ci/run
check:
	$(MAKE) lint
	$(MAKE) test

bench: .venv/dev.stamp
	$(BIN)/python -m bench

lock: .venv/dev.stamp
	$(BIN)/uv pip compile -q --upgrade --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group build --extra signing -o requirements.lock
	$(BIN)/uv pip compile -q --upgrade --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev --extra warehouse --extra signing -o requirements-dev.lock

# the README's picture: a real run in Chromium
picture: .venv/dev.stamp
	$(BIN)/python -m pytest --no-cov -q tests/e2e -k newcomer
	cp artifacts/approval.png docs/channel.png

.venv/run.stamp: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q core bot
	@touch $@

.venv/dev.stamp: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q core bot
	@touch $@ .venv/run.stamp

# Slack's own types for TypeScript, and its compiler; npm checks the hashes of the lock and runs no script of a package
.venv/slack_types.stamp: tests/slack_types/package-lock.json
	@mkdir -p .venv/slack_types
	cp tests/slack_types/package.json tests/slack_types/package-lock.json .venv/slack_types
	npm ci --prefix .venv/slack_types --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	rm -rf .venv
