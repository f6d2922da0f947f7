# `make demo` and `make test` need only Python 3.11+, make and git: they make .venv and install from the lock.
PYTHON ?= python3
BIN    := .venv/bin

.PHONY: demo install test lint check lock picture clean

demo: .venv/run.stamp
	@$(BIN)/anr demo

install: .venv/run.stamp

test: .venv/dev.stamp
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term -p no:cacheprovider

lint: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# what CI runs
check:
	$(MAKE) lint
	$(MAKE) test

bench: .venv/dev.stamp
	$(BIN)/python -m bench

lock: .venv/dev.stamp
	$(BIN)/uv pip compile -q --upgrade --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile -q --upgrade --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev --extra warehouse -o requirements-dev.lock

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

clean:
	rm -rf .venv
