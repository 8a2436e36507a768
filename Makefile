# The entry points. Each sets up all that it needs: nothing is to be installed or activated before.
#
#   make serve    run the gateway (arguments: make serve ARGS="-c /etc/postfix")
#   make test     linters, types, layers, tests; uses Debian's mail programs as peers where they can be installed
#   make check    linters, types and layers only
#   make bench    measure beside a real Postfix
#   make wire     clients that never wait and clients that do, over wires with delay, loss and reordering
#   make fuzz     a million random and mutated byte streams through the SMTP core
#   make fast     compile the hot modules where there is a C compiler (a minute or more); bench does it first
#                 (GATEPOST_PURE=1: run the sources all the same)
#   make clean    remove the virtual environment and every cache

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# The programs of others that the tests speak to. Each test that needs one says so and skips by name without it.
PEERS := postfix postfix-pcre swaks fail2ban pflogsumm amavisd-new iproute2 curl
# Those that cannot be installed beside Postfix, or need not be: unpacked below .cache.
UNPACKED := exim4-daemon-light msmtp haproxy redis-server

.PHONY: serve test check bench wire fuzz fast peers unpacked clean
.DELETE_ON_ERROR:

serve: $(VENV)/.serves
	exec $(BIN)/gatepost serve $(ARGS)

test: $(VENV)/.tests peers unpacked check
	$(BIN)/pytest $(ARGS)

check: $(VENV)/.tests
	$(BIN)/ruff check src tests bench tools
	$(BIN)/mypy --strict src/gatepost
	$(BIN)/lint-imports

bench: $(VENV)/.tests peers fast
	$(BIN)/python -m bench.run $(ARGS)

wire: $(VENV)/.tests peers unpacked
	$(BIN)/python -m tests.wire.measure $(ARGS)

fuzz: $(VENV)/.tests
	GATEPOST_FUZZ=1000000 $(BIN)/pytest -q tests/smtp/test_fuzz.py $(ARGS)

fast: $(VENV)/.serves
	@$(BIN)/python tools/compile.py

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo 'Gatepost needs Python 3.11 or newer as $(PYTHON) (or: make PYTHON=/path/to/python)' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/debian-packages python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serves: $(BIN)/python requirements.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.tests: $(VENV)/.serves requirements-dev.txt requirements-fast.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

peers:
	@.ci/debian-packages $(PEERS)

unpacked:
	@.ci/unpacked .cache/peers $(UNPACKED)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
