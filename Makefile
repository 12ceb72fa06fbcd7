# The commands of this repository. `make help` lists them.
#
# Needed beforehand: make, python3 (3.11 or later) and python3-venv. Everything else goes into $(VENV).
# PYTHON=python3.13 picks another interpreter, VENV=dir another place, ARGS="-k spool" goes to the tool run.

SHELL := /bin/sh
VENV ?= .venv
PYTHON ?=
ARGS ?=
PY := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help run test unit lint format fuzz torture bench bench-link messages screenshots clean lab venv venv-dev

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: venv  ## Show the whole path on this machine: console, gateway, link cut and back, centre
	@$(PY) -m gateway.cli demo $(ARGS)

test: venv-dev  ## Run every test; those that need DCMTK, Orthanc or root say so when they are skipped
	@$(PY) -m pytest $(ARGS)

unit: venv-dev  ## Run the tests that need no other program
	@$(PY) -m pytest --ignore=tests/e2e -m "not peers and not root and not browser and not fuse and not trace" $(ARGS)

lint: venv-dev  ## Check style, types and who imports whom
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

format: venv-dev  ## Format the code and mend what can be mended by itself
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

fuzz: venv-dev  ## Feed the readers of foreign bytes for longer than `make test` does
	@GATEWAY_FUZZ_EXAMPLES=20000 $(PY) -m pytest tests/fuzz --timeout=3600 $(ARGS)

torture: venv-dev  ## Try for a long time to make it lose something; ARGS="--minutes 30 --only power-cuts --seed 7 --list --json FILE"
	@$(PY) -m tests.durability $(ARGS)

bench: venv-dev  ## Measure against DCMTK, Orthanc and pynetdicom; ARGS=--quick for a short run
	@$(PY) -m bench $(ARGS)

bench-link: venv-dev  ## Measure over long links beside DCMTK and Orthanc (root; ARGS=--plan says how long it takes)
	@$(PY) -m bench.link $(ARGS)

lab: venv  ## Two shells, one at each end of a long link: PROFILE=geo, leo, dsl ... (needs root; ARGS=--help)
	@$(PY) -m gateway.demo.lab $(or $(PROFILE),geo) $(ARGS)

messages: venv-dev  ## Bring the page's translations (.po files) up to date with its sources
	@$(PY) -m tools.messages $(ARGS)

screenshots: venv-dev  ## Photograph every page of the admin page into docs/screenshots (needs chromium)
	@GATEWAY_REQUIRE_PEERS=1 GATEWAY_SCREENSHOTS=docs/screenshots $(PY) -m pytest tests/browser/test_screenshots.py $(ARGS)

clean:  ## Remove the virtual environment, caches and build products
	rm -rf $(VENV) tests/support/ois/node_modules tests/browser/node_modules build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

venv:  ## Make or refresh the virtual environment that the other commands use
	@PYTHON="$(PYTHON)" sh tools/venv.sh "$(VENV)" runtime

venv-dev:
	@PYTHON="$(PYTHON)" sh tools/venv.sh "$(VENV)" dev
